// Tries that are built from nothing: genesis states and the lists of a block. Sorted keys give the
// nodes directly, each once, without a descent for every key.

import Cryptography
public import Primitives

extension MerkleTrie {
    /// The trie of these entries and no others; those with an empty value are left out. Nothing is
    /// stored before the first commit.
    public init(entries: [Hash256: Bytes]) {
        let sorted = entries.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
        self.init(sorted: sorted.map { (NibblePath($0.key), $0.value) })
    }

    /// The trie of entries in the order of their keys, which are distinct.
    fileprivate init(sorted entries: [(path: NibblePath, value: Bytes)]) {
        self.init(reader: nil, root: .emptyTrieRoot)
        if !entries.isEmpty { plant(build(entries[...], depth: 0)) }
    }

    /// The node of entries whose keys have their first nibbles, as many as the depth, in common.
    private mutating func build(
        _ entries: ArraySlice<(path: NibblePath, value: Bytes)>, depth: Int
    ) -> TrieReference {
        let first = entries[entries.startIndex]
        if entries.count == 1 {
            return .loaded(
                append(
                    .leaf(path: first.path.dropFirst(depth), value: first.value),
                    group: TrieSlot.noGroup))
        }
        // What the first and the last key have in common, all have.
        let common = first.path.commonPrefixCount(with: entries[entries.endIndex - 1].path)
        var rest = entries
        var value: Bytes = []
        if first.path.count == common {
            value = first.value
            rest = rest.dropFirst()
        }
        var children = TrieChildren(repeating: .none)
        while let next = rest.first {
            let nibble = next.path[common]
            let group = rest.prefix { $0.path[common] == nibble }
            children[Int(nibble)] = build(group, depth: common + 1)
            rest = rest[group.endIndex...]
        }
        let branch = append(
            .branch(children: children, value: value), group: memory.addGroup())
        let path = first.path.prefix(common).dropFirst(depth)
        if path.isEmpty { return .loaded(branch) }
        return .loaded(
            append(.extension(path: path, child: .loaded(branch)), group: memory.addGroup()))
    }
}

/// The root of the trie that maps the RLP of each index to the item: the commitment of a block to
/// its transactions, receipts or withdrawals (Yellow Paper 4.3.2). No item is empty.
public func orderedTrieRoot(_ items: [Bytes]) -> Hash256 {
    // In the order of their RLP: 1 to 127 are single bytes, 0 is 0x80, the others come after it.
    var order = Array(1..<max(1, min(items.count, 128)))
    if !items.isEmpty { order.append(0) }
    if items.count > 128 { order += 128..<items.count }
    let entries = order.map { index in
        var key = RLPEncoder()
        key.append(UInt64(index))
        return (NibblePath(key.bytes), items[index])
    }
    var trie = MerkleTrie(sorted: entries)
    return trie.hashed()
}
