public import EVM
public import EthereumTypes
public import State
public import Storage

/// Who writes into the same batch as the chain: an index that can neither lag behind the chain nor
/// disagree with it.
///
/// The core knows no more of plugins than this. A participant owns column families
/// (``PluginFamily``, declared in ``DatabaseOptions/pluginFamilies``), and is called on the
/// writer's thread, once for every batch that moves the head. It must not wait for anything.
public protocol CommitParticipant: AnyObject, Sendable {
    /// Whether it looks at ``CommittingBlock/calls``. Asked once, when the chain is opened.
    var needsCalls: Bool { get }

    /// Writes what a change of the head means to the participant.
    ///
    /// A batch that is written moves the head and this index together; one that is not, for
    /// whatever reason, moves neither, and the next call comes with the same ``HeadChange/before``.
    ///
    /// - Throws: `participantFailed`, and nothing is written, neither of this nor of the block.
    func write(_ change: HeadChange, to batch: inout WriteBatch) throws(ChainError)
}

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
