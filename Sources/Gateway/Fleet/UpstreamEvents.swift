import AsyncHTTPClient
import NIOCore
import PluginAPI
import Primitives
import Storage

/// The events of the chain as one caller gets them from the nodes: from one of them, and when that
/// one fails from another, from where the caller is.
///
/// A cursor has the head that the caller has seen, so any node can go on from it: one that is on
/// another branch says first what has left the chain.
actor UpstreamEvents {
    private let client: FleetClient
    private let streams: HTTPClient
    private let headers: [(name: String, value: String)]
    /// Where the caller is; `nil` until the first event, of one that began now.
    private var cursor: EventCursor?
    private var stream: Stream?
    /// The node that failed last: another is better, if there is one.
    private var failed: Int?

    private struct Stream {
        var parts: HTTPClientResponse.Body.AsyncIterator
        var parser = EventStreamParser()
        let upstream: Int
    }

    init(
        _ client: FleetClient, streams: HTTPClient, after cursor: EventCursor?,
        headers: [(name: String, value: String)]
    ) {
        self.client = client
        self.streams = streams
        self.cursor = cursor
        self.headers = headers
    }

    /// What has happened since the last call; nothing after a few seconds without an event.
    func next() async throws -> [GatewayEvent]? {
        if stream == nil { try await open() }
        guard var open = stream else { return [] }
        stream = nil
        do {
            guard let part = try await open.parts.next(isolation: self) else { throw Ended() }
            let items = try open.parser.read(part.readableBytesView)
            stream = open
            return items.compactMap { item in
                guard case .event(let event) = item, let read = GatewayEvent(event) else {
                    return nil
                }
                if case .block(_, _, _, let reached) = read { cursor = reached }
                return read
            }
        } catch {
            try Task.checkCancellation()
            failed = open.upstream
            return []
        }
    }

    private struct Ended: Error {}

    /// Connects to a node that has the block at which the caller is, or waits a moment for one.
    private func open() async throws {
        let now = ContinuousClock.now
        let upstream = client.fleet.withLock { fleet -> Int? in
            let able = fleet.eligible(at: now).filter { index in
                guard let cursor else { return true }
                return (fleet.members[index].head ?? 0) >= cursor.head.number
            }
            return able.first { $0 != failed } ?? able.first
        }
        guard let upstream else { return try await Task.sleep(for: .milliseconds(250)) }
        var request = HTTPClientRequest(url: client.url(upstream) + OwnRoute.events.rawValue)
        for header in headers { request.headers.add(name: header.name, value: header.value) }
        request.headers.add(name: "Accept", value: "text/event-stream")
        if let cursor { request.headers.add(name: "Last-Event-ID", value: "\(cursor)") }
        do {
            let response = try await streams.execute(request, timeout: .hours(24 * 365))
            guard response.status == .ok else { throw Ended() }
            stream = Stream(parts: response.body.makeAsyncIterator(), upstream: upstream)
            failed = nil
        } catch {
            try Task.checkCancellation()
            failed = upstream
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}

extension GatewayEvent {
    /// Reads an event as a gateway writes it; `nil` for one that this gateway does not know.
    package init?(_ event: EventStreamParser.Event) {
        if event.type == "state" {
            guard let tag = StateTag(event.data) else { return nil }
            self = .state(tag)
            return
        }
        let kind: FeedEvent.Kind
        switch event.type {
        case "committed": kind = .committed
        case "reverted": kind = .reverted
        case "reset": kind = .reset
        default: return nil
        }
        guard let cursor = EventCursor(event.id),
            let data = try? JSONValue(parsing: event.data),
            let number = data["number"]?.uint64Value,
            let hash = data["hash"]?.stringValue.flatMap({ Hash256(hex: $0) }),
            let parent = data["parent_hash"]?.stringValue.flatMap({ Hash256(hex: $0) })
        else { return nil }
        self = .block(
            kind, BlockReference(number: number, hash: hash), parentHash: parent, cursor: cursor)
    }
}
