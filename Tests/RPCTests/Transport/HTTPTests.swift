import Primitives
import Synchronization
import Testing

import RPC

@Suite struct HTTPTests {
    private let none = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#
    private let noneAnswer = #"{"jsonrpc":"2.0","id":1,"result":null}"#
    private let json = "Content-Type: application/json\r\n"

    @Test func `a connection serves one call after another`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            for _ in 0..<3 {
                let answer = try await client.post(none)
                #expect(answer.status == 200)
                #expect(answer.headers["content-type"] == "application/json")
                #expect(answer.body == noneAnswer)
            }
        }
    }

    @Test func `a large answer goes out in pieces, and the connection goes on`() async throws {
        var limits = RPCLimits()
        limits.answerPieceBytes = 1_000
        try await withServer(limits: limits) { _, port in
            let client = try await RawClient(port: port)
            for count in [999_999, 10, 2_000] {
                let answer = try await client.post(
                    #"{"jsonrpc":"2.0","id":1,"method":"test_large","params":[\#(count)]}"#)
                let text = String(repeating: "x", count: count)
                #expect(answer.status == 200)
                #expect(answer.body == #"{"jsonrpc":"2.0","id":1,"result":"\#(text)"}"#)
            }
        }
    }

    @Test(arguments: ["test_work", "test_command"])
    func `a call that leaves the event loop is answered`(method: String) async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            let answer = try await client.post(
                #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":[1]}"#)
            #expect(answer.status == 200)
            #expect(answer.body.contains("result"))
        }
    }

    @Test func `pipelined calls are answered in order`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            var text = ""
            for id in 0..<20 {
                let method = id.isMultiple(of: 3) ? "test_work" : "test_echo"
                let body = #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":[1]}"#
                text +=
                    "POST / HTTP/1.1\r\nHost: localhost\r\n\(json)Content-Length: "
                    + "\(body.utf8.count)\r\n\r\n\(body)"
            }
            try await client.send(text)
            var rest = try await client.receive { bytes in
                String(decoding: bytes, as: UTF8.self).contains(#""id":19"#)
            }
            for id in 0..<20 {
                let answer = try #require(HTTPAnswer(rest))
                #expect(answer.body.contains(#""id":\#(id),"#))
                rest = answer.rest
            }
        }
    }

    @Test func `a body may come in chunks and pieces`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send(
                "POST / HTTP/1.1\r\nHost: localhost\r\n\(json)Transfer-Encoding: chunked\r\n\r\n")
            for character in none {
                try await client.send("1\r\n\(character)\r\n")
            }
            try await client.send("0\r\n\r\n")
            #expect(try await client.response().body == noneAnswer)
        }
    }

    @Test func `only notifications are answered with no content`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            let answer = try await client.post(#"{"jsonrpc":"2.0","method":"test_none"}"#)
            #expect(answer.status == 204)
            #expect(answer.body.isEmpty)
            #expect(try await client.post(none).status == 200)
        }
    }

    @Test func `a client of HTTP 1_0 is answered and disconnected`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send(
                "POST / HTTP/1.0\r\n\(json)Content-Length: \(none.utf8.count)\r\n\r\n\(none)")
            #expect(try await client.response().body == noneAnswer)
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `a client that asks to be disconnected is`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            let answer = try await client.post(none, headers: "\(json)Connection: close\r\n")
            #expect(answer.body == noneAnswer)
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `a client may ask before it sends its body`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send(
                "POST / HTTP/1.1\r\nHost: localhost\r\n\(json)Expect: 100-continue\r\n"
                    + "Content-Length: \(none.utf8.count)\r\n\r\n")
            #expect(try await client.response().status == 100)
            try await client.send(none)
            #expect(try await client.response().body == noneAnswer)
        }
    }

    // MARK: Refusals

    @Test(arguments: ["PUT", "DELETE", "HEAD", "PATCH"])
    func `another method is refused with the allowed ones`(method: String) async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send("\(method) / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let bytes = try await client.receive { $0.count > 60 }
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 405 "))
            #expect(text.contains("Allow: GET, POST, OPTIONS"))
        }
    }

    @Test(arguments: [
        ("", 415), ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415),
        ("Content-Type: application/json\r\n", 200),
        ("Content-Type: Application/JSON ; charset=utf-8\r\n", 200),
        ("Content-Type: application/json-rpc\r\n", 200),
        ("Content-Type: application/jsonrequest\r\n", 200),
    ]) func `only JSON is taken`(headers: String, status: Int) async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.post(none, headers: headers).status == status)
        }
    }

    @Test func `a body beyond the limit is refused by its announced length`() async throws {
        var limits = RPCLimits()
        limits.messageBytes = 1_000
        try await withServer(limits: limits) { _, port in
            let fits = none + String(repeating: " ", count: 1_000 - none.utf8.count)
            for extra in [1, 1_000_000] {
                let client = try await RawClient(port: port)
                #expect(try await client.post(fits).status == 200)
                let answer = try await client.post(fits + String(repeating: " ", count: extra))
                #expect(answer.status == 413)
                #expect(answer.headers["connection"] == "close")
                #expect(try await client.waitUntilClosed())
            }
        }
    }

    @Test func `a body beyond the limit is refused when it comes in chunks`() async throws {
        var limits = RPCLimits()
        limits.messageBytes = 1_000
        try await withServer(limits: limits) { _, port in
            for (count, status) in [(1_000, 200), (1_001, 413), (1_000_000, 413)] {
                let client = try await RawClient(port: port)
                let text = none + String(repeating: " ", count: count - none.utf8.count)
                try await client.send(
                    "POST / HTTP/1.1\r\nHost: localhost\r\n\(json)Transfer-Encoding: chunked\r\n\r\n"
                        + "1f4\r\n\(text.prefix(500))\r\n"
                        + "\(String(count - 500, radix: 16))\r\n\(text.dropFirst(500))\r\n0\r\n\r\n"
                )
                #expect(try await client.response().status == status, "\(count)")
                if status != 200 { #expect(try await client.waitUntilClosed()) }
            }
        }
    }

    @Test func `what is no HTTP is answered with a bad request`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send("\u{1}\u{2}\u{3} nonsense\r\n\r\n")
            let bytes = try await client.receive { $0.count > 12 }
            #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `connections beyond the limit are closed`() async throws {
        var limits = RPCLimits()
        limits.connections = 2
        try await withServer(limits: limits) { server, port in
            let first = try await RawClient(port: port)
            let second = try await RawClient(port: port)
            #expect(try await first.post(none).status == 200)
            #expect(try await second.post(none).status == 200)
            let third = try await RawClient(port: port)
            #expect(try await third.waitUntilClosed())
            try await first.close()
            while server.connectionCount > 1 { try await Task.sleep(for: .milliseconds(1)) }
            let fourth = try await RawClient(port: port)
            #expect(try await fourth.post(none).status == 200)
        }
    }

    // MARK: Host, origin, credentials

    @Test(arguments: [
        ("localhost", 200), ("localhost:8545", 200), ("LOCALHOST", 200), ("127.0.0.1:8545", 200),
        ("[::1]:8545", 200), ("192.168.1.7", 200), ("node.example", 200), ("evil.example", 403),
        ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 400),
        ("evil.example:80:127.0.0.1", 403),
    ]) func `a foreign host name is refused`(host: String, status: Int) async throws {
        try await withServer(configure: { $0.virtualHosts = ["Node.example"] }) { _, port in
            let client = try await RawClient(port: port)
            try await client.send(
                "POST / HTTP/1.1\r\nHost: \(host)\r\n\(json)Content-Length: \(none.utf8.count)"
                    + "\r\n\r\n\(none)")
            #expect(try await client.response().status == status)
        }
    }

    @Test func `a request without a host is a bad request`() async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send("GET / HTTP/1.1\r\n\r\n")
            #expect(try await client.response().status == 400)
        }
    }

    @Test(
        arguments: [
            ("http://app.example", 200, "http://app.example"), ("http://evil.example", 403, nil),
            ("null", 403, nil), ("NULL", 403, nil), ("file://", 403, nil), ("evil:80", 403, nil),
            ("", 403, nil), ("Titanoboa", 200, "Titanoboa"),
        ] as [(String, Int, String?)])
    func `a web page needs its origin to be allowed`(
        origin: String, status: Int, allowed: String?
    ) async throws {
        try await withServer(configure: { $0.allowedOrigins = ["http://app.example"] }) { _, port in
            let client = try await RawClient(port: port)
            let answer = try await client.post(none, headers: "\(json)Origin: \(origin)\r\n")
            #expect(answer.status == status)
            #expect(answer.headers["access-control-allow-origin"] == allowed)
        }
    }

    @Test func `a preflight tells what an allowed page may send`() async throws {
        try await withServer(configure: { $0.allowedOrigins = ["*"] }) { _, port in
            let client = try await RawClient(port: port)
            try await client.send(
                "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a.example\r\n"
                    + "Access-Control-Request-Method: POST\r\n"
                    + "Access-Control-Request-Headers: content-type\r\n\r\n")
            let answer = try await client.response()
            #expect(answer.status == 204)
            #expect(answer.headers["access-control-allow-origin"] == "http://a.example")
            #expect(answer.headers["access-control-allow-methods"]?.contains("POST") == true)
            #expect(
                answer.headers["access-control-allow-headers"]?.contains("Content-Type") == true)
            #expect(answer.headers["vary"] == "Origin")
            #expect(try await client.post(none).status == 200)
        }
    }

    @Test func `credentials decide which methods there are`() async throws {
        try await withServer(configure: { listener in
            listener.authorize = { credentials in
                credentials.authorization == "Bearer good"
                    ? .success(RPCCaller(.namespaces(["test"]))) : .failure(RPCRefusal("bad"))
            }
        }) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.post(none).status == 401)
            let second = try await RawClient(port: port)
            let good = "\(json)Authorization: Bearer good\r\n"
            #expect(try await second.post(none, headers: good).body == noneAnswer)
            let other = try await second.post(
                #"{"jsonrpc":"2.0","id":1,"method":"other_none"}"#, headers: good)
            #expect(other.body.contains("-32601"))
        }
    }

    @Test func `who listens is told once of each request that was not let in`() async throws {
        let told = Mutex<[String]>([])
        try await withServer(configure: { listener in
            listener.authorize = { _ in .failure(RPCRefusal("bad")) }
            listener.refused = { credentials, refusal in
                told.withLock { told in
                    told.append(
                        "\(credentials.address ?? "") \(credentials.forwardedFor) \(refusal.reason)"
                    )
                    return told.count > 1 ? 7 : nil
                }
            }
        }) { _, port in
            let client = try await RawClient(port: port)
            let headers = "\(json)X-Forwarded-For: 1.2.3.4\r\n"
            #expect(try await client.post(none, headers: headers).status == 401)
            // Also if it is asked for a WebSocket, and is then answered as plain HTTP.
            let second = try await RawClient(port: port)
            try await second.send(
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    + "Sec-WebSocket-Version: 13\r\n\r\n")
            let answer = try await second.response()
            #expect(answer.status == 429)
            #expect(answer.headers["retry-after"] == "7")
        }
        #expect(told.withLock { $0 } == ["127.0.0.1 [\"1.2.3.4\"] bad", "127.0.0.1 [] bad"])
    }

    @Test func `a caller pays for its calls, and who let it in is told of them`() async throws {
        let paid = Mutex<[[RPCMethod.Cost]]>([])
        let told = Mutex<[String]>([])
        try await withServer(configure: { listener in
            listener.authorize = { _ in
                var caller = RPCCaller(.namespaces(["test"]))
                caller.limit = { costs in
                    paid.withLock { paid in
                        paid.append(costs)
                        return paid.count > 2 ? 3 : nil
                    }
                }
                caller.observe = { method, error in
                    told.withLock { $0.append("\(method ?? "-") \(error?.code ?? 0)") }
                }
                return .success(caller)
            }
        }) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.post(none, headers: json).body == noneAnswer)
            let batch = ["test_fail", "other_none", "test_nothing", "test_work", "test_command"]
                .map { #"{"jsonrpc":"2.0","id":1,"method":"\#($0)","params":[1]}"# }
            _ = try await client.post(
                "[" + batch.joined(separator: ",") + "]", headers: json)
            let refused = try await client.post(none, headers: json).body
            #expect(refused.contains("-32005"))
            #expect(refused.contains("try again in 3 s"))
        }
        #expect(
            paid.withLock { $0 } == [[.instant], [.instant, .execution, .command], [.instant]])
        #expect(
            told.withLock { $0 } == [
                "test_none 0", "test_fail -32602", "test_none -32601", "- -32601", "test_work 0",
                "test_command 0", "test_none -32005",
            ])
    }

    // MARK: GET

    @Test(arguments: [
        ("/", 200, "JSON-RPC"), ("/health", 200, #"{"status":"ok"}"#),
        ("/health?x=1", 200, "ok"), ("/other", 404, "not found"),
    ]) func `a browser is told where it is`(path: String, status: Int, text: String) async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            try await client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let answer = try await client.response()
            #expect(answer.status == status)
            #expect(answer.body.contains(text))
        }
    }

    @Test(arguments: ["foo", "h2c"])
    func `an upgrade to something unknown is answered as plain HTTP`(name: String) async throws {
        try await withServer { _, port in
            let client = try await RawClient(port: port)
            let headers = "\(json)Connection: Upgrade\r\nUpgrade: \(name)\r\n"
            #expect(try await client.post(none, headers: headers).body == noneAnswer)
        }
    }

    // MARK: Stopping

    @Test func `a call that is being worked on when the server stops is still answered`()
        async throws
    {
        let server = RPCServer(
            dispatcher: TestMethods.dispatcher(), eventLoops: 1, logger: .init(label: "test"),
            health: { .null })
        var listener = RPCListener(host: "127.0.0.1", port: 0, http: .all, webSocket: nil)
        listener.allowedOrigins = []
        let port = try await server.listen(listener)
        let client = try await RawClient(port: port)
        let idle = try await RawClient(port: port)
        let body = #"{"jsonrpc":"2.0","id":1,"method":"test_work","params":[300]}"#
        try await client.send(
            "POST / HTTP/1.1\r\nHost: localhost\r\n\(json)Content-Length: \(body.utf8.count)"
                + "\r\n\r\n\(body)")
        try await Task.sleep(for: .milliseconds(100))
        try await server.stop()
        #expect(client.text.contains("worked"))
        #expect(try await client.waitUntilClosed())
        #expect(try await idle.waitUntilClosed())
    }
}
