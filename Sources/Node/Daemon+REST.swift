import BlockProduction
import Chain
import Foundation
import Gateway
import Logging
import NIOCore
import PluginAPI
import Primitives
import RPC
import TxPool

/// Who may do what with which token: the same for REST and for JSON-RPC.
struct TokenAccess: Sendable {
    let admission: Admission
    private let keys: TokenKeyRing
    private let keySeconds: UInt64

    /// Reads the keys.
    ///
    /// - Parameters:
    ///   - folder: where a devnet keeps a key of its own if it is given none; nil for no such key.
    /// - Throws: `StartupError` for a key that cannot be used.
    init(
        _ options: GatewayOptions, table: MethodTable, plugins: [String], keyFolder folder: String?
    ) async throws(StartupError) {
        var paths = options.keys
        if paths.isEmpty, let folder { paths = [try SecretFile.gatewayKey(in: folder)] }
        for grant in options.roles.values {
            if let name = table.unknown(among: grant.methods.sorted()) {
                throw StartupError(
                    .configuration,
                    "gateway: 'rpc:\(name)' is neither a namespace nor a method of this node")
            }
        }
        keySeconds = options.limits.keySeconds
        do throws(GatewayError) {
            keys = try await TokenKeyRing(paths)
        } catch {
            throw StartupError(.configuration, "gateway.keys: \(error)")
        }
        do throws(GatewayError) {
            admission = try Admission(
                options,
                policy: RolePolicy(
                    grants: options.roles, methods: table.methods, plugins: plugins),
                verifier: TokenVerifier(keys, options), logger: Self.logger, now: wallClockSeconds)
        } catch {
            throw StartupError(.configuration, "gateway: \(error)")
        }
    }

    /// Looks at the files of the keys until the task is cancelled.
    func run() async { await keys.run(every: keySeconds, logger: Self.logger) }

    private static var logger: Logger { Logger(label: "apus.gateway") }
}

extension Daemon {
    /// Begins to serve REST, if that is wanted.
    ///
    /// - Parameters:
    ///   - tokens: who may do what.
    ///   - checks: what must hold for the node to be ready.
    /// - Returns: the server and its port.
    /// - Throws: `StartupError` if an address that was asked for cannot be had.
    func serveREST(
        _ parts: LocalBackend.Parts, tokens: TokenAccess, checks: ReadinessChecks
    ) async throws(StartupError) -> (server: GatewayServer, port: Int)? {
        let rest = settings.rest
        guard rest.isEnabled else { return nil }
        var options = rest.gateway
        options.certificate = settings.certificate
        options.virtualHosts = settings.allowedHosts
        options.allowedOrigins = settings.allowedOrigins
        let gateway: Gateway
        do throws(GatewayError) {
            gateway = try Gateway(
                backend: LocalBackend(parts, checks: checks), options: options,
                admission: tokens.admission, metrics: plugins.metrics, version: apusVersion,
                logger: Logger(label: "apus.gateway"), now: wallClockSeconds)
        } catch {
            throw StartupError(.configuration, "gateway: \(error)")
        }
        let server = GatewayServer(
            gateway, eventLoops: ProcessInfo.processInfo.activeProcessorCount)
        do {
            return (server, try await server.start())
        } catch let error as IOError where error.errnoCode == EADDRINUSE && !rest.isPortAsked {
            logger.notice(
                "the port of REST is taken, a free one is used",
                metadata: ["rest.port": "\(options.port)"])
        } catch {
            await server.stop()
            throw StartupError(
                .unavailable,
                "cannot serve REST on \(options.host), port \(options.port): \(error); "
                    + "--rest-port chooses another, 0 a free one, --no-rest leaves it out")
        }
        do {
            return (server, try await server.start(port: 0))
        } catch {
            await server.stop()
            throw StartupError(.unavailable, "cannot serve REST on \(options.host): \(error)")
        }
    }
}

extension ReadinessChecks {
    /// The checks of a node.
    ///
    /// - Parameter period: the time between its blocks, where a clock makes them.
    init(_ settings: NodeSettings, folder: String, period: Duration?) {
        self.init(now: wallClock)
        self.folder = folder
        leastFreeBytes = settings.rest.leastFreeBytes
        let fromPeriod = period.map { max(30, 5 * UInt64($0.components.seconds + 1)) }
        oldestHead = settings.rest.oldestHead ?? fromPeriod
    }
}
