import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import State

/// The calls of a simulated block, one after another.
struct SimulatedBody {
    /// A call as far as it can be shown before the hash of its block is known.
    private struct Call {
        let outcome: TransactionOutcome
        /// Logs, and transfers as logs if they are asked for, with their numbers in the block.
        let logs: [(index: Int, log: Log)]
    }

    private let context: ExecutionContext
    private let validates: Bool
    private let tracesTransfers: Bool
    /// Logs so far, those of calls that failed among them, as geth counts.
    private var logCount = 0
    private(set) var transactions: [Transaction] = []
    private(set) var hashes: [Hash256] = []
    private(set) var senders: [Address] = []
    private(set) var receipts: [Receipt] = []
    private(set) var gasUsed: Gas = 0
    private(set) var blobGasUsed: Gas = 0
    private var calls: [Call] = []

    init(context: ExecutionContext, validates: Bool, tracesTransfers: Bool) {
        self.context = context
        self.validates = validates
        self.tracesTransfers = tracesTransfers
    }

    /// Executes a call.
    ///
    /// - Parameter gasLeft: what all calls of the simulation may still use.
    mutating func run(
        _ request: TransactionRequest, state: JournaledState, gasLeft: inout Gas
    ) throws {
        let transaction = try complete(request, state: state, gasLeft: gasLeft)
        let sender = request.from ?? .zero
        let recovered = RecoveredTransaction(transaction, sender: sender)
        let tracer = LogTracer(firstIndex: logCount, tracesTransfers: tracesTransfers)
        let outcome: TransactionOutcome
        do throws(TransactionError) {
            outcome = try processTransaction(
                recovered, in: context, state: state,
                gasAvailable: context.block.gasLimit - gasUsed, blobGasAvailable: .max,
                checks: validates ? [.nonce, .price] : [], tracer: tracer)
        } catch {
            guard case .invalid(let reason) = error else { throw error }
            throw RPCError(
                code: reason.simulationCode,
                message: "err: \(reason.gethText(sender: sender, nonce: transaction.nonce)) "
                    + "(supplied gas \(transaction.gasLimit))")
        }
        gasLeft -= min(gasLeft, outcome.gasUsed)
        gasUsed += outcome.gasUsed
        blobGasUsed += outcome.blobGasUsed
        transactions.append(transaction)
        hashes.append(recovered.hash)
        senders.append(sender)
        receipts.append(
            Receipt(
                type: transaction.type, outcome: .status(outcome.succeeded),
                cumulativeGasUsed: gasUsed, logs: outcome.logs))
        logCount = tracer.nextIndex
        calls.append(Call(outcome: outcome, logs: outcome.succeeded ? tracer.logs : []))
    }

    /// The transaction that a call amounts to.
    private func complete(
        _ request: TransactionRequest, state: JournaledState, gasLeft: Gas
    ) throws(RPCError) -> Transaction {
        try request.checkFeeKind()
        try request.check(chainId: context.config.chainId)
        let blockGasLeft = context.block.gasLimit - min(gasUsed, context.block.gasLimit)
        let gas = request.gas ?? blockGasLeft
        guard gas <= blockGasLeft else {
            throw RPCError(
                code: -38_015,
                message: "block gas limit reached: remaining: \(blockGasLeft), required: \(gas)")
        }
        return Transaction(
            type: request.type, chainId: context.config.chainId,
            nonce: request.nonce ?? state.nonce(request.from ?? .zero),
            maxPriorityFeePerGas: request.gasPrice ?? request.maxPriorityFeePerGas ?? .zero,
            maxFeePerGas: request.gasPrice ?? request.maxFeePerGas ?? .zero,
            gasLimit: min(gas, gasLeft), to: request.to, value: request.value ?? .zero,
            data: request.data ?? [], accessList: request.accessList ?? [],
            maxFeePerBlobGas: request.maxFeePerBlobGas ?? .zero,
            blobVersionedHashes: request.blobVersionedHashes ?? [],
            authorizationList: request.authorizationList ?? [])
    }

    /// The results of the calls as JSON.
    func encoded(blockHash: Hash256, header: Header) -> Bytes {
        var writer = JSONWriter()
        writer.array { writer in
            for (index, call) in calls.enumerated() {
                let place = TransactionPlace(
                    blockHash: blockHash, blockNumber: header.number,
                    blockTimestamp: header.timestamp, index: index,
                    baseFeePerGas: header.baseFeePerGas)
                let logs = call.logs.map { number, log in
                    LogResult(
                        log: log, place: place, transactionHash: hashes[index],
                        logIndex: number, isRemoved: false)
                }
                write(call.outcome, of: transactions[index], logs, to: &writer)
            }
        }
        return writer.bytes
    }

    private func write(
        _ outcome: TransactionOutcome, of transaction: Transaction, _ logs: [LogResult],
        to writer: inout JSONWriter
    ) {
        writer.object { writer in
            writer.key("returnData")
            // What a failed call leaves is in its error.
            writer.hexData(outcome.halt == nil ? outcome.output : [])
            writer.key("logs")
            logs.write(to: &writer)
            writer.key("gasUsed")
            writer.hexQuantity(outcome.gasUsed)
            writer.key("maxUsedGas")
            writer.hexQuantity(outcome.gasUsedBeforeRefund)
            writer.key("status")
            writer.hexQuantity(outcome.succeeded ? 1 as UInt64 : 0)
            guard let halt = outcome.halt else { return }
            writer.key("error")
            writer.object { writer in
                let text = context.gethText(
                    of: halt, calling: transaction.to, with: transaction.data)
                let error = RPCError(halt, text: text, output: outcome.output)
                writer.key("message")
                writer.string(error.message)
                writer.key("code")
                writer.number(halt == .reverted ? error.code : -32_015)
                if let data = error.data {
                    writer.key("data")
                    writer.value(data)
                }
            }
        }
    }
}

/// Collects and counts logs, if wanted with moves of ether as logs among them (ERC-7528). Those of
/// calls that failed are gone, but counted.
private final class LogTracer: Tracer {
    private let tracesTransfers: Bool
    private(set) var nextIndex: Int
    /// Logs of the frames that are running, outermost first; of the whole call at the end.
    private var frames: [[(index: Int, log: Log)]] = [[]]

    private static let transfer = keccak256(utf8: "Transfer(address,address,uint256)")
    private static let ether = Address(
        w0: 0xeeee_eeee_eeee_eeee, w1: 0xeeee_eeee_eeee_eeee, w2: 0xeeee_eeee)

    init(firstIndex: Int, tracesTransfers: Bool) {
        nextIndex = firstIndex
        self.tracesTransfers = tracesTransfers
    }

    var logs: [(index: Int, log: Log)] { frames[0] }

    func callEnter(_ entry: CallEntry) {
        frames.append([])
        switch entry.kind {
        case .delegateCall, .callCode: return
        case .call, .staticCall, .create, .create2, .selfDestruct: break
        }
        guard tracesTransfers, !entry.value.isZero else { return }
        log(
            Log(
                address: Self.ether,
                topics: [
                    Self.transfer, Hash256(entry.caller.uint256), Hash256(entry.recipient.uint256),
                ],
                data: entry.value.bigEndianBytes))
    }

    func callExit(_ exit: CallExit) {
        guard frames.count > 1, let logs = frames.popLast() else { return }
        if exit.halt == nil { frames[frames.count - 1] += logs }
    }

    func log(_ log: Log) {
        frames[frames.count - 1].append((nextIndex, log))
        nextIndex += 1
    }
}

extension InvalidTransaction {
    /// The code of `eth_simulateV1` (execution-apis).
    fileprivate var simulationCode: Int {
        switch self {
        case .nonceTooLow: -38_010
        case .nonceTooHigh: -38_011
        case .feeCapBelowBaseFee: -38_012
        case .intrinsicGasTooLow: -38_013
        case .insufficientFunds, .costOverflow: -38_014
        case .gasLimitExceedsBlock: -38_015
        case .senderNotEOA: -38_024
        case .initCodeTooLarge: -38_025
        case .priorityFeeAboveFeeCap: RPCErrorCode.invalidParams
        case .typeNotSupported, .wrongChainId, .invalidSignature, .nonceOverflow, .gasAboveCap,
            .floorDataGas, .creationNotAllowed, .noBlobs, .tooManyBlobs, .invalidBlobHashVersion,
            .blobFeeCapBelowBlobBaseFee, .blobGasExceedsBlock, .emptyAuthorizationList:
            RPCErrorCode.internalError
        }
    }
}
