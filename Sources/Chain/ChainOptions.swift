public import Primitives

/// When a commit is brought to the disk.
public enum SyncMode: Hashable, Sendable {
    /// Before the commit returns: nothing is lost at a power failure.
    case everyBlock
    /// At most so much later. A killed process loses nothing, a power failure the blocks since.
    case interval(milliseconds: UInt64)
}

/// How many blocks back the state can be read and blocks can be undone.
public enum HistoryRetention: Hashable, Sendable {
    /// To the beginning, or as far as it was retained before.
    case all
    /// So many blocks before the head; 0 is taken for 1, because the head is always undoable.
    case blocks(UInt64)

    /// The first block whose state is to be retained under a head; `nil` if nothing is to go.
    func oldest(under head: BlockNumber) -> BlockNumber? {
        guard case .blocks(let count) = self, head > max(count, 1) else { return nil }
        return head - max(count, 1)
    }
}

/// How far the removal of old history has come.
public struct PruningProgress: Hashable, Sendable {
    /// The first block whose state can still be read.
    public let oldest: BlockNumber
    /// The first block whose state is to be retained.
    public let wanted: BlockNumber
}

/// How the chain is kept.
public struct ChainOptions: Sendable {
    /// When commits are brought to the disk.
    public var sync: SyncMode
    /// How much history is retained. May change at any start.
    public var history: HistoryRetention
    /// What the seals of blocks from elsewhere must prove.
    public var seal: SealRule
    /// Bytes of memory for what came of blocks beside the chain, and of those that just joined it,
    /// so that none is executed twice.
    public var outcomeBytes = 32 << 20
    /// Who writes into the batch of each block, in this order.
    public var participants: [any CommitParticipant] = []

    /// Options; the defaults are those of a node that makes the blocks itself.
    public init(
        sync: SyncMode = .everyBlock, history: HistoryRetention = .all,
        seal: SealRule = .unchecked
    ) {
        self.sync = sync
        self.history = history
        self.seal = seal
    }
}

/// The bounds of the chain's work and queues.
public enum ChainLimits {
    /// Keys of old history that one commit removes: a few milliseconds, and more than a block
    /// usually adds, so that a lowered retention is reached.
    public static let prunedKeysPerCommit = 20_000
    /// Blocks beside the chain that are kept; the lowest ones go first. The deepest branch that can
    /// be put together from single blocks.
    public static let sideBlocks = 8192
    /// Branches whose changes are held in memory, ready to be committed: siblings that a consensus
    /// layer cannot choose between.
    static let branches = 2
    /// Outcomes of blocks that are held in memory, so that a branch is not executed again when it
    /// becomes the chain: four epochs of the main network. ``ChainOptions/outcomeBytes`` bounds them
    /// as well.
    static let outcomes = 128
    /// Invalid blocks that are held with their bodies, for whoever wants to look at them.
    public static let badBlocks = 16
    /// Invalid blocks that are refused at once when they, or children of theirs, come again.
    static let badHashes = 4096
    /// Changed keys that are gone through for a proof of an earlier block: seconds of work at most,
    /// and some tens of megabytes.
    public static let changesPerProof = 500_000
    /// Events that a subscriber may fall behind. Each holds a view of the database.
    public static let eventsPerSubscriber = 1024
    /// The writer's stack: precompiles and tries need a part of a megabyte.
    static let writerStackBytes = 16 << 20
    /// Transactions for which spreading the recovery of senders over cores costs more than it
    /// saves.
    static let sendersPerTask = 16
    /// Transactions from which on those who take part in a commit work beside the state root: a
    /// millisecond of work, so that another thread has begun with it in time.
    static let receiptsPreparedBeside = 64
}
