// The nodes of a trie that are in memory. What one block read and wrote, the next one mostly needs again,
// and neither reading nor decoding is to be done twice: so they can outlive the trie.
//
// Nodes lie in one array and name each other by index. The hashes of a node's children lie side by side
// in another one, sixteen places for each node that has children: who encodes a branch reads these
// and never looks at the children themselves, which lie far from each other.
//
//     nodes   │ branch │ leaf │ branch │ …          a child is in memory, or stored, or not there
//                 │                │
//     hashes  │ 16 places of the first │ 16 of the second │ …

public import Primitives

/// The nodes of a trie that are in memory, without the store that the others are in.
///
/// They belong to their root hash: whoever has a store with that root can go on with them.
public struct TrieMemory: Sendable {
    /// The root hash of the trie when it was committed last.
    public internal(set) var rootHash: Hash256
    var root: TrieReference
    var nodes: [TrieSlot] = []
    private var hashes: [Hash256] = []
    /// Places in `nodes` and, by sixteen, in `hashes` that can be used again.
    private var freeNodes: [UInt32] = []
    private var freeGroups: [UInt32] = []

    /// Nothing but the root's hash.
    init(root hash: Hash256) {
        rootHash = hash
        root = hash == .emptyTrieRoot ? .none : .stored
    }

    /// Where the hash of a node is: a place among the children of its parent.
    struct Place {
        let parent: UInt32
        let child: Int
        /// That of the root, which has no parent.
        static let root = Place(parent: .max, child: 0)

        init(parent: UInt32, child: Int) {
            self.parent = parent
            self.child = child
        }

        var isRoot: Bool { parent == .max }
    }

    /// The node with an index.
    subscript(index: UInt32) -> TrieSlot {
        get { nodes[Int(index)] }
        _modify { yield &nodes[Int(index)] }
    }

    /// Puts a node into memory.
    mutating func add(_ node: TrieSlot) -> UInt32 {
        if let index = freeNodes.popLast() {
            nodes[Int(index)] = node
            return index
        }
        nodes.append(node)
        return UInt32(nodes.count - 1)
    }

    /// Makes room for the hashes of a node's children.
    mutating func addGroup() -> UInt32 {
        if let group = freeGroups.popLast() { return group }
        hashes.append(addingCapacity: 16) { $0.append(repeating: .zero, count: 16) }
        return UInt32(hashes.count / 16 - 1)
    }

    /// The hash of a child, if its parent has one.
    func hash(at place: Place) -> Hash256 {
        place.isRoot
            ? rootHash : hashes[Int(nodes[Int(place.parent)].group) * 16 + place.child]
    }

    /// Notes the hash of a child.
    mutating func set(_ hash: Hash256, at place: Place) {
        if place.isRoot {
            rootHash = hash
        } else {
            hashes[Int(nodes[Int(place.parent)].group) * 16 + place.child] = hash
            nodes[Int(place.parent)].embeddedBelow &= ~(1 << UInt16(place.child))
        }
    }

    /// Notes the hash of a child of a node that is not in memory yet.
    mutating func set(_ hash: Hash256, in group: UInt32, at child: Int) {
        hashes[Int(group) * 16 + child] = hash
    }

    /// Notes that a child lies within its parent and has no hash.
    mutating func setEmbedded(at place: Place) {
        nodes[Int(place.parent)].embeddedBelow |= 1 << UInt16(place.child)
    }

    /// Takes over what the parent knows of a child that gets another parent or another place.
    mutating func move(childAt old: Place, to new: Place) {
        let isEmbedded =
            nodes[Int(old.parent)].embeddedBelow >> UInt16(old.child) & 1 != 0
        set(hash(at: old), at: new)
        if isEmbedded { setEmbedded(at: new) }
    }

    /// The hashes of the children of a node that has some.
    func withHashes<Result>(of node: UInt32, _ body: (Span<Hash256>) -> Result) -> Result {
        let start = Int(nodes[Int(node)].group) * 16
        return body(hashes.span.extracting(start..<(start + 16)))
    }

    // MARK: - Bounds

    /// About what the nodes take, in bytes.
    public var byteCount: Int {
        let count = nodes.count - freeNodes.count
        let groups = hashes.count / 16 - freeGroups.count
        // Who has no children is a leaf.
        return count * MemoryLayout<TrieSlot>.stride + groups * Self.groupBytes
            + max(0, count - groups) * Self.valueBytes
    }

    /// What the value of a leaf takes beside the node: an account, and what is before an array's bytes.
    private static let valueBytes = 112

    /// What the hashes of a node's children take.
    private static let groupBytes = 16 * MemoryLayout<Hash256>.stride

    /// Keeps the nodes near the root and forgets the others if all of them take more than a limit: at
    /// most three quarters of it are taken then. Their places are used again, so that nothing is moved
    /// and no memory given back.
    ///
    /// - Precondition: all changes are committed.
    public mutating func trim(to byteLimit: Int) {
        guard byteCount > byteLimit else { return }
        // Level by level: the children of the nodes that came last, as long as there is room. A node
        // that stays out is named by its hash.
        let room = byteLimit / 4 * 3 / (MemoryLayout<TrieSlot>.stride + Self.groupBytes)
        var kept: [UInt32] = []
        if case .loaded(let index) = root { kept.append(index) }
        var next = 0
        while next < kept.count {
            let index = Int(kept[next])
            next += 1
            switch nodes[index].content {
            case .leaf:
                break
            case .extension(let path, let child):
                nodes[index].content = .extension(path: path, child: keep(child, room, &kept))
            case .branch(var children, let value):
                for nibble in children.indices {
                    children[nibble] = keep(children[nibble], room, &kept)
                }
                nodes[index].content = .branch(children: children, value: value)
            }
        }
        freeAll(but: kept)
    }

    /// What is left of a reference: the node goes on the list if there is room for it, or if it lies
    /// within its parent and is stored nowhere else.
    private func keep(
        _ child: TrieReference, _ room: Int, _ kept: inout [UInt32]
    ) -> TrieReference {
        guard case .loaded(let index) = child else { return child }
        if kept.count >= room, nodes[Int(index)].isHashed { return .stored }
        kept.append(index)
        return child
    }

    /// Makes the places of all other nodes free.
    private mutating func freeAll(but kept: [UInt32]) {
        var isNodeKept = [Bool](repeating: false, count: nodes.count)
        var isGroupKept = [Bool](repeating: false, count: hashes.count / 16)
        for index in kept {
            isNodeKept[Int(index)] = true
            let group = nodes[Int(index)].group
            if group != TrieSlot.noGroup { isGroupKept[Int(group)] = true }
        }
        for index in freeNodes { isNodeKept[Int(index)] = true }
        for index in nodes.indices where !isNodeKept[index] {
            nodes[index] = .nothing
            freeNodes.append(UInt32(index))
        }
        freeGroups = isGroupKept.indices.filter { !isGroupKept[$0] }.map { UInt32($0) }
    }
}
