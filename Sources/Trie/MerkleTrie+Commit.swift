// From changed nodes to hashes. Nodes are written from the deepest level up, each level into one
// buffer whose nodes are hashed in one batch; several tries share the levels, because most of a
// block's storage tries have few changes.

import Cryptography
public import Primitives

/// What a commit changes in the store.
public struct TrieUpdate: Hashable, Sendable {
    /// The root hash of the trie.
    public var root: Hash256
    /// The nodes to write at their positions; nil where there is none any more.
    public var nodes: [NibblePath: Bytes?]

    package init(root: Hash256, nodes: [NibblePath: Bytes?]) {
        self.root = root
        self.nodes = nodes
    }
}

extension MerkleTrie {
    /// Hashes what has changed since the last commit. The trie can be used on.
    public mutating func commit() -> TrieUpdate {
        // The trie moves into the array and back, so that its nodes are not copied.
        var tries = [MerkleTrie(reader: nil, root: .emptyTrieRoot)]
        swap(&tries[0], &self)
        defer { swap(&tries[0], &self) }
        return Self.commit(&tries)[0]
    }

    /// Hashes what has changed in many tries at once.
    public static func commit(_ tries: inout [MerkleTrie]) -> [TrieUpdate] {
        var nodes = [[NibblePath: Bytes?]](repeating: [:], count: tries.count)
        hash(&tries) { trie, path, encoded in
            nodes[trie].updateValue(encoded.map { Bytes($0) }, forKey: path)
        }
        return tries.indices.map { TrieUpdate(root: tries[$0].rootHash, nodes: nodes[$0]) }
    }

    /// The root hash of a trie without pending changes.
    package var rootHash: Hash256 {
        switch root {
        case .none: .emptyTrieRoot
        case .stored(let hash): hashes[Int(hash)]
        case .loaded(let index):
            switch nodes[Int(index)].form {
            case .hashed(let hash): hashes[Int(hash)]
            case .changed, .embedded: preconditionFailure("The trie has pending changes.")
            }
        }
    }

    /// A changed node and where it is.
    private struct Change {
        let trie: Int
        let node: UInt32
        let path: NibblePath
    }

    /// Hashes all changed nodes. `store` gets what to write: the number of the trie, the position,
    /// the encoding or nil.
    static func hash(
        _ tries: inout [MerkleTrie],
        store: (_ trie: Int, _ path: NibblePath, _ encoded: ArraySlice<UInt8>?) -> Void
    ) {
        var levels: [[Change]] = []
        for index in tries.indices {
            for path in tries[index].takeVacated() { store(index, path, nil) }
            tries[index].collect(tries[index].root, NibblePath(), trie: index, depth: 0, &levels)
        }
        for level in levels.reversed() {
            var encoder = RLPEncoder()
            var ends: [Int] = []
            ends.reserveCapacity(level.count)
            for change in level {
                tries[change.trie].encode(change.node, into: &encoder)
                ends.append(encoder.bytes.count)
            }
            let encoded = encoder.bytes
            let hashes = keccak256(concatenated: encoded, ends: ends)
            var start = 0
            for (place, change) in level.enumerated() {
                let bytes = encoded[start..<ends[place]]
                start = ends[place]
                if bytes.count >= 32 || change.path.isEmpty {
                    let index = tries[change.trie].append(hashes[place])
                    tries[change.trie].settle(change.node, as: .hashed(index))
                    store(change.trie, change.path, bytes)
                    continue
                }
                if tries[change.trie].nodes[Int(change.node)].isStored {
                    store(change.trie, change.path, nil)
                }
                tries[change.trie].settle(change.node, as: .embedded(Bytes(bytes)))
            }
        }
    }

    /// Lists the changed nodes at and below a reference by level. A node that has not changed has
    /// nothing changed below it.
    private func collect(
        _ reference: TrieReference, _ path: NibblePath, trie: Int, depth: Int,
        _ levels: inout [[Change]]
    ) {
        guard case .loaded(let index) = reference, case .changed = nodes[Int(index)].form else {
            return
        }
        if depth == levels.count { levels.append([]) }
        levels[depth].append(Change(trie: trie, node: index, path: path))
        switch nodes[Int(index)].content {
        case .leaf:
            break
        case .extension(let nibbles, let child):
            collect(child, path.appending(nibbles), trie: trie, depth: depth + 1, &levels)
        case .branch(let children, _):
            for nibble in children.indices where children[nibble] != .none {
                collect(
                    children[nibble], path.appending(UInt8(nibble)), trie: trie, depth: depth + 1,
                    &levels)
            }
        }
    }
}
