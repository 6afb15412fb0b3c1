import Cryptography
import Primitives
import TestSupport
import Testing
import Trie

@Suite struct TrieMemoryTests {
    @Test(arguments: 0..<30 as Range<UInt64>)
    func `a trie that goes on in memory writes what one that is read anew writes`(
        seed: UInt64
    ) throws {
        var random = SeededRandom(seed: seed)
        let (kept, read) = (NodeTable(), NodeTable())
        var model: [Hash256: Bytes] = [:]
        // Every other trie has long paths in common, and nodes that lie within others.
        let pool = (0..<300).map { _ in seed % 2 == 0 ? random.hash() : random.crowdedHash() }
        var memory: TrieMemory?
        var root = Hash256.emptyTrieRoot
        for round in 0..<20 {
            var going = MerkleTrie(reader: kept, root: root)
            if let memory { going = MerkleTrie(reader: kept, memory) }
            var fresh = MerkleTrie(reader: read, root: root)
            for _ in 0..<random.index(below: 60) {
                let key = pool[random.index(below: pool.count)]
                let value = random.index(below: 4) == 0 ? [] : random.value()
                try going.set(key: key, value: value, replacing: model[key] ?? [])
                try fresh.set(key: key, value: value)
                model[key] = value.isEmpty ? nil : value
            }
            let update = going.commit()
            #expect(update == fresh.commit(), "seed \(seed), round \(round)")
            #expect(update.changes.map(\.path) == update.changes.map(\.path).sorted())
            kept.apply(update)
            read.apply(update)
            root = update.root
            #expect(root == MerkleTrie(entries: model).committed().root)
            memory = random.index(below: 5) == 0 ? nil : going.memory
            memory?.trim(to: random.index(below: 200_000))
            #expect(memory?.rootHash ?? root == root)
        }
    }

    @Test func `a value that is not the one before is not taken for it`() throws {
        let (table, root, keys) = try hashedTable(count: 300)
        for wrong in [[1], Bytes(repeating: 7, count: 40)] as [Bytes] {
            var trie = MerkleTrie(reader: table, root: root)
            var plain = MerkleTrie(reader: table, root: root)
            for key in keys.prefix(20) {
                try trie.set(key: key, value: [9], replacing: wrong)
                try plain.set(key: key, value: [9])
                let other = keccak256(key)
                try trie.set(key: other, value: [9], replacing: wrong)
                try plain.set(key: other, value: [9])
            }
            #expect(trie.commit() == plain.commit())
        }
    }

    @Test func `a leaf whose value is known is not read`() throws {
        let (table, root, keys) = try hashedTable(count: 300)
        var trie = MerkleTrie(reader: table, root: root)
        let value = try #require(try trie.get(key: keys[5]))
        let reads = { (known: Bytes) throws in
            let before = table.reads
            var trie = MerkleTrie(reader: table, root: root)
            try trie.set(key: keys[5], value: [1], replacing: known)
            return table.reads - before
        }
        #expect(try reads(value) == reads([]) - 1)
    }

    @Test func `the nodes near the root are those that stay`() throws {
        let (table, root, keys) = try hashedTable(count: 4_096)
        var trie = MerkleTrie(reader: table, root: root)
        for key in keys { try trie.set(key: key, value: [1]) }
        table.apply(trie.commit())
        var memory = trie.memory
        let whole = memory.byteCount
        memory.trim(to: whole)
        #expect(memory.byteCount == whole, "there is room for all")
        memory.trim(to: whole / 4)
        #expect(memory.byteCount <= whole / 4)
        #expect(memory.rootHash == trie.commit().root)

        // The root and its children are there, and what is below is read again.
        let reads = { (memory: TrieMemory) throws in
            let before = table.reads
            var trie = MerkleTrie(reader: table, memory)
            for key in keys.prefix(100) { try trie.set(key: key, value: [2]) }
            return table.reads - before
        }
        let some = try reads(memory)
        memory.trim(to: 0)
        #expect(some > 0)
        #expect(try reads(memory) > some)
    }
}

extension MerkleTrie {
    /// The update that stores a new trie.
    fileprivate consuming func committed() -> TrieUpdate {
        var trie = self
        return trie.commit()
    }
}
