//  Making a block: the same steps as executing one, with a header that is filled in at the end.

public import EVM
public import EthereumTypes
public import Primitives
import State

/// What whoever asks for a block decides about it. Fields that the block's fork lacks are ignored.
public struct PayloadAttributes: Sendable {
    /// Later than the parent's.
    public var timestamp: Timestamp
    /// Who gets the fees.
    public var coinbase: Address
    /// The randomness of the block (EIP-4399).
    public var prevRandao: Hash256
    /// The most gas; see `nextGasLimit` for what a valid block may have.
    public var gasLimit: Gas
    /// At most 32 bytes.
    public var extraData: Bytes
    /// Payments from the consensus layer, from Shanghai on.
    public var withdrawals: [Withdrawal]
    /// From Cancun on (EIP-4788).
    public var parentBeaconBlockRoot: Hash256
    /// A base fee other than the one that follows from the parent (a devnet's setting).
    public var baseFeePerGas: Wei?
    /// Blob gas above the target other than what follows from the parent (a devnet's setting).
    public var excessBlobGas: Gas?

    /// Attributes; what has a default follows from the parent or is empty.
    public init(
        timestamp: Timestamp, coinbase: Address, prevRandao: Hash256, gasLimit: Gas,
        extraData: Bytes = [], withdrawals: [Withdrawal] = [],
        parentBeaconBlockRoot: Hash256 = .zero, baseFeePerGas: Wei? = nil,
        excessBlobGas: Gas? = nil
    ) {
        self.timestamp = timestamp
        self.coinbase = coinbase
        self.prevRandao = prevRandao
        self.gasLimit = gasLimit
        self.extraData = extraData
        self.withdrawals = withdrawals
        self.parentBeaconBlockRoot = parentBeaconBlockRoot
        self.baseFeePerGas = baseFeePerGas
        self.excessBlobGas = excessBlobGas
    }
}

/// A block that is complete but for its state root.
public struct BuiltBlock: Sendable {
    /// The block; its `header.stateRoot` is zero until the root of `outcome.diff` is filled in.
    public var block: Block
    /// The senders of the transactions, in their order.
    public var senders: [Address]
    /// What the transactions and the protocol's own work did.
    public var outcome: BlockOutcome
}

/// A block under construction.
public final class BlockBuilder {
    private var header: Header
    private let withdrawals: [Withdrawal]
    private let executor: BlockExecutor
    private var transactions: [Transaction] = []
    private var senders: [Address] = []

    /// Begins a block: the fields that do not depend on transactions, and the system calls before
    /// them.
    public init(on parent: ParentBlock, attributes: PayloadAttributes, config: ChainConfig) {
        header = Self.header(on: parent, attributes: attributes, config: config)
        withdrawals = attributes.withdrawals
        executor = BlockExecutor(
            context: ExecutionContext(header: header, config: config),
            state: JournaledState(reader: parent.state), recordsCalls: parent.recordsCalls,
            stateRoot: parent.stateRoot)
        executor.beginBlock(
            parentHash: header.parentHash, parentBeaconBlockRoot: header.parentBeaconBlockRoot)
    }

    /// The rules and the block that transactions are executed under.
    public var context: ExecutionContext { executor.context }

    /// Gas left for transactions.
    public var gasLeft: Gas { executor.gasLeft }

    /// Blob gas left for transactions.
    public var blobGasLeft: Gas { executor.blobGasLeft }

    /// How many transactions the block has.
    public var transactionCount: Int { transactions.count }

    /// Executes a transaction as the block's next one. If it is not valid the block is as before.
    @discardableResult
    public func add(
        _ transaction: RecoveredTransaction, tracer: (any Tracer)? = nil
    ) throws(TransactionError) -> TransactionOutcome {
        let outcome = try executor.process(transaction, tracer: tracer)
        transactions.append(transaction.transaction)
        senders.append(transaction.sender)
        return outcome
    }

    /// Ends the block. The builder is of no more use afterwards.
    public func finish() throws(BlockExecutionError) -> BuiltBlock {
        let fork = context.fork
        let outcome = try executor.finishBlock(
            ommers: [], withdrawals: fork >= .shanghai ? withdrawals : [])
        header.transactionsRoot = transactionsRoot(of: transactions)
        header.receiptsRoot = receiptsRoot(of: outcome.receipts)
        header.logsBloom = outcome.logsBloom
        header.gasUsed = outcome.gasUsed
        if fork >= .shanghai { header.withdrawalsRoot = withdrawalsRoot(of: withdrawals) }
        if fork >= .cancun { header.blobGasUsed = outcome.blobGasUsed }
        if fork >= .prague { header.requestsHash = requestsHash(of: outcome.requests) }
        let block = Block(
            header: header, transactions: transactions, ommers: [],
            withdrawals: fork >= .shanghai ? withdrawals : nil)
        return BuiltBlock(block: block, senders: senders, outcome: outcome)
    }

    /// The header of a child of `parent` before any transaction.
    private static func header(
        on parent: ParentBlock, attributes: PayloadAttributes, config: ChainConfig
    ) -> Header {
        let number = parent.header.number &+ 1
        let fork = config.fork(after: parent, timestamp: attributes.timestamp)
        var header = Header(
            parentHash: parent.header.hash(), coinbase: attributes.coinbase, stateRoot: .zero,
            number: number, gasLimit: attributes.gasLimit, timestamp: attributes.timestamp,
            extraData: attributes.extraData, prevRandao: attributes.prevRandao)
        if config.daoForkSupport, DAOFork.marks(number, config: config) {
            header.extraData = DAOFork.extraData
        }
        if fork < .paris {
            header.difficulty = calculateBlockDifficulty(
                number: number, timestamp: attributes.timestamp,
                parentTimestamp: parent.header.timestamp,
                parentDifficulty: parent.header.difficulty,
                parentHasOmmers: parent.header.ommersHash != .emptyOmmers, at: fork)
        }
        if fork >= .london {
            header.baseFeePerGas = attributes.baseFeePerGas ?? nextBaseFee(parent: parent.header)
        }
        if let parameters = config.blobParameters(at: fork) {
            header.excessBlobGas =
                attributes.excessBlobGas
                ?? excessBlobGas(parent: parent.header, parameters: parameters, fork: fork)
            header.parentBeaconBlockRoot = attributes.parentBeaconBlockRoot
        }
        return header
    }
}

extension ChainConfig {
    /// The fork whose rules the block after this one follows.
    ///
    /// - Parameter timestamp: of the block after this one.
    public func fork(after parent: ParentBlock, timestamp: Timestamp) -> Fork {
        fork(
            number: parent.header.number &+ 1, timestamp: timestamp,
            isPostMerge: isMerged(after: parent))
    }

    /// Whether the block after this one has proof of stake (EIP-3675).
    func isMerged(after parent: ParentBlock) -> Bool {
        guard let terminalTotalDifficulty else { return false }
        // A parent with proof of stake says that the merge is done, whatever the sum.
        return parent.totalDifficulty >= terminalTotalDifficulty
            || (parent.header.difficulty.isZero && parent.header.number > 0)
    }
}
