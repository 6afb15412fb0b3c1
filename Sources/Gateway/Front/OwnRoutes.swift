import Foundation
import HTTPTypes
import PluginAPI
package import Primitives
import RPC
import Storage

/// The routes that the front answers itself, in every gateway the same: how it is, what it offers,
/// and the stream of events.
package enum OwnRoute: String, CaseIterable {
    case page = "/"
    case docs = "/docs"
    case style = "/docs/style.css"
    case openAPI = "/openapi.json"
    case live = "/livez"
    case ready = "/readyz"
    case health = "/health"
    case moduleHealth = "/health/{module}"
    case metrics = "/metrics"
    case events = "/api/events/blocks"

    private static let byName = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.route.name, $0) })

    /// The own route of this name, if it is one.
    init?(_ route: GatewayRoute) {
        guard let own = Self.byName[route.name] else { return nil }
        self = own
    }

    private var role: RESTRole {
        switch self {
        case .page, .docs, .style, .openAPI, .live, .ready: .probe
        case .health, .moduleHealth, .metrics: .monitor
        case .events: .reader
        }
    }

    private var summary: String {
        switch self {
        case .page, .docs: "The routes of the gateway, for people."
        case .style: "How the page looks."
        case .openAPI: "The routes of the gateway, for programs."
        case .live: "Whether the process moves at all."
        case .ready: "Whether requests should be sent here, with the reasons if not (503)."
        case .health: "How every module is."
        case .moduleHealth: "How a module is."
        case .metrics: "The figures of the node, as Prometheus reads them."
        case .events:
            "What happens to the chain, as server-sent events: committed, reverted, reset and state."
        }
    }

    private var mediaType: String {
        switch self {
        case .page, .docs: "text/html; charset=utf-8"
        case .style: "text/css; charset=utf-8"
        case .openAPI, .live, .ready, .health, .moduleHealth: "application/json"
        case .metrics: Prometheus.mediaType
        case .events: "text/event-stream"
        }
    }

    private var parameters: [RESTParameterDescription] {
        switch self {
        case .moduleHealth:
            [
                RESTParameterDescription(
                    name: "module", summary: "The name of the module.", place: .path,
                    isRequired: true, schema: String.textSchema)
            ]
        case .events:
            [
                RESTParameterDescription(
                    name: "after",
                    summary: "The id of the last event that was seen, like Last-Event-ID.",
                    place: .query, isRequired: false, schema: String.textSchema)
            ]
        case .page, .docs, .style, .openAPI, .live, .ready, .health, .metrics: []
        }
    }

    /// The route as the table has it.
    package var route: GatewayRoute {
        GatewayRoute(
            method: .get, path: rawValue, role: role, cost: .instant, cache: .none,
            isIdempotent: true, takesBody: false,
            operation: OpenAPI.operation(
                method: .get, path: rawValue, summary: summary, role: role, cost: .instant,
                cache: .none, isIdempotent: true, parameters: parameters,
                content: .object([mediaType.prefix { $0 != ";" }.description: [:]])))
    }

    fileprivate func response(_ bytes: Bytes, status: Int = 200) -> OutgoingResponse {
        OutgoingResponse(status, .whole(bytes), mediaType: mediaType)
    }
}

extension Gateway {
    /// Answers a route of the front itself.
    func answer(
        _ route: OwnRoute, _ values: [String: String], _ target: RequestTarget,
        _ head: HTTPRequest, for caller: GatewayCaller, countedAs owner: FrontLoad.Owner
    ) async throws -> OutgoingResponse {
        if let name = target.query.keys.sorted().first(where: { $0 != "after" || route != .events })
        {
            // The name is given back by its length alone: it is whatever somebody has sent.
            throw Problem(
                400, "Invalid parameter",
                "There is no parameter of that name (\(name.utf8.count) bytes long).")
        }
        switch route {
        case .page, .docs:
            var response = route.response(
                ReferencePage.html(routes, version: version, roles: options.anonymous))
            response.head.headerFields[.contentSecurityPolicy] =
                "default-src 'self'; frame-ancestors 'none'"
            return response
        case .style: return route.response(ReferencePage.style)
        case .openAPI:
            return route.response(OpenAPI.document(routes, version: version).encoded())
        case .live: return await live(route)
        case .ready: return await ready(route)
        case .health: return try await health(route, of: nil)
        case .moduleHealth: return try await health(route, of: values["module"])
        case .metrics: return route.response(Prometheus.text(metrics.snapshot()))
        case .events: return try await events(target, head, for: caller, owner)
        }
    }

    private func live(_ route: OwnRoute) async -> OutgoingResponse {
        let isAlive = await backend.isAlive()
        let value: JSONValue = ["status": isAlive ? "alive" : "stuck"]
        return route.response(value.encoded(), status: isAlive ? 200 : 503)
    }

    private func ready(_ route: OwnRoute) async -> OutgoingResponse {
        let readiness = await backend.readiness()
        let reasons = load.isStopping ? ["the gateway is stopping"] : readiness.reasons
        let chain = backend.chain
        let value: JSONValue = [
            "status": reasons.isEmpty ? "ready" : "not ready",
            "reasons": .array(reasons.map { .string($0) }),
            "head": readiness.head.map(Self.json) ?? .null,
            "chain_id": chain.map { .number(String($0.id)) } ?? .null,
            "genesis_hash": chain.map { .string($0.genesisHash.description) } ?? .null,
        ]
        return route.response(value.encoded(), status: reasons.isEmpty ? 200 : 503)
    }

    private func health(_ route: OwnRoute, of module: String?) async throws -> OutgoingResponse {
        let modules =
            [ModuleHealth("gateway", ownHealth)] + (shared.map { [$0.health] } ?? [])
            + (await backend.health())
        let worst = modules.map(\.health.status).max { Self.rank($0) < Self.rank($1) } ?? .ok
        if let module {
            guard let found = modules.first(where: { $0.name == module }) else {
                throw Problem(
                    404, "Not found",
                    "There is no such module; there are "
                        + modules.map(\.name).joined(separator: ", ") + ".")
            }
            return route.response(
                JSONValue.object(json(found)).encoded(),
                status: found.health.status == .failing ? 503 : 200)
        }
        var services = JSONObject()
        for entry in modules { services[entry.name] = .object(json(entry)) }
        let value: JSONValue = [
            "status": .string(Self.word(worst)), "service": "apus", "timestamp": timestamp,
            "version": .string(version), "services": .object(services),
        ]
        return route.response(value.encoded(), status: worst == .failing ? 503 : 200)
    }

    private var ownHealth: PluginHealth {
        let figures = cache.figures
        return PluginHealth(
            load.isStopping ? .degraded : .ok,
            [
                "requests": "\(load.requests)", "streams": "\(load.streams)",
                "cache_entries": "\(figures.entries)", "cache_bytes": "\(figures.bytes)",
            ])
    }

    private func json(_ module: ModuleHealth) -> JSONObject {
        var details = JSONObject()
        for (key, value) in module.health.facts.sorted(by: { $0.key < $1.key }) {
            details[key] = .string(value)
        }
        return [
            "status": .string(Self.word(module.health.status)), "service": .string(module.name),
            "timestamp": timestamp, "details": .object(details),
        ]
    }

    private var timestamp: JSONValue {
        .string(Date(timeIntervalSince1970: now()).formatted(.iso8601))
    }

    private static func word(_ status: PluginHealth.Status) -> String {
        switch status {
        case .ok: "healthy"
        case .degraded: "degraded"
        case .failing: "unhealthy"
        }
    }

    private static func rank(_ status: PluginHealth.Status) -> Int {
        switch status {
        case .ok: 0
        case .degraded: 1
        case .failing: 2
        }
    }

    static func json(_ block: BlockReference) -> JSONValue {
        ["number": .number(String(block.number)), "hash": .string(block.hash.description)]
    }

    // MARK: - Events

    /// The stream of events. Its connection is that of the request for as long as it lives, which is
    /// as long as the caller's token does; what a stream waits for takes a few seconds at most.
    private func events(
        _ target: RequestTarget, _ head: HTTPRequest, for caller: GatewayCaller,
        _ owner: FrontLoad.Owner
    ) async throws -> OutgoingResponse {
        var cursor: EventCursor?
        if let text = head.headerFields[.lastEventId] ?? target.query["after"] {
            guard let read = EventCursor(text) else {
                throw Problem(
                    400, "Invalid parameter",
                    "The id of the last event is none that this stream gives.")
            }
            cursor = read
        }
        var response = OutgoingResponse(200, .whole([]), mediaType: "text/event-stream")
        response.head.headerFields[.proxyBuffering] = "no"
        guard head.method != .head else { return response }
        let ticket = try load.openStream(for: owner)
        let credentials = head.headerFields[values: .authorization]
        let source = try await backend.events(after: cursor, for: caller)
        let isFirst = Once()
        response.content = .parts { [load, admission] in
            _ = ticket
            // A client that comes back does so after three seconds.
            if isFirst.take() { return Bytes("retry: 3000\n\n".utf8) }
            guard !load.isStopping, admission.isAdmitted(credentials),
                let events = try await source()
            else { return nil }
            return EventText.encode(events)
        }
        return response
    }
}

/// Events in the format of server-sent events (HTML standard, section 9.2).
package enum EventText {
    /// Some events; a comment if there are none, so that the connection is seen to be alive.
    package static func encode(_ events: [GatewayEvent]) -> Bytes {
        guard !events.isEmpty else { return Bytes(": nothing new\n\n".utf8) }
        var text = ""
        for event in events {
            switch event {
            case .block(let kind, let block, let parentHash, let cursor):
                let name =
                    switch kind {
                    case .committed: "committed"
                    case .reverted: "reverted"
                    case .reset: "reset"
                    }
                let data: JSONValue = [
                    "number": .number(String(block.number)),
                    "hash": .string(block.hash.description),
                    "parent_hash": .string(parentHash.description),
                ]
                text += "id: \(cursor)\nevent: \(name)\ndata: \(data)\n\n"
            case .state(let tag): text += "event: state\ndata: \(tag)\n\n"
            }
        }
        return Bytes(text.utf8)
    }
}
