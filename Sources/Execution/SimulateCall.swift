//  Calls that are not transactions: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.
//
//  A call is executed as go-ethereum does it: as a transaction that needs no signature, no nonce and
//  no sender without code; and if it offers no price for gas, gas costs nothing.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// A call as its caller describes it.
public struct CallRequest: Hashable, Sendable {
    /// What the caller offers for a unit of gas.
    public enum Fees: Hashable, Sendable {
        /// Nothing: gas is free, and the base fee of the block is zero.
        case none
        case gasPrice(Wei)
        case dynamic(maxFeePerGas: Wei, maxPriorityFeePerGas: Wei)
    }

    /// Who calls; the zero address if nobody in particular.
    public var from: Address
    /// Nil: the call creates a contract.
    public var to: Address?
    /// Nil: as much as there may be.
    public var gas: Gas?
    /// What is offered for gas.
    public var fees: Fees
    /// What is transferred.
    public var value: Wei
    /// Call data or creation code.
    public var data: Bytes
    /// Addresses and slots that are warm from the start (EIP-2930).
    public var accessList: AccessList
    /// Nil: blob gas is free.
    public var maxFeePerBlobGas: Wei?
    /// Nil: not a blob transaction.
    public var blobVersionedHashes: [Hash256]?
    /// Nil: not a set-code transaction.
    public var authorizationList: [Authorization]?

    /// A call; without fees and gas limit it may use as much gas as the node permits for nothing.
    public init(
        from: Address = .zero, to: Address?, gas: Gas? = nil, fees: Fees = .none,
        value: Wei = .zero, data: Bytes = [], accessList: AccessList = [],
        maxFeePerBlobGas: Wei? = nil, blobVersionedHashes: [Hash256]? = nil,
        authorizationList: [Authorization]? = nil
    ) {
        self.from = from
        self.to = to
        self.gas = gas
        self.fees = fees
        self.value = value
        self.data = data
        self.accessList = accessList
        self.maxFeePerBlobGas = maxFeePerBlobGas
        self.blobVersionedHashes = blobVersionedHashes
        self.authorizationList = authorizationList
    }

    /// The most that the call offers for a unit of gas.
    var feeCap: Wei {
        switch fees {
        case .none: .zero
        case .gasPrice(let price): price
        case .dynamic(let maxFeePerGas, _): maxFeePerGas
        }
    }
}

/// Executes a call on a state. Its changes stay in `state`.
///
/// - Parameter gasCap: the most gas that any call may use; more is cut down to it.
public func simulateCall(
    _ request: CallRequest, in context: ExecutionContext, state: JournaledState, gasCap: Gas,
    tracer: (any Tracer)? = nil
) throws(TransactionError) -> TransactionOutcome {
    let gas = min(request.gas ?? gasCap, gasCap)
    let call = SimulatedCall(request, gas: gas, in: context)
    return try processTransaction(
        call.transaction, in: call.context, state: state, gasAvailable: gas,
        blobGasAvailable: .max, checks: [], tracer: tracer)
}

extension ExecutionContext {
    /// What geth says when a message ends this way: where it called a precompile, the precompile's own
    /// reason.
    ///
    /// - Parameter target: whom the message called; nil if it created a contract.
    public func gethText(of halt: Halt, calling target: Address?, with input: Bytes) -> String {
        guard halt == .precompileFailed, let target else { return halt.gethText }
        return Precompiles.failureText(
            of: movedPrecompiles?.origin(of: target) ?? target, input: input)
    }
}

/// A call as the transaction that it amounts to, and the block that it sees.
private struct SimulatedCall {
    let transaction: RecoveredTransaction
    private(set) var context: ExecutionContext

    init(_ request: CallRequest, gas: Gas, in context: ExecutionContext) {
        self.context = context
        let fees: (cap: Wei, priority: Wei) =
            switch request.fees {
            case .none: (.zero, .zero)
            case .gasPrice(let price): (price, price)
            case .dynamic(let cap, let priority): (cap, priority)
            }
        let call = Transaction(
            type: Self.type(of: request), chainId: nil, nonce: 0,
            maxPriorityFeePerGas: fees.priority, maxFeePerGas: fees.cap, gasLimit: gas,
            to: request.to, value: request.value, data: request.data,
            accessList: request.accessList, maxFeePerBlobGas: request.maxFeePerBlobGas ?? .zero,
            blobVersionedHashes: request.blobVersionedHashes ?? [],
            authorizationList: request.authorizationList ?? [])
        // The hash of a call is never looked at.
        transaction = RecoveredTransaction(call, hash: .zero, sender: request.from)

        if call.effectiveGasPrice(baseFee: context.baseFeePerGas).isZero {
            self.context.block.baseFeePerGas = .zero
        }
        if call.maxFeePerBlobGas.isZero { self.context.block.blobBaseFee = .zero }
    }

    /// Only the types with demands of their own matter.
    private static func type(of request: CallRequest) -> TransactionType {
        if request.authorizationList != nil { return .setCode }
        return request.blobVersionedHashes != nil ? .blob : .legacy
    }
}
