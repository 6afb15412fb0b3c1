public import Chain
public import PluginAPI
public import RPC
import Storage
import Synchronization
public import TxPool

/// The node in this process, as what stands behind a gateway.
///
/// An answer is made from one view of the chain, where `RPCMethod.Cost` says: what is instant at
/// once, what takes longer on the threads that JSON-RPC has for it, a command on a task.
public final class LocalBackend: GatewayBackend {
    /// What of the node it is given.
    public struct Parts: Sendable {
        let blockchain: Blockchain
        let pool: TransactionPool
        let rpc: RPCNode
        let plugins: PluginHost
        let isDevnet: Bool

        /// - Parameter isDevnet: whether transactions are signed for the accounts of the devnet.
        public init(
            blockchain: Blockchain, pool: TransactionPool, rpc: RPCNode, plugins: PluginHost,
            isDevnet: Bool
        ) {
            self.blockchain = blockchain
            self.pool = pool
            self.rpc = rpc
            self.plugins = plugins
            self.isDevnet = isDevnet
        }
    }

    /// The routes of the core and of the plugins.
    public let routes: RouteTable
    private let parts: Parts
    private let checks: ReadinessChecks
    private let declared: [String: RESTRoute]
    /// A number of this process.
    private let instance = UInt64.random(in: .min ... .max)
    /// The tag of the head that was asked about last.
    private let lastTag = Mutex<StateTag?>(nil)
    /// Whether the indexes are level in the view of a generation.
    private let level = Mutex<(generation: UInt64, isLevel: Bool)?>(nil)

    /// A backend of a node whose plugins are open.
    public init(_ parts: Parts, checks: ReadinessChecks) {
        self.parts = parts
        self.checks = checks
        let declared = CoreRoutes(parts: parts).routes + parts.plugins.routes
        let routes = declared.map { GatewayRoute($0) }
        self.routes = RouteTable(routes)
        self.declared = Dictionary(
            zip(routes.map(\.name), declared), uniquingKeysWith: { first, _ in first })
    }

    /// What answers of a kind follow from: the head, and the plugins' indexes if they are level
    /// with it.
    public func tags(for cache: RESTCache) -> [StateTag] {
        let head = parts.blockchain.head
        return isStable(cache, at: head) ? [tag(of: head)] : []
    }

    /// The chain of the node.
    public var chain: ChainName? {
        ChainName(
            id: parts.blockchain.config.chainId, genesisHash: parts.blockchain.genesisHash)
    }

    /// It is here.
    public var isRemote: Bool { false }

    private func tag(of head: Head) -> StateTag {
        lastTag.withLock { last in
            if let last, last.counter == head.generation { return last }
            let tag = StateTag(
                instance: instance, counter: head.generation,
                block: BlockReference(number: head.number, hash: head.hash))
            last = tag
            return tag
        }
    }

    private func isStable(_ cache: RESTCache, at head: Head) -> Bool {
        switch cache {
        case .none: return false
        case .view: return true
        case .index:
            // What a view sees of the indexes never changes: looking once is enough.
            let known = level.withLock { $0 }
            if let known, known.generation == head.generation { return known.isLevel }
            let isLevel = (try? parts.plugins.isLevel(in: head.view)) ?? false
            level.withLock { $0 = (head.generation, isLevel) }
            return isLevel
        }
    }

    /// Answers from the present head.
    public func answer(_ request: GatewayRequest) async throws -> GatewayAnswer {
        guard let route = declared[request.route.name] else {
            throw RESTError.notFound("there is no such route")
        }
        let head = parts.blockchain.head
        let context = RESTContext(view: head.view, deadline: request.deadline)
        let answer: RESTAnswer
        switch route.cost {
        case .instant: answer = try route.answer(request.arguments, in: context)
        case .execution:
            answer = try await execute(until: request.deadline) {
                try route.answer(request.arguments, in: context)
            }
        case .command:
            answer = try await route.answer(command: request.arguments, in: context)
        }
        let tag = tag(of: head)
        return GatewayAnswer(
            mediaType: answer.mediaType, content: content(of: answer), fileName: answer.fileName,
            state: tag, entityTag: isStable(route.cache, at: head) ? tag.entityTag : nil)
    }

    private func content(of answer: RESTAnswer) -> GatewayAnswer.Content {
        switch answer.content {
        case .whole(let bytes): return .whole(bytes)
        case .parts(let next):
            return .parts { [parts] in
                // What has begun is not told that others wait, which would break it off.
                guard let part = await parts.rpc.pool.runFurther({ Result { try next() } }) else {
                    throw CancellationError()
                }
                return try part.get()
            }
        }
    }

    /// Runs what takes time on an execution thread.
    private func execute<Value: Sendable>(
        until deadline: ContinuousClock.Instant?, _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let result = await parts.rpc.pool.run {
            Result {
                if let deadline, .now >= deadline {
                    throw RESTError(status: 504, title: "Timeout", detail: "no time was left")
                }
                return try work()
            }
        }
        guard let result else {
            throw RESTError(status: 503, title: "Busy", detail: "too many requests are waiting")
        }
        return try result.get()
    }

    // MARK: - How it is

    /// Whether the writer of the chain has a moment, within two seconds.
    public func isAlive() async -> Bool {
        await isAnswering(within: .seconds(2)) { [parts] in await parts.blockchain.answers() }
    }

    /// Whether requests should be sent here.
    public func readiness() async -> Readiness {
        let head = parts.blockchain.head
        return Readiness(
            reasons: checks.reasons(parts.blockchain, parts.plugins),
            head: BlockReference(number: head.number, hash: head.hash))
    }

    /// The chain, the pool, JSON-RPC and the plugins.
    public func health() async -> [ModuleHealth] {
        let head = parts.blockchain.head
        let reason = parts.blockchain.readOnlyReason
        var chain = [
            "chain_id": "\(parts.blockchain.config.chainId)", "block": "\(head.number)",
            "hash": "\(head.hash)", "block_time": "\(head.header.timestamp)",
        ]
        if let reason { chain["read_only"] = reason }
        let waiting = parts.pool.status
        let methods = parts.rpc.dispatcher.table.methods.count
        let core = [
            ModuleHealth("chain", PluginHealth(reason == nil ? .ok : .failing, chain)),
            ModuleHealth(
                "pool",
                PluginHealth(
                    .ok, ["pending": "\(waiting.pending)", "queued": "\(waiting.queued)"])),
            ModuleHealth("rpc", PluginHealth(.ok, ["methods": "\(methods)"])),
        ]
        return core + parts.plugins.health.map { ModuleHealth($0.name, $0.health) }
    }

    // MARK: - Events

    /// The node's feed of events, from a cursor on.
    public func events(
        after cursor: EventCursor?, for caller: GatewayCaller
    ) async throws -> GatewayEvents {
        let source = try await execute(until: nil) { [self] in
            try LocalEvents(parts.blockchain, parts.plugins.feed, after: cursor) {
                [self] head in tag(of: head)
            }
        }
        // A batch is a few reads in a row: like what is instant they need no execution thread, and
        // whoever follows does not wait for those who compute.
        return {
            let position = source.position
            if let batch = try source.next() { return batch }
            await source.wait(after: position)
            return try source.next() ?? []
        }
    }
}

extension Blockchain {
    /// Comes back when the writer has a moment: what the watchdog and the probes want to know.
    public func answers() -> Bool { true }
}
