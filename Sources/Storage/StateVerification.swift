import Cryptography
import EthereumTypes
public import Primitives
import Trie

/// What a verification of the state went through.
public struct VerifiedState: Hashable, Sendable {
    /// Accounts of the latest state.
    public var accounts = 0
    /// Storage slots of all accounts.
    public var slots = 0
    /// Trie nodes, all of which were made again and compared.
    public var trieNodes = 0

    /// Nothing yet.
    public init() {}
}

extension WorldState {
    /// Makes all tries again from the flat state alone, and compares their roots and every stored
    /// node with what is there. Nothing may be missing, different or too much.
    ///
    /// Reads the whole state, and holds one storage trie and the account trie in memory.
    ///
    /// - Parameter root: the state root that the head's header has.
    /// - Throws: `corrupted` with the first difference.
    public func verify(root: Hash256) throws(StorageError) -> VerifiedState {
        var result = VerifiedState()
        var entries: [Hash256: Bytes] = [:]
        try forEachAccount { (listed) throws(StorageError) in
            try verify(listed, &result)
            entries[listed.addressHash] = listed.account.encoded()
            result.accounts += 1
            return true
        }
        let found = try compare(entries, with: .accountTrie, prefix: [], &result)
        guard found == root else {
            throw .corrupted("the state has root \(found), the head says \(root)")
        }
        guard try snapshot.count(of: .storage) == result.slots else {
            throw .corrupted("storage belongs to no account")
        }
        guard
            try snapshot.count(of: .accountTrie) + snapshot.count(of: .storageTrie)
                == result.trieNodes
        else {
            throw .corrupted("trie nodes belong to no account")
        }
        return result
    }

    /// Checks an account's key, its code and its storage.
    private func verify(
        _ entry: ListedAccount, _ result: inout VerifiedState
    ) throws(StorageError) {
        guard keccak256(entry.address) == entry.addressHash else {
            throw .corrupted("account \(entry.address) is under a wrong key")
        }
        let code = entry.account.codeHash
        if code != .keccakEmpty {
            guard let bytes = try snapshot.value(.code, Key.hash(code)), keccak256(bytes) == code
            else { throw .corrupted("the code of \(entry.address) is missing or different") }
        }
        var entries: [Hash256: Bytes] = [:]
        try forEachSlot(of: entry.addressHash) { (listed) throws(StorageError) in
            guard keccak256(listed.slot) == listed.slotHash, !listed.value.isZero else {
                throw .corrupted("slot \(listed.slot) of \(entry.address)")
            }
            entries[listed.slotHash] =
                FlatSlot(slot: listed.slot, value: listed.value).trieValue
            result.slots += 1
            return true
        }
        let root = try compare(
            entries, with: .storageTrie, prefix: Key.hash(entry.addressHash), &result)
        guard root == entry.account.storageRoot else {
            throw .corrupted("the storage of \(entry.address) has root \(root)")
        }
    }

    /// Compares the trie of some entries of the flat state with the stored one.
    ///
    /// - Returns: its root.
    private func compare(
        _ entries: [Hash256: Bytes], with family: Family, prefix: Bytes,
        _ result: inout VerifiedState
    ) throws(StorageError) -> Hash256 {
        var trie = MerkleTrie(entries: entries)
        let update = trie.commit()
        for (path, node) in update.nodes {
            guard let node else { continue }
            guard try snapshot.value(family, prefix + path.storageKey) == node else {
                throw .corrupted("node \(path) of \(family.name) is missing or different")
            }
            result.trieNodes += 1
        }
        return update.root
    }
}
