//  Executing one transaction: EELS `process_transaction`, for every fork.
//
//  1. The transaction is checked against the state and the block.
//  2. The sender pays for all gas and for the blobs, and its nonce goes up.
//  3. The addresses and slots that are known beforehand become warm, authorizations are set.
//  4. The message is executed.
//  5. Unused and refunded gas is paid back, the coinbase gets its fee.
//  6. Destroyed and (from Spurious Dragon on) empty accounts are deleted.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// What a transaction did.
public struct TransactionOutcome: Sendable {
    /// Gas paid for, after refunds and the floor of EIP-7623.
    public var gasUsed: Gas
    /// Gas used before anything was refunded: the least gas limit that could have sufficed.
    public var gasUsedBeforeRefund: Gas
    /// Why the message stopped; nil if it succeeded.
    public var halt: Halt?
    /// What it returned, or the data of its revert.
    public var output: Bytes
    /// The logs; none if the transaction failed.
    public var logs: [Log]
    /// Where the contract of a creation was put, also if the creation failed.
    public var contractAddress: Address?
    /// What a unit of gas cost (EIP-1559).
    public var effectiveGasPrice: Wei
    /// The blob gas paid for (EIP-4844).
    public var blobGasUsed: Gas

    /// Whether the message did not halt: the status of the receipt.
    public var succeeded: Bool { halt == nil }
}

/// Executes a transaction on a state.
///
/// - Parameters:
///   - gasAvailable: what is left of the block's gas limit.
///   - blobGasAvailable: what is left of the block's blob gas.
/// - Throws: `TransactionError.invalid` if the transaction may not be executed; the state is then
///   as before. `TransactionError.stateRead` if a read failed; the state is then of no more use.
public func processTransaction(
    _ recovered: RecoveredTransaction, in context: ExecutionContext, state: JournaledState,
    gasAvailable: Gas, blobGasAvailable: Gas, checks: TransactionChecks = .all,
    tracer: (any Tracer)? = nil, recorder: CallRecorder? = nil
) throws(TransactionError) -> TransactionOutcome {
    let allowance = BlockAllowance(gas: gasAvailable, blobGas: blobGasAvailable)
    let cost: (intrinsic: Gas, floor: Gas)
    do throws(InvalidTransaction) {
        cost = try checkTransaction(
            recovered, in: context, state: state, allowance: allowance, checks: checks)
    } catch {
        if let failure = state.readError { throw .stateRead(failure) }
        throw .invalid(error)
    }
    var execution = TransactionExecution(
        recovered, cost: cost, context: context, state: state, tracer: tracer, recorder: recorder)
    let outcome = execution.run()
    if let failure = state.readError { throw .stateRead(failure) }
    return outcome
}

/// One transaction on its way through the state, after its checks.
private struct TransactionExecution {
    let recovered: RecoveredTransaction
    let transaction: Transaction
    let sender: Address
    let cost: (intrinsic: Gas, floor: Gas)
    let context: ExecutionContext
    let state: JournaledState
    let tracer: (any Tracer)?
    let recorder: CallRecorder?
    let gasPrice: Wei

    init(
        _ recovered: RecoveredTransaction, cost: (intrinsic: Gas, floor: Gas),
        context: ExecutionContext, state: JournaledState, tracer: (any Tracer)?,
        recorder: CallRecorder?
    ) {
        self.recovered = recovered
        transaction = recovered.transaction
        sender = recovered.sender
        self.cost = cost
        self.context = context
        self.state = state
        self.tracer = tracer
        self.recorder = recorder
        gasPrice = transaction.effectiveGasPrice(baseFee: context.baseFeePerGas)
    }

    mutating func run() -> TransactionOutcome {
        tracer?.transactionBegins(
            recovered, fork: context.fork, block: context.block, state: state)
        state.beginTransaction()
        buyGas()
        let nonce = state.nonce(sender)
        // A simulated call may come from an account whose nonce is exhausted.
        state.setNonce(sender, nonce &+ 1)

        let recipient = transaction.to ?? contractAddress(creator: sender, nonce: nonce)
        warmAddresses(recipient)
        for authorization in transaction.authorizationList {
            setDelegation(authorization, chainId: context.config.chainId, state: state)
        }
        let result = processMessage(recipient)
        let (gasUsed, beforeRefund) = settleGas(gasLeft: result.gasLeft)
        state.finishTransaction(emptyAccounts: context.emptyAccounts)
        tracer?.transactionEnds(gasUsed: gasUsed)

        return TransactionOutcome(
            gasUsed: gasUsed,
            gasUsedBeforeRefund: beforeRefund,
            halt: result.halt,
            output: result.output,
            logs: state.logs,
            contractAddress: transaction.to == nil ? recipient : nil,
            effectiveGasPrice: gasPrice,
            blobGasUsed: transaction.blobGas)
    }

    /// The checks have shown that the balance covers this and that nothing overflows.
    private func buyGas() {
        let gas = UInt256(transaction.gasLimit) &* gasPrice
        let blobs = UInt256(transaction.blobGas) &* context.block.blobBaseFee
        _ = state.subtractBalance(sender, gas &+ blobs)
    }

    /// EIP-2929, EIP-2930, EIP-3651. Precompiles are warm by themselves.
    private func warmAddresses(_ recipient: Address) {
        guard context.fork >= .berlin else { return }
        _ = state.warm(sender)
        _ = state.warm(recipient)
        if context.fork >= .shanghai { _ = state.warm(context.block.coinbase) }
        for entry in transaction.accessList {
            _ = state.warm(entry.address)
            for key in entry.storageKeys { _ = state.warm(entry.address, slot: key.uint256) }
        }
    }

    private func processMessage(_ recipient: Address) -> MessageResult {
        let evm = EVM(
            fork: context.fork, block: context.block, state: state, tracer: tracer,
            recorder: recorder, movedPrecompiles: context.movedPrecompiles,
            cancellation: context.cancellation)
        // Decoded code knows the precompiles' usual places.
        if context.movedPrecompiles == nil { evm.decoding = context.decoding }
        let message = Message(
            kind: transaction.to == nil ? .create : .call,
            caller: sender,
            recipient: recipient,
            codeAddress: recipient,
            value: transaction.value,
            data: transaction.data,
            gas: transaction.gasLimit - cost.intrinsic)
        let environment = TransactionEnvironment(
            origin: sender, gasPrice: gasPrice,
            blobVersionedHashes: transaction.blobVersionedHashes)
        return evm.processMessageCall(message, in: environment)
    }

    /// Pays back what was not used and pays the coinbase.
    ///
    /// - Returns: the gas used, and the gas used before refunds.
    private func settleGas(gasLeft: Gas) -> (used: Gas, beforeRefund: Gas) {
        let beforeRefund = transaction.gasLimit - gasLeft
        // EIP-3529 has cut what can be refunded from a half to a fifth.
        let most = beforeRefund / (context.fork >= .london ? 5 : 2)
        let refund = min(most, Gas(max(state.refund, 0)))
        let used = max(beforeRefund - refund, cost.floor)

        state.addBalance(sender, UInt256(transaction.gasLimit - used) &* gasPrice)
        // A simulated call that offers nothing pays less than the base fee, and the coinbase gets none.
        let baseFee = context.baseFeePerGas ?? .zero
        let fee = gasPrice > baseFee ? gasPrice &- baseFee : .zero
        // Also a fee of zero touches the coinbase.
        state.addBalance(context.block.coinbase, UInt256(used) &* fee)
        return (used, max(beforeRefund, cost.floor))
    }
}
