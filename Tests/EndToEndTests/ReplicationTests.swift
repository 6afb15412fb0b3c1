import Cryptography
import EthereumTypes
import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

import RPC

/// A sealer and its replicas as processes, which are killed while transactions come in.
@Suite(.serialized) struct ReplicationTests {
    static let genesis = """
        {
          "config": {"chainId": 7, "clique": {"period": 1, "epoch": 30000}, "shanghaiTime": 0,
            "cancunTime": 0, "londonBlock": 0},
          "gasLimit": "0x1c9c380", "difficulty": "0x1", "alloc": {\(accounts)}
        }
        """

    private static let accounts = ([FixedKeys.alice] + Load.keys).map { key in
        "\"\(key.address)\": {\"balance\": \"0xd3c21bcecceda1000000\"}"
    }.joined(separator: ", ")

    /// A signed transfer of one wei on that chain.
    static func transfer(of key: PrivateKey, nonce: Nonce, to: Address) -> String {
        let transaction = Transaction(
            type: .dynamicFee, chainId: 7, nonce: nonce, maxPriorityFeePerGas: 1_000_000_000,
            maxFeePerGas: 20_000_000_000, gasLimit: 21_000, to: to, value: 1)
        return Hex.encode(transaction.signed(with: key).encoded())
    }

    @Test(.timeLimit(.minutes(5)))
    func `replicas follow a sealer under load, whoever is killed, and have its roots`() throws {
        let folder = try TemporaryFolder()
        let genesis = try folder.write(Self.genesis, to: "genesis.json")
        for name in ["sealer", "one", "two"] {
            let made = try Daemon.run(["init", "--datadir", folder.path + "/" + name, genesis])
            #expect(made.status == 0, "\(made.error)")
            #expect(made.error.contains("config.clique"))
        }
        func node(_ name: String, _ flags: [String]) throws -> Daemon {
            try Daemon(["node", "--datadir", folder.path + "/" + name] + flags)
        }
        let sealerFlags = ["--sealer", "--period", "1", "--sync-mode", "interval"]
        var sealer = try node("sealer", ["--port", "0"] + sealerFlags)
        let port = String(sealer.port)
        let key = try FileManager.default.attributesOfItem(
            atPath: folder.path + "/sealer/sealer.key")
        #expect((key[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let signer = try wait("a first block") { () -> String? in
            let connection = try sealer.connect()
            let block = try connection.call("eth_getBlockByNumber", #"["0x1",false]"#)
            guard let hash = block["hash"]?.stringValue else { return nil }
            return try connection.call("apus_getSeal", "[\"\(hash)\"]")["signer"]?.stringValue
        }

        let follow = [
            "--follow", "http://127.0.0.1:\(port)", "--sealers", signer, "--port", "0",
            "--sync-mode", "interval",
        ]
        var replicas = try ["one", "two"].map { try node($0, follow) }

        let load = Load(on: [sealer] + replicas)
        defer { load.stop() }
        // A transaction sent to a replica gets into the chain, while each of the three is killed.
        let victims = ["one", "two", "sealer", "sealer", "one", "sealer"]
        for (round, victim) in victims.enumerated() {
            let transfer = Self.transfer(
                of: FixedKeys.alice, nonce: Nonce(round), to: FixedKeys.bob.address)
            let hash = try wait("a transaction sent to a replica") {
                try replicas[0].connect().call("eth_sendRawTransaction", "[\"\(transfer)\"]")
                    .stringValue
            }
            switch victim {
            case "sealer":
                sealer.killHard()
                // A block, and its transactions, that no disk has are made anew.
                sealer = try node("sealer", ["--port", port] + sealerFlags)
            case "one":
                replicas[0].killHard()
                replicas[0] = try node("one", follow)
            default:
                replicas[1].killHard()
                replicas[1] = try node("two", follow)
            }
            load.send(to: [sealer] + replicas)
            for replica in replicas {
                _ = try wait("the receipt at a replica") {
                    try replica.connect().call("eth_getTransactionReceipt", "[\"\(hash)\"]")[
                        "blockNumber"]?.stringValue
                }
            }
        }
        load.stop()
        let nodes = [sealer] + replicas
        let number = try sealer.connect().call("eth_blockNumber").stringValue ?? ""
        let blocks = try nodes.map { node in
            try wait("block \(number)") { () -> JSONValue? in
                let block = try node.connect().call(
                    "eth_getBlockByNumber", "[\"\(number)\",false]")
                return block.isNull ? JSONValue?.none : block
            }
        }
        #expect(Set(blocks.map { $0["hash"] }).count == 1, "\(blocks)")
        #expect(Set(blocks.map { $0["stateRoot"] }).count == 1)
        // What was sent is there once, at each of them.
        for node in nodes {
            let connection = try node.connect()
            func quantity(_ method: String, of address: Address) throws -> UInt64 {
                let answer = try connection.call(method, "[\"\(address)\", \"\(number)\"]")
                return answer.stringValue.flatMap { UInt256(hex: $0)?.asUInt64 } ?? 0
            }
            var sent: UInt64 = 0
            for key in Load.keys {
                sent += try quantity("eth_getTransactionCount", of: key.address)
            }
            #expect(sent >= UInt64(2 * Load.keys.count * Load.burst), "too little load: \(sent)")
            #expect(try quantity("eth_getBalance", of: Load.receiver) == sent)
        }
        for node in nodes { #expect(node.stop() == 0) }
    }

    @Test func `the engine's port serves whoever has a fresh token of its secret`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let genesis = try folder.write(Self.genesis, to: "genesis.json")
        _ = try Daemon.run(["init", "--datadir", data, genesis])
        let secret = folder.path + "/jwt.hex"
        let daemon = try Daemon([
            "node", "--datadir", data, "--port", "0", "--engine", "--engine-port", "0",
            "--engine-jwt-secret", secret,
        ])
        let line = try #require(daemon.banner.first { $0.hasPrefix("Engine API on ") })
        let port = try #require(line.split(separator: ":").last.flatMap { UInt16($0) })
        let key = try #require(
            TokenKey(hex: String(contentsOfFile: secret, encoding: .utf8)))
        let now = UInt64(Date().timeIntervalSince1970)
        func answer(_ method: String, _ token: String) throws -> (status: Int, body: String) {
            let answer = try Connection(port: port).post(
                #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":[]}"#,
                headers: ["Authorization: \(token)"])
            return (answer.status, answer.text)
        }
        let good = key.bearer(issuedAt: now)
        #expect(try answer("eth_chainId", good).body.contains(#""result":"0x7""#))
        #expect(try answer("eth_blockNumber", good).body.contains(#""result":"0x0""#))
        #expect(try answer("engine_exchangeCapabilities", good).status == 200)
        let stale = key.bearer(issuedAt: now - 120)
        let early = key.bearer(issuedAt: now + 120)
        let stolen = TokenKey.random().bearer(issuedAt: now)
        for token in [stale, early, stolen, "Bearer x", "", String(good.dropFirst(7))] {
            #expect(try answer("eth_chainId", token).status == 401, "\(token)")
        }
        #expect(daemon.stop() == 0)
    }

    @Test func `an unsafe secret stops the node`() throws {
        let folder = try TemporaryFolder()
        let genesis = try folder.write(Self.genesis, to: "genesis.json")
        let data = folder.path + "/data"
        _ = try Daemon.run(["init", "--datadir", data, genesis])
        let secret = folder.path + "/jwt.hex"
        let flags = [
            "node", "--datadir", data, "--port", "0", "--engine", "--engine-port", "0",
            "--engine-jwt-secret", secret,
        ]
        let daemon = try Daemon(flags)
        let facts = try FileManager.default.attributesOfItem(atPath: secret)
        #expect((facts[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let line = try #require(daemon.banner.first { $0.hasPrefix("Engine API on ") })
        let port = try #require(line.split(separator: ":").last.flatMap { UInt16($0) })
        let answer = try Connection(port: port).post(
            #"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#)
        #expect(answer.status == 401)
        #expect(daemon.stop() == 0)

        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: secret)
        let refused = try Daemon.run(flags)
        #expect(refused.status == 78)
        #expect(refused.error.contains("chmod"))
    }

    /// Asks until there is an answer, for at most a minute.
    private func wait<Answer>(_ what: String, _ ask: () throws -> Answer?) throws -> Answer {
        for _ in 0..<600 {
            if let answer = try? ask() { return answer }
            Thread.sleep(forTimeInterval: 0.1)
        }
        throw TimedOut(what: what)
    }

    struct TimedOut: Error { let what: String }
}

/// Clients that send transfers to every node, one burst after another, whoever is killed meanwhile.
final class Load: Sendable {
    static let keys = (1...8).compactMap { PrivateKey(UInt256(1_000 + $0)) }
    static let receiver = Address(w0: 0x10ad, w1: 0, w2: 0)
    /// Transactions of a sender that wait at once.
    static let burst = 16

    private let ports: Mutex<[UInt16]>
    private let isOver = Atomic(false)
    private let ended = DispatchGroup()

    init(on nodes: [Daemon]) {
        ports = Mutex(nodes.map(\.port))
        ended.enter()
        Thread.detachNewThread { [self] in
            var round = 0
            while !isOver.load(ordering: .relaxed) {
                round += 1
                for (index, key) in Self.keys.enumerated() {
                    let ports = ports.withLock { $0 }
                    // A node that is dead takes nothing; the next burst begins where the chain is.
                    try? send(from: key, to: ports[(round + index) % ports.count])
                }
            }
            ended.leave()
        }
    }

    /// Goes on with these nodes: one that was started again may have another port.
    func send(to nodes: [Daemon]) {
        ports.withLock { $0 = nodes.map(\.port) }
    }

    func stop() {
        isOver.store(true, ordering: .relaxed)
        ended.wait()
    }

    private func send(from key: PrivateKey, to port: UInt16) throws {
        let connection = try Connection(port: port)
        let count = try connection.call(
            "eth_getTransactionCount", "[\"\(key.address)\", \"latest\"]")
        let next = count.stringValue.flatMap { UInt256(hex: $0)?.asUInt64 } ?? 0
        let calls = (next..<next + UInt64(Self.burst)).map { nonce in
            let transfer = ReplicationTests.transfer(of: key, nonce: nonce, to: Self.receiver)
            return #"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","#
                + #""params":["\#(transfer)"]}"#
        }
        _ = try connection.post("[" + calls.joined(separator: ",") + "]")
    }
}
