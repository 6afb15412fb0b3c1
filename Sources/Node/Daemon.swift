import Chain
import Foundation
import Logging
import PluginAPI
import Primitives
import RPC
import ServiceLifecycle

/// What every way of running the daemon has in common: the log, the listeners, the service group,
/// and the order in which all of it ends.
struct Daemon {
    let settings: NodeSettings
    let blockchain: Blockchain
    let rpc: RPCNode
    let plugins: PluginHost
    let server: RPCServer
    let logger: Logger

    /// Sets up the process's log. Call once, first.
    static func bootstrapLogging(_ settings: NodeSettings) -> Logger {
        LoggingSystem.bootstrap { [format = settings.logFormat, level = settings.logLevel] label in
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
            // One core is left to execution.
            eventLoops: max(1, ProcessInfo.processInfo.activeProcessorCount - 1), logger: logger,
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

    /// Binds the ports.
    ///
    /// - Parameter namespaces: what HTTP and WebSocket serve where the settings do not say.
    /// - Returns: the TCP port.
    /// - Throws: `StartupError` if an address cannot be had.
    func listen(defaultAccess access: RPCAccess) async throws(StartupError) -> Int {
        let http = try allowed(settings.httpNamespaces, "http-api") ?? access
        let webSocket = try allowed(settings.webSocketNamespaces, "ws-api") ?? http
        var listener = RPCListener(
            host: settings.host, port: settings.port, http: http, webSocket: webSocket)
        listener.certificate = settings.certificate
        listener.virtualHosts = settings.allowedHosts
        listener.allowedOrigins = settings.allowedOrigins
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
private struct TaskService: Service {
    let body: @Sendable () async throws -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown(body)
    }
}

extension Blockchain {
    /// Comes back when the writer has a moment: what the watchdog wants to know.
    func answers() -> Bool { true }
}
