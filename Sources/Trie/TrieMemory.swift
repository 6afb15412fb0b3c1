// The nodes of a trie that stay in memory between two blocks: what one block read and wrote, the next
// one mostly needs again, and neither reading nor decoding is to be done twice.

public import Primitives

/// The nodes of a trie that are in memory, without the store that the others are in.
///
/// They belong to their root hash: whoever has a store with that root can go on with them.
public struct TrieMemory: Sendable {
    var root: TrieReference
    var nodes: [TrieSlot]
    var hashes: [Hash256]

    /// The root hash of the trie.
    public var rootHash: Hash256 {
        switch root {
        case .none: .emptyTrieRoot
        case .stored(let hash): hashes[Int(hash)]
        case .loaded(let index):
            switch nodes[Int(index)].form {
            case .hashed: hashes[Int(nodes[Int(index)].hash)]
            case .changed, .embedded: preconditionFailure("The trie has pending changes.")
            }
        }
    }

    /// About what the nodes take, in bytes.
    public var byteCount: Int {
        // Each node has a hash of its own, and a branch those of sixteen children: the others are leaves.
        let leaves = max(0, nodes.count - (hashes.count - nodes.count) / 16)
        return nodes.count * MemoryLayout<TrieSlot>.stride + leaves * Self.valueBytes
            + hashes.count * MemoryLayout<Hash256>.stride
    }

    /// What the value of a leaf takes beside the node: an account, and what is before an array's bytes.
    private static let valueBytes = 112

    /// What a branch takes with the hashes of its children, at most.
    private static let branchBytes =
        MemoryLayout<TrieSlot>.stride + 17 * MemoryLayout<Hash256>.stride

    /// Keeps the nodes near the root and forgets the others if all of them take more than a limit: at
    /// most three quarters of it are taken then.
    public mutating func trim(to byteLimit: Int) {
        guard byteCount > byteLimit else { return }
        var kept = TrieMemory(root: .none, nodes: [], hashes: [])
        // What it may become before it is trimmed again.
        kept.nodes.reserveCapacity(nodes.count)
        kept.hashes.reserveCapacity(hashes.count)
        kept.root = kept.take(root, from: self)
        // Level by level: the children of the nodes that came last, as long as there is room. A node
        // that stays out is named by its hash.
        var next = 0
        while next < kept.nodes.count {
            let mayGrow = kept.nodes.count * Self.branchBytes < byteLimit / 4 * 3
            switch kept.nodes[next].content {
            case .leaf:
                break
            case .extension(let path, let child):
                let reference = kept.take(child, from: self, asNode: mayGrow)
                kept.nodes[next].content = .extension(path: path, child: reference)
            case .branch(var children, let value):
                for nibble in children.indices where children[nibble] != .none {
                    children[nibble] = kept.take(children[nibble], from: self, asNode: mayGrow)
                }
                kept.nodes[next].content = .branch(children: children, value: value)
            }
            next += 1
        }
        self = kept
    }

    /// Takes over what a reference of another memory means. The references in a node that is taken are
    /// still those of the other memory.
    private mutating func take(
        _ reference: TrieReference, from other: TrieMemory, asNode: Bool = true
    ) -> TrieReference {
        let hash: Hash256
        switch reference {
        case .none: return .none
        case .stored(let index): hash = other.hashes[Int(index)]
        case .loaded(let index):
            var node = other.nodes[Int(index)]
            if case .hashed = node.form {
                hash = other.hashes[Int(node.hash)]
                if !asNode { break }
                hashes.append(hash)
                node.hash = UInt32(hashes.count - 1)
            }
            nodes.append(node)
            return .loaded(UInt32(nodes.count - 1))
        }
        hashes.append(hash)
        return .stored(UInt32(hashes.count - 1))
    }
}
