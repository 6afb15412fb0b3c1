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
        let added = try tip.add(
            recovered.block, senders: recovered.senders, outcome, to: &batch
        ) { (header, root) throws(ChainError) in
            guard header.stateRoot == root else {
                throw .invalidBlock(.stateRoot(have: header.stateRoot, want: root))
            }
        }
        let stored = added.stored
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

extension ChainView {
    /// Puts a block with its outcome on this head into a batch: the block, its receipts and
    /// indexes, the state, the tries, what undoes them, and the head.
    ///
    /// - Parameter complete: gets the header and the state root, and checks or completes it.
    func add(
        _ block: Block, senders: [Address], _ outcome: BlockOutcome, to batch: inout WriteBatch,
        complete: (inout Header, Hash256) throws(ChainError) -> Void
    ) throws(ChainError) -> CommittingBlock {
        var block = block
        var diff = pendingDiff
        diff.merge(outcome.diff)
        let root: Hash256
        do {
            root = try world.apply(
                diff, of: block.header.number, parentRoot: header.stateRoot, to: &batch)
        } catch {
            throw ChainError(error)
        }
        try complete(&block.header, root)
        let stored = StoredBlock(
            hash: block.hash(), block: block, senders: senders,
            transactionHashes: block.transactions.map { $0.hash() },
            totalDifficulty: totalDifficulty &+ block.header.difficulty)
        do {
            try store.write(stored, receipts: outcome.receipts, to: &batch)
        } catch {
            throw ChainError(error)
        }
        return CommittingBlock(
            stored: stored, receipts: outcome.receipts, diff: diff, calls: outcome.calls ?? [])
    }
}
