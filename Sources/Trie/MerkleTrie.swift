// The Merkle Patricia trie (Yellow Paper, appendix D): a map whose root hash commits to all its
// entries.
//
// A node is stored under its position, the nibbles that lead to it from the root, so that a new
// value overwrites the old one and the store does not grow with what is past. There is at most one
// node at a position. A node whose encoding is shorter than 32 bytes lies within its parent and is
// not stored by itself; the root always is.
//
//     root ──▶ extension "a7" ──▶ branch ──1──▶ leaf "355…"
//     at ""    at ""              at "a7"       at "a71"
//
// A trie is read as far as it is needed: `set` and `remove` load the nodes on the way to a key and
// change them in memory, and `commit` writes what has changed: new nodes, and the positions that
// have no node of their own any more. So the cost follows the change, not the size of the trie. All
// recursion goes down the nibbles of a key and is at most 64 deep.
//
// What a leaf holds, whoever keeps the values of the keys has already: a store need not keep leaves a
// second time if its reader makes them.
//
// Nodes lie in one array and refer to each other by index; the array only grows. A trie is meant to
// live for a block; what it has in memory can go on in the next one (`TrieMemory`).

import Cryptography
public import Primitives

/// A Merkle Patricia trie over stored nodes. After an error it is half changed: throw it away.
public struct MerkleTrie {
    private let reader: (any TrieNodeReader)?
    private let leavesAreStored: Bool
    private(set) var root: TrieReference
    private(set) var nodes: [TrieSlot] = []
    private(set) var hashes: [Hash256] = []
    /// Positions that the store has a node for and the trie has not, since the last commit.
    private var vacated: Set<NibblePath> = []

    /// The trie with a root hash; its nodes come from the reader.
    ///
    /// - Parameter leavesAreStored: whether commits tell of leaves too. If not, the reader has to know
    ///   what they hold.
    public init(reader: (any TrieNodeReader)?, root: Hash256, leavesAreStored: Bool = true) {
        self.reader = reader
        self.leavesAreStored = leavesAreStored
        self.root = .none
        if root != .emptyTrieRoot { self.root = .stored(append(root)) }
    }

    /// The trie of nodes that are in memory already; others come from the reader, whose nodes have the
    /// same root.
    public init(
        reader: any TrieNodeReader, _ memory: TrieMemory, leavesAreStored: Bool = true
    ) {
        self.reader = reader
        self.leavesAreStored = leavesAreStored
        root = memory.root
        nodes = memory.nodes
        hashes = memory.hashes
    }

    /// The nodes that are in memory.
    public var memory: TrieMemory { TrieMemory(root: root, nodes: nodes, hashes: hashes) }

    /// The value of a key, or nil if it has none.
    public mutating func get(key: Hash256) throws(TrieError) -> Bytes? {
        try get(NibblePath(key))
    }

    /// The value of a key of at most 32 bytes, or nil if it has none.
    public mutating func get(key: Bytes) throws(TrieError) -> Bytes? {
        try get(NibblePath(key))
    }

    /// Gives a key a value; an empty one removes the key.
    ///
    /// - Parameter previous: the value that the key has, if the caller knows it: a leaf whose hash
    ///   says that it holds this is not read.
    public mutating func set(
        key: Hash256, value: Bytes, replacing previous: Bytes = []
    ) throws(TrieError) {
        try set(NibblePath(key), value, replacing: previous)
    }

    /// Gives a key of at most 32 bytes a value; an empty one removes the key.
    public mutating func set(key: Bytes, value: Bytes) throws(TrieError) {
        try set(NibblePath(key), value)
    }

    /// Takes a key out; nothing happens if it has no value.
    public mutating func remove(key: Hash256) throws(TrieError) {
        try set(NibblePath(key), [])
    }

    /// Takes a key of at most 32 bytes out; nothing happens if it has no value.
    public mutating func remove(key: Bytes) throws(TrieError) {
        try set(NibblePath(key), [])
    }

    private mutating func set(
        _ key: NibblePath, _ value: Bytes, replacing previous: Bytes = []
    ) throws(TrieError) {
        root =
            value.isEmpty
            ? try remove(previous, from: root, at: NibblePath(), key, mayBeLeaf: false).reference
            : try insert(
                value, replacing: previous, into: root, at: NibblePath(), key, mayBeLeaf: false
            ).reference
    }

    private mutating func get(_ key: NibblePath) throws(TrieError) -> Bytes? {
        var value: Bytes?
        try walk(key) { _, node, rest in
            switch node.content {
            case .leaf(rest, let found): value = found
            case .branch(_, let found) where rest.isEmpty && !found.isEmpty: value = found
            case .leaf, .extension, .branch: break
            }
        }
        return value
    }

    /// Visits the nodes on the way to a key, each with its index and the rest of the key at its
    /// position.
    mutating func walk(
        _ key: NibblePath, _ visit: (UInt32, TrieSlot, NibblePath) -> Void
    ) throws(TrieError) {
        guard var index = try load(root, at: NibblePath()) else { return }
        root = .loaded(index)
        var rest = key
        while true {
            let node = nodes[Int(index)]
            visit(index, node, rest)
            let child: TrieReference
            switch node.content {
            case .leaf:
                return
            case .extension(let path, let below):
                guard rest.starts(with: path) else { return }
                rest = rest.dropFirst(path.count)
                child = below
            case .branch(let children, _):
                guard !rest.isEmpty else { return }
                child = children[Int(rest[0])]
                rest = rest.dropFirst(1)
            }
            guard let next = try load(child, at: key.prefix(key.count - rest.count)) else { return }
            switch node.content {
            case .leaf:
                return
            case .extension(let path, _):
                nodes[Int(index)].content = .extension(path: path, child: .loaded(next))
            case .branch(var children, let value):
                children[Int(key[key.count - rest.count - 1])] = .loaded(next)
                nodes[Int(index)].content = .branch(children: children, value: value)
            }
            index = next
        }
    }
}

// MARK: - Changes

extension MerkleTrie {
    /// A reference to what is at a position after a change, and whether there was one.
    private typealias Outcome = (reference: TrieReference, hasChanged: Bool)

    /// - Parameters:
    ///   - previous: the value before; empty if it is not known.
    ///   - mayBeLeaf: whether the node is likely to be a leaf.
    private mutating func insert(
        _ value: Bytes, replacing previous: Bytes, into reference: TrieReference,
        at position: NibblePath, _ rest: NibblePath, mayBeLeaf: Bool
    ) throws(TrieError) -> Outcome {
        guard
            let index = try load(
                reference, at: position, mayBeLeaf: mayBeLeaf, expecting: previous, rest)
        else {
            return (leaf(rest, value), true)
        }
        let content: TrieNode
        let hasChanged: Bool
        switch nodes[Int(index)].content {
        case .leaf(let path, let old):
            hasChanged = path != rest || old != value
            if path == rest {
                content = .leaf(path: path, value: value)
                break
            }
            let common = path.commonPrefixCount(with: rest)
            var fork = Fork()
            add(path.dropFirst(common), old, to: &fork)
            add(rest.dropFirst(common), value, to: &fork)
            content = branch(fork, after: path.prefix(common))

        case .extension(let path, let child):
            let common = path.commonPrefixCount(with: rest)
            if common == path.count {
                let outcome = try insert(
                    value, replacing: previous, into: child, at: position.appending(path),
                    rest.dropFirst(common), mayBeLeaf: false)
                content = .extension(path: path, child: outcome.reference)
                hasChanged = outcome.hasChanged
                break
            }
            // The child stays where it is, below what is left of the extension.
            var fork = Fork()
            let tail = path.dropFirst(common + 1)
            fork.children[Int(path[common])] =
                tail.isEmpty
                ? child : .loaded(append(.extension(path: tail, child: child)))
            add(rest.dropFirst(common), value, to: &fork)
            content = branch(fork, after: path.prefix(common))
            hasChanged = true

        case .branch(var children, let old):
            if rest.isEmpty {
                content = .branch(children: children, value: value)
                hasChanged = old != value
                break
            }
            let nibble = Int(rest[0])
            let outcome = try insert(
                value, replacing: previous, into: children[nibble],
                at: position.appending(rest[0]), rest.dropFirst(1),
                mayBeLeaf: !children[nibble].isLoaded && children.mayHoldLeaf)
            if outcome.hasChanged { change(index, below: nibble) }
            // Mostly the child was in memory already: then there is nothing to copy.
            if outcome.reference != children[nibble] {
                children[nibble] = outcome.reference
                nodes[Int(index)].content = .branch(children: children, value: old)
            }
            return (.loaded(index), outcome.hasChanged)
        }
        nodes[Int(index)].content = content
        if hasChanged {
            nodes[Int(index)].form = .changed
            nodes[Int(index)].changedBelow = .max
        }
        return (.loaded(index), hasChanged)
    }

    private mutating func remove(
        _ previous: Bytes, from reference: TrieReference, at position: NibblePath,
        _ rest: NibblePath, mayBeLeaf: Bool
    ) throws(TrieError) -> Outcome {
        guard
            let index = try load(
                reference, at: position, mayBeLeaf: mayBeLeaf, expecting: previous, rest)
        else {
            return (.none, false)
        }
        switch nodes[Int(index)].content {
        case .leaf(let path, _):
            guard path == rest else { return (.loaded(index), false) }
            vacate(index, at: position)
            return (.none, true)

        case .extension(let path, let child):
            guard rest.starts(with: path) else { return (.loaded(index), false) }
            let below = position.appending(path)
            let outcome = try remove(
                previous, from: child, at: below, rest.dropFirst(path.count), mayBeLeaf: false)
            nodes[Int(index)].content = .extension(path: path, child: outcome.reference)
            guard outcome.hasChanged else { return (.loaded(index), false) }
            return (try join(index, at: position, path, outcome.reference), true)

        case .branch(var children, var value):
            if rest.isEmpty {
                guard !value.isEmpty else { return (.loaded(index), false) }
                value = []
            } else {
                let outcome = try remove(
                    previous, from: children[Int(rest[0])], at: position.appending(rest[0]),
                    rest.dropFirst(1), mayBeLeaf: children.mayHoldLeaf)
                children[Int(rest[0])] = outcome.reference
                guard outcome.hasChanged else {
                    nodes[Int(index)].content = .branch(children: children, value: value)
                    return (.loaded(index), false)
                }
                change(index, below: Int(rest[0]))
            }
            return (try shrink(index, at: position, children, value), true)
        }
    }

    /// Writes a branch that has lost an entry: with one left it is no branch any more.
    private mutating func shrink(
        _ index: UInt32, at position: NibblePath, _ children: TrieChildren, _ value: Bytes
    ) throws(TrieError) -> TrieReference {
        nodes[Int(index)].form = .changed
        let nibbles = children.indices.filter { children[$0] != .none }
        if nibbles.isEmpty {
            nodes[Int(index)].content = .leaf(path: NibblePath(), value: value)
        } else if nibbles.count == 1, value.isEmpty {
            let path = NibblePath(nibble: UInt8(nibbles[0]))
            return try join(index, at: position, path, children[nibbles[0]])
        } else {
            nodes[Int(index)].content = .branch(children: children, value: value)
        }
        return .loaded(index)
    }

    /// Makes a node of nibbles and the node that follows them: a leaf or an extension takes the
    /// nibbles into its own path and leaves its position, a branch gets an extension before it.
    private mutating func join(
        _ index: UInt32, at position: NibblePath, _ path: NibblePath, _ child: TrieReference
    ) throws(TrieError) -> TrieReference {
        let below = position.appending(path)
        guard let next = try load(child, at: below, mayBeLeaf: true) else {
            // Only below an extension that leads to a leaf, which is stored nowhere by this code.
            vacate(index, at: position)
            return .none
        }
        switch nodes[Int(next)].content {
        case .leaf(let rest, let value):
            nodes[Int(index)].content = .leaf(path: path.appending(rest), value: value)
            vacate(next, at: below)
        case .extension(let rest, let child):
            nodes[Int(index)].content = .extension(path: path.appending(rest), child: child)
            vacate(next, at: below)
        case .branch:
            nodes[Int(index)].content = .extension(path: path, child: .loaded(next))
        }
        nodes[Int(index)].form = .changed
        return .loaded(index)
    }

    /// The entries of a new branch.
    private struct Fork {
        var children = TrieChildren(repeating: .none)
        var value: Bytes = []
    }

    private mutating func add(_ path: NibblePath, _ value: Bytes, to fork: inout Fork) {
        if path.isEmpty {
            fork.value = value
        } else {
            fork.children[Int(path[0])] = leaf(path.dropFirst(1), value)
        }
    }

    private mutating func leaf(_ path: NibblePath, _ value: Bytes) -> TrieReference {
        .loaded(append(.leaf(path: path, value: value)))
    }

    private mutating func branch(_ fork: Fork, after path: NibblePath) -> TrieNode {
        let branch = TrieNode.branch(children: fork.children, value: fork.value)
        return path.isEmpty ? branch : .extension(path: path, child: .loaded(append(branch)))
    }

    /// Notes that there is no node at a position any more.
    private mutating func vacate(_ index: UInt32, at position: NibblePath) {
        guard nodes[Int(index)].isStored else { return }
        nodes[Int(index)].isStored = false
        vacated.insert(position)
    }
}

// MARK: - Nodes

extension MerkleTrie {
    /// The index of the node at a position, which is read if it has to be; nil if there is none.
    ///
    /// - Parameters:
    ///   - mayBeLeaf: whether the node is likely to be a leaf.
    ///   - value: what the node holds if it is the leaf of a key; empty if that is not known.
    ///   - rest: the rest of that key.
    private mutating func load(
        _ reference: TrieReference, at position: NibblePath, mayBeLeaf: Bool = false,
        expecting value: Bytes = [], _ rest: NibblePath = NibblePath()
    ) throws(TrieError) -> UInt32? {
        let hash: UInt32
        switch reference {
        case .none: return nil
        case .loaded(let index): return index
        case .stored(let index): hash = index
        }
        let expected = hashes[Int(hash)]
        if mayBeLeaf, !value.isEmpty, Self.isLeaf(rest, value, hash: expected) {
            return append(.leaf(path: rest, value: value), hash: hash)
        }
        // A key with a value has no other leaf on its way.
        let isLikelyLeaf = mayBeLeaf && value.isEmpty
        guard let encoded = try reader?.node(at: position, mayBeLeaf: isLikelyLeaf) else {
            throw .missingNode(path: position, hash: expected)
        }
        // Only the root is checked: the caller knows its hash from somewhere else. All other hashes
        // come from the store itself.
        if position.isEmpty {
            let actual = keccak256(encoded)
            guard actual == expected else {
                throw .wrongRoot(expected: expected, actual: actual)
            }
        }
        do throws(TrieNodeDefect) {
            let content = try decode(encoded[...], at: position)
            return append(content, hash: hash)
        } catch {
            throw .corruptNode(path: position, defect: error)
        }
    }

    mutating func append(_ content: TrieNode, form: TrieForm = .changed) -> UInt32 {
        nodes.append(TrieSlot(content: content, form: form, isStored: false))
        return UInt32(nodes.count - 1)
    }

    /// Appends a node that its parent has the hash of.
    private mutating func append(_ content: TrieNode, hash: UInt32) -> UInt32 {
        nodes.append(
            TrieSlot(
                content: content, form: .hashed, hash: hash, isStored: mayStore(content),
                changedBelow: 0))
        return UInt32(nodes.count - 1)
    }

    /// Whether a node that its parent has the hash of is stored.
    private func mayStore(_ content: TrieNode) -> Bool {
        if case .leaf = content { leavesAreStored } else { true }
    }

    /// Notes that something below a nibble of a branch has changed.
    private mutating func change(_ index: UInt32, below nibble: Int) {
        nodes[Int(index)].form = .changed
        nodes[Int(index)].changedBelow |= 1 << UInt16(nibble)
    }

    mutating func append(_ hash: Hash256) -> UInt32 {
        hashes.append(hash)
        return UInt32(hashes.count - 1)
    }

    /// Puts a node at the root of a trie that has none.
    mutating func plant(_ reference: TrieReference) {
        root = reference
    }

    /// Notes that a commit has made a node of its own, whose hash is in its parent.
    mutating func settle(_ index: UInt32, as hash: Hash256) {
        nodes[Int(index)].form = .hashed
        nodes[Int(index)].isStored = mayStore(nodes[Int(index)].content)
        nodes[Int(index)].changedBelow = 0
        if nodes[Int(index)].hash == TrieSlot.noHash {
            nodes[Int(index)].hash = append(hash)
        } else {
            hashes[Int(nodes[Int(index)].hash)] = hash
        }
    }

    /// Notes that a commit has written a node into its parent.
    mutating func settle(_ index: UInt32, within parent: Bytes) {
        nodes[Int(index)].form = .embedded(parent)
        nodes[Int(index)].changedBelow = 0
        nodes[Int(index)].isStored = false
    }

    /// Hands over the positions without a node.
    mutating func takeVacated() -> Set<NibblePath> {
        defer { vacated = [] }
        return vacated
    }
}
