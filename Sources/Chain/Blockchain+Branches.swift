public import EthereumTypes
import Execution
public import Primitives
import State
import Storage

// Blocks beside the chain, and the choice among branches.
//
//     insertBlock ── validated, executed on a branch in memory, kept in `side_blocks`
//     setHead ────── the branch's batch is written: undo to the fork and all its blocks, at once
//
// A branch stays in memory until the head changes, and the outcomes of blocks longer, so a block
// that is inserted and then chosen is executed once.
//
// What was changed by hand on a devnet belongs to the block that it was pending for when that block
// was inserted or made, and goes with it. What is pending on a head that is undone is dropped.

/// What became of a block that was inserted.
public struct InsertedBlock: Hashable, Sendable {
    /// The hash of the block.
    public let hash: Hash256
    /// The number of the block.
    public let number: BlockNumber
    /// Whether the block is in the chain, not beside it.
    public let isCanonical: Bool
}

extension Blockchain {
    /// Recovers the senders of a block on all cores, and inserts it.
    @discardableResult
    public nonisolated func insertBlock(
        _ block: Block
    ) async throws(ChainError) -> InsertedBlock {
        try await insertBlock(try await recover(block))
    }

    /// Validates and executes a block on any known block whose state can be reached, and keeps it
    /// beside the chain. Never moves the head. A block that is known gives its standing again.
    ///
    /// - Throws: `invalidBlock`, `invalidAncestor`, `unknownParent`, `stateUnavailable` if the
    ///   branch begins before the retained history, `branchTooLong`, or a failure of the store.
    @discardableResult
    public func insertBlock(
        _ recovered: RecoveredBlock
    ) throws(ChainError) -> InsertedBlock {
        let view = head.view
        let block = recovered.block
        if let number = try view.number(of: recovered.hash) {
            return InsertedBlock(
                hash: recovered.hash, number: number,
                isCanonical: try view.isCanonical(recovered.hash))
        }
        try refuseIfBad(recovered)
        guard try view.number(of: block.header.parentHash) != nil else {
            throw .unknownParent(block.header.parentHash)
        }
        let branch = try takeBranch(to: block.header.parentHash)
        guard branch.blocks.count < ChainLimits.sideBlocks else {
            keep(branch)
            throw .branchTooLong(limit: ChainLimits.sideBlocks)
        }
        let parent = branch.tip
        let outcome: BlockOutcome
        do {
            outcome = try execute(recovered, on: parent)
        } catch {
            // Nothing was added to the branch.
            keep(branch)
            throw error
        }
        let stored: StoredBlock
        do {
            stored = try branch.append(recovered, outcome)
        } catch {
            throw remembering(error, recovered, on: parent)
        }
        outcomes.insert(outcome, of: stored.hash)

        var batch = WriteBatch(for: database)
        view.store.writeSideBlock(
            stored, overrides: parent.pendingOverrides, to: &batch)
        try makeRoom(on: branch, in: view, &batch)
        try durability.writeBuffered(batch)
        sideBlockCount += 1
        try refresh()
        keep(branch)
        return InsertedBlock(hash: stored.hash, number: stored.number, isCanonical: false)
    }

    /// Makes a known block the head, in one batch: the blocks of the chain that it does not build
    /// on are undone and kept beside the chain, and those of its branch take their place.
    @discardableResult
    public func setHead(_ hash: Hash256) throws(ChainError) -> Head {
        let head = head
        guard hash != head.hash else { return head }
        guard let number = try head.view.number(of: hash) else { throw .unknownHash(hash) }
        let branch =
            try head.view.isCanonical(hash)
            ? try Branch(on: head.view, from: number) : try takeBranch(to: hash)
        return try commit(branch)
    }

    /// Records what the consensus layer holds for safe and for final. Survives a restart; a
    /// reorganisation that undoes such a block forgets it. `nil` leaves what was.
    ///
    /// - Throws: `unknownHash` or `notCanonical` if a block is not in the chain.
    public func setFinality(safe: Hash256?, finalized: Hash256?) throws(ChainError) {
        let view = head.view
        let safe = try safe.map { (hash) throws(ChainError) in try view.canonical(hash) }
        let finalized = try finalized.map { (hash) throws(ChainError) in
            try view.canonical(hash)
        }
        guard safe ?? view.safe != view.safe || finalized ?? view.finalized != view.finalized
        else { return }
        var batch = WriteBatch(for: database)
        view.store.writeFinality(safe: safe, finalized: finalized, to: &batch)
        if let finalized, sideBlockCount > 0 {
            sideBlockCount -= try removeSideBlocks(in: view, &batch) { block in
                block.number <= finalized.number
            }.count
        }
        try durability.write(batch)
        // Their batches forget what was safe or final before, and may hold blocks removed here.
        branches.removeAll()
        try refresh()
    }

    /// Blocks that were found invalid, the newest first.
    public nonisolated var badBlocks: [BadBlock] {
        bad.withLock { $0.blocks }
    }

    /// What is remembered of a block that was found invalid; `nil` of any other, and of one that was
    /// so long ago.
    public nonisolated func invalidity(of hash: Hash256) -> Invalidity? {
        bad.withLock { $0.facts[hash] }
    }

    /// Remembers a block that builds on one that was found invalid, without looking at it. Nothing
    /// happens if its parent was not.
    public nonisolated func refuseDescendant(_ block: Block, _ hash: Hash256) {
        bad.withLock { _ = $0.refusal(of: block, hash) }
    }

    // MARK: - Choosing

    /// Whether a block that was inserted is to be the head, where nobody else chooses: any block
    /// after the merge; before it one with more difficulty behind it, and of two with the same the
    /// one that was seen first. Work undoes no block after the merge (EIP-3675).
    func isBetter(_ inserted: InsertedBlock, _ header: Header) throws(ChainError) -> Bool {
        if header.isPostMerge { return true }
        let view = head.view
        guard !view.header.isPostMerge else { return false }
        let stored = try storing { () throws(StorageError) in
            try view.store.header(
                BlockReference(number: inserted.number, hash: inserted.hash))
        }
        guard let stored else { throw .unknownHash(inserted.hash) }
        return stored.totalDifficulty > view.totalDifficulty
    }

    private func commit(_ branch: Branch) throws(ChainError) -> Head {
        let change = HeadChange(
            before: branch.base, reverted: try undoneBlocks(branch.undone, of: branch.base),
            committed: branch.blocks)
        try branch.finish { (tip, batch) throws(ChainError) in
            try pruneHistory(in: tip, head: tip.number, &batch)
            for step in prepare(change) { try step(&batch) }
        }
        let tip = branch.tip
        let head = try write(branch.batch) { (snapshot) throws(ChainError) in
            try tip.with(
                snapshot, pendingOverrides: tip.pendingOverrides, pendingDiff: tip.pendingDiff)
        }
        sideBlockCount += change.reverted.count - change.committed.count
        if let undone = branch.undone {
            observers.publish(
                .reverted(Reversion(blocks: undone, before: branch.base, head: head)))
        }
        for block in change.committed {
            observers.publish(
                .committed(
                    CommittedBlock(stored: block.stored, receipts: block.receipts, head: head)))
        }
        return head
    }

    /// The blocks of a chain that are undone, the newest first.
    func undoneBlocks(
        _ numbers: ClosedRange<BlockNumber>?, of view: ChainView
    ) throws(ChainError) -> [BlockReference] {
        guard let numbers else { return [] }
        var blocks: [BlockReference] = []
        for number in numbers.reversed() {
            guard let hash = try view.canonicalHash(number) else { throw .unknownBlock(number) }
            blocks.append(BlockReference(number: number, hash: hash))
        }
        return blocks
    }

    // MARK: - Branches

    /// The branch that ends with a known block: one that is at hand, or else one that is made
    /// from the store. It is taken out of those at hand, because it may be changed.
    private func takeBranch(to hash: Hash256) throws(ChainError) -> Branch {
        let view = head.view
        // Back from the block to what is at hand, or to the chain.
        var path: [Hash256] = []
        var next = hash
        var found: Branch?
        while found == nil, try !view.isCanonical(next) {
            if let index = branches.firstIndex(where: { $0.tip.hash == next }) {
                found = branches.remove(at: index)
            } else {
                guard let header = try view.header(hash: next) else {
                    throw .unknownParent(next)
                }
                path.append(next)
                next = header.parentHash
            }
        }
        let branch: Branch
        if let found {
            branch = found
        } else {
            guard let fork = try view.number(of: next) else { throw .unknownParent(next) }
            branch = try Branch(on: view, from: fork)
        }
        for hash in path.reversed() { try extend(branch, withSideBlock: hash) }
        return branch
    }

    private func extend(_ branch: Branch, withSideBlock hash: Hash256) throws(ChainError) {
        let view = head.view
        guard let stored = try view.block(hash: hash) else { throw .unknownHash(hash) }
        let overrides = try storing { () throws(StorageError) in
            try view.store.sideOverrides(
                before: BlockReference(number: stored.number, hash: hash))
        }
        try branch.override(with: overrides)
        let recovered = RecoveredBlock(stored.block, senders: stored.senders)
        let outcome =
            if let known = outcomes[hash] { known } else {
                try execute(recovered, on: branch.tip)
            }
        try branch.append(recovered, outcome)
        outcomes.insert(outcome, of: hash)
    }

    private func keep(_ branch: Branch) {
        branches.append(branch)
        if branches.count > ChainLimits.branches { branches.removeFirst() }
    }

    // MARK: - Invalid blocks

    /// Throws if a block, or one that it builds on, was found invalid before.
    func refuseIfBad(_ recovered: RecoveredBlock) throws(ChainError) {
        let reason = bad.withLock { $0.refusal(of: recovered.block, recovered.hash) }
        if let reason { throw reason }
    }

    /// Remembers a block if an error is the block's own fault, and gives the error back.
    ///
    /// The hash is that of the header. A wrong body says nothing about the block that the header
    /// belongs to, so it is not remembered; nor is what may only be wrong with what was changed by
    /// hand.
    nonisolated func remembering(
        _ error: ChainError, _ recovered: RecoveredBlock, on view: ChainView
    ) -> ChainError {
        if case .invalidBlock = error, view.pendingOverrides.isEmpty {
            remember(recovered.block, recovered.hash, error)
        }
        return error
    }

    private nonisolated func remember(_ block: Block, _ hash: Hash256, _ error: ChainError) {
        guard block.bodyIsThatOfHeader else { return }
        bad.withLock { $0.insert(block, hash, reason: error) }
    }

    /// Recovers the senders of a block.
    nonisolated func recover(_ block: Block) async throws(ChainError) -> RecoveredBlock {
        do {
            return try await RecoveredBlock.recovering(block, config: config)
        } catch {
            remember(block, block.hash(), error)
            throw error
        }
    }

    // MARK: - Blocks beside the chain

    /// Removes the lowest blocks beside the chain, and what builds on them, so that there is room for
    /// one more on a branch, whose own blocks stay.
    private func makeRoom(
        on branch: Branch, in view: ChainView, _ batch: inout WriteBatch
    ) throws(ChainError) {
        guard sideBlockCount >= ChainLimits.sideBlocks else { return }
        let kept = Set(branch.blocks.map(\.stored.hash))
        // Many at once, so that seldom all of them are gone through.
        var left = sideBlockCount - ChainLimits.sideBlocks + ChainLimits.sideBlocks / 8
        let removed = try removeSideBlocks(in: view, &batch) { block in
            guard left > 0, !kept.contains(block.hash) else { return false }
            left -= 1
            return true
        }
        sideBlockCount -= removed.count
        branches.removeAll { $0.blocks.contains { removed.contains($0.stored.hash) } }
    }

    /// Removes blocks beside the chain, and with each all that build on it: without it they could
    /// never be the chain.
    ///
    /// - Parameter isUnwanted: is asked from the lowest block up.
    /// - Returns: the hashes of those that are removed.
    private func removeSideBlocks(
        in view: ChainView, _ batch: inout WriteBatch,
        where isUnwanted: (BlockReference) -> Bool
    ) throws(ChainError) -> Set<Hash256> {
        var removed: Set<Hash256> = []
        try storing { () throws(StorageError) in
            let store = view.store
            try store.forEachSideBlock { (block) throws(StorageError) in
                if !isUnwanted(block) {
                    guard let parent = try store.header(block)?.header.parentHash else {
                        throw .corrupted("the header of side block \(block.hash) is missing")
                    }
                    let isReachable = try store.number(of: parent) != nil
                    guard !isReachable || removed.contains(parent) else { return true }
                }
                removed.insert(block.hash)
                store.removeSideBlock(block, from: &batch)
                return true
            }
        }
        return removed
    }
}

extension ChainView {
    /// The reference to a block that must be in the chain.
    fileprivate func canonical(_ hash: Hash256) throws(ChainError) -> BlockReference {
        guard let number = try number(of: hash) else { throw .unknownHash(hash) }
        guard try canonicalHash(number) == hash else { throw .notCanonical(hash) }
        return BlockReference(number: number, hash: hash)
    }

    /// How many blocks there are beside the chain.
    func sideBlockCount() throws(ChainError) -> Int {
        var count = 0
        try storing { () throws(StorageError) in
            try store.forEachSideBlock { _ in
                count += 1
                return true
            }
        }
        return count
    }
}

extension Block {
    /// Whether the body is the one that the header commits to.
    fileprivate var bodyIsThatOfHeader: Bool {
        header.transactionsRoot == transactionsRoot(of: transactions)
            && header.ommersHash == ommersHash(of: ommers)
            && header.withdrawalsRoot == withdrawals.map { withdrawalsRoot(of: $0) }
    }
}
