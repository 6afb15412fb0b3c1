import Foundation
import Primitives
import Testing

/// A sealer and its replicas as processes, which are killed while transactions come in.
@Suite(.serialized) struct ReplicationTests {
    static let genesis = """
        {
          "config": {"chainId": 7, "clique": {"period": 1, "epoch": 30000}, "shanghaiTime": 0,
            "cancunTime": 0, "londonBlock": 0},
          "gasLimit": "0x1c9c380", "difficulty": "0x1", "alloc": {
            "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266": {"balance": "0xd3c21bcecceda1000000"}}
        }
        """

    @Test(.timeLimit(.minutes(5)))
    func `replicas follow a sealer whoever is killed, and have its roots`() throws {
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
        let sealerFlags = ["--sealer", "--period", "0.1", "--sync-mode", "interval"]
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

        // A transaction sent to a replica gets into the chain, while each of the three is killed.
        for (round, victim) in ["one", "two", "sealer"].enumerated() {
            let hash = try wait("a transaction sent to a replica") {
                try replicas[0].connect().call(
                    "eth_sendRawTransaction", "[\"\(Self.transfers[round])\"]"
                ).stringValue
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
            for replica in replicas {
                _ = try wait("the receipt at a replica") {
                    try replica.connect().call("eth_getTransactionReceipt", "[\"\(hash)\"]")[
                        "blockNumber"]?.stringValue
                }
            }
        }
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
        for node in nodes { #expect(node.stop() == 0) }
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

    /// Signed transfers of the first development account on chain 7, nonces 0 to 2, 20 gwei.
    static let transfers = [
        "0x02f86b0780843b9aca008504a817c8008252089470997970c51812dc3a010c7d01b50e0d17dc79"
            + "c80180c080a03f401423d1b21377d5aa6ef026ac66fa427407f528c3a3df0f4f99fae869993ca01d"
            + "6b5465f7df6bbc7d8e5257d79a47ac06a934417ff60432880d869893b37f4c",
        "0x02f86b0701843b9aca008504a817c8008252089470997970c51812dc3a010c7d01b50e0d17dc79"
            + "c80180c001a06d9f90210e50782e6e260a351f9acf87d90689758b30196930c4c095cd111877a02e"
            + "22724a65b0ecd7e3988c321290af0901eab037581b985f610de6b33ab9f332",
        "0x02f86b0702843b9aca008504a817c8008252089470997970c51812dc3a010c7d01b50e0d17dc79"
            + "c80180c001a0822674804e5d1b7bb1e104e646dd5c9caeed3ae11b5cdde295c324a1d4687b4ca074"
            + "c388c7367ab5ebee21ef59be78d0664a958e5b83d7a5382281357652461a0c",
    ]
}
