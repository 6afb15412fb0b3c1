import Chain
import Cryptography
import EthereumTypes
import Execution
import Primitives
import TestSupport
import Testing

/// Blocks that are wrong in one thing each: an exact error, no trace, and the chain goes on.
@Suite struct BadInputTests {
    /// A chain by the rules of the newest named fork, with system contracts that do nothing.
    static func genesis() throws -> Genesis {
        var genesis = try TestChain.genesis(.single(.osaka, chainId: 1337))
        genesis.excessBlobGas = 0
        genesis.blobGasUsed = 0
        for contract in CrossingTests.requestContracts {
            genesis.alloc[contract] = GenesisAccount(balance: 0, nonce: 1, code: [0])
        }
        return genesis
    }

    private static func kind(of error: any Error) -> String {
        switch error as? ChainError {
        case .invalidBlock(let reason): String("\(reason)".prefix { $0 != "(" })
        case .some(let other): String("\(other)".prefix { $0 != ":" })
        case nil: "\(type(of: error))"
        }
    }

    private static let headers: [(String, String, @Sendable (inout Header) -> Void)] = [
        ("parentHash", "the parent", { $0.parentHash = .zero }),
        ("ommersHash", "ommersHash", { $0.ommersHash = .zero }),
        ("coinbase", "stateRoot", { $0.coinbase = Address(w0: 1, w1: 2, w2: 3) }),
        ("stateRoot", "stateRoot", { $0.stateRoot = .zero }),
        ("transactionsRoot", "transactionsRoot", { $0.transactionsRoot = .zero }),
        ("receiptsRoot", "receiptsRoot", { $0.receiptsRoot = .zero }),
        ("logsBloom", "logsBloom", { $0.logsBloom = Bloom() }),
        ("difficulty", "difficulty", { $0.difficulty = 1 }),
        ("number above", "number", { $0.number += 1 }),
        ("number below", "number", { $0.number -= 1 }),
        ("number at its end", "number", { $0.number = .max }),
        ("gasLimit above", "gasLimit", { $0.gasLimit *= 2 }),
        ("gasLimit below", "gasLimit", { $0.gasLimit /= 2 }),
        ("gasLimit at its end", "gasLimit", { $0.gasLimit = .max }),
        ("gasUsed", "gasUsed", { $0.gasUsed += 1 }),
        ("gasUsed above the limit", "gasUsedAboveLimit", { $0.gasUsed = .max }),
        ("timestamp of the parent", "timestamp", { $0.timestamp -= 1 }),
        ("timestamp before the parent", "timestamp", { $0.timestamp = 0 }),
        ("extraData", "extraDataTooLong", { $0.extraData = Bytes(repeating: 0, count: 33) }),
        ("nonce", "nonceNotZero", { $0.nonce = 1 }),
        ("baseFeePerGas", "baseFee", { $0.baseFeePerGas = 1 }),
        ("no baseFeePerGas", "headerField", { $0.baseFeePerGas = nil }),
        ("withdrawalsRoot", "withdrawalsRoot", { $0.withdrawalsRoot = .zero }),
        ("no withdrawalsRoot", "headerField", { $0.withdrawalsRoot = nil }),
        ("blobGasUsed", "blobGasUsed", { $0.blobGasUsed = 131_072 }),
        ("blobGasUsed above the limit", "blobGasAboveLimit", { $0.blobGasUsed = .max }),
        ("no blobGasUsed", "headerField", { $0.blobGasUsed = nil }),
        ("excessBlobGas", "excessBlobGas", { $0.excessBlobGas = 1 }),
        ("no excessBlobGas", "headerField", { $0.excessBlobGas = nil }),
        ("no parentBeaconBlockRoot", "headerField", { $0.parentBeaconBlockRoot = nil }),
        ("requestsHash", "requestsHash", { $0.requestsHash = .zero }),
        ("no requestsHash", "headerField", { $0.requestsHash = nil }),
    ]

    private static let bodies: [(String, String, @Sendable (inout Block) -> Void)] = [
        ("a transaction too few", "gasUsed", { $0.transactions.removeLast() }),
        ("a transaction twice", "transaction", { $0.transactions.append($0.transactions[0]) }),
        ("no withdrawals", "withdrawalsPresence", { $0.withdrawals = nil }),
        (
            "a withdrawal", "withdrawalsRoot",
            {
                $0.withdrawals = [
                    Withdrawal(index: 0, validatorIndex: 0, address: .zero, amount: 1)
                ]
            }
        ),
        ("an ommer", "ommersHash", { $0.ommers = [$0.header] }),
        (
            "a giant transaction", "blockTooLarge",
            { $0.transactions[0].data = Bytes(repeating: 1, count: 9 << 20) }
        ),
    ]

    @Test func `each wrong field is its own error, and the chain goes on`() async throws {
        let source = try TestChain(genesis: try Self.genesis())
        let test = try TestChain(genesis: try Self.genesis())
        let first = try await source.produce().block
        try await test.chain.importBlock(first)
        let good = try await source.produce().block
        let before = try contents(of: test.chain.database)
        var blocks: [(String, String, Block)] = []
        for (name, kind, change) in Self.headers {
            var block = good
            change(&block.header)
            blocks.append((name, kind, block))
        }
        for (name, kind, change) in Self.bodies {
            var block = good
            change(&block)
            blocks.append((name, kind, block))
        }
        for (name, kind, block) in blocks {
            // Senders are those of the good block: what is wrong is not the signature.
            let senders = Array(repeating: try test.sender, count: block.transactions.count)
            let recovered = RecoveredBlock(block, senders: senders)
            do {
                try await test.chain.importBlock(recovered)
                Issue.record("\(name) was accepted")
            } catch {
                let found = Self.kind(of: error)
                #expect(found.hasPrefix(kind), "\(name): \(error)")
            }
        }
        #expect(try contents(of: test.chain.database) == before)
        try await test.chain.importBlock(good)
        #expect(test.chain.head.hash == source.chain.head.hash)
        #expect(test.chain.badBlocks.count == ChainLimits.badBlocks)
    }

    @Test func `a future timestamp is for the consensus layer to judge`() async throws {
        let test = try TestChain(genesis: try Self.genesis())
        var block = try TestChain.build(on: test.chain.head, []).block
        block.header.stateRoot = test.chain.head.header.stateRoot
        block.header.timestamp = 1 << 60
        #expect(try await test.chain.importBlock(block).header.timestamp == 1 << 60)
    }

    @Test func `a chain of another genesis is unknown`() async throws {
        var genesis = try Self.genesis()
        genesis.extraData = [1]
        let other = try TestChain(genesis: genesis)
        let test = try TestChain(genesis: try Self.genesis())
        let block = try await other.produce().block
        await #expect {
            try await test.chain.importBlock(block)
        } throws: { error in
            if case .unknownParent(other.chain.genesisHash) = error as? ChainError {
                true
            } else {
                false
            }
        }
        #expect(test.chain.badBlocks.isEmpty)
    }

    @Test func `a block twice is known, beside the chain as well`() async throws {
        let source = try TestChain(genesis: try Self.genesis())
        let test = try TestChain(genesis: try Self.genesis())
        let block = try await source.produce().block
        let inserted = try await test.chain.insertBlock(block)
        #expect(try await test.chain.insertBlock(block) == inserted)
        #expect(!inserted.isCanonical)
        try await test.chain.importBlock(block)
        #expect(try await test.chain.insertBlock(block).isCanonical)
        await #expect {
            try await test.chain.importBlock(block)
        } throws: { error in
            if case .alreadyKnown(inserted.hash) = error as? ChainError { true } else { false }
        }
    }

    @Test func `bytes that are no block are refused wherever they go wrong`() async throws {
        let source = try TestChain(genesis: try Self.genesis())
        let bytes = try await source.produce().block.encoded()
        #expect(try Block(encoded: bytes).encoded() == bytes)
        for end in 0..<bytes.count {
            #expect(throws: BlockDecodingError.self) { try Block(encoded: Array(bytes[..<end])) }
        }
        #expect(throws: BlockDecodingError.self) { try Block(encoded: bytes + [0]) }
        // Lengths beyond everything, and lists in lists in lists.
        for head in [0xf8, 0xfb, 0xff, 0xbf, 0xb8] as [UInt8] {
            #expect(throws: BlockDecodingError.self) {
                try Block(encoded: [head] + Bytes(repeating: 0xff, count: 9))
            }
        }
        var nested: Bytes = [0xc0]
        for _ in 0..<5_000 {
            let count = nested.count
            nested =
                count < 56
                ? [0xc0 + UInt8(count)] + nested
                : [0xf9, UInt8(count >> 8 & 0xff), UInt8(count & 0xff)] + nested
        }
        #expect(throws: BlockDecodingError.self) { try Block(encoded: nested) }
    }
}
