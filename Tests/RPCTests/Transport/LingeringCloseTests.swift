import Foundation
import NIOSSL
import Primitives
import Testing

import RPC

/// Clients that go on sending when the server has said its last word, and read it afterwards.
@Suite(.timeLimit(.minutes(5))) struct LingeringCloseTests {
    /// Much time for the client, so that only what is tested ends the connection.
    private var patience: RPCLimits {
        var limits = RPCLimits()
        limits.lingerSeconds = 600
        return limits
    }

    /// Sends eight mebibytes, half of them a while after the server has closed.
    ///
    /// - Throws: if the connection takes no more.
    private func sendMuch(
        _ client: RawClient, piece: Bytes = Bytes(repeating: 0x20, count: 1 << 16)
    ) async throws {
        for index in 0..<128 {
            if index == 64 { try await Task.sleep(for: .milliseconds(1_500)) }
            try await client.send(piece)
        }
    }

    private func waitUntilAlone(_ server: RPCServer) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while server.connectionCount > 0, .now < end {
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(server.connectionCount == 0)
    }

    // MARK: WebSocket

    @Test(
        arguments: [
            // A frame that claims too much, a reserved bit, text that is none, a close.
            ([0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0], 1009),
            (Frame.masked([0x20], head: 0xc1), 1002),
            (Frame.masked([0xff], head: 0x81), 1007),
            (Frame.masked([0x03, 0xe8], head: 0x88), 1000),
        ] as [(Bytes, Int)])
    func `the code of a close is read by a client that goes on sending`(
        last: Bytes, code: Int
    ) async throws {
        try await withServer(limits: patience) { server, port in
            let client = try await RawClient(port: port)
            try await client.keepSending()
            #expect(try await client.upgrade().status == 101)
            try await client.send(last)
            try await sendMuch(client)
            let frame = try #require(try await client.frames(1).first)
            #expect(frame.opcode == 8)
            #expect(frame.payload.prefix(2).reduce(0) { $0 << 8 | Int($1) } == code)
            // The client closes in turn, and the server does not wait any longer.
            try await client.close()
            try await waitUntilAlone(server)
        }
    }

    @Test func `a slow subscriber that goes on sending reads why it was cut off`() async throws {
        var limits = patience
        // More than the sockets hold, so that the server has stopped to read.
        limits.subscriberBacklogBytes = 16_000_000
        try await withServer(limits: limits) { server, port in
            let client = try await RawClient(port: port)
            try await client.keepSending()
            #expect(try await client.upgrade().status == 101)
            try await client.pauseReading()
            try await client.sendFrame(
                #"{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[17,1000000]}"#)
            // As long as the server reads, nothing but what it may ignore.
            let pong = Frame.masked(Bytes(repeating: 7, count: 125), opcode: 10)
            try await sendMuch(client, piece: Bytes((0..<500).flatMap { _ in pong }))
            try await client.resumeReading()
            #expect(try await client.waitUntilClosed())
            let last = try #require(Frame.parse(client.bytes).last)
            #expect(last.opcode == 8)
            #expect(last.payload.prefix(2) == [0x03, 0xf0])
            try await client.close()
            try await waitUntilAlone(server)
        }
    }

    // MARK: HTTP

    private static let start = "POST / HTTP/1.1\r\nHost: localhost\r\n"
    private static let json = "Content-Type: application/json\r\n"
    private static let length = "Content-Length: \(8 << 20)\r\n\r\n"

    @Test(arguments: [
        (start + json + length, 413),
        (start + json + "Transfer-Encoding: chunked\r\n\r\n800000\r\n", 413),
        (start + "Content-Type: text/plain\r\n" + length, 415),
        ("POST / HTTP/1.1\r\nHost: evil.example\r\n" + json + length, 403),
        ("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        ("\u{1}\u{2} nonsense\r\n\r\n", 400),
    ])
    func `an answer before the end of a request is read by a client that sends all of it`(
        head: String, status: Int
    ) async throws {
        var limits = patience
        limits.messageBytes = 1_000
        try await withServer(limits: limits) { server, port in
            let client = try await RawClient(port: port)
            try await client.keepSending()
            try await client.send(head)
            try await sendMuch(client)
            let answer = try await client.response()
            #expect(answer.status == status)
            #expect(answer.headers["connection"] == "close")
            #expect(answer.rest.isEmpty)
            try await client.close()
            try await waitUntilAlone(server)
        }
    }

    @Test func `an answer before the end of a request is read behind TLS as well`() async throws {
        let (folder, certificate) = try TLSTests.files()
        var limits = patience
        limits.messageBytes = 1_000
        try await withServer(limits: limits, configure: { $0.certificate = certificate }) {
            server, port in
            let client = try await RawClient(
                port: port, security: try TLSTests.client(of: certificate))
            try await client.keepSending()
            try await client.send(Self.start + Self.json + Self.length)
            try await sendMuch(client)
            #expect(try await client.response().status == 413)
            try await client.close()
            try await waitUntilAlone(server)
        }
        withExtendedLifetime(folder) {}
    }

    @Test func `what follows a request that was the last is not answered`() async throws {
        try await withServer(limits: patience) { _, port in
            let client = try await RawClient(port: port)
            try await client.keepSending()
            let body = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#
            let call = { (connection: String) in
                Self.start + Self.json + "Connection: \(connection)\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            }
            try await client.send(call("keep-alive") + call("close") + call("close"))
            #expect(try await client.waitUntilClosed())
            #expect(client.text.split(separator: "HTTP/1.1 200").count == 2)
            try await client.close()
        }
    }

    // MARK: Bounds

    @Test func `so many bytes are dropped and no more`() async throws {
        for extra in [1, 8 << 20] {
            var limits = patience
            limits.lingerBytes = 100_000
            try await withServer(limits: limits) { server, port in
                let client = try await RawClient(port: port)
                try await client.keepSending()
                #expect(try await client.upgrade().status == 101)
                try await client.sendFrame(head: 0xc1)
                #expect(try await client.waitUntilClosed())
                try await client.send(Bytes(repeating: 0x20, count: 100_000))
                try await Task.sleep(for: .milliseconds(200))
                #expect(server.connectionCount == 1)
                // Beyond that the connection may end before all is sent.
                try? await client.send(Bytes(repeating: 0x20, count: extra))
                try await waitUntilAlone(server)
            }
        }
    }

    @Test func `a client that does not close is waited for so long and no longer`() async throws {
        for seconds: Int64 in [0, 1] {
            var limits = RPCLimits()
            limits.lingerSeconds = seconds
            try await withServer(limits: limits) { server, port in
                let client = try await RawClient(port: port)
                try await client.keepSending()
                #expect(try await client.upgrade().status == 101)
                try await client.sendFrame(head: 0xc1)
                try await waitUntilAlone(server)
            }
        }
    }

    @Test func `a server that stops waits for no client to close`() async throws {
        var limits = patience
        limits.shutdownSeconds = 600
        let server = RPCServer(
            dispatcher: TestMethods.dispatcher(limits: limits), eventLoops: 1,
            logger: TestNode.quiet, health: { .null })
        let port = try await server.listen(
            RPCListener(host: "127.0.0.1", port: 0, http: .all, webSocket: .all))
        let lingering = try await RawClient(port: port)
        let open = try await RawClient(port: port)
        for client in [lingering, open] {
            try await client.keepSending()
            #expect(try await client.upgrade().status == 101)
        }
        try await lingering.sendFrame(head: 0xc1)
        #expect(try await lingering.waitUntilClosed())
        try await server.stop()
        #expect(try await open.frames(1).map(\.payload) == [[0x03, 0xe9]])
    }
}
