import Cryptography
import EthereumTypes
public import Primitives
public import State
import Trie

// What changed between two blocks, and roots in the middle of one.

extension WorldState {
    /// The accounts that are not the same after two canonical blocks, in the order of their
    /// addresses' hashes. The cost is proportional to what the blocks between them changed.
    ///
    /// - Throws: `tooManyChanges` beyond the limit.
    public func modifiedAccounts(
        after start: BlockNumber, through end: BlockNumber, limit: Int
    ) throws(StorageError) -> [Address] {
        var hashes: Set<Hash256> = []
        var count = 0
        for number in start..<end {
            guard let keys = try changedKeys(of: number + 1) else {
                throw .corrupted("the changes of block \(number + 1) are missing")
            }
            count += keys.accounts.count + 1
            guard count <= limit else { throw .tooManyChanges(limit: limit) }
            for account in keys.accounts { hashes.insert(account.address) }
        }
        let before = WorldState(snapshot, at: .after(start))
        let after = WorldState(snapshot, at: .after(end))
        var addresses: [Address] = []
        for hash in hashes.sorted() {
            let old = try before.flatValue(.accounts, Key.hash(hash))
            let new = try after.flatValue(.accounts, Key.hash(hash))
            guard old != new, let record = new ?? old else { continue }
            addresses.append(try FlatAccount(record).address)
        }
        return addresses
    }

    /// The state roots that changes lead to, one after the other, from the state after a block. Nothing
    /// is written.
    ///
    /// For an earlier block the tries are brought back as for a proof, for the accounts and slots of
    /// the changes.
    ///
    /// - Throws: `tooManyChanges` beyond the limit of changed keys.
    public func roots(
        applying diffs: [StateDiff], after block: BlockNumber, head: BlockNumber,
        headRoot: Hash256, limit: Int
    ) throws(StorageError) -> [Hash256] {
        var accounts = accountTrie(root: headRoot)
        var storages: [Hash256: MerkleTrie] = [:]
        var slots: [Hash256: [Hash256]] = [:]
        var earlier: EarlierKeys?
        if block < head {
            for diff in diffs {
                for (address, change) in diff.accounts where change.changesSomething {
                    slots[keccak256(address), default: []] += change.storage.map {
                        keccak256($0.slot)
                    }
                }
            }
            let keys = try EarlierKeys(
                changedAfter: block, through: head, in: snapshot, slotsOf: Set(slots.keys),
                limit: limit)
            accounts = try keys.accountTrie(latest: headRoot, for: Array(slots.keys)).trie
            earlier = keys
        }
        var roots: [Hash256] = []
        for diff in diffs {
            for (address, change) in diff.accounts where change.changesSomething {
                let hash = keccak256(address)
                guard var account = change.after else {
                    storages[hash] = MerkleTrie(reader: nil, root: .emptyTrieRoot)
                    try accounts.set(hash, to: nil)
                    continue
                }
                var storage: MerkleTrie
                if change.storageWasCleared || change.before == nil {
                    storage = MerkleTrie(reader: nil, root: .emptyTrieRoot)
                } else if let known = storages[hash] {
                    storage = known
                } else if let earlier {
                    storage = try earlier.storageTrie(of: hash, for: slots[hash] ?? []).trie
                } else {
                    storage = try storageTrie(ofLatest: hash)
                }
                for slot in change.storage {
                    try storage.set(
                        keccak256(slot.slot),
                        to: slot.after.isZero
                            ? nil : FlatSlot(slot: slot.slot, value: slot.after).trieValue)
                }
                account.storageRoot = storage.commit().root
                storages[hash] = storage
                try accounts.set(hash, to: account.encoded())
            }
            roots.append(accounts.commit().root)
        }
        return roots
    }
}
