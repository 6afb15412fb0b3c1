import Cryptography
import EthereumTypes
public import Primitives
public import State
import Trie

// From a diff to a root and a batch: the flat values, the trie nodes, and what undoes them.

extension WorldState {
    /// Writes what a block changed, as the latest state.
    ///
    /// The snapshot must be that of the parent, and the diff one over its state: the values before
    /// are taken from it and not read again. Cost is proportional to the diff. The snapshot may be the
    /// view of the batch: of each key the trie is changed before the flat state, so that no leaf is
    /// made of a value that the trie does not know yet.
    ///
    /// - Parameters:
    ///   - number: the block's number, or `nil` for genesis, which leaves no history: nothing was
    ///     before it.
    ///   - parentRoot: the state root of the parent.
    /// - Returns: the state root after the block.
    public func apply(
        _ diff: StateDiff, of number: BlockNumber?, parentRoot: Hash256,
        to batch: inout WriteBatch
    ) throws(StorageError) -> Hash256 {
        var keys = ChangedKeys()
        for (hash, code) in diff.code.sorted(by: { $0.key < $1.key })
        where try !snapshot.contains(.code, Key.hash(hash)) {
            batch.put(.code, Key.hash(hash), code)
            keys.code.append(hash)
        }
        // The storage tries first, all hashed together, because accounts hold their roots. In the
        // order of the keys: neighbours in the tries and in the write buffers come together.
        let addresses = Array(diff.accounts.keys)
        let ordered = zip(addresses, keccak256(addresses: addresses)).sorted { $0.1 < $1.1 }
        var updates: [AccountUpdate] = []
        var tries: [MerkleTrie] = []
        for (address, hash) in ordered {
            guard let change = diff.accounts[address], change.changesSomething else { continue }
            let storage = try apply(storageOf: change, hash, of: number, to: &batch)
            updates.append(
                AccountUpdate(
                    address: address, hash: hash, change: change, slots: storage.slots,
                    storageRoot: storage.root, trie: storage.trie.map { _ in tries.count }))
            if let trie = storage.trie { tries.append(trie) }
        }
        let storageUpdates = MerkleTrie.commit(&tries)
        // Genesis and trials are not what the next block begins with.
        let kept = number == nil ? nil : snapshot.database.accountTrie
        var trie = accountTrie(root: parentRoot, kept?.take(root: parentRoot))
        for update in updates {
            var root = update.storageRoot
            if let index = update.trie {
                root = storageUpdates[index].root
                batch.write(
                    storageUpdates[index], .storageTrie, prefix: Key.hash(update.hash))
            }
            let key = Key.hash(update.hash)
            var after = update.change.after
            after?.storageRoot = root
            // First the trie, whose leaves may come from what the batch changes.
            try trie.set(
                update.hash, to: after?.encoded(), replacing: update.change.before?.encoded())
            batch.set(.accounts, key, to: after.map { FlatAccount(update.address, $0).bytes })
            writeHistory(
                .accountHistory, key, of: number,
                before: update.change.before.map { FlatAccount(update.address, $0).bytes },
                to: &batch)
            keys.accounts.append((update.hash, update.slots))
        }
        if let number { batch.put(.changes, Key.number(number), keys.bytes) }
        let update = trie.commit()
        batch.write(update, .accountTrie, prefix: [])
        kept?.keep((consume trie).takeMemory())
        return update.root
    }

    /// A changed account between the two passes over a diff.
    private struct AccountUpdate {
        let address: Address
        let hash: Hash256
        let change: AccountChange
        /// The keys of the changed slots.
        let slots: [Hash256]
        /// The storage root if the storage trie does not change.
        let storageRoot: Hash256
        /// The place of the changed storage trie among those of the block.
        let trie: Int?
    }

    /// The state root that a diff leads to; nothing is written.
    public func root(
        applying diff: StateDiff, parentRoot: Hash256
    ) throws(StorageError) -> Hash256 {
        var batch = WriteBatch(for: snapshot.database)
        return try apply(diff, of: nil, parentRoot: parentRoot, to: &batch)
    }

    /// Writes what a block changed in one account's storage.
    ///
    /// - Returns: the keys of the changed slots, and the changed trie, or else the root as it is.
    private func apply(
        storageOf change: AccountChange, _ addressHash: Hash256, of number: BlockNumber?,
        to batch: inout WriteBatch
    ) throws(StorageError) -> (slots: [Hash256], trie: MerkleTrie?, root: Hash256) {
        let rootBefore = change.before?.storageRoot ?? .emptyTrieRoot
        let isCleared = change.storageWasCleared || change.after == nil
        let slots = keccak256(slots: change.storage.map(\.slot))
        var after: [Hash256: FlatSlot] = [:]
        var before: [Hash256: Bytes] = [:]
        var valuesBefore: [Hash256: Bytes] = [:]
        var trie: MerkleTrie
        if isCleared {
            if rootBefore != .emptyTrieRoot {
                before = try clearStorage(of: addressHash, in: &batch)
            }
            trie = MerkleTrie(reader: nil, root: .emptyTrieRoot, leavesAreStored: false)
        } else {
            trie = storageTrie(of: addressHash, root: rootBefore)
        }
        var changed = Set(before.keys)
        for (hash, slot) in zip(slots, change.storage) {
            if !isCleared {
                guard slot.before != slot.after else { continue }
                if !slot.before.isZero {
                    let value = FlatSlot(slot: slot.slot, value: slot.before)
                    before[hash] = value.bytes
                    valuesBefore[hash] = value.trieValue
                }
            }
            let value = FlatSlot(slot: slot.slot, value: slot.after)
            after[hash] = slot.after.isZero || change.after == nil ? nil : value
            if after[hash] != nil || before[hash] != nil { changed.insert(hash) }
        }
        guard !changed.isEmpty else { return ([], nil, isCleared ? .emptyTrieRoot : rootBefore) }
        let ordered = changed.sorted()
        for hash in ordered {
            let key = Key.slot(addressHash, hash)
            if !isCleared || after[hash] != nil {
                try trie.set(hash, to: after[hash]?.trieValue, replacing: valuesBefore[hash])
            }
            batch.set(.storage, key, to: after[hash]?.bytes)
            writeHistory(.storageHistory, key, of: number, before: before[hash], to: &batch)
        }
        return (ordered, trie, rootBefore)
    }

    /// Removes an account's trie nodes; its slots are removed one by one with their history.
    ///
    /// - Returns: the values of all its slots.
    private func clearStorage(
        of addressHash: Hash256, in batch: inout WriteBatch
    ) throws(StorageError) -> [Hash256: Bytes] {
        var values: [Hash256: Bytes] = [:]
        let prefix = Key.hash(addressHash)
        try snapshot.forEach(.storage, prefix: prefix) { (key, value) throws(StorageError) in
            guard let slot = Hash256(key.dropFirst(32)) else { throw .corrupted("storage key") }
            values[slot] = value
            return true
        }
        var nodes: [Bytes] = []
        try snapshot.forEach(.storageTrie, prefix: prefix) { (key, _) throws(StorageError) in
            nodes.append(key)
            return true
        }
        for key in nodes { batch.delete(.storageTrie, key) }
        return values
    }

    private func writeHistory(
        _ family: Family, _ key: Bytes, of number: BlockNumber?, before: Bytes?,
        to batch: inout WriteBatch
    ) {
        if let number { batch.put(family, Key.history(key, number), before ?? []) }
    }

    /// Drops undo data that a retention does not ask for: at most `limit` keys at a time, oldest
    /// blocks first, so that a commit stays short when the setting was lowered.
    ///
    /// - Parameter wanted: the first block whose state must stay readable. The snapshot must have
    ///   the blocks up to it: what one that is not written yet leaves would stay for ever.
    public func pruneHistory(
        before wanted: BlockNumber, limit: Int, in batch: inout WriteBatch
    ) throws(StorageError) {
        var oldest = try oldestState()
        guard oldest < wanted else { return }
        var count = 0
        while oldest < wanted, count < limit {
            // The state after a block is read from the histories of later blocks only.
            oldest += 1
            // A block without changes is work as well.
            count += 1
            guard let keys = try changedKeys(of: oldest) else { continue }
            count += keys.count
            deleteHistory(keys, of: oldest, in: &batch)
        }
        Self.setOldestState(oldest, in: &batch)
    }

    /// Sets the first block whose state can be read: at the beginning that is the genesis block.
    public static func setOldestState(_ number: BlockNumber, in batch: inout WriteBatch) {
        batch.put(.meta, MetaItem.oldestState.key, Bytes(bigEndian: number))
    }

    func changedKeys(of number: BlockNumber) throws(StorageError) -> ChangedKeys? {
        guard let value = try snapshot.value(.changes, Key.number(number)) else { return nil }
        return try ChangedKeys(value)
    }

    func deleteHistory(_ keys: ChangedKeys, of number: BlockNumber, in batch: inout WriteBatch) {
        for account in keys.accounts {
            batch.delete(.accountHistory, Key.history(Key.hash(account.address), number))
            for slot in account.slots {
                batch.delete(
                    .storageHistory, Key.history(Key.slot(account.address, slot), number))
            }
        }
        batch.delete(.changes, Key.number(number))
    }
}

extension AccountChange {
    /// Whether the account is not what it was before.
    var changesSomething: Bool {
        before != after || storageWasCleared || storage.contains { $0.before != $0.after }
    }
}

extension MerkleTrie {
    /// Sets the value of a key, or removes it.
    ///
    /// - Parameter previous: the value before, if it is known.
    mutating func set(
        _ key: Hash256, to value: Bytes?, replacing previous: Bytes? = nil
    ) throws(StorageError) {
        try decoding("trie") { () throws(TrieError) in
            try set(key: key, value: value ?? [], replacing: previous ?? [])
        }
    }
}

extension WriteBatch {
    /// Writes the changed nodes of a trie, in the order of their keys.
    mutating func write(_ update: TrieUpdate, _ family: Family, prefix: Bytes) {
        for change in update.changes {
            let family = family.holding(change.path)
            let key = change.path.storageKey(after: prefix)
            if let node = change.node {
                put(family, key, node)
            } else {
                delete(family, key)
            }
        }
    }
}
