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
    /// Reads the whole state once, in the order of its keys; memory does not grow with it.
    ///
    /// - Parameter root: the state root that the head's header has.
    /// - Throws: `corrupted` with the first difference.
    public func verify(root: Hash256) throws(StorageError) -> VerifiedState {
        var result = VerifiedState()
        var trie = ComparedTrie(StoredTrie(snapshot: snapshot, family: .accountTrie, prefix: []))
        let slots = snapshot.cursor(.storage)
        try slots.seek([])
        try forEachAccount { (listed) throws(StorageError) in
            try verify(listed, slots, &result)
            try trie.add(listed.addressHash, listed.account.encoded())
            result.accounts += 1
            return true
        }
        guard !slots.isValid else { throw .corrupted("storage belongs to no account") }
        let found = try trie.finish()
        result.trieNodes += trie.count
        guard found == root else {
            throw .corrupted("the state has root \(found), the head says \(root)")
        }
        let deep = try snapshot.count(of: .accounts) - result.accounts
        guard
            try snapshot.count(of: .accountTrie) + deep + snapshot.count(of: .storageTrie)
                == result.trieNodes
        else {
            throw .corrupted("trie nodes belong to no account")
        }
        return result
    }

    /// Checks an account's key, its code and its storage, which the cursor stands before.
    private func verify(
        _ entry: ListedAccount, _ slots: borrowing Cursor, _ result: inout VerifiedState
    ) throws(StorageError) {
        guard keccak256(entry.address) == entry.addressHash else {
            throw .corrupted("account \(entry.address) is under a wrong key")
        }
        let code = entry.account.codeHash
        if code != .keccakEmpty {
            guard let bytes = try snapshot.value(.code, Key.hash(code)), keccak256(bytes) == code
            else { throw .corrupted("the code of \(entry.address) is missing or different") }
        }
        let prefix = Key.hash(entry.addressHash)
        var trie = ComparedTrie(
            StoredTrie(snapshot: snapshot, family: .storageTrie, prefix: prefix))
        while slots.isValid {
            let key = slots.key
            guard key.starts(with: prefix) else { break }
            let slot = try FlatSlot(slots.value)
            let hash = keccak256(slot.slot)
            guard key == prefix + Key.hash(hash), !slot.value.isZero else {
                throw .corrupted("slot \(slot.slot) of \(entry.address)")
            }
            try trie.add(hash, slot.trieValue)
            result.slots += 1
            try slots.advance()
        }
        if slots.isValid, slots.key.lexicographicallyPrecedes(prefix) {
            throw .corrupted("storage belongs to no account")
        }
        let root = try trie.finish()
        result.trieNodes += trie.count
        guard root == entry.account.storageRoot else {
            throw .corrupted("the storage of \(entry.address) has root \(root)")
        }
    }

    /// Compares which keys have a history with what the blocks say that they changed: all whose state
    /// can be read, and no others.
    ///
    /// - Throws: `corrupted` with the first difference.
    public func verifyHistory(head: BlockNumber) throws(StorageError) {
        var next = try oldestState() &+ 1
        var accounts = 0
        var slots = 0
        try snapshot.forEach(.changes, prefix: []) { (key, value) throws(StorageError) in
            guard key == Key.number(next) else {
                throw .corrupted("the changes of block \(next) are missing, or others too much")
            }
            for account in try ChangedKeys(value).accounts {
                accounts += 1
                slots += account.slots.count
            }
            next &+= 1
            return true
        }
        guard next == head &+ 1 else {
            throw .corrupted("the changes end with block \(next &- 1), the chain with \(head)")
        }
        for (family, count) in [(Family.accountHistory, accounts), (.storageHistory, slots)] {
            let found = try snapshot.count(of: family)
            guard found == count else {
                throw .corrupted("\(family.name) has \(found) entries, the blocks \(count)")
            }
        }
    }
}

/// A trie that is made from the flat state and compared with the stored one, node by node.
private struct ComparedTrie {
    /// Nodes that were compared.
    private(set) var count = 0
    private let stored: StoredTrie
    private var trie = StackTrie()

    init(_ stored: StoredTrie) {
        self.stored = stored
    }

    mutating func add(_ key: Hash256, _ value: Bytes) throws(StorageError) {
        trie.add(key, value)
        try compare()
    }

    /// - Returns: the root.
    mutating func finish() throws(StorageError) -> Hash256 {
        let root = trie.finish()
        try compare()
        return root
    }

    private mutating func compare() throws(StorageError) {
        for node in trie.takeNodes() {
            let isLeaf = try decoding("node \(node.path)") { () throws(TrieNodeDefect) in
                try MerkleTrie.isLeaf(node.encoded)
            }
            // There is no other place that a leaf could differ from.
            if isLeaf { continue }
            let key = stored.prefix + node.path.storageKey
            let family = stored.family.holding(node.path)
            guard try stored.snapshot.value(family, key) == node.encoded else {
                throw .corrupted(
                    "node \(node.path) of \(stored.family.name) is missing or different")
            }
            count += 1
        }
    }
}
