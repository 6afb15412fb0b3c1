import Cryptography
import EthereumTypes
import Primitives
import State
import Trie

/// Which keys of the latest state changed since a block, in their order and with the values that
/// they had then: what turns a trie of the head into that block's.
///
///     few changes      the keys are gathered from `changes`, block by block
///     many changes     the histories are gone through, which costs two searches a key, however often
///                      the key changed and however long ago the block is
struct EarlierKeys {
    private let snapshot: Snapshot
    private let block: BlockNumber
    private let limit: Int
    /// The keys; `nil` if the histories have to be gone through.
    private let gathered: Gathered?

    private struct Gathered {
        var accounts: Set<Hash256> = []
        /// Of the accounts that were asked for.
        var slots: [Hash256: Set<Hash256>] = [:]
    }

    /// - Parameters:
    ///   - snapshot: the chain up to its head.
    ///   - block: a retained block before it.
    ///   - wanted: the accounts whose slots are needed.
    ///   - limit: how many keys are gathered, and how many of one trie are gone through.
    init(
        changedAfter block: BlockNumber, through head: BlockNumber, in snapshot: Snapshot,
        slotsOf wanted: Set<Hash256>, limit: Int
    ) throws(StorageError) {
        self.snapshot = snapshot
        self.block = block
        self.limit = limit
        let state = WorldState(snapshot)
        var gathered = Gathered()
        var count = 0
        for number in (block + 1)...head {
            guard let keys = try state.changedKeys(of: number) else {
                throw .corrupted("the changes of block \(number) are missing")
            }
            count += keys.work
            guard count <= limit else {
                self.gathered = nil
                return
            }
            for account in keys.accounts {
                gathered.accounts.insert(account.address)
                if wanted.contains(account.address) {
                    gathered.slots[account.address, default: []].formUnion(account.slots)
                }
            }
        }
        self.gathered = gathered
    }

    /// The account trie of the block, as far as it is needed for some accounts.
    ///
    /// - Parameter latest: the state root of the head.
    /// - Throws: `tooManyChanges` beyond the limit.
    func accountTrie(
        latest: Hash256, for wanted: [Hash256]
    ) throws(StorageError) -> (trie: MerkleTrie, root: Hash256) {
        try rewind(
            .accounts, prefix: [], StoredTrie(snapshot: snapshot, family: .accountTrie, prefix: []),
            root: latest, for: wanted, keys: gathered?.accounts
        ) { (value) throws(StorageError) in try FlatAccount(value).account.encoded() }
    }

    /// The storage trie of an account at the block, as far as it is needed for some slots.
    ///
    /// - Throws: `tooManyChanges` beyond the limit.
    func storageTrie(
        of account: Hash256, for wanted: [Hash256]
    ) throws(StorageError) -> (trie: MerkleTrie, root: Hash256) {
        let prefix = Key.hash(account)
        let latest = try WorldState(snapshot).latestAccount(account)?.account.storageRoot
        return try rewind(
            .storage, prefix: prefix,
            StoredTrie(snapshot: snapshot, family: .storageTrie, prefix: prefix),
            root: latest ?? .emptyTrieRoot, for: wanted,
            keys: gathered.map { $0.slots[account] ?? [] }
        ) { (value) throws(StorageError) in try FlatSlot(value).trieValue }
    }

    private func rewind(
        _ family: Family, prefix: Bytes, _ stored: StoredTrie, root: Hash256, for wanted: [Hash256],
        keys: Set<Hash256>?, leaf: (Bytes) throws(StorageError) -> Bytes
    ) throws(StorageError) -> (trie: MerkleTrie, root: Hash256) {
        var rewind = TrieRewind(reader: stored, root: root, wanted: wanted)
        func change(_ key: Hash256, _ value: Bytes) throws(StorageError) {
            let entry = value.isEmpty ? [] : try leaf(value)
            try decoding("trie") { () throws(TrieError) in try rewind.set(key, to: entry) }
        }
        if let keys {
            let earlier = WorldState(snapshot, at: .after(block))
            for key in keys.sorted() {
                try change(key, try earlier.flatValue(family, prefix + Key.hash(key)) ?? [])
            }
        } else {
            try forEachChange(in: family, prefix: prefix, change)
        }
        return rewind.finish()
    }

    /// Goes through the histories: the first entry of a key above the block has its value.
    private func forEachChange(
        in family: Family, prefix: Bytes,
        _ body: (Hash256, Bytes) throws(StorageError) -> Void
    ) throws(StorageError) {
        let cursor = snapshot.cursor(family == .accounts ? .accountHistory : .storageHistory)
        let keySize = prefix.count + 32
        var count = 0
        var last: Bytes?
        try cursor.seek(prefix)
        while cursor.isValid {
            let entry = cursor.key
            guard entry.starts(with: prefix) else { return }
            let flatKey = Bytes(entry.prefix(keySize))
            guard let key = Hash256(flatKey.dropFirst(prefix.count)),
                let number = UInt64(bigEndian: entry.dropFirst(keySize))
            else { throw .corrupted("a key of the histories") }
            if flatKey != last {
                last = flatKey
                count += 1
                guard count <= limit else { throw .tooManyChanges(limit: limit) }
            }
            if number <= block {
                try cursor.seek(Key.history(flatKey, block + 1))
                continue
            }
            try body(key, cursor.value)
            // Most keys have few entries: the next one is often that of another key.
            try cursor.advance()
            if cursor.isValid, cursor.key.starts(with: flatKey) {
                try cursor.seek(flatKey + Bytes(repeating: 0xff, count: 9))
            }
        }
    }
}

extension ChangedKeys {
    /// What a block costs who goes through its changes: a block without any is work as well.
    var work: Int { count + 1 }
}

extension WorldState {
    /// The first block from which on every account and slot can be proven within a limit of changed
    /// keys; blocks before it only where few keys changed in all.
    ///
    /// - Parameters:
    ///   - head: the head of the snapshot.
    ///   - limit: as that of ``proof(of:slots:at:head:headRoot:limit:)``.
    public func oldestProof(head: BlockNumber, limit: Int) throws(StorageError) -> BlockNumber {
        let oldest = try oldestState()
        var number = head
        var work = 0
        while number > oldest {
            guard let keys = try changedKeys(of: number) else {
                throw .corrupted("the changes of block \(number) are missing")
            }
            work += keys.work
            guard work <= limit else { break }
            number -= 1
        }
        return number
    }
}
