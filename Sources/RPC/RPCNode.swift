import BlockProduction
public import Logging

/// The JSON-RPC of a node: all namespaces over its parts, and the events that feed subscriptions.
///
/// Transports are `RPCServer`'s; one node may be served by several.
public final class RPCNode: Sendable {
    /// Answers messages, from a transport or from anywhere in the process.
    public let dispatcher: RPCDispatcher
    /// The threads for what takes time, with the queue before them.
    public let pool: ExecutionPool
    private let hub: SubscriptionHub
    private let traces: ChainTraces
    private let engine: EngineState?

    /// - Parameters:
    ///   - plugins: the methods of plugins.
    ///   - observe: told of every call that was answered, for metrics.
    public init(
        services: RPCServices, plugins: [RPCMethod] = [], logger: Logger,
        observe: (@Sendable (RPCObservation) -> Void)? = nil
    ) {
        let limits = services.limits
        pool = ExecutionPool(threads: limits.threadCount, queueLimit: limits.executionQueue)
        hub = SubscriptionHub(services: services)
        traces = ChainTraces(services: services, pool: pool)
        var methods = Web3Namespace(services: services).methods
        methods += NetNamespace(services: services).methods
        methods += EthNamespace(services: services, hub: hub).methods
        methods += TxPoolNamespace(services: services).methods
        methods += DebugNamespace(services: services, traces: traces).methods
        if let folder = services.checkpoints {
            methods += CheckpointNamespace(services: services, folder: folder).methods
        }
        methods += TraceNamespace(services: services).methods
        methods += OtterscanNamespace(services: services).methods
        methods += AdminNamespace(services: services).methods
        methods += TestingNamespace(services: services).methods
        if let devnet = services.devnet {
            methods += DevnetNamespace(services: services, devnet: devnet).methods
            methods += MinerNamespace(devnet: devnet).methods
        }
        methods += ApusNamespace(services: services).methods
        engine = services.engine.map { _ in EngineState() }
        if let options = services.engine, let engine {
            methods += EngineNamespace(services: services, options: options, state: engine).methods
        }
        dispatcher = RPCDispatcher(
            table: MethodTable(methods + plugins, version: services.clientVersion), pool: pool,
            limits: limits, logger: logger, observe: observe)
    }

    /// Feeds subscriptions and filters from the chain and the pool, and improves the blocks that a
    /// consensus client asked for, until the task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            if let engine {
                group.addTask { [pool] in await engine.run(on: pool) }
            }
            group.addTask { [traces] in await traces.run() }
            await hub.run()
            group.cancelAll()
        }
    }

    /// Ends the execution threads, after the transports have stopped.
    public func shutDown() async {
        try? await pool.shutDown()
    }
}
