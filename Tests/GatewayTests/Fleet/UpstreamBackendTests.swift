import EthereumTypes
import Gateway
import Logging
import PluginAPI
import Primitives
import RPC
import Storage
import TestSupport
import Testing

/// Against nodes over real connections that do what a test says.
@Suite struct UpstreamBackendTests {
    typealias Reaction = FakeNode.Reaction

    /// Runs something with a backend that has heard of all of its nodes.
    static func withFleet(
        _ nodes: [FakeNode], options change: (inout FleetOptions) -> Void = { _ in },
        _ body: @Sendable (UpstreamBackend) async throws -> Void
    ) async throws {
        var options = try FleetOptions(upstreams: nodes.map(\.url))
        change(&options)
        let backend = UpstreamBackend(
            options, metrics: MetricsRegistry(), authorization: { "Bearer of-the-gateway" },
            logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run() }
            for index in nodes.indices { await wait(until: backend, serves: index) }
            _ = await backend.waitUntilKnown(for: .seconds(60))
            do {
                try await body(backend)
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        for node in nodes { try await node.end() }
    }

    static func isServing(_ backend: UpstreamBackend, _ index: Int) async -> Bool {
        await backend.health().first { $0.name == "upstream-\(index)" }?.health.status == .ok
    }

    static func wait(until backend: UpstreamBackend, serves index: Int) async {
        while await !isServing(backend, index) { try? await Task.sleep(for: .milliseconds(5)) }
    }

    static let caller = GatewayCaller(
        id: "the-id", authorization: "Bearer of-the-caller", client: NetworkAddress("192.0.2.7"))

    static func request(
        _ backend: UpstreamBackend, _ name: String, _ target: String, body: String = "",
        within time: Duration = .seconds(60)
    ) throws -> GatewayRequest {
        let route = try #require(backend.routes.routes.first { $0.name == name })
        return GatewayRequest(
            route: route, target: target, arguments: RESTArguments(body: Bytes(body.utf8)),
            contentType: "application/json", caller: caller, deadline: .now + time)
    }

    static func balance(_ backend: UpstreamBackend, _ key: Int = 1) async throws -> GatewayAnswer {
        try await backend.answer(
            request(backend, "GET /api/balance/{address}", "/api/balance/\(key)?block=1"))
    }

    static func send(_ backend: UpstreamBackend, _ body: String) async throws -> GatewayAnswer {
        try await backend.answer(
            request(backend, "POST /api/transaction", "/api/transaction", body: body))
    }

    static func balanceText(_ backend: UpstreamBackend) async throws -> String {
        try await text(balance(backend))
    }

    static func sendText(_ backend: UpstreamBackend, _ body: String) async throws -> String {
        try await text(send(backend, body))
    }

    static func text(_ answer: GatewayAnswer) async throws -> String {
        switch answer.content {
        case .whole(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .parts(let next):
            var all: Bytes = []
            while let part = try await next() { all += part }
            return String(decoding: all, as: UTF8.self)
        }
    }

    static func node(_ react: @escaping @Sendable (FakeNode.Request) -> Reaction) async throws
        -> FakeNode
    {
        try await FakeNode { $0.react = react }
    }

    // MARK: - What passes through

    @Test func `a request arrives as it was sent, with the caller's token and address`()
        async throws
    {
        let node = try await Self.node { _ in .answer(200, "{}") }
        try await Self.withFleet([node]) { backend in
            _ = try await Self.balance(backend)
            let seen = try #require(node.requests.first)
            #expect(seen.method == "GET")
            #expect(seen.target == "/api/balance/1?block=1")
            #expect(seen.headers["Authorization"] == ["Bearer of-the-caller"])
            #expect(seen.headers["X-Forwarded-For"] == ["192.0.2.7"])
            #expect(seen.headers["X-Request-ID"] == ["the-id"])
        }
    }

    @Test func `an answer comes back as the node gave it`() async throws {
        let node = try await Self.node { _ in
            .answer(
                200, "hello",
                headers: [
                    ("Content-Type", "text/csv"), ("ETag", "\"x\""),
                    ("Content-Disposition", "attachment; filename=\"a.csv\""),
                ])
        }
        try await Self.withFleet([node]) { backend in
            let answer = try await Self.balance(backend)
            #expect(answer.status == 200)
            #expect(answer.mediaType == "text/csv")
            #expect(answer.fileName == "a.csv")
            #expect(answer.entityTag == "\"x\"")
            #expect(answer.state?.block.number == 10)
            let text = try await Self.text(answer)
            #expect(text == "hello")
        }
    }

    @Test func `a refusal of the node is the caller's answer`() async throws {
        let node = try await Self.node { _ in
            .answer(429, "slow down", headers: [("Retry-After", "7"), ("ETag", "\"x\"")])
        }
        try await Self.withFleet([node]) { backend in
            let answer = try await Self.balance(backend)
            #expect(answer.status == 429)
            #expect(answer.headers.contains { $0 == ("Retry-After", "7") })
            #expect(answer.entityTag == nil, "only a good answer is ever kept")
            #expect(node.requests.count == 1)
        }
    }

    @Test func `a long answer passes through`() async throws {
        let long = String(repeating: "0123456789", count: 300_000)
        let node = try await Self.node { _ in .answer(200, long) }
        try await Self.withFleet([node]) { backend in
            let text = try await Self.balanceText(backend)
            #expect(text == long)
        }
    }

    // MARK: - Nodes that fail

    @Test(arguments: [Reaction.close, .breakOff("half"), .answer(503, "busy")])
    func `a read that a node does not answer is asked of another`(reaction: Reaction) async throws {
        let bad = try await Self.node { _ in reaction }
        let good = try await Self.node { _ in .answer(200, "good") }
        try await Self.withFleet([bad, good]) { backend in
            for _ in 0..<20 {
                let text = try await Self.balanceText(backend)
                #expect(text == "good")
            }
            #expect(!bad.requests.isEmpty)
            #expect(good.requests.count == 20)
        }
    }

    @Test func `a read whose answer stops in the middle is asked of another`() async throws {
        let bad = try await Self.node { _ in .stall("half") }
        let good = try await Self.node { _ in .answer(200, "good") }
        try await Self.withFleet([bad, good], options: { $0.limits.instant = .seconds(1) }) {
            backend in
            while bad.requests.isEmpty {
                let text = try await Self.balanceText(backend)
                #expect(text == "good")
            }
        }
    }

    @Test func `an answer that stops in the middle is none, not a wait for ever`() async throws {
        let node = try await Self.node { _ in .stall("half") }
        try await Self.withFleet([node]) { backend in
            let error = await #expect(throws: RESTError.self) {
                try await backend.answer(
                    Self.request(
                        backend, "GET /api/balance/{address}", "/api/balance/1",
                        within: .milliseconds(500)))
            }
            #expect(error?.status == 503)
        }
    }

    @Test func `a node that stops in the middle of saying how it is can come back`() async throws {
        let node = try await FakeNode()
        try await Self.withFleet([node]) { backend in
            node.state.withLock { $0.readiness = .stall("{") }
            while await Self.isServing(backend, 0) { try await Task.sleep(for: .milliseconds(5)) }
            node.state.withLock { $0.readiness = nil }
            await Self.wait(until: backend, serves: 0)
        }
    }

    @Test func `if all say that they are busy, so does the gateway`() async throws {
        let node = try await Self.node { _ in .answer(503, "b", headers: [("Retry-After", "3")]) }
        try await Self.withFleet([node]) { backend in
            let answer = try await Self.balance(backend)
            #expect(answer.status == 503)
            #expect(answer.headers.contains { $0 == ("Retry-After", "3") })
        }
    }

    @Test func `a connection that broke while it was idle costs no read`() async throws {
        let node = try await Self.node { _ in .answer(200, "good") }
        try await Self.withFleet([node]) { backend in
            _ = try await Self.balance(backend)
            try await node.kill()
            try await node.start()
            let text = try await Self.balanceText(backend)
            #expect(text == "good")
        }
    }

    @Test func `without any node the answer is 503, not a wait for ever`() async throws {
        let node = try await FakeNode()
        try await Self.withFleet([node]) { backend in
            try await node.kill()
            let error = await #expect(throws: RESTError.self) { try await Self.balance(backend) }
            #expect(error?.status == 503)
            let readiness = await backend.readiness()
            #expect(readiness.reasons.count == 1)
        }
    }

    @Test func `killing a node under load loses no read`() async throws {
        let nodes = [
            try await Self.node { .answer(200, $0.target) },
            try await Self.node { .answer(200, $0.target) },
        ]
        try await Self.withFleet(nodes) { backend in
            let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
                for client in 0..<50 {
                    group.addTask {
                        var wrong = 0
                        for index in 0..<60 {
                            let key = client * 1000 + index
                            let answer = try await Self.balance(backend, key)
                            let text = try await Self.text(answer)
                            if answer.status != 200 || text != "/api/balance/\(key)?block=1" {
                                wrong += 1
                            }
                        }
                        return wrong
                    }
                }
                group.addTask {
                    while nodes[1].requests.count < 300 {
                        try await Task.sleep(for: .milliseconds(1))
                    }
                    try await nodes[1].kill()
                    return 0
                }
                return try await group.reduce(0, +)
            }
            #expect(wrong == 0)
            #expect(nodes[0].requests.count > nodes[1].requests.count)
        }
    }

    // MARK: - What must not be done twice

    static let transfer = #"{"from":"0x01","to":"0x02","amount":"1"}"#

    @Test func `an order that may have arrived is not sent again`() async throws {
        let nodes = [
            try await Self.node { _ in .close }, try await Self.node { _ in .close },
        ]
        try await Self.withFleet(nodes) { backend in
            let error = await #expect(throws: RESTError.self) {
                try await Self.send(backend, Self.transfer)
            }
            #expect(error?.status == 504)
            #expect(error?.detail.contains("may have been done") == true)
            #expect(nodes.map(\.requests.count).reduce(0, +) == 1)
        }
    }

    @Test func `an order that a node has refused as busy is not sent again`() async throws {
        let nodes = [
            try await Self.node { _ in .answer(503, "") },
            try await Self.node { _ in .answer(503, "") },
        ]
        try await Self.withFleet(nodes) { backend in
            let answer = try await Self.send(backend, Self.transfer)
            #expect(answer.status == 503)
            #expect(nodes.map(\.requests.count).reduce(0, +) == 1)
        }
    }

    @Test func `an order that has surely not arrived is sent to another`() async throws {
        let nodes = [
            try await Self.node { _ in .answer(200, "sent") },
            try await Self.node { _ in .answer(200, "sent") },
        ]
        // An order on a connection that breaks just then may have arrived.
        nodes[0].state.withLock { $0.keepsConnections = false }
        try await Self.withFleet(nodes) { backend in
            try await nodes[0].kill()
            for _ in 0..<4 {
                let text = try await Self.sendText(backend, Self.transfer)
                #expect(text == "sent")
            }
            #expect(nodes[1].requests.count == 4)
        }
    }

    /// The signed transaction of EIP-155's example.
    static let signed =
        "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a7640000"
        + "8025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f76"
        + "1aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"

    static var signedOrder: String { #"{"raw":"\#(signed)"}"# }

    @Test func `a signed transaction is sent again`() async throws {
        let bad = try await Self.node { _ in .close }
        let good = try await Self.node { _ in .answer(200, "sent") }
        try await Self.withFleet([bad, good]) { backend in
            for _ in 0..<4 {
                let text = try await Self.sendText(backend, Self.signedOrder)
                #expect(text == "sent")
            }
            #expect(!bad.requests.isEmpty)
        }
    }

    @Test func `a signed transaction that arrived the first time is not refused`() async throws {
        let hash = try #require(SignedTransaction(body: Bytes(Self.signedOrder.utf8))).hash
        let nodes = [
            try await Self.node { _ in .close },
            try await Self.node { request in
                request.method == "POST"
                    ? .answer(422, "already known")
                    : .answer(request.target == "/api/transaction/\(hash)" ? 200 : 404, "{}")
            },
        ]
        try await Self.withFleet(nodes) { backend in
            let answer = try await Self.send(backend, Self.signedOrder)
            #expect(answer.status == 200)
            let text = try await Self.text(answer)
            #expect(text == #"{"hash":"\#(hash)","status":"sent"}"#)
        }
    }

    @Test func `a signed transaction that is refused at the first try is refused`() async throws {
        let node = try await Self.node { request in
            request.method == "POST" ? .answer(422, "already known") : .answer(200, "{}")
        }
        try await Self.withFleet([node]) { backend in
            let answer = try await Self.send(backend, Self.signedOrder)
            #expect(answer.status == 422)
        }
    }

    @Test func `only what is signed is the same everywhere`() {
        #expect(SignedTransaction(body: Bytes(Self.transfer.utf8)) == nil)
        #expect(SignedTransaction(body: Bytes(#"{"raw":"0x01"}"#.utf8)) == nil)
        #expect(SignedTransaction(body: []) == nil)
        #expect(
            SignedTransaction(body: Bytes(Self.signedOrder.utf8))?.hash.description
                == "0x33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788")
    }

    // MARK: - Who is asked

    @Test func `a node that is behind is not asked`() async throws {
        let ahead = try await FakeNode { $0.number = 20 }
        let behind = try await FakeNode { $0.number = 20 }
        try await Self.withFleet([ahead, behind]) { backend in
            behind.state.withLock { $0.number = 17 }
            while await Self.isServing(backend, 1) { try await Task.sleep(for: .milliseconds(5)) }
            for _ in 0..<10 { _ = try await Self.balance(backend) }
            #expect(behind.requests.isEmpty)
        }
    }

    @Test func `a node whose chain began with another block is not asked, for all its id`()
        async throws
    {
        let nodes = [try await FakeNode(), try await FakeNode()]
        try await Self.withFleet(nodes) { backend in
            let ours = ChainName(id: 7, genesisHash: FakeNode.hash(7))
            #expect(backend.chain == ours)
            nodes[1].state.withLock { $0.genesisHash = FakeNode.hash(8) }
            while await Self.isServing(backend, 1) { try await Task.sleep(for: .milliseconds(5)) }
            let health = await backend.health()
            let reason = health.first { $0.name == "upstream-1" }?.health.facts["reason"]
            #expect(
                reason == "has chain 7 that begins with \(FakeNode.hash(8)), and others another")
            #expect(backend.chain == ours)
        }
    }

    @Test func `what only grows is a counter`() {
        let metrics = MetricsRegistry()
        _ = FleetMetrics(metrics, upstreams: 2)
        let kinds = metrics.snapshot().filter { $0.name.hasSuffix("_total") }
        #expect(
            Set(kinds.map(\.name)).isSuperset(of: [
                "apus_gateway_upstream_requests_total", "apus_gateway_upstream_failures_total",
            ]))
        #expect(kinds.allSatisfy { $0.kind == .counter })
    }

    @Test func `a node that is not ready says why, and comes back`() async throws {
        let nodes = [try await FakeNode(), try await FakeNode()]
        try await Self.withFleet(nodes) { backend in
            nodes[1].state.withLock { $0.isReady = false }
            while await Self.isServing(backend, 1) { try await Task.sleep(for: .milliseconds(5)) }
            let health = await backend.health()
            #expect(health.first { $0.name == "upstream-1" }?.health.facts["reason"] == "tired")
            #expect(health.first { $0.name == "fleet" }?.health.status == .degraded)
            nodes[1].state.withLock { $0.isReady = true }
            await Self.wait(until: backend, serves: 1)
        }
    }

    @Test func `only routes of all nodes are served`() async throws {
        let one = try await FakeNode()
        let two = try await FakeNode {
            $0.operations = FakeNode.operations.filter { $0.key.hasPrefix("GET") }
        }
        try await Self.withFleet([one, two]) { backend in
            while backend.routes.routes.count != 2 {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(Set(backend.routes.routes.map(\.method)) == [.get])
        }
    }

    // MARK: - State and events

    @Test func `what answers follow from is known while a node's stream is`() async throws {
        let nodes = [
            try await FakeNode { $0.instance = 1 }, try await FakeNode { $0.instance = 2 },
        ]
        try await Self.withFleet(nodes) { backend in
            while backend.tags(for: .view).count != 2 {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(Set(backend.tags(for: .view).map(\.instance)) == [1, 2])
            #expect(backend.tags(for: .none).isEmpty)
            try await nodes[0].kill()
            while backend.tags(for: .view).count != 1 {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(backend.tags(for: .index).map(\.instance) == [2])
        }
    }

    static func committed(_ number: UInt64) -> String {
        "id: \(number).\(number).\(FakeNode.hash(number))\nevent: committed\n"
            + #"data: {"number":\#(number),"hash":"\#(FakeNode.hash(number))","#
            + "\"parent_hash\":\"\(FakeNode.hash(number - 1))\"}\n\n"
    }

    @Test func `a stream goes on at another node where the first ended`() async throws {
        func node(_ to: UInt64) async throws -> FakeNode {
            try await FakeNode { state in
                state.number = to
                state.events = { cursor in
                    // Only the caller's stream has begun at block 8.
                    let after = cursor.flatMap { EventCursor($0) }?.head.number
                    guard let after else { return .stream([]) }
                    return .stream((after + 1...max(after + 1, to)).map { Self.committed($0) })
                }
            }
        }
        let nodes = [try await node(12), try await node(12)]
        try await Self.withFleet(nodes) { backend in
            let start = EventCursor(
                sequence: 8, head: BlockReference(number: 8, hash: FakeNode.hash(8)))
            let next = try await backend.events(after: start, for: Self.caller)
            var numbers: [UInt64] = []
            func read(upTo last: UInt64) async throws {
                while numbers.last != last {
                    for event in try await next() ?? [] {
                        if case .block(.committed, let block, _, _) = event {
                            numbers.append(block.number)
                        }
                    }
                }
            }
            try await read(upTo: 12)
            for node in nodes { node.state.withLock { $0.number = 14 } }
            for node in nodes {
                node.state.withLock { state in
                    state.events = { cursor in
                        guard let after = cursor.flatMap({ EventCursor($0) })?.head.number,
                            after < 14
                        else { return .stream([]) }
                        return .stream((after + 1...14).map { Self.committed($0) })
                    }
                }
            }
            try await nodes[0].kill()
            try await nodes[1].kill()
            try await nodes[1].start()
            try await read(upTo: 14)
            #expect(numbers == [9, 10, 11, 12, 13, 14])
        }
    }

    @Test(arguments: [401, 403])
    func `a stream ends for good if the nodes do not let the caller in`(status: Int) async throws {
        let node = try await FakeNode { $0.events = { _ in .answer(status, "{}") } }
        try await Self.withFleet([node]) { backend in
            let next = try await backend.events(after: nil, for: Self.caller)
            // Some calls may find that the node is not up at the moment.
            var calls = 1
            while calls < 100, try await next() != nil { calls += 1 }
            #expect(calls < 100)
        }
    }

    @Test(arguments: [Reaction.answer(503, "busy"), .close, .breakOff("")])
    func `a stream that a node breaks off goes on`(reaction: Reaction) async throws {
        let node = try await FakeNode { $0.events = { _ in reaction } }
        try await Self.withFleet([node]) { backend in
            let next = try await backend.events(after: nil, for: Self.caller)
            for _ in 0..<3 {
                let events = try await next()
                #expect(events?.isEmpty == true)
            }
            node.state.withLock { state in
                state.events = { _ in .stream([Self.committed(11)]) }
            }
            var numbers: [UInt64] = []
            while numbers.isEmpty {
                for event in try await next() ?? [] {
                    if case .block(.committed, let block, _, _) = event {
                        numbers.append(block.number)
                    }
                }
            }
            #expect(numbers == [11])
        }
    }

    @Test func `an event of a node is read as it was written`() throws {
        var parser = EventStreamParser()
        let items = try parser.read(Bytes(Self.committed(9).utf8))
        guard case .event(let event)? = items.first else {
            Issue.record("no event")
            return
        }
        let block = BlockReference(number: 9, hash: FakeNode.hash(9))
        #expect(
            GatewayEvent(event)
                == .block(
                    .committed, block, parentHash: FakeNode.hash(8),
                    cursor: EventCursor(sequence: 9, head: block)))
        #expect(GatewayEvent(EventStreamParser.Event(type: "other", data: "{}")) == nil)
        #expect(GatewayEvent(EventStreamParser.Event(type: "committed", data: "{}")) == nil)
        #expect(GatewayEvent(EventStreamParser.Event(type: "state", data: "x")) == nil)
    }
}
