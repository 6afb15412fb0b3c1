import Cryptography
import Primitives
import TestSupport
import Testing
import Trie

@Suite struct TrieRewindTests {
    /// What some keys are now and were before.
    private struct Change {
        var now: [Hash256: Bytes] = [:]
        var before: [Hash256: Bytes] = [:]
        var changed: [Hash256] = []

        init(_ random: inout SeededRandom, count: Int, isCrowded: Bool) {
            for _ in 0..<count {
                let key = isCrowded ? random.crowdedHash() : random.hash()
                let value = random.value()
                now[key] = nil
                before[key] = nil
                switch random.index(below: 5) {
                case 0: now[key] = value
                case 1, 2: before[key] = value
                case 3:
                    now[key] = value
                    before[key] = random.value()
                default:
                    now[key] = value
                    before[key] = value
                }
            }
            changed = Set(now.keys).union(before.keys).filter { now[$0] != before[$0] }.sorted()
        }

        func table() -> (NodeTable, Hash256) {
            let table = NodeTable()
            var trie = MerkleTrie(entries: now)
            let update = trie.commit()
            table.apply(update)
            return (table, update.root)
        }

        func rewound(
            wanted: [Hash256], changesPerCommit: Int
        ) throws -> (trie: MerkleTrie, root: Hash256) {
            let (table, root) = table()
            var rewind = TrieRewind(
                reader: table, root: root, wanted: wanted, changesPerCommit: changesPerCommit)
            for key in changed { try rewind.set(key, to: before[key] ?? []) }
            return rewind.finish()
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>, [1, 2, 7, 1_000])
    func `an earlier trie proves what it had, and takes changes of wanted keys`(
        seed: UInt64, changesPerCommit: Int
    ) throws {
        var random = SeededRandom(seed: seed)
        let isCrowded = seed % 2 == 0
        let change = Change(
            &random, count: 1 + random.index(below: 250), isCrowded: isCrowded)
        let known = change.now.keys.sorted() + change.before.keys.sorted()
        let wanted = (0..<6).map { index in
            index < 4 && !known.isEmpty
                ? known[random.index(below: known.count)]
                : isCrowded ? random.crowdedHash() : random.hash()
        }
        var rewound = try change.rewound(wanted: wanted, changesPerCommit: changesPerCommit)
        var whole = MerkleTrie(entries: change.before)
        #expect(whole.commit().root == rewound.root, "seed \(random.seed)")
        for key in wanted {
            #expect(try rewound.trie.proof(for: key) == whole.proof(for: key))
            #expect(try rewound.trie.get(key: key) == change.before[key])
        }
        // Removals take up the nodes beside.
        for key in wanted {
            let value = random.index(below: 3) == 0 ? random.value() : []
            try rewound.trie.set(key: key, value: value)
            try whole.set(key: key, value: value)
            #expect(rewound.trie.commit().root == whole.commit().root, "seed \(random.seed)")
        }
    }

    @Test func `a trie can become empty and begin again`() throws {
        var random = SeededRandom(seed: 5)
        var change = Change(&random, count: 50, isCrowded: false)
        change.before = [:]
        change.changed = change.now.keys.sorted()
        #expect(try change.rewound(wanted: [], changesPerCommit: 3).root == .emptyTrieRoot)
        change.before = change.now
        change.now = [:]
        let root = try change.rewound(wanted: [], changesPerCommit: 3).root
        #expect(root == MerkleTrieTests.root(of: change.before))
    }
}

extension MerkleTrieTests {
    static func root(of entries: [Hash256: Bytes]) -> Hash256 {
        var trie = MerkleTrie(entries: entries)
        return trie.commit().root
    }
}
