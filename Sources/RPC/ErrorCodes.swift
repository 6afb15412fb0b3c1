import BlockProduction
import Chain
import Cryptography
import EVM
import EthereumTypes
import Execution
import Primitives
import TxPool

/// The one table from what the node knows went wrong to what a client is told.
///
/// Texts and codes are geth's (`core/error.go`, `core/vm/errors.go`, `core/txpool/errors.go`), because
/// client libraries tell errors apart by them. Those of transactions and of code are in
/// `Execution/GethText.swift`.
extension RPCError {
    /// The error that a client sees, or nil if the error is none that a client can cause.
    public init?(translating error: any Error) {
        switch error {
        case let error as RPCError: self = error
        case let error as ChainError: self.init(error)
        case let error as TransactionError:
            switch error {
            case .invalid(let reason): self.init(reason)
            case .stateRead: return nil
            }
        case let error as InvalidTransaction: self.init(error)
        case let error as GasEstimationError: self.init(error)
        case let error as PoolRejection: self.init(error)
        case let error as DevnetError: self.init(error)
        case let error as TransactionDecodingError: self.init(error)
        case let error as TypedDataError: self = .server(error.description)
        default: return nil
        }
    }

    /// The node takes nothing that must be kept. Where its disk is concerns no client.
    private static let lowDisk = RPCError.server(
        "the disk of the node is nearly full: nothing is written until there is room")

    /// A transaction that cannot be executed.
    init(_ error: InvalidTransaction) {
        self = .server(error.gethText)
    }

    /// The chain cannot answer.
    init?(_ error: ChainError) {
        switch error {
        case .unknownBlock, .unknownHash: self = .headerNotFound
        case .stateUnavailable(let number, let oldest):
            self.init(
                code: RPCErrorCode.prunedHistory,
                message: "pruned history unavailable: the state of block \(number) is no longer "
                    + "retained, the oldest is that of block \(oldest)")
        case .proofUnavailable(let number, let oldest):
            self.init(
                code: RPCErrorCode.limitExceeded,
                message: "proof unavailable: too much changed since block \(number), all accounts "
                    + "can be proven from block \(oldest) on")
        case .tooManyLogs(let limit):
            self.init(
                code: RPCErrorCode.limitExceeded,
                message: "query returned more than \(limit) results, ask for fewer blocks")
        case .logsTooLarge(let limit):
            self.init(
                code: RPCErrorCode.limitExceeded,
                message: "query returned logs of more than \(limit) bytes, ask for fewer blocks")
        case .tooManyChanges(let limit):
            self.init(
                code: RPCErrorCode.limitExceeded,
                message: "more than \(limit) keys changed since that block, ask for a later one")
        case .readOnly, .participantFailed, .invalidBlock, .invalidAncestor, .invalidSignature,
            .unknownParent, .notChildOfHead, .alreadyKnown, .notCanonical, .branchTooLong:
            self = .server(error.description)
        case .storage(.lowDisk): self = .lowDisk
        case .storage, .stateRead, .genesisMismatch, .configConflict, .chainIdMismatch,
            .notInitialised:
            return nil
        }
    }

    /// The pool does not take a transaction.
    init?(_ error: PoolRejection) {
        switch error {
        case .invalid(.gasLimitExceedsBlock): self = .server("exceeds block gas limit")
        case .invalid(let reason): self.init(reason)
        case .alreadyKnown: self = .server("already known")
        case .underpriced(let tip, let minimum):
            self = .server(
                "transaction gas price below minimum: gas tip cap \(tip), minimum needed \(minimum)"
            )
        case .poolFull(let tip, let lowest, let limit):
            self = .server(
                "transaction underpriced: gas tip cap \(tip), the pool holds \(limit) transactions "
                    + "that pay at least \(lowest)")
        case .replacementUnderpriced(let cap, let have, let want):
            self = .server(
                "replacement transaction underpriced: \(cap.rawValue) \(have), "
                    + "minimum needed \(want)")
        case .oversized(let have, let max):
            self = .server("oversized data: transaction size \(have), limit \(max)")
        case .senderLimit(let sender, let limit):
            self = .server("account limit exceeded: \(sender) has \(limit) transactions")
        case .nonceGapLimit(let sender, let limit):
            self = .server(
                "account limit exceeded: \(sender) has \(limit) transactions that wait for a nonce")
        case .blobLimit(let limit):
            self = .server("transaction blob limit exceeded: the pool holds \(limit)")
        case .missingSidecar: self = .server("missing sidecar in blob transaction")
        case .invalidSidecar(let reason): self = .server("invalid blob sidecar: \(reason)")
        case .sidecarVersion(let have, let want):
            self = .server(
                "unexpected sidecar version, want: \(want.rawValue), got: \(have.rawValue)")
        case .storage(.lowDisk): self = .lowDisk
        case .stateRead, .storage: return nil
        }
    }

    /// The devnet cannot do it.
    init?(_ error: DevnetError) {
        switch error {
        case .rejected(let rejection): self.init(rejection)
        case .notIncluded(_, let reason): self.init(reason)
        case .timestampNotAfterHead(let given, let head):
            self = .invalidParams(
                "timestamp \(given) is lower than or equal to previous block's timestamp \(head)")
        case .chain(let error): self.init(error)
        case .tooManyBlocks(let limit):
            self.init(
                code: RPCErrorCode.limitExceeded, message: "more than \(limit) blocks at once")
        case .tooManyImpersonations(let limit):
            self.init(
                code: RPCErrorCode.limitExceeded,
                message: "more than \(limit) accounts are impersonated")
        case .cancelled: self = .server("the node is stopping")
        case .storage(.lowDisk): self = .lowDisk
        case .storage, .corruptedItem: return nil
        }
    }

    /// There is no estimate.
    init?(_ error: GasEstimationError) {
        switch error {
        case .invalid(let reason, let sender, let gas):
            self = .server(
                "failed with \(gas) gas: \(reason.gethText(sender: sender, nonce: 0))")
        case .insufficientFunds: self = .server("insufficient funds for gas * price + value")
        case .insufficientFundsForTransfer: self = .server("insufficient funds for transfer")
        case .exceedsAllowance(let gas): self = .server("gas required exceeds allowance (\(gas))")
        case .failed(let halt, let text, let output): self.init(halt, text: text, output: output)
        case .stateRead: return nil
        }
    }

    /// A call that did not succeed, and why in geth's words.
    init(_ halt: Halt, text: String, output: Bytes) {
        guard halt == .reverted else {
            self = .server(text)
            return
        }
        let reason = RevertReason(output).text.map { ": " + $0 } ?? ""
        self.init(
            code: RPCErrorCode.reverted, message: "execution reverted" + reason,
            data: .string(Hex.encode(output)))
    }

    /// Bytes that are no transaction.
    init(_ error: TransactionDecodingError) {
        switch error {
        case .empty: self = .server("typed transaction too short")
        case .unknownType: self = .server("transaction type not supported")
        case .malformed(let field, let reason): self = .server("rlp: \(field.rawValue): \(reason)")
        case .invalidV: self = .server("invalid transaction v, r, s values")
        case .missingRecipient(let type): self = .server(InvalidTransaction.creationText(type))
        case .unknownWrapperVersion(let version):
            self = .server("unsupported blob sidecar version \(version)")
        }
    }

    static let headerNotFound = RPCError.server("header not found")
}

extension RPCErrorCode {
    /// EIP-1474: transaction rejected.
    static let transactionRejected = -32_003
    /// reth's code for history that was not kept.
    static let prunedHistory = 4_444
}

extension InvalidTransaction {
    /// What geth says about a transaction whose sender is known.
    func gethText(sender: Address, nonce: Nonce) -> String {
        let address = sender.checksummed
        switch self {
        case .insufficientFunds(let have, let want):
            return "insufficient funds for gas * price + value: address \(address) have \(have) "
                + "want \(want)"
        case .feeCapBelowBaseFee(let feeCap, let baseFee):
            return "max fee per gas less than block base fee: address \(address), maxFeePerGas: "
                + "\(feeCap), baseFee: \(baseFee)"
        case .nonceTooLow(let account, let transaction):
            return "nonce too low: address \(address), tx: \(transaction) state: \(account)"
        case .nonceTooHigh(let account, let transaction):
            return "nonce too high: address \(address), tx: \(transaction) state: \(account)"
        case .nonceOverflow: return "nonce has max value: address \(address), nonce: \(nonce)"
        case .priorityFeeAboveFeeCap(let priorityFee, let feeCap):
            return "max priority fee per gas higher than max fee per gas: address \(address), "
                + "maxPriorityFeePerGas: \(priorityFee), maxFeePerGas: \(feeCap)"
        case .senderNotEOA(let size):
            return "sender not an eoa: address \(address), len(code): \(size)"
        case .costOverflow:
            return "insufficient funds for gas * price + value: address \(address) required "
                + "balance exceeds 256 bits"
        case .blobFeeCapBelowBlobBaseFee(let feeCap, let blobBaseFee):
            return "max fee per blob gas less than block blob gas fee: address \(address) "
                + "blobGasFeeCap: \(feeCap), blobBaseFee: \(blobBaseFee)"
        case .typeNotSupported, .wrongChainId, .invalidSignature, .gasAboveCap,
            .gasLimitExceedsBlock, .intrinsicGasTooLow, .floorDataGas, .initCodeTooLarge,
            .creationNotAllowed, .noBlobs, .tooManyBlobs, .invalidBlobHashVersion,
            .blobGasExceedsBlock, .emptyAuthorizationList:
            return gethText
        }
    }
}
