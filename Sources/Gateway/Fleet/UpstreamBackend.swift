import AsyncHTTPClient
import Cryptography
public import Logging
import NIOCore
public import PluginAPI
import Primitives
import Storage
import Synchronization

/// The gateways of several nodes, as one.
///
/// A request goes to the least busy of the nodes that are up and not behind; if that one does not
/// answer, to another, as far as asking twice does no harm. The caller's token goes along: each
/// node checks it again.
///
///     FleetMonitor   how the nodes are ─▶ Fleet ◀─ who is asked next   FleetClient
public final class UpstreamBackend: GatewayBackend {
    private let client: FleetClient
    private let monitor: FleetMonitor
    private let http: HTTPClient
    private let streams: HTTPClient
    private let metrics: FleetMetrics
    private let logger: Logger

    /// A backend of these nodes; `run` begins to ask them how they are.
    ///
    /// - Parameter authorization: makes the `Authorization` header with which this gateway itself
    ///   opens the nodes' event streams.
    public init(
        _ options: FleetOptions, metrics registry: MetricsRegistry,
        authorization: @escaping @Sendable () -> String?, logger: Logger
    ) {
        var limits = Fleet.Limits()
        limits.lag = options.lag
        limits.outstanding = options.outstanding
        http = HTTPClient.forFleet(connections: options.outstanding)
        streams = HTTPClient.forEventStreams()
        metrics = FleetMetrics(registry, upstreams: options.upstreams.count)
        client = FleetClient(
            Fleet(options.upstreams, limits: limits), limits: options.limits,
            policy: RetryPolicy(), http: http, logger: logger, metrics: metrics)
        monitor = FleetMonitor(
            client, http: http, streams: streams, authorization: authorization, logger: logger,
            metrics: metrics)
        self.logger = logger
    }

    /// Watches the nodes until its task is cancelled, and ends the connections.
    public func run() async {
        await monitor.run()
        try? await http.shutdown()
        try? await streams.shutdown()
    }

    /// Waits until a node has said what it serves.
    ///
    /// - Returns: whether one has, in the time that there was.
    public func waitUntilKnown(for time: Duration) async -> Bool {
        let end = ContinuousClock.now + time
        while monitor.routes.routes.isEmpty, ContinuousClock.now < end, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
        }
        return !monitor.routes.routes.isEmpty
    }

    // MARK: - GatewayBackend

    /// What all nodes serve that are up.
    public var routes: RouteTable { monitor.routes }

    /// What the nodes are made from now: an answer of one of them is as good as that of another.
    public func tags(for cache: RESTCache) -> [StateTag] {
        guard cache != .none else { return [] }
        let now = ContinuousClock.now
        return client.fleet.withLock { fleet in
            fleet.eligible(at: now).compactMap { fleet.cacheTag($0, at: now) }
        }
    }

    /// Whatever is asked goes over the network, and is dearer than a look for a copy.
    public var isRemote: Bool { true }

    /// The chain of the nodes, as the first of them has said it.
    public var chain: ChainName? { monitor.chain }

    /// Asks the nodes.
    public func answer(_ request: GatewayRequest) async throws -> GatewayAnswer {
        var outgoing = UpstreamRequest(request.route.method.rawValue, request.target)
        outgoing.headers = Self.headers(request.caller)
        if let type = request.contentType {
            outgoing.headers.append(("Content-Type", type))
        }
        outgoing.body = request.arguments.body
        let transaction =
            request.route.isIdempotent ? nil : SignedTransaction(body: request.arguments.body)
        outgoing.repetition =
            request.route.isIdempotent
            ? .harmless : transaction == nil ? .harmful : .sameTransaction
        do throws(FleetClient.Failure) {
            let sent = try await client.send(
                outgoing, isInstant: request.route.cost == .instant, until: request.deadline)
            if let transaction, sent.tries > 1, 400..<500 ~= sent.answer.status,
                let known = await known(transaction, request)
            {
                return known
            }
            return Self.answer(sent.answer)
        } catch {
            throw problem(error, outgoing.repetition)
        }
    }

    /// What goes along with each request to a node.
    private static func headers(_ caller: GatewayCaller) -> [(name: String, value: String)] {
        let client = caller.client?.description ?? "unknown"
        var headers = [("X-Request-ID", caller.id), ("X-Forwarded-For", client)]
        if let authorization = caller.authorization {
            headers.append(("Authorization", authorization))
        }
        return headers.map { (name: $0.0, value: $0.1) }
    }

    private static func answer(_ answer: UpstreamAnswer) -> GatewayAnswer {
        let headers = answer.headers
        let content: GatewayAnswer.Content =
            switch answer.body {
            case .whole(let buffer): .whole(Bytes(buffer.readableBytesView))
            case .stream(let body): .parts(StreamedBody(body).read)
            }
        var result = GatewayAnswer(
            status: answer.status,
            mediaType: headers.first(name: "Content-Type") ?? "application/octet-stream",
            content: content, fileName: fileName(headers.first(name: "Content-Disposition")),
            state: headers.first(name: StateTag.header).flatMap { StateTag($0) },
            entityTag: answer.status == 200 ? headers.first(name: "ETag") : nil)
        for name in ["Retry-After", "WWW-Authenticate", "Allow"] {
            if let value = headers.first(name: name) { result.headers.append((name, value)) }
        }
        return result
    }

    /// The name in `attachment; filename="…"`, which is how a node's gateway writes it.
    static func fileName(_ disposition: String?) -> String? {
        guard let disposition, let start = disposition.range(of: "filename=\"")?.upperBound,
            let end = disposition[start...].firstIndex(of: "\"")
        else { return nil }
        return String(disposition[start..<end])
    }

    private func problem(
        _ failure: FleetClient.Failure, _ repetition: RetryPolicy.Repetition
    ) -> any Error {
        switch failure {
        case .cancelled: return CancellationError()
        case .noUpstream:
            metrics.unanswered.add()
            return RESTError(
                status: 503, title: "Not available",
                detail: "No node that could answer is ready at present.")
        case .unanswered(let reason):
            metrics.unanswered.add()
            if repetition == .harmful, reason != .notDelivered {
                return RESTError(
                    status: 504, title: "Timeout",
                    detail: "The node has not answered: what was asked for may have been done.")
            }
            return RESTError(
                status: 503, title: "Not available", detail: "No node has answered in time.")
        }
    }

    /// A transaction that was sent again and refused may have been taken the first time: whether a
    /// node knows it tells.
    private func known(
        _ transaction: SignedTransaction, _ request: GatewayRequest
    ) async -> GatewayAnswer? {
        var outgoing = UpstreamRequest("GET", "/api/transaction/\(transaction.hash)")
        outgoing.headers = Self.headers(request.caller)
        guard
            let found = try? await client.send(
                outgoing, isInstant: true, until: request.deadline),
            found.answer.status == 200
        else { return nil }
        return GatewayAnswer(
            mediaType: "application/json", content: .whole(transaction.accepted),
            state: found.answer.headers.first(name: StateTag.header).flatMap { StateTag($0) })
    }

    /// How the nodes are, each under its place in the configuration.
    public func health() async -> [ModuleHealth] {
        let now = ContinuousClock.now
        let fleet = client.fleet.withLock { $0 }
        let eligible = Set(fleet.eligible(at: now))
        let status: PluginHealth.Status =
            eligible.isEmpty ? .failing : eligible.count < fleet.members.count ? .degraded : .ok
        var modules = [
            ModuleHealth(
                "fleet",
                PluginHealth(
                    status,
                    ["upstreams": "\(fleet.members.count)", "serving": "\(eligible.count)"]))
        ]
        for (index, member) in fleet.members.enumerated() {
            var facts = [
                "url": member.url, "circuit": member.breaker.condition(at: now).rawValue,
                "outstanding": "\(member.outstanding)",
            ]
            if let head = member.head { facts["head"] = "\(head)" }
            switch member.readiness {
            case .unknown: facts["reason"] = "not asked yet"
            case .notReady(let reason): facts["reason"] = reason
            case .ready:
                if !eligible.contains(index), facts["circuit"] == "closed" {
                    facts["reason"] = "behind the others, silent, or as busy as it may be"
                }
            }
            facts["state"] = fleet.cacheTag(index, at: now) == nil ? "unheard" : "heard"
            modules.append(
                ModuleHealth(
                    "upstream-\(index)",
                    PluginHealth(eligible.contains(index) ? .ok : .degraded, facts)))
        }
        return modules
    }

    /// Whether a node could answer now.
    public func readiness() async -> Readiness {
        let now = ContinuousClock.now
        let fleet = client.fleet.withLock { $0 }
        let eligible = fleet.eligible(at: now)
        let head = eligible.compactMap { fleet.members[$0].block }.max { $0.number < $1.number }
        return Readiness(
            reasons: eligible.isEmpty ? ["no node is ready"] : [], head: head)
    }

    /// Whether the nodes are still asked.
    public func isAlive() async -> Bool { monitor.isMoving(at: .now) }

    /// What happens to the chain, from whichever node has it.
    public func events(
        after cursor: EventCursor?, for caller: GatewayCaller
    ) async throws -> GatewayEvents {
        let events = UpstreamEvents(
            client, streams: streams, after: cursor, headers: Self.headers(caller))
        return { try await events.next() }
    }
}

/// A body that passes through, part by part.
private actor StreamedBody {
    private var parts: HTTPClientResponse.Body.AsyncIterator

    init(_ body: HTTPClientResponse.Body) {
        parts = body.makeAsyncIterator()
    }

    func read() async throws -> Bytes? {
        var parts = parts
        defer { self.parts = parts }
        return try await parts.next(isolation: self).map { Bytes($0.readableBytesView) }
    }
}
