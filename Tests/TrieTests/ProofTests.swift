import Cryptography
import Primitives
import TestSupport
import Testing
import Trie

@Suite struct ProofTests {
    @Test func `a proof shows the value of its key and of no other`() throws {
        let (table, root, keys) = try hashedTable(count: 300)
        var trie = MerkleTrie(reader: table, root: root)
        for key in keys.prefix(60) {
            let proof = try trie.proof(for: key)
            let value = try trie.get(key: key)
            #expect(try MerkleTrie.verifyProof(root: root, key: key, proof: proof) == value)
            #expect(proof.first.map { keccak256($0) } == root)
        }
    }

    @Test func `a proof shows that a key has no value`() throws {
        let (table, root, keys) = try hashedTable(count: 300)
        var trie = MerkleTrie(reader: table, root: root)
        for key in keys.prefix(60) {
            // A key that ends beside the leaf of another one, and one anywhere.
            for other in [Hash256(key.uint256 ^ 1), keccak256(key)] {
                let proof = try trie.proof(for: other)
                #expect(try MerkleTrie.verifyProof(root: root, key: other, proof: proof) == nil)
            }
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `proofs hold in tries of nodes within nodes`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        var model: [Bytes: Bytes] = [:]
        for _ in 0..<(1 + random.index(below: 30)) {
            let (key, value) = (random.crowdedKey(), random.value())
            model[key] = value
            try trie.set(key: key, value: value)
        }
        let root = trie.commit().root
        for _ in 0..<60 {
            let key = random.crowdedKey()
            let proof = try trie.proof(for: key)
            let proven = try MerkleTrie.verifyProof(root: root, key: key, proof: proof)
            #expect(proven == model[key], "seed \(random.seed)")
        }
    }

    @Test func `a proof holds after changes that are not stored`() throws {
        let (table, root, keys) = try hashedTable(count: 100)
        var trie = MerkleTrie(reader: table, root: root)
        try trie.set(key: keys[3], value: [9])
        try trie.remove(key: keys[4])
        let changed = trie.commit().root
        let proof = try trie.proof(for: keys[3])
        #expect(try MerkleTrie.verifyProof(root: changed, key: keys[3], proof: proof) == [9])
        let absence = try trie.proof(for: keys[4])
        #expect(try MerkleTrie.verifyProof(root: changed, key: keys[4], proof: absence) == nil)
        #expect(throws: TrieProofError.wrongHash(index: 0)) {
            try MerkleTrie.verifyProof(root: root, key: keys[3], proof: proof)
        }
    }

    @Test func `the proof of an empty trie is empty`() throws {
        var trie = MerkleTrie(reader: nil, root: .emptyTrieRoot)
        let key = keccak256(Bytes([1]))
        #expect(try trie.proof(for: key) == [])
        #expect(try MerkleTrie.verifyProof(root: .emptyTrieRoot, key: key, proof: []) == nil)
        #expect(throws: TrieProofError.incomplete) {
            try MerkleTrie.verifyProof(root: key, key: key, proof: [])
        }
    }

    @Test func `a proof that is changed proves nothing`() throws {
        var random = SeededRandom(seed: 8)
        let (table, root, keys) = try hashedTable(count: 300)
        var trie = MerkleTrie(reader: table, root: root)
        for key in keys.prefix(100) {
            let proof = try trie.proof(for: key)
            var flipped = proof
            let node = random.index(below: flipped.count)
            flipped[node][random.index(below: flipped[node].count)] ^= 1 << random.index(below: 8)
            #expect(throws: TrieProofError.wrongHash(index: node)) {
                try MerkleTrie.verifyProof(root: root, key: key, proof: flipped)
            }
            #expect(throws: TrieProofError.incomplete) {
                try MerkleTrie.verifyProof(root: root, key: key, proof: Array(proof.dropLast()))
            }
            #expect(throws: TrieProofError.unusedNodes(count: 1)) {
                try MerkleTrie.verifyProof(root: root, key: key, proof: proof + [[0x80]])
            }
        }
    }
}
