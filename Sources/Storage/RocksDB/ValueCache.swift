import Glibc
import Primitives
import Synchronization

/// Values that were read or written lately, those of the state above all, in front of RocksDB.
///
/// RocksDB answers a read from its own memory in about 3 µs, most of it searching; a block of one
/// transfer makes some thirty, and the nodes near the roots of the tries are always the same. Here
/// an answer costs a tenth of a microsecond. What is written is in the cache before the write
/// returns, so that the writer of the chain hardly ever asks RocksDB.
///
/// Readers of different moments share it. The cache counts the changes of the families that it
/// holds; a snapshot knows the count it was taken at, and each value the count since which it
/// holds:
///
///     change      0 ───── 1 ───── 2 ───── 3          a value written by change 2 answers the
///     snapshot        ▲ 1             ▲ 3            snapshot of 3, and not that of 1
///
/// The count is odd while a change is under way. Who takes a snapshot then does without the cache;
/// who reads through an older snapshot finds what has not changed since.
final class ValueCache: Sendable {
    /// So many readers at once rarely wait for each other; a power of two.
    private static let shardCount = 16

    private let shards: [Shard]
    /// Twice the number of changes, and one more while one is being written.
    private let moment = Atomic<UInt64>(0)
    private let writer = Mutex(())

    /// A part of the keys, by their hashes.
    private final class Shard: Sendable {
        let ring: Mutex<ValueRing>

        init(byteCount: Int) {
            ring = Mutex(ValueRing(byteCount: byteCount))
        }
    }

    /// - Parameter byteCount: what the cache may take. Memory is taken as it is filled.
    init(byteCount: Int) {
        shards = (0..<Self.shardCount).map { _ in Shard(byteCount: byteCount / Self.shardCount) }
    }

    /// The present moment, or `nil` while a change is under way.
    var settledMoment: UInt64? {
        let moment = moment.load(ordering: .sequentiallyConsistent)
        return moment % 2 == 0 ? moment : nil
    }

    /// What the cache knows about a key at a moment.
    ///
    /// - Returns: `nil` if it knows nothing; an inner `nil` if there was no value.
    func value(_ family: Family, _ key: Bytes, at moment: UInt64) -> Bytes?? {
        let hash = ValueHash.process.hash(family, key)
        return shard(hash).ring.withLock { $0.value(family, key, hash, at: moment) }
    }

    /// Keeps what was read from the database at a moment, unless there was a change since.
    func keep(_ family: Family, _ key: Bytes, _ value: Bytes?, at moment: UInt64) {
        let hash = ValueHash.process.hash(family, key)
        shard(hash).ring.withLock { ring in
            // A change that begins after this comparison comes to this shard after us.
            guard self.moment.load(ordering: .sequentiallyConsistent) == moment else { return }
            ring.set(family, key, hash, to: value, since: moment)
        }
    }

    /// Writes changes to the database and takes them over.
    func write(
        _ changes: [ValueChange], _ body: () throws(StorageError) -> Void
    ) throws(StorageError) {
        try writer.withLock { (_) throws(StorageError) in
            // After a failed write it is not known what the database holds.
            guard settledMoment != nil else { return try body() }
            let begun = moment.add(1, ordering: .sequentiallyConsistent).newValue
            do throws(StorageError) {
                try body()
            } catch {
                // The count stays odd, so that nothing is kept any more.
                for shard in shards { shard.ring.withLock { $0.removeAll() } }
                throw error
            }
            for change in changes {
                let hash = ValueHash.process.hash(change.family, change.key)
                shard(hash).ring.withLock {
                    $0.set(change.family, change.key, hash, to: change.value, since: begun + 1)
                }
            }
            moment.store(begun + 1, ordering: .sequentiallyConsistent)
        }
    }

    /// What the values and their keys take now.
    var byteCount: Int {
        shards.reduce(0) { total, shard in total + shard.ring.withLock { $0.usedBytes } }
    }

    private func shard(_ hash: UInt64) -> Shard {
        shards[Int(truncatingIfNeeded: hash) & (Self.shardCount - 1)]
    }
}

/// A change that the cache must take over.
struct ValueChange {
    let family: Family
    let key: Bytes
    /// `nil` if the value was removed.
    let value: Bytes?
}

extension Family {
    /// Whether a value goes through the cache: what each block reads again and again. The nodes of the
    /// account trie that it needs are in `KeptTrie`.
    func isCached(_ key: Bytes) -> Bool {
        switch self {
        case .meta, .storage, .code, .storageTrie, .logIndex: true
        case .accounts: key.count == 32
        case .headers, .bodies, .receipts, .canonical, .numbers, .transactions, .accountTrie,
            .accountHistory, .storageHistory, .changes, .overrides, .sideBlocks, .pool:
            false
        }
    }
}
