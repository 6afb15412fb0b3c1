// Where the nodes of a trie come from, and what can be wrong with them.

public import Primitives

/// Where a trie reads the nodes it does not hold: a table of nodes by their position.
public protocol TrieNodeReader {
    /// The RLP of the node at a path from this trie's root, or nil if there is none. A failure to
    /// read is `TrieError.unreadable`.
    ///
    /// - Parameter mayBeLeaf: whether the node is likely to be a leaf: a hint where to look first.
    func node(at path: NibblePath, mayBeLeaf: Bool) throws(TrieError) -> Bytes?
}

/// Why a trie cannot be read or changed.
public enum TrieError: Error, Hashable, Sendable {
    /// A node that the trie refers to is not stored.
    case missingNode(path: NibblePath, hash: Hash256)
    /// A stored node is not one.
    case corruptNode(path: NibblePath, defect: TrieNodeDefect)
    /// The stored root node has another hash than the trie's root.
    case wrongRoot(expected: Hash256, actual: Hash256)
    /// The store failed.
    case unreadable(path: NibblePath, reason: String)
}

/// Why a proof proves nothing.
public enum TrieProofError: Error, Hashable, Sendable {
    /// The node at this index of the proof does not have the hash that the one before it, or the
    /// root, names.
    case wrongHash(index: Int)
    /// The node at this index is not one.
    case corruptNode(index: Int, defect: TrieNodeDefect)
    /// The proof ends before the key is decided.
    case incomplete
    /// The proof goes on after the key is decided.
    case unusedNodes(count: Int)
}

/// Why bytes are not a node of a trie (Yellow Paper, appendix D).
public enum TrieNodeDefect: Error, Hashable, Sendable {
    /// They are not a list in RLP.
    case rlp(RLPError)
    /// The list has neither 2 nor 17 items.
    case itemCount
    /// A path is not in the hex-prefix encoding, or empty in an extension.
    case path
    /// The path ends beyond the 64 nibbles of a key.
    case pathTooLong
    /// A reference to a child is neither a hash nor a node of less than 32 bytes, or there is none
    /// in an extension.
    case reference
    /// A value is a list, or empty in a leaf.
    case value
    /// A branch has less than two entries.
    case lonelyBranch
}
