public import Chain
import Cryptography
public import EthereumTypes
public import Execution
public import Logging
public import Primitives
import Storage
import Synchronization
public import TxPool

/// A chain for developers: makes blocks when its user wants them, with the time and the state that
/// its user wants.
///
/// ```
/// submit ──▶ pool ──▶ (automine)┐
/// run: interval ────────────────┼──▶ makeBlock ──▶ PayloadBuilder ──▶ Blockchain.produce ──▶ pool
/// mine ─────────────────────────┘
/// ```
/// Every command that makes blocks or takes them back goes through one turnstile, so two of them
/// never mix. What decides about a block (clock, fees, coinbase) is read on the chain's writer
/// when the block is begun. Settings and snapshots are written down as they change and outlast a
/// restart; the mining mode and impersonations do not.
public final class Devnet: Sendable {
    /// How blocks are made.
    public let options: DevnetOptions

    let chain: Blockchain
    let pool: TransactionPool
    let now: @Sendable () -> Timestamp
    let state: Mutex<State>
    let turnstile = Turnstile()
    private let builder: PayloadBuilder
    private let ticker = Ticker()
    private let logger: Logger

    struct State {
        var mode: MiningMode
        var settings: DevnetSettings
        var snapshots: [UInt64: DevnetSnapshot] = [:]
        var nextSnapshotId: UInt64 = 0
        var impersonated: Set<Address> = []
        var impersonatesEveryone = false
    }

    /// Goes on with the settings and snapshots of an earlier run.
    ///
    /// - Parameter now: the wall clock.
    public init(
        chain: Blockchain, pool: TransactionPool, options: DevnetOptions = DevnetOptions(),
        logger: Logger, now: @escaping @Sendable () -> Timestamp
    ) throws(DevnetError) {
        self.chain = chain
        self.pool = pool
        self.options = options
        self.logger = logger
        self.now = now
        builder = PayloadBuilder(
            config: chain.config, maxTransactions: options.maxTransactionsPerBlock)
        var initial = State(
            mode: options.mode, settings: DevnetSettings(coinbase: options.coinbase))
        try Self.restore(&initial, from: chain.items)
        if let interval = options.blockTimestampInterval {
            initial.settings.clock.interval = interval
        }
        state = Mutex(initial)
        updatePool()
    }

    // MARK: - Transactions

    /// Takes a transaction. While automining it is in a block when this returns, unless it waits
    /// for an earlier nonce.
    ///
    /// - Returns: the transaction's hash.
    /// - Throws: `rejected` if the pool does not take it; `notIncluded` if no block could have it,
    ///   and then it is not in the pool either.
    @discardableResult
    public func submit(
        _ transaction: Transaction, sidecar: BlobSidecar? = nil
    ) async throws(DevnetError) -> Hash256 {
        let isAutomining = mode.isAutomining
        let hash: Hash256
        do throws(PoolRejection) {
            hash = try pool.add(
                transaction, sidecar: sidecar, writing: isAutomining ? .later : .atOnce)
        } catch {
            throw .rejected(error)
        }
        guard isAutomining else { return hash }
        do throws(DevnetError) { try await mine(until: hash) } catch {
            try? pool.persist(hash)
            throw error
        }
        // It is in a block, and nothing needs to be written, or it waits in the pool.
        do throws(StorageError) { try pool.persist(hash) } catch { throw .storage(error) }
        return hash
    }

    /// Makes blocks until one has the transaction. Others that came in the meantime are in them
    /// too, so many callers share a block.
    private func mine(until hash: Hash256) async throws(DevnetError) {
        await turnstile.enter()
        defer { turnstile.leave() }
        while pool.isPending(hash) {
            let made = try await makeBlock(.withTransactions)
            if let skipped = made.skipped.first(where: { $0.hash == hash }) {
                // Others took the room of this block: the next one is for the rest.
                if skipped.prospect == .room, made.block != nil { continue }
                pool.remove(hash)
                throw .notIncluded(hash, skipped.reason)
            }
            // Nothing moves: it waits behind a transaction of its sender that no block can have.
            guard made.block != nil else { return }
        }
    }

    // MARK: - Blocks

    /// Makes blocks.
    ///
    /// - Returns: the head after them.
    @discardableResult
    public func mine(
        blocks: UInt64 = 1, spacing: BlockSpacing = .clock
    ) async throws(DevnetError) -> Head {
        guard blocks <= DevnetLimits.blocksPerCall else {
            throw .tooManyBlocks(limit: DevnetLimits.blocksPerCall)
        }
        await turnstile.enter()
        defer { turnstile.leave() }
        for index in 0..<blocks {
            guard !Task.isCancelled else { throw .cancelled }
            switch spacing {
            case .clock: try await makeBlock(.always)
            case .between(let seconds):
                try await makeBlock(.always, spacing: index == 0 ? nil : seconds)
            case .beforeEach(let seconds) where index == 0:
                try await makeBlockLater(by: Int64(clamping: seconds))
            case .beforeEach(let seconds): try await makeBlock(.always, spacing: seconds)
            }
        }
        return chain.head
    }

    /// Moves the clock and makes a block. The clock goes back if there is none.
    private func makeBlockLater(by seconds: Int64) async throws(DevnetError) {
        try change { $0.clock.increase(by: seconds) }
        do throws(DevnetError) { try await makeBlock(.always) } catch {
            try change { $0.clock.increase(by: -seconds) }
            throw error
        }
    }

    /// Replaces the last blocks by as many others, with other transactions: a reorganisation as
    /// nodes see it on a network, announced as such.
    ///
    /// - Parameter blocks: the transactions of the new blocks, in order.
    @discardableResult
    public func reorganise(
        depth: UInt64, to blocks: [[RecoveredTransaction]]
    ) async throws(DevnetError) -> Head {
        await turnstile.enter()
        defer { turnstile.leave() }
        let head = chain.head.number
        guard depth <= head else { throw .chain(.unknownBlock(head &- depth)) }
        try await takeBack(to: head - depth)
        for transactions in blocks { try await makeBlock(.of(transactions)) }
        return chain.head
    }

    /// Which transactions a block gets.
    private enum Filling {
        /// The pool's, or none.
        case always
        /// The pool's; without any there is no block.
        case withTransactions
        /// These and no others.
        case of([RecoveredTransaction])
    }

    /// What came of the wish for a block.
    private struct Made {
        var block: CommittedBlock?
        var skipped: [SkippedTransaction]
    }

    /// What is told from the writer's thread about the block that it built.
    private final class Report: Sendable {
        let contents = Mutex<(settings: DevnetSettings, skipped: [SkippedTransaction])?>(nil)
    }

    /// Makes one block; the caller has entered the turnstile.
    @discardableResult
    private func makeBlock(
        _ filling: Filling, spacing: UInt64? = nil
    ) async throws(DevnetError) -> Made {
        let report = Report()
        let block: CommittedBlock?
        do throws(ChainError) {
            block = try await chain.produce { [self] head throws(ChainError) in
                let settings = state.withLock { $0.settings }
                let payload = try build(on: head, settings, filling, spacing: spacing)
                report.contents.withLock { $0 = (settings, payload.skipped) }
                if case .withTransactions = filling, payload.built.block.transactions.isEmpty {
                    return nil
                }
                return payload.built
            }
        } catch {
            throw .chain(error)
        }
        let (used, skipped) = report.contents.withLock { $0 } ?? (state.withLock(\.settings), [])
        for transaction in skipped where transaction.prospect == .none {
            pool.remove(transaction.hash)
        }
        if let block {
            let timestamp = block.head.header.timestamp
            let now = now()
            try change { settings in
                settings.blockMade(at: timestamp, using: used, now: now)
                if spacing != nil { settings.clock.catchUp(to: timestamp, now: now) }
            }
            logger.debug(
                "block made",
                metadata: [
                    "block.number": "\(block.head.number)",
                    "block.transactions": "\(block.stored.block.transactions.count)",
                ])
        }
        return Made(block: block, skipped: skipped)
    }

    private func build(
        on head: Head, _ settings: DevnetSettings, _ filling: Filling, spacing: UInt64?
    ) throws(ChainError) -> Payload {
        let parent = try head.view.parentBlock()
        var timestamp = settings.clock.timestamp(
            after: parent.header.timestamp, now: now(), repeats: options.timestampRepetition)
        if let spacing {
            let earliest = options.timestampRepetition == .never ? max(spacing, 1) : spacing
            timestamp = saturatingSum(parent.header.timestamp, earliest)
        }
        let attributes = settings.attributes(
            after: parent, timestamp: timestamp, extraData: options.extraData,
            config: chain.config)
        do throws(BlockExecutionError) {
            switch filling {
            case .always, .withTransactions:
                return try builder.build(on: parent, attributes: attributes, from: pool)
            case .of(let transactions):
                return try builder.build(
                    on: parent, attributes: attributes, transactions: transactions)
            }
        } catch {
            throw ChainError(error)
        }
    }

    /// The block that would be made now. Executes all of its transactions: not for an event loop.
    public func pendingBlock() throws(DevnetError) -> BuiltBlock {
        do throws(ChainError) {
            let settings = state.withLock { $0.settings }
            return try build(on: chain.head, settings, .always, spacing: nil).built
        } catch {
            throw .chain(error)
        }
    }

    // MARK: - By itself

    /// When blocks are made.
    public var mode: MiningMode { state.withLock { $0.mode } }

    /// Changes when blocks are made. To turn automining on makes blocks of what is pending.
    public func setMode(_ mode: MiningMode) async throws(DevnetError) {
        state.withLock { $0.mode = mode }
        ticker.interrupt()
        guard mode.isAutomining else { return }
        await turnstile.enter()
        defer { turnstile.leave() }
        while pool.status.pending > 0 {
            guard try await makeBlock(.withTransactions).block != nil else { return }
        }
    }

    /// Makes blocks at the interval of the mode, whatever it is at the time. Ends with its task.
    public func run() async {
        // What is left in the pool from an earlier run would wait for the next transaction.
        if mode.isAutomining, pool.status.pending > 0 {
            await logged { () throws(DevnetError) in try await setMode(mode) }
        }
        var last = ContinuousClock.now
        while !Task.isCancelled {
            let version = ticker.version
            let interval = mode.interval.map { max($0, DevnetLimits.shortestInterval) }
            let due = interval.map { last.advanced(by: $0) }
            guard await ticker.sleep(until: due, since: version) else { continue }
            last = .now
            if mode.interval != nil { await logged { () throws(DevnetError) in try await mine() } }
        }
    }

    /// A block that cannot be made by itself is no reason to stop: commands still tell why.
    private func logged(_ body: () async throws(DevnetError) -> Void) async {
        do throws(DevnetError) { try await body() } catch {
            logger.error("no block could be made", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Settings

    /// Changes the settings, writes them down and tells the pool.
    func change(_ body: (inout DevnetSettings) -> Void) throws(DevnetError) {
        let changed = state.withLock { state -> DevnetSettings? in
            var settings = state.settings
            body(&settings)
            guard settings != state.settings else { return nil }
            state.settings = settings
            return settings
        }
        if let changed {
            do throws(StorageError) {
                try chain.items.set([Self.settingsItem: changed.encoded()])
            } catch {
                throw .storage(error)
            }
        }
        updatePool()
    }

    /// Tells the pool about the head and what the next block will be.
    func updatePool() {
        let settings = state.withLock { $0.settings }
        let head = chain.head
        let timestamp = settings.clock.timestamp(
            after: head.header.timestamp, now: now(), repeats: options.timestampRepetition)
        pool.setHead(PoolHead(head, now: timestamp, overrides: settings.poolOverrides))
    }

    static let settingsItem = "devnet.settings"
    static let snapshotPrefix = "devnet.snapshot."
    static let nextSnapshotItem = "devnet.next-snapshot"
}
