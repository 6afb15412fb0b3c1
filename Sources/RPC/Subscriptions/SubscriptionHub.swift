import Chain
import Cryptography
import EthereumTypes
import Primitives
import Storage
import Synchronization
import TxPool

/// Tells clients what happens: live to subscribers of a connection, on demand to filters.
///
/// One loop reads the events of the chain and one those of the pool. An answer is encoded once and
/// then only copied to each subscriber with its id. The hub never waits for a client; who lags too
/// far behind is cut off by its transport. If the hub itself falls behind the chain, which would
/// leave gaps, all subscribers are disconnected and all filters removed, so that clients notice and
/// begin anew; behind the pool, those that are about its transactions.
final class SubscriptionHub: Sendable {
    struct State {
        var subscriptions: [String: Subscription] = [:]
        var filters: [String: Filter] = [:]
        /// The head after the last event that was worked on.
        var head: Hash256
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
        /// Whether no more events are worked on, so that nobody waits for them. Before the work begins
        /// they wait: it takes up all events since the hub was made.
        var hasEnded = false
    }

    let services: RPCServices
    let state: Mutex<State>
    /// Says that someone wants to know how far the node is.
    let syncWanted = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let chainEvents: Mutex<AsyncStream<ChainEvent>?>
    private let poolEvents: Mutex<AsyncStream<RecoveredTransaction>?>

    init(services: RPCServices) {
        self.services = services
        // The streams begin before the head is read, so that no block falls between the two.
        chainEvents = Mutex(services.blockchain.events())
        poolEvents = Mutex(services.pool.pendingTransactions())
        state = Mutex(State(head: services.blockchain.head.hash))
    }

    /// Works until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.followChain() }
            group.addTask { await self.followPool() }
            group.addTask { await self.followSync() }
        }
        state.withLock { $0.hasEnded = true }
        wakeAll()
    }

    private func followChain() async {
        while !Task.isCancelled, services.blockchain.readOnlyReason == nil {
            let events = chainEvents.withLock { $0.take() } ?? services.blockchain.events()
            for await event in events { handle(event) }
            if Task.isCancelled { return }
            drop { _ in true }
            state.withLock { $0.head = services.blockchain.head.hash }
            wakeAll()
        }
    }

    private func followPool() async {
        while !Task.isCancelled {
            let events = poolEvents.withLock { $0.take() } ?? services.pool.pendingTransactions()
            for await transaction in events { announce(transaction) }
            if Task.isCancelled { return }
            drop { if case .pendingTransactions = $0 { true } else { false } }
        }
    }

    // MARK: Subscriptions

    func subscribe(_ session: RPCSession, to topic: SubscriptionTopic) throws(RPCError) -> String {
        guard session.addSubscription(limit: services.limits.subscriptionsPerConnection) else {
            throw RPCError(
                code: RPCErrorCode.limitExceeded, message: "too many subscriptions")
        }
        let id = Self.newId()
        state.withLock { $0.subscriptions[id] = Subscription(session: session, topic: topic) }
        session.whenClosed(id) {
            self.state.withLock { _ = $0.subscriptions.removeValue(forKey: id) }
        }
        if case .syncing = topic { syncWanted.continuation.yield() }
        return id
    }

    /// Ends a subscription of this connection.
    func unsubscribe(_ session: RPCSession, _ id: String) -> Bool {
        let isFound = state.withLock { state in
            guard state.subscriptions[id]?.session === session else { return false }
            state.subscriptions[id] = nil
            return true
        }
        if isFound { session.removeSubscription(id) }
        return isFound
    }

    // MARK: Filters

    /// Installs a filter for what happens from now on.
    func install(_ topic: SubscriptionTopic) async throws(RPCError) -> String {
        await catchUp()
        let id = Self.newId()
        let limit = services.limits.filters
        let isInstalled = state.withLock { state in
            removeIdle(&state)
            guard state.filters.count < limit else { return false }
            state.filters[id] = Filter(topic: topic)
            return true
        }
        guard isInstalled else {
            throw RPCError(code: RPCErrorCode.limitExceeded, message: "too many filters")
        }
        return id
    }

    func uninstall(_ id: String) -> Bool {
        state.withLock { $0.filters.removeValue(forKey: id) != nil }
    }

    /// What a filter saw since it was last asked, with all that is in the chain by now.
    func changes(of id: String) async throws(RPCError) -> EncodedJSON {
        await catchUp()
        let entries = state.withLock { state -> [Bytes]? in
            removeIdle(&state)
            guard var filter = state.filters[id] else { return nil }
            let entries = filter.take()
            state.filters[id] = filter
            return entries
        }
        guard let entries else { throw .filterNotFound }
        var writer = JSONWriter(capacity: entries.reduce(2) { $0 + $1.count + 1 })
        writer.array { writer in for entry in entries { writer.raw(entry) } }
        return EncodedJSON(writer.bytes)
    }

    /// What a log filter looks for.
    func criteria(of id: String) throws(RPCError) -> LogFilterParameter {
        let topic = state.withLock { state -> SubscriptionTopic? in
            removeIdle(&state)
            guard var filter = state.filters[id] else { return nil }
            filter.touch()
            state.filters[id] = filter
            return filter.topic
        }
        guard case .logs(let criteria) = topic else { throw .filterNotFound }
        return criteria
    }

    private func removeIdle(_ state: inout State) {
        let oldest = ContinuousClock.now - .seconds(services.limits.filterIdleSeconds)
        state.filters = state.filters.filter { $0.value.lastUse > oldest }
    }

    // MARK: Waiting

    /// Waits until the hub has worked on everything that led to the present head.
    private func catchUp() async {
        while true {
            let head = services.blockchain.head.hash
            let mustWait = state.withLock { !$0.hasEnded && $0.head != head }
            if !mustWait { return }
            await wait { $0.head != head }
        }
    }

    /// Waits for the next event of the chain, but no longer than until an instant.
    ///
    /// - Parameter head: the head at which the caller has looked: what came since is not missed.
    /// - Returns: false when the time is up, or no event will come.
    func nextChange(
        after head: Hash256, before end: ContinuousClock.Instant
    ) async -> Bool {
        guard .now < end, !state.withLock({ $0.hasEnded }) else { return false }
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await self.wait { $0.head == head }
                return true
            }
            group.addTask {
                try? await Task.sleep(until: end, clock: .continuous)
                return false
            }
            let isChange = await group.next() ?? false
            group.cancelAll()
            return isChange
        }
    }

    /// Waits for the next event, unless the condition no longer holds.
    private func wait(while condition: @Sendable (borrowing State) -> Bool) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard !state.hasEnded, condition(state), !Task.isCancelled else { return false }
                    state.waiting[id] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }

    private func wakeAll() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume() }
    }

    // MARK: Events

    private func handle(_ event: ChainEvent) {
        switch event {
        case .committed(let block):
            announce(block)
            // Of several blocks that became the chain at once, the last one is the head.
            if block.hash == block.head.hash { finish(block.hash) }
        case .reverted(let reversion):
            announce(reversion)
            if !reversion.isReplacement { finish(reversion.head.hash) }
        case .overridden(let head):
            finish(head.hash)
        }
    }

    private func finish(_ head: Hash256) {
        state.withLock { $0.head = head }
        wakeAll()
    }

    private func announce(_ committed: CommittedBlock) {
        let stored = committed.stored
        // Who left its filters behind may never ask for one again, which would remove them.
        state.withLock { removeIdle(&$0) }
        let topics = topics()
        if topics.heads {
            let head = NewHeadResult(header: stored.block.header, hash: stored.hash).encoded()
            publish(head) { if case .newHeads = $0 { true } else { false } }
            publish(stored.hash.encoded()) { if case .blockHashes = $0 { true } else { false } }
        }
        let hasLogs = topics.logs && committed.receipts.contains { !$0.logs.isEmpty }
        guard hasLogs || topics.receipts && !committed.receipts.isEmpty else { return }
        let receipts = BlockReceipts(
            block: stored.block, hash: stored.hash, senders: stored.senders,
            transactionHashes: stored.transactionHashes, receipts: committed.receipts,
            config: services.blockchain.config)
        if topics.receipts { publish(receipts.results) }
        if hasLogs { publish(receipts.logs(isRemoved: false)) }
    }

    /// Takes back the logs of blocks that are no longer in the chain, the latest first.
    private func announce(_ reversion: Reversion) {
        guard topics().logs else { return }
        for number in reversion.blocks.reversed() {
            guard let stored = try? reversion.before.block(number),
                let receipts = try? reversion.before.receipts(number)
            else { continue }
            let results = BlockReceipts(
                block: stored.block, hash: stored.hash, senders: stored.senders,
                transactionHashes: stored.transactionHashes, receipts: receipts,
                config: services.blockchain.config)
            publish(results.logs(isRemoved: true).reversed())
        }
    }

    private func announce(_ recovered: RecoveredTransaction) {
        guard topics().transactions else { return }
        publish(recovered.hash.encoded()) {
            if case .pendingTransactions(.hashes) = $0 { true } else { false }
        }
        let full = TransactionResult(
            transaction: recovered.transaction, hash: recovered.hash, sender: recovered.sender,
            place: nil)
        publish(full.encoded()) {
            if case .pendingTransactions(.full) = $0 { true } else { false }
        }
    }

    private func publish(_ logs: [LogResult]) {
        for log in logs {
            let encoded = log.encoded()
            publish(encoded) { topic in
                if case .logs(let criteria) = topic { criteria.matches(log) } else { false }
            }
        }
    }

    /// Tells of the receipts of a block, each subscriber in one message of those that it wants.
    private func publish(_ receipts: [ReceiptResult]) {
        let wanted = state.withLock { state in
            state.subscriptions.compactMap { id, subscription in
                if case .receipts(let hashes) = subscription.topic {
                    (id, subscription.session, hashes)
                } else {
                    nil
                }
            }
        }
        for (id, session, hashes) in wanted {
            let chosen = receipts.filter { hashes.isEmpty || hashes.contains($0.hash) }
            if chosen.isEmpty { continue }
            session.notify(RPCNotification.encode("eth", id, chosen.encoded()))
        }
    }

    /// What anyone listens to, so that nothing is encoded for nobody.
    private func topics() -> (heads: Bool, logs: Bool, receipts: Bool, transactions: Bool) {
        state.withLock { state in
            var result = (heads: false, logs: false, receipts: false, transactions: false)
            let topics = state.subscriptions.values.lazy.map(\.topic)
            let filtered = state.filters.values.lazy.map(\.topic)
            for topic in [SubscriptionTopic](topics) + filtered {
                switch topic {
                case .newHeads, .blockHashes: result.heads = true
                case .logs: result.logs = true
                case .receipts: result.receipts = true
                case .pendingTransactions: result.transactions = true
                case .syncing: break
                }
            }
            return result
        }
    }

    private func publish(_ result: Bytes, to wanted: (SubscriptionTopic) -> Bool) {
        let limits = services.limits
        let receivers = state.withLock { state -> [(RPCSession, String)] in
            let ids = state.filters.filter { wanted($0.value.topic) }.map(\.key)
            for id in ids where state.filters[id]?.add(result, limits) == false {
                state.filters[id] = nil
            }
            return state.subscriptions.filter { wanted($0.value.topic) }
                .map { ($0.value.session, $0.key) }
        }
        for (session, id) in receivers {
            session.notify(RPCNotification.encode("eth", id, result))
        }
    }

    /// Disconnects the subscribers of topics and removes their filters, for events that were missed.
    private func drop(_ isConcerned: (SubscriptionTopic) -> Bool) {
        let sessions = state.withLock { state in
            let dropped = state.subscriptions.filter { isConcerned($0.value.topic) }
            for id in dropped.keys { state.subscriptions[id] = nil }
            state.filters = state.filters.filter { !isConcerned($0.value.topic) }
            return dropped.values.map(\.session)
        }
        for session in sessions { session.disconnect() }
    }

    /// A number that nobody can guess, in the form of geth's ids.
    static func newId() -> String {
        UInt256(l0: .random(in: 0...UInt64.max), l1: .random(in: 0...UInt64.max), l2: 0, l3: 0)
            .hexQuantity
    }
}

/// What a subscription or a filter is about.
enum SubscriptionTopic: Sendable {
    /// New blocks, as headers for subscribers.
    case newHeads
    /// New blocks, as hashes for filters.
    case blockHashes
    case logs(LogFilterParameter)
    /// The receipts of new blocks; of these transactions, or of all.
    case receipts(Set<Hash256>)
    case pendingTransactions(TransactionDetail)
    /// When catching up with other nodes begins, how far it is, and when it ends.
    case syncing
}

struct Subscription {
    let session: RPCSession
    let topic: SubscriptionTopic
    /// What was told last, to whom asks for progress.
    var lastReport: SyncReport?
}

/// A filter with what it has seen.
struct Filter {
    let topic: SubscriptionTopic
    private(set) var lastUse = ContinuousClock.now
    private var entries: [Bytes] = []
    private var byteCount = 0

    init(topic: SubscriptionTopic) {
        self.topic = topic
    }

    mutating func touch() { lastUse = .now }

    mutating func take() -> [Bytes] {
        touch()
        defer {
            entries = []
            byteCount = 0
        }
        return entries
    }

    /// Keeps one more entry, unless it would hold too much.
    mutating func add(_ entry: Bytes, _ limits: RPCLimits) -> Bool {
        guard entries.count < limits.filterEntries, entry.count <= limits.filterBytes - byteCount
        else { return false }
        entries.append(entry)
        byteCount += entry.count
        return true
    }
}

extension LogFilterParameter {
    /// Whether a log of a new block is wanted: it matches, and its block lies in the range.
    func matches(_ log: LogResult) -> Bool {
        guard filter.matches(log.log) else { return false }
        switch range {
        case .block(let hash): return hash == log.place.blockHash
        case .blocks(let from, let to):
            if case .number(let first) = from, log.place.blockNumber < first { return false }
            if case .number(let last) = to, log.place.blockNumber > last { return false }
            return true
        }
    }
}

extension RPCResult {
    /// The JSON text of the result.
    func encoded() -> Bytes {
        var writer = JSONWriter(capacity: 512)
        write(to: &writer)
        return writer.bytes
    }
}

extension RPCError {
    static let filterNotFound = RPCError.server("filter not found")
}
