import Cryptography
import EthereumTypes
import Execution
import Primitives
import State
import Testing

/// Blocks that are built and executed again.
@Suite struct BlockTests {
    /// A chain of a genesis block and what is built on it.
    private struct Chain {
        let config: ChainConfig
        var state: InMemoryState
        var parent: Header

        init(_ fork: Fork) {
            config = .single(fork, chainId: 1)
            var accounts = Scenario(fork).accounts
            // The system contracts of Prague: each returns nothing.
            for address in [
                "0x00000961ef480eb55e80d19ad83579a64c007002",
                "0x0000bbddc7ce488642fb579f8b00f3a590007251",
            ] {
                accounts[Address(hex: address)!] = GenesisAccount(balance: .zero, code: [0x00])
            }
            state = InMemoryState(accounts: accounts)
            let genesis = Genesis(
                config: config, gasLimit: 30_000_000,
                difficulty: fork < .paris ? 131_072 : .zero, alloc: accounts)
            parent = genesis.header(stateRoot: genesis.stateRoot())
        }

        var tip: ParentBlock {
            let state = state
            return ParentBlock(header: parent, state: state) { (diff) throws(StateReadError) in
                var after = state
                after.apply(diff)
                return after.stateRoot()
            }
        }

        var attributes: PayloadAttributes {
            PayloadAttributes(
                timestamp: parent.timestamp + 12, coinbase: Scenario.coinbase,
                prevRandao: .zero, gasLimit: parent.gasLimit,
                withdrawals: [
                    Withdrawal(
                        index: 0, validatorIndex: 0, address: Address(lowBytesOf: 0x1d), amount: 3)
                ])
        }

        func build(_ transactions: [Transaction]) throws -> (BuiltBlock, InMemoryState) {
            let builder = BlockBuilder(on: tip, attributes: attributes, config: config)
            for transaction in transactions {
                try builder.add(RecoveredTransaction(transaction, sender: Scenario.sender))
            }
            var built = try builder.finish()
            var after = state
            after.apply(built.outcome.diff)
            built.block.header.stateRoot = after.stateRoot()
            return (built, after)
        }

        func refusal(of block: Block, senders: [Address]) -> InvalidBlock? {
            do throws(BlockExecutionError) {
                _ = try executeBlock(block, senders: senders, on: tip, config: config)
                return nil
            } catch {
                guard case .invalid(let reason) = error else { return nil }
                return reason
            }
        }
    }

    private func transaction(_ chain: Chain, nonce: Nonce = 0) -> Transaction {
        Transaction(
            type: .legacy, chainId: nil, nonce: nonce, maxPriorityFeePerGas: 2_000_000_000,
            maxFeePerGas: 2_000_000_000, gasLimit: 50_000, to: Scenario.contract, value: 1)
    }

    @Test(arguments: Fork.allCases)
    func `a built block is valid, whatever the fork`(fork: Fork) throws {
        let chain = Chain(fork)
        let (built, after) = try chain.build([transaction(chain), transaction(chain, nonce: 1)])
        let outcome = try executeBlock(
            built.block, senders: built.senders, on: chain.tip, config: chain.config)
        #expect(outcome.diff == built.outcome.diff)
        #expect(outcome.receipts == built.outcome.receipts)
        #expect(outcome.gasUsed == 42_000)
        #expect(after.stateRoot() == built.block.header.stateRoot)
        #expect(built.block == (try Block(encoded: built.block.encoded())))

        let receipt = try #require(outcome.receipts.first)
        #expect((receipt.succeeded == nil) == (fork < .byzantium))
        let ether = Scenario.ether
        let reward: Wei =
            fork >= .paris
            ? .zero
            : fork >= .constantinople
                ? ether &* 2
                : fork >= .byzantium ? ether &* 3 : ether &* 5
        let baseFee = built.block.header.baseFeePerGas ?? .zero
        #expect(
            after.accounts[Scenario.coinbase]?.balance
                == reward &+ UInt256(42_000) &* (2_000_000_000 &- baseFee))
        let withdrawn = after.accounts[Address(lowBytesOf: 0x1d)]?.balance
        #expect(withdrawn == (fork >= .shanghai ? 3_000_000_000 : nil))
    }

    @Test func `an invalid transaction leaves a builder as it was`() throws {
        let chain = Chain(.osaka)
        let builder = BlockBuilder(
            on: chain.tip, attributes: chain.attributes, config: chain.config)
        let bad = transaction(chain, nonce: 1)
        #expect(throws: TransactionError.self) {
            try builder.add(RecoveredTransaction(bad, sender: Scenario.sender))
        }
        #expect(builder.gasLeft == 30_000_000)
        try builder.add(RecoveredTransaction(transaction(chain), sender: Scenario.sender))
        try builder.add(RecoveredTransaction(bad, sender: Scenario.sender))
        #expect(builder.gasLeft == 30_000_000 - 42_000)
        #expect(try builder.finish().block.transactions.count == 2)
    }

    @Test func `every commitment of the header is checked`() throws {
        let chain = Chain(.osaka)
        let (built, _) = try chain.build([transaction(chain)])
        func refusal(_ change: (inout Block) -> Void) -> InvalidBlock? {
            var block = built.block
            change(&block)
            return chain.refusal(of: block, senders: built.senders)
        }
        #expect(refusal { _ in } == nil)
        let gasUsed = built.outcome.gasUsed
        let root = Hash256(w0: 1, w1: 0, w2: 0, w3: 0)

        #expect(refusal { $0.header.gasUsed += 1 } == .gasUsed(have: gasUsed + 1, want: gasUsed))
        #expect(refusal { $0.header.blobGasUsed = 131_072 } == .blobGasUsed(have: 131_072, want: 0))
        #expect(
            refusal { $0.header.receiptsRoot = root }
                == .receiptsRoot(have: root, want: built.block.header.receiptsRoot))
        #expect(
            refusal { $0.header.transactionsRoot = root }
                == .transactionsRoot(have: root, want: built.block.header.transactionsRoot))
        #expect(refusal { $0.header.logsBloom.add(root) } == .logsBloom)
        #expect(
            refusal { $0.header.requestsHash = root }
                == .requestsHash(have: root, want: requestsHash(of: [])))
        #expect(
            refusal { $0.withdrawals = [] }
                == .withdrawalsRoot(
                    have: built.block.header.withdrawalsRoot ?? .zero, want: .emptyTrieRoot))
        #expect(refusal { $0.withdrawals = nil } == .withdrawalsPresence)
        #expect(refusal { $0.header.baseFeePerGas = nil } == .headerField(.baseFeePerGas))
        #expect(refusal { $0.header.requestsHash = nil } == .headerField(.requestsHash))
        #expect(
            refusal { $0.header.parentBeaconBlockRoot = nil }
                == .headerField(.parentBeaconBlockRoot))
        #expect(refusal { $0.header.excessBlobGas = 1 } == .excessBlobGas(have: 1, want: 0))
        #expect(refusal { $0.header.nonce = 1 } == .nonceNotZero)
        #expect(refusal { $0.header.number = 2 } == .number(have: 2, want: 1))
        #expect(
            refusal { $0.header.timestamp = chain.parent.timestamp }
                == .timestamp(have: chain.parent.timestamp, parent: chain.parent.timestamp))
        #expect(
            refusal { $0.header.extraData = Bytes(repeating: 0, count: 33) }
                == .extraDataTooLong(size: 33))
        #expect(
            refusal { $0.header.difficulty = 1 } == .difficulty(have: 1, want: .zero))
        #expect(
            refusal { $0.header.parentHash = root }
                == .parentHash(have: root, want: chain.parent.hash()))
        #expect(
            refusal { $0.header.gasLimit = 1 << 24 }
                == .gasLimit(have: 1 << 24, parent: 30_000_000))
        #expect(
            refusal { $0.header.ommersHash = root }
                == .ommersHash(have: root, want: .emptyOmmers))
        #expect(
            chain.refusal(of: built.block, senders: []) == .senderCount(have: 0, want: 1))
        #expect(
            chain.refusal(of: built.block, senders: [Scenario.coinbase])
                == .transaction(
                    index: 0,
                    .insufficientFunds(have: .zero, want: UInt256(50_000) &* 2_000_000_000 &+ 1)))
    }

    @Test func `a block without its system contracts is refused from Prague on`() throws {
        var chain = Chain(.prague)
        chain.state = InMemoryState(accounts: Scenario(.prague).accounts)
        let builder = BlockBuilder(
            on: chain.tip, attributes: chain.attributes, config: chain.config)
        do throws(BlockExecutionError) {
            _ = try builder.finish()
            Issue.record("The block was built.")
        } catch {
            guard case .invalid(.systemContractMissing) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test(
        arguments: [
            // 30,000,000 / 1,024 is 29,296.
            (30_000_000, nil, 30_000_000), (30_000_000, 60_000_000, 30_029_295),
            (30_000_000, 5_000, 29_970_705), (30_000_000, 30_000_100, 30_000_100),
            (30_000_000, .max, 30_029_295), (500, 600, 500), (5_003, 1, 5_000),
        ] as [(Gas, Gas?, Gas)])
    func `the gas limit moves by less than a 1024th`(limit: Gas, target: Gas?, expected: Gas) {
        var parent = Chain(.osaka).parent
        parent.gasLimit = limit
        #expect(nextGasLimit(parent: parent, target: target, at: .osaka) == expected)
    }

    @Test(
        arguments: [
            (30_000_000, nil, 60_000_000), (30_000_000, 60_000_000, 60_000_000),
            // 60,000,000 / 1,024 is 58,593.
            (30_000_000, 30_000_000, 59_941_408), (30_000_000, .max, 60_058_592),
        ] as [(Gas, Gas?, Gas)])
    func `with London's first block the gas limit doubles`(
        limit: Gas, target: Gas?, expected: Gas
    ) throws {
        var chain = Chain(.berlin)
        chain.parent.gasLimit = limit
        #expect(
            nextGasLimit(parent: chain.parent, target: limit, at: .berlin) == limit)
        for fork in [Fork.london, .paris, .osaka] {
            #expect(nextGasLimit(parent: chain.parent, target: target, at: fork) == expected)
        }
        // Where London is not named, the merge brings it along.
        var config = ChainConfig.single(.berlin, chainId: 1)
        config.setActivation(of: .paris, to: .totalDifficulty(.zero))
        let fork = config.fork(after: chain.tip, timestamp: 12)
        #expect(fork == .paris)
        var header = Header(
            parentHash: chain.parent.hash(), coinbase: .zero, stateRoot: .zero, number: 1,
            gasLimit: expected, timestamp: 12, baseFeePerGas: BaseFee.initial)
        try validateHeader(header, parent: chain.tip, config: config)
        header.gasLimit = limit
        #expect(throws: InvalidBlock.gasLimit(have: limit, parent: 2 * limit)) {
            try validateHeader(header, parent: chain.tip, config: config)
        }
    }
}
