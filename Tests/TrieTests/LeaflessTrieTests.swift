import Primitives
import TestSupport
import Testing
import Trie

/// Tries whose leaves are not stored, but made from the values of the keys.
@Suite struct LeaflessTrieTests {
    /// Stored nodes, and the values that the trie had when they were stored.
    private final class Table: TrieNodeReader {
        var nodes: [NibblePath: Bytes] = [:]
        var values: [NibblePath: Bytes] = [:]

        func node(at path: NibblePath, mayBeLeaf: Bool) -> Bytes? {
            if let node = nodes[path] { return node }
            let below = values.filter { $0.key.starts(with: path) }
            guard below.count == 1, let (key, value) = below.first else { return nil }
            return MerkleTrie.encodedLeaf(key.dropFirst(path.count), value)
        }
    }

    /// Keys that share few nibbles, and keys that share many and lead to short leaves.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `the store has what it would have but for the leaves`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let (whole, lean) = (NodeTable(), Table())
        let pool = (0..<60).map { _ in
            seed % 2 == 0 ? random.hash().bytes : random.crowdedKey()
        }
        var model: [Bytes: Bytes] = [:]
        var root = Hash256.emptyTrieRoot
        var memory: TrieMemory?
        for round in 0..<30 {
            var plain = MerkleTrie(reader: whole, root: root)
            var trie = MerkleTrie(reader: lean, root: root, leavesAreStored: false)
            if let memory { trie = MerkleTrie(reader: lean, memory, leavesAreStored: false) }
            for _ in 0..<(1 + random.index(below: 30)) {
                let key = pool[random.index(below: pool.count)]
                let value = random.index(below: 2) == 0 ? [] : random.value()
                if let hash = Hash256(key) {
                    try trie.set(key: hash, value: value, replacing: model[key] ?? [])
                } else {
                    try trie.set(key: key, value: value)
                }
                try plain.set(key: key, value: value)
                model[key] = value.isEmpty ? nil : value
            }
            let update = trie.commit()
            let expected = plain.commit()
            #expect(update.root == expected.root, "seed \(seed), round \(round)")
            root = update.root
            whole.apply(expected)
            for change in update.changes { lean.nodes[change.path] = change.node.map { Bytes($0) } }
            lean.values = Dictionary(
                uniqueKeysWithValues: model.map { (NibblePath($0.key), $0.value) })
            let branches = try whole.nodes.filter { try !MerkleTrie.isLeaf($0.value) }
            #expect(lean.nodes == branches, "seed \(seed), round \(round)")
            memory = random.index(below: 2) == 0 ? nil : trie.memory
        }
    }
}
