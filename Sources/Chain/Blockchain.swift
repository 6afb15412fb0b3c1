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
/// receipts and indexes, the state, the tries, what undoes them, and the head. All methods of the
/// actor run one after the other on a thread of its own. Readers take ``head`` and never wait.
public actor Blockchain {
    /// Where the chain is kept.
    public nonisolated let database: Database
    /// The chain's configuration.
    public nonisolated let config: ChainConfig
    /// What the database was made for.
    public nonisolated let identity: ChainIdentity
    /// Small durable items of other modules.
    public nonisolated let items: ItemStore
    /// The transactions that the pool keeps over a restart.
    public nonisolated let pool: PoolStore

    private nonisolated let options: ChainOptions
    private nonisolated let thread: WriterThread
    private nonisolated let current: Mutex<Head>
    private nonisolated let durability: Durability
    private nonisolated let observers = Observers()

    /// Opens the chain in a database, and begins it with the genesis block if the database is
    /// empty.
    ///
    /// - Parameter genesis: what the chain must have begun with. Forks that the chain has not
    ///   reached may be scheduled anew by it. `nil` takes what the database has.
    public static func open(
        database: Database, genesis: Genesis?, options: ChainOptions = ChainOptions()
    ) throws(ChainError) -> Blockchain {
        let view = try ChainView.opening(
            database, genesis: genesis,
            recordsCalls: options.participants.contains { $0.needsCalls })
        return Blockchain(database: database, view: view, options: options)
    }

    private init(database: Database, view: ChainView, options: ChainOptions) {
        self.database = database
        self.options = options
        config = view.config
        identity = view.identity
        items = ItemStore(database)
        pool = PoolStore(database)
        current = Mutex(Head(view: view))
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

    /// The hash of block 0.
    public nonisolated var genesisHash: Hash256 { identity.genesisHash }

    /// Why nothing is written any more, or `nil` as long as the chain can be extended.
    public nonisolated var readOnlyReason: String? { durability.failure }

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
        let recovered = try await RecoveredBlock.recovering(block, config: config)
        return try await importBlock(recovered)
    }

    /// Validates and executes a block on the head, with what was changed by hand since, checks all
    /// that its header says, and makes it the head.
    @discardableResult
    public func importBlock(_ recovered: RecoveredBlock) throws(ChainError) -> Head {
        let head = head
        let block = recovered.block
        guard block.header.parentHash == head.hash else {
            throw try refusal(of: recovered, head: head)
        }
        let parent = try head.view.parentBlock(withAncestors: !block.ommers.isEmpty)
        let outcome: BlockOutcome
        do {
            outcome = try executeBlock(
                block, senders: recovered.senders, on: parent, config: config)
        } catch {
            throw ChainError(error)
        }
        return try commit(block, senders: recovered.senders, outcome, on: head) {
            (header, root) throws(ChainError) in
            guard header.stateRoot == root else {
                throw .invalidBlock(.stateRoot(have: header.stateRoot, want: root))
            }
        }.head
    }

    private func refusal(
        of recovered: RecoveredBlock, head: Head
    ) throws(ChainError) -> ChainError {
        if try head.view.number(of: recovered.hash) != nil { return .alreadyKnown(recovered.hash) }
        let parent = recovered.block.header.parentHash
        return try head.view.number(of: parent) == nil
            ? .unknownParent(parent) : .notChildOfHead(parent: parent, head: head.hash)
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
        return try commit(built.block, senders: built.senders, built.outcome, on: head) {
            (header, root) throws(ChainError) in
            header.stateRoot = root
            seal(&header)
        }
    }

    /// Writes a block, its outcome and the head in one batch, and tells everyone.
    ///
    /// - Parameter complete: gets the header and the state root, and checks or completes it.
    private func commit(
        _ block: Block, senders: [Address], _ outcome: BlockOutcome, on head: Head,
        complete: (inout Header, Hash256) throws(ChainError) -> Void
    ) throws(ChainError) -> CommittedBlock {
        let view = head.view
        var block = block
        let number = block.header.number
        var diff = view.pendingDiff
        diff.merge(outcome.diff)
        var batch = WriteBatch(for: database)
        let root: Hash256
        do {
            root = try view.world.apply(
                diff, of: number, parentRoot: view.header.stateRoot, to: &batch)
        } catch {
            throw ChainError(error)
        }
        try complete(&block.header, root)
        let stored = StoredBlock(
            hash: block.hash(), block: block, senders: senders,
            transactionHashes: block.transactions.map { $0.hash() },
            totalDifficulty: view.totalDifficulty &+ block.header.difficulty)
        do {
            try view.store.write(stored, receipts: outcome.receipts, to: &batch)
            if case .blocks(let count) = options.history, number > count {
                try view.world.pruneHistory(
                    before: number - count, limit: ChainLimits.prunedKeysPerCommit, in: &batch)
            }
        } catch {
            throw ChainError(error)
        }
        try tellParticipants(
            HeadChange(
                before: view, reverted: [],
                committed: [
                    CommittingBlock(
                        stored: stored, receipts: outcome.receipts, diff: diff,
                        calls: outcome.calls ?? [])
                ]), batch: &batch)
        let next = try write(batch) { (snapshot) throws(ChainError) in
            try ChainView(
                snapshot, config: config, identity: identity, hash: stored.hash,
                header: StoredHeader(
                    header: block.header, totalDifficulty: stored.totalDifficulty),
                pendingOverrides: [], pendingDiff: StateDiff(), recordsCalls: view.recordsCalls)
        }
        let committed = CommittedBlock(stored: stored, receipts: outcome.receipts, head: next)
        observers.publish(.committed(committed))
        return committed
    }

    // MARK: - Backwards

    /// Undoes all blocks after one, in one batch, and what was changed by hand since.
    ///
    /// - Parameters:
    ///   - number: the block that becomes the head; the head itself only drops what is pending.
    ///   - overrides: what is pending afterwards: what was so when a snapshot was taken there.
    ///   - items: small items that change with it, such as a devnet's clock.
    @discardableResult
    public func rollback(
        to number: BlockNumber, overrides: [PreBlockOverride] = [], items: [String: Bytes?] = [:]
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
            }
            view.store.addOverrides(overrides, before: number + 1, after: 0, to: &batch)
        } catch {
            throw ChainError(error)
        }
        ItemStore.write(items, to: &batch)
        if number < head.number {
            var reverted: [BlockReference] = []
            for number in ((number + 1)...head.number).reversed() {
                guard let hash = try view.canonicalHash(number) else {
                    throw .unknownBlock(number)
                }
                reverted.append(BlockReference(number: number, hash: hash))
            }
            try tellParticipants(
                HeadChange(before: view, reverted: reverted, committed: []), batch: &batch)
        }
        let next = try write(batch) { (snapshot) throws(ChainError) in
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
            try ChainView(
                snapshot, config: config, identity: identity, hash: view.hash,
                header: StoredHeader(
                    header: view.header, totalDifficulty: view.totalDifficulty),
                pendingOverrides: view.pendingOverrides + overrides, pendingDiff: diff,
                recordsCalls: view.recordsCalls)
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

    /// Lets those who take part write into a batch that moves the head.
    private func tellParticipants(
        _ change: HeadChange, batch: inout WriteBatch
    ) throws(ChainError) {
        for participant in options.participants { try participant.write(change, to: &batch) }
    }

    /// Writes a batch and makes what it leads to the head.
    private func write(
        _ batch: borrowing WriteBatch, view: (Snapshot) throws(ChainError) -> ChainView
    ) throws(ChainError) -> Head {
        try durability.write(batch)
        let head = Head(view: try view(database.snapshot()))
        current.withLock { $0 = head }
        return head
    }
}
