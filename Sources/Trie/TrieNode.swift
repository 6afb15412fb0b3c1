// The nodes of a trie in memory and in RLP (Yellow Paper, appendix D).

import Cryptography
import Primitives

/// What a node of a trie holds.
enum TrieNode {
    /// The rest of one key, and its value.
    case leaf(path: NibblePath, value: Bytes)
    /// Nibbles that all keys below have in common; the child is a branch.
    case `extension`(path: NibblePath, child: TrieReference)
    /// A child for each next nibble, and the value of the key that ends here; empty means none.
    case branch(children: TrieChildren, value: Bytes)
}

/// The children of a branch by nibble.
typealias TrieChildren = InlineArray<16, TrieReference>

extension TrieChildren {
    /// Whether one of them is likely to be a leaf. The keys are hashes: a branch that has leaves has
    /// empty places as well.
    var mayHoldLeaf: Bool {
        for nibble in indices where self[nibble] == .none { return true }
        return false
    }
}

/// How a node refers to a child.
enum TrieReference: Equatable {
    /// There is no child.
    case none
    /// A node in memory, by its index in the trie's memory.
    case loaded(UInt32)
    /// A node that is not read yet.
    case stored
}

extension TrieReference {
    /// Whether the node is in memory.
    var isLoaded: Bool {
        if case .loaded = self { true } else { false }
    }
}

/// A node in memory. It stands for a position in the trie: when what is at the position changes,
/// the content is replaced and the node stays.
struct TrieSlot {
    var content: TrieNode
    var form: TrieForm
    /// Where the hashes of its children are in the trie's memory; `noGroup` if it has none.
    var group: UInt32
    /// Which of the children lie within this node and have no hash, as bits.
    var embeddedBelow: UInt16 = 0
    /// Below which nibbles of a branch something has changed since the last commit, as bits; more may
    /// be set.
    var changedBelow = UInt16.max
    /// Whether the store has a node at this position: what was there when it was read or committed last.
    var isStored = false

    static let noGroup = UInt32.max

    /// A place that is not used.
    static let nothing = TrieSlot(
        content: .leaf(path: NibblePath(), value: []), form: .hashed, group: noGroup)

    /// Whether the parent has its hash.
    var isHashed: Bool {
        if case .hashed = form { true } else { false }
    }
}

/// What a parent writes for a node.
enum TrieForm {
    /// Not known: the node has changed since the last commit.
    case changed
    /// Its hash.
    case hashed
    /// Its own encoding, which is shorter than 32 bytes.
    case embedded(Bytes)
}

/// The items of an encoded node, found but not read.
struct TrieNodeItems {
    /// Where in the input each item is: a string without its header, a list with it.
    private(set) var ranges: InlineArray<17, Range<Int>> = .init(repeating: 0..<0)
    /// The items that are lists, as bits.
    private var lists: UInt32 = 0
    private(set) var count = 0

    /// Finds the items of a node that is the whole input.
    init(_ input: ArraySlice<UInt8>) throws(TrieNodeDefect) {
        do throws(RLPError) {
            var decoder = RLPDecoder(input)
            var list = try decoder.list()
            try decoder.finish()
            while !list.isAtEnd, count < 17 {
                let item = try list.item()
                if item.isList { lists |= 1 << UInt32(count) }
                ranges[count] = item.isList ? item.encoding : item.payload
                count += 1
            }
            if !list.isAtEnd { count = 18 }
        } catch {
            throw .rlp(error)
        }
        guard count == 2 || count == 17 else { throw .itemCount }
    }

    func isList(_ index: Int) -> Bool { lists >> UInt32(index) & 1 != 0 }
}

extension TrieMemory {
    /// Reads an encoded node into memory, and the nodes that lie in it.
    mutating func decode(
        _ input: ArraySlice<UInt8>, at position: NibblePath, form: TrieForm
    ) throws(TrieNodeDefect) -> UInt32 {
        let items = try TrieNodeItems(input)
        if items.count == 17 { return try decodeBranch(items, input, at: position, form: form) }

        guard !items.isList(0),
            let (path, ending) = NibblePath.decode(hexPrefix: input[items.ranges[0]])
        else { throw .path }
        guard position.count + path.count <= NibblePath.maximumCount else { throw .pathTooLong }
        switch ending {
        case .leaf:
            guard !items.isList(1), !items.ranges[1].isEmpty else { throw .value }
            return add(
                TrieSlot(
                    content: .leaf(path: path, value: Bytes(input[items.ranges[1]])), form: form,
                    group: TrieSlot.noGroup, changedBelow: 0))
        case .extension:
            guard !path.isEmpty else { throw .path }
            let group = addGroup()
            var embedded: UInt16 = 0
            let child = try decodeReference(
                items, 1, input, at: position.appending(path), into: group, 0, &embedded)
            guard child != .none else { throw .reference }
            return add(
                TrieSlot(
                    content: .extension(path: path, child: child), form: form, group: group,
                    embeddedBelow: embedded, changedBelow: 0))
        }
    }

    private mutating func decodeBranch(
        _ items: TrieNodeItems, _ input: ArraySlice<UInt8>, at position: NibblePath,
        form: TrieForm
    ) throws(TrieNodeDefect) -> UInt32 {
        guard !items.isList(16) else { throw .value }
        let group = addGroup()
        var embedded: UInt16 = 0
        var entries = items.ranges[16].isEmpty ? 0 : 1
        var children = TrieChildren(repeating: .none)
        for nibble in 0..<16 where !items.ranges[nibble].isEmpty {
            guard position.count < NibblePath.maximumCount else { throw .pathTooLong }
            let below = position.appending(UInt8(nibble))
            children[nibble] = try decodeReference(
                items, nibble, input, at: below, into: group, nibble, &embedded)
            entries += 1
        }
        guard entries >= 2 else { throw .lonelyBranch }
        return add(
            TrieSlot(
                content: .branch(children: children, value: Bytes(input[items.ranges[16]])),
                form: form, group: group, embeddedBelow: embedded, changedBelow: 0))
    }

    /// Reads a reference to a child. A node within a node is shorter than its parent, which is shorter
    /// than 32 bytes or has 17 items: that bounds the recursion.
    private mutating func decodeReference(
        _ items: TrieNodeItems, _ index: Int, _ input: ArraySlice<UInt8>,
        at position: NibblePath, into group: UInt32, _ child: Int, _ embedded: inout UInt16
    ) throws(TrieNodeDefect) -> TrieReference {
        let range = items.ranges[index]
        if items.isList(index) {
            guard range.count < 32 else { throw .reference }
            embedded |= 1 << UInt16(child)
            return .loaded(
                try decode(input[range], at: position, form: .embedded(Bytes(input[range]))))
        }
        if range.isEmpty { return .none }
        let offset = range.lowerBound - input.startIndex
        guard let hash = Hash256(input.span.extracting(offset..<offset + range.count)) else {
            throw .reference
        }
        set(hash, in: group, at: child)
        return .stored
    }

    /// Writes a node whose children are not changed or written already.
    func encode(_ index: UInt32, into encoder: inout RLPEncoder) {
        let embedded = nodes[Int(index)].embeddedBelow
        switch nodes[Int(index)].content {
        case .leaf(let path, let value):
            encoder.appendLeaf(path, value)
        case .extension(let path, let child):
            let compact = path.hexPrefix(.extension)
            let within = embedded & 1 != 0 ? self.embedded(child) : nil
            encoder.appendListHeader(
                count: RLPEncoder.count(of: compact) + (within?.count ?? 33))
            encoder.append(compact)
            if let within {
                encoder.appendRaw(within)
            } else {
                withHashes(of: index) { encoder.append($0[0]) }
            }
        case .branch(let children, let value):
            var present: UInt16 = 0
            var count = RLPEncoder.count(of: value)
            for nibble in children.indices {
                if embedded >> UInt16(nibble) & 1 != 0 {
                    count += self.embedded(children[nibble]).count
                } else if children[nibble] != .none {
                    present |= 1 << UInt16(nibble)
                    count += 33
                } else {
                    count += 1
                }
            }
            encoder.appendListHeader(count: count)
            withHashes(of: index) { hashes in
                if embedded == 0 {
                    encoder.append(hashes, present: present)
                    return
                }
                for nibble in children.indices {
                    if embedded >> UInt16(nibble) & 1 != 0 {
                        encoder.appendRaw(self.embedded(children[nibble]))
                    } else if present >> UInt16(nibble) & 1 != 0 {
                        encoder.append(hashes[nibble])
                    } else {
                        encoder.append(Bytes())
                    }
                }
            }
            encoder.append(value)
        }
    }

    /// What a parent writes for a child that lies within it.
    private func embedded(_ child: TrieReference) -> Bytes {
        guard case .loaded(let index) = child, case .embedded(let bytes) = nodes[Int(index)].form
        else { preconditionFailure("Children are written before their parents.") }
        return bytes
    }
}

extension MerkleTrie {
    /// A leaf in RLP.
    package static func encodedLeaf(_ path: NibblePath, _ value: Bytes) -> Bytes {
        var encoder = RLPEncoder()
        encoder.appendLeaf(path, value)
        return encoder.bytes
    }

    /// Whether an encoded node is a leaf.
    package static func isLeaf(_ encoded: Bytes) throws(TrieNodeDefect) -> Bool {
        let items = try TrieNodeItems(encoded[...])
        guard items.count == 2 else { return false }
        guard !items.isList(0),
            let (_, ending) = NibblePath.decode(hexPrefix: encoded[items.ranges[0]])
        else { throw .path }
        return ending == .leaf
    }

    /// Whether the hash is that of the leaf with this path and value.
    static func isLeaf(_ path: NibblePath, _ value: Bytes, hash: Hash256) -> Bool {
        keccak256(encodedLeaf(path, value)) == hash
    }
}

extension RLPEncoder {
    /// Writes a leaf.
    fileprivate mutating func appendLeaf(_ path: NibblePath, _ value: Bytes) {
        let compact = path.hexPrefix(.leaf)
        appendListHeader(count: RLPEncoder.count(of: compact) + RLPEncoder.count(of: value))
        append(compact)
        append(value)
    }
}
