import Cryptography
public import EthereumTypes
public import Primitives
import State
import Trie

// Backwards: undoing blocks on disk, and going back to an earlier state in memory for proofs.

extension WorldState {
    /// Undoes blocks, the head and those before it: every value is what it was before the first of
    /// them, and the tries match byte for byte.
    ///
    /// - Parameters:
    ///   - root: the state root of the head.
    ///   - earlierRoot: that of the block before the first one undone.
    public func undo(
        _ blocks: ClosedRange<BlockNumber>, root: Hash256, earlierRoot: Hash256,
        in batch: inout WriteBatch
    ) throws(StorageError) {
        let earlier = try EarlierValues(of: blocks, in: self, limit: .max)
        for number in blocks {
            guard let keys = try changedKeys(of: number) else { continue }
            for hash in keys.code { batch.delete(.code, Key.hash(hash)) }
            deleteHistory(keys, of: number, in: &batch)
        }
        var trie = accountTrie(root: root)
        for (hash, value) in earlier.accounts {
            let account = value.isEmpty ? nil : try FlatAccount(value).account
            if let slots = earlier.slots[hash] {
                var storage = try storageTrie(ofLatest: hash)
                for (slot, value) in slots {
                    batch.set(.storage, Key.slot(hash, slot), to: value.isEmpty ? nil : value)
                    try storage.set(slot, earlierValue: value)
                }
                let update = storage.commit()
                batch.write(update, .storageTrie, prefix: Key.hash(hash))
                guard update.root == account?.storageRoot ?? .emptyTrieRoot else {
                    throw .corrupted("undoing gives account \(hash) a wrong storage root")
                }
            }
            batch.set(.accounts, Key.hash(hash), to: value.isEmpty ? nil : value)
            try trie.set(hash, to: account?.encoded())
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

    /// Proves an account and some of its slots against the state root of a block.
    ///
    /// For an earlier block the changes since are undone in memory, so the cost is proportional to
    /// them.
    ///
    /// - Parameters:
    ///   - block: the block, the head or one before it.
    ///   - limit: how many changed keys and blocks may lie between them.
    /// - Throws: `tooManyChanges` beyond the limit.
    public func proof(
        of address: Address, slots: [UInt256], at block: BlockNumber,
        head: BlockNumber, headRoot: Hash256, limit: Int
    ) throws(StorageError) -> AccountProof {
        let hash = keccak256(address)
        var accounts = accountTrie(root: headRoot)
        var storage = try storageTrie(ofLatest: hash)
        if block < head {
            let earlier = try EarlierValues(of: (block + 1)...head, in: self, limit: limit)
            for (hash, value) in earlier.accounts {
                let account = value.isEmpty ? nil : try FlatAccount(value).account
                try accounts.set(hash, to: account?.encoded())
            }
            for (slot, value) in earlier.slots[hash] ?? [:] {
                try storage.set(slot, earlierValue: value)
            }
        }
        _ = accounts.commit()
        _ = storage.commit()
        let state = WorldState(snapshot, at: block < head ? .after(block) : .latest)
        let record = try state.flatValue(.accounts, Key.hash(hash))
        let account = try record.map { (bytes) throws(StorageError) in
            try FlatAccount(bytes).account
        }
        var storageProofs: [StorageProof] = []
        for slot in slots {
            let slotHash = keccak256(slot)
            let value = try state.flatValue(.storage, Key.slot(hash, slotHash))
            storageProofs.append(
                StorageProof(
                    slot: slot,
                    value: try value.map { (bytes) throws(StorageError) in
                        try FlatSlot(bytes).value
                    } ?? .zero,
                    proof: try storage.nodes(proving: slotHash)))
        }
        return AccountProof(
            address: address, account: account, accountProof: try accounts.nodes(proving: hash),
            storageProofs: storageProofs)
    }
}

/// A proof of an account and of slots of its storage: EIP-1186.
public struct AccountProof: Hashable, Sendable {
    /// Whose account.
    public var address: Address
    /// The account, or `nil` if the proof is one that there is none.
    public var account: Account?
    /// The nodes of the account trie from the root towards the account.
    public var accountProof: [Bytes]
    /// A proof for each slot that was asked for.
    public var storageProofs: [StorageProof]
}

/// A proof of a storage slot: EIP-1186.
public struct StorageProof: Hashable, Sendable {
    /// The slot.
    public var slot: UInt256
    /// Its value.
    public var value: UInt256
    /// The nodes of the account's storage trie from the root towards the slot.
    public var proof: [Bytes]
}

/// The values that keys had before the first of some blocks, of all keys that these changed.
struct EarlierValues {
    /// Values of `accounts`; empty where there was none.
    var accounts: [Hash256: Bytes] = [:]
    /// Values of `storage` by account and slot; empty where there was none.
    var slots: [Hash256: [Hash256: Bytes]] = [:]

    init(
        of blocks: ClosedRange<BlockNumber>, in state: WorldState, limit: Int
    ) throws(StorageError) {
        let snapshot = state.snapshot
        func earlierValue(_ family: Family, _ key: Bytes) throws(StorageError) -> Bytes {
            guard let value = try snapshot.value(family, key) else {
                throw .corrupted("\(family.name) lacks a value that a block changed")
            }
            return value
        }
        var count = 0
        // Oldest first: the first value met is the earliest.
        for number in blocks {
            guard let keys = try state.changedKeys(of: number) else {
                throw .corrupted("the changes of block \(number) are missing")
            }
            // A block without changes is work as well.
            count += keys.count + 1
            guard count <= limit else { throw .tooManyChanges(limit: limit) }
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

    /// The proof for a key.
    fileprivate mutating func nodes(proving key: Hash256) throws(StorageError) -> [Bytes] {
        try decoding("trie") { () throws(TrieError) in try proof(for: key) }
    }
}
