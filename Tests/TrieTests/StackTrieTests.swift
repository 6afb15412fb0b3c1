import Cryptography
import Primitives
import TestSupport
import Testing
import Trie

@Suite struct StackTrieTests {
    private func expectSame(_ entries: [Hash256: Bytes], _ seed: UInt64) {
        var stack = StackTrie()
        var nodes: [NibblePath: Bytes] = [:]
        func take() {
            for node in stack.takeNodes() {
                #expect(nodes.updateValue(node.encoded, forKey: node.path) == nil, "made twice")
            }
        }
        for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
            stack.add(key, value)
            take()
        }
        let root = stack.finish()
        take()
        var trie = MerkleTrie(entries: entries)
        let update = trie.commit()
        #expect(root == update.root, "seed \(seed)")
        let expected = update.changes.map { ($0.path, Bytes($0.node ?? [])) }
        #expect(nodes == Dictionary(uniqueKeysWithValues: expected), "seed \(seed)")
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `it makes the nodes of a trie that is built otherwise`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var entries: [Hash256: Bytes] = [:]
        for _ in 0..<random.index(below: 300) {
            let key = seed % 2 == 0 ? random.hash() : random.crowdedHash()
            entries[key] = random.value()
        }
        expectSame(entries, random.seed)
    }

    @Test func `no entry, one and two are tries as well`() {
        expectSame([:], 0)
        expectSame([Hash256(1): [1]], 0)
        expectSame([Hash256(1): [1], Hash256(2): [2]], 0)
        expectSame([.zero: [1], Hash256(w0: .max, w1: 0, w2: 0, w3: 0): [2]], 0)
    }

    @Test func `what it holds does not grow with the trie`() {
        var random = SeededRandom(seed: 1)
        let keys = (0..<20_000).map { _ in random.hash() }.sorted()
        var trie = StackTrie()
        var longest = 0
        for key in keys {
            trie.add(key, [1, 2, 3])
            longest = max(longest, trie.takeNodes().count)
        }
        // A leaf and the branches above it.
        #expect(longest < 16)
    }
}

extension SeededRandom {
    /// A key out of few that share long prefixes, so that there are extensions, and nodes that are
    /// short enough to lie within others.
    mutating func crowdedHash() -> Hash256 {
        var bytes = Bytes(repeating: 0, count: 32)
        for place in [0, 1, 12, 31] {
            bytes[place] = [0x00, 0x01, 0x10, 0x11, 0xf1][index(below: 5)]
        }
        return Hash256(bytes) ?? .zero
    }
}
