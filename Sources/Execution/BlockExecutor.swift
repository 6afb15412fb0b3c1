//  A block's body, step by step: EELS `apply_body`.
//
//      beginBlock ─ process … process ─ finishBlock
//
//  `executeBlock` and `BlockBuilder` do nothing else. Tracing and simulations of several blocks take
//  the steps one by one.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// What the transactions of a block and the protocol's own work did.
public struct BlockOutcome: Sendable {
    /// The receipts, in the order of the transactions.
    public var receipts: [Receipt]
    /// All changes of the state.
    public var diff: StateDiff
    /// The requests to the consensus layer, each with its type as first byte (EIP-7685).
    public var requests: [Bytes]
    /// Gas used by the transactions.
    public var gasUsed: Gas
    /// Blob gas of the transactions (EIP-4844).
    public var blobGasUsed: Gas
    /// The union of the receipts' filters.
    public var logsBloom: Bloom
    /// What the transactions called, created and destroyed; `nil` unless it was asked for.
    public var calls: [CallRecord]?
}

/// The execution of one block.
public final class BlockExecutor {
    /// The rules and the block that transactions are executed under.
    public var context: ExecutionContext
    /// The state at this point of the block.
    public let state: JournaledState
    /// The receipts so far.
    public private(set) var receipts: [Receipt] = []
    /// Gas used so far.
    public private(set) var gasUsed: Gas = 0
    /// Blob gas so far.
    public private(set) var blobGasUsed: Gas = 0

    private var diff = StateDiff()
    private var requests: [Bytes] = []
    private let recorder: CallRecorder?
    private let stateRoot: (StateDiff) throws(StateReadError) -> Hash256

    /// - Parameters:
    ///   - recordsCalls: whether the outcome tells what the transactions called.
    ///   - stateRoot: see `ParentBlock.stateRoot`.
    public init(
        context: ExecutionContext, state: JournaledState, recordsCalls: Bool = false,
        stateRoot: @escaping (StateDiff) throws(StateReadError) -> Hash256
    ) {
        self.context = context
        self.state = state
        self.stateRoot = stateRoot
        recorder = recordsCalls ? CallRecorder() : nil
    }

    /// Gas left for transactions.
    public var gasLeft: Gas { context.block.gasLimit - min(gasUsed, context.block.gasLimit) }

    /// Blob gas left for transactions.
    public var blobGasLeft: Gas { context.maxBlobGas - min(blobGasUsed, context.maxBlobGas) }

    /// What comes before the first transaction: the DAO fork's irregular change, and the system calls
    /// that store the beacon block's root (EIP-4788) and the parent's hash (EIP-2935).
    public func beginBlock(
        parentHash: Hash256, parentBeaconBlockRoot: Hash256?, tracer: (any Tracer)? = nil
    ) {
        if context.config.daoForkSupport,
            context.config.blockNumber(of: .dao) == context.block.number
        {
            outsideTransaction { DAOFork.apply(to: state) }
        }
        if context.fork >= .cancun {
            processSystemTransaction(
                SystemContract.beaconRoots, data: (parentBeaconBlockRoot ?? .zero).bytes,
                in: context, state: state, tracer: tracer)
        }
        if context.fork >= .prague {
            processSystemTransaction(
                SystemContract.historyStorage, data: parentHash.bytes, in: context, state: state,
                tracer: tracer)
        }
    }

    /// Executes a transaction and makes its receipt.
    @discardableResult
    public func process(
        _ transaction: RecoveredTransaction, checks: TransactionChecks = .all,
        tracer: (any Tracer)? = nil
    ) throws(TransactionError) -> TransactionOutcome {
        recorder?.transactionIndex = receipts.count
        let outcome = try processTransaction(
            transaction, in: context, state: state, gasAvailable: gasLeft,
            blobGasAvailable: blobGasLeft, checks: checks, tracer: tracer, recorder: recorder)
        gasUsed += outcome.gasUsed
        blobGasUsed += outcome.blobGasUsed
        receipts.append(
            Receipt(
                type: transaction.transaction.type, outcome: try receiptOutcome(of: outcome),
                cumulativeGasUsed: gasUsed, logs: outcome.logs))
        return outcome
    }

    /// What comes after the last transaction: the fork's rewards, withdrawals and requests.
    ///
    /// - Throws: `BlockExecutionError.invalid` if a system contract fails.
    public func finishBlock(
        ommers: [Header], withdrawals: [Withdrawal], tracer: (any Tracer)? = nil
    ) throws(BlockExecutionError) -> BlockOutcome {
        try finishBlock(
            paying: blockRewards(ommers: ommers, in: context), withdrawals: withdrawals,
            tracer: tracer)
    }

    /// The same with other rewards than the fork's.
    public func finishBlock(
        paying rewards: [BlockReward], withdrawals: [Withdrawal], tracer: (any Tracer)? = nil
    ) throws(BlockExecutionError) -> BlockOutcome {
        outsideTransaction {
            for reward in rewards { state.addBalance(reward.recipient, reward.amount) }
            for withdrawal in withdrawals {
                state.addBalance(withdrawal.address, withdrawal.amountInWei)
            }
        }
        if context.fork >= .prague {
            do throws(InvalidBlock) {
                requests = try processRequests(
                    receipts: receipts, in: context, state: state, tracer: tracer)
            } catch {
                if let failure = state.readError { throw .stateRead(failure) }
                throw .invalid(error)
            }
        }
        if let failure = state.readError { throw .stateRead(failure) }
        return takeOutcome()
    }

    /// What was done so far: also of a block that `finishBlock` refuses.
    public func takeOutcome() -> BlockOutcome {
        diff.merge(state.takeDiff())
        var bloom = Bloom()
        for receipt in receipts where !receipt.logs.isEmpty { bloom.formUnion(receipt.bloom) }
        return BlockOutcome(
            receipts: receipts, diff: diff, requests: requests, gasUsed: gasUsed,
            blobGasUsed: blobGasUsed, logsBloom: bloom, calls: recorder?.records)
    }

    /// A change that the protocol makes without a transaction. It touches accounts all the same.
    private func outsideTransaction(_ change: () -> Void) {
        state.beginTransaction()
        change()
        state.finishTransaction(emptyAccounts: context.emptyAccounts)
    }

    /// A receipt carries the state root before Byzantium and the status afterwards (EIP-658).
    private func receiptOutcome(
        of outcome: TransactionOutcome
    ) throws(TransactionError) -> ReceiptOutcome {
        if context.fork >= .byzantium { return .status(outcome.succeeded) }
        diff.merge(state.takeDiff())
        do throws(StateReadError) {
            return .postState(try stateRoot(diff))
        } catch {
            throw .stateRead(error)
        }
    }
}
