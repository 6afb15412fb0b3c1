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
    private var backoff = Backoff()

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

    /// What has happened since the last call; nothing after a few seconds without an event. `nil`
    /// once a node does not let the caller in: the others would not either.
    func next() async throws -> [GatewayEvent]? {
        if stream == nil, try await connect() == .refused { return nil }
        guard var current = stream else { return [] }
        stream = nil
        do {
            guard let part = try await current.parts.next(isolation: self) else { throw Ended() }
            let items = try current.parser.read(part.readableBytesView)
            stream = current
            backoff.succeeded()
            return items.compactMap { item in
                guard case .event(let event) = item, let read = GatewayEvent(event) else {
                    return nil
                }
                if case .block(_, _, _, let reached) = read { cursor = reached }
                return read
            }
        } catch {
            try await rest(after: current.upstream)
            return []
        }
    }

    private struct Ended: Error {}

    /// What came of an attempt to connect.
    private enum Attempt {
        /// There is a stream, or there may be one the next time.
        case made
        /// The node does not let the caller in.
        case refused
    }

    /// Connects to a node that has the block at which the caller is, or waits a moment for one.
    private func connect() async throws -> Attempt {
        let now = ContinuousClock.now
        let upstream = client.fleet.withLock { fleet -> Int? in
            let able = fleet.eligible(at: now).filter { index in
                guard let cursor else { return true }
                return (fleet.members[index].head ?? 0) >= cursor.head.number
            }
            return able.first { $0 != failed } ?? able.first
        }
        guard let upstream else {
            try await Task.sleep(for: .milliseconds(250))
            return .made
        }
        var request = HTTPClientRequest(url: client.url(upstream) + OwnRoute.events.rawValue)
        for header in headers { request.headers.add(name: header.name, value: header.value) }
        request.headers.add(name: "Accept", value: "text/event-stream")
        if let cursor { request.headers.add(name: "Last-Event-ID", value: "\(cursor)") }
        do {
            let response = try await streams.execute(request, timeout: .hours(24 * 365))
            switch response.status {
            case .ok:
                stream = Stream(parts: response.body.makeAsyncIterator(), upstream: upstream)
                failed = nil
            case .unauthorized, .forbidden: return .refused
            default: throw Ended()
            }
        } catch {
            try await rest(after: upstream)
        }
        return .made
    }

    /// Pauses after a node has failed: one that breaks off again and again is not asked all the
    /// time.
    private func rest(after upstream: Int) async throws {
        try Task.checkCancellation()
        failed = upstream
        try await Task.sleep(for: backoff.pause())
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
