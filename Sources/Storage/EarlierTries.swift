import Cryptography
import EthereumTypes
public import Primitives
public import State
import Trie

/// The tries of one block after another, from the head backwards: for recomputing state roots of
/// earlier blocks.
///
/// What an earlier block's tries have other than the latest ones lies in a scratch database, so
/// memory is bounded however far the walk goes. Nothing is written to the chain's own.
public final class EarlierTries {
    /// The block whose state the tries are now.
    public private(set) var number: BlockNumber
    /// The root of that state.
    public private(set) var root: Hash256

    private let snapshot: Snapshot
    private let scratch: Database

    /// The tries of the head.
    ///
    /// - Parameters:
    ///   - scratch: a database that is empty, but for its schema version.
    ///   - head: the head of the snapshot.
    ///   - root: its state root.
    public init(_ snapshot: Snapshot, head: BlockNumber, root: Hash256, scratch: Database) {
        self.snapshot = snapshot
        self.scratch = scratch
        number = head
        self.root = root
    }

    /// Goes to the state before the block, by what the histories say the block changed.
    ///
    /// - Throws: `corrupted` if the histories lack something or contradict the storage roots that
    ///   accounts carry. Whether the new root is right is for the caller to compare.
    public func stepBack() throws(StorageError) {
        let before = WorldState(snapshot, at: .after(number - 1))
        let after = WorldState(snapshot, at: .after(number))
        guard let keys = try before.changedKeys(of: number) else {
            throw .corrupted("the changes of block \(number) are missing")
        }
        let step = TrieStep(snapshot, scratch)
        var accounts = step.trie(.accountTrie, prefix: [], root: root)
        for (hash, slots) in keys.accounts {
            let key = Key.hash(hash)
            let account = try history(.accountHistory, key).map { (bytes) throws(StorageError) in
                try FlatAccount(bytes, of: hash).account
            }
            if !slots.isEmpty {
                let latest = try after.flatValue(.accounts, key).map {
                    (bytes) throws(StorageError) in try FlatAccount(bytes).account.storageRoot
                }
                var storage = step.trie(
                    .storageTrie, prefix: key, root: latest ?? .emptyTrieRoot)
                for slot in slots {
                    let value = try history(.storageHistory, Key.slot(hash, slot))
                    try storage.set(
                        slot,
                        to: value.map { (bytes) throws(StorageError) in
                            try FlatSlot(bytes, of: slot).trieValue
                        })
                }
                let update = storage.commit()
                step.write(update, .storageTrie, prefix: key)
                guard update.root == account?.storageRoot ?? .emptyTrieRoot else {
                    throw .corrupted(
                        "the storage history of account \(hash) at block \(number) gives "
                            + "another root than the account had")
                }
            }
            try accounts.set(hash, to: account?.encoded())
        }
        let update = accounts.commit()
        step.write(update, .accountTrie, prefix: [])
        try step.finish()
        root = update.root
        number -= 1
    }

    /// The root of the state with a diff over it. The tries stay as they are.
    public func root(applying diff: StateDiff) throws(StorageError) -> Hash256 {
        let step = TrieStep(snapshot, scratch)
        var accounts = step.trie(.accountTrie, prefix: [], root: root)
        let addresses = diff.accounts.keys.sorted()
        for (address, hash) in zip(addresses, keccak256(addresses: addresses)) {
            guard let change = diff.accounts[address] else { continue }
            guard var account = change.after else {
                try accounts.set(hash, to: nil)
                continue
            }
            let before =
                change.storageWasCleared ? nil : change.before?.storageRoot
            var storage = step.trie(
                .storageTrie, prefix: Key.hash(hash), root: before ?? .emptyTrieRoot)
            let slots = keccak256(slots: change.storage.map(\.slot))
            for (slotHash, slot) in zip(slots, change.storage)
            where change.storageWasCleared || slot.before != slot.after {
                if slot.after.isZero {
                    // There is nothing to remove from a trie that begins empty.
                    if before != nil { try storage.set(slotHash, to: nil) }
                } else {
                    let value = FlatSlot(slot: slot.slot, value: slot.after)
                    try storage.set(slotHash, to: value.trieValue)
                }
            }
            account.storageRoot = storage.commit().root
            try accounts.set(hash, to: account.encoded())
        }
        return accounts.commit().root
    }

    /// The value that a key had before the block; `nil` if it had none.
    private func history(_ family: Family, _ key: Bytes) throws(StorageError) -> Bytes? {
        guard let value = try snapshot.value(family, Key.history(key, number)) else {
            throw .corrupted("\(family.name) lacks a value that block \(number) changed")
        }
        return value.isEmpty ? nil : value
    }
}

/// One reading of the tries, and what changes in them.
private final class TrieStep {
    private let snapshot: Snapshot
    private let scratch: Snapshot
    private var nodes: [(family: Family, key: Bytes, node: Bytes)] = []
    private let database: Database

    init(_ snapshot: Snapshot, _ scratch: Database) {
        self.snapshot = snapshot
        self.scratch = scratch.snapshot()
        database = scratch
    }

    func trie(_ family: Family, prefix: Bytes, root: Hash256) -> MerkleTrie {
        let reader = EarlierTrie(
            earlier: scratch, latest: StoredTrie(snapshot: snapshot, family: family, prefix: prefix)
        )
        return MerkleTrie(reader: root == .emptyTrieRoot ? nil : reader, root: root)
    }

    /// Notes changed nodes; an empty value stands for one that is gone.
    func write(_ update: TrieUpdate, _ family: Family, prefix: Bytes) {
        for change in update.changes {
            nodes.append(
                (family, change.path.storageKey(after: prefix), Bytes(change.node ?? [])))
        }
    }

    func finish() throws(StorageError) {
        var batch = WriteBatch(for: database)
        for node in nodes { batch.put(node.family, node.key, node.node) }
        try database.write(batch, durability: .buffered)
    }
}

/// The nodes of one trie of an earlier state: those that differ, and else the latest.
private struct EarlierTrie: TrieNodeReader {
    let earlier: Snapshot
    let latest: StoredTrie

    func node(at path: NibblePath, mayBeLeaf: Bool) throws(TrieError) -> Bytes? {
        let node: Bytes?
        do {
            node = try earlier.value(latest.family, path.storageKey(after: latest.prefix))
        } catch {
            throw .unreadable(path: path, reason: error.description)
        }
        guard let node else { return try latest.node(at: path, mayBeLeaf: mayBeLeaf) }
        return node.isEmpty ? nil : node
    }
}

extension FlatAccount {
    /// A value under the key of an account; its address must be the one that the key hides.
    fileprivate init(_ bytes: Bytes, of hash: Hash256) throws(StorageError) {
        try self.init(bytes)
        guard keccak256(address) == hash else {
            throw .corrupted("account \(address) is under a wrong key")
        }
    }
}

extension FlatSlot {
    /// A value under the key of a slot; its slot must be the one that the key hides.
    fileprivate init(_ bytes: Bytes, of hash: Hash256) throws(StorageError) {
        try self.init(bytes)
        guard keccak256(slot) == hash else {
            throw .corrupted("slot \(slot) is under a wrong key")
        }
    }
}
