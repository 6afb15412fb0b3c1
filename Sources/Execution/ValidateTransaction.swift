//  Whether a transaction may be executed.
//
//  `validateTransaction` needs nothing but the transaction and the fork; `checkTransaction` needs
//  the state and the block as well. Both check in the order of go-ethereum's `preCheck`, so that a
//  transaction with several faults is refused for the one that users of geth know.

import Cryptography
import EVM
public import EthereumTypes
public import Primitives
import State

/// The checks that a simulated call may do without.
public struct TransactionChecks: OptionSet, Sendable {
    /// The checks as bits.
    public let rawValue: UInt8
    /// Checks from bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The nonce is the account's.
    public static let nonce = TransactionChecks(rawValue: 1)
    /// The sender has no code, and the gas limit keeps the cap of one transaction.
    public static let sender = TransactionChecks(rawValue: 2)
    /// A transaction that offers nothing for gas is refused where there is a base fee. Without this it
    /// is executed and pays nothing.
    public static let price = TransactionChecks(rawValue: 4)
    /// All that a signed transaction must pass.
    public static let all: TransactionChecks = [.nonce, .sender, .price]
}

/// What can be said against a transaction without looking at any state: EELS
/// `validate_transaction`.
///
/// - Returns: the intrinsic cost and the floor of the gas used, as `calculateIntrinsicCost`.
@discardableResult
public func validateTransaction(
    _ transaction: Transaction, at fork: Fork, config: ChainConfig
) throws(InvalidTransaction) -> (intrinsic: Gas, floor: Gas) {
    try validateType(of: transaction, at: fork, chainId: config.chainId)
    if transaction.nonce == .max { throw .nonceOverflow }
    let gasCost = UInt256(transaction.gasLimit)
        .multipliedReportingOverflow(by: transaction.maxFeePerGas)
    if gasCost.overflow { throw .costOverflow }
    try validateGasCap(of: transaction, at: fork, config: config)
    try validateFields(of: transaction, at: fork)
    return try validateIntrinsicCost(of: transaction, at: fork)
}

/// What is left in a block for further transactions.
struct BlockAllowance {
    var gas: Gas
    var blobGas: Gas
}

/// What can be said against a transaction on this state and in this block: EELS
/// `check_transaction`, together with `validate_transaction`.
///
/// - Returns: the intrinsic cost and the floor of the gas used.
func checkTransaction(
    _ recovered: RecoveredTransaction, in context: ExecutionContext, state: JournaledState,
    allowance: BlockAllowance, checks: TransactionChecks
) throws(InvalidTransaction) -> (intrinsic: Gas, floor: Gas) {
    let transaction = recovered.transaction
    let sender = recovered.sender
    try validateType(of: transaction, at: context.fork, chainId: context.config.chainId)

    if checks.contains(.nonce) {
        let nonce = state.nonce(sender)
        if nonce < transaction.nonce {
            throw .nonceTooHigh(account: nonce, transaction: transaction.nonce)
        }
        if nonce > transaction.nonce {
            throw .nonceTooLow(account: nonce, transaction: transaction.nonce)
        }
        if nonce == .max { throw .nonceOverflow }
    }
    if checks.contains(.sender) {
        try validateGasCap(of: transaction, at: context.fork, config: context.config)
        // A devnet lets its user send as any account, a contract too. Recovery never gives such a
        // sender, so no transaction from outside comes here with one.
        if transaction.impersonatedSender != sender {
            try checkSenderHasNoCode(sender, at: context.fork, state: state)
        }
    }
    let isFree = transaction.maxFeePerGas.isZero && transaction.maxPriorityFeePerGas.isZero
    if let baseFee = context.baseFeePerGas, checks.contains(.price) || !isFree {
        try checkFees(of: transaction, baseFee: baseFee)
    }
    let blobGas = transaction.blobGas
    if blobGas > allowance.blobGas {
        throw .blobGasExceedsBlock(have: blobGas, available: allowance.blobGas)
    }
    try validateFields(of: transaction, at: context.fork)
    try checkBlobFee(of: transaction, in: context)
    if transaction.gasLimit > allowance.gas {
        throw .gasLimitExceedsBlock(have: transaction.gasLimit, available: allowance.gas)
    }
    try checkFunds(of: transaction, sender: sender, state: state)
    return try validateIntrinsicCost(of: transaction, at: context.fork)
}

// MARK: - Without state

private func validateType(
    of transaction: Transaction, at fork: Fork, chainId: UInt64
) throws(InvalidTransaction) {
    guard fork >= transaction.type.firstFork else {
        throw .typeNotSupported(transaction.type, fork: fork)
    }
    if let signedFor = transaction.chainId, signedFor != chainId {
        throw .wrongChainId(transaction: signedFor, chain: chainId)
    }
}

private func validateGasCap(
    of transaction: Transaction, at fork: Fork, config: ChainConfig
) throws(InvalidTransaction) {
    if let cap = config.transactionGasCap(at: fork), transaction.gasLimit > cap {
        throw .gasAboveCap(have: transaction.gasLimit, cap: cap)
    }
}

/// Blobs, authorizations and creation code.
private func validateFields(
    of transaction: Transaction, at fork: Fork
) throws(InvalidTransaction) {
    if transaction.type == .blob {
        if transaction.to == nil { throw .creationNotAllowed(.blob) }
        let blobs = transaction.blobVersionedHashes
        if blobs.isEmpty { throw .noBlobs }
        if fork >= .osaka, blobs.count > BlobParameters.maxPerTransaction {
            throw .tooManyBlobs(have: blobs.count, max: BlobParameters.maxPerTransaction)
        }
        for (index, hash) in blobs.enumerated() where hash.w0 >> 56 != 0x01 {
            throw .invalidBlobHashVersion(index: index)
        }
    }
    if transaction.type == .setCode {
        if transaction.to == nil { throw .creationNotAllowed(.setCode) }
        if transaction.authorizationList.isEmpty { throw .emptyAuthorizationList }
    }
    if transaction.to == nil, fork >= .shanghai,
        transaction.data.count > TransactionGas.maxInitCodeSize
    {
        throw .initCodeTooLarge(
            size: transaction.data.count, max: TransactionGas.maxInitCodeSize)
    }
}

private func validateIntrinsicCost(
    of transaction: Transaction, at fork: Fork
) throws(InvalidTransaction) -> (intrinsic: Gas, floor: Gas) {
    let cost = calculateIntrinsicCost(transaction, at: fork)
    if transaction.gasLimit < cost.intrinsic {
        throw .intrinsicGasTooLow(have: transaction.gasLimit, want: cost.intrinsic)
    }
    if transaction.gasLimit < cost.floor {
        throw .floorDataGas(have: transaction.gasLimit, want: cost.floor)
    }
    return cost
}

// MARK: - With state

private func checkSenderHasNoCode(
    _ sender: Address, at fork: Fork, state: JournaledState
) throws(InvalidTransaction) {
    let code = state.code(sender)
    if code.isEmpty { return }
    if fork >= .prague, delegate(in: code) != nil { return }
    throw .senderNotEOA(codeSize: code.count)
}

private func checkFees(
    of transaction: Transaction, baseFee: Wei
) throws(InvalidTransaction) {
    if transaction.maxFeePerGas < transaction.maxPriorityFeePerGas {
        throw .priorityFeeAboveFeeCap(
            priorityFee: transaction.maxPriorityFeePerGas, feeCap: transaction.maxFeePerGas)
    }
    if transaction.maxFeePerGas < baseFee {
        throw .feeCapBelowBaseFee(feeCap: transaction.maxFeePerGas, baseFee: baseFee)
    }
}

private func checkBlobFee(
    of transaction: Transaction, in context: ExecutionContext
) throws(InvalidTransaction) {
    guard transaction.type == .blob else { return }
    let blobBaseFee = context.block.blobBaseFee
    if transaction.maxFeePerBlobGas < blobBaseFee {
        throw .blobFeeCapBelowBlobBaseFee(
            feeCap: transaction.maxFeePerBlobGas, blobBaseFee: blobBaseFee)
    }
}

/// The sender must own what the transaction may cost at most: all gas at the fee cap, the blobs at
/// theirs, and the value.
private func checkFunds(
    of transaction: Transaction, sender: Address, state: JournaledState
) throws(InvalidTransaction) {
    guard let want = transaction.maximumCost() else { throw .costOverflow }
    let have = state.balance(sender)
    if have < want { throw .insufficientFunds(have: have, want: want) }
}
