import Foundation
import Primitives
import Testing

/// Starting, stopping, and what a person is told when the start fails.
@Suite(.serialized) struct LifecycleTests {
    @Test func `a devnet prints the banner that programs parse`() throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let text = daemon.banner.joined(separator: "\n")
        #expect(text.contains("Available Accounts\n=================="))
        #expect(
            text.contains(
                "(0) 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 (10000.000000000000000000 ETH)"))
        #expect(text.contains("Private Keys\n=================="))
        #expect(
            text.contains("(0) 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
        #expect(text.contains("Chain ID\n==================\n\n31337"))
        #expect(daemon.stop() == 0)
    }

    @Test func `a devnet without a folder leaves nothing behind`() throws {
        let folder = try TemporaryFolder()
        let daemon = try Daemon(["dev", "--port", "0"], environment: ["TMPDIR": folder.path])
        #expect(try !FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        #expect(daemon.stop() == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func `a folder that is in use is refused with status 75`() throws {
        let folder = try TemporaryFolder()
        let arguments = ["dev", "--port", "0", "--datadir", folder.path + "/data"]
        let daemon = try Daemon(arguments)
        let second = try Daemon.run(arguments)
        #expect(second.status == 75)
        #expect(second.error.contains("in use"), "\(second.error)")
        #expect(daemon.stop() == 0)
    }

    @Test func `a taken port is refused with status 69`() throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let second = try Daemon.run(["dev", "--port", String(daemon.port)])
        #expect(second.status == 69)
        #expect(second.error.contains("port \(daemon.port)"), "\(second.error)")
        #expect(daemon.stop() == 0)
    }

    @Test func `a foreign folder is refused and left alone`() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("my holiday", to: "photo.txt")
        let result = try Daemon.run(["dev", "--port", "0", "--datadir", folder.path])
        #expect(result.status == 78 || result.status == 65)
        #expect(result.error.contains(folder.path), "\(result.error)")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "my holiday")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["photo.txt"])
    }

    @Test func `a corrupt folder is refused with a clear error`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
        #expect(daemon.stop() == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: data)
        let manifest = try #require(names.first { $0.hasPrefix("MANIFEST") })
        try Data("garbage".utf8).write(to: URL(fileURLWithPath: data + "/" + manifest))
        let result = try Daemon.run(["dev", "--port", "0", "--datadir", data])
        #expect(result.status == 65, "\(result)")
        #expect(!result.error.isEmpty)
    }

    @Test func `a genesis that does not match the folder is refused`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        func genesis(_ chainId: Int) -> String {
            #"{"config":{"chainId":\#(chainId),"homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,"byzantiumBlock":0,"constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"berlinBlock":0,"londonBlock":0,"terminalTotalDifficulty":0,"shanghaiTime":0},"difficulty":"0x0","gasLimit":"0x1c9c380","alloc":{}}"#
        }
        let first = try folder.write(genesis(7), to: "first.json")
        let second = try folder.write(genesis(8), to: "second.json")
        #expect(try Daemon.run(["init", "--datadir", data, first]).status == 0)
        #expect(try Daemon.run(["init", "--datadir", data, first]).status == 0)
        let refused = try Daemon.run(["init", "--datadir", data, second])
        #expect(refused.status == 78)
        #expect(refused.error.contains("genesis"), "\(refused.error)")
        let broken = try folder.write("{\"config\": 7}", to: "broken.json")
        let unread = try Daemon.run(["init", "--datadir", folder.path + "/other", broken])
        #expect(unread.status == 65)
        #expect(unread.error.contains("broken.json"), "\(unread.error)")
    }

    @Test func `an initialised private chain makes blocks and survives a restart`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let genesis = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("genesis/private.json")
        #expect(try Daemon.run(["init", "--datadir", data, genesis.path]).status == 0)
        let arguments = ["node", "--datadir", data, "--port", "0", "--block-time", "1"]
        var daemon = try Daemon(arguments)
        var hash: JSONValue?
        let deadline = Date().addingTimeInterval(20)
        while hash == nil, Date() < deadline {
            let connection = try daemon.connect()
            let block = try connection.call("eth_getBlockByNumber", #"["0x3", false]"#)
            hash = block["hash"]
        }
        #expect(daemon.stop() == 0)
        daemon = try Daemon(arguments)
        let again = try daemon.connect().call("eth_getBlockByNumber", #"["0x3", false]"#)
        #expect(hash != nil && again["hash"] == hash)
        #expect(daemon.stop() == 0)
    }

    @Test(arguments: [
        (["dev", "--no-such-flag"], 64), (["dev", "--port", "seventy"], 78),
        (["dev", "--mnemonic", "one two three"], 78), (["dev", "--mixed-mining"], 64),
        (["node"], 64), (["dev", "--config", "/does/not/exist.toml"], 66),
        (["dev", "--set", "prediction"], 64), (["dev", "--set", "gateway.rate-service="], 78),
        (["gateway", "--set", "prediction.directory=models"], 64),
    ])
    func `a wrong flag ends with its status and says why`(arguments: [String], status: Int) throws {
        let result = try Daemon.run(arguments)
        #expect(Int(result.status) == status, "\(result)")
        #expect(!result.error.isEmpty)
    }

    @Test func `the file, the environment and flags set one thing, in that order`() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("chain-id = 5\nport = 0\n", to: "apus.toml")
        func chainId(_ arguments: [String], _ environment: [String: String]) throws -> JSONValue {
            let daemon = try Daemon(
                ["dev", "--config", file] + arguments, environment: environment)
            defer { daemon.stop() }
            return try daemon.connect().call("eth_chainId")
        }
        #expect(try chainId([], [:]) == .string("0x5"))
        #expect(try chainId([], ["APUS_CHAIN_ID": "6"]) == .string("0x6"))
        #expect(try chainId(["--chain-id", "7"], ["APUS_CHAIN_ID": "6"]) == .string("0x7"))
        let unknown = try folder.write("chain_id = 5\n", to: "wrong.toml")
        let result = try Daemon.run(["dev", "--config", unknown])
        #expect(result.status == 78)
        #expect(result.error.contains("did you mean 'chain-id'"), "\(result.error)")
    }

    @Test func `a deterministic devnet makes the same chain again`() throws {
        func chain() throws -> (head: JSONValue, deployer: JSONValue, rich: JSONValue) {
            let daemon = try Daemon([
                "dev", "--port", "0", "--deterministic", "--order", "fifo", "--no-create2",
                "--max-transactions", "1", "--disable-gas-limit", "--steps-tracing", "--silent",
                "--fund-accounts", "0x00000000000000000000000000000000000000aa:3",
                "0x00000000000000000000000000000000000000bb",
            ])
            defer { daemon.stop() }
            let connection = try daemon.connect()
            for _ in 0..<3 {
                _ = try connection.call(
                    "eth_sendTransaction",
                    #"[{"from":"\#(CrashTests.alice)","to":"\#(CrashTests.bob)","value":"0x1"}]"#)
            }
            return (
                try connection.call("eth_getBlockByNumber", #"["latest", false]"#),
                try connection.call(
                    "eth_getCode",
                    #"["0x4e59b44847b379578588920cA78FbF26c0B4956C", "latest"]"#),
                try connection.call(
                    "eth_getBalance",
                    #"["0x00000000000000000000000000000000000000aa", "latest"]"#)
            )
        }
        let first = try chain()
        #expect(first.head["number"] == "0x3")
        #expect(first.head["timestamp"] == "0x67748583")
        #expect(first.deployer == "0x")
        #expect(first.rich == "0x29a2241af62c0000")
        #expect(try chain().head["hash"] == first.head["hash"])
    }

    @Test func `a full disk stops block production, keeps reads up, and loses nothing`() throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        // The limit on file size makes writes fail as a full disk does.
        let daemon = try Daemon(
            ["dev", "--port", "0", "--datadir", data], shellPrefix: "ulimit -f 600")
        let acknowledged = try fill(daemon)
        daemon.stop()
        try expectGoesOn(data, from: acknowledged)
    }

    /// Sends transactions until the node refuses one because its disk is full.
    ///
    /// - Returns: how many blocks were acknowledged, all of which can still be read.
    private func fill(_ daemon: Daemon) throws -> Int {
        let connection = try daemon.connect()
        var refusal: Connection.RPCFailure?
        var acknowledged = 0
        let payload = String(repeating: "ab", count: 20_000)
        while refusal == nil, acknowledged < 4000 {
            do {
                _ = try connection.call(
                    "eth_sendTransaction",
                    #"[{"from":"\#(CrashTests.alice)","to":"\#(CrashTests.bob)","data":"0x\#(payload)","gas":"0xf4240"}]"#
                )
                acknowledged += 1
            } catch let error as Connection.RPCFailure {
                refusal = error
            }
        }
        #expect(refusal != nil, "the disk never filled")
        let number = try connection.call("eth_blockNumber")
        #expect(number.stringValue.flatMap { UInt256(hex: $0) } == UInt256(UInt64(acknowledged)))
        let block = try connection.call("eth_getBlockByNumber", #"["latest", true]"#)
        #expect(block["number"] == number)
        return acknowledged
    }

    /// Starts again on a folder whose disk was full, and makes a block.
    private func expectGoesOn(_ data: String, from acknowledged: Int) throws {
        let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
        let after = try daemon.connect()
        let kept = try after.call("eth_blockNumber").stringValue.flatMap {
            UInt256(hex: $0)?.asUInt64
        }
        #expect((kept ?? 0) >= UInt64(acknowledged))
        _ = try after.call(
            "eth_sendTransaction", #"[{"from":"\#(CrashTests.alice)","to":"\#(CrashTests.bob)"}]"#)
        #expect(daemon.stop() == 0)
    }
}
