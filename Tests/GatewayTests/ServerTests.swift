import Foundation
import Gateway
import Primitives
import Testing

/// The gateway on a real port of the loopback interface.
@Suite struct ServerTests {
    /// A gateway that is served, and a plain socket to it.
    private func serve(
        options: (inout GatewayOptions) -> Void = { _ in },
        _ body: (GatewayFixture, UInt16) async throws -> Void
    ) async throws {
        let test = try await GatewayFixture(plugins: []) {
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
            let socket = try Socket(port: port)
            try socket.send(Self.get("/api/block/0") + Self.get("/nothing") + Self.get("/livez"))
            var answers: [Socket.Response] = []
            for _ in 0..<3 { answers.append(try await socket.response()) }
            #expect(answers.map(\.status) == [200, 404, 200])
            #expect(answers[0].body.contains("\"number\":0"))
            #expect(answers[1].headers["content-type"] == "application/problem+json")
            #expect(answers[2].body == #"{"status":"alive"}"#)
        }
    }

    @Test func `a copy costs no body`() async throws {
        try await serve { _, port in
            let socket = try Socket(port: port)
            try socket.send(Self.get("/api/block/0"))
            let tag = try #require(try await socket.response().headers["etag"])
            try socket.send(Self.get("/api/block/0", ["If-None-Match: \(tag)"]))
            let again = try await socket.response()
            #expect(again.status == 304)
            #expect(again.headers["content-length"] == nil)
            #expect(again.headers["transfer-encoding"] == nil)
            try socket.send(Self.get("/livez"))
            #expect(try await socket.response().status == 200)
        }
    }

    @Test func `HEAD has no body, and the connection goes on`() async throws {
        try await serve { _, port in
            let socket = try Socket(port: port)
            try socket.send("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let head = try await socket.response(hasBody: false)
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "18")
            try socket.send(Self.get("/livez"))
            #expect(try await socket.response().status == 200)
        }
    }

    @Test func `a body in chunks is a body`() async throws {
        try await serve(options: { $0.anonymous.insert(.writer) }) { _, port in
            let socket = try Socket(port: port)
            try socket.send(
                "POST /api/transaction HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "5\r\n{\"raw\r\nA\r\n\":\"0x0102\"\r\n1\r\n}\r\n0\r\n\r\n")
            let answer = try await socket.response()
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
            let socket = try Socket(port: port)
            try socket.send(text)
            if let answer = try? await socket.response() {
                #expect((400..<500).contains(answer.status))
                #expect(answer.headers["content-type"] == "application/problem+json")
            }
            let next = try Socket(port: port)
            try next.send(Self.get("/livez"))
            #expect(try await next.response().status == 200)
        }
    }

    @Test func `headers are only so many, and only so large`() async throws {
        try await serve { _, port in
            let large = try Socket(port: port)
            try large.send(
                Self.get("/livez", ["X-Large: \(String(repeating: "x", count: 20_000))"]))
            #expect(try await large.response().status == 431)
            let many = try Socket(port: port)
            try many.send(Self.get("/livez", (0..<100).map { "X-\($0): 1" }))
            #expect(try await many.response().status == 431)
        }
    }

    @Test func `a body that is too large ends the connection after its answer`() async throws {
        try await serve(options: {
            $0.limits.bodyBytes = 1_024
            $0.anonymous.insert(.writer)
        }) { _, port in
            let socket = try Socket(port: port)
            try socket.send(
                "POST /api/transaction HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n{")
            let answer = try await socket.response()
            #expect(answer.status == 413)
            #expect(answer.headers["connection"] == "close")
            #expect(await socket.isAtEnd())
        }
    }

    @Test func `events come as they happen, and the server ends all the same`() async throws {
        try await serve { test, port in
            let socket = try Socket(port: port)
            try socket.send(Self.get("/api/events/blocks"))
            let text = try await socket.read(until: "event: state")
            #expect(text.contains("HTTP/1.1 200 OK"))
            #expect(text.contains("text/event-stream"))
            for number in 1...3 {
                try await test.rpc.dispatcher.mine()
                _ = try await socket.read(until: "\"number\":\(number),")
            }
        }
    }

    @Test func `a taken port is an error, and another can be had`() async throws {
        try await serve { test, port in
            let second = GatewayServer(test.gateway, eventLoops: 1)
            await #expect(throws: (any Error).self) { try await second.start(port: Int(port)) }
            let other = try await second.start(port: 0)
            #expect(other != Int(port))
            let socket = try Socket(port: UInt16(other))
            try socket.send(Self.get("/livez"))
            #expect(try await socket.response().status == 200)
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

/// A plain socket: nothing between the test and the bytes.
///
/// It waits on threads of its own, for the server needs those of the tasks.
final class Socket: @unchecked Sendable {
    // SAFETY: used by one test, one call after the other.
    private let descriptor: Int32
    private var received: [UInt8] = []

    struct Lost: Error {
        /// Whether the other side has ended the connection.
        var isEnd = false
    }

    struct Response: Sendable {
        let status: Int
        let headers: [String: String]
        let body: String
    }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Lost() }
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws {
        var bytes = ArraySlice(Array(text.utf8))
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Lost() }
            bytes = bytes.dropFirst(count)
        }
    }

    private func waiting<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try body() }) }.start()
        }
    }

    /// Everything up to and with a text, from the beginning of what was not read yet.
    func read(until end: String) async throws -> String {
        try await waiting { try self.take(until: end) }
    }

    /// The next answer.
    func response(hasBody: Bool = true) async throws -> Response {
        try await waiting { try self.take(hasBody: hasBody) }
    }

    /// Whether the other side has ended the connection, waiting for it.
    func isAtEnd() async -> Bool {
        (try? await waiting { self.takeEnd() }) ?? false
    }

    private func take(until end: String) throws -> String {
        while true {
            let text = String(decoding: received, as: UTF8.self)
            if let range = text.range(of: end) {
                let found = String(text[..<range.upperBound])
                received.removeFirst(found.utf8.count)
                return found
            }
            try receive()
        }
    }

    private func take(hasBody: Bool) throws -> Response {
        let head = try take(until: "\r\n\r\n").components(separatedBy: "\r\n")
        let status = head.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in head.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let length = hasBody ? headers["content-length"].flatMap { Int($0) } ?? 0 : 0
        while received.count < length { try receive() }
        let body = String(decoding: received[..<length], as: UTF8.self)
        received.removeFirst(length)
        return Response(status: status, headers: headers, body: body)
    }

    private func takeEnd() -> Bool {
        do throws(Lost) {
            while true { try receive() }
        } catch {
            return error.isEnd
        }
    }

    private func receive() throws(Lost) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw Lost(isEnd: count == 0 || errno == ECONNRESET) }
        received += chunk[..<count]
    }
}
