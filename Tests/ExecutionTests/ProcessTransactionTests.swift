import EVM
import EthereumTypes
import Primitives
import State
import Testing

import Execution

@Suite struct ProcessTransactionTests {
    @Test func `a transfer pays the sender's gas to coinbase and burns the base fee`() throws {
        let scenario = Scenario(.london)
        let (outcome, after) = try scenario.run(
            scenario.transaction(to: Scenario.contract, gasLimit: 21_000, value: 5))
        #expect(outcome.succeeded)
        #expect(outcome.gasUsed == 21_000)
        #expect(outcome.effectiveGasPrice == 10)
        #expect(after[Scenario.sender]?.balance == Scenario.ether &- 210_005)
        #expect(after[Scenario.sender]?.nonce == 1)
        #expect(after[Scenario.contract]?.balance == 5)
        #expect(after[Scenario.coinbase]?.balance == 63_000)
    }

    @Test func `before London the coinbase gets the whole price`() throws {
        let scenario = Scenario(.berlin)
        let (_, after) = try scenario.run(scenario.transaction(gasLimit: 21_000))
        #expect(after[Scenario.coinbase]?.balance == 210_000)
    }

    @Test(arguments: [Fork.frontier, .homestead, .tangerineWhistle])
    func `a fee of zero makes the coinbase exist before Spurious Dragon`(fork: Fork) throws {
        let scenario = Scenario(fork)
        var transaction = scenario.transaction(gasLimit: 21_000)
        transaction.maxFeePerGas = .zero
        transaction.maxPriorityFeePerGas = .zero
        let (_, after) = try scenario.run(transaction)
        #expect(after[Scenario.coinbase] == GenesisAccount(balance: .zero))
    }

    @Test func `an empty recipient is deleted from Spurious Dragon on`() throws {
        var scenario = Scenario(.spuriousDragon)
        scenario.accounts[Scenario.contract] = GenesisAccount(balance: .zero)
        let (_, after) = try scenario.run(scenario.transaction(gasLimit: 21_000))
        #expect(after[Scenario.contract] == nil)

        scenario.fork = .tangerineWhistle
        let (_, before) = try scenario.run(scenario.transaction(gasLimit: 21_000))
        #expect(before[Scenario.contract] == GenesisAccount(balance: .zero))
    }

    /// Clears slot 0.
    private let clearing: Bytes = [0x60, 0x00, 0x60, 0x00, 0x55]

    @Test func `refunds are cut at a half before London and at a fifth from then on`() throws {
        for (fork, used) in [
            (Fork.istanbul, 26_006 / 2 as Gas), (.london, 21_000 + 5_006 - 4_800),
        ] {
            var scenario = Scenario(fork, code: clearing)
            scenario.accounts[Scenario.contract]?.storage = [.zero: .one]
            let (outcome, after) = try scenario.run(scenario.transaction())
            #expect(outcome.succeeded)
            #expect(outcome.gasUsed == used, "\(fork)")
            #expect(outcome.gasUsedBeforeRefund == 26_006)
            #expect(after[Scenario.contract]?.storage.isEmpty == true)
        }
    }

    @Test func `a halt takes all gas and changes nothing else`() throws {
        let scenario = Scenario(.osaka, code: [0x60, 0x01, 0x60, 0x00, 0x55, 0xfe])
        let (outcome, after) = try scenario.run(scenario.transaction(gasLimit: 90_000))
        #expect(outcome.halt == .invalidOpcode(0xfe))
        #expect(outcome.gasUsed == 90_000)
        #expect(outcome.output.isEmpty)
        #expect(after[Scenario.contract]?.storage.isEmpty == true)
        #expect(after[Scenario.sender]?.balance == Scenario.ether &- 900_000)
    }

    @Test func `a revert gives back gas and data`() throws {
        // Stores 1 in memory and reverts with the word.
        let code: Bytes = [0x60, 0x01, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xfd]
        let scenario = Scenario(.osaka, code: code)
        let (outcome, _) = try scenario.run(scenario.transaction(gasLimit: 90_000))
        #expect(outcome.halt == .reverted)
        #expect(outcome.output == UInt256.one.bigEndianBytes)
        #expect(outcome.gasUsed == 21_000 + 18)
    }

    @Test func `a creation puts the output at the address of sender and nonce`() throws {
        // Returns one byte 0x00 as code.
        let code: Bytes = [0x60, 0x01, 0x60, 0x00, 0xf3]
        let scenario = Scenario(.osaka)
        let (outcome, after) = try scenario.run(
            scenario.transaction(to: nil, gasLimit: 60_000, data: code))
        let address = try #require(outcome.contractAddress)
        #expect(address == contractAddress(creator: Scenario.sender, nonce: 0))
        #expect(after[address]?.code == [0x00])
        #expect(after[address]?.nonce == 1)
        #expect(after[Scenario.sender]?.nonce == 1)
    }

    @Test func `data alone can cost more than the execution from Prague on`() throws {
        let data = Bytes(repeating: 1, count: 100)
        for (fork, used) in [(Fork.cancun, 22_600 as Gas), (.prague, 25_000)] {
            let scenario = Scenario(fork)
            let (outcome, _) = try scenario.run(scenario.transaction(data: data))
            #expect(outcome.gasUsed == used)
        }
    }

    @Test func `blob gas is burnt at the block's price`() throws {
        let scenario = Scenario(.cancun)
        var transaction = scenario.transaction(gasLimit: 21_000)
        transaction.type = .blob
        transaction.maxFeePerBlobGas = 5
        transaction.blobVersionedHashes = [Hash256(w0: 1 << 56, w1: 0, w2: 0, w3: 0)]
        let (outcome, after) = try scenario.run(transaction)
        #expect(outcome.blobGasUsed == 131_072)
        #expect(after[Scenario.sender]?.balance == Scenario.ether &- 210_000 &- 131_072)
    }

    @Test func `a failed state read is no outcome`() {
        struct Unreadable: StateReader {
            func account(_: Address) throws(StateReadError) -> Account? {
                throw StateReadError(message: "disk")
            }
            func storage(_: Address, _: UInt256) throws(StateReadError) -> UInt256 { .zero }
            func code(_: Hash256) throws(StateReadError) -> Bytes { [] }
            func blockHash(_: BlockNumber) throws(StateReadError) -> Hash256? { nil }
        }
        let scenario = Scenario(.osaka)
        do throws(TransactionError) {
            _ = try processTransaction(
                RecoveredTransaction(scenario.transaction(), sender: Scenario.sender),
                in: scenario.context, state: JournaledState(reader: Unreadable()),
                gasAvailable: .max, blobGasAvailable: 0)
            Issue.record("There is an outcome.")
        } catch {
            guard case .stateRead = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
