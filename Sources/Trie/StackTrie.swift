// A trie of entries that come in the order of their keys, of which only what may still change is in
// memory: the branches on the way to the last key, at most 64.

import Cryptography
public import Primitives

/// Makes the nodes of a trie from sorted entries, each once, in memory that does not grow with the
/// trie.
///
///     keys so far   1a…  1b…  34…
///     branches      "" with 1 ──▶ a finished node, 3 ──▶ not known yet
///
/// What two neighbours have in common says which branches they share. With the next key all
/// branches that it is not below are finished.
public struct StackTrie {
    /// A branch that keys to come may lie below.
    private struct OpenBranch {
        /// How many nibbles lead to it.
        let depth: Int
        /// What it writes for each child, in RLP; empty where there is none.
        var children = [Bytes](repeating: [], count: 16)
    }

    /// From the root down.
    private var branches: [OpenBranch] = []
    /// The last entry: where its leaf stands depends on the next one.
    private var last: (key: NibblePath, value: Bytes)?
    private var nodes: [(path: NibblePath, encoded: Bytes)] = []
    private var root: Hash256 = .emptyTrieRoot

    /// A trie without entries.
    public init() {}

    /// Adds an entry.
    ///
    /// - Parameters:
    ///   - key: above all keys before it.
    ///   - value: not empty.
    public mutating func add(_ key: Hash256, _ value: Bytes) {
        let next = NibblePath(key)
        if let last {
            precondition(last.key < next, "The entries of a stack trie come in order.")
            place(last, common: last.key.commonPrefixCount(with: next))
        }
        last = (next, value)
    }

    /// Ends the trie. No entry may follow.
    ///
    /// - Returns: its root hash.
    public mutating func finish() -> Hash256 {
        if let last { place(last, common: -1) }
        last = nil
        return root
    }

    /// The nodes that are finished and were not taken yet: what a store has at their positions.
    public mutating func takeNodes() -> [(path: NibblePath, encoded: Bytes)] {
        defer { nodes = [] }
        return nodes
    }

    /// Places the leaf of an entry, and finishes the branches that the next key is not below.
    ///
    /// - Parameter common: the nibbles that the next key begins with alike; -1 if there is no next key.
    private mutating func place(_ entry: (key: NibblePath, value: Bytes), common: Int) {
        let key = entry.key
        // The branch above the leaf is the deepest that the key shares with a neighbour.
        open(common)
        var above = branches.last?.depth ?? -1
        let path = key.dropFirst(above + 1)
        let leaf = RLPEncoder.list { list in
            list.append(path.hexPrefix(.leaf))
            list.append(entry.value)
        }
        var child = reference(to: leaf, at: key.prefix(above + 1))
        while above > common, let branch = popLast(with: child, at: key) {
            let depth = branch.depth
            open(common)
            above = branches.last?.depth ?? -1
            let encoded = RLPEncoder.list { list in
                for child in branch.children {
                    if child.isEmpty { list.append(Bytes()) } else { list.appendRaw(child) }
                }
                list.append(Bytes())
            }
            child = reference(to: encoded, at: key.prefix(depth))
            let between = key.prefix(depth).dropFirst(above + 1)
            guard !between.isEmpty else { continue }
            let below = child
            let extended = RLPEncoder.list { list in
                list.append(between.hexPrefix(.extension))
                list.appendRaw(below)
            }
            child = reference(to: extended, at: key.prefix(above + 1))
        }
        if above >= 0 { branches[branches.count - 1].children[Int(key[above])] = child }
    }

    /// Makes sure that there is a branch at a depth below which both the last and the next key lie,
    /// unless there is a deeper one that has to be finished first.
    private mutating func open(_ depth: Int) {
        if depth >= 0, depth > branches.last?.depth ?? -1 {
            branches.append(OpenBranch(depth: depth))
        }
    }

    /// Takes the deepest branch, with a child on the way to a key.
    private mutating func popLast(with child: Bytes, at key: NibblePath) -> OpenBranch? {
        guard var branch = branches.popLast() else { return nil }
        branch.children[Int(key[branch.depth])] = child
        return branch
    }

    /// What a parent writes for a node: its hash, or itself if it is short. The root is stored in any
    /// case.
    private mutating func reference(to encoded: Bytes, at path: NibblePath) -> Bytes {
        guard encoded.count >= 32 || path.isEmpty else { return encoded }
        let hash = keccak256(encoded)
        nodes.append((path, encoded))
        if path.isEmpty { root = hash }
        var encoder = RLPEncoder()
        encoder.append(hash)
        return encoder.bytes
    }
}
