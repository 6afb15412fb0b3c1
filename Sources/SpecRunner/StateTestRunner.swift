//  Running state tests.

import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import State

extension StateTestCase {
    /// Executes the transaction and compares all that the fixture says about it.
    public func run() -> CaseResult {
        var result = CaseResult(name: name, fork: fork.name, index: index)
        let state = JournaledState(reader: StateTestReader(state: state))
        var receipt: Receipt?
        var halt: Halt?
        do throws(Refusal) {
            let transaction = try recover()
            let outcome = try execute(transaction, on: state)
            halt = outcome.halt
            receipt = Receipt(
                type: transaction.transaction.type,
                outcome: .status(outcome.succeeded),
                cumulativeGasUsed: outcome.gasUsed, logs: outcome.logs)
            if let exception = expectation.exception {
                result.failures.append("executed, but expected \(exception)")
            }
        } catch {
            if let exception = expectation.exception {
                if !error.satisfies(exception) {
                    result.failures.append("refused with \(error), but expected \(exception)")
                }
            } else {
                result.failures.append("refused: \(error)")
            }
        }
        touchCoinbase(state)

        var after = self.state
        after.apply(state.takeDiff())
        let root = after.stateRoot()
        result.stateRoot = root
        if root != expectation.stateRoot {
            result.failures.append("state root \(root), expected \(expectation.stateRoot)")
            if let expected = expectation.state {
                result.failures += after.differences(from: InMemoryState(accounts: expected))
            }
        }
        compare(receipt, into: &result)
        if !result.passed, let halt { result.failures.append("the message halted: \(halt)") }
        return result
    }

    private func recover() throws(Refusal) -> RecoveredTransaction {
        switch transaction {
        case .fields(let transaction, let sender):
            return RecoveredTransaction(transaction, sender: sender)
        case .encoded(let bytes, let sender):
            let transaction: Transaction
            do throws(TransactionDecodingError) {
                transaction = try Transaction(encoded: bytes)
            } catch {
                throw .undecodable("\(error)")
            }
            // The files of all forks are signed with a chain id, also those of the oldest.
            guard let recovered = RecoveredTransaction(recovering: transaction),
                sender == nil || recovered.sender == sender
            else { throw .transaction(.invalidSignature) }
            return recovered
        }
    }

    private func execute(
        _ transaction: RecoveredTransaction, on state: JournaledState
    ) throws(Refusal) -> TransactionOutcome {
        do throws(TransactionError) {
            return try processTransaction(
                transaction, in: context, state: state, gasAvailable: context.block.gasLimit,
                blobGasAvailable: context.maxBlobGas)
        } catch {
            switch error {
            case .invalid(let reason): throw .transaction(reason)
            case .stateRead(let failure): throw .failed(failure.message)
            }
        }
    }

    /// The block reward of zero that state tests are filled with.
    private func touchCoinbase(_ state: JournaledState) {
        state.beginTransaction()
        state.addBalance(context.block.coinbase, .zero)
        state.finishTransaction(
            emptyAccounts: fork >= .spuriousDragon ? .deleteTouched : .keep)
    }

    private func compare(_ receipt: Receipt?, into result: inout CaseResult) {
        var encoder = RLPEncoder()
        encoder.append(receipt?.logs ?? [])
        let logsHash = keccak256(encoder.bytes)
        if logsHash != expectation.logsHash {
            result.failures.append("logs hash \(logsHash), expected \(expectation.logsHash)")
        }
        if let expected = expectation.receipt {
            if let receipt, receipt.encoded() != expected {
                let gas = (try? Receipt(encoded: expected))?.cumulativeGasUsed
                result.failures.append(
                    "receipt \(Hex.encode(receipt.encoded().prefix(16)))… with gas "
                        + "\(receipt.cumulativeGasUsed), expected "
                        + "\(gas.map { String($0) } ?? "another encoding")")
            }
        }
    }
}

/// The state of a state test: there is no chain behind it, so the hash of block n is that of the
/// decimal text of n.
private struct StateTestReader: StateReader {
    let state: InMemoryState

    func account(_ address: Address) throws(StateReadError) -> Account? {
        try state.account(address)
    }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try state.storage(address, slot)
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes { try state.code(hash) }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        keccak256(Bytes(String(number).utf8))
    }
}
