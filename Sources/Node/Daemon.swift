import Chain
import Foundation
import Gateway
import Logging
import PluginAPI
import Primitives
import RPC
import ServiceLifecycle
import TxPool

/// What every way of running the daemon has in common: the log, the listeners, the service group,
/// and the order in which all of it ends.
struct Daemon {
    let settings: NodeSettings
    let blockchain: Blockchain
    let rpc: RPCNode
    let plugins: PluginHost
    let server: RPCServer
    let logger: Logger
    /// REST, once it is served.
    var gateway: GatewayServer?
    /// Who may do what, where callers need tokens.
    private var tokens: TokenAccess?

    /// Sets up the process's log. Call once, first.
    static func bootstrapLogging(_ settings: NodeSettings) -> Logger {
        bootstrapLogging(settings.logFormat, settings.logLevel)
    }

    static func bootstrapLogging(_ format: LogFormat, _ level: Logger.Level) -> Logger {
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, format: format, level: level)
        }
        // A limit on file size must come back as a failed write, not end the process.
        signal(SIGXFSZ, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        return Logger(label: "apus")
    }

    init(
        settings: NodeSettings, blockchain: Blockchain, rpc: RPCNode, plugins: PluginHost,
        logger: Logger
    ) {
        self.plugins = plugins
        self.settings = settings
        self.blockchain = blockchain
        self.rpc = rpc
        self.logger = logger
        server = RPCServer(
            dispatcher: rpc.dispatcher,
            eventLoops: ProcessInfo.processInfo.activeProcessorCount, logger: logger,
            health: { [blockchain] in
                let head = blockchain.head
                return [
                    "status": blockchain.readOnlyReason == nil ? "ok" : "read-only",
                    "client": .string("apus/\(apusVersion)"),
                    "chainId": .number(String(blockchain.config.chainId)),
                    "blockNumber": .number(String(head.number)),
                ]
            })
    }

    /// The JSON-RPC of a node, whose calls are counted.
    static func makeRPC(
        _ services: RPCServices, plugins: PluginHost, pool: TransactionPool, logger: Logger
    ) -> RPCNode {
        CoreMetrics.declare(
            in: plugins.metrics, blockchain: services.blockchain, pool: pool, version: apusVersion)
        let metrics = RPCMetrics(plugins.metrics, plugins: plugins.names)
        return RPCNode(
            services: services, plugins: plugins.methods, logger: logger,
            observe: { metrics.observe($0) })
    }

    /// Binds the ports.
    ///
    /// - Parameters:
    ///   - access: what HTTP and WebSocket serve where the settings do not say.
    ///   - parts: what REST answers from.
    ///   - checks: what must hold for the node to be ready.
    ///   - keyFolder: where a devnet keeps a key for tokens if it is given none; nil for no such key.
    /// - Returns: lines that say where, that of JSON-RPC last.
    /// - Throws: `StartupError` if an address cannot be had.
    mutating func listen(
        defaultAccess access: RPCAccess, rest parts: LocalBackend.Parts, checks: ReadinessChecks,
        keyFolder: String?
    ) async throws(StartupError) -> [String] {
        let rest = settings.rest
        if rest.isEnabled || rest.guardsRPC {
            tokens = try await TokenAccess(
                rest.gateway, table: rpc.dispatcher.table, plugins: plugins.names,
                keyFolder: keyFolder)
        }
        let port = try await listen(defaultAccess: access, tokens: rest.guardsRPC ? tokens : nil)
        var lines = ["Listening on \(settings.host):\(port)"]
        if let tokens, let served = try await serveREST(parts, tokens: tokens, checks: checks) {
            gateway = served.server
            let scheme = settings.certificate == nil ? "http" : "https"
            lines.insert("REST on \(scheme)://\(rest.gateway.host):\(served.port)", at: 0)
        }
        return lines
    }

    /// Binds the ports of JSON-RPC.
    ///
    /// - Parameter tokens: who may do what, if callers need tokens.
    /// - Returns: the TCP port.
    private func listen(
        defaultAccess access: RPCAccess, tokens: TokenAccess?
    ) async throws(StartupError) -> Int {
        let http = try allowed(settings.httpNamespaces, "http-api") ?? access
        let webSocket = try allowed(settings.webSocketNamespaces, "ws-api") ?? http
        var listener = RPCListener(
            host: settings.host, port: settings.port, http: http, webSocket: webSocket)
        listener.certificate = settings.certificate
        listener.virtualHosts = settings.allowedHosts
        listener.allowedOrigins = settings.allowedOrigins
        tokens?.admission.admit(to: &listener)
        let port: Int
        do {
            port = try await server.listen(listener)
        } catch {
            throw StartupError(
                .unavailable,
                "cannot listen on \(settings.host), port \(settings.port): \(error); "
                    + "is another node running? --port chooses another, 0 a free one")
        }
        if let path = settings.ipcPath {
            do {
                try await server.listen(unixSocket: path)
            } catch {
                throw StartupError(.unavailable, "cannot make the Unix socket \(path): \(error)")
            }
        }
        return port
    }

    /// Binds the port of the Engine API.
    ///
    /// - Returns: the TCP port.
    /// - Throws: `StartupError` if the address cannot be had.
    func listen(
        forConsensusClient role: EngineRole, key: TokenKey
    ) async throws(StartupError) -> Int {
        do {
            return try await server.listen(
                .engine(host: role.host, port: role.port, key: key, now: wallClock))
        } catch {
            throw StartupError(
                .unavailable,
                "cannot listen on \(role.host), port \(role.port), for the consensus client: "
                    + "\(error); --engine-port chooses another")
        }
    }

    /// What a list of namespaces and methods allows; nil where there is none.
    private func allowed(
        _ names: [String]?, _ setting: String
    ) throws(StartupError) -> RPCAccess? {
        guard let names else { return nil }
        if names == ["all"] { return .all }
        // Whoever calls these chooses the chain: their own port asks for a token.
        if let name = names.first(where: { $0 == "engine" || $0.hasPrefix("engine_") }) {
            throw StartupError(
                .configuration, "\(setting): '\(name)' is served by --engine-port alone")
        }
        if let unknown = rpc.dispatcher.table.unknown(among: names) {
            throw StartupError(
                .configuration,
                "\(setting): '\(unknown)' is neither a namespace nor a method of this node")
        }
        return .namespaces(Set(names))
    }

    /// Serves until SIGTERM or SIGINT, then ends in order: no new requests, no new blocks, all on
    /// disk.
    ///
    /// - Parameters:
    ///   - announcement: lines for standard output, written once a signal would be heeded: who
    ///     reads them may stop the process at once.
    ///   - producer: makes blocks until its task is cancelled.
    func run(
        announcing announcement: [String], producer: @escaping @Sendable () async throws -> Void
    ) async throws {
        let status = "serving chain \(blockchain.config.chainId)"
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(
                    service: TaskService { [rpc] in
                        printLines(announcement)
                        await rpc.run()
                    }),
                .init(service: TaskService { [plugins] in await plugins.run() }),
                .init(service: TaskService(body: producer)),
                .init(
                    service: TaskService { [blockchain, logger] in
                        await blockchain.keepHistoryPruned(logger: logger)
                    }),
                .init(
                    service: SystemdService(status: status) { [blockchain] in
                        await blockchain.answers()
                    }),
            ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        if let tokens {
            configuration.services.append(.init(service: TaskService { await tokens.run() }))
        }
        configuration.maximumGracefulShutdownDuration = .seconds(30)
        var failure: (any Error)?
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            failure = error
        }
        await shutDown()
        if let failure { throw failure }
    }

    /// Ends what is there, in order.
    func shutDown() async {
        logger.info("stopping")
        await gateway?.stop()
        do {
            try await server.stop()
            await rpc.shutDown()
            try await blockchain.shutDown()
        } catch {
            logger.error("could not stop cleanly", metadata: ["error": "\(error)"])
        }
        logger.info("stopped", metadata: ["block.number": "\(blockchain.head.number)"])
    }
}

/// A function that runs until its task is cancelled, as a service that ends with the group.
struct TaskService: Service {
    let body: @Sendable () async throws -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown(body)
    }
}
