public import EthereumTypes
public import Primitives
public import Storage

/// The last block of the chain, with a view of everything up to it.
public struct Head: Sendable {
    /// The chain at this head.
    public let view: ChainView
    /// Goes up by one with each head that this process makes public: also where the block stays the
    /// same and the latest state, the oldest retained one or the safe block changes. What is read
    /// through views of one generation is the same.
    public let generation: UInt64

    /// The header of the block.
    public var header: Header { view.header }
    /// The hash of the block.
    public var hash: Hash256 { view.hash }
    /// The number of the block.
    public var number: BlockNumber { view.number }
    /// The difficulty of the chain up to and with the block.
    public var totalDifficulty: UInt256 { view.totalDifficulty }
}

/// A block that has become the head.
public struct CommittedBlock: Sendable {
    /// The block, with its senders and hashes.
    public let stored: StoredBlock
    /// The receipts, in the order of the transactions.
    public let receipts: [Receipt]
    /// The chain with the block as its head; in a reorganisation, which makes several blocks the
    /// chain at once, with the last of them as its head.
    public let head: Head

    /// The hash of the block.
    public var hash: Hash256 { stored.hash }
    /// The block itself.
    public var block: Block { stored.block }

    /// The wanted logs of the block, in their order.
    public func logs(matching filter: LogFilter) -> [LocatedLog] {
        filter.locate(
            in: receipts, block: BlockReference(number: stored.number, hash: stored.hash),
            timestamp: block.header.timestamp, transactionHashes: stored.transactionHashes)
    }
}

/// Blocks that are no longer in the chain.
public struct Reversion: Sendable {
    /// The numbers of the blocks.
    public let blocks: ClosedRange<BlockNumber>
    /// The chain as it was with them.
    public let before: ChainView
    /// The chain without them. In a reorganisation, with the blocks that take their place, which
    /// are announced next.
    public let head: Head

    /// Whether blocks that take the place of the undone ones are announced next.
    public var isReplacement: Bool { head.number >= blocks.lowerBound }
}

/// What happened to the chain.
public enum ChainEvent: Sendable {
    /// A block became the head.
    case committed(CommittedBlock)
    /// Blocks were undone.
    case reverted(Reversion)
    /// The latest state was changed by hand; the head is the same block.
    case overridden(Head)
}
