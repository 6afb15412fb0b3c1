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
// A trie is meant to live for a block; what it has in memory can go on in the next one (`TrieMemory`).

import Cryptography
public import Primitives

/// A Merkle Patricia trie over stored nodes. After an error it is half changed: throw it away.
public struct MerkleTrie {
    private let reader: (any TrieNodeReader)?
    private let leavesAreStored: Bool
    /// The nodes that are in memory.
    public internal(set) var memory: TrieMemory
    /// Positions that the store has a node for and the trie has not, since the last commit.
    private var vacated: Set<NibblePath> = []

    /// The trie with a root hash; its nodes come from the reader.
    ///
    /// - Parameter leavesAreStored: whether commits tell of leaves too. If not, the reader has to know
    ///   what they hold.
    public init(reader: (any TrieNodeReader)?, root: Hash256, leavesAreStored: Bool = true) {
        self.reader = reader
        self.leavesAreStored = leavesAreStored
        memory = TrieMemory(root: root)
    }

    /// The trie of nodes that are in memory already; others come from the reader, whose nodes have the
    /// same root.
    public init(
        reader: any TrieNodeReader, _ memory: consuming TrieMemory, leavesAreStored: Bool = true
    ) {
        self.reader = reader
        self.leavesAreStored = leavesAreStored
        self.memory = memory
    }

    /// Hands over the nodes that are in memory.
    public consuming func takeMemory() -> TrieMemory { memory }

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
        let (root, place) = (memory.root, TrieMemory.Place.root)
        memory.root =
            value.isEmpty
            ? try remove(previous, from: root, place, at: NibblePath(), key, mayBeLeaf: false)
                .reference
            : try insert(
                value, replacing: previous, into: root, place, at: NibblePath(), key,
                mayBeLeaf: false
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
        guard var index = try load(memory.root, .root, at: NibblePath()) else { return }
        memory.root = .loaded(index)
        var rest = key
        while true {
            let node = memory[index]
            visit(index, node, rest)
            let child: TrieReference
            let place: TrieMemory.Place
            switch node.content {
            case .leaf:
                return
            case .extension(let path, let below):
                guard rest.starts(with: path) else { return }
                rest = rest.dropFirst(path.count)
                child = below
                place = TrieMemory.Place(parent: index, child: 0)
            case .branch(let children, _):
                guard !rest.isEmpty else { return }
                place = TrieMemory.Place(parent: index, child: Int(rest[0]))
                child = children[place.child]
                rest = rest.dropFirst(1)
            }
            let position = key.prefix(key.count - rest.count)
            guard let next = try load(child, place, at: position) else { return }
            switch node.content {
            case .leaf:
                return
            case .extension(let path, _):
                memory[index].content = .extension(path: path, child: .loaded(next))
            case .branch(var children, let value):
                children[place.child] = .loaded(next)
                memory[index].content = .branch(children: children, value: value)
            }
            index = next
        }
    }
}

// MARK: - Changes

extension MerkleTrie {
    private typealias Place = TrieMemory.Place

    /// A reference to what is at a position after a change, and whether there was one.
    private typealias Outcome = (reference: TrieReference, hasChanged: Bool)

    /// - Parameters:
    ///   - previous: the value before; empty if it is not known.
    ///   - place: where the hash of what is at the position is.
    ///   - mayBeLeaf: whether the node is likely to be a leaf.
    private mutating func insert(
        _ value: Bytes, replacing previous: Bytes, into reference: TrieReference, _ place: Place,
        at position: NibblePath, _ rest: NibblePath, mayBeLeaf: Bool
    ) throws(TrieError) -> Outcome {
        guard
            let index = try load(
                reference, place, at: position, mayBeLeaf: mayBeLeaf, expecting: previous, rest)
        else {
            return (leaf(rest, value), true)
        }
        switch memory[index].content {
        case .leaf(let path, let old):
            if path == rest {
                let hasChanged = old != value
                if hasChanged { change(index, to: .leaf(path: path, value: value)) }
                return (.loaded(index), hasChanged)
            }
            let common = path.commonPrefixCount(with: rest)
            var fork = Fork(group: memory.addGroup())
            add(path.dropFirst(common), old, to: &fork)
            add(rest.dropFirst(common), value, to: &fork)
            return (branch(fork, after: path.prefix(common), at: index), true)

        case .extension(let path, let child):
            let common = path.commonPrefixCount(with: rest)
            let below = Place(parent: index, child: 0)
            if common == path.count {
                let outcome = try insert(
                    value, replacing: previous, into: child, below,
                    at: position.appending(path), rest.dropFirst(common), mayBeLeaf: false)
                let content = TrieNode.extension(path: path, child: outcome.reference)
                if outcome.hasChanged {
                    change(index, to: content)
                } else {
                    memory[index].content = content
                }
                return (.loaded(index), outcome.hasChanged)
            }
            // The child stays where it is, below what is left of the extension.
            var fork = Fork(group: memory.addGroup())
            let nibble = Int(path[common])
            let tail = path.dropFirst(common + 1)
            if tail.isEmpty {
                fork.children[nibble] = child
                memory.set(memory.hash(at: below), in: fork.group, at: nibble)
                fork.embeddedBelow = (memory[index].embeddedBelow & 1) << UInt16(nibble)
            } else {
                let stem = append(
                    .extension(path: tail, child: child), group: memory.addGroup())
                memory.move(childAt: below, to: Place(parent: stem, child: 0))
                fork.children[nibble] = .loaded(stem)
            }
            add(rest.dropFirst(common), value, to: &fork)
            return (branch(fork, after: path.prefix(common), at: index), true)

        case .branch(var children, let old):
            if rest.isEmpty {
                let hasChanged = old != value
                if hasChanged {
                    change(index, to: .branch(children: children, value: value))
                }
                return (.loaded(index), hasChanged)
            }
            let nibble = Int(rest[0])
            let outcome = try insert(
                value, replacing: previous, into: children[nibble],
                Place(parent: index, child: nibble), at: position.appending(rest[0]),
                rest.dropFirst(1), mayBeLeaf: !children[nibble].isLoaded && children.mayHoldLeaf)
            if outcome.hasChanged { change(index, below: nibble) }
            // Mostly the child was in memory already: then there is nothing to copy.
            if outcome.reference != children[nibble] {
                children[nibble] = outcome.reference
                memory[index].content = .branch(children: children, value: old)
            }
            return (.loaded(index), outcome.hasChanged)
        }
    }

    private mutating func remove(
        _ previous: Bytes, from reference: TrieReference, _ place: Place, at position: NibblePath,
        _ rest: NibblePath, mayBeLeaf: Bool
    ) throws(TrieError) -> Outcome {
        guard
            let index = try load(
                reference, place, at: position, mayBeLeaf: mayBeLeaf, expecting: previous, rest)
        else {
            return (.none, false)
        }
        switch memory[index].content {
        case .leaf(let path, _):
            guard path == rest else { return (.loaded(index), false) }
            vacate(index, at: position)
            return (.none, true)

        case .extension(let path, let child):
            guard rest.starts(with: path) else { return (.loaded(index), false) }
            let below = position.appending(path)
            let outcome = try remove(
                previous, from: child, Place(parent: index, child: 0), at: below,
                rest.dropFirst(path.count), mayBeLeaf: false)
            memory[index].content = .extension(path: path, child: outcome.reference)
            guard outcome.hasChanged else { return (.loaded(index), false) }
            return (try join(index, at: position, path, outcome.reference, 0), true)

        case .branch(var children, var value):
            if rest.isEmpty {
                guard !value.isEmpty else { return (.loaded(index), false) }
                value = []
            } else {
                let nibble = Int(rest[0])
                let outcome = try remove(
                    previous, from: children[nibble], Place(parent: index, child: nibble),
                    at: position.appending(rest[0]), rest.dropFirst(1),
                    mayBeLeaf: children.mayHoldLeaf)
                children[nibble] = outcome.reference
                guard outcome.hasChanged else {
                    memory[index].content = .branch(children: children, value: value)
                    return (.loaded(index), false)
                }
                change(index, below: nibble)
                if outcome.reference == .none {
                    memory[index].embeddedBelow &= ~(1 << UInt16(nibble))
                }
            }
            return (try shrink(index, at: position, children, value), true)
        }
    }

    /// Writes a branch that has lost an entry: with one left it is no branch any more.
    private mutating func shrink(
        _ index: UInt32, at position: NibblePath, _ children: TrieChildren, _ value: Bytes
    ) throws(TrieError) -> TrieReference {
        let nibbles = children.indices.filter { children[$0] != .none }
        if nibbles.isEmpty {
            change(index, to: .leaf(path: NibblePath(), value: value))
        } else if nibbles.count == 1, value.isEmpty {
            let path = NibblePath(nibble: UInt8(nibbles[0]))
            return try join(index, at: position, path, children[nibbles[0]], nibbles[0])
        } else {
            memory[index].form = .changed
            memory[index].content = .branch(children: children, value: value)
        }
        return .loaded(index)
    }

    /// Makes a node of nibbles and the node that follows them: a leaf or an extension takes the
    /// nibbles into its own path and leaves its position, a branch gets an extension before it.
    ///
    /// - Parameter nibble: which child of the node follows.
    private mutating func join(
        _ index: UInt32, at position: NibblePath, _ path: NibblePath, _ child: TrieReference,
        _ nibble: Int
    ) throws(TrieError) -> TrieReference {
        let below = position.appending(path)
        let place = Place(parent: index, child: nibble)
        guard let next = try load(child, place, at: below, mayBeLeaf: true) else {
            // Only below an extension that leads to a leaf, which is stored nowhere by this code.
            vacate(index, at: position)
            return .none
        }
        let first = Place(parent: index, child: 0)
        switch memory[next].content {
        case .leaf(let rest, let value):
            change(index, to: .leaf(path: path.appending(rest), value: value))
            vacate(next, at: below)
        case .extension(let rest, let child):
            memory.move(childAt: Place(parent: next, child: 0), to: first)
            change(index, to: .extension(path: path.appending(rest), child: child))
            vacate(next, at: below)
        case .branch:
            memory.move(childAt: place, to: first)
            change(index, to: .extension(path: path, child: .loaded(next)))
        }
        return .loaded(index)
    }

    /// The entries of a new branch.
    private struct Fork {
        var children = TrieChildren(repeating: .none)
        var value: Bytes = []
        var embeddedBelow: UInt16 = 0
        let group: UInt32

        init(group: UInt32) { self.group = group }
    }

    private mutating func add(_ path: NibblePath, _ value: Bytes, to fork: inout Fork) {
        if path.isEmpty {
            fork.value = value
        } else {
            fork.children[Int(path[0])] = leaf(path.dropFirst(1), value)
        }
    }

    private mutating func leaf(_ path: NibblePath, _ value: Bytes) -> TrieReference {
        .loaded(append(.leaf(path: path, value: value), group: TrieSlot.noGroup))
    }

    /// Makes a node a new branch, or an extension that leads to it.
    private mutating func branch(
        _ fork: Fork, after path: NibblePath, at index: UInt32
    ) -> TrieReference {
        let branch = TrieNode.branch(children: fork.children, value: fork.value)
        if path.isEmpty {
            memory[index].group = fork.group
            memory[index].embeddedBelow = fork.embeddedBelow
            change(index, to: branch)
        } else {
            let child = append(branch, group: fork.group)
            memory[child].embeddedBelow = fork.embeddedBelow
            memory[index].group = memory.addGroup()
            memory[index].embeddedBelow = 0
            change(index, to: .extension(path: path, child: .loaded(child)))
        }
        return .loaded(index)
    }

    /// Notes that there is no node at a position any more.
    private mutating func vacate(_ index: UInt32, at position: NibblePath) {
        guard memory[index].isStored else { return }
        memory[index].isStored = false
        vacated.insert(position)
    }
}

// MARK: - Nodes

extension MerkleTrie {
    /// The index of the node at a position, which is read if it has to be; nil if there is none.
    ///
    /// - Parameters:
    ///   - place: where its hash is.
    ///   - mayBeLeaf: whether the node is likely to be a leaf.
    ///   - value: what the node holds if it is the leaf of a key; empty if that is not known.
    ///   - rest: the rest of that key.
    private mutating func load(
        _ reference: TrieReference, _ place: TrieMemory.Place, at position: NibblePath,
        mayBeLeaf: Bool = false, expecting value: Bytes = [], _ rest: NibblePath = NibblePath()
    ) throws(TrieError) -> UInt32? {
        switch reference {
        case .none: return nil
        case .loaded(let index): return index
        case .stored: break
        }
        let expected = memory.hash(at: place)
        if mayBeLeaf, !value.isEmpty, Self.isLeaf(rest, value, hash: expected) {
            return memory.add(
                TrieSlot(
                    content: .leaf(path: rest, value: value), form: .hashed,
                    group: TrieSlot.noGroup, changedBelow: 0, isStored: leavesAreStored))
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
            let index = try memory.decode(encoded[...], at: position, form: .hashed)
            memory[index].isStored = mayStore(memory[index].content)
            return index
        } catch {
            throw .corruptNode(path: position, defect: error)
        }
    }

    /// Puts a new node into memory.
    mutating func append(_ content: TrieNode, group: UInt32) -> UInt32 {
        memory.add(TrieSlot(content: content, form: .changed, group: group))
    }

    /// Whether a node that its parent has the hash of is stored.
    func mayStore(_ content: TrieNode) -> Bool {
        if case .leaf = content { leavesAreStored } else { true }
    }

    /// Replaces what a node holds.
    private mutating func change(_ index: UInt32, to content: TrieNode) {
        memory[index].content = content
        if case .leaf = content { memory[index].group = TrieSlot.noGroup }
        memory[index].form = .changed
        memory[index].changedBelow = .max
    }

    /// Notes that something below a nibble of a branch has changed.
    private mutating func change(_ index: UInt32, below nibble: Int) {
        memory[index].form = .changed
        memory[index].changedBelow |= 1 << UInt16(nibble)
    }

    /// Puts a node at the root of a trie that has none.
    mutating func plant(_ reference: TrieReference) {
        memory.root = reference
    }

    /// Hands over the positions without a node.
    mutating func takeVacated() -> Set<NibblePath> {
        defer { vacated = [] }
        return vacated
    }
}
