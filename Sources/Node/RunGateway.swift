import Foundation
import Gateway
import Logging
import NIOCore
import PluginAPI
import Primitives
import ServiceLifecycle

/// Runs `apus gateway` until it is told to stop.
///
/// - Throws: `StartupError` if it cannot start.
public func runGateway(_ settings: FleetSettings) async throws {
    let logger = Daemon.bootstrapLogging(settings.logFormat, settings.logLevel)
    let options = settings.gateway
    let keys: TokenKeyRing
    do throws(GatewayError) {
        keys = try await TokenKeyRing(options.keys)
    } catch {
        throw StartupError(.configuration, "gateway.keys: \(error)")
    }
    let metrics = MetricsRegistry()
    metrics.gauge(
        "apus_build_info", "The version of the program, as a label; always 1.",
        label: MetricLabel("version", [apusVersion])
    ).set(1, apusVersion)
    let credentials = FleetCredentials(
        tokenFile: settings.fleet.tokenFile, keys: keys, audience: options.audience)
    let backend = UpstreamBackend(
        settings.fleet, metrics: metrics, authorization: { credentials.header },
        logger: Logger(label: "apus.fleet"))
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await backend.run() }
        // What the gateway serves is what the nodes say that they serve.
        while await !backend.waitUntilKnown(for: .seconds(10)) {
            logger.warning("no upstream has said yet what it serves; waiting")
        }
        let server = try await start(options, backend, keys, metrics)
        let scheme = options.certificate == nil ? "http" : "https"
        let lines = [
            "REST on \(scheme)://\(options.host):\(server.port)",
            "Listening on \(options.host):\(server.port)",
        ]
        var failure: (any Error)?
        do {
            try await serve(announcing: lines, backend, keys, options, logger)
        } catch {
            failure = error
        }
        await server.server.stop()
        group.cancelAll()
        if let failure { throw failure }
    }
    logger.info("stopped")
}

private func start(
    _ options: GatewayOptions, _ backend: UpstreamBackend, _ keys: TokenKeyRing,
    _ metrics: MetricsRegistry
) async throws(StartupError) -> (server: GatewayServer, port: Int) {
    let logger = Logger(label: "apus.gateway")
    let gateway: Gateway
    do throws(GatewayError) {
        gateway = try Gateway(
            backend: backend, options: options,
            admission: Admission(
                options, policy: RolePolicy(grants: options.roles),
                verifier: TokenVerifier(keys, options), logger: logger, now: wallClockSeconds),
            metrics: metrics, version: apusVersion, logger: logger, now: wallClockSeconds)
    } catch {
        throw StartupError(.configuration, "gateway: \(error)")
    }
    let server = GatewayServer(
        gateway, eventLoops: ProcessInfo.processInfo.activeProcessorCount)
    do {
        return (server, try await server.start())
    } catch {
        await server.stop()
        throw StartupError(
            .unavailable,
            "cannot listen on \(options.host), port \(options.port): \(error); --listen chooses "
                + "another")
    }
}

/// Serves until SIGTERM or SIGINT.
private func serve(
    announcing lines: [String], _ backend: UpstreamBackend, _ keys: TokenKeyRing,
    _ options: GatewayOptions, _ logger: Logger
) async throws {
    var configuration = ServiceGroupConfiguration(
        services: [
            .init(
                service: TaskService {
                    printLines(lines)
                    try await gracefulShutdown()
                }),
            .init(
                service: TaskService {
                    await keys.run(every: options.limits.keySeconds, logger: logger)
                }),
            .init(
                service: SystemdService(status: "serving nodes") {
                    await backend.isAlive()
                }),
        ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    configuration.maximumGracefulShutdownDuration = .seconds(30)
    try await ServiceGroup(configuration: configuration).run()
}

/// With what a gateway itself opens the event streams of its nodes.
struct FleetCredentials: Sendable {
    let tokenFile: String?
    let keys: TokenKeyRing
    let audience: String

    /// The value of the header: the token in the file, read anew each time, or one that a key of
    /// the gateway's own signs; nil if there is neither.
    var header: String? {
        if let tokenFile {
            guard let text = try? String(contentsOfFile: tokenFile, encoding: .utf8) else {
                return nil
            }
            return "Bearer " + text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let now = UInt64(max(0, Date.now.timeIntervalSince1970))
        let token = try? keys.signer?.token(
            service: "gateway", roles: ["reader"], audience: audience, issued: now,
            expires: now + 3600)
        return token.map { "Bearer " + $0 }
    }
}
