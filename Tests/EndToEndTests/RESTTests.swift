import Foundation
import Primitives
import Testing

/// REST of the real daemon.
@Suite struct RESTTests {
    private static let alice = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    private static let bob = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

    private func rest(_ daemon: Daemon) throws -> Connection {
        try Connection(port: try #require(daemon.restPort))
    }

    private func json(_ response: Connection.Response) throws -> JSONValue {
        try JSONValue(parsing: response.body)
    }

    @Test func `the complete workflow, from a transaction to what is known about it`() throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let rest = try rest(daemon)
        let before = try json(rest.request("GET", "/api/balance/\(Self.bob)"))
        #expect(before["balance"] == "10000000000000000000000")
        let sent = try rest.request(
            "POST", "/api/transaction",
            body: #"{"from":"\#(Self.alice)","to":"\#(Self.bob)","amount":"1500000000000000000"}"#)
        #expect(sent.status == 200)
        let hash = try #require(try json(sent)["hash"]?.stringValue)
        let transaction = try json(rest.request("GET", "/api/transaction/\(hash)"))
        #expect(transaction["status"] == "success")
        let number = try #require(transaction["block"]?["number"]?.intValue)
        let block = try json(rest.request("GET", "/api/block/\(number)"))
        #expect(block["transactions"] == [.string(hash)])
        let after = try json(rest.request("GET", "/balance/\(Self.bob)"))
        #expect(after["balance"] == "10001500000000000000000")
        // What REST says is what JSON-RPC says.
        let balance = try daemon.connect().call(
            "eth_getBalance", #"["\#(Self.bob)","latest"]"#)
        #expect(
            balance.stringValue.flatMap { UInt256(hex: $0) }?.description
                == after["balance"]?.stringValue)
        for path in ["/api/analytics/\(Self.bob)?days=30", "/analytics/\(Self.bob)"] {
            let analytics = try rest.request("GET", path)
            #expect(analytics.status == 200)
            #expect(try json(analytics)["as_of"]?["number"]?.intValue == number)
        }
        let network = try json(rest.request("GET", "/api/analytics/network?days=1"))
        #expect(network["as_of"]?["number"]?.intValue == number)
        let fees = try json(rest.request("GET", "/api/ai/fees"))
        #expect(fees["base_fee"]?[0]?["source"] == "exact")
        for path in ["/api/ai/predict", "/predict"] {
            let prediction = try rest.request(
                "POST", path, body: #"{"features":{"price_change_1h":0.01}}"#)
            #expect(prediction.status == 409)
        }
    }

    @Test func `the health of every service`() throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let rest = try rest(daemon)
        let all = try rest.request("GET", "/health")
        #expect(all.status == 200)
        let services = try #require(try json(all)["services"]?.objectValue)
        #expect(
            services.keys.sorted()
                == ["analytics", "chain", "gateway", "pool", "prediction", "rpc"])
        for name in services.keys {
            let health = try rest.request("GET", "/health/\(name)")
            #expect(health.status == 200)
            #expect(try json(health)["status"] == "healthy")
            #expect(try json(health)["service"] == .string(name))
            #expect(try json(health)["timestamp"]?.stringValue?.hasSuffix("Z") == true)
        }
        #expect(try rest.request("GET", "/livez").status == 200)
        #expect(try rest.request("GET", "/readyz").status == 200)
        #expect(
            try rest.request("GET", "/metrics").text.contains("\napus_chain_head_number 0\n"))
    }

    @Test func `a node lets nobody in without a token, and with one as far as it says`() throws {
        let folder = try TemporaryFolder()
        let key = folder.path + "/keys/service.key"
        try FileManager.default.createDirectory(
            atPath: folder.path + "/keys", withIntermediateDirectories: true)
        #expect(try Daemon.run(["jwt", "key", key, "--algorithm", "EdDSA"]).status == 0)
        // Nothing is written over.
        #expect(try Daemon.run(["jwt", "key", key]).status == 74)
        let genesis = try folder.write(
            """
            {"config":{"chainId":7,"homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,
             "byzantiumBlock":0,"constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,
             "berlinBlock":0,"londonBlock":0,"terminalTotalDifficulty":0,"shanghaiTime":0},
             "gasLimit":"0x1c9c380","difficulty":"0x0","alloc":{}}
            """, to: "genesis.json")
        let data = folder.path + "/data"
        #expect(try Daemon.run(["init", "--datadir", data, genesis]).status == 0)
        func token(_ role: String, _ more: String...) throws -> String {
            let made = try Daemon.run(
                ["jwt", "new", "--key", key, "--service", "test", "--role", role] + more)
            #expect(made.status == 0)
            return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let daemon = try Daemon([
            "node", "--datadir", data, "--port", "0", "--rpc-jwt",
            "--set", "gateway.keys=\(folder.path)/keys",
            "--set", "gateway.audit=\(folder.path)/audit.log",
        ])
        let rest = try rest(daemon)
        func status(_ target: String, _ token: String?) throws -> Int {
            try rest.request(
                "GET", target, headers: token.map { ["Authorization: Bearer \($0)"] } ?? []
            ).status
        }
        let reader = try token("reader")
        #expect(try status("/api/block/0", nil) == 401)
        #expect(try status("/api/block/0", reader) == 200)
        #expect(try status("/metrics", reader) == 403)
        #expect(try status("/metrics", try token("monitor")) == 200)
        #expect(try status("/readyz", nil) == 200)
        #expect(try status("/api/block/0", reader + "x") == 401)
        #expect(try status("/api/block/0", try token("reader", "--audience", "other")) == 401)

        // The same keys and roles on JSON-RPC.
        let rpc = try daemon.connect()
        let call = #"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#
        let send =
            #"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x01"]}"#
        #expect(try rpc.post(call).status == 401)
        let answered = try daemon.connect().post(
            call, headers: ["Authorization: Bearer \(reader)"])
        #expect(try JSONValue(parsing: answered.body)["result"] == "0x7")
        func code(_ role: String) throws -> Int? {
            let answer = try daemon.connect().post(
                send, headers: ["Authorization: Bearer \(try token(role))"])
            return try JSONValue(parsing: answer.body)["error"]?["code"]?.intValue
        }
        #expect(try code("reader") == -32_601)
        #expect(try code("writer") == -32_000)

        let shown = try Daemon.run(["jwt", "inspect", reader, "--key", folder.path + "/keys"])
        #expect(shown.status == 0)
        #expect(shown.output.contains("\"service\":\"test\""))
        #expect(shown.output.contains("good, signed with the key service"))
        #expect(
            try Daemon.run(["jwt", "inspect", reader + "x", "--key", key]).status == 65)

        #expect(daemon.stop() == 0)
        let audit = try String(contentsOfFile: folder.path + "/audit.log", encoding: .utf8)
        let lines = try audit.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
        #expect(
            lines.map { $0["status"]?.intValue }
                == [401, 200, 403, 200, 401, 401, 401, 200, 200, 200])
        #expect(lines[7]["route"] == "JSON-RPC eth_chainId")
        #expect(lines[8]["code"]?.intValue == -32_601)
        #expect(lines[1]["service"] == "test")
        #expect(lines[1]["route"] == "GET /api/block/{id}")
        #expect(lines[2]["reason"] == "the route needs the role monitor")
        #expect(!audit.contains(reader))
        #expect(!audit.contains(reader.split(separator: ".").last ?? ""))
    }

    @Test func `a key that is removed lets nobody into JSON-RPC, also without REST`() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/keys", withIntermediateDirectories: true)
        let keys = ["old", "new"].map { folder.path + "/keys/\($0).key" }
        let tokens = try keys.map { key in
            #expect(try Daemon.run(["jwt", "key", key]).status == 0)
            return try Daemon.run(
                ["jwt", "new", "--key", key, "--service", "test", "--role", "reader"]
            ).output.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let daemon = try Daemon([
            "dev", "--port", "0", "--no-rest", "--rpc-jwt", "--set",
            "gateway.keys=\(folder.path)/keys",
        ])
        func status(_ token: String) throws -> Int {
            try daemon.connect().post(
                #"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#,
                headers: ["Authorization: Bearer \(token)"]
            ).status
        }
        #expect(try tokens.map(status) == [200, 200])
        // What stands beside the keys makes no difference.
        try "the keys".write(
            toFile: folder.path + "/keys/README", atomically: true, encoding: .utf8)
        try FileManager.default.removeItem(atPath: keys[0])
        let end = ContinuousClock.now + .seconds(60)
        while try status(tokens[0]) == 200, ContinuousClock.now < end {
            Thread.sleep(forTimeInterval: 0.1)
        }
        #expect(try tokens.map(status) == [401, 200])
    }

    @Test func `the port of REST is as it was asked for, or a free one`() throws {
        let first = try Daemon(["dev", "--port", "0", "--rest-port", "0"])
        let taken = try #require(first.restPort)
        #expect {
            try Daemon(["dev", "--port", "0", "--rest-port", "\(taken)"])
        } throws: { error in
            (error as? Daemon.Exited)?.status == 69
                && (error as? Daemon.Exited)?.message.contains("--rest-port chooses another")
                    == true
        }
        let without = try Daemon(["dev", "--port", "0", "--no-rest"])
        #expect(without.restPort == nil)
        #expect {
            try Daemon(["dev", "--port", "0", "--rest-host", "0.0.0.0"])
        } throws: { ($0 as? Daemon.Exited)?.status == 78 }
    }

    @Test func `a key that others can read is refused`() throws {
        let folder = try TemporaryFolder()
        let key = try folder.write(String(repeating: "5a", count: 32), to: "open.key")
        #expect {
            try Daemon(["dev", "--port", "0", "--set", "gateway.keys=\(key)"])
        } throws: { error in
            (error as? Daemon.Exited)?.status == 78
                && (error as? Daemon.Exited)?.message.contains("chmod it to 0600") == true
        }
    }

    @Test func `a devnet makes a key of its own, and keeps it`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        var keys: Set<String> = []
        for _ in 0..<2 {
            let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
            let key = try String(contentsOfFile: data + "/gateway.key", encoding: .utf8)
            keys.insert(key)
            let mode = try FileManager.default.attributesOfItem(atPath: data + "/gateway.key")
            #expect((mode[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            let made = try Daemon.run([
                "jwt", "new", "--key", data + "/gateway.key", "--service", "x", "--role", "admin",
            ])
            let token = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let answer = try rest(daemon).request(
                "GET", "/api/analytics/export/blocks",
                headers: ["Authorization: Bearer \(token)", "Connection: close"])
            #expect(answer.status == 200)
            #expect(
                try rest(daemon).request("GET", "/api/analytics/export/blocks").status == 401)
            #expect(daemon.stop() == 0)
        }
        #expect(keys.count == 1)
    }

    @Test func `a daemon with an open stream stops in time`() throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let stream = try rest(daemon)
        try stream.send("GET /api/events/blocks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(daemon.stop() == 0)
    }
}
