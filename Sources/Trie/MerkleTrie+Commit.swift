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
    /// The encoded node, a part of what was encoded with it; nil where there is none any more.
    public var node: ArraySlice<UInt8>?

    package init(_ path: NibblePath, _ node: ArraySlice<UInt8>?) {
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
        var written = [TrieChange?](repeating: nil, count: changed.count)
        hash(changed, in: &tries) { node, encoded in
            written[node.place] = TrieChange(node.path, encoded)
        }
        return tries.indices.map { index in
            var changes = written[changed.range(of: index)].compactMap { $0 }
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
    fileprivate struct ChangedNode {
        let node: UInt32
        let path: NibblePath
        /// Where its hash goes.
        let hash: TrieMemory.Place
        /// Its place among all changed nodes, by their tries and positions.
        let place: Int
    }

    /// The changed nodes of some tries.
    private struct ChangedNodes {
        /// Those with as many nodes above them, by tries.
        private(set) var levels: [[(trie: Int, nodes: [ChangedNode])]] = []
        /// Where those of a trie end among all.
        private var ends: [Int] = []
        /// How many there are.
        private(set) var count = 0

        init(of tries: [MerkleTrie]) {
            for index in tries.indices {
                list(
                    tries[index].memory.root, .root, NibblePath(), in: tries[index].memory,
                    of: index, depth: 0)
                ends.append(count)
            }
        }

        /// The places of the nodes of a trie.
        func range(of trie: Int) -> Range<Int> {
            (trie == 0 ? 0 : ends[trie - 1])..<ends[trie]
        }

        /// Lists the changed nodes at and below a reference. A node that has not changed has nothing
        /// changed below it.
        private mutating func list(
            _ reference: TrieReference, _ hash: TrieMemory.Place, _ path: NibblePath,
            in memory: borrowing TrieMemory, of trie: Int, depth: Int
        ) {
            guard case .loaded(let index) = reference,
                case .changed = memory.nodes[Int(index)].form
            else { return }
            if depth == levels.count { levels.append([]) }
            if levels[depth].last?.trie != trie { levels[depth].append((trie, [])) }
            levels[depth][levels[depth].count - 1].nodes.append(
                ChangedNode(node: index, path: path, hash: hash, place: count))
            count += 1
            switch memory.nodes[Int(index)].content {
            case .leaf:
                break
            case .extension(let nibbles, let child):
                list(
                    child, TrieMemory.Place(parent: index, child: 0), path.appending(nibbles),
                    in: memory, of: trie, depth: depth + 1)
            case .branch(let children, _):
                let changed = memory.nodes[Int(index)].changedBelow
                for nibble in children.indices where changed >> UInt16(nibble) & 1 != 0 {
                    list(
                        children[nibble], TrieMemory.Place(parent: index, child: nibble),
                        path.appending(UInt8(nibble)), in: memory, of: trie, depth: depth + 1)
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
            let count = level.reduce(0) { $0 + $1.nodes.count }
            encoder.reserveCapacity(min(count, nodesReservedFor) * typicalNodeCount)
            ends.reserveCapacity(count)
            for part in level {
                tries[part.trie].memory.encode(part.nodes, into: &encoder, &ends)
            }
            let encoded = encoder.bytes
            let hashes = keccak256(concatenated: encoded, ends: ends)
            var done = 0
            for part in level {
                let next = done + part.nodes.count
                tries[part.trie].settle(
                    part.nodes, encoded, ends[done..<next], hashes[done..<next],
                    from: done == 0 ? 0 : ends[done - 1], store: store)
                done = next
            }
        }
        for index in tries.indices where tries[index].memory.root == .none {
            tries[index].memory.rootHash = .emptyTrieRoot
        }
    }

    /// What most nodes of a large trie have at most, in bytes: a branch with sixteen children.
    private static var typicalNodeCount: Int { 532 }

    /// Room is made for so many at once: those of a block. A genesis state may have millions.
    private static var nodesReservedFor: Int { 2_000 }

    /// Notes what nodes are after a commit, and says what to store.
    private mutating func settle(
        _ changed: [ChangedNode], _ encoded: Bytes, _ ends: ArraySlice<Int>,
        _ hashes: ArraySlice<Hash256>, from start: Int,
        store: (_ node: ChangedNode, _ encoded: ArraySlice<UInt8>?) -> Void
    ) {
        var start = start
        for (change, (end, hash)) in zip(changed, zip(ends, hashes)) {
            let bytes = encoded[start..<end]
            start = end
            let isOwn = bytes.count >= 32 || change.hash.isRoot
            let isStored = isOwn && mayStore(memory[change.node].content)
            if isStored {
                store(change, bytes)
            } else if memory[change.node].isStored {
                store(change, nil)
            }
            memory[change.node].isStored = isStored
            memory[change.node].changedBelow = 0
            if isOwn {
                memory[change.node].form = .hashed
                memory.set(hash, at: change.hash)
            } else {
                memory[change.node].form = .embedded(Bytes(bytes))
                memory.setEmbedded(at: change.hash)
            }
        }
    }
}

extension TrieMemory {
    /// Writes nodes one after another, and notes where each ends.
    fileprivate func encode(
        _ changed: [MerkleTrie.ChangedNode], into encoder: inout RLPEncoder, _ ends: inout [Int]
    ) {
        for change in changed {
            encode(change.node, into: &encoder)
            ends.append(encoder.bytes.count)
        }
    }
}
