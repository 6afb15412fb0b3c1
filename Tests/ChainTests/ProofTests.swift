import Chain
import Cryptography
import EthereumTypes
import Primitives
import TestSupport
import Testing

/// Checks a Merkle Patricia proof from its bytes alone: Yellow Paper, appendix D. Knows nothing of
/// the code that makes proofs.
private enum IndependentVerifier {
    indirect enum Item {
        case string(Bytes)
        case list([Item], encoding: Bytes)
    }

    struct Refusal: Error {
        let reason: String
    }

    /// The value that a proof shows for a key, `nil` if it shows that there is none.
    static func value(root: Hash256, key: Hash256, proof: [Bytes]) throws -> Bytes? {
        let nibbles = key.bytes.flatMap { [$0 >> 4, $0 & 15] }
        if root == Hash256(UInt256(hex: emptyRoot) ?? .zero) {
            guard proof.isEmpty else { throw Refusal(reason: "nodes of an empty trie") }
            return nil
        }
        var rest = nibbles[...]
        var nodes = proof[...]
        var next = Item.string(root.bytes)
        while true {
            let fields: [Item]
            switch next {
            case .string(let hash):
                guard let node = nodes.popFirst(), keccak256(node).bytes == hash else {
                    throw Refusal(reason: "a node is missing or another one")
                }
                fields = try list(node)
            case .list(let inner, let encoding):
                guard encoding.count < 32 else { throw Refusal(reason: "a long node inside") }
                fields = inner
            }
            func end(_ value: Bytes?) throws -> Bytes? {
                guard nodes.isEmpty else { throw Refusal(reason: "nodes too many") }
                return value
            }
            if fields.count == 17 {
                guard let nibble = rest.popFirst() else { throw Refusal(reason: "key too short") }
                if case .string([]) = fields[Int(nibble)] { return try end(nil) }
                next = fields[Int(nibble)]
                continue
            }
            guard fields.count == 2, case .string(let path) = fields[0],
                let flag = path.first.map({ $0 >> 4 }), flag < 4
            else { throw Refusal(reason: "no node") }
            var part = path.dropFirst().flatMap { [$0 >> 4, $0 & 15] }
            if flag & 1 == 1 { part.insert(path[0] & 15, at: 0) }
            guard rest.starts(with: part) else { return try end(nil) }
            rest = rest.dropFirst(part.count)
            if flag >= 2 {
                guard rest.isEmpty, case .string(let value) = fields[1] else {
                    throw Refusal(reason: "a leaf in the middle")
                }
                return try end(value)
            }
            next = fields[1]
        }
    }

    static let emptyRoot = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"

    static func list(_ bytes: Bytes) throws -> [Item] {
        var rest = bytes[...]
        guard case .list(let items, _) = try item(&rest), rest.isEmpty else {
            throw Refusal(reason: "not one list")
        }
        return items
    }

    static func item(_ rest: inout ArraySlice<UInt8>) throws -> Item {
        let start = rest
        func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard count <= rest.count else { throw Refusal(reason: "RLP ends early") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func length(_ count: Int) throws -> Int {
            try take(count).reduce(0) { $0 << 8 | Int($1) }
        }
        guard let first = try take(1).first.map(Int.init) else { throw Refusal(reason: "empty") }
        switch first {
        case ..<0x80: return .string([UInt8(first)])
        case ..<0xb8: return .string(Bytes(try take(first - 0x80)))
        case ..<0xc0: return .string(Bytes(try take(length(first - 0xb7))))
        default:
            var inner = try take(first < 0xf8 ? first - 0xc0 : length(first - 0xf7))
            let encoding = Bytes(start.prefix(start.count - rest.count))
            var items: [Item] = []
            while !inner.isEmpty { items.append(try item(&inner)) }
            return .list(items, encoding: encoding)
        }
    }

    /// The whole number in big-endian bytes without leading zeros.
    static func number(_ item: Item) throws -> UInt256 {
        guard case .string(let bytes) = item, let value = UInt256(bigEndian: bytes) else {
            throw Refusal(reason: "not a number")
        }
        return value
    }
}

@Suite struct ProofTests {
    @Test func `proofs of every retained block hold for someone who has only its header`()
        async throws
    {
        var random = SeededRandom(seed: 11)
        let test = try TestChain()
        var addresses: Set<Address> = [TestChain.receiver, Address(w0: 0, w1: 0, w2: 1)]
        for _ in 0..<14 {
            _ = try await test.produceAnything(&random)
            try test.chain.head.view.forEachAccount { entry in
                addresses.insert(entry.address)
                return true
            }
        }
        let view = test.chain.head.view
        let slots = [0, 1, 7, UInt256.max]
        var accounts = 0
        var values = 0
        for number in 0...view.number {
            let root = try #require(try view.header(number)?.stateRoot)
            let state = try view.state(at: number)
            for address in addresses {
                let proof = try view.proof(of: address, slots: slots, at: number)
                let proven = try IndependentVerifier.value(
                    root: root, key: keccak256(address), proof: proof.accountProof)
                let account = try state.account(address)
                #expect((proven == nil) == (account == nil))
                guard let proven, let account else { continue }
                accounts += 1
                let fields = try IndependentVerifier.list(proven)
                #expect(try IndependentVerifier.number(fields[0]) == UInt256(account.nonce))
                #expect(try IndependentVerifier.number(fields[1]) == account.balance)
                guard case .string(let bytes) = fields[2], let storageRoot = Hash256(bytes) else {
                    Issue.record("no storage root")
                    continue
                }
                for (slot, storageProof) in zip(slots, proof.storageProofs) {
                    let value = try IndependentVerifier.value(
                        root: storageRoot, key: keccak256(slot), proof: storageProof.proof)
                    let number = try value.map { bytes in
                        var rest = bytes[...]
                        return try IndependentVerifier.number(IndependentVerifier.item(&rest))
                    }
                    let expected = try state.storage(address, slot)
                    #expect(number ?? 0 == expected)
                    #expect(storageProof.value == expected)
                    if !expected.isZero { values += 1 }
                }
            }
        }
        #expect(accounts > 50)
        #expect(values > 20)
    }

    @Test func `an account has the storage root of its block, whatever is pending`() async throws {
        let test = try TestChain()
        for _ in 0..<3 { try await test.produce() }
        try await test.chain.setOverrides([.storage(TestChain.counter, slot: 0, value: 90)])
        let view = test.chain.head.view
        var roots: Set<Hash256> = []
        for number in 0...3 as ClosedRange<BlockNumber> {
            let account = try view.builtAccount(TestChain.counter, at: number)
            #expect(
                try account == view.proof(of: TestChain.counter, slots: [0], at: number).account)
            roots.insert(try #require(account).storageRoot)
        }
        #expect(roots.count == 4)
        #expect(throws: ChainError.self) { try view.builtAccount(TestChain.counter, at: 4) }
        #expect(try view.oldestProof() == 0)
    }

    @Test func `the verifier refuses a proof of something else`() async throws {
        let test = try TestChain()
        try await test.produce()
        let view = test.chain.head.view
        let proof = try view.proof(of: TestChain.counter, slots: [], at: 1).accountProof
        #expect(throws: (any Error).self) {
            try IndependentVerifier.value(
                root: view.header.parentHash, key: keccak256(TestChain.counter), proof: proof)
        }
        #expect(throws: (any Error).self) {
            try IndependentVerifier.value(
                root: view.header.stateRoot, key: keccak256(TestChain.counter),
                proof: Array(proof.dropLast()))
        }
    }
}
