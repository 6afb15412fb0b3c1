import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// A branch of the chain as it would be committed: one batch that undoes the head's blocks down to
/// where the branch begins, and has its blocks on top.
///
/// The batch is readable, so ``tip`` is a view like any other: blocks are executed on it, and their
/// state roots are made in it, before anything is written. To make the branch the chain is to write
/// the batch.
///
///     base ── the head, undone back to `fork`
///     fork ┬─ … base
///          └─ blocks[0] ─ … ─ tip
final class Branch {
    /// The head that the changes are over.
    let base: ChainView
    /// The blocks of the chain that are not in the branch, if there are any.
    let undone: ClosedRange<BlockNumber>?
    /// The blocks of the branch, the oldest first.
    private(set) var blocks: [CommittingBlock] = []
    /// The chain up to the last block of the branch.
    private(set) var tip: ChainView
    /// All changes together.
    private(set) var batch: WriteBatch

    /// The number of the last block that the branch has in common with the chain.
    var fork: BlockNumber { undone.map { $0.lowerBound - 1 } ?? base.number }

    /// A branch without blocks: the chain up to one of its blocks. The blocks after it are kept
    /// beside the chain, and what was changed by hand since the head is dropped with them.
    init(on base: ChainView, from fork: BlockNumber) throws(ChainError) {
        self.base = base
        var batch = WriteBatch(readableOver: base.snapshot)
        if fork < base.number {
            let undone = (fork + 1)...base.number
            guard let target = try base.header(fork), let hash = try base.canonicalHash(fork)
            else { throw .unknownBlock(fork) }
            guard fork >= base.oldestState else {
                throw .stateUnavailable(fork, oldest: base.oldestState)
            }
            try storing { () throws(StorageError) in
                try base.store.setAside(undone, in: &batch)
                try base.store.removeOverrides(from: fork + 1, in: &batch)
                try base.world.undo(
                    undone, root: base.header.stateRoot, earlierRoot: target.stateRoot,
                    in: &batch)
                try base.store.remove(
                    undone, newHead: BlockReference(number: fork, hash: hash), from: &batch)
                try base.store.removeFinality(above: fork, in: &batch)
            }
            self.undone = undone
            tip = try ChainView(
                batch.view, config: base.config, identity: base.identity,
                recordsCalls: base.recordsCalls)
        } else {
            undone = nil
            tip = try base.with(
                batch.view, pendingOverrides: base.pendingOverrides,
                pendingDiff: base.pendingDiff)
        }
        self.batch = batch
    }

    /// Makes these changes by hand the ones that the next block begins with.
    func override(with overrides: [PreBlockOverride]) throws(ChainError) {
        guard overrides != tip.pendingOverrides else { return }
        try storing { () throws(StorageError) in
            try tip.store.removeOverrides(from: tip.number + 1, in: &batch)
            tip.store.addOverrides(overrides, before: tip.number + 1, after: 0, to: &batch)
        }
        let world = tip.world
        let diff = try stateReading { () throws(StateReadError) in
            try StateDiff(applying: overrides, to: world)
        }
        tip = try tip.with(batch.view, pendingOverrides: overrides, pendingDiff: diff)
    }

    /// Adds a block that was executed on the tip. After a failure the branch is of no more use.
    @discardableResult
    func append(
        _ recovered: RecoveredBlock, _ outcome: BlockOutcome
    ) throws(ChainError) -> StoredBlock {
        let added = tip.committing(recovered, outcome)
        let stored = added.stored
        let root = try tip.apply(added.diff, of: stored.number, to: &batch)
        try stored.block.header.check(stateRoot: root)
        try tip.write(added, to: &batch)
        tip.store.removeSideBlock(
            BlockReference(number: stored.number, hash: stored.hash), from: &batch)
        tip = try ChainView(
            batch.view, config: base.config, identity: base.identity, hash: stored.hash,
            header: StoredHeader(
                header: stored.block.header, totalDifficulty: stored.totalDifficulty),
            pendingOverrides: [], pendingDiff: StateDiff(), recordsCalls: base.recordsCalls)
        blocks.append(added)
        return stored
    }

    /// Adds to the changes what goes with the commit.
    func finish(
        _ body: (ChainView, inout WriteBatch) throws(ChainError) -> Void
    ) throws(ChainError) {
        try body(tip, &batch)
    }
}

// What a block on a head is committed with, in the order of the steps.

extension ChainView {
    /// All that a block changes in the state, with what was changed by hand before it.
    func diff(with outcome: BlockOutcome) -> StateDiff {
        var diff = pendingDiff
        diff.merge(outcome.diff)
        return diff
    }

    /// A block from elsewhere on this head, with what came of it.
    func committing(_ recovered: RecoveredBlock, _ outcome: BlockOutcome) -> CommittingBlock {
        committing(
            recovered.block, recovered.hash, senders: recovered.senders, outcome,
            diff(with: outcome))
    }

    /// A block on this head, with what came of it.
    func committing(
        _ block: Block, _ hash: Hash256, senders: [Address], _ outcome: BlockOutcome,
        _ diff: StateDiff
    ) -> CommittingBlock {
        CommittingBlock(
            stored: StoredBlock(
                hash: hash, block: block, senders: senders,
                transactionHashes: block.transactions.map { $0.hash() },
                totalDifficulty: totalDifficulty &+ block.header.difficulty),
            receipts: outcome.receipts, diff: diff, calls: outcome.calls ?? [])
    }

    /// Puts what a block changes into a batch: the state, its history, and the tries.
    ///
    /// - Returns: the state root after the block.
    func apply(
        _ diff: StateDiff, of number: BlockNumber, to batch: inout WriteBatch
    ) throws(ChainError) -> Hash256 {
        do {
            return try world.apply(
                diff, of: number, parentRoot: header.stateRoot, to: &batch)
        } catch {
            throw ChainError(error)
        }
    }

    /// Puts a block into a batch: its parts, its receipts and indexes, and the head.
    func write(_ added: CommittingBlock, to batch: inout WriteBatch) throws(ChainError) {
        try storing { () throws(StorageError) in
            try store.write(added.stored, receipts: added.receipts, to: &batch)
        }
    }
}

extension Header {
    /// - Throws: `invalidBlock` if the state root is another one than the header says.
    func check(stateRoot root: Hash256) throws(ChainError) {
        guard stateRoot == root else {
            throw .invalidBlock(.stateRoot(have: stateRoot, want: root))
        }
    }
}
