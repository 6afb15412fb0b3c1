import Chain
import Primitives
import RPC
import Synchronization

/// The `apus` namespace: what plugins there are, and the chain's events for whoever follows from
/// another process.
///
/// A client asks for events after its cursor with `apus_getEvents` until there are no more, and
/// subscribes from there; it keeps the cursor of the last event that it has dealt with, and begins
/// there after an interruption of any kind.
struct FeedNamespace: Sendable {
    /// Events that a subscription delivers from the past before it is up to date; whoever is further
    /// behind reads them by `apus_getEvents`.
    static let backlog: UInt64 = 10_000
    /// Events in one answer.
    static let page: UInt64 = 1_000

    let host: PluginHost
    let blockchain: Blockchain

    var methods: [RPCMethod] {
        [
            RPCMethod("apus_getEvents", ["cursor", "limit"], instant: events),
            RPCMethod("apus_subscribe", ["topic", "cursor"], instant: subscribe),
            RPCMethod("apus_unsubscribe", ["id"], instant: unsubscribe),
            RPCMethod("apus_plugins", instant: plugins),
        ]
    }

    private func plugins(_: RPCContext) -> JSONValue {
        let health = Dictionary(
            host.health.map { ($0.name, $0.health) }, uniquingKeysWith: { first, _ in first })
        return .array(
            host.listing.map { manifest, progress in
                var entry: JSONObject = [
                    "name": .string(manifest.name), "summary": .string(manifest.summary),
                    "version": .number(String(manifest.version)),
                    "health": .string((health[manifest.name]?.status ?? .ok).rawValue),
                ]
                switch progress {
                case .none: entry["index"] = "none"
                case .live: entry["index"] = "live"
                case .failed(let reason):
                    entry["index"] = "failed"
                    entry["error"] = .string(reason)
                case .behind(let number, let head):
                    entry["index"] = "behind"
                    entry["indexed"] = .number(String(number))
                    entry["head"] = .number(String(head))
                }
                return .object(entry)
            })
    }

    private func events(
        _: RPCContext, _ cursor: FeedCursor?, _ limit: LenientQuantity?
    ) throws -> EventPage {
        let view = blockchain.head.view
        guard let cursor else {
            let last = try host.feed.last(in: view.snapshot)
            return EventPage(
                events: [], cursor: FeedCursor(sequence: last, headHash: view.hash), view: view)
        }
        guard try host.feed.isKnown(cursor, in: view.snapshot) else {
            let reset = try host.feed.reset(at: view)
            return EventPage(events: [reset], cursor: reset.cursor, view: view)
        }
        let limit = min(try limit?.uint64() ?? Self.page, Self.page)
        do {
            let events = try host.feed.events(
                after: cursor.sequence, limit: Int(limit), in: view.snapshot)
            return EventPage(events: events, cursor: events.last?.cursor ?? cursor, view: view)
        } catch let error as EventsForgotten {
            throw RPCError(code: RPCErrorCode.limitExceeded, message: error.description)
        }
    }

    private func subscribe(
        context: RPCContext, _ topic: String, _ cursor: FeedCursor?
    ) throws -> String {
        guard let session = context.session else { throw RPCError.notificationsUnsupported }
        guard topic == "events" else {
            throw RPCError.invalidParams("no \"\(topic)\" subscription in apus namespace")
        }
        let view = blockchain.head.view
        let last = try host.feed.last(in: view.snapshot)
        var first = cursor?.sequence ?? last
        var reset: FeedEvent?
        if let cursor, try !host.feed.isKnown(cursor, in: view.snapshot) {
            reset = try host.feed.reset(at: view)
            first = last
        }
        guard last - first <= Self.backlog else {
            throw RPCError(
                code: RPCErrorCode.limitExceeded,
                message: "cursor is \(last - first) events behind, read them by apus_getEvents")
        }
        guard session.addSubscription(limit: context.limits.subscriptionsPerConnection) else {
            throw RPCError(
                code: RPCErrorCode.limitExceeded, message: "too many subscriptions")
        }
        let id = UInt256(
            l0: .random(in: 0...UInt64.max), l1: .random(in: 0...UInt64.max), l2: 0, l3: 0
        ).hexQuantity
        let follower = EventFollower(
            id: id, after: first, beginningWith: reset, session: session, feed: host.feed,
            blockchain: blockchain)
        host.feed.listen(id, for: session) { follower.deliver() }
        session.whenClosed(id) { [feed = host.feed, unowned session] in
            feed.stopListening(id, for: session)
        }
        // What is behind already: also if nothing happens for long. By the feed's own thread, after
        // the answer with the id is on its way.
        host.feed.poke()
        return id
    }

    private func unsubscribe(context: RPCContext, _ id: String) throws -> Bool {
        guard let session = context.session else { throw RPCError.notificationsUnsupported }
        guard host.feed.stopListening(id, for: session) else {
            throw RPCError.server("subscription not found")
        }
        session.removeSubscription(id)
        return true
    }
}

/// A client that follows the events.
private final class EventFollower: Sendable {
    private let id: String
    private let session: RPCSession
    private let feed: EventFeed
    private let blockchain: Blockchain
    private let state: Mutex<(sequence: UInt64, reset: FeedEvent?)>

    /// - Parameter reset: what the client is told before all else.
    init(
        id: String, after sequence: UInt64, beginningWith reset: FeedEvent?, session: RPCSession,
        feed: EventFeed, blockchain: Blockchain
    ) {
        self.id = id
        self.session = session
        self.feed = feed
        self.blockchain = blockchain
        state = Mutex((sequence, reset))
    }

    /// Sends what the client does not have yet. A client that does not read is cut off by its
    /// transport; nobody waits for it.
    func deliver() {
        state.withLock { state in
            if let reset = state.reset { notify(reset) }
            state.reset = nil
            let snapshot = blockchain.head.view.snapshot
            while true {
                guard let events = try? feed.events(after: state.sequence, limit: 256, in: snapshot)
                else {
                    return session.disconnect()
                }
                for event in events {
                    notify(event)
                    state.sequence = event.sequence
                }
                if events.count < 256 { return }
            }
        }
    }

    private func notify(_ event: FeedEvent) {
        var writer = JSONWriter(capacity: 400)
        writer.object { writer in
            writer.key("jsonrpc")
            writer.string("2.0")
            writer.key("method")
            writer.string("apus_subscription")
            writer.key("params")
            writer.object { writer in
                writer.key("subscription")
                writer.string(id)
                writer.key("result")
                event.write(to: &writer)
            }
        }
        session.notify(writer.bytes)
    }
}

/// Events with the cursor after them.
private struct EventPage: RPCResult {
    let events: [FeedEvent]
    let cursor: FeedCursor
    let view: ChainView

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("events")
            writer.array { writer in for event in events { event.write(to: &writer) } }
            writer.key("cursor")
            writer.string(cursor.description)
            writer.key("head")
            writer.object { writer in
                writer.key("number")
                writer.hexQuantity(view.number)
                writer.key("hash")
                writer.hash(view.hash)
            }
        }
    }

    static let schema: JSONValue = ["type": "object"]
}

extension FeedEvent: RPCResult {
    /// Writes the event as JSON.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("cursor")
            writer.string(cursor.description)
            writer.key("type")
            writer.string("\(kind)")
            writer.key("number")
            writer.hexQuantity(block.number)
            writer.key("hash")
            writer.hash(block.hash)
            writer.key("parentHash")
            writer.hash(parentHash)
        }
    }

    /// The JSON schema of an event.
    public static let schema: JSONValue = ["type": "object", "title": "Event"]
}
