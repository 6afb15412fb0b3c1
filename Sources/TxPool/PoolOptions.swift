public import Primitives

/// How much the pool keeps. Every limit is on something that a sender could otherwise grow without
/// paying for it.
public struct PoolLimits: Hashable, Sendable {
    /// Transactions in all. A few full blocks of transfers: what lies deeper would wait for
    /// minutes, and a rescan of the pool after a block stays within tens of milliseconds.
    public var transactions = 10_000
    /// Transactions of one sender. A test script sends hundreds in a row; a fifth of the pool
    /// leaves room for the others.
    public var transactionsPerSender = 2_000
    /// Transactions of one sender that wait for an earlier nonce (geth's `AccountQueue` is 64).
    public var queuedPerSender = 256
    /// Bytes of all transactions and blobs in memory.
    public var bytes = 256 << 20
    /// Bytes of a transaction without blobs: geth's `txMaxSize`.
    public var transactionBytes = 128 << 10
    /// Blob transactions in all: each holds up to six blobs of 128 KiB.
    public var blobTransactions = 200
    /// Transactions that a subscriber may fall behind before its stream ends.
    public var eventsPerSubscriber = 4_096

    /// The limits of a node.
    public init() {}
}

/// Which of two senders' transactions comes first in a block.
public enum TransactionOrder: Hashable, Sendable {
    /// The one that pays the coinbase more; of equals the earlier.
    case fees
    /// The one that arrived earlier.
    case arrival
}

/// Whom the pool serves.
public enum PoolPolicy: Hashable, Sendable {
    /// A network: transactions wait until the base fee falls to what they pay, and every sender
    /// has signed.
    case network
    /// A developer's chain: who sends a transaction that the next block cannot take is told so at
    /// once, and senders may be impersonated.
    case devnet
}

/// How the pool works.
public struct PoolOptions: Hashable, Sendable {
    /// Whom the pool serves.
    public var policy: PoolPolicy
    /// The order in blocks.
    public var order: TransactionOrder
    /// Wei per gas that a transaction must at least offer the coinbase.
    public var minimumTip: Wei
    /// Whether a sender must own what its transactions may cost.
    public var checksBalance: Bool
    /// How much the pool keeps.
    public var limits: PoolLimits

    /// Options; the defaults are a private network's.
    public init(
        policy: PoolPolicy = .network, order: TransactionOrder = .fees, minimumTip: Wei = .zero,
        checksBalance: Bool = true, limits: PoolLimits = PoolLimits()
    ) {
        self.policy = policy
        self.order = order
        self.minimumTip = minimumTip
        self.checksBalance = checksBalance
        self.limits = limits
    }
}

/// By how much a transaction must outbid the one it replaces.
package enum ReplacementRule {
    /// Per cent on each fee cap: geth's `PriceBump`.
    static let bump: UInt64 = 10
    /// The same where blobs are involved, whose propagation costs more: geth's blob pool.
    static let blobBump: UInt64 = 100

    /// The fee that is enough to replace one.
    package static func threshold(over fee: Wei, bump: UInt64) -> Wei {
        let (product, overflow) = fee.multipliedReportingOverflow(by: UInt256(100 + bump))
        guard !overflow else { return .max }
        // Strictly more, also where per cents vanish.
        return max(product / 100, fee == .max ? fee : fee &+ .one)
    }
}
