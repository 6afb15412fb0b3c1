import Foundation
import HTTPTypes
public import Logging
public import PluginAPI
import Primitives
import RPC
import Synchronization

/// The front of a gateway: from a request to its answer, whoever knows it.
///
///     host and origin ─▶ target ─▶ route ─▶ token and role ─▶ rate ─▶ copy? ─▶ body ─▶ backend
///
/// It is total: whatever a request holds, its answer is one of a route or a problem (RFC 9457) with
/// the id under which the log knows more. It knows nothing of servers and sockets; `GatewayServer`
/// does.
public final class Gateway: Sendable {
    let backend: any GatewayBackend
    let options: GatewayOptions
    let version: String
    let metrics: MetricsRegistry
    let logger: Logger
    /// Copies of answers.
    public let cache: AnswerCache
    /// Copies that several gateways share.
    package let shared: SharedCache?
    let admission: Admission
    private let web: WebAccess
    /// The host that was permitted last: mostly the next request names it too.
    private let permittedHost = Mutex("")
    private let figures: FrontMetrics
    private let own: RouteTable
    let load: FrontLoad
    let now: @Sendable () -> Double

    /// A front before a backend.
    ///
    /// - Parameters:
    ///   - admission: lets callers in.
    ///   - metrics: where the figures are declared, and what `/metrics` shows.
    ///   - version: of the program.
    ///   - now: the wall clock, in seconds since 1970.
    /// - Throws: `GatewayError` if Redis' password cannot be read.
    public init(
        backend: any GatewayBackend, options: GatewayOptions, admission: Admission,
        metrics: MetricsRegistry, version: String, logger: Logger,
        now: @escaping @Sendable () -> Double
    ) throws(GatewayError) {
        self.backend = backend
        shared = try options.shared.map { shared throws(GatewayError) in
            try SharedCache(shared, metrics: metrics, logger: logger)
        }
        self.options = options
        self.admission = admission
        self.metrics = metrics
        self.version = version
        self.logger = logger
        self.now = now
        cache = AnswerCache(limit: options.cacheBytes)
        web = WebAccess(
            host: options.host, virtualHosts: options.virtualHosts,
            origins: options.allowedOrigins)
        own = RouteTable(OwnRoute.allCases.map(\.route))
        load = FrontLoad(options.limits)
        figures = FrontMetrics(
            metrics, routes: Self.routes(own, backend).map(\.name), cache: cache,
            audit: admission.audit, load: load)
    }

    /// Every route once: the gateway's own, and those of the backend.
    public var routes: [GatewayRoute] { Self.routes(own, backend) }

    /// A node says of its gateway's own routes as well that it serves them.
    private static func routes(
        _ own: RouteTable, _ backend: any GatewayBackend
    ) -> [GatewayRoute] {
        var names: Set<String> = []
        return (own.routes + backend.routes.routes).filter { names.insert($0.name).inserted }
    }

    // MARK: - One request

    /// What became known about a request, for its answer, the figures and the audit log.
    private struct Trace {
        var id: String
        var client: NetworkAddress?
        var route: GatewayRoute?
        var claims: TokenClaims?
        /// Why it was refused, and in one word.
        var refusal: (kind: String, reason: String)?
        var state: StateTag?
    }

    /// Answers a request.
    public func respond(to request: IncomingRequest) async -> OutgoingResponse {
        let start = ContinuousClock.now
        let peer = request.peer
        let fields = request.head.headerFields
        var trace = Trace(
            id: requestId(fields, peer: peer),
            client: admission.clients.client(
                peer: peer, forwardedFor: fields[values: .forwardedFor]))
        var response: OutgoingResponse
        do {
            guard load.enter() else {
                trace.refusal = ("busy", "too many requests")
                throw Problem.busy
            }
            defer { load.leave() }
            response = try await answer(request, peer: peer, &trace)
        } catch {
            response = self.response(to: error, trace)
        }
        complete(&response, request, trace)
        let status = response.head.status.code
        let route = trace.route?.name ?? "none"
        figures.requests.add(1, [route, String(status)])
        figures.seconds.observe((ContinuousClock.now - start).seconds, route)
        if let refusal = trace.refusal { figures.refused.add(1, refusal.kind) }
        if trace.claims != nil || trace.refusal != nil {
            admission.audit.record(
                AuditLog.Entry(
                    requestId: trace.id, client: trace.client?.description ?? "unknown",
                    service: trace.claims?.service, roles: trace.claims?.roles ?? [],
                    keyId: trace.claims?.keyId, route: route, status: status,
                    reason: trace.refusal?.reason))
        }
        return response
    }

    private func answer(
        _ request: IncomingRequest, peer: NetworkAddress?, _ trace: inout Trace
    ) async throws -> OutgoingResponse {
        try checkOrigin(request.head, &trace)
        if request.head.method == .options { return preflight() }
        let target = try RequestTarget(request.head.path ?? "")
        let (route, values) = try find(request.head.method, target)
        trace.route = route
        try admit(
            request, to: route, for: route.units(for: target.query), peer: peer, &trace)
        let fields = request.head.headerFields
        if let own = OwnRoute(route) {
            return try await answer(
                own, values, target, request.head, for: caller(fields, trace),
                countedAs: trace.claims.map { .service($0.service) }
                    ?? .address(trace.client?.customer))
        }
        if mayHaveCopy(route, fields), let found = await copy(route, target, fields, &trace) {
            return found
        }
        let gatewayRequest = GatewayRequest(
            route: route, target: request.head.path ?? "/",
            arguments: RESTArguments(
                path: values, query: target.query,
                body: request.hasBody ? try await body(of: request, route) : []),
            contentType: fields[.contentType], caller: caller(fields, trace),
            deadline: .now + .seconds(options.limits.requestSeconds))
        let answer = try await backend.answer(gatewayRequest)
        trace.state = answer.state
        return response(to: answer, route, target, fields)
    }

    private func caller(_ fields: HTTPFields, _ trace: Trace) -> GatewayCaller {
        GatewayCaller(
            id: trace.id, authorization: fields[.authorization],
            client: trace.client)
    }

    /// The Host header must name this gateway, and a web page must be one that may call.
    private func checkOrigin(_ head: HTTPRequest, _ trace: inout Trace) throws(Problem) {
        guard let host = head.authority, !host.isEmpty, head.headerFields[.hostHeader] == nil else {
            throw Problem(400, "Bad request", "The Host header is missing or repeated.")
        }
        guard permits(host) else {
            trace.refusal = ("host", "another host")
            throw Problem(
                403, "Not allowed", "The Host header names another machine; see allow-host.")
        }
        guard let origin = head.headerFields[.origin] else { return }
        guard web.permits(origin: origin) else {
            trace.refusal = ("origin", "another origin")
            throw Problem(
                403, "Not allowed", "Pages of this origin may not call; see allow-origin.")
        }
    }

    private func permits(_ host: String) -> Bool {
        if permittedHost.withLock({ $0 == host }) { return true }
        guard web.permits(host: host) else { return false }
        permittedHost.withLock { $0 = host }
        return true
    }

    private func find(
        _ method: HTTPRequest.Method, _ target: RequestTarget
    ) throws(Problem) -> (GatewayRoute, [String: String]) {
        let wanted: RESTRoute.Method? =
            method == .head ? .get : RESTRoute.Method(rawValue: method.rawValue)
        var others: [RESTRoute.Method] = []
        for table in [own, backend.routes] {
            switch table.match(wanted, target.segments) {
            case .found(let route, let values): return (route, values)
            case .otherMethods(let methods): others += methods
            case .nothing: break
            }
        }
        guard !others.isEmpty else {
            throw Problem(404, "Not found", "There is no such route; /openapi.json lists them.")
        }
        var allowed = Set(others.map(\.rawValue))
        if allowed.contains("GET") { allowed.insert("HEAD") }
        allowed.insert("OPTIONS")
        throw Problem(
            405, "Method not allowed", "The route is not there for this method.",
            headers: [("allow", allowed.sorted().joined(separator: ", "))])
    }

    // MARK: - Who may

    private func admit(
        _ request: IncomingRequest, to route: GatewayRoute, for cost: Double,
        peer: NetworkAddress?, _ trace: inout Trace
    ) throws(Problem) {
        let fields = request.head.headerFields
        let credentials = fields[values: .authorization]
        let isGranted: Bool
        if credentials.isEmpty {
            isGranted =
                options.anonymous.contains(route.role)
                || options.anonymousLocal.contains(route.role) && isLocal(peer, fields)
        } else {
            do throws(TokenRefusal) {
                let claims = try admission.verify(credentials)
                trace.claims = claims
                isGranted = admission.policy.permits(claims.roles, route.role)
            } catch {
                // Who tries tokens is slowed down by where he is.
                try limit(cost, &trace)
                trace.refusal = ("token", "\(error)")
                throw Problem(
                    401, "Not authenticated",
                    "\(error)".prefix(1).uppercased()
                        + "\(error)".dropFirst() + ".",
                    headers: [
                        (
                            "www-authenticate",
                            "Bearer realm=\"apus\", error=\"invalid_token\", "
                                + "error_description=\"\(error)\""
                        )
                    ])
            }
        }
        try limit(cost, &trace)
        guard isGranted else {
            trace.refusal = (
                trace.claims == nil ? "token" : "role", "the route needs the role \(route.role)"
            )
            if trace.claims == nil {
                throw Problem(
                    401, "Not authenticated",
                    "The route needs a token with the role \"\(route.role)\".",
                    headers: [("www-authenticate", "Bearer realm=\"apus\"")])
            }
            throw Problem(
                403, "Not allowed", "The route needs the role \"\(route.role)\".",
                headers: [
                    (
                        "www-authenticate",
                        "Bearer realm=\"apus\", error=\"insufficient_scope\", "
                            + "scope=\"\(route.role)\""
                    )
                ])
        }
    }

    /// Whether a caller is on this machine: not if a proxy on it calls for somebody else.
    private func isLocal(_ peer: NetworkAddress?, _ fields: HTTPFields) -> Bool {
        guard peer?.isLoopback ?? false else { return false }
        return fields[.forwardedFor] == nil && fields[.forwarded] == nil
    }

    private func limit(_ cost: Double, _ trace: inout Trace) throws(Problem) {
        guard let seconds = admission.take(cost, of: trace.claims, at: trace.client) else { return }
        trace.refusal = ("rate", "too many requests")
        throw Problem(
            429, "Too many requests", "Try again in \(seconds) s.",
            headers: [("retry-after", String(seconds))])
    }

    // MARK: - Copies

    /// Whether to look for a copy that the caller, this gateway or another one has.
    private func mayHaveCopy(_ route: GatewayRoute, _ fields: HTTPFields) -> Bool {
        guard route.method == .get, route.cache != .none else { return false }
        return isKept(route) || fields.contains(.ifNoneMatch)
    }

    /// The answer that the caller, this gateway or another one has already.
    private func copy(
        _ route: GatewayRoute, _ target: RequestTarget, _ fields: HTTPFields, _ trace: inout Trace
    ) async -> OutgoingResponse? {
        let condition = fields[values: .ifNoneMatch]
        let tags = backend.tags(for: route.cache)
        if !condition.isEmpty,
            let tag = tags.first(where: { Self.matches(condition, $0.entityTag) })
        {
            figures.notModified.add()
            trace.state = tag
            return notModified(tag.entityTag)
        }
        guard isKept(route), !tags.isEmpty else { return nil }
        let entityTags = tags.map(\.entityTag)
        var found = cache.find(target.canonical, entityTags: entityTags)
        if found == nil, let shared, let chainId = backend.chain?.id {
            found = await shared.find(target.canonical, entityTags: entityTags, chainId: chainId)
            if let found {
                cache.store(
                    found.answer,
                    under: CacheKey(target: target.canonical, entityTag: found.entityTag))
            }
        }
        guard let found else { return nil }
        trace.state = found.answer.state
        var response = OutgoingResponse(
            200, .whole(found.answer.body), mediaType: found.answer.mediaType)
        mark(&response, entityTag: found.entityTag)
        return response
    }

    /// Whether copies of a route's answers are kept: looking for one is as dear as answering what
    /// is answered at once, unless that comes over the network.
    private func isKept(_ route: GatewayRoute) -> Bool {
        route.cost != .instant || backend.isRemote
    }

    private func notModified(_ entityTag: String) -> OutgoingResponse {
        var response = OutgoingResponse(304, .whole([]))
        mark(&response, entityTag: entityTag)
        return response
    }

    private func mark(_ response: inout OutgoingResponse, entityTag: String) {
        response.add(.eTag, entityTag)
        // A browser asks each time, and mostly hears that nothing has changed.
        response.add(.cacheControl, "private, no-cache")
    }

    /// Whether `If-None-Match` names an entity tag (RFC 9110, section 13.1.2).
    static func matches(_ headers: [String], _ entityTag: String) -> Bool {
        headers.lazy.flatMap { $0.split(separator: ",") }.contains { part in
            let text = part.filter { $0 != " " && $0 != "\t" }
            return text == "*" || text == entityTag || text == "W/" + entityTag
        }
    }

    private func response(
        to answer: GatewayAnswer, _ route: GatewayRoute, _ target: RequestTarget,
        _ fields: HTTPFields
    ) -> OutgoingResponse {
        if let tag = answer.entityTag, answer.status == 200,
            Self.matches(fields[values: .ifNoneMatch], tag)
        {
            figures.notModified.add()
            return notModified(tag)
        }
        var response = OutgoingResponse(
            answer.status, answer.content, mediaType: answer.mediaType)
        if let name = answer.fileName {
            response.head.headerFields[.contentDisposition] = "attachment; filename=\"\(name)\""
        }
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { response.head.headerFields[name] = value }
        }
        guard let tag = answer.entityTag, answer.status == 200, route.method == .get else {
            return response
        }
        mark(&response, entityTag: tag)
        if isKept(route), case .whole(let bytes) = answer.content, let state = answer.state {
            let copy = CachedAnswer(mediaType: answer.mediaType, body: bytes, state: state)
            let key = CacheKey(target: target.canonical, entityTag: tag)
            cache.store(copy, under: key)
            if let shared, let chainId = backend.chain?.id {
                shared.store(copy, under: key, chainId: chainId)
            }
        }
        return response
    }

    // MARK: - Bodies

    private func body(
        of request: IncomingRequest, _ route: GatewayRoute
    ) async throws -> Bytes {
        let fields = request.head.headerFields
        let limit = options.limits.bodyBytes
        if let length = fields[.contentLength].flatMap({ Int($0) }), length > limit {
            throw Self.tooLarge(limit)
        }
        guard fields[.contentEncoding] == nil else {
            throw Problem(415, "Unsupported media type", "The body must not be compressed.")
        }
        let bytes: Bytes?
        do {
            bytes = try await request.body(limit)
        } catch {
            throw Problem(400, "Bad request", "The body did not arrive whole.")
        }
        guard let bytes else { throw Self.tooLarge(limit) }
        if route.takesBody, !bytes.isEmpty {
            let type = (fields[.contentType] ?? "").prefix { $0 != ";" }.lowercased()
                .filter { $0 != " " }
            guard type == "application/json" else {
                throw Problem(
                    415, "Unsupported media type", "The body must be application/json.")
            }
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw Problem(400, "Invalid parameter", "The body is not UTF-8.")
            }
        }
        return bytes
    }

    private static func tooLarge(_ limit: Int) -> Problem {
        Problem(413, "Too large", "The body is larger than \(limit) bytes.")
    }

    // MARK: - Answers

    private func response(to error: any Error, _ trace: Trace) -> OutgoingResponse {
        let problem: Problem
        switch error {
        case let error as Problem: problem = error
        case let error as RESTError where error.status < 500 || 502...504 ~= error.status:
            problem = Problem(error)
        case is CancellationError:
            problem = Problem(503, "Not available", "The gateway is stopping.")
        default:
            logger.error(
                "a request failed unexpectedly",
                metadata: [
                    "request.id": "\(trace.id)", "route": "\(trace.route?.name ?? "none")",
                    "error": "\(error)",
                ])
            problem = .internalError
        }
        var response = OutgoingResponse(
            problem.status, .whole(problem.encoded(requestId: trace.id)),
            mediaType: Problem.mediaType)
        for (name, value) in problem.headers {
            if let name = HTTPField.Name(name) { response.head.headerFields[name] = value }
        }
        return response
    }

    /// The answer to a browser that asks whether a page may call (Fetch standard).
    private func preflight() -> OutgoingResponse {
        var response = OutgoingResponse(204, .whole([]))
        response.head.headerFields[.allow] = "GET, HEAD, OPTIONS, POST"
        response.head.headerFields[.accessControlAllowMethods] = "GET, HEAD, POST"
        response.head.headerFields[.accessControlAllowHeaders] =
            "Authorization, Content-Type, If-None-Match, Last-Event-ID"
        response.head.headerFields[.accessControlMaxAge] = "86400"
        return response
    }

    /// Adds what every answer has.
    private func complete(
        _ response: inout OutgoingResponse, _ request: IncomingRequest, _ trace: Trace
    ) {
        response.add(.requestId, trace.id)
        if let state = trace.state { response.add(.apusState, state.description) }
        response.head.headerFields.append(Self.noSniffing)
        if !response.head.headerFields.contains(.cacheControl) {
            response.add(.cacheControl, "no-store")
        }
        if !response.head.headerFields.contains(.contentSecurityPolicy) {
            response.head.headerFields.append(Self.noContent)
        }
        if !options.allowedOrigins.isEmpty { response.add(.vary, "Origin") }
        if let origin = request.head.headerFields[.origin], web.permits(origin: origin) {
            response.add(.accessControlAllowOrigin, origin)
            response.add(.accessControlExposeHeaders, "ETag, Retry-After, X-Request-ID, Apus-State")
        }
        if case .whole(let bytes) = response.content {
            // What the answer to GET would have; not for statuses that have none.
            if response.head.status.code != 204, response.head.status.code != 304 {
                response.add(.contentLength, String(bytes.count))
            }
        }
        if request.head.method == .head { response.content = .whole([]) }
    }

    private static let noSniffing = HTTPField(name: .xContentTypeOptions, value: "nosniff")
    private static let noContent = HTTPField(
        name: .contentSecurityPolicy, value: "default-src 'none'; frame-ancestors 'none'")

    /// The id of a request: that of a trusted proxy, or a new one.
    private func requestId(_ fields: HTTPFields, peer: NetworkAddress?) -> String {
        if let given = fields[.requestId], admission.clients.isTrusted(peer),
            TokenText.isName(given)
        {
            return given
        }
        return UInt64.random(in: .min ... .max).sixteenDigits
    }
}

extension Duration {
    /// As a number of seconds.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
