// From changed nodes to hashes. Nodes are written from the deepest level up, each level into one
// buffer whose nodes are hashed in one batch; several tries share the levels, because most of a
// block's storage tries have few changes.

import Cryptography
public import Primitives

/// What a commit changes in the store.
public struct TrieUpdate: Hashable, Sendable {
    /// The root hash of the trie.
    public var root: Hash256
    /// What changes at which positions, in their order.
    public var changes: [TrieChange]

    package init(root: Hash256, changes: [TrieChange]) {
        self.root = root
        self.changes = changes
    }
}

/// What a commit changes at one position.
public struct TrieChange: Hashable, Sendable {
    /// The position.
    public var path: NibblePath
    /// The encoded node; nil where there is none any more.
    public var node: Bytes?

    package init(_ path: NibblePath, _ node: Bytes?) {
        self.path = path
        self.node = node
    }
}

extension MerkleTrie {
    /// Hashes what has changed since the last commit. The trie can be used on. Where leaves are not
    /// stored, what the store need not change is left out.
    public mutating func commit() -> TrieUpdate {
        // The trie moves into the array and back, so that its nodes are not copied.
        var tries = [MerkleTrie(reader: nil, root: .emptyTrieRoot)]
        swap(&tries[0], &self)
        defer { swap(&tries[0], &self) }
        return Self.commit(&tries)[0]
    }

    /// Hashes what has changed in many tries at once.
    public static func commit(_ tries: inout [MerkleTrie]) -> [TrieUpdate] {
        let changed = ChangedNodes(of: tries)
        var written = changed.counts.map { [TrieChange?](repeating: nil, count: $0) }
        hash(changed, in: &tries) { node, encoded in
            written[node.trie][node.place] = TrieChange(node.path, encoded.map { Bytes($0) })
        }
        return tries.indices.map { index in
            var changes = written[index].compactMap { $0 }
            let vacated = tries[index].takeVacated()
            if !vacated.isEmpty {
                // A position that was left may have a node again.
                let taken = Set(changes.map(\.path))
                for path in vacated where !taken.contains(path) {
                    changes.append(TrieChange(path, nil))
                }
                changes.sort { $0.path < $1.path }
            }
            return TrieUpdate(root: tries[index].rootHash, changes: changes)
        }
    }

    /// The root hash after what has changed since the last commit, for who stores nothing.
    mutating func hashed() -> Hash256 {
        var tries = [MerkleTrie(reader: nil, root: .emptyTrieRoot)]
        swap(&tries[0], &self)
        defer { swap(&tries[0], &self) }
        Self.hash(ChangedNodes(of: tries), in: &tries) { _, _ in }
        return tries[0].rootHash
    }

    /// The root hash of a trie without pending changes.
    package var rootHash: Hash256 { memory.rootHash }

    /// A changed node and where it is.
    private struct ChangedNode {
        let trie: Int
        let node: UInt32
        let path: NibblePath
        /// Its place among the changed nodes of the trie by their positions.
        let place: Int
    }

    /// The changed nodes of some tries.
    private struct ChangedNodes {
        /// By how many nodes are above them.
        private(set) var levels: [[ChangedNode]] = []
        /// How many there are in each trie.
        private(set) var counts: [Int] = []

        init(of tries: [MerkleTrie]) {
            for index in tries.indices {
                counts.append(0)
                list(tries[index].root, NibblePath(), in: tries[index], depth: 0)
            }
        }

        /// Lists the changed nodes at and below a reference. A node that has not changed has nothing
        /// changed below it.
        private mutating func list(
            _ reference: TrieReference, _ path: NibblePath, in trie: borrowing MerkleTrie,
            depth: Int
        ) {
            guard case .loaded(let index) = reference,
                case .changed = trie.nodes[Int(index)].form
            else { return }
            if depth == levels.count { levels.append([]) }
            let number = counts.count - 1
            levels[depth].append(
                ChangedNode(trie: number, node: index, path: path, place: counts[number]))
            counts[number] += 1
            switch trie.nodes[Int(index)].content {
            case .leaf:
                break
            case .extension(let nibbles, let child):
                list(child, path.appending(nibbles), in: trie, depth: depth + 1)
            case .branch(let children, _):
                let changed = trie.nodes[Int(index)].changedBelow
                for nibble in children.indices where changed >> UInt16(nibble) & 1 != 0 {
                    list(
                        children[nibble], path.appending(UInt8(nibble)), in: trie, depth: depth + 1)
                }
            }
        }
    }

    /// Hashes changed nodes, the deepest first. `store` gets what to write: the encoding, or nil for a
    /// position that has no stored node any more.
    private static func hash(
        _ changed: ChangedNodes, in tries: inout [MerkleTrie],
        store: (_ node: ChangedNode, _ encoded: ArraySlice<UInt8>?) -> Void
    ) {
        for level in changed.levels.reversed() {
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
                let wasStored = tries[change.trie].nodes[Int(change.node)].isStored
                if bytes.count >= 32 || change.path.isEmpty {
                    tries[change.trie].settle(change.node, as: hashes[place])
                } else {
                    tries[change.trie].settle(change.node, within: Bytes(bytes))
                }
                if tries[change.trie].nodes[Int(change.node)].isStored {
                    store(change, bytes)
                } else if wasStored {
                    store(change, nil)
                }
            }
        }
    }
}
