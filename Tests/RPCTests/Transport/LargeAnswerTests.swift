import Compression
import Foundation
import NIOSSL
import Primitives
import Testing

import RPC

/// Answers that are much larger than what a socket takes, over connections that stay.
@Suite(.serialized, .timeLimit(.minutes(10))) struct LargeAnswerTests {
    enum Transport: String, CaseIterable, Sendable {
        case webSocket, deflate, ipc
    }

    /// A client of any transport.
    private struct Client {
        let transport: Transport
        let raw: RawClient

        init(_ transport: Transport, _ server: RPCServer, port: Int) async throws {
            self.transport = transport
            switch transport {
            case .webSocket, .deflate:
                raw = try await RawClient(port: port)
                let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                let answer = try await raw.upgrade(headers: transport == .deflate ? offer : "")
                #expect(answer.status == 101)
            case .ipc:
                let path = NSTemporaryDirectory() + "apus-\(UInt32.random(in: 0...UInt32.max)).ipc"
                try await server.listen(unixSocket: path)
                raw = try await RawClient(unixSocket: path)
            }
        }

        func call(_ id: Int, _ method: String, _ params: String) async throws {
            let text = #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":[\#(params)]}"#
            switch transport {
            case .webSocket, .deflate: try await raw.sendFrame(text)
            case .ipc: try await raw.send(text)
            }
        }

        /// Calls a method that takes so many milliseconds, a number that no other test has, and waits
        /// until it runs: then the server has read all that was sent before.
        func work(_ id: Int, milliseconds: UInt64) async throws {
            try await call(id, "test_work", "\(milliseconds)")
            let end = ContinuousClock.now + .seconds(300)
            while !TestMethods.began.withLock({ $0.contains(milliseconds) }), .now < end {
                try await Task.sleep(for: .milliseconds(1))
            }
            #expect(TestMethods.began.withLock { $0.contains(milliseconds) })
        }

        /// The messages in what was received. Nothing of it may be out of order.
        func messages(_ bytes: Bytes) throws -> [Bytes] {
            switch transport {
            case .ipc:
                let end = bytes.lastIndex(of: UInt8(ascii: "\n")) ?? 0
                return bytes[..<end].split(separator: UInt8(ascii: "\n")).map { Bytes($0) }
            case .webSocket, .deflate:
                let messages = try #require(Frame.messages(Frame.parse(bytes)))
                return try messages.map { message in
                    message.isCompressed
                        ? try MessageCompression(windowBits: 15).decompress(
                            message.payload, limit: 100_000_000) : message.payload
                }
            }
        }
    }

    private static let largeBytes = 40_000_000
    private static let none = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#

    private static func answer(_ id: Int, _ result: String) -> Bytes {
        Bytes(#"{"jsonrpc":"2.0","id":\#(id),"result":"\#(result)"}"#.utf8)
    }

    private static let largeAnswer = answer(1, TestMethods.randomText(largeBytes))

    /// Limits under which there is room for one large answer at a time.
    private var limits: RPCLimits {
        var limits = RPCLimits()
        limits.smallAnswerBytes = 1_000
        limits.largeAnswersBytes = 10_000
        return limits
    }

    /// Whether another client gets a large answer.
    private func isRoom(_ port: Int) async throws -> Bool {
        let client = try await RawClient(port: port)
        let answer = try await client.post(
            #"{"jsonrpc":"2.0","id":1,"method":"test_large","params":[2000]}"#)
        #expect(answer.status == 200)
        try await client.close()
        return !answer.body.contains("-32005")
    }

    private func waitForRoom(_ port: Int) async throws {
        let end = ContinuousClock.now + .seconds(300)
        while try await !isRoom(port), .now < end { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await isRoom(port))
    }

    // MARK: Pieces

    @Test(arguments: Transport.allCases)
    func `a slow client gets a large answer whole, and the others are served meanwhile`(
        transport: Transport
    ) async throws {
        let place = UInt64(try #require(Transport.allCases.firstIndex(of: transport)))
        try await withServer(limits: limits) { server, port in
            let client = try await Client(transport, server, port: port)
            try await client.raw.pauseReading()
            try await client.call(1, "test_random", "\(Self.largeBytes)")
            try await client.work(2, milliseconds: 11 + 2 * place)
            if transport != .ipc { try await client.raw.sendFrame("are you there?", opcode: 9) }
            try await client.work(3, milliseconds: 12 + 2 * place)

            let other = try await RawClient(port: port)
            #expect(try await other.post(Self.none).status == 200)
            #expect(try await !isRoom(port))

            for _ in 0..<10 {
                try await client.raw.resumeReading()
                try await Task.sleep(for: .milliseconds(2))
                try await client.raw.pauseReading()
                try await Task.sleep(for: .milliseconds(2))
            }
            try await client.raw.resumeReading()
            let last = Self.answer(3, "worked")
            let bytes = try await client.raw.receive {
                $0.suffix(last.count + 1).prefix(last.count) == last[...]
                    || $0.suffix(last.count) == last[...]
            }
            let messages = try client.messages(bytes)
            #expect(messages.count == 3)
            let isWhole = messages.first == Self.largeAnswer
            #expect(isWhole)
            #expect(messages.dropFirst() == [Self.answer(2, "worked"), last])
            #expect(try await isRoom(port))

            guard transport != .ipc else { return }
            let frames = Frame.parse(bytes)
            let end = try #require(frames.firstIndex { $0.isFinal && $0.opcode < 8 })
            let pong = try #require(frames.firstIndex { $0.opcode == 10 })
            #expect(end > 10)
            #expect(pong < end)
            #expect(frames[pong].text == "are you there?")
            #expect(frames.allSatisfy { $0.payload.count <= limits.answerPieceBytes })
            #expect(frames.first?.isCompressed == (transport == .deflate))
        }
    }

    @Test func `a slow client gets a large answer whole behind TLS as well`() async throws {
        let (folder, certificate) = try TLSTests.files()
        try await withServer(configure: { $0.certificate = certificate }) { _, port in
            let client = try await RawClient(
                port: port, security: try TLSTests.client(of: certificate))
            #expect(try await client.upgrade().status == 101)
            try await client.pauseReading()
            try await client.sendFrame(
                #"""
                {"jsonrpc":"2.0","id":1,"method":"test_random","params":[\#(Self.largeBytes)]}
                """#)
            try await client.sendFrame(Self.none)
            try await Task.sleep(for: .milliseconds(50))
            try await client.resumeReading()
            let last = Bytes(#"{"jsonrpc":"2.0","id":1,"result":null}"#.utf8)
            let bytes = try await client.receive { $0.suffix(last.count) == last[...] }
            let messages = try #require(Frame.messages(Frame.parse(bytes))).map(\.payload)
            let isWhole = messages == [Self.largeAnswer, last]
            #expect(isWhole)
            try await client.close()
        }
        withExtendedLifetime(folder) {}
    }

    @Test(arguments: Transport.allCases)
    func `what comes after a large message waits for its end, in order`(
        transport: Transport
    ) async throws {
        var limits = RPCLimits()
        limits.answerPieceBytes = 1_000
        try await withServer(limits: limits) { server, port in
            let client = try await Client(transport, server, port: port)
            try await client.call(1, "test_random", "100000")
            try await client.call(2, "test_notify", "3, 5000")
            let count = { (bytes: Bytes) in (try? client.messages(bytes))?.count ?? 0 }
            var messages = try client.messages(
                try await client.raw.receive { count($0) >= 5 })
            #expect(messages.first == Self.answer(1, TestMethods.randomText(100_000)))
            #expect(
                messages.dropFirst().first
                    == Bytes(#"{"jsonrpc":"2.0","id":2,"result":true}"#.utf8))
            let notification = Bytes(repeating: UInt8(ascii: "n"), count: 5_000)
            #expect(messages.dropFirst(2) == [notification, notification, notification])
            // One answer of exactly a piece, and one that has a byte more.
            let rest = Self.answer(3, "").count
            for bytes in [1_000 - rest, 1_001 - rest] {
                try await client.call(3, "test_random", "\(bytes)")
                messages = try client.messages(
                    try await client.raw.receive { count($0) >= 1 })
                #expect(messages == [Self.answer(3, TestMethods.randomText(bytes))])
            }
        }
    }

    @Test func `no more is worked on for a client that does not read`() async throws {
        var limits = RPCLimits()
        limits.answerPieceBytes = 4_000
        limits.unreadBytes = 10_000
        limits.concurrentMessages = 2
        // The answers of this method are as long as the name of its gate.
        let gate = String(repeating: "g", count: 5_000)
        TestMethods.gates.withLock {
            $0[gate] = TestMethods.Gate()
            $0[gate]?.isOpen = true
        }
        let begun = { TestMethods.gates.withLock { $0[gate]?.begun ?? 0 } }
        try await withServer(limits: limits) { server, port in
            let client = try await Client(.webSocket, server, port: port)
            try await client.raw.pauseReading()
            try await client.call(1, "test_random", "12000000")
            for id in 2..<42 { try await client.call(id, "test_gate", #""\#(gate)""#) }
            let end = ContinuousClock.now + .seconds(300)
            while begun() < 2, .now < end { try await Task.sleep(for: .milliseconds(1)) }
            try await Task.sleep(for: .milliseconds(50))
            // Two answers that wait are too much, and a third call may have begun before the second.
            #expect(2...3 ~= begun())
            try await client.raw.resumeReading()
            let messages = try await client.raw.messages(41)
            #expect(messages.count == 41)
            #expect(messages.first?.payload.count == Self.answer(1, "").count + 12_000_000)
            #expect(begun() == 40)
        }
    }

    // MARK: Ends

    @Test(arguments: Transport.allCases)
    func `a client that closes midway gives back the room of its answer`(
        transport: Transport
    ) async throws {
        let place = UInt64(try #require(Transport.allCases.firstIndex(of: transport)))
        try await withServer(limits: limits) { server, port in
            let client = try await Client(transport, server, port: port)
            try await client.raw.pauseReading()
            try await client.call(1, "test_random", "\(Self.largeBytes)")
            try await client.work(2, milliseconds: 21 + place)
            #expect(try await !isRoom(port))
            try await client.raw.close()
            try await waitForRoom(port)
        }
    }

    @Test(arguments: Transport.allCases)
    func `a client that takes nothing of a large answer for too long is cut off`(
        transport: Transport
    ) async throws {
        let place = UInt64(try #require(Transport.allCases.firstIndex(of: transport)))
        var limits = limits
        limits.idleSeconds = 1
        limits.lingerSeconds = 600
        try await withServer(limits: limits) { server, port in
            let client = try await Client(transport, server, port: port)
            try await client.raw.pauseReading()
            try await client.call(1, "test_random", "\(Self.largeBytes)")
            try await client.work(2, milliseconds: 31 + place)
            try await waitForRoom(port)
            try await client.raw.resumeReading()
            #expect(try await client.raw.waitUntilClosed())
            guard transport != .ipc else { return }
            let last = try #require(Frame.parse(client.raw.bytes).last)
            #expect(last.opcode == 8 && last.payload.prefix(2) == [0x03, 0xf0])
            #expect(String(decoding: last.payload.dropFirst(2), as: UTF8.self).contains("not read"))
        }
    }

    @Test(arguments: Transport.allCases)
    func `an answer that is on its way when the server stops still arrives whole`(
        transport: Transport
    ) async throws {
        let place = UInt64(try #require(Transport.allCases.firstIndex(of: transport)))
        var limits = limits
        limits.shutdownSeconds = 600
        let server = RPCServer(
            dispatcher: TestMethods.dispatcher(limits: limits), eventLoops: 1,
            logger: TestNode.quiet, health: { .null })
        let port = try await server.listen(
            RPCListener(host: "127.0.0.1", port: 0, http: nil, webSocket: .all))
        let client = try await Client(transport, server, port: port)
        try await client.raw.pauseReading()
        try await client.call(1, "test_random", "\(Self.largeBytes)")
        try await client.work(2, milliseconds: 41 + place)
        async let stopped: Void = server.stop()
        // The listeners close before the connections are told.
        // One that came last may be closed by the server first.
        while let other = try? await RawClient(port: port) { try? await other.close() }
        try await client.raw.resumeReading()
        #expect(try await client.raw.waitUntilClosed())
        try await stopped
        let messages = try client.messages(client.raw.bytes)
        let isWhole = messages.first == Self.largeAnswer
        #expect(isWhole)
        #expect(messages.dropFirst() == [Self.answer(2, "worked")])
    }
}
