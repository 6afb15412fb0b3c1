// A small world for the tests of this module: a sender with ether, a contract, a block.

import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import State

/// Accounts, a fork and a block, and transactions executed on them.
struct Scenario {
    static let sender = Address(lowBytesOf: 0xa11ce)
    static let contract = Address(lowBytesOf: 0xc0de)
    static let coinbase = Address(lowBytesOf: 0xc01)
    static let ether: Wei = 1_000_000_000_000_000_000

    var fork: Fork
    var accounts: [Address: GenesisAccount] = [sender: GenesisAccount(balance: ether)]
    var baseFee: Wei = 7
    var gasLimit: Gas = 30_000_000
    var excessBlobGas: Gas = 0
    var transactionGasCap: Gas?

    init(_ fork: Fork, code: Bytes = []) {
        self.fork = fork
        if !code.isEmpty {
            accounts[Self.contract] = GenesisAccount(balance: .zero, code: code)
        }
    }

    var context: ExecutionContext {
        let header = Header(
            parentHash: .zero, coinbase: Self.coinbase, stateRoot: .zero,
            difficulty: fork >= .paris ? .zero : 131_072, number: 1, gasLimit: gasLimit,
            timestamp: 1_000, baseFeePerGas: fork >= .london ? baseFee : nil,
            excessBlobGas: fork >= .cancun ? excessBlobGas : nil)
        var config = ChainConfig.single(fork, chainId: 1)
        config.transactionGasCap = transactionGasCap
        return ExecutionContext(header: header, config: config, fork: fork)
    }

    var state: InMemoryState { InMemoryState(accounts: accounts) }

    /// A transaction of the sender to the contract, by the fork's newest plain type.
    func transaction(
        to: Address? = contract, gasLimit: Gas = 100_000, value: Wei = .zero, data: Bytes = []
    ) -> Transaction {
        Transaction(
            type: fork >= .london ? .dynamicFee : .legacy, chainId: fork >= .london ? 1 : nil,
            nonce: 0, maxPriorityFeePerGas: fork >= .london ? 3 : 10, maxFeePerGas: 10,
            gasLimit: gasLimit, to: to, value: value, data: data)
    }

    /// Executes a transaction of the sender.
    ///
    /// - Returns: the outcome and the state after it.
    func run(
        _ transaction: Transaction, checks: TransactionChecks = .all,
        tracer: (any Tracer)? = nil
    ) throws -> (outcome: TransactionOutcome, after: [Address: GenesisAccount]) {
        let journal = JournaledState(reader: state)
        let context = context
        let outcome = try processTransaction(
            RecoveredTransaction(transaction, sender: Self.sender), in: context, state: journal,
            gasAvailable: context.block.gasLimit, blobGasAvailable: context.maxBlobGas,
            checks: checks, tracer: tracer)
        var after = state
        after.apply(journal.takeDiff())
        return (outcome, after.accounts)
    }

    /// Why a transaction of the sender is refused; nil if it is not.
    func refusal(of transaction: Transaction) -> InvalidTransaction? {
        do {
            _ = try run(transaction)
            return nil
        } catch TransactionError.invalid(let reason) {
            return reason
        } catch {
            return nil
        }
    }
}
