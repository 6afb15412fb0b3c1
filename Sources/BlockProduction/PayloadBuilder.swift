public import EthereumTypes
public import Execution
public import Primitives
public import TxPool

/// Fills a block with transactions: the same for every kind of producer, and for a block that is
/// only looked at.
public struct PayloadBuilder: Sendable {
    private let config: ChainConfig
    private let maxTransactions: Int

    /// - Parameter maxTransactions: transactions a block at most, beside its gas limit.
    public init(config: ChainConfig, maxTransactions: Int = .max) {
        self.config = config
        self.maxTransactions = maxTransactions
    }

    /// A block with the pool's best transactions.
    ///
    /// - Parameter isWanted: leaves out transactions, and with them those of their sender after.
    public func build(
        on parent: ParentBlock, attributes: PayloadAttributes, from pool: TransactionPool,
        where isWanted: (PooledTransaction) -> Bool = { _ in true }
    ) throws(BlockExecutionError) -> Payload {
        let builder = BlockBuilder(on: parent, attributes: attributes, config: config)
        let best = pool.best(
            baseFee: builder.context.baseFeePerGas,
            blobBaseFee: builder.context.block.blobBaseFee)
        return try fill(
            builder, with: best, byteLimit: byteLimit(attributes), where: isWanted)
    }

    /// A block with chosen transactions, in their order.
    public func build(
        on parent: ParentBlock, attributes: PayloadAttributes,
        transactions: [RecoveredTransaction]
    ) throws(BlockExecutionError) -> Payload {
        let builder = BlockBuilder(on: parent, attributes: attributes, config: config)
        var skipped: [SkippedTransaction] = []
        for transaction in transactions {
            if let reason = try add(transaction, to: builder) {
                skipped.append(SkippedTransaction(hash: transaction.hash, reason: reason))
            }
        }
        return Payload(built: try builder.finish(), skipped: skipped)
    }

    /// The bytes that the transactions of a block may have together, so that the encoded block is
    /// no longer than EIP-7934 lets it be: its header and its lists need less than is left here.
    private func byteLimit(_ attributes: PayloadAttributes) -> Int {
        let reserve = 2_048 + 64 * attributes.withdrawals.count
        return maxBlockSize - min(reserve, maxBlockSize)
    }

    private func fill(
        _ builder: BlockBuilder, with transactions: BestTransactions, byteLimit: Int,
        where isWanted: (PooledTransaction) -> Bool
    ) throws(BlockExecutionError) -> Payload {
        var best = transactions
        var skipped: [SkippedTransaction] = []
        var bytesLeft = byteLimit
        while builder.transactionCount < maxTransactions, let candidate = best.first {
            // A typed transaction stands in the block as a string, behind its length.
            let byteCount = candidate.encodedByteCount + 9
            guard isWanted(candidate), byteCount <= bytesLeft else {
                best.skipSender()
                continue
            }
            guard let reason = try add(candidate.recovered, to: builder) else {
                bytesLeft -= byteCount
                best.advance()
                continue
            }
            skipped.append(SkippedTransaction(hash: candidate.hash, reason: reason))
            if case .nonceTooLow = reason {
                // The chain has it already, and the pool will hear of it; the next one may do.
                best.advance()
            } else {
                best.skipSender()
            }
        }
        return Payload(built: try builder.finish(), skipped: skipped)
    }

    /// - Returns: why the block cannot have the transaction, `nil` if it has it.
    private func add(
        _ transaction: RecoveredTransaction, to builder: BlockBuilder
    ) throws(BlockExecutionError) -> InvalidTransaction? {
        do throws(TransactionError) {
            try builder.add(transaction)
            return nil
        } catch {
            switch error {
            case .invalid(let reason): return reason
            case .stateRead(let failure): throw .stateRead(failure)
            }
        }
    }
}

/// A block, and what it could not have.
public struct Payload: Sendable {
    /// The block, complete but for its state root.
    public var built: BuiltBlock
    /// Transactions that were tried and do not fit this block or any.
    public var skipped: [SkippedTransaction]
}

/// A transaction that a block could not have.
public struct SkippedTransaction: Hashable, Sendable {
    /// The transaction.
    public let hash: Hash256
    /// Why.
    public let reason: InvalidTransaction

    package init(hash: Hash256, reason: InvalidTransaction) {
        self.hash = hash
        self.reason = reason
    }

    /// What can become of a transaction that a block could not have.
    public enum Prospect: Hashable, Sendable {
        /// No later block can have it either: the pool may forget it.
        case none
        /// The next block may have it: others took the room.
        case room
        /// It must wait until fees, balances or nonces have changed.
        case change
    }

    /// What can become of it.
    public var prospect: Prospect {
        switch reason {
        case .typeNotSupported, .wrongChainId, .invalidSignature, .nonceTooLow, .nonceOverflow,
            .senderNotEOA, .gasAboveCap, .intrinsicGasTooLow, .floorDataGas, .initCodeTooLarge,
            .priorityFeeAboveFeeCap, .costOverflow, .creationNotAllowed, .noBlobs, .tooManyBlobs,
            .invalidBlobHashVersion, .emptyAuthorizationList:
            .none
        case .gasLimitExceedsBlock, .blobGasExceedsBlock:
            .room
        case .nonceTooHigh, .feeCapBelowBaseFee, .insufficientFunds, .blobFeeCapBelowBlobBaseFee:
            .change
        }
    }
}
