//  What geth says. Users, wallets and test tools know failures by these words, in JSON-RPC, in
//  traces and from `t8n`.

public import EVM
public import EthereumTypes
import Primitives

extension InvalidTransaction {
    /// What geth's pool and RPC say about such a transaction.
    public var gethText: String {
        switch self {
        case .typeNotSupported: "transaction type not supported"
        case .wrongChainId(let have, let want):
            "invalid chain id for signer: have \(have) want \(want)"
        case .invalidSignature: "invalid sender"
        case .nonceTooLow(let account, let transaction):
            "nonce too low: next nonce \(account), tx nonce \(transaction)"
        case .nonceTooHigh(let account, let transaction):
            "nonce too high: next nonce \(account), tx nonce \(transaction)"
        case .nonceOverflow: "nonce has max value"
        case .senderNotEOA(let size): "sender not an eoa: len(code): \(size)"
        case .gasAboveCap(let have, let cap):
            "transaction gas limit too high (cap: \(cap), tx: \(have))"
        case .gasLimitExceedsBlock(let have, let available):
            "gas limit reached: have \(available), want \(have)"
        case .intrinsicGasTooLow(let have, let want):
            "intrinsic gas too low: have \(have), want \(want)"
        case .floorDataGas(let have, let want):
            "insufficient gas for floor data gas cost: have \(have), want \(want)"
        case .initCodeTooLarge(let size, let max):
            "max initcode size exceeded: code size \(size) limit \(max)"
        case .feeCapBelowBaseFee(let feeCap, let baseFee):
            "max fee per gas less than block base fee: maxFeePerGas: \(feeCap), baseFee: \(baseFee)"
        case .priorityFeeAboveFeeCap(let priorityFee, let feeCap):
            "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: "
                + "\(priorityFee), maxFeePerGas: \(feeCap)"
        case .insufficientFunds(let have, let want):
            "insufficient funds for gas * price + value: have \(have) want \(want)"
        case .costOverflow:
            "insufficient funds for gas * price + value: required balance exceeds 256 bits"
        case .creationNotAllowed(let type): Self.creationText(type)
        case .noBlobs: "blob transaction missing blob hashes"
        case .tooManyBlobs(let have, let max):
            "blob transaction has too many blobs (have=\(have), max=\(max))"
        case .invalidBlobHashVersion(let index): "blob \(index) has invalid hash version"
        case .blobFeeCapBelowBlobBaseFee(let feeCap, let blobBaseFee):
            "max fee per blob gas less than block blob gas fee: maxFeePerBlobGas: \(feeCap), "
                + "blobBaseFee: \(blobBaseFee)"
        case .blobGasExceedsBlock(let have, let available):
            "blob gas limit reached: have \(available), want \(have)"
        case .emptyAuthorizationList: "EIP-7702 transaction with empty auth list"
        }
    }

    /// What geth says about a transaction that cannot create a contract and tries to.
    public static func creationText(_ type: TransactionType) -> String {
        type == .blob
            ? "blob transaction of type create"
            : "EIP-7702 transaction cannot be used to create contract"
    }
}

extension Halt {
    /// What geth says when code ends this way.
    public var gethText: String {
        switch self {
        case .reverted: "execution reverted"
        case .outOfGas: "out of gas"
        case .stackUnderflow(let have, let needed): "stack underflow (\(have) <=> \(needed))"
        case .stackOverflow(let have, let limit): "stack limit reached \(have) (\(limit))"
        case .invalidJump: "invalid jump destination"
        case .invalidOpcode(let byte):
            "invalid opcode: \(Opcode(rawValue: byte)?.tracedName ?? "")"
        case .writeProtection: "write protection"
        case .returnDataOutOfBounds: "return data out of bounds"
        case .callDepthExceeded: "max call depth exceeded"
        case .insufficientBalance: "insufficient balance for transfer"
        case .addressCollision: "contract address collision"
        case .nonceOverflow: "nonce uint64 overflow"
        case .initCodeTooLarge: "max initcode size exceeded"
        case .codeTooLarge: "max code size exceeded"
        case .invalidCodePrefix: "invalid code: must not begin with 0xef"
        case .codeStoreOutOfGas: "contract creation code storage out of gas"
        case .precompileFailed: "precompiled contract failed"
        case .reentrancySentry: "out of gas: not enough gas for reentrancy sentry"
        case .cancelled: "execution aborted"
        }
    }
}
