import Analytics
import Chain
import Foundation
import Gateway
import PluginAPI
import Primitives
import RPC
import Storage
import Testing

/// From a request to its answer, over a devnet with its plugins.
@Suite struct FrontTests {
    private static let alice = GatewayFixture.alice.address
    private static let bob = GatewayFixture.bob.address

    // MARK: - The chain

    @Test func `a balance is that of the head, in wei, with the block that it is of`() async throws
    {
        let test = try await GatewayFixture()
        for path in ["/api/balance/\(Self.alice)", "/balance/\(Self.alice.checksummed)"] {
            let reply = try await test.get(path)
            #expect(reply.status == 200)
            #expect(reply.header("Content-Type") == "application/json")
            let json = try await reply.json
            #expect(json["address"] == .string(Self.alice.checksummed))
            #expect(json["balance"] == "100000000000000000000")
            #expect(json["nonce"] == 0)
            #expect(json["as_of"]?["number"] == 0)
            #expect(
                json["as_of"]?["hash"] == .string(test.blockchain.head.hash.description))
        }
        let nobody = try await test.get("/api/balance/0x00000000000000000000000000000000000000aa")
        #expect(try await nobody.json["balance"] == "0")
    }

    @Test func `the whole way of a transfer`() async throws {
        let test = try await GatewayFixture()
        let sent = try await test.post(
            "/api/transaction",
            #"{"from":"\#(Self.alice)","to":"\#(Self.bob)","amount":"1000000000000000000"}"#)
        #expect(sent.status == 200)
        let hash = try #require(try await sent.json["hash"]?.stringValue)
        let transaction = try await test.get("/api/transaction/\(hash)").json
        #expect(transaction["status"] == "success")
        #expect(transaction["from"] == .string(Self.alice.checksummed))
        #expect(transaction["to"] == .string(Self.bob.checksummed))
        #expect(transaction["value"] == "1000000000000000000")
        #expect(transaction["gas_used"] == 21_000)
        #expect(transaction["confirmations"] == 1)
        let price = try #require(transaction["effective_gas_price"]?.stringValue.flatMap(Int.init))
        #expect(transaction["execution_fee"] == .string(String(21_000 * price)))
        let block = try await test.get("/api/block/latest").json
        #expect(block["number"] == 1)
        #expect(block["transactions"] == [.string(hash)])
        #expect(transaction["block"]?["hash"] == block["hash"])
        let balance = try await test.get("/api/balance/\(Self.bob)").json
        #expect(balance["balance"] == "101000000000000000000")
        let before = try await test.get("/api/balance/\(Self.bob)?block=0").json
        #expect(before["balance"] == "100000000000000000000")
        #expect(before["as_of"]?["number"] == 0)
        let report = try await test.get("/api/analytics/\(Self.bob)?days=7")
        #expect(report.status == 200)
        #expect(try await report.json["as_of"]?["number"] == 1)
    }

    @Test func `a signed transaction is sent as it is`() async throws {
        let test = try await GatewayFixture()
        let raw = try await test.rpc.dispatcher.call(
            "eth_signTransaction",
            [
                [
                    "from": .string(Self.alice.description), "to": .string(Self.bob.description),
                    "value": "0x1", "gas": "0x5208", "nonce": "0x0",
                    "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
                ]
            ])["raw"]
        let text = try #require(raw?.stringValue)
        let sent = try await test.post("/api/transaction", #"{"raw":"\#(text)"}"#)
        #expect(sent.status == 200)
        #expect(test.blockchain.head.number == 1)
        let again = try await test.post("/api/transaction", #"{"raw":"\#(text)"}"#)
        #expect(again.status == 422)
        #expect(try await again.json["detail"]?.stringValue?.contains("nonce too low") == true)
    }

    @Test func `only a devnet sends for others`() async throws {
        let test = try await GatewayFixture(isDevnet: false)
        let reply = try await test.post(
            "/api/transaction",
            #"{"from":"\#(Self.alice)","to":"\#(Self.bob)","amount":"1"}"#)
        #expect(reply.status == 403)
        #expect(test.blockchain.head.number == 0)
    }

    @Test(arguments: [
        "", "{}", "[]", "1", "null", "{", #"{"raw":1}"#, #"{"raw":""}"#, #"{"raw":"0x"}"#,
        #"{"raw":"0x1"}"#, #"{"raw":"01"}"#, #"{"raw":"0xzz"}"#, #"{"raw":"0x01","to":"x"}"#,
        #"{"from":"0x1","to":"0x2","amount":"1"}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":null,"amount":"1"}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8"}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":"-1"}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":1.5}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":1e3}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":"0x1"}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":"1","gas":1}"#,
        #"{"from":"0xF39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":"1"}"#,
        #"{"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","to":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8","amount":"115792089237316195423570985008687907853269984665640564039457584007913129639936"}"#,
    ])
    func `what cannot be sent is a problem of the caller's`(body: String) async throws {
        let test = try await GatewayFixture(plugins: [])
        let reply = try await test.post("/api/transaction", body)
        #expect(reply.status == 400)
        #expect(reply.header("Content-Type") == "application/problem+json")
        #expect(try await reply.json["status"] == 400)
        #expect(test.blockchain.head.number == 0)
    }

    @Test(arguments: [
        ("latest", 200), ("earliest", 200), ("safe", 200), ("finalized", 200), ("0", 200),
        ("1", 404), ("18446744073709551615", 404), ("18446744073709551616", 400), ("-1", 400),
        ("+0", 400), ("-0", 400), ("0x0", 400), ("pending", 400), ("", 400), ("abc", 400),
        ("0x" + String(repeating: "0", count: 64), 404),
        ("0x" + String(repeating: "g", count: 64), 400),
    ])
    func `a block has a number, a hash or a name`(id: String, status: Int) async throws {
        let test = try await GatewayFixture(plugins: [])
        let reply = try await test.get("/api/block/\(id)")
        #expect(reply.status == status)
        let balance = try await test.get(
            "/api/balance/0x00000000000000000000000000000000000000aa?block=\(id)")
        #expect(balance.status == status)
    }

    @Test func `a block is found by its hash`() async throws {
        let test = try await GatewayFixture(plugins: [])
        let hash = test.blockchain.head.hash
        let json = try await test.get("/api/block/\(hash)").json
        #expect(json["hash"] == .string(hash.description))
        #expect(json["state_root"] != nil)
    }

    @Test func `a transaction that nobody knows is not found`() async throws {
        let test = try await GatewayFixture(plugins: [])
        let zeros = "0x" + String(repeating: "0", count: 64)
        #expect(try await test.get("/api/transaction/\(zeros)").status == 404)
        #expect(try await test.get("/api/transaction/0x1").status == 400)
    }

    @Test func `a prediction without a model says so, and fees need none`() async throws {
        let test = try await GatewayFixture()
        for path in ["/api/ai/predict", "/predict"] {
            let reply = try await test.post(path, #"{"features":{"price_change_1h":0.01}}"#)
            #expect(reply.status == 409)
        }
        let fees = try await test.get("/api/ai/fees")
        #expect(fees.status == 200)
        #expect(try await fees.json["base_fee"]?[0]?["source"] == "exact")
    }

    // MARK: - Problems

    @Test(arguments: [
        ("GET", "/nothing", 404), ("GET", "/api", 404), ("GET", "/api/balance", 404),
        ("POST", "/api/balance/0x00000000000000000000000000000000000000aa", 405),
        ("GET", "/api/transaction", 405), ("DELETE", "/api/transaction", 405),
        ("PUT", "/health", 405), ("TRACE", "/", 405), ("PATCH", "/metrics", 405),
        ("GET", "/api/balance/0x1", 400), ("GET", "/api/balance/%ff", 400),
        ("GET", "/health?x=1", 400), ("GET", "/health/nothing", 404),
        ("GET", "/api/events/blocks?after=1", 400), ("GET", "/api/events/blocks?x=1", 400),
        ("GET", "/api/analytics/network?days=0", 400),
        ("GET", "/api/analytics/network?days=367", 400),
        ("GET", "/api/analytics/network?days=30&days=30", 400),
        ("GET", "/api/analytics/network?nothing=1", 400),
        ("GET", "/api/balance/0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", 400),
    ])
    func `what is wrong is a problem with the id of the request`(
        method: String, target: String, status: Int
    ) async throws {
        let test = try await GatewayFixture()
        let reply = await test.send(method, target, token: try test.bearer("admin"))
        #expect(reply.status == status)
        #expect(reply.header("Content-Type") == "application/problem+json")
        let json = try await reply.json
        #expect(json["status"]?.intValue == status)
        #expect(json["title"]?.stringValue?.isEmpty == false)
        #expect(json["request_id"]?.stringValue == reply.header("X-Request-ID"))
        #expect(reply.header("X-Request-ID")?.count == 16)
        #expect((reply.header("Allow") != nil) == (status == 405))
    }

    @Test func `what nobody foresaw is logged, and its text stays here`() async throws {
        let test = try await GatewayFixture(plugins: [FaultyPlugin.self])
        for path in ["/faulty/instant", "/faulty/execution"] {
            let reply = try await test.get(path)
            #expect(reply.status == 500)
            let text = String(decoding: try await reply.bytes(), as: UTF8.self)
            #expect(!text.contains("secret"))
            #expect(try await reply.json["title"] == "Internal error")
        }
    }

    @Test func `a body must be JSON by its type, and not too large`() async throws {
        let test = try await GatewayFixture(plugins: []) { $0.limits.bodyBytes = 1_024 }
        let token = try test.bearer("admin")
        let body = #"{"raw":"0x01"}"#
        for type in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let reply = await test.send(
                "POST", "/api/transaction", token: token, body: body,
                headers: ["Content-Type": type])
            // The header of the fixture comes first; one that is repeated is no JSON either.
            #expect(reply.status == 415)
        }
        let large = #"{"raw":"0x\#(String(repeating: "00", count: 600))"}"#
        #expect(
            await test.send("POST", "/api/transaction", token: token, body: large).status == 413)
        let declared = await test.send(
            "POST", "/api/transaction", token: token, body: body,
            headers: ["Content-Length": "99999"])
        #expect(declared.status == 413)
        let compressed = await test.send(
            "POST", "/api/transaction", token: token, body: body,
            headers: ["Content-Encoding": "gzip"])
        #expect(compressed.status == 415)
        let superfluous = await test.send(
            "GET", "/api/block/0", token: token, body: body)
        #expect(superfluous.status == 400)
    }

    // MARK: - Hosts and origins

    @Test(arguments: [
        ("localhost", 200), ("localhost:8080", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200),
        ("10.1.2.3", 200), ("api.example", 200), ("evil.example", 403),
        ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 400),
    ])
    func `a request names this gateway`(host: String, status: Int) async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.virtualHosts = ["api.example"]
            $0.anonymous = [.probe]
        }
        #expect(await test.send("/livez", host: host).status == status)
        #expect(await test.send("/livez", headers: ["Host": "localhost"]).status == 400)
    }

    @Test func `a page calls from a listed origin alone`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.allowedOrigins = ["https://app.example"]
            $0.anonymous = [.probe]
        }
        let good = await test.send("/livez", headers: ["Origin": "https://app.example"])
        #expect(good.status == 200)
        #expect(good.header("Access-Control-Allow-Origin") == "https://app.example")
        #expect(good.header("Vary") == "Origin")
        for origin in ["https://evil.example", "null", "http://app.example", "http://localhost"] {
            let bad = await test.send("/livez", headers: ["Origin": origin])
            #expect(bad.status == 403)
            #expect(bad.header("Access-Control-Allow-Origin") == nil)
        }
        let asked = await test.send(
            "OPTIONS", "/api/transaction",
            headers: [
                "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
            ])
        #expect(asked.status == 204)
        #expect(asked.header("Access-Control-Allow-Methods") == "GET, HEAD, POST")
        let refused = await test.send(
            "OPTIONS", "/api/transaction", headers: ["Origin": "https://evil.example"])
        #expect(refused.status == 403)
    }

    // MARK: - Copies

    @Test func `who has the answer already is told so, until the head changes`() async throws {
        let test = try await GatewayFixture()
        let path = "/api/balance/\(Self.bob)"
        let first = try await test.get(path)
        let tag = try #require(first.header("ETag"))
        #expect(first.header("Cache-Control") == "private, no-cache")
        #expect(first.header("Apus-State") == tag.replacing("\"", with: ""))
        for match in [tag, "*", "\"other\", \(tag)", "W/\(tag)"] {
            let again = try await test.get(path, headers: ["If-None-Match": match])
            #expect(again.status == 304)
            #expect(try await again.bytes().isEmpty)
            #expect(again.header("ETag") == tag)
            #expect(again.header("Apus-State") == first.header("Apus-State"))
        }
        #expect(
            try await test.get(path, headers: ["If-None-Match": "\"other\""]).status == 200)
        try await test.rpc.dispatcher.mine()
        let later = try await test.get(path, headers: ["If-None-Match": tag])
        #expect(later.status == 200)
        #expect(later.header("ETag") != tag)
    }

    @Test func `a state that is changed by hand changes the tag, though no block comes`()
        async throws
    {
        let test = try await GatewayFixture()
        let path = "/api/balance/\(Self.bob)"
        let tag = try #require(try await test.get(path).header("ETag"))
        _ = try await test.rpc.dispatcher.call(
            "anvil_setBalance", [.string(Self.bob.description), "0x7"])
        let later = try await test.get(path, headers: ["If-None-Match": tag])
        #expect(later.status == 200)
        #expect(try await later.json["balance"] == "7")
    }

    @Test func `a reorganisation back to the same block finds no old copy`() async throws {
        let test = try await GatewayFixture()
        let path = "/api/block/latest"
        let first = try await test.get(path)
        let tag = try #require(first.header("ETag"))
        let snapshot = try await test.rpc.dispatcher.call("evm_snapshot", [])
        try await test.rpc.dispatcher.mine()
        #expect(try await test.get(path).json["number"] == 1)
        _ = try await test.rpc.dispatcher.call("evm_revert", [snapshot])
        let back = try await test.get(path, headers: ["If-None-Match": tag])
        #expect(back.status == 200)
        #expect(try await back.json["number"] == 0)
        #expect(back.header("ETag") != tag)
    }

    @Test func `what is dear is kept, and found as long as the head stays`() async throws {
        let test = try await GatewayFixture()
        try await test.rpc.dispatcher.mine()
        let path = "/api/analytics/\(Self.alice)?days=7"
        let first = try await test.get(path)
        #expect(test.gateway.cache.figures.misses == 1)
        let second = try await test.get("/api/analytics/\(Self.alice)?days=%37")
        #expect(test.gateway.cache.figures.hits == 1)
        #expect(try await first.bytes() == second.bytes())
        #expect(first.header("ETag") == second.header("ETag"))
        #expect(first.header("Apus-State") == second.header("Apus-State"))
        try await test.rpc.dispatcher.mine()
        let third = try await test.get(path)
        #expect(try await third.json["as_of"]?["number"] == 2)
        #expect(test.gateway.cache.figures.hits == 1)
        #expect(test.gateway.cache.figures.entries == 1)
    }

    @Test func `what follows from more than the chain is never kept`() async throws {
        let test = try await GatewayFixture()
        let fees = try await test.get("/api/ai/fees")
        #expect(fees.header("ETag") == nil)
        #expect(fees.header("Cache-Control") == "no-store")
        #expect(test.gateway.cache.figures.entries == 0)
        #expect(test.gateway.cache.figures.misses == 0)
    }

    @Test func `HEAD is GET without the body`() async throws {
        let test = try await GatewayFixture(plugins: [])
        let token = try test.bearer("reader")
        let get = await test.send("/api/block/0", token: token)
        let head = await test.send("HEAD", "/api/block/0", token: token)
        #expect(head.status == 200)
        #expect(head.header("Content-Length") == get.header("Content-Length"))
        #expect(head.header("ETag") == get.header("ETag"))
        #expect(try await head.bytes().isEmpty)
        #expect(await test.send("HEAD", "/api/transaction", token: token).status == 405)
        let stream = await test.send("HEAD", "/api/events/blocks", token: token)
        #expect(stream.status == 200)
        #expect(try await stream.bytes().isEmpty)
    }

    // MARK: - Limits

    @Test func `a service has its rate, and another service its own`() async throws {
        let test = try await GatewayFixture(plugins: []) { $0.serviceRate = 5 }
        let token = try test.bearer("reader", service: "a")
        // A block costs ten: all of a bucket.
        #expect(await test.send("/api/block/0", token: token).status == 200)
        let refused = await test.send("/api/block/0", token: token)
        #expect(refused.status == 429)
        #expect(refused.header("Retry-After").flatMap { Int($0) }.map { $0 >= 1 } == true)
        #expect(refused.header("Content-Type") == "application/problem+json")
        let other = try test.bearer("reader", service: "b")
        #expect(await test.send("/api/block/0", token: other).status == 200)
    }

    @Test func `an address has its rate, also for wrong tokens`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.addressRate = 5
            $0.anonymous = [.reader]
        }
        #expect(await test.send("GET", "/api/block/0", peer: "10.0.0.1").status == 200)
        #expect(await test.send("GET", "/api/block/0", peer: "10.0.0.1").status == 429)
        #expect(
            await test.send("GET", "/api/block/0", token: "Bearer x", peer: "10.0.0.1").status
                == 429)
        #expect(await test.send("GET", "/api/block/0", peer: "10.0.0.2").status == 200)
        #expect(
            await test.send("GET", "/api/block/0", token: "Bearer x", peer: "10.0.0.3").status
                == 401)
        // A good token is the service's own business.
        let token = try test.bearer("reader")
        #expect(
            await test.send("GET", "/api/block/0", token: token, peer: "10.0.0.1").status == 200)
    }

    // MARK: - Who calls

    @Test func `this machine may what the settings say, and a proxy on it may not`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.anonymous = [.probe]
            $0.anonymousLocal = [.reader]
        }
        for peer in ["127.0.0.1", "::1", "127.9.9.9", "::ffff:127.0.0.1"] {
            #expect(await test.send("GET", "/api/block/0", peer: peer).status == 200)
        }
        for peer in ["10.0.0.1", "2001:db8::1", nil] {
            let reply = await test.send("GET", "/api/block/0", peer: peer)
            #expect(reply.status == 401)
            #expect(reply.header("WWW-Authenticate") == "Bearer realm=\"apus\"")
            #expect(await test.send("GET", "/livez", peer: peer).status == 200)
        }
        for name in ["X-Forwarded-For", "Forwarded"] {
            let reply = await test.send(
                "GET", "/api/block/0", headers: [name: "for=127.0.0.1"], peer: "127.0.0.1")
            #expect(reply.status == 401)
        }
        #expect(await test.send("GET", "/metrics", peer: "127.0.0.1").status == 401)
    }

    @Test func `a wrong token is not as good as none`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.anonymousLocal = Set(RESTRole.all)
        }
        #expect(await test.send("/api/block/0", token: nil).status == 200)
        for token in ["Bearer x", "Basic x", "", "Bearer", "Bearer a.b.c"] {
            let reply = await test.send("/api/block/0", token: token)
            #expect(reply.status == 401)
            #expect(
                reply.header("WWW-Authenticate")?.contains("error=\"invalid_token\"") == true)
        }
        let good = try test.bearer("reader")
        #expect(
            await test.send("/api/block/0", token: good, headers: ["Authorization": good]).status
                == 401)
    }

    @Test func `a trusted proxy says for whom it calls and under which id`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.trustedProxies = ["10.0.0.0/8"]
            $0.addressRate = 5
            $0.anonymous = [.reader]
        }
        func block(_ peer: String, _ forwarded: String) async -> Reply {
            await test.send(
                "GET", "/api/block/0",
                headers: ["X-Forwarded-For": forwarded, "X-Request-ID": "from-proxy"], peer: peer)
        }
        let first = await block("10.0.0.1", "1.1.1.1")
        #expect(first.status == 200)
        #expect(first.header("X-Request-ID") == "from-proxy")
        #expect(await block("10.0.0.2", "1.1.1.1").status == 429)
        #expect(await block("10.0.0.2", "1.1.1.2").status == 200)
        // Who is not trusted is who he is.
        let own = await block("9.9.9.9", "1.1.1.3")
        #expect(own.status == 200)
        #expect(own.header("X-Request-ID") != "from-proxy")
        #expect(await block("9.9.9.9", "1.1.1.4").status == 429)
    }

    // MARK: - Events

    @Test func `a stream tells the state at once, and then what happens`() async throws {
        let test = try await GatewayFixture(plugins: [])
        let reply = try await test.get("/api/events/blocks")
        #expect(reply.status == 200)
        #expect(reply.header("Content-Type") == "text/event-stream")
        #expect(reply.header("Cache-Control") == "no-store")
        var stream = try EventReader(reply)
        #expect(try await stream.next() == "retry: 3000")
        let state = try await stream.next()
        #expect(state.hasPrefix("event: state\ndata: "))
        try await test.rpc.dispatcher.mine()
        let head = test.blockchain.head.hash
        let event = try await stream.next()
        #expect(event.contains("event: committed"))
        #expect(event.contains("\"hash\":\"\(head)\""))
        #expect(try await stream.next().hasPrefix("event: state"))
        #expect(test.gateway.routes.count > 5)
    }

    @Test func `a stream goes on after its last event, by number and by hash`() async throws {
        let test = try await GatewayFixture(plugins: [])
        for _ in 0..<3 { try await test.rpc.dispatcher.mine() }
        await test.settle()
        let hashes = try (0...3).map { try test.blockchain.head.view.canonicalHash($0) ?? .zero }
        for sequence in [1, 0, 99] {
            let cursor = "\(sequence).1.\(hashes[1])"
            let reply = try await test.get(
                "/api/events/blocks", headers: ["Last-Event-ID": cursor])
            var stream = try EventReader(reply)
            _ = try await stream.next()
            for number in [2, 3] {
                let event = try await stream.next()
                #expect(event.contains("event: committed"))
                #expect(event.contains("\"number\":\(number),\"hash\":\"\(hashes[number])\""))
            }
        }
    }

    @Test func `a stream whose block has left the chain hears of it first`() async throws {
        let test = try await GatewayFixture(plugins: [])
        try await test.rpc.dispatcher.mine()
        let snapshot = try await test.rpc.dispatcher.call("evm_snapshot", [])
        try await test.rpc.dispatcher.mine()
        let left = test.blockchain.head
        await test.settle()
        _ = try await test.rpc.dispatcher.call("evm_revert", [snapshot])
        _ = try await test.rpc.dispatcher.call("evm_increaseTime", ["0x64"])
        try await test.rpc.dispatcher.mine()
        await test.settle()
        let now = test.blockchain.head
        #expect(now.hash != left.hash)
        let reply = try await test.get("/api/events/blocks?after=2.2.\(left.hash)")
        var stream = try EventReader(reply)
        _ = try await stream.next()
        let reverted = try await stream.next()
        #expect(reverted.contains("event: reverted"))
        #expect(reverted.contains("\"hash\":\"\(left.hash)\""))
        let committed = try await stream.next()
        #expect(committed.contains("event: committed"))
        #expect(committed.contains("\"hash\":\"\(now.hash)\""))
    }

    @Test func `a stream of a block that nobody knows must begin anew`() async throws {
        let test = try await GatewayFixture(plugins: [])
        try await test.rpc.dispatcher.mine()
        let zeros = "0x" + String(repeating: "0", count: 64)
        let reply = try await test.get("/api/events/blocks?after=1.1.\(zeros)")
        var stream = try EventReader(reply)
        _ = try await stream.next()
        #expect(try await stream.next().contains("event: reset"))
    }

    @Test func `a stream that was too slow for what is kept must begin anew, and goes on`()
        async throws
    {
        let test = try await GatewayFixture(plugins: [])
        var stream = try EventReader(try await test.get("/api/events/blocks"))
        #expect(try await stream.next() == "retry: 3000")
        for _ in 0..<2 { try await test.rpc.dispatcher.mine() }
        // As after a hundred thousand more.
        let database = test.blockchain.database
        let family = try #require(test.plugins.families.first { $0.family == "events" })
        let column = try #require(database.column(family))
        var batch = WriteBatch(for: database)
        batch.delete(column, [0, 0, 0, 0, 0, 0, 0, 1])
        try database.write(batch, durability: .buffered)
        try await test.rpc.dispatcher.mine()
        let reset = try await stream.next()
        #expect(reset.contains("event: reset"))
        #expect(reset.contains("\"number\":3,"))
        #expect(try await stream.next().hasPrefix("event: state"))
        try await test.rpc.dispatcher.mine()
        let next = try await stream.next()
        #expect(next.contains("event: committed"))
        #expect(next.contains("\"number\":4,"))
    }

    @Test func `an answer that has begun goes on however many others wait`() async throws {
        let test = try await GatewayFixture(plugins: [SlowPlugin.self])
        let reply = try await test.get("/slow?parts=1")
        let held = DispatchSemaphore(value: 0)
        let more = 2_048
        let (refusals, refused) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingDiscardingTaskGroup { group in
            for _ in 0..<more {
                group.addTask { [rpc = test.rpc] in
                    if await rpc.pool.run({ held.wait() }) == nil { refused.yield() }
                }
            }
            for await _ in refusals { break }
            group.addTask {
                let bytes = try await reply.bytes()
                #expect(bytes == Bytes("end".utf8))
            }
            try await Task.sleep(for: .milliseconds(50))
            for _ in 0..<more { held.signal() }
        }
    }

    @Test func `what is asked for decides what it costs`() async throws {
        // Two hundred and forty units at once.
        let test = try await GatewayFixture(plugins: [AnalyticsPlugin.self]) {
            $0.serviceRate = 120
        }
        let path = "/api/analytics/\(Self.alice.checksummed)/tokens"
        let token = try test.bearer("reader")
        for (query, status) in [
            ("?limit=1000", 200), ("?verify=true", 200), ("?limit=18446744073709551615", 429),
            ("", 200), ("?limit=50", 200), ("", 429), ("?limit=x", 429),
        ] {
            #expect(await test.send(path + query, token: token).status == status, "\(query)")
        }
        let document = try await test.get("/openapi.json").json
        let route = document["paths"]?["/api/analytics/{address}/tokens"]?["get"]
        #expect(
            route?["parameters"]?.arrayValue?.compactMap { $0["x-apus-units"]?.doubleValue } == [
                0.1, 90,
            ])
    }

    @Test func `there are only so many streams`() async throws {
        let test = try await GatewayFixture(plugins: []) { $0.limits.streams = 1 }
        do {
            let first = try await test.get("/api/events/blocks")
            #expect(first.status == 200)
            let second = try await test.get("/api/events/blocks")
            #expect(second.status == 503)
            withExtendedLifetime(first) {}
        }
        let third = try await test.get("/api/events/blocks")
        #expect(third.status == 200)
    }

    @Test func `one caller has only so many of the streams`() async throws {
        let test = try await GatewayFixture(plugins: []) {
            $0.limits.streamsPerCaller = 1
            $0.anonymous = [.reader]
        }
        let path = "/api/events/blocks"
        let one = try test.bearer("reader", service: "one")
        do {
            let first = await test.send(path, token: one)
            #expect(first.status == 200)
            let second = await test.send(path, token: one)
            #expect(second.status == 429)
            #expect(second.header("Retry-After") == "5")
            // Others have theirs, and so has an address.
            let other = await test.send(path, token: try test.bearer("reader", service: "two"))
            #expect(other.status == 200)
            let nobody = await test.send("GET", path, peer: "10.0.0.1")
            #expect(nobody.status == 200)
            #expect(await test.send("GET", path, peer: "10.0.0.1").status == 429)
            withExtendedLifetime([first, other, nobody]) {}
        }
        #expect(await test.send(path, token: one).status == 200)
    }

    @Test func `a stream ends with the token of its caller`() async throws {
        let test = try await GatewayFixture(plugins: [])
        var stream = try EventReader(try await test.get("/api/events/blocks"))
        #expect(try await stream.next() == "retry: 3000")
        #expect(try await stream.next().hasPrefix("event: state"))
        // To the second after which its skew is over as well.
        test.clock.advance(by: 3_600 + 29)
        try await test.rpc.dispatcher.mine()
        #expect(try await stream.next().contains("event: committed"))
        test.clock.advance(by: 1)
        try await test.rpc.dispatcher.mine()
        await #expect(throws: PluginError.self) { while true { _ = try await stream.next() } }
    }

    @Test func `a stream goes on while no execution thread is free`() async throws {
        let test = try await GatewayFixture(plugins: [])
        var stream = try EventReader(try await test.get("/api/events/blocks"))
        #expect(try await stream.next() == "retry: 3000")
        #expect(try await stream.next().hasPrefix("event: state"))
        let held = DispatchSemaphore(value: 0)
        try await withThrowingDiscardingTaskGroup { group in
            let threads = 4 * ProcessInfo.processInfo.activeProcessorCount
            for _ in 0..<threads {
                group.addTask { [rpc = test.rpc] in _ = await rpc.pool.run { held.wait() } }
            }
            defer { for _ in 0..<threads { held.signal() } }
            try await test.rpc.dispatcher.mine()
            #expect(try await stream.next().contains("event: committed"))
        }
    }

    // MARK: - How it is

    @Test func `every module says how it is`() async throws {
        let test = try await GatewayFixture()
        let all = try await test.get("/health")
        #expect(all.status == 200)
        let json = try await all.json
        #expect(json["status"] == "healthy")
        #expect(json["service"] == "apus")
        #expect(json["timestamp"] == "2027-01-15T08:00:00Z")
        let names = ["gateway", "chain", "pool", "rpc", "analytics", "prediction"]
        #expect(json["services"]?.objectValue?.keys.sorted() == names.sorted())
        for name in names {
            let module = try await test.get("/health/\(name)")
            #expect(module.status == 200)
            #expect(try await module.json["service"] == .string(name))
            #expect(try await module.json["status"] == "healthy")
            #expect(try await module.json["timestamp"] == "2027-01-15T08:00:00Z")
        }
    }

    @Test func `a module that fails makes the whole unhealthy and not ready, but alive`()
        async throws
    {
        let test = try await GatewayFixture(plugins: [FaultyPlugin.self])
        #expect(try await test.get("/readyz").status == 200)
        FaultyPlugin.breaks(test)
        #expect(try await test.get("/health").status == 503)
        #expect(try await test.get("/health/faulty").json["status"] == "unhealthy")
        #expect(try await test.get("/health/chain").status == 200)
        let ready = try await test.get("/readyz")
        #expect(ready.status == 503)
        #expect(try await ready.json["reasons"]?[0] == "the plugin faulty has failed")
        #expect(try await test.get("/livez").status == 200)
    }

    @Test
    func `a node is ready if its head is young enough, its disk has room and it is not behind`()
        async throws
    {
        let old = try await GatewayFixture(plugins: [], checks: { $0.oldestHead = 999 })
        let reply = try await old.get("/readyz")
        #expect(reply.status == 503)
        #expect(try await reply.json["reasons"]?[0] == "the head is 1000 s old, more than 999 s")
        #expect(try await reply.json["head"]?["number"] == 0)
        let young = try await GatewayFixture(plugins: [], checks: { $0.oldestHead = 1_000 })
        #expect(try await young.get("/readyz").status == 200)
        let full = try await GatewayFixture(
            plugins: [],
            checks: {
                $0.folder = "/"
                $0.leastFreeBytes = .max
            })
        #expect(try await full.get("/readyz").status == 503)
        let behind = try await GatewayFixture(plugins: [], checks: { $0.blocksBehind = { 17 } })
        #expect(
            try await behind.get("/readyz").json["reasons"]?[0]
                == "the node is 17 blocks behind the one that it follows")
        let level = try await GatewayFixture(plugins: [], checks: { $0.blocksBehind = { 16 } })
        #expect(try await level.get("/readyz").status == 200)
    }
}

extension RPCDispatcher {
    /// Makes a block.
    func mine() async throws {
        _ = try await call("evm_mine", [])
    }
}

extension GatewayFixture {
    /// Waits until the feed has heard of the last block.
    func settle() async {
        let view = blockchain.head.view
        while let last = try? plugins.feed.last(in: view.snapshot), plugins.feed.last < last {
            await Task.yield()
        }
    }
}

/// Reads a stream event by event.
struct EventReader {
    private let next: @Sendable () async throws -> Bytes?
    private var text = ""

    init(_ reply: Reply) throws {
        guard case .parts(let next) = reply.response.content else {
            throw PluginError("the answer is no stream")
        }
        self.next = next
    }

    /// The next event; comments are passed over.
    mutating func next() async throws -> String {
        while true {
            if let end = text.range(of: "\n\n") {
                let event = String(text[..<end.lowerBound])
                text.removeSubrange(..<end.upperBound)
                if event.hasPrefix(":") { continue }
                return event
            }
            guard let bytes = try await next() else { throw PluginError("the stream has ended") }
            text += String(decoding: bytes, as: UTF8.self)
        }
    }
}
