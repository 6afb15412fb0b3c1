import Chain
import EthereumTypes
import Primitives
import Storage
import Synchronization

/// Traces of ranges of blocks, a notification a block (geth's `debug_subscribe("traceChain", …)`).
///
/// A block is executed when the client has taken the one before it, so that at most one block's
/// traces are in memory for each subscription, and a client that takes nothing is cut off. Each block
/// has the time of a message, each transaction that of a trace. There are few of them at a time, and
/// each waits for an execution thread like any other call.
final class ChainTraces: Sendable {
    private struct Order: Sendable {
        let id: String
        let session: RPCSession
        let blocks: ClosedRange<BlockNumber>
        let options: TraceParameter?
    }

    private struct State {
        /// Of the subscriptions, also of those that have told all.
        var sessions: [String: RPCSession] = [:]
        /// How many are worked on or wait for it. One that nobody wants any more is among them until
        /// its work has ended.
        var running = 0
    }

    private let services: RPCServices
    private let pool: ExecutionPool
    private let state = Mutex(State())
    private let orders = AsyncStream.makeStream(of: Order.self)

    init(services: RPCServices, pool: ExecutionPool) {
        self.services = services
        self.pool = pool
    }

    /// Works until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await order in orders.stream {
                group.addTask { await self.work(on: order) }
            }
            group.cancelAll()
        }
    }

    // MARK: Subscriptions

    /// Begins to trace blocks for a connection.
    func subscribe(
        _ session: RPCSession, to blocks: ClosedRange<BlockNumber>, _ options: TraceParameter?
    ) throws(RPCError) -> String {
        let limits = services.limits
        guard session.addSubscription(limit: limits.subscriptionsPerConnection) else {
            throw RPCError(code: RPCErrorCode.limitExceeded, message: "too many subscriptions")
        }
        let id = SubscriptionHub.newId()
        let isRoom = state.withLock { state in
            guard state.running < limits.chainTraces else { return false }
            state.running += 1
            state.sessions[id] = session
            return true
        }
        guard isRoom else {
            session.removeSubscription(id)
            throw RPCError(
                code: RPCErrorCode.limitExceeded,
                message: "too many traces of chains at a time (max \(limits.chainTraces))")
        }
        session.whenClosed(id) { self.state.withLock { _ = $0.sessions.removeValue(forKey: id) } }
        orders.continuation.yield(
            Order(id: id, session: session, blocks: blocks, options: options))
        return id
    }

    /// Ends a subscription of this connection, whether it has told all or not.
    func unsubscribe(_ session: RPCSession, _ id: String) -> Bool {
        let isFound = state.withLock { state in
            guard state.sessions[id] === session else { return false }
            state.sessions[id] = nil
            return true
        }
        if isFound { session.removeSubscription(id) }
        return isFound
    }

    private func isWanted(_ id: String) -> Bool { state.withLock { $0.sessions[id] != nil } }

    // MARK: Work

    private func work(on order: Order) async {
        defer { state.withLock { $0.running -= 1 } }
        for number in order.blocks {
            let isLast = number == order.blocks.upperBound
            guard let traces = await traces(of: number, order) else { break }
            // As geth: a block without transactions is not told of, but for the last.
            guard traces.hasTransactions || traces.isFailure || isLast else { continue }
            let message = RPCNotification.encode("debug", order.id, traces.text)
            guard isWanted(order.id), await order.session.send(message), !traces.isFailure
            else { break }
        }
    }

    /// The traces of a block, as soon as a thread is free; nil if nobody wants them any longer.
    private func traces(of number: BlockNumber, _ order: Order) async -> BlockTraces? {
        while isWanted(order.id), !Task.isCancelled {
            let done = await pool.run { [services, pool] in
                BlockTraces(of: number, order.options, services, pool)
            }
            if let done { return done }
            // All threads are busy and calls wait for them: calls go first.
            try? await Task.sleep(for: .milliseconds(100))
        }
        return nil
    }
}

/// What one notification tells.
private struct BlockTraces: Sendable {
    let text: Bytes
    private(set) var hasTransactions = false
    /// Whether the block cannot be executed, nor any after it.
    private(set) var isFailure = false

    init(
        of number: BlockNumber, _ options: TraceParameter?, _ services: RPCServices,
        _ pool: ExecutionPool
    ) {
        let context = RPCContext(
            session: nil, access: .all,
            deadline: .now + .seconds(services.limits.messageSeconds), limits: services.limits,
            pool: pool)
        var writer = JSONWriter()
        do {
            let chain = ChainAccess(services)
            let block = try chain.requireBlock(.tag(.number(number)))
            hasTransactions = !block.transactionHashes.isEmpty
            let replay = try BlockReplay(block, chain)
            writer.object { writer in
                Self.begin(number, block.hash, &writer)
                writer.key("traces")
                writer.array { writer in
                    Self.write(replay, options, context, to: &writer)
                }
            }
        } catch {
            let failure = RPCError(translating: error) ?? .internalError
            isFailure = true
            writer = JSONWriter()
            writer.object { writer in
                writer.key("block")
                writer.hexQuantity(number)
                writer.key("error")
                writer.string(failure.message)
            }
        }
        text = writer.bytes
    }

    private static func begin(
        _ number: BlockNumber, _ hash: Hash256, _ writer: inout JSONWriter
    ) {
        writer.key("block")
        writer.hexQuantity(number)
        writer.key("hash")
        writer.hash(hash)
    }

    /// Writes the traces of the transactions, up to the first that cannot be made, which says why.
    private static func write(
        _ replay: BlockReplay, _ options: TraceParameter?, _ context: RPCContext,
        to writer: inout JSONWriter
    ) {
        for index in 0..<replay.count {
            let left = context.limits.traceBytes - writer.bytes.count
            let trace = Result {
                try DebugNamespace.trace(index, of: replay, options, limit: left, context)
            }
            writer.object { writer in
                writer.key("txHash")
                writer.hash(replay.block.transactionHashes[index])
                switch trace {
                case .success(let text):
                    writer.key("result")
                    writer.raw(text)
                case .failure(let error):
                    writer.key("error")
                    writer.string((RPCError(translating: error) ?? .internalError).message)
                }
            }
            if case .failure = trace { return }
        }
    }
}
