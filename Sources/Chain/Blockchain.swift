public import EthereumTypes
public import Execution
public import Primitives
import State
public import Storage
import Synchronization

/// The chain: the one place that writes.
///
/// Blocks come in through ``importBlock(_:)-(RecoveredBlock)`` from elsewhere and through
/// ``produce(seal:_:)`` from this node, and both end in the same commit: one batch with the block, its
/// receipts and indexes, the state, the tries, what undoes them, and the head. Where somebody else
/// chooses among branches, ``insertBlock(_:)-(RecoveredBlock)`` keeps blocks beside the chain and
/// ``setHead(_:)`` makes one the head. All methods of the actor run one after the other on a thread of
/// its own. Readers take ``head`` and never wait.
public actor Blockchain {
    /// Where the chain is kept.
    public nonisolated let database: Database
    /// The chain's configuration.
    public nonisolated let config: ChainConfig
    /// Small durable items of other modules.
    public nonisolated let items: ItemStore
    /// The transactions that the pool keeps over a restart.
    public nonisolated let pool: PoolStore

    private nonisolated let options: ChainOptions
    private nonisolated let thread: WriterThread
    private nonisolated let current: Mutex<Head>
    private nonisolated let spent = Mutex(WriterTimes())
    nonisolated let durability: Durability
    nonisolated let observers = Observers()
    nonisolated let bad = Mutex(BadBlocks())

    /// Branches over the present head, the newest last.
    var branches: [Branch] = []
    var outcomes: OutcomeCache
    /// How many blocks were executed, for tests: a block that is inserted and then chosen is one.
    package private(set) var executedBlocks = 0
    var sideBlockCount: Int

    /// Opens the chain in a database, and begins it with the genesis block if the database is
    /// empty.
    ///
    /// - Parameter genesis: what the chain must have begun with. Forks that the chain has not
    ///   reached may be scheduled anew by it. `nil` takes what the database has.
    public static func open(
        database: Database, genesis: Genesis?, options: ChainOptions = ChainOptions()
    ) throws(ChainError) -> Blockchain {
        let view = try ChainView.opening(
            database, genesis: genesis, sync: options.sync,
            recordsCalls: options.participants.contains { $0.needsCalls })
        return Blockchain(
            database: database, view: view, sideBlockCount: try view.sideBlockCount(),
            options: options)
    }

    private init(
        database: Database, view: ChainView, sideBlockCount: Int, options: ChainOptions
    ) {
        self.sideBlockCount = sideBlockCount
        self.database = database
        self.options = options
        outcomes = OutcomeCache(byteLimit: options.outcomeBytes)
        config = view.config
        items = ItemStore(database)
        pool = PoolStore(database)
        current = Mutex(Head(view: view, generation: 0))
        let durability = Durability(database, options.sync)
        self.durability = durability
        thread = WriterThread(every: durability.interval) { durability.syncIfNeeded() }
    }

    deinit {
        thread.stop()
        observers.finish()
    }

    /// The thread that all methods of the actor run on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe thread.asUnownedSerialExecutor()
    }

    /// The last block, with a view of the chain up to it. Never waits.
    public nonisolated var head: Head {
        current.withLock { $0 }
    }

    /// What the database was made for.
    public nonisolated var identity: ChainIdentity { head.view.identity }

    /// The hash of block 0.
    public nonisolated var genesisHash: Hash256 { identity.genesisHash }

    /// Why nothing is written any more, or `nil` as long as the chain can be extended.
    public nonisolated var readOnlyReason: String? { durability.failure }

    /// What the writer has spent its time on so far.
    public nonisolated var writerTimes: WriterTimes { spent.withLock { $0 } }

    /// What happens to the chain from now on, in order.
    ///
    /// - Parameter limit: how many events may wait to be read. A reader that falls further behind
    ///   sees the end of its stream.
    public nonisolated func events(
        limit: Int = ChainLimits.eventsPerSubscriber
    ) -> AsyncStream<ChainEvent> {
        observers.subscribe(limit: limit)
    }

    // MARK: - Blocks from elsewhere

    /// Recovers the senders of a block on all cores, and imports it.
    @discardableResult
    public nonisolated func importBlock(_ block: Block) async throws(ChainError) -> Head {
        try await importBlock(try await recover(block))
    }

    /// Validates and executes a block with all that its header says, and lets it compete for the
    /// head: after the merge it becomes the head, before it if it has more difficulty behind it
    /// than the head. A block on the head is executed with what was changed by hand since.
    ///
    /// - Throws: `alreadyKnown` if it is in the chain, and what
    ///   ``insertBlock(_:)-(RecoveredBlock)`` throws.
    @discardableResult
    public func importBlock(_ recovered: RecoveredBlock) throws(ChainError) -> Head {
        let head = head
        let block = recovered.block
        guard block.header.parentHash == head.hash else {
            guard try !head.view.isCanonical(recovered.hash) else {
                throw .alreadyKnown(recovered.hash)
            }
            let inserted = try insertBlock(recovered)
            return try isBetter(inserted, block.header) ? setHead(inserted.hash) : self.head
        }
        try refuseIfBad(recovered)
        let outcome = try execute(recovered, on: head.view)
        do {
            return try commit(recovered, outcome, on: head).head
        } catch {
            throw remembering(error, recovered, on: head.view)
        }
    }

    /// Executes a block on what a view shows and compares the outcome with its header, but for the
    /// state root.
    func execute(
        _ recovered: RecoveredBlock, on view: ChainView
    ) throws(ChainError) -> BlockOutcome {
        let block = recovered.block
        let begin = ContinuousClock.now
        defer { spent.withLock { $0.execution += ContinuousClock.now - begin } }
        let parent = try view.parentBlock(withAncestors: !block.ommers.isEmpty)
        let first = try firstHeader(on: view, or: block.header)
        executedBlocks += 1
        do {
            return try executeBlock(
                block, senders: recovered.senders, on: parent, config: config,
                isSealed: { options.seal.isSealed($0, in: first) })
        } catch {
            throw remembering(ChainError(error), recovered, on: view)
        }
    }

    /// The header of block 1, which says whether the chain has proof of work. A branch does not bring
    /// its own.
    private func firstHeader(
        on view: ChainView, or header: Header
    ) throws(ChainError) -> Header {
        // Nobody else asks.
        guard options.seal == .proofOfWorkIfAny, !header.isPostMerge else { return header }
        if let own = try head.view.header(1) { return own }
        return try view.header(1) ?? header
    }

    // MARK: - Blocks from here

    /// Builds a block on the head and makes it the head. Nothing is executed twice.
    ///
    /// - Parameters:
    ///   - seal: completes the header once its state root is known, for who signs it.
    ///   - build: builds the block, on the writer's thread; `nil` leaves the chain as it is.
    public func produce(
        seal: @Sendable (inout Header) -> Void = { _ in },
        _ build: @Sendable (Head) throws(ChainError) -> BuiltBlock?
    ) throws(ChainError) -> CommittedBlock? {
        let head = head
        guard let built = try build(head) else { return nil }
        guard built.block.header.parentHash == head.hash else {
            throw .notChildOfHead(parent: built.block.header.parentHash, head: head.hash)
        }
        let view = head.view
        let begin = ContinuousClock.now
        var batch = WriteBatch(for: database)
        var block = built.block
        let diff = view.diff(with: built.outcome)
        block.header.stateRoot = try view.apply(diff, of: block.header.number, to: &batch)
        let rooted = ContinuousClock.now
        seal(&block.header)
        let change = HeadChange(
            before: view, reverted: [],
            committed: [
                view.committing(
                    block, block.hash(), senders: built.senders, built.outcome, diff)
            ])
        let wasBeside = try put(change.committed[0], on: view, &batch)
        let committed = try finish(change, prepare(change), wasBeside: wasBeside, &batch)
        spend(stateRoot: rooted - begin, commit: ContinuousClock.now - rooted)
        return committed
    }

    /// Writes a block from elsewhere, its outcome and the head in one batch, and tells everyone.
    private func commit(
        _ recovered: RecoveredBlock, _ outcome: BlockOutcome, on head: Head
    ) throws(ChainError) -> CommittedBlock {
        let view = head.view
        let begin = ContinuousClock.now
        var batch = WriteBatch(for: database)
        let added = view.committing(recovered, outcome)
        let change = HeadChange(before: view, reverted: [], committed: [added])
        // The header says all, so whoever takes part need not wait for the state root.
        let preparesBeside =
            added.receipts.count >= ChainLimits.receiptsPreparedBeside
            && !options.participants.isEmpty
        let errand = preparesBeside ? Errand { [self] in prepare(change) } : nil
        let applying = ContinuousClock.now
        let rooted: ContinuousClock.Instant
        let wasBeside: Bool
        do {
            let root = try view.apply(added.diff, of: added.stored.number, to: &batch)
            rooted = ContinuousClock.now
            try recovered.block.header.check(stateRoot: root)
            wasBeside = try put(added, on: view, &batch)
        } catch {
            _ = errand?.result()
            throw error
        }
        let steps = errand?.result() ?? prepare(change)
        let committed = try finish(change, steps, wasBeside: wasBeside, &batch)
        spend(
            stateRoot: rooted - applying,
            commit: applying - begin + (ContinuousClock.now - rooted))
        return committed
    }

    private nonisolated func spend(stateRoot: Duration, commit: Duration) {
        spent.withLock { spent in
            spent.stateRoot += stateRoot
            spent.commit += commit
        }
    }

    /// Puts a block into a batch that has its state, and what else goes with the commit.
    ///
    /// - Returns: whether the block was beside the chain.
    private func put(
        _ added: CommittingBlock, on view: ChainView, _ batch: inout WriteBatch
    ) throws(ChainError) -> Bool {
        try view.write(added, to: &batch)
        try pruneHistory(in: view, head: added.stored.number, &batch)
        return try removeFromBeside(added.stored, in: view, &batch)
    }

    /// Writes the batch of a block on the head, and tells everyone.
    private func finish(
        _ change: HeadChange, _ steps: [CommitStep], wasBeside: Bool, _ batch: inout WriteBatch
    ) throws(ChainError) -> CommittedBlock {
        let view = change.before
        let added = change.committed[0]
        let stored = added.stored
        for step in steps { try step(&batch) }
        let next = try write(batch) { (snapshot) throws(ChainError) in
            try ChainView(
                snapshot, config: config, identity: identity, hash: stored.hash,
                header: StoredHeader(
                    header: stored.block.header, totalDifficulty: stored.totalDifficulty),
                pendingOverrides: [], pendingDiff: StateDiff(), recordsCalls: view.recordsCalls)
        }
        if wasBeside { sideBlockCount -= 1 }
        let committed = CommittedBlock(stored: stored, receipts: added.receipts, head: next)
        observers.publish(.committed(committed))
        return committed
    }

    /// Takes a block that becomes the head out of those beside the chain.
    ///
    /// - Returns: whether it was one of them.
    private func removeFromBeside(
        _ stored: StoredBlock, in view: ChainView, _ batch: inout WriteBatch
    ) throws(ChainError) -> Bool {
        guard sideBlockCount > 0 else { return false }
        return try storing { () throws(StorageError) in
            guard try view.store.sideNumber(of: stored.hash) != nil else { return false }
            view.store.removeSideBlock(
                BlockReference(number: stored.number, hash: stored.hash), from: &batch)
            return true
        }
    }

    /// Adds to the batch of a commit the removal of history that is not retained any more.
    func pruneHistory(
        in view: ChainView, head number: BlockNumber, _ batch: inout WriteBatch
    ) throws(ChainError) {
        guard let wanted = options.history.oldest(under: number) else { return }
        try storing { () throws(StorageError) in
            try view.world.pruneHistory(
                before: wanted, limit: ChainLimits.prunedKeysPerCommit, in: &batch)
        }
    }

    /// Removes a part of the history that is not retained any more, without waiting for a block.
    ///
    /// Called again and again in the background it brings the database to a retention that was
    /// lowered. Each call is one batch of bounded size that says how far it came, so that it goes on
    /// after a crash where it was.
    ///
    /// - Returns: how far it is now; `nil` if there was nothing to do.
    public func pruneHistory() throws(ChainError) -> PruningProgress? {
        let view = head.view
        guard let wanted = options.history.oldest(under: view.number), view.oldestState < wanted
        else { return nil }
        var batch = WriteBatch(for: database)
        try pruneHistory(in: view, head: view.number, &batch)
        try durability.writeBuffered(batch)
        // They still show what is removed.
        branches.removeAll()
        try refresh()
        return PruningProgress(oldest: head.view.oldestState, wanted: wanted)
    }

    // MARK: - Backwards

    /// Undoes all blocks after one, in one batch, and what was changed by hand since.
    ///
    /// - Parameters:
    ///   - number: the block that becomes the head; the head itself only drops what is pending.
    ///   - overrides: what is pending afterwards: what was so when a snapshot was taken there.
    ///   - items: small items that change with it, such as a devnet's clock.
    ///   - instanceId: what the database is called from then on, where what follows is another chain
    ///     to its users; nil keeps the name.
    @discardableResult
    public func rollback(
        to number: BlockNumber, overrides: [PreBlockOverride] = [], items: [String: Bytes?] = [:],
        instanceId: Hash256? = nil
    ) throws(ChainError) -> Head {
        let head = head
        let view = head.view
        guard number <= head.number, let target = try view.header(number),
            let hash = try view.canonicalHash(number)
        else { throw .unknownBlock(number) }
        guard number >= view.oldestState else {
            throw .stateUnavailable(number, oldest: view.oldestState)
        }
        var batch = WriteBatch(for: database)
        do {
            try view.store.removeOverrides(from: number + 1, in: &batch)
            if number < head.number {
                let blocks = (number + 1)...head.number
                try view.world.undo(
                    blocks, root: view.header.stateRoot, earlierRoot: target.stateRoot,
                    in: &batch)
                try view.store.remove(
                    blocks, newHead: BlockReference(number: number, hash: hash), from: &batch)
                try view.store.removeFinality(above: number, in: &batch)
            }
            view.store.addOverrides(overrides, before: number + 1, after: 0, to: &batch)
        } catch {
            throw ChainError(error)
        }
        ItemStore.write(items, to: &batch)
        var identity = view.identity
        if let instanceId {
            identity.instanceId = instanceId
            identity.write(to: &batch)
        }
        if number < head.number {
            let reverted = try undoneBlocks((number + 1)...head.number, of: view)
            for step in prepare(HeadChange(before: view, reverted: reverted, committed: [])) {
                try step(&batch)
            }
        }
        let next = try write(batch) { [identity] (snapshot) throws(ChainError) in
            try ChainView(
                snapshot, config: config, identity: identity, recordsCalls: view.recordsCalls)
        }
        if number < head.number {
            observers.publish(
                .reverted(
                    Reversion(blocks: (number + 1)...head.number, before: view, head: next)))
        } else {
            observers.publish(.overridden(next))
        }
        return next
    }

    // MARK: - By hand

    /// Changes the latest state outside any transaction: on a devnet, and only there.
    ///
    /// The changes are seen at once, survive a restart, and belong to the next block.
    @discardableResult
    public func setOverrides(_ overrides: [PreBlockOverride]) throws(ChainError) -> Head {
        let view = head.view
        var diff = view.pendingDiff
        diff.merge(
            try stateReading { () throws(StateReadError) in
                try StateDiff(
                    applying: overrides, to: StateOverlay(base: view.world, diff: diff))
            })
        var batch = WriteBatch(for: database)
        view.store.addOverrides(
            overrides, before: view.number + 1, after: view.pendingOverrides.count, to: &batch)
        let next = try write(batch) { (snapshot) throws(ChainError) in
            try view.with(
                snapshot, pendingOverrides: view.pendingOverrides + overrides, pendingDiff: diff)
        }
        observers.publish(.overridden(next))
        return next
    }

    // MARK: - The end

    /// Brings everything to the disk and refuses further writes. Reads go on.
    public func shutDown() throws(ChainError) {
        do {
            try durability.shutDown()
        } catch {
            throw ChainError(error)
        }
        observers.finish()
    }

    /// Lets those who take part work out what a change of the head means to them.
    nonisolated func prepare(_ change: HeadChange) -> [CommitStep] {
        options.participants.map { $0.prepare(change) }
    }

    /// Writes a batch and makes what it leads to the head.
    func write(
        _ batch: borrowing WriteBatch, view: (Snapshot) throws(ChainError) -> ChainView
    ) throws(ChainError) -> Head {
        try durability.write(batch)
        // They are over what was the head.
        branches.removeAll()
        let next = try view(database.snapshot())
        // What was invalid on a state may not be so on one that is changed by hand.
        if !next.pendingOverrides.isEmpty { bad.withLock { $0 = BadBlocks() } }
        return publish(next)
    }

    /// Lets the head see what was written beside the chain: another generation of the same block.
    public func refresh() throws(ChainError) {
        let view = head.view
        publish(
            try view.with(
                database.snapshot(), pendingOverrides: view.pendingOverrides,
                pendingDiff: view.pendingDiff))
    }

    /// Makes a view the head.
    @discardableResult
    private func publish(_ view: ChainView) -> Head {
        current.withLock { current in
            current = Head(view: view, generation: current.generation + 1)
            return current
        }
    }
}
