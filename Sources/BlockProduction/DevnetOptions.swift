public import Chain
import EthereumTypes
public import Execution
public import Primitives
public import Storage
public import TxPool

/// When a devnet makes blocks.
public enum MiningMode: Hashable, Sendable {
    /// Only when it is told to.
    case manual
    /// As soon as a transaction arrives.
    case automine
    /// At an interval, with transactions or without.
    case interval(Duration)
    /// As soon as a transaction arrives, and at an interval.
    case mixed(Duration)

    /// Whether a transaction gets its block at once.
    public var isAutomining: Bool {
        switch self {
        case .automine, .mixed: true
        case .manual, .interval: false
        }
    }

    /// The time between blocks, if they come by themselves.
    public var interval: Duration? {
        switch self {
        case .interval(let interval), .mixed(let interval): interval
        case .manual, .automine: nil
        }
    }
}

/// What lies between the timestamps of blocks that are made together.
public enum BlockSpacing: Hashable, Sendable {
    /// Every block follows the clock.
    case clock
    /// The clock moves by so many seconds before every block, the first included: `anvil_mine`.
    case beforeEach(UInt64)
    /// The first block follows the clock, each other one its parent by so many seconds, and the clock
    /// moves along: `hardhat_mine`.
    case between(UInt64)
}

/// How a devnet makes blocks.
public struct DevnetOptions: Hashable, Sendable {
    /// When.
    public var mode: MiningMode
    /// Who gets the fees until it is set otherwise.
    public var coinbase: Address
    /// What every header carries, 32 bytes at most.
    public var extraData: Bytes
    /// Transactions a block at most.
    public var maxTransactionsPerBlock: Int
    /// Whether blocks may have one timestamp.
    public var timestampRepetition: TimestampRepetition
    /// Seconds between the timestamps of blocks, whatever the wall clock shows: with it the same
    /// transactions give the same chain on every machine.
    public var blockTimestampInterval: UInt64?

    /// Options; the defaults are a devnet's that makes a block for every transaction.
    ///
    /// - Precondition: `extraData` has at most 32 bytes.
    public init(
        mode: MiningMode = .automine, coinbase: Address = .zero, extraData: Bytes = [],
        maxTransactionsPerBlock: Int = .max, timestampRepetition: TimestampRepetition = .never,
        blockTimestampInterval: UInt64? = nil
    ) {
        precondition(extraData.count <= 32, "a header carries at most 32 bytes of extra data")
        self.mode = mode
        self.coinbase = coinbase
        self.extraData = extraData
        self.maxTransactionsPerBlock = maxTransactionsPerBlock
        self.timestampRepetition = timestampRepetition
        self.blockTimestampInterval = blockTimestampInterval
    }
}

/// What a devnet keeps and does at most.
public enum DevnetLimits {
    /// Snapshots that are kept. Test suites take one for every test and rarely give one back; the
    /// oldest goes first.
    public static let snapshots = 4_096
    /// Blocks of one call: minutes of work, which a cancelled call stops.
    public static let blocksPerCall: UInt64 = 10_000_000
    /// Accounts that are impersonated at a time.
    public static let impersonatedAccounts = 100_000
    /// The shortest time between blocks: below it, a block's own cost is the limit.
    public static let shortestInterval: Duration = .milliseconds(1)
}

/// Why a devnet does not do what it was told.
public enum DevnetError: Error, Sendable {
    /// The pool does not take the transaction.
    case rejected(PoolRejection)
    /// No block could have the transaction, so it was dropped.
    case notIncluded(Hash256, InvalidTransaction)
    /// A timestamp for the next block that is not above the head's.
    case timestampNotAfterHead(given: Timestamp, head: Timestamp)
    /// More blocks at once than ``DevnetLimits/blocksPerCall``.
    case tooManyBlocks(limit: UInt64)
    /// More accounts at once than ``DevnetLimits/impersonatedAccounts``.
    case tooManyImpersonations(limit: Int)
    /// The chain does not take the block, or cannot go back.
    case chain(ChainError)
    /// What was set could not be written down.
    case storage(StorageError)
    /// What an earlier run wrote down cannot be read.
    case corruptedItem(String)
    /// The task that asked for blocks was cancelled before all were made.
    case cancelled
}
