public import EVM
public import EthereumTypes
public import State
public import Storage

/// Who writes into the same batch as the chain: an index that can neither lag behind the chain nor
/// disagree with it.
///
/// The core knows no more of plugins than this. A participant owns column families
/// (``PluginFamily``, declared in ``DatabaseOptions/pluginFamilies``), and is asked once for every
/// batch that moves the head. It must not wait for anything.
public protocol CommitParticipant: AnyObject, Sendable {
    /// Whether it looks at ``CommittingBlock/calls``. Asked once, when the chain is opened.
    var needsCalls: Bool { get }

    /// Works out what a change of the head means to the participant.
    ///
    /// One change at a time, on any thread: for a block with many transactions while its state root
    /// is made. The change may come to nothing, because the root is not that of the header or the
    /// batch is not written; the next call then comes with the same ``HeadChange/before``. So what
    /// lasts is left to the step.
    ///
    /// - Returns: what writes it.
    func prepare(_ change: HeadChange) -> CommitStep
}

/// Writes what a participant has prepared into the batch of the change. Called once, on the writer's
/// thread, if the change is valid.
///
/// A batch that is written moves the head and the index together; one that is not, for whatever
/// reason, moves neither.
///
/// Throws `participantFailed`, and nothing is written, neither of this nor of the block.
public typealias CommitStep = @Sendable (inout WriteBatch) throws(ChainError) -> Void

/// A change of the head in one batch: blocks that are undone, and then blocks that are added.
public struct HeadChange: Sendable {
    /// The chain as the database has it: with the blocks that are undone, without those added.
    public let before: ChainView
    /// The blocks that are undone, newest first. Their bodies and receipts are found by `before`.
    public let reverted: [BlockReference]
    /// The blocks that are added, oldest first.
    public let committed: [CommittingBlock]
}

/// A block about to become part of the chain.
public struct CommittingBlock: Sendable {
    /// The block, with its senders and hashes.
    public let stored: StoredBlock
    /// The receipts, in the order of the transactions.
    public let receipts: [Receipt]
    /// All that the block changed in the state, with what was changed by hand before it. The
    /// `storageRoot` of an account is the one before.
    public let diff: StateDiff
    /// What the transactions called, created and destroyed, in their order; empty unless a
    /// participant needs it.
    public let calls: [CallRecord]

    /// A block with what came of it.
    public init(
        stored: StoredBlock, receipts: [Receipt], diff: StateDiff, calls: [CallRecord]
    ) {
        self.stored = stored
        self.receipts = receipts
        self.diff = diff
        self.calls = calls
    }

    /// The number and the hash of the block.
    public var reference: BlockReference {
        BlockReference(number: stored.number, hash: stored.hash)
    }
}
