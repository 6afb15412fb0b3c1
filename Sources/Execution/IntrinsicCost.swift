//  What a transaction costs before any code runs.

public import EthereumTypes
public import Primitives

/// The prices of a transaction's parts.
enum TransactionGas {
    /// EELS `TX_BASE_COST`.
    static let base: Gas = 21_000
    /// A contract creation, from Homestead on (EIP-2).
    static let create: Gas = 32_000
    static let zeroByte: Gas = 4
    static let nonZeroByteFrontier: Gas = 68
    /// EIP-2028.
    static let nonZeroByte: Gas = 16
    /// EIP-3860.
    static let initCodeWord: Gas = 2
    /// EIP-2930.
    static let accessListAddress: Gas = 2_400
    static let accessListStorageKey: Gas = 1_900
    /// EIP-7702: `PER_EMPTY_ACCOUNT_COST`, of which all but `PER_AUTH_BASE_COST` comes back if the
    /// authority exists.
    static let authorization: Gas = 25_000
    static let authorizationOfExisting: Gas = 12_500
    /// EIP-7623: a zero byte is one token, any other byte four.
    static let floorPerToken: Gas = 10
    /// EIP-7825.
    static let cap: Gas = 1 << 24
    /// EIP-3860.
    static let maxInitCodeSize = 2 * 0x6000
}

extension ChainConfig {
    /// The most gas that one transaction may have (EIP-7825); nil before Osaka.
    func transactionGasCap(at fork: Fork) -> Gas? {
        fork >= .osaka ? transactionGasCap ?? TransactionGas.cap : nil
    }
}

/// Gas charged before a transaction runs any code: g₀ of the Yellow Paper, section 6.2, and EELS
/// `calculate_intrinsic_cost`.
///
/// The sums cannot overflow: every summand is a small price times the length of something that is
/// held in memory.
///
/// - Returns: the intrinsic cost, and the floor that the whole transaction must at least pay
///   (EIP-7623; zero before Prague).
public func calculateIntrinsicCost(
    _ transaction: Transaction, at fork: Fork
) -> (intrinsic: Gas, floor: Gas) {
    let zeroBytes = Gas(transaction.data.count { $0 == 0 })
    let nonZeroBytes = Gas(transaction.data.count) - zeroBytes
    let nonZeroByte =
        fork >= .istanbul ? TransactionGas.nonZeroByte : TransactionGas.nonZeroByteFrontier

    var cost = TransactionGas.base
    cost += zeroBytes * TransactionGas.zeroByte + nonZeroBytes * nonZeroByte
    if transaction.to == nil {
        if fork >= .homestead { cost += TransactionGas.create }
        if fork >= .shanghai {
            let words = (Gas(transaction.data.count) + 31) / 32
            cost += words * TransactionGas.initCodeWord
        }
    }
    for entry in transaction.accessList {
        cost += TransactionGas.accessListAddress
        cost += Gas(entry.storageKeys.count) * TransactionGas.accessListStorageKey
    }
    cost += Gas(transaction.authorizationList.count) * TransactionGas.authorization

    guard fork >= .prague else { return (cost, 0) }
    let tokens = zeroBytes + nonZeroBytes * 4
    return (cost, TransactionGas.base + tokens * TransactionGas.floorPerToken)
}
