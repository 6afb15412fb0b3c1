import Foundation
import Primitives
import TestSupport
import Testing

/// Chains in files, and the database on disk, by the commands of the real binary.
@Suite(.serialized) struct ChainCommandTests {
    let folder: TemporaryFolder
    var data: String { folder.path + "/data" }

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A chain of 54 blocks from Frontier to today's forks.
    private static func fixture(_ name: String) throws -> String {
        try Fixtures.file("chain-rpc-compat", name).path
    }

    private func importing(_ files: String...) throws -> (
        status: Int32, output: String, error: String
    ) {
        try Daemon.run(
            ["import", "--datadir", data, "--genesis", Self.fixture("genesis.json")]
                + files)
    }

    private func write(_ bytes: Bytes, _ name: String) throws -> String {
        let path = folder.path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func blocks() throws -> [Bytes] {
        var decoder = RLPDecoder(
            Bytes(try Data(contentsOf: URL(fileURLWithPath: Self.fixture("chain.rlp")))))
        var blocks: [Bytes] = []
        while !decoder.isAtEnd { blocks.append(Bytes(try decoder.rawItem())) }
        return blocks
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a chain goes in, verifies, and comes out as it went in`() throws {
        let chain = try Self.fixture("chain.rlp")
        let first = try importing(chain)
        #expect(first.status == 0, "\(first)")
        #expect(first.output.contains("imported 54 blocks (0 were known)"), "\(first.output)")
        let again = try importing(chain)
        #expect(again.status == 0)
        #expect(again.output.contains("imported 0 blocks (54 were known)"), "\(again.output)")
        let verified = try Daemon.run(["verify", "--datadir", data])
        #expect(verified.status == 0, "\(verified)")
        #expect(verified.output.contains("54 blocks executed again"), "\(verified.output)")

        for name in ["out.rlp", "out.rlp.gz"] {
            let file = folder.path + "/" + name
            let exported = try Daemon.run(["export", "--datadir", data, "--from", "1", file])
            #expect(exported.status == 0, "\(exported)")
            let other = folder.path + "/" + name + ".data"
            let back = try Daemon.run([
                "import", "--datadir", other, "--genesis",
                try Self.fixture("genesis.json"), file,
            ])
            #expect(back.status == 0 && back.output.contains("imported 54 blocks"), "\(back)")
        }
        #expect(FileManager.default.contentsEqual(atPath: folder.path + "/out.rlp", andPath: chain))
        #expect(
            try Daemon.run(["export", "--datadir", data, folder.path + "/out.rlp"]).status == 74)
        #expect(
            try Daemon.run(["export", "--datadir", data, "--to", "55", data + "/x"]).status == 64)
    }

    /// No block of the fixture has a seal; with one in block 1 the chain claims work.
    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a block without the work that its chain claims is refused, and the way out is told`()
        throws
    {
        var block = try blocks()[0]
        let nonce = try #require(block.firstRange(of: [0x88] + Bytes(repeating: 0, count: 8)))
        block[nonce.upperBound - 1] = 1
        let file = try write(block, "claimed.rlp")
        let refused = try importing(file)
        #expect(refused.status == 65, "\(refused)")
        #expect(refused.error.contains("block 1 "), "\(refused.error)")
        #expect(refused.error.contains("--unsealed"), "\(refused.error)")
        #expect(refused.output.contains("imported 0 blocks"), "\(refused.output)")
        let told = try Daemon.run(
            ["import", "--datadir", data, "--genesis", try Self.fixture("genesis.json"), file],
            environment: ["APUS_UNSEALED": "true"])
        #expect(told.status == 0 && told.output.contains("imported 1 blocks"), "\(told)")
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `an import in parts finds its place again`() throws {
        let blocks = try blocks()
        let first = try write(Bytes(blocks[..<20].joined()), "first.rlp")
        let all = try write(Bytes(blocks.joined()), "all.rlp")
        #expect(try importing(first).output.contains("imported 20 blocks"))
        let rest = try importing(first, all)
        #expect(rest.output.contains("imported 34 blocks (40 were known)"), "\(rest.output)")
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the first wrong block ends an import, and what came before it stays`() throws {
        var blocks = try blocks()
        // The last byte of a block is part of its transactions or withdrawals.
        blocks[29][blocks[29].count - 5] ^= 1
        let result = try importing(try write(Bytes(blocks.joined()), "wrong.rlp"))
        #expect(result.status == 65, "\(result)")
        #expect(result.error.contains("wrong.rlp"), "\(result.error)")
        #expect(result.output.contains("imported 29 blocks"), "\(result.output)")
        let verified = try Daemon.run(["verify", "--datadir", data])
        #expect(verified.status == 0, "\(verified)")
        let repaired = try importing(Self.fixture("chain.rlp"))
        #expect(repaired.output.contains("imported 25 blocks (29 were known)"), "\(repaired)")
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `files that are no chain of this genesis are refused with their reason`() throws {
        let blocks = try blocks()
        let truncated = try write(Bytes(blocks.joined().dropLast(7)), "truncated.rlp")
        let result = try importing(truncated)
        #expect(result.status == 65)
        #expect(result.error.contains("is truncated"), "\(result.error)")
        #expect(result.output.contains("imported 53 blocks"), "\(result.output)")

        var deep: Bytes = [0xc0]
        for _ in 0..<20_000 { deep = RLPEncoder.list { $0.appendRaw(deep) } }
        let other = try Fixtures.file("chain-sync", "chain.rlp").path
        let cases: [(file: String, status: Int32, reason: String)] = [
            (other, 65, "is of another chain"),
            (try write(deep, "deep.rlp"), 65, "is invalid"),
            (try write([0xfb, 0x7f, 0, 0, 0], "giant.rlp"), 65, "claims 2130706432 bytes"),
            (try write(Bytes("{}".utf8), "text.rlp"), 65, "no file of blocks"),
            (folder.path + "/none.rlp", 66, "cannot find"),
            (folder.path, 74, "folder"),
        ]
        for (file, status, reason) in cases {
            let result = try importing(file)
            #expect(result.status == status, "\(file): \(result)")
            #expect(result.error.contains(reason), "\(file): \(result.error)")
        }
        let empty = try Daemon.run(["import", "--datadir", folder.path + "/new", other])
        #expect(empty.status == 78, "\(empty)")
    }

    /// Cheats in every way, and goes back and forth.
    private func cheat(_ connection: Connection) throws {
        let alice = CrashTests.alice
        let contract = "0x00000000000000000000000000000000000000cc"
        _ = try connection.call("anvil_setBalance", #"["\#(CrashTests.bob)", "0x123456"]"#)
        // Stores the block's number.
        _ = try connection.call("anvil_setCode", #"["\#(contract)", "0x4343556000600055"]"#)
        _ = try connection.call(
            "anvil_setStorageAt",
            #"["\#(contract)", "0x7", "0x\#(String(repeating: "0", count: 63))9"]"#
        )
        for _ in 0..<3 {
            _ = try connection.call(
                "eth_sendTransaction", #"[{"from":"\#(alice)","to":"\#(contract)"}]"#)
        }
        _ = try connection.call("anvil_impersonateAccount", #"["\#(contract)"]"#)
        _ = try connection.call("anvil_setBalance", #"["\#(contract)", "0xde0b6b3a7640000"]"#)
        _ = try connection.call(
            "eth_sendTransaction", #"[{"from":"\#(contract)","to":"\#(alice)","value":"0x1"}]"#)
        let snapshot = try connection.call("evm_snapshot")
        _ = try connection.call("evm_increaseTime", "[3600]")
        _ = try connection.call("anvil_mine", #"["0x5"]"#)
        _ = try connection.call("evm_revert", "[\(snapshot.description)]")
        _ = try connection.call("anvil_setNextBlockBaseFeePerGas", #"["0x77359400"]"#)
        _ = try connection.call("anvil_setNonce", #"["\#(alice)", "0x64"]"#)
        _ = try connection.call(
            "eth_sendTransaction", #"[{"from":"\#(alice)","to":"\#(contract)"}]"#)
        _ = try connection.call(
            "anvil_setStorageAt",
            #"["\#(contract)", "0x7", "0x\#(String(repeating: "0", count: 64))"]"#)
    }

    @Test func `a devnet with cheats verifies, and its copies go on`() throws {
        let copies = folder.path + "/copies"
        let daemon = try Daemon([
            "dev", "--port", "0", "--datadir", data, "--checkpoint-dir", copies,
        ])
        let connection = try daemon.connect()
        try cheat(connection)
        let copy = try connection.call("admin_checkpoint", #"["first"]"#)
        let head = try connection.call("eth_getBlockByNumber", #"["latest", false]"#)
        #expect(copy["hash"] == head["hash"])
        #expect(copy["stateRoot"] == head["stateRoot"])
        for name in ["first", "../out", "a/b", ".hidden", "", String(repeating: "x", count: 65)] {
            #expect(throws: Connection.RPCFailure.self, "\(name)") {
                try connection.call("admin_checkpoint", #"["\#(name)"]"#)
            }
        }
        _ = try connection.call("anvil_mine", #"["0x2"]"#)
        let second = try connection.call("admin_checkpoint")
        #expect(second["name"]?.stringValue?.hasPrefix("block-") == true)
        #expect(daemon.stop() == 0)

        for path in [data, copies + "/first"] {
            let verified = try Daemon.run(["verify", "--datadir", path])
            #expect(verified.status == 0, "\(verified)")
            #expect(verified.output.contains("after changes by hand"), "\(verified.output)")
        }
        let exported = try Daemon.run(["export", "--datadir", data, folder.path + "/x.rlp"])
        #expect(exported.status == 0)
        #expect(exported.error.contains("changed by hand"), "\(exported.error)")

        let restored = try Daemon(["dev", "--port", "0", "--datadir", copies + "/first"])
        let again = try restored.connect().call("eth_getBlockByNumber", #"["latest", false]"#)
        #expect(again["hash"] == head["hash"])
        _ = try restored.connect().call("anvil_mine")
        #expect(restored.stop() == 0)
    }

    @Test func `without a folder for them there are no checkpoints over RPC`() throws {
        let daemon = try Daemon(["dev", "--port", "0"])
        let failure = #expect(throws: Connection.RPCFailure.self) {
            try daemon.connect().call("admin_checkpoint")
        }
        #expect(failure?.code == -32601)
        #expect(daemon.stop() == 0)
    }

    @Test func `the database is shown, compacted and copied while no daemon runs`() throws {
        let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
        _ = try daemon.connect().call("anvil_mine", #"["0x20"]"#)
        #expect(try Daemon.run(["db", "stats", "--datadir", data]).status == 75)
        #expect(daemon.stop() == 0)
        let stats = try Daemon.run(["db", "stats", "--datadir", data])
        #expect(stats.output.contains("head           32 0x"), "\(stats)")
        #expect(stats.output.contains("account_trie"))
        #expect(try Daemon.run(["db", "compact", "--datadir", data]).status == 0)
        let copy = folder.path + "/copy"
        let made = try Daemon.run(["db", "checkpoint", "--datadir", data, copy])
        #expect(made.status == 0 && made.output.contains("up to block 32"), "\(made)")
        #expect(try Daemon.run(["db", "checkpoint", "--datadir", data, copy]).status == 64)
        #expect(try Daemon.run(["verify", "--datadir", copy]).status == 0)
        #expect(try Daemon.run(["verify", "--datadir", folder.path + "/none"]).status == 66)
    }

    @Test func `damage is found`() throws {
        let daemon = try Daemon(["dev", "--port", "0", "--datadir", data])
        _ = try daemon.connect().call("anvil_mine", #"["0x20"]"#)
        #expect(daemon.stop() == 0)
        #expect(try Daemon.run(["db", "compact", "--datadir", data]).status == 0)
        let tables = try FileManager.default.contentsOfDirectory(atPath: data)
            .filter { $0.hasSuffix(".sst") }
        #expect(!tables.isEmpty)
        for table in tables {
            let url = URL(fileURLWithPath: data + "/" + table)
            var bytes = try Data(contentsOf: url)
            // A compaction that had nothing to write may have left a file of no bytes.
            guard !bytes.isEmpty else { continue }
            bytes[bytes.count / 3] ^= 0xff
            try bytes.write(to: url)
        }
        let result = try Daemon.run(["verify", "--datadir", data])
        #expect(result.status == 65, "\(result)")
    }
}
