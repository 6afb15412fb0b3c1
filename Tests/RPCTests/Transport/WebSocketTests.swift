import Primitives
import Synchronization
import Testing

import RPC

@Suite struct WebSocketTests {
    private let none = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#
    private let noneAnswer = #"{"jsonrpc":"2.0","id":1,"result":null}"#

    private func withWebSocket(
        limits: RPCLimits = RPCLimits(), _ body: (RawClient) async throws -> Void
    ) async throws {
        try await withServer(limits: limits) { _, port in
            let client = try await RawClient(port: port)
            let answer = try await client.upgrade()
            #expect(answer.status == 101)
            // The example of RFC 6455, section 1.3.
            #expect(answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            try await body(client)
        }
    }

    @Test func `messages are answered on the port of HTTP`() async throws {
        try await withWebSocket { client in
            try await client.sendFrame(none)
            #expect(try await client.frames(1).map(\.text) == [noneAnswer])
            try await client.sendFrame("nonsense")
            #expect(try await client.frames(1).first?.text.contains("-32700") == true)
        }
    }

    @Test func `a connection ends with what let its caller in`() async throws {
        var limits = RPCLimits()
        limits.credentialSeconds = 1
        let isAdmitted = Mutex(true)
        try await withServer(
            limits: limits,
            configure: { listener in
                listener.authorize = { _ in
                    var caller = RPCCaller(.all)
                    caller.isAdmitted = { isAdmitted.withLock { $0 } }
                    return .success(caller)
                }
            }
        ) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.upgrade().status == 101)
            try await client.sendFrame(none)
            #expect(try await client.frames(1).map(\.text) == [noneAnswer])
            isAdmitted.withLock { $0 = false }
            let close = try await client.frames(1)[0]
            #expect(close.opcode == 8)
            // 1008, a violation of policy.
            #expect(close.payload.prefix(2) == [0x03, 0xf0])
            #expect(close.text.hasSuffix("the token has ended"))
        }
    }

    @Test func `instant calls are answered in the order of their messages`() async throws {
        try await withWebSocket { client in
            for id in 0..<50 {
                try await client.sendFrame(
                    #"{"jsonrpc":"2.0","id":\#(id),"method":"test_echo","params":[\#(id)]}"#)
            }
            let frames = try await client.frames(50)
            #expect(
                frames.map(\.text)
                    == (0..<50).map {
                        #"{"jsonrpc":"2.0","id":\#($0),"result":\#($0)}"#
                    })
        }
    }

    @Test(arguments: [2, 3, 40])
    func `so many messages are worked on at once and no more, and all are answered`(
        count: Int
    ) async throws {
        var limits = RPCLimits()
        limits.concurrentMessages = 2
        let gate = "\(#function) \(count)"
        TestMethods.gates.withLock { $0[gate] = TestMethods.Gate() }
        try await withWebSocket(limits: limits) { client in
            var all: Bytes = []
            for id in 0..<count {
                let text =
                    #"{"jsonrpc":"2.0","id":\#(id),"method":"test_gate","params":["\#(gate)"]}"#
                all += Frame.masked(Bytes(text.utf8), opcode: 1)
            }
            try await client.send(all)
            let end = ContinuousClock.now + .seconds(300)
            while TestMethods.gates.withLock({ $0[gate]?.begun ?? 0 }) < 2, .now < end {
                try await Task.sleep(for: .milliseconds(1))
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(TestMethods.gates.withLock { $0[gate]?.begun } == 2)
            TestMethods.gates.withLock { $0[gate]?.isOpen = true }
            let texts = try await client.frames(count).map(\.text)
            for id in 0..<count { #expect(texts.contains { $0.contains(#""id":\#(id),"#) }) }
            #expect(TestMethods.gates.withLock { $0[gate]?.most } == 2)
        }
    }

    @Test func `a message may be in fragments with pings between them`() async throws {
        try await withWebSocket { client in
            let third = none.utf8.count / 3
            try await client.sendFrame(String(none.prefix(third)), opcode: 1, isFinal: false)
            try await client.sendFrame("are you there?", opcode: 9)
            try await client.sendFrame(
                String(none.dropFirst(third).prefix(third)), opcode: 0, isFinal: false)
            try await client.sendFrame(String(none.dropFirst(2 * third)), opcode: 0)
            let frames = try await client.frames(2)
            #expect(frames.first?.opcode == 10)
            #expect(frames.first?.text == "are you there?")
            #expect(frames.last?.text == noneAnswer)
        }
    }

    @Test func `a close is answered with its code`() async throws {
        try await withWebSocket { client in
            try await client.send(Frame.masked([0x03, 0xe8, 0x41], opcode: 8))
            let frame = try #require(try await client.frames(1).first)
            #expect(frame.opcode == 8)
            #expect(frame.payload == [0x03, 0xe8])
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `a message beyond the limit closes the connection with 1009`() async throws {
        var limits = RPCLimits()
        limits.messageBytes = 1_000
        try await withWebSocket(limits: limits) { client in
            try await client.sendFrame(String(repeating: " ", count: 1_001))
            let frame = try #require(try await client.frames(1).first)
            #expect(frame.payload == [0x03, 0xf1])
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `fragments that add up beyond the limit close the connection`() async throws {
        var limits = RPCLimits()
        limits.messageBytes = 1_000
        try await withWebSocket(limits: limits) { client in
            try await client.sendFrame(
                String(repeating: " ", count: 600), opcode: 1, isFinal: false)
            try await client.sendFrame(String(repeating: " ", count: 600), opcode: 0)
            let frame = try #require(try await client.frames(1).first)
            #expect(frame.payload == [0x03, 0xf1])
        }
    }

    @Test func `a frame without a mask closes the connection with 1002`() async throws {
        try await withWebSocket { client in
            try await client.send([0x81, 0x02, 0x7b, 0x7d])
            let frame = try #require(try await client.frames(1).first)
            #expect(frame.payload == [0x03, 0xea])
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `notifications follow the answer that promised them`() async throws {
        try await withWebSocket { client in
            try await client.sendFrame(
                #"{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[3,4]}"#)
            let texts = try await client.frames(4).map(\.text)
            #expect(texts == [#"{"jsonrpc":"2.0","id":1,"result":true}"#, "nnnn", "nnnn", "nnnn"])
        }
    }

    @Test(arguments: ["test_work", "test_command"])
    func `notifications follow the answer to a batch that promised them`(
        method: String
    ) async throws {
        try await withWebSocket { client in
            try await client.sendFrame(
                #"""
                [{"jsonrpc":"2.0","id":1,"method":"test_subscribe","params":[3]},
                 {"jsonrpc":"2.0","id":2,"method":"\#(method)","params":[50]},
                 {"jsonrpc":"2.0","id":3,"method":"test_subscribe","params":[2]}]
                """#)
            let texts = try await client.frames(6).map(\.text)
            #expect(texts.first?.hasPrefix(#"[{"jsonrpc":"2.0","id":1,"result":"id"}"#) == true)
            #expect(texts.dropFirst() == ["n0", "n1", "n2", "n0", "n1"])
        }
    }

    @Test func `notifications wait for an answer within the limit of what may be behind`()
        async throws
    {
        var limits = RPCLimits()
        limits.subscriberBacklogBytes = 20
        // Each notification has two bytes.
        for (count, isFine) in [(10, true), (11, false), (2_000, false)] {
            try await withWebSocket(limits: limits) { client in
                try await client.sendFrame(
                    #"""
                    [{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[\#(count),2]},
                     {"jsonrpc":"2.0","id":1,"method":"test_subscribe","params":[0]},
                     {"jsonrpc":"2.0","id":2,"method":"test_work","params":[50]}]
                    """#)
                let frames = try await client.frames(isFine ? count + 1 : 1)
                #expect(frames.first?.opcode == (isFine ? 1 : 8), "\(count)")
                #expect(frames.count == (isFine ? count + 1 : 1), "\(count)")
                if !isFine { #expect(frames.first?.payload.prefix(2) == [0x03, 0xf0]) }
            }
        }
    }

    @Test func `a subscriber lags so far behind and no further`() async throws {
        var limits = RPCLimits()
        limits.subscriberBacklogBytes = 100_000
        for (count, bytes, isFine) in [
            (1, 100_000, true), (2, 50_000, true), (1, 100_001, false), (3, 33_334, false),
            (300, 50_000, false),
        ] {
            try await withWebSocket(limits: limits) { client in
                try await client.sendFrame(
                    #"{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[\#(count),\#(bytes)]}"#
                )
                if isFine {
                    let frames = try await client.frames(count + 1)
                    #expect(
                        frames.dropFirst().map(\.payload.count)
                            == Array(repeating: bytes, count: count))
                } else {
                    #expect(try await client.waitUntilClosed())
                    let last = try #require(Frame.parse(client.bytes).last)
                    #expect(last.opcode == 8 && last.payload.prefix(2) == [0x03, 0xf0], "\(count)")
                }
            }
        }
    }

    @Test func `a subscriber that does not read is cut off`() async throws {
        var limits = RPCLimits()
        limits.lingerSeconds = 0
        limits.subscriberBacklogBytes = 1 << 20
        try await withServer(limits: limits) { server, port in
            let client = try await RawClient(port: port)
            #expect(try await client.upgrade().status == 101)
            try await client.pauseReading()
            try await client.sendFrame(
                #"{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[200,1000000]}"#)
            let end = ContinuousClock.now + .seconds(30)
            while server.connectionCount > 0, .now < end {
                try await Task.sleep(for: .milliseconds(1))
            }
            #expect(server.connectionCount == 0)
        }
    }

    @Test func `a subscriber that is cut off is told why if it reads on`() async throws {
        var limits = RPCLimits()
        limits.subscriberBacklogBytes = 1 << 20
        limits.lingerSeconds = 600
        try await withServer(limits: limits) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.upgrade().status == 101)
            try await client.pauseReading()
            try await client.sendFrame(
                #"{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[20,1000000]}"#)
            try await Task.sleep(for: .milliseconds(100))
            try await client.resumeReading()
            #expect(try await client.waitUntilClosed())
            let last = try #require(Frame.parse(client.bytes).last)
            #expect(last.opcode == 8)
            #expect(last.payload.prefix(2) == [0x03, 0xf0])
            #expect(String(decoding: last.payload.dropFirst(2), as: UTF8.self).contains("behind"))
        }
    }

    @Test func `who waits for a notification to be taken knows when it is`() async throws {
        try await withWebSocket { client in
            try await client.sendFrame(
                #"{"jsonrpc":"2.0","id":1,"method":"test_transmit","params":[3000000]}"#)
            let messages = try await client.messages(2)
            #expect(messages.first?.payload.count == 3_000_000)
            #expect(messages.last?.text == #"{"jsonrpc":"2.0","id":1,"result":true}"#)
        }
    }

    @Test func `a client that takes nothing of what is waited for is cut off`() async throws {
        var limits = RPCLimits()
        limits.subscriberSeconds = 0
        limits.lingerSeconds = 0
        try await withServer(limits: limits) { server, port in
            let client = try await RawClient(port: port)
            #expect(try await client.upgrade().status == 101)
            try await client.pauseReading()
            try await client.sendFrame(
                #"{"jsonrpc":"2.0","id":1,"method":"test_transmit","params":[40000000]}"#)
            let end = ContinuousClock.now + .seconds(30)
            while server.connectionCount > 0, .now < end {
                try await Task.sleep(for: .milliseconds(1))
            }
            #expect(server.connectionCount == 0)
        }
    }

    @Test func `a foreign origin cannot upgrade`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            #expect(
                try await client.upgrade(headers: "Origin: http://evil.example\r\n").status == 403)
        }
    }

    @Test func `an upgrade without the right key is refused and the port lives on`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send(
                "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                    + "Connection: Upgrade\r\n\r\n")
            #expect(try await client.response().status != 101)
            let other = try await RawClient(port: port)
            #expect(try await other.post(none).status == 200)
        }
    }

    @Test func `an upgrade where WebSocket is off is answered as plain HTTP`() async throws {
        try await withServer(configure: { $0.webSocket = nil }) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.upgrade().status == 200)
        }
    }

    @Test func `HTTP calls where only WebSocket is on are refused`() async throws {
        try await withServer(configure: { $0.http = nil }) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.post(none).status == 404)
            let socket = try await RawClient(port: port)
            #expect(try await socket.upgrade().status == 101)
            try await socket.sendFrame(none)
            #expect(try await socket.frames(1).first?.text == noneAnswer)
        }
    }

    @Test func `a server that stops says that it goes away`() async throws {
        let server = RPCServer(
            dispatcher: TestMethods.dispatcher(), eventLoops: 1, logger: .init(label: "test"),
            health: { .null })
        let port = try await server.listen(
            RPCListener(host: "127.0.0.1", port: 0, http: nil, webSocket: .all))
        let client = try await RawClient(port: port)
        #expect(try await client.upgrade().status == 101)
        try await server.stop()
        #expect(try await client.waitUntilClosed())
        #expect(Frame.parse(client.bytes).map(\.payload) == [[0x03, 0xe9]])
    }
}
