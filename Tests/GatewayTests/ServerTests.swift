import Foundation
import Gateway
import PluginAPI
import Primitives
import TestSupport
import Testing

/// The gateway on a real port of the loopback interface.
@Suite struct ServerTests {
    /// A gateway that is served, and a plain socket to it.
    private func serve(
        options: (inout GatewayOptions) -> Void = { _ in },
        plugins: [any NodePlugin.Type] = [],
        _ body: (GatewayFixture, UInt16) async throws -> Void
    ) async throws {
        let test = try await GatewayFixture(plugins: plugins) {
            $0.anonymous = [.probe, .reader]
            options(&$0)
        }
        let server = GatewayServer(test.gateway, eventLoops: 1)
        let port = try await server.start()
        do {
            try await body(test, UInt16(port))
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private static func get(_ target: String, _ headers: [String] = []) -> String {
        (["GET \(target) HTTP/1.1", "Host: localhost"] + headers).joined(separator: "\r\n")
            + "\r\n\r\n"
    }

    @Test func `requests of one connection are answered in their order`() async throws {
        try await serve { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(Self.get("/api/block/0") + Self.get("/nothing") + Self.get("/livez"))
            var answers: [PlainConnection.Response] = []
            for _ in 0..<3 { answers.append(try await socket.nextResponse()) }
            #expect(answers.map(\.status) == [200, 404, 200])
            #expect(answers[0].text.contains("\"number\":0"))
            #expect(answers[1].headers["content-type"] == "application/problem+json")
            #expect(answers[2].text == #"{"status":"alive"}"#)
        }
    }

    @Test func `a copy costs no body`() async throws {
        try await serve { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(Self.get("/api/block/0"))
            let tag = try #require(try await socket.nextResponse().headers["etag"])
            try socket.send(Self.get("/api/block/0", ["If-None-Match: \(tag)"]))
            let again = try await socket.nextResponse()
            #expect(again.status == 304)
            #expect(again.headers["content-length"] == nil)
            #expect(again.headers["transfer-encoding"] == nil)
            try socket.send(Self.get("/livez"))
            #expect(try await socket.nextResponse().status == 200)
        }
    }

    @Test func `parts of which nothing is there yet end no answer`() async throws {
        try await serve(plugins: [SlowPlugin.self]) { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(Self.get("/slow?parts=3"))
            #expect(try await socket.nextResponse().headers["transfer-encoding"] == "chunked")
            #expect(try await socket.text(until: "0\r\n\r\n") == "3\r\nend\r\n0\r\n\r\n")
        }
    }

    @Test func `an answer that nobody waits for any more is not made further`() async throws {
        try await serve(plugins: [SlowPlugin.self]) { test, port in
            let plugin = try #require(test.plugins.plugin(SlowPlugin.self))
            do {
                let socket = try PlainConnection(port: port)
                try socket.send(Self.get("/slow?parts=\(UInt64.max)"))
                let end = ContinuousClock.now + .seconds(300)
                while plugin.sources.withLock({ $0 }) == 0, .now < end { await Task.yield() }
                #expect(plugin.sources.withLock { $0 } == 1)
            }
            let end = ContinuousClock.now + .seconds(300)
            while plugin.sources.withLock({ $0 }) > 0, .now < end { await Task.yield() }
            #expect(plugin.sources.withLock { $0 } == 0)
        }
    }

    @Test func `HEAD has no body, and the connection goes on`() async throws {
        try await serve { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let head = try await socket.nextResponse(hasBody: false)
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "18")
            try socket.send(Self.get("/livez"))
            #expect(try await socket.nextResponse().status == 200)
        }
    }

    @Test func `a body in chunks is a body`() async throws {
        try await serve(options: { $0.anonymous.insert(.writer) }) { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(
                "POST /api/transaction HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "5\r\n{\"raw\r\nA\r\n\":\"0x0102\"\r\n1\r\n}\r\n0\r\n\r\n")
            let answer = try await socket.nextResponse()
            #expect(answer.status == 422)
            #expect(answer.headers["content-type"] == "application/problem+json")
        }
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nbad header: 1\r\n\r\n",
        "GE T / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    ])
    func `what is no HTTP gets a problem or an end, and the server goes on`(
        text: String
    ) async throws {
        try await serve { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(text)
            if let answer = try? await socket.nextResponse() {
                #expect((400..<500).contains(answer.status))
                #expect(answer.headers["content-type"] == "application/problem+json")
            }
            let next = try PlainConnection(port: port)
            try next.send(Self.get("/livez"))
            #expect(try await next.nextResponse().status == 200)
        }
    }

    @Test func `headers are only so many, and only so large`() async throws {
        try await serve { _, port in
            let large = try PlainConnection(port: port)
            try large.send(
                Self.get("/livez", ["X-Large: \(String(repeating: "x", count: 20_000))"]))
            #expect(try await large.nextResponse().status == 431)
            let many = try PlainConnection(port: port)
            try many.send(Self.get("/livez", (0..<100).map { "X-\($0): 1" }))
            #expect(try await many.nextResponse().status == 431)
        }
    }

    @Test func `a body that is too large ends the connection after its answer`() async throws {
        try await serve(options: {
            $0.limits.bodyBytes = 1_024
            $0.anonymous.insert(.writer)
        }) { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(
                "POST /api/transaction HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n{")
            let answer = try await socket.nextResponse()
            #expect(answer.status == 413)
            #expect(answer.headers["connection"] == "close")
            #expect(try await socket.hasEnded())
        }
    }

    @Test func `a client that sends all of a body that is too large reads the answer`() async throws
    {
        try await serve(options: {
            $0.limits.bodyBytes = 1_024
            $0.anonymous.insert(.writer)
        }) { _, port in
            let socket = try PlainConnection(port: port)
            try socket.send(
                "POST /api/transaction HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Type: application/json\r\nContent-Length: 8388608\r\n\r\n")
            let piece = String(repeating: " ", count: 1 << 16)
            for index in 0..<128 {
                if index == 64 { try await Task.sleep(for: .milliseconds(1_500)) }
                try socket.send(piece)
            }
            let answer = try await socket.nextResponse()
            #expect(answer.status == 413)
            #expect(try await socket.hasEnded())
        }
    }

    @Test func `events come as they happen, and the server ends all the same`() async throws {
        try await serve { test, port in
            let socket = try PlainConnection(port: port)
            try socket.send(Self.get("/api/events/blocks"))
            let text = try await socket.text(until: "event: state")
            #expect(text.contains("HTTP/1.1 200 OK"))
            #expect(text.contains("text/event-stream"))
            for number in 1...3 {
                try await test.rpc.dispatcher.mine()
                _ = try await socket.text(until: "\"number\":\(number),")
            }
        }
    }

    @Test func `a taken port is an error, and another can be had`() async throws {
        try await serve { test, port in
            let second = GatewayServer(test.gateway, eventLoops: 1)
            await #expect(throws: (any Error).self) { try await second.start(port: Int(port)) }
            let other = try await second.start(port: 0)
            #expect(other != Int(port))
            let socket = try PlainConnection(port: UInt16(other))
            try socket.send(Self.get("/livez"))
            #expect(try await socket.nextResponse().status == 200)
            await second.stop()
        }
    }

    @Test func `more requests than are allowed are told that it is busy`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.limits.requests = 0
            $0.anonymous = [.probe]
        }
        let reply = await test.send("/livez")
        #expect(reply.status == 503)
        #expect(reply.header("Retry-After") == "1")
    }
}

extension PlainConnection {
    /// Waits on a thread of its own, for the server needs those of the tasks.
    private func waiting<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try body() }) }.start()
        }
    }

    /// The next answer.
    func nextResponse(hasBody: Bool = true) async throws -> Response {
        try await waiting { try self.response(hasBody: hasBody) }
    }

    /// Everything up to and with a text.
    func text(until end: String) async throws -> String {
        try await waiting { try self.read(until: end) }
    }

    /// Whether the other side ends the connection.
    func hasEnded() async throws -> Bool {
        try await waiting { self.isAtEnd() }
    }
}
