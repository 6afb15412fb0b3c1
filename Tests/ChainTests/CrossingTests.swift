import Chain
import EthereumTypes
import Execution
import Primitives
import TestSupport
import Testing

/// One chain that goes through every fork there is.
@Suite struct CrossingTests {
    /// What the requests of EIP-7002 and EIP-7251 are read from: a block without code there is
    /// invalid.
    static let requestContracts = [
        "0x00000961ef480eb55e80d19ad83579a64c007002",
        "0x0000bbddc7ce488642fb579f8b00f3a590007251",
    ].compactMap { Address(hex: $0) }

    private static func genesis() throws -> Genesis {
        var config = ChainConfig.single(.frontier, chainId: 1337)
        let byNumber: [Fork] = [
            .homestead, .dao, .tangerineWhistle, .spuriousDragon, .byzantium, .constantinople,
            .petersburg, .istanbul, .muirGlacier, .berlin, .london, .arrowGlacier, .grayGlacier,
        ]
        for (index, fork) in byNumber.enumerated() {
            config.setActivation(of: fork, to: .block(2 * BlockNumber(index + 1)))
        }
        config.daoForkSupport = true
        // The difficulty is about the lowest there is in each block.
        config.setActivation(of: .paris, to: .totalDifficulty(131_072 * 29))
        let byTime: [Fork] = [
            .shanghai, .cancun, .prague, .osaka, .bpo1, .bpo2, .bpo3, .bpo4, .bpo5,
        ]
        for (index, fork) in byTime.enumerated() {
            config.setActivation(of: fork, to: .timestamp(32 + 2 * Timestamp(index)))
        }
        var genesis = try TestChain.genesis(config)
        genesis.timestamp = 0
        genesis.difficulty = 131_072
        genesis.baseFeePerGas = nil
        genesis.gasLimit = 8_000_000
        for contract in requestContracts {
            genesis.alloc[contract] = GenesisAccount(balance: 0, nonce: 1, code: [0])
        }
        return genesis
    }

    @Test
    func `a chain from Frontier to the last fork is made in one store and imported into another`()
        async throws
    {
        let source = try TestChain(genesis: try Self.genesis())
        let other = try TestChain(genesis: try Self.genesis())
        let key = try #require(TestChain.key)
        var forks: Set<Fork> = [.frontier]
        for number in 1...54 as ClosedRange<BlockNumber> {
            var transactions: [RecoveredTransaction] = []
            for offset in 0..<2 as Range<Nonce> {
                let unsigned = Transaction.legacy(
                    chainId: nil, nonce: 2 * (number - 1) + offset, gasPrice: 10_000_000_000,
                    gasLimit: 100_000,
                    to: offset == 0 ? TestChain.receiver : TestChain.counter,
                    value: 1 - UInt256(offset))
                transactions.append(
                    RecoveredTransaction(unsigned.signed(with: key), sender: key.address))
            }
            let produced = try await source.chain.produce(seal: { _ in }) {
                [transactions] (head) throws(ChainError) in
                try TestChain.build(on: head, transactions)
            }
            let committed = try #require(produced)
            #expect(committed.receipts.count == 2)
            forks.insert(source.chain.config.fork(of: committed.block.header))
            try await other.chain.importBlock(committed.block)
        }
        #expect(forks == Set(Fork.allCases))
        #expect(other.chain.head.hash == source.chain.head.hash)
        #expect(try other.count() == 54)
        expectSame(
            try chainContents(of: other.chain.database),
            try chainContents(of: source.chain.database), "all forks")
        _ = try other.chain.head.view.verifyState()

        // Back to the beginning and forth again, in one step each.
        let tip = other.chain.head.hash
        let before = try chainContents(of: other.chain.database)
        try await other.chain.setHead(other.chain.genesisHash)
        #expect(try other.count() == 0)
        try await other.chain.setHead(tip)
        expectSame(try chainContents(of: other.chain.database), before, "and back")
    }
}
