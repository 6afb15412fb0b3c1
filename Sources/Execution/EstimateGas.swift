//  How much gas a call needs: go-ethereum's `eth/gasestimator`, step by step.

public import EVM
import EthereumTypes
public import Primitives
public import State

/// Why there is no estimate.
public enum GasEstimationError: Error, Sendable {
    /// The call is no valid transaction, with whatever gas; `gas` is what it was tried with.
    case invalid(InvalidTransaction, sender: Address, gas: Gas)
    /// The balance does not cover the value and the blobs.
    case insufficientFunds
    /// The balance does not cover the value.
    case insufficientFundsForTransfer
    /// The call fails with the most gas that it may have, because that is not enough.
    case exceedsAllowance(Gas)
    /// The call fails for another reason, which geth calls `text`; `output` is what a revert returned.
    case failed(Halt, text: String, output: Bytes)
    case stateRead(StateReadError)
}

/// By how much an estimate may be too high, relative to itself: callers add a margin anyway, and
/// each halving costs an execution. The same as geth's.
private let tolerance = 0.015

/// The stipend of a call with value, which code may need without using it up.
private let callStipend: Gas = 2_300

/// The gas limit, but for a small tolerance the lowest, with which a call succeeds.
///
/// - Parameter gasCap: the most gas that any call may use.
public func estimateGas(
    for request: CallRequest, in context: ExecutionContext, reader: any StateReader, gasCap: Gas
) throws(GasEstimationError) -> Gas {
    let estimation = GasEstimation(request: request, context: context, reader: reader)
    var high = try estimation.highestLimit(gasCap: gasCap)

    // A plain transfer most likely needs the base cost and nothing else.
    if request.data.isEmpty, let to = request.to, try !estimation.hasCode(to) {
        if let succeeds = try? estimation.succeeds(gas: TransactionGas.base), succeeds {
            return TransactionGas.base
        }
    }
    guard case .success(let first) = try estimation.run(gas: high) else {
        throw .exceedsAllowance(high)
    }
    if let halt = first.halt {
        if halt == .outOfGas { throw .exceedsAllowance(high) }
        throw .failed(
            halt, text: context.gethText(of: halt, calling: request.to, with: request.data),
            output: halt == .reverted ? first.output : [])
    }
    // What is used is needed, unless the code looks at the gas it has.
    var low = first.gasUsed - 1

    // With what was used before refunds, the stipend and what calls hold back, it most likely runs.
    let optimistic = first.gasUsedBeforeRefund + callStipend
    let limit = optimistic < .max / 64 ? optimistic * 64 / 63 : .max
    if limit < high {
        if try estimation.succeeds(gas: limit) { high = limit } else { low = limit }
    }
    while low + 1 < high {
        if Double(high - low) / Double(high) < tolerance { break }
        // Most calls need not much more than they use, so the search favours the low side.
        let doubled = low < .max / 2 ? low * 2 : .max
        let middle = min(low + (high - low) / 2, doubled)
        if try estimation.succeeds(gas: middle) { high = middle } else { low = middle }
    }
    return high
}

/// One call, tried with different gas limits.
private struct GasEstimation {
    let request: CallRequest
    let context: ExecutionContext
    let reader: any StateReader

    enum Run {
        case success(TransactionOutcome)
        /// The gas does not cover the intrinsic cost, as geth counts it.
        case tooLittleGas
    }

    /// The most gas that the call may have: as asked for or as the block has, no more than a
    /// transaction may use, than the sender can pay, and than the node permits.
    func highestLimit(gasCap: Gas) throws(GasEstimationError) -> Gas {
        var high = context.block.gasLimit
        if let gas = request.gas, gas >= TransactionGas.base { high = gas }
        if let cap = context.config.transactionGasCap(at: context.fork) { high = min(high, cap) }
        if !request.feeCap.isZero {
            let affordable = try availableBalance().divided(by: request.feeCap)
            high = min(high, affordable.clampedToUInt64)
        }
        return min(high, gasCap)
    }

    /// The sender's balance without the value and the blobs.
    private func availableBalance() throws(GasEstimationError) -> Wei {
        let balance = try read { () throws(StateReadError) in
            try reader.account(request.from)?.balance ?? .zero
        }
        guard request.value < balance else {
            // Nothing would be left for gas.
            throw .insufficientFundsForTransfer
        }
        var available = balance &- request.value
        if context.fork >= .cancun, let blobs = request.blobVersionedHashes, !blobs.isEmpty {
            let blobGas = UInt256(UInt64(blobs.count) &* BlobParameters.gasPerBlob)
            let (fee, overflow) = blobGas.multipliedReportingOverflow(
                by: request.maxFeePerBlobGas ?? .zero)
            guard !overflow, fee < available else { throw .insufficientFunds }
            available = available &- fee
        }
        return available
    }

    func hasCode(_ address: Address) throws(GasEstimationError) -> Bool {
        try read { () throws(StateReadError) in
            try reader.account(address)?.hasCode ?? false
        }
    }

    func succeeds(gas: Gas) throws(GasEstimationError) -> Bool {
        guard case .success(let outcome) = try run(gas: gas) else { return false }
        return outcome.succeeded
    }

    func run(gas: Gas) throws(GasEstimationError) -> Run {
        var request = request
        request.gas = gas
        do throws(TransactionError) {
            return .success(
                try simulateCall(
                    request, in: context, state: JournaledState(reader: reader), gasCap: gas))
        } catch {
            switch error {
            case .invalid(.intrinsicGasTooLow): return .tooLittleGas
            case .invalid(let reason): throw .invalid(reason, sender: request.from, gas: gas)
            case .stateRead(let failure): throw .stateRead(failure)
            }
        }
    }

    private func read<Value>(
        _ body: () throws(StateReadError) -> Value
    ) throws(GasEstimationError) -> Value {
        do throws(StateReadError) {
            return try body()
        } catch {
            throw .stateRead(error)
        }
    }
}
