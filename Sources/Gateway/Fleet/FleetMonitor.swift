import AsyncHTTPClient
import Logging
import NIOCore
import Primitives
import Storage
import Synchronization

/// Asks the nodes of a fleet how they are, for as long as it runs.
///
/// Of each node it reads `/readyz` every second, `/openapi.json` when the node comes up and once a
/// minute, and follows the event stream, which says at once when the node's state changes.
package final class FleetMonitor: Sendable {
    private let client: FleetClient
    private let http: HTTPClient
    private let streams: HTTPClient
    private let authorization: @Sendable () -> String?
    private let logger: Logger
    private let metrics: FleetMetrics
    private let state: Mutex<State>

    private struct State {
        /// What each node serves, as far as it is known.
        var tables: [UpstreamRoutes?]
        /// Whose tables are in `common`.
        var up: [Int] = []
        /// What all of them serve that are up.
        var common = RouteTable([])
        /// The chain of the first node that was ready: the others must have the same.
        var chain: ChainName?
        /// When a node was last asked how it is.
        var moved = ContinuousClock.now
    }

    /// Time between two questions for readiness.
    static let interval = Duration.seconds(1)
    /// Time between two readings of what a node serves, in questions for readiness.
    static let documentEvery = 60
    /// Bytes of a document at most.
    static let documentBytes = 8 << 20

    /// - Parameter authorization: makes the header with which the event stream is opened.
    init(
        _ client: FleetClient, http: HTTPClient, streams: HTTPClient,
        authorization: @escaping @Sendable () -> String?, logger: Logger, metrics: FleetMetrics
    ) {
        self.client = client
        self.http = http
        self.streams = streams
        self.authorization = authorization
        self.logger = logger
        self.metrics = metrics
        let count = client.fleet.withLock { $0.members.count }
        state = Mutex(State(tables: Array(repeating: nil, count: count)))
    }

    /// What all nodes serve that are up; nothing before the first has said.
    package var routes: RouteTable { state.withLock { $0.common } }

    /// The chain of the nodes; `nil` before the first has said.
    var chain: ChainName? { state.withLock { $0.chain } }

    /// Whether the nodes are still asked how they are.
    func isMoving(at now: ContinuousClock.Instant) -> Bool {
        now - state.withLock { $0.moved } < .seconds(15)
    }

    /// Works until its task is cancelled.
    package func run() async {
        let count = client.fleet.withLock { $0.members.count }
        await withDiscardingTaskGroup { group in
            for index in 0..<count {
                group.addTask { await self.watch(index) }
                group.addTask { await self.listen(index) }
            }
        }
    }

    // MARK: - Readiness

    private func watch(_ index: Int) async {
        let url = client.url(index)
        var round = 0
        var wasReady: Bool?
        while !Task.isCancelled {
            let isReady = await check(index, url)
            if isReady != wasReady {
                let reason = client.fleet.withLock { fleet in
                    if case .notReady(let reason) = fleet.members[index].readiness {
                        reason
                    } else {
                        ""
                    }
                }
                logger.notice(
                    isReady ? "an upstream is ready" : "an upstream is not ready",
                    metadata: ["upstream": "\(url)"].merging(
                        isReady ? [:] : ["reason": "\(reason)"]
                    ) { $1 })
                wasReady = isReady
                round = 0
            }
            if isReady, round % Self.documentEvery == 0 || !hasTable(index) {
                await readDocument(index, url)
            }
            combine()
            state.withLock { $0.moved = .now }
            round += 1
            metrics.show(client.fleet.withLock { $0 }, at: .now)
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func check(_ index: Int, _ url: String) async -> Bool {
        do {
            let answer = try await ask(
                url + OwnRoute.ready.rawValue, upTo: 1 << 20, within: .seconds(2))
            let text = try? JSONValue(parsing: answer.body)
            guard answer.status == 200 else {
                let reasons = text?["reasons"]?.arrayValue?.compactMap(\.stringValue) ?? []
                throw NotReady(
                    reason: reasons.isEmpty
                        ? "answers \(answer.status)" : reasons.joined(separator: "; "))
            }
            guard let number = text?["head"]?["number"]?.uint64Value,
                let hash = text?["head"]?["hash"]?.stringValue.flatMap({ Hash256(hex: $0) })
            else { throw NotReady(reason: "does not say where its head is") }
            guard let id = text?["chain_id"]?.uint64Value,
                let genesis = text?["genesis_hash"]?.stringValue.flatMap({ Hash256(hex: $0) })
            else { throw NotReady(reason: "does not say which chain it has") }
            let chain = ChainName(id: id, genesisHash: genesis)
            let ours = state.withLock { state in
                if state.chain == nil { state.chain = chain }
                return state.chain
            }
            guard chain == ours else {
                throw NotReady(
                    reason: "has chain \(id) that begins with \(genesis), and others another")
            }
            let head = BlockReference(number: number, hash: hash)
            client.fleet.withLock { $0.isReady(index, head: head, at: .now) }
            return true
        } catch {
            let reason = (error as? NotReady)?.reason ?? "does not answer: \(error)"
            client.fleet.withLock { $0.isNotReady(index, reason) }
            return false
        }
    }

    private struct NotReady: Error {
        let reason: String
    }

    /// A node's answer to a question of the monitor's, all of it within a time.
    private func ask(
        _ url: String, upTo limit: Int, within time: TimeAmount
    ) async throws -> (status: UInt, body: Bytes) {
        let deadline = NIODeadline.now() + time
        let response = try await http.execute(HTTPClientRequest(url: url), deadline: deadline)
        let body = try await response.body.collect(upTo: limit, until: deadline)
        return (response.status.code, Bytes(body.readableBytesView))
    }

    // MARK: - Routes

    private func hasTable(_ index: Int) -> Bool { state.withLock { $0.tables[index] != nil } }

    private func readDocument(_ index: Int, _ url: String) async {
        do {
            let answer = try await ask(
                url + OwnRoute.openAPI.rawValue, upTo: Self.documentBytes, within: .seconds(5))
            guard answer.status == 200 else {
                throw NotReady(reason: "it answers \(answer.status)")
            }
            let table = try UpstreamRoutes(parsing: answer.body)
            state.withLock { state in
                state.tables[index] = table
                // Combined again in any case.
                state.up = []
            }
        } catch {
            logger.warning(
                "an upstream does not say what it serves",
                metadata: ["upstream": "\(url)", "reason": "\(error)"])
        }
    }

    /// Only what all nodes serve alike that are up is served, so that any of them may be asked. If
    /// none is up, what was served last stays.
    private func combine() {
        let fleet = client.fleet.withLock { $0 }
        let now = ContinuousClock.now
        state.withLock { state in
            let up = fleet.members.indices.filter {
                fleet.isReady($0, at: now) && state.tables[$0] != nil
            }
            guard !up.isEmpty, up != state.up else { return }
            state.up = up
            state.common = RouteTable(UpstreamRoutes.common(up.compactMap { state.tables[$0] }))
        }
    }

    // MARK: - State

    /// Follows the events of a node, anew whenever the stream breaks.
    private func listen(_ index: Int) async {
        let url = client.url(index)
        var backoff = Backoff()
        while !Task.isCancelled {
            do {
                var request = HTTPClientRequest(url: url + OwnRoute.events.rawValue)
                request.headers.add(name: "Accept", value: "text/event-stream")
                if let value = authorization() {
                    request.headers.add(name: "Authorization", value: value)
                }
                let response = try await streams.execute(request, timeout: .hours(24 * 365))
                guard response.status == .ok else {
                    throw NotReady(reason: "answers \(response.status.code)")
                }
                var parser = EventStreamParser()
                for try await part in response.body {
                    for item in try parser.read(part.readableBytesView) { hears(item, from: index) }
                    backoff.succeeded()
                }
            } catch {
                logger.debug(
                    "the events of an upstream cannot be followed",
                    metadata: ["upstream": "\(url)", "reason": "\(error)"])
            }
            client.fleet.withLock { $0.streamIsGone(index) }
            try? await Task.sleep(for: backoff.pause())
        }
    }

    private func hears(_ item: EventStreamParser.Item, from index: Int) {
        client.fleet.withLock { fleet in
            fleet.streamIsAlive(index, at: .now)
            if case .event(let event) = item, event.type == "state", let tag = StateTag(event.data)
            {
                fleet.hears(tag, from: index)
            }
        }
    }
}
