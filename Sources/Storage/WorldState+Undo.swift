import EthereumTypes
public import Primitives
import State
import Trie

// Backwards: undoing blocks on disk.

extension WorldState {
    /// Undoes blocks, the head and those before it: every value is what it was before the first of
    /// them, and the tries match byte for byte. As in `apply`, the trie goes before the flat state.
    ///
    /// - Parameters:
    ///   - root: the state root of the head.
    ///   - earlierRoot: that of the block before the first one undone.
    public func undo(
        _ blocks: ClosedRange<BlockNumber>, root: Hash256, earlierRoot: Hash256,
        in batch: inout WriteBatch
    ) throws(StorageError) {
        let earlier = try EarlierValues(of: blocks, in: self)
        for number in blocks {
            guard let keys = try changedKeys(of: number) else { continue }
            for hash in keys.code { batch.delete(.code, Key.hash(hash)) }
            deleteHistory(keys, of: number, in: &batch)
        }
        var trie = accountTrie(root: root)
        for (hash, value) in earlier.accounts {
            let account = value.isEmpty ? nil : try FlatAccount(value).account
            let latest = try latestAccount(hash)?.account
            if let slots = earlier.slots[hash] {
                var storage = storageTrie(
                    of: hash, root: latest?.storageRoot ?? .emptyTrieRoot)
                for (slot, value) in slots {
                    try storage.set(slot, earlierValue: value)
                    batch.set(.storage, Key.slot(hash, slot), to: value.isEmpty ? nil : value)
                }
                let update = storage.commit()
                batch.write(update, .storageTrie, prefix: Key.hash(hash))
                guard update.root == account?.storageRoot ?? .emptyTrieRoot else {
                    throw .corrupted("undoing gives account \(hash) a wrong storage root")
                }
            }
            try trie.set(hash, to: account?.encoded(), replacing: latest?.encoded())
            batch.set(.accounts, Key.hash(hash), to: value.isEmpty ? nil : value)
        }
        let update = trie.commit()
        batch.write(update, .accountTrie, prefix: [])
        guard update.root == earlierRoot else {
            throw .corrupted("undoing blocks \(blocks) gives a wrong state root")
        }
    }

    /// The latest storage trie of an account, empty if there is no such account.
    func storageTrie(ofLatest addressHash: Hash256) throws(StorageError) -> MerkleTrie {
        let root = try latestAccount(addressHash)?.account.storageRoot ?? .emptyTrieRoot
        return storageTrie(of: addressHash, root: root)
    }
}

/// The values that keys had before the first of some blocks, of all keys that these changed.
struct EarlierValues {
    /// Values of `accounts`; empty where there was none.
    var accounts: [Hash256: Bytes] = [:]
    /// Values of `storage` by account and slot; empty where there was none.
    var slots: [Hash256: [Hash256: Bytes]] = [:]

    init(of blocks: ClosedRange<BlockNumber>, in state: WorldState) throws(StorageError) {
        let snapshot = state.snapshot
        func earlierValue(_ family: Family, _ key: Bytes) throws(StorageError) -> Bytes {
            guard let value = try snapshot.value(family, key) else {
                throw .corrupted("\(family.name) lacks a value that a block changed")
            }
            return value
        }
        // Oldest first: the first value met is the earliest.
        for number in blocks {
            guard let keys = try state.changedKeys(of: number) else {
                throw .corrupted("the changes of block \(number) are missing")
            }
            for (address, changedSlots) in keys.accounts {
                if accounts[address] == nil {
                    accounts[address] = try earlierValue(
                        .accountHistory, Key.history(Key.hash(address), number))
                }
                for slot in changedSlots where slots[address]?[slot] == nil {
                    slots[address, default: [:]][slot] = try earlierValue(
                        .storageHistory, Key.history(Key.slot(address, slot), number))
                }
            }
        }
    }
}

extension MerkleTrie {
    /// Sets a slot to a value of `storage`, empty for none.
    mutating func set(
        _ slot: Hash256, earlierValue: Bytes
    ) throws(StorageError) {
        try set(slot, to: earlierValue.isEmpty ? nil : try FlatSlot(earlierValue).trieValue)
    }
}
