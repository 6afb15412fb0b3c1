import Cryptography
public import EthereumTypes
public import Primitives
public import State
import Trie

/// The state of the chain after a block: the latest, or any retained one.
///
/// The latest state is flat: one read a value. An older state is the latest one seen through the
/// histories: the first entry of a key above the block's number holds the value it had then; a key
/// without such an entry has not changed since.
public struct WorldState: StateReader, Sendable {
    /// Which state is read.
    public enum Moment: Hashable, Sendable {
        /// After the head of the snapshot.
        case latest
        /// After an earlier canonical block.
        case after(BlockNumber)
    }

    let snapshot: Snapshot
    let moment: Moment
    /// What changed since the moment, where that is little.
    private let recent: RecentChanges?

    /// The state at a moment, in a snapshot. An earlier block must be retained:
    /// ``oldestState()``.
    public init(_ snapshot: Snapshot, at moment: Moment = .latest) {
        self.snapshot = snapshot
        self.moment = moment
        recent = nil
    }

    /// The state after a retained block before the head of the snapshot. Where the head is near, values
    /// are found faster than by ``init(_:at:)``.
    public init(
        _ snapshot: Snapshot, after number: BlockNumber, head: BlockNumber
    ) throws(StorageError) {
        self.snapshot = snapshot
        moment = .after(number)
        recent = try RecentChanges(after: number, through: head, in: snapshot)
    }

    /// The account at an address, or `nil` if there is none.
    public func account(_ address: Address) throws(StateReadError) -> Account? {
        try reading { () throws(StorageError) in
            let key = Key.hash(keccak256(address))
            guard let value = try flatValue(.accounts, key) else { return nil }
            return try FlatAccount(value).account
        }
    }

    /// The value of a storage slot; zero if it is not set.
    public func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try reading { () throws(StorageError) in
            let key = Key.slot(keccak256(address), keccak256(slot))
            guard let value = try flatValue(.storage, key) else { return .zero }
            return try FlatSlot(value).value
        }
    }

    /// The code with a hash; a hash that is not in the store is corruption.
    public func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        if hash == .keccakEmpty { return [] }
        return try reading { () throws(StorageError) in
            guard let code = try snapshot.value(.code, Key.hash(hash)) else {
                throw .corrupted("code \(hash) is missing")
            }
            return code
        }
    }

    /// The hash of a canonical block at or below the state's own.
    public func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        if case .after(let last) = moment, number > last { return nil }
        return try reading { () throws(StorageError) in
            try BlockStore(snapshot).canonicalHash(number)
        }
    }

    /// The first block whose state can be read.
    public func oldestState() throws(StorageError) -> BlockNumber {
        guard let value = try snapshot.value(.meta, MetaItem.oldestState.key) else { return 0 }
        guard let number = UInt64(bigEndian: value) else { throw .corrupted("oldest state") }
        return number
    }

    /// The bytes under a key of `accounts` or `storage` at the moment; `nil` if there were none.
    func flatValue(_ family: Family, _ key: Bytes) throws(StorageError) -> Bytes? {
        if case .after(let number) = moment, number < .max {
            let history: Family = family == .accounts ? .accountHistory : .storageHistory
            if let recent {
                guard let change = try recent.firstChange(of: key) else {
                    return try snapshot.value(family, key)
                }
                guard let before = try snapshot.value(history, Key.history(key, change)) else {
                    throw .corrupted("\(history.name) lacks a value that a block changed")
                }
                return before.isEmpty ? nil : before
            }
            let first = Key.history(key, number + 1)
            if let entry = try snapshot.firstEntry(history, from: first) {
                return entry.value.isEmpty ? nil : entry.value
            }
        }
        return try snapshot.value(family, key)
    }

    /// The account's record in the latest state.
    func latestAccount(_ addressHash: Hash256) throws(StorageError) -> FlatAccount? {
        guard let value = try snapshot.value(.accounts, Key.hash(addressHash)) else { return nil }
        return try FlatAccount(value)
    }

    /// The trie of the accounts of the latest state.
    ///
    /// - Parameter memory: nodes of it that are in memory already.
    func accountTrie(root: Hash256, _ memory: TrieMemory? = nil) -> MerkleTrie {
        guard let memory else { return trie(.accountTrie, prefix: [], root: root) }
        return MerkleTrie(
            reader: StoredTrie(snapshot: snapshot, family: .accountTrie, prefix: []), memory,
            leavesAreStored: false)
    }

    /// The trie of an account's storage in the latest state.
    func storageTrie(of addressHash: Hash256, root: Hash256) -> MerkleTrie {
        trie(.storageTrie, prefix: Key.hash(addressHash), root: root)
    }

    private func trie(_ family: Family, prefix: Bytes, root: Hash256) -> MerkleTrie {
        let reader = StoredTrie(snapshot: snapshot, family: family, prefix: prefix)
        return MerkleTrie(
            reader: root == .emptyTrieRoot ? nil : reader, root: root, leavesAreStored: false)
    }

    private func reading<Value>(
        _ body: () throws(StorageError) -> Value
    ) throws(StateReadError) -> Value {
        do {
            return try body()
        } catch {
            throw StateReadError(message: error.description)
        }
    }
}
