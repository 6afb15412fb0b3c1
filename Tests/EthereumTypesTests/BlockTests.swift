import Cryptography
import EthereumTypes
import Foundation
import Primitives
import TestSupport
import Testing

@Suite struct HeaderTests {
    static let mainnetGenesis = Genesis(
        config: .mainnet, nonce: 0x42,
        extraData: Samples.bytes(
            "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa"),
        gasLimit: 5_000, difficulty: UInt256(17_179_869_184))

    static let sepoliaGenesis = Genesis(
        config: .sepolia, timestamp: 1_633_267_481,
        extraData: Bytes("Sepolia, Athens, Attica, Greece!".utf8),
        gasLimit: 30_000_000, difficulty: 131_072)

    @Test(arguments: [
        (
            mainnetGenesis, "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
            "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"
        ),
        (
            sepoliaGenesis, "0x5eb6e371a698b8d68f665192350ffcecbbbf322916f4b51bd79bb6887da3f494",
            "0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"
        ),
    ])
    func `the public networks begin with their hash`(
        genesis: Genesis, stateRoot: String, hash: String
    ) throws {
        let header = genesis.header(stateRoot: try #require(Hash256(hex: stateRoot)))
        #expect(header.hash().description == hash)
    }

    @Test(arguments: [Fork.frontier, .london, .paris, .shanghai, .cancun, .prague])
    func `a header of every shape survives encoding`(fork: Fork) throws {
        let header = Samples.header(at: fork)
        #expect(try Header(encoded: header.encoded()) == header)
    }

    @Test func `a header with one field too many is refused`() throws {
        var encoder = RLPEncoder()
        let full = Samples.header(at: .prague)
        var decoder = RLPDecoder(full.encoded())
        let payload = try decoder.list()
        encoder.list { list in
            var items = payload
            while !items.isAtEnd, let item = try? items.rawItem() { list.appendRaw(item) }
            list.append(UInt64(1))
        }
        #expect(throws: RLPError.trailingBytes(count: 1)) { try Header(encoded: encoder.bytes) }
    }

    @Test func `no prefix of a header is one`() {
        let encoded = Samples.header(at: .prague).encoded()
        for count in 0..<encoded.count {
            #expect(throws: RLPError.self) { try Header(encoded: Bytes(encoded.prefix(count))) }
        }
    }
}

@Suite struct BlockTests {
    static let block = Block(
        header: Samples.header(at: .prague),
        transactions: TransactionType.allCases.map(Samples.transaction),
        ommers: [Samples.header(at: .frontier)],
        withdrawals: [
            Withdrawal(index: 1, validatorIndex: 2, address: Samples.address, amount: 3)
        ])

    @Test func `a block survives encoding, whole and without its header`() throws {
        let block = Self.block
        #expect(try Block(encoded: block.encoded()) == block)
        #expect(try Block(header: block.header, encodedBody: block.encodedBody()) == block)
    }

    @Test func `a block before Shanghai has no list of withdrawals`() throws {
        let block = Block(header: Samples.header(at: .london))
        let decoded = try Block(encoded: block.encoded())
        #expect(decoded.withdrawals == nil)
    }

    @Test func `a bad transaction is named by its index`() throws {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.append(Self.block.header)
            list.list { list in
                list.appendRaw(Samples.transaction(.legacy).encoded())
                // A legacy transaction must not stand in a string.
                list.append(Samples.transaction(.legacy).encoded())
            }
            list.list { _ in }
        }
        #expect {
            try Block(encoded: encoder.bytes)
        } throws: { error in
            guard case .transaction(index: 1, .unknownType) = error as? BlockDecodingError else {
                return false
            }
            return true
        }
    }

    @Test func `no prefix of a block is one`() {
        let encoded = Self.block.encoded()
        for count in 0..<encoded.count {
            #expect(throws: BlockDecodingError.self) {
                try Block(encoded: Bytes(encoded.prefix(count)))
            }
        }
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: [("chain-rpc-compat", 54), ("chain-ethtest", 600), ("chain-sync", 3_000)])
    func `real chains are read, linked and written back byte for byte`(
        archive: String, count: Int
    ) throws {
        let genesis = try Genesis(json: Fixtures.bytes(Fixtures.file(archive, "genesis.json")))
        let file = try Fixtures.bytes(Fixtures.file(archive, "chain.rlp"))
        var decoder = RLPDecoder(file)
        var written = Bytes()
        var parent: Header?
        var blocks = 0
        while !decoder.isAtEnd {
            let block = try decoder.block()
            written += block.encoded()
            if let parent {
                #expect(block.header.parentHash == parent.hash())
                let fork = genesis.config.fork(of: block.header)
                if fork >= .london, parent.baseFeePerGas != nil {
                    #expect(block.header.baseFeePerGas == nextBaseFee(parent: parent))
                }
                if let parameters = genesis.config.blobParameters(at: fork) {
                    let excess = excessBlobGas(parent: parent, parameters: parameters, fork: fork)
                    #expect(block.header.excessBlobGas == excess)
                }
                #expect((block.withdrawals != nil) == (fork >= .shanghai))
                #expect((block.header.requestsHash != nil) == (fork >= .prague))
            }
            for transaction in block.transactions {
                #expect(
                    transaction.recoverSender(at: genesis.config.fork(of: block.header)) != nil)
            }
            parent = block.header
            blocks += 1
        }
        #expect(blocks == count)
        #expect(written == file)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the head's hash of a chain is the one its fork choice names`() throws {
        for archive in ["chain-rpc-compat", "chain-ethtest", "chain-sync"] {
            let file = try Fixtures.bytes(Fixtures.file(archive, "chain.rlp"))
            var decoder = RLPDecoder(file)
            var head: Block?
            while !decoder.isAtEnd { head = try decoder.block() }
            let call = try Fixtures.json(Fixtures.file(archive, "headfcu.json"))
            let hash = call["params"]?[0]?["headBlockHash"]?.stringValue
            #expect(head?.hash().description == hash)
        }
    }
}
