import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

/// A sealer, two replicas with REST, and a gateway before them, as processes.
@Suite(.serialized) struct FleetTests {
    fileprivate static let alice = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    fileprivate static let balance = "1000000000000000000000000"

    /// The processes of a fleet, in a folder of their own.
    private final class Fleet {
        let folder: TemporaryFolder
        let sealer: Daemon
        var replicas: [Daemon]
        let gateway: Daemon
        let token: String
        private let flags: [[String]]

        init() throws {
            folder = try TemporaryFolder()
            let path = folder.path
            let genesis = try folder.write(ReplicationTests.genesis, to: "genesis.json")
            for name in ["sealer", "one", "two"] {
                try #require(
                    try Daemon.run(["init", "--datadir", "\(path)/\(name)", genesis]).status == 0)
            }
            let key = path + "/fleet.key"
            try #require(
                try Daemon.run(["jwt", "key", key, "--algorithm", "HS256"]).status == 0)
            token = try Daemon.run(
                ["jwt", "new", "--key", key, "--service", "test", "--role", "admin"]
            ).output.trimmingCharacters(in: .whitespacesAndNewlines)
            sealer = try Daemon([
                "node", "--datadir", path + "/sealer", "--sealer", "--period", "1", "--port", "0",
                "--sync-mode", "interval", "--no-rest",
            ])
            let connection = try sealer.connect()
            var signer: String?
            while signer == nil {
                let block = try connection.call("eth_getBlockByNumber", #"["0x1",false]"#)
                guard let hash = block["hash"]?.stringValue else { continue }
                signer = try connection.call("apus_getSeal", "[\"\(hash)\"]")["signer"]?.stringValue
            }
            let follow = [
                "--follow", "http://127.0.0.1:\(sealer.port)", "--sealers", signer ?? "",
                "--sync-mode", "interval", "--port", "0", "--set", "gateway.keys=\(key)",
                "--set", "gateway.trusted-proxies=127.0.0.1", "--set", "gateway.rate-service=0",
                // Nobody reads what they log.
                "--set", "gateway.audit=off",
            ]
            let flags = ["one", "two"].map { ["node", "--datadir", "\(path)/\($0)"] + follow }
            let replicas = try flags.map { try Daemon($0 + ["--rest-port", "0"]) }
            // A replica that is started again has the port that it had.
            self.flags = try zip(flags, replicas).map { flags, replica in
                flags + ["--rest-port", String(try #require(replica.restPort))]
            }
            self.replicas = replicas
            gateway = try Daemon(
                [
                    "gateway", "--listen", "127.0.0.1:0", "--set", "gateway.keys=\(key)",
                    "--set", "gateway.rate-service=0", "--set", "gateway.max-lag=20",
                    // Each read is one of a node's.
                    "--set", "gateway.cache=0", "--set", "gateway.audit=off",
                ]
                    + replicas.flatMap {
                        ["--upstream", "http://127.0.0.1:\($0.restPort ?? 0)"]
                    })
        }

        func restart(_ index: Int) throws {
            replicas[index] = try Daemon(flags[index])
        }

        func get(_ connection: Connection, _ target: String) throws -> Connection.Response {
            try connection.request(
                "GET", target, headers: ["Authorization: Bearer \(token)"])
        }

        func connect() throws -> Connection { try gateway.connect() }
    }

    /// Clients that ask for a balance again and again, and look at each answer.
    private final class Load: Sendable {
        private let state = Mutex((right: 0, wrong: [String](), isOver: false))

        var right: Int { state.withLock { $0.right } }
        var wrong: [String] { state.withLock { $0.wrong } }

        func end() { state.withLock { $0.isOver = true } }

        func ask(_ port: UInt16, _ token: String) {
            do {
                let connection = try Connection(port: port)
                while !state.withLock({ $0.isOver }) {
                    let answer = try connection.request(
                        "GET", "/api/balance/\(FleetTests.alice)",
                        headers: ["Authorization: Bearer \(token)"])
                    let value = try JSONValue(parsing: answer.body)
                    let isRight =
                        answer.status == 200 && value["balance"]?.stringValue == FleetTests.balance
                    state.withLock { state in
                        if isRight {
                            state.right += 1
                        } else {
                            state.wrong.append("\(answer.status) \(answer.text)")
                        }
                    }
                }
            } catch {
                state.withLock { $0.wrong.append("\(error)") }
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `killing a node under load loses no read, and it comes back`() throws {
        let fleet = try Fleet()
        let probe = try fleet.connect()
        // Both are up.
        while try JSONValue(parsing: fleet.get(probe, "/health/fleet").body)["details"]?["serving"]
            != "2"
        {
            usleep(20_000)
        }
        let load = Load()
        let clients = (0..<8).map { _ in
            Thread { [port = fleet.gateway.port, token = fleet.token] in load.ask(port, token) }
        }
        for client in clients { client.start() }
        func wait(forMore count: Int) {
            let before = load.right
            while load.right < before + count, load.wrong.isEmpty { usleep(10_000) }
        }
        wait(forMore: 200)
        for victim in [0, 1] {
            fleet.replicas[victim].killHard()
            wait(forMore: 400)
            try fleet.restart(victim)
            while try JSONValue(parsing: fleet.get(probe, "/health/upstream-\(victim)").body)[
                "status"] != "healthy"
            {
                usleep(20_000)
            }
            wait(forMore: 200)
        }
        load.end()
        for client in clients { while !client.isFinished { usleep(1000) } }
        #expect(load.wrong == [])

        // A signed transaction goes through the gateway and a replica to the sealer, and is found.
        let transfer = ReplicationTests.transfer(
            of: FixedKeys.alice, nonce: 0, to: FixedKeys.bob.address)
        let sent = try probe.request(
            "POST", "/api/transaction", body: "{\"raw\":\"\(transfer)\"}",
            headers: ["Authorization: Bearer \(fleet.token)"])
        #expect(sent.status == 200, "\(sent.text)")
        let hash = try #require(try JSONValue(parsing: sent.body)["hash"]?.stringValue)
        while try JSONValue(parsing: fleet.get(probe, "/api/transaction/\(hash)").body)["status"]
            != "success"
        {
            usleep(50_000)
        }
        #expect(fleet.gateway.stop() == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a stream of events goes on when its node is killed, without gap or repetition`() throws {
        let fleet = try Fleet()
        let stream = try fleet.connect()
        try stream.send(
            "GET /api/events/blocks HTTP/1.1\r\nHost: localhost\r\n"
                + "Authorization: Bearer \(fleet.token)\r\n\r\n")
        var text = ""
        func numbers() -> [Int] {
            text.matches(of: /event: committed\ndata: \{"number":(\d+),/).compactMap {
                Int($0.output.1)
            }
        }
        func read(_ count: Int) throws {
            let end = numbers().count + count
            while numbers().count < end {
                text += String(decoding: try stream.more(), as: UTF8.self)
                // Parts are framed; a frame may end within an event.
                text = text.replacing(/\r\n[0-9a-f]+\r\n/, with: "")
            }
        }
        try read(5)
        fleet.replicas[0].killHard()
        try read(5)
        try fleet.restart(0)
        let probe = try fleet.connect()
        while try JSONValue(parsing: fleet.get(probe, "/health/upstream-0").body)["status"]
            != "healthy"
        {
            usleep(20_000)
        }
        fleet.replicas[1].killHard()
        try read(5)
        let seen = numbers()
        #expect(seen == Array((seen.first ?? 0)..<(seen.first ?? 0) + seen.count))
        #expect(!text.contains("event: reset"))
    }
}
