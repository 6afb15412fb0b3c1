import BlockProduction
public import Logging

/// The JSON-RPC of a node: all namespaces over its parts, and the events that feed subscriptions.
///
/// Transports are `RPCServer`'s; one node may be served by several.
public final class RPCNode: Sendable {
    /// Answers messages, from a transport or from anywhere in the process.
    public let dispatcher: RPCDispatcher
    private let hub: SubscriptionHub
    private let pool: ExecutionPool

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
        var methods = Web3Namespace(services: services).methods
        methods += NetNamespace(services: services).methods
        methods += EthNamespace(services: services, hub: hub).methods
        methods += TxPoolNamespace(services: services).methods
        methods += DebugNamespace(services: services).methods
        if let folder = services.checkpoints {
            methods += CheckpointNamespace(services: services, folder: folder).methods
        }
        if let devnet = services.devnet {
            methods += DevnetNamespace(services: services, devnet: devnet).methods
        }
        dispatcher = RPCDispatcher(
            table: MethodTable(methods + plugins, version: services.clientVersion), pool: pool,
            limits: limits, logger: logger, observe: observe)
    }

    /// Feeds subscriptions and filters from the chain and the pool until the task is cancelled.
    public func run() async {
        await hub.run()
    }

    /// Ends the execution threads, after the transports have stopped.
    public func shutDown() async {
        try? await pool.shutDown()
    }
}
