import Cryptography
import Primitives
import TestSupport
import Testing
import Trie

@Suite struct MerkleTrieTests {
    @Test(arguments: 0..<30 as Range<UInt64>)
    func `any sequence of changes leaves the nodes of a fresh trie`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let table = NodeTable()
        var model: [Bytes: Bytes] = [:]
        var root = Hash256.emptyTrieRoot
        var trie = MerkleTrie(reader: table, root: root)
        // Long keys are as in the state, crowded ones branch and end everywhere.
        let isCrowded = seed % 3 != 0
        var pool = (0..<40).map { _ in isCrowded ? random.crowdedKey() : random.hash().bytes }
        if !isCrowded {
            // Some share all but their last nibbles.
            for index in 0..<10 {
                pool[index] = pool[0].dropLast(1) + [UInt8(random.index(below: 20))]
            }
        }
        for _ in 0..<25 {
            for _ in 0..<random.index(below: 12) {
                let key = pool[random.index(below: pool.count)]
                if random.index(below: 5) < 3 {
                    let value = random.value()
                    model[key] = value
                    try trie.set(key: key, value: value)
                } else {
                    model[key] = nil
                    try trie.remove(key: key)
                }
            }
            let update = trie.commit()
            table.apply(update)
            root = update.root
            #expect(root == definedRoot(model), "seed \(random.seed)")

            let fresh = try freshTable(model)
            #expect(table.nodes == fresh, "seed \(random.seed)")
            for key in pool {
                #expect(try trie.get(key: key) == model[key], "seed \(random.seed)")
            }
            if random.index(below: 2) == 0 { trie = MerkleTrie(reader: table, root: root) }
        }
        for key in model.keys { try trie.remove(key: key) }
        table.apply(trie.commit())
        #expect(table.nodes.isEmpty, "seed \(random.seed)")
    }

    @Test func `a trie without entries has the empty root and no nodes`() {
        var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        #expect(trie.commit() == TrieUpdate(root: .emptyTrieRoot, changes: []))
        #expect(MerkleTrie(entries: [:]).rootHash == .emptyTrieRoot)
    }

    @Test func `what does not change is not written`() throws {
        let (table, root, keys) = try hashedTable(count: 500)
        var trie = MerkleTrie(reader: table, root: root)
        for key in keys.prefix(50) {
            try trie.set(key: key, value: try #require(try trie.get(key: key)))
            try trie.remove(key: keccak256(key))
        }
        #expect(trie.commit() == TrieUpdate(root: root, changes: []))
    }

    @Test func `a change reads and writes only the nodes on its way`() throws {
        let (table, root, keys) = try hashedTable(count: 4_096)
        let before = table.reads
        var trie = MerkleTrie(reader: table, root: root)
        try trie.set(key: keys[7], value: [1, 2, 3])
        let update = trie.commit()
        #expect(table.reads - before <= 7)
        #expect(update.changes.count <= 7)
        #expect(update.changes.allSatisfy { $0.node != nil })
        let path = NibblePath(keys[7])
        #expect(update.changes.allSatisfy { path.starts(with: $0.path) })
    }

    @Test func `many tries are committed as each alone`() throws {
        var random = SeededRandom(seed: 3)
        var tries: [MerkleTrie] = []
        var single: [TrieUpdate] = []
        for size in [0, 1, 2, 17, 300, 1] {
            var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
            for _ in 0..<size { try trie.set(key: random.hash(), value: random.value()) }
            tries.append(trie)
            var alone = trie
            single.append(alone.commit())
        }
        #expect(MerkleTrie.commit(&tries) == single)
        #expect(MerkleTrie.commit(&tries).allSatisfy { $0.changes.isEmpty })
    }

    @Test(arguments: [1, 2, 3, 16, 17, 1_000])
    func `a trie built at once is that built key by key`(count: Int) throws {
        var random = SeededRandom(seed: UInt64(count))
        var entries: [Hash256: Bytes] = [:]
        for _ in 0..<count { entries[random.hash()] = random.value() }
        var bulk = MerkleTrie(entries: entries)
        var single = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        for (key, value) in entries { try single.set(key: key, value: value) }
        #expect(bulk.commit() == single.commit())

        let extra = random.hash()
        try bulk.set(key: extra, value: [1])
        try single.set(key: extra, value: [1])
        #expect(bulk.commit() == single.commit())
    }

    @Test func `an entry with an empty value is none`() throws {
        let key = keccak256(Bytes([1]))
        var bulk = MerkleTrie(entries: [key: [], keccak256(key): [5]])
        var single = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        try single.set(key: keccak256(key), value: [5])
        try single.set(key: key, value: [])
        #expect(bulk.commit() == single.commit())
    }

    @Test(arguments: [0, 1, 2, 16, 127, 128, 129, 200, 256, 257, 600])
    func `an ordered trie maps the index to the item`(count: Int) {
        var random = SeededRandom(seed: 1)
        let items = (0..<count).map { _ in random.bytes(1 + random.index(below: 120)) }
        var entries: [Bytes: Bytes] = [:]
        for (index, item) in items.enumerated() {
            var key = RLPEncoder()
            key.append(UInt64(index))
            entries[key.bytes] = item
        }
        #expect(orderedTrieRoot(items) == definedRoot(entries))
    }

    private func freshTable(_ model: [Bytes: Bytes]) throws -> [NibblePath: Bytes] {
        let table = NodeTable()
        var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        for (key, value) in model { try trie.set(key: key, value: value) }
        table.apply(trie.commit())
        return table.nodes
    }
}

@Suite struct DamagedTrieTests {
    @Test func `a node that is not there is named`() throws {
        let (table, root, keys) = try hashedTable(count: 100)
        var trie = MerkleTrie(reader: table, root: root)
        table.nodes[NibblePath(keys[0]).prefix(1)] = nil
        #expect(throws: TrieError.self) { try trie.set(key: keys[0], value: [1]) }

        var lost = MerkleTrie(reader: nil, root: root)
        #expect(throws: TrieError.missingNode(path: NibblePath(), hash: root)) {
            try lost.get(key: keys[0])
        }
    }

    @Test func `a root node of another trie is refused`() throws {
        let (table, _, keys) = try hashedTable(count: 10)
        let other = keccak256(Bytes([1]))
        var trie = MerkleTrie(reader: table, root: other)
        let actual = keccak256(table.nodes[NibblePath()] ?? [])
        #expect(throws: TrieError.wrongRoot(expected: other, actual: actual)) {
            try trie.get(key: keys[0])
        }
    }

    static let defects: [(String, TrieNodeDefect)] = [
        ("", .rlp(.endOfInput)),
        ("80", .rlp(.unexpectedString)),
        ("c0", .itemCount),
        ("c101", .itemCount),
        ("c20180", .path),
        ("c22080", .value),
        ("c220c0", .value),
        ("c2c001", .path),
        ("c24001", .path),
        ("c22101", .path),
        ("c20001", .path),
        ("c21180", .reference),
        ("c21101", .reference),
        ("c3118101", .rlp(.nonCanonicalLength)),
        ("c32001", .rlp(.truncated(needed: 3, available: 2))),
        ("c2200101", .rlp(.trailingBytes(count: 1))),
        ("d1" + String(repeating: "80", count: 17), .lonelyBranch),
        ("d1" + String(repeating: "80", count: 16) + "01", .lonelyBranch),
        ("d180c0" + String(repeating: "80", count: 15), .itemCount),
        ("d2" + String(repeating: "80", count: 18), .itemCount),
        ("d3c22001c22001" + String(repeating: "80", count: 13), .itemCount),
        ("d180c0" + String(repeating: "80", count: 14) + "c0", .value),
        ("e3a120" + String(repeating: "11", count: 32) + "01", .pathTooLong),
    ]

    @Test(arguments: defects)
    func `a node that is none is refused with the reason`(
        hex: String, defect: TrieNodeDefect
    ) throws {
        // At depth 1 below a root that refers to it.
        let table = NodeTable()
        let hash = keccak256(Bytes([7]))
        let root = RLPEncoder.list { list in
            for _ in 0..<2 { list.append(hash) }
            for _ in 0..<15 { list.append(Bytes()) }
        }
        table.nodes[NibblePath()] = root
        let path = NibblePath(nibble: 0)
        let node: Bytes = try #require(Hex.decode(hex))
        table.nodes[path] = node
        var trie = MerkleTrie(reader: table, root: keccak256(root))
        #expect(throws: TrieError.corruptNode(path: path, defect: defect)) {
            try trie.get(key: Hash256.zero)
        }
    }

    @Test func `damaged nodes never trap`() throws {
        var random = SeededRandom(seed: 12)
        let (table, root, keys) = try hashedTable(count: 60)
        let crowded = NodeTable()
        var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        let crowdedKeys = (0..<40).map { _ in random.crowdedKey() }
        for key in crowdedKeys { try trie.set(key: key, value: random.value()) }
        let crowdedUpdate = trie.commit()
        crowded.apply(crowdedUpdate)

        var refused = 0
        for round in 0..<3_000 {
            let isCrowded = round % 2 == 0
            let source = isCrowded ? crowded : table
            let damaged = NodeTable()
            damaged.nodes = source.nodes
            var paths = source.nodes.keys.sorted()
            // The root is checked by its hash, so damage it only now and then.
            if round % 10 != 0 { paths.removeAll(where: \.isEmpty) }
            for _ in 0...random.index(below: 3) {
                let path = paths[random.index(below: paths.count)]
                var node = damaged.nodes[path] ?? [0]
                switch random.index(below: 4) {
                case 0: node[random.index(below: node.count)] = UInt8(random.index(below: 256))
                case 1: node.removeLast(random.index(below: node.count))
                case 2: node = source.nodes[paths[random.index(below: paths.count)]] ?? []
                default: node[random.index(below: node.count)] ^= 1 << random.index(below: 8)
                }
                damaged.nodes[path] = node.isEmpty ? [0] : node
            }
            var start = isCrowded ? crowdedUpdate.root : root
            if let node = damaged.nodes[NibblePath()], round % 10 == 0 { start = keccak256(node) }
            var trie = MerkleTrie(reader: damaged, root: start)
            do throws(TrieError) {
                for _ in 0..<8 {
                    let key =
                        isCrowded
                        ? crowdedKeys[random.index(below: crowdedKeys.count)]
                        : keys[random.index(below: keys.count)].bytes
                    switch random.index(below: 3) {
                    case 0: try trie.set(key: key, value: random.value())
                    case 1: try trie.remove(key: key)
                    default: _ = try trie.get(key: key)
                    }
                }
                _ = trie.commit()
                for key in keys.prefix(3) { _ = try trie.proof(for: key) }
            } catch {
                refused += 1
            }
        }
        #expect(refused > 500)
    }
}

/// A stored trie of random keys.
func hashedTable(count: Int) throws -> (NodeTable, Hash256, [Hash256]) {
    var random = SeededRandom(seed: UInt64(count))
    let keys = (0..<count).map { _ in random.hash() }
    var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
    for key in keys { try trie.set(key: key, value: random.bytes(1 + random.index(below: 80))) }
    let table = NodeTable()
    let update = trie.commit()
    table.apply(update)
    return (table, update.root, keys)
}
