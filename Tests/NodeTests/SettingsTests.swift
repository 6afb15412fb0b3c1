import Chain
import Foundation
import Node
import Primitives
import Testing

/// Where settings come from, and what is refused.
@Suite struct SettingsTests {
    /// A settings file that is gone after the test.
    private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws
        -> Result
    {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("apus-settings-\(UUID().uuidString).toml")
        try text.write(to: url, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: url) }
        return try body(url.path)
    }

    @Test(
        arguments: [
            ([:], [:], UInt64(1)), ([:], ["APUS_PORT": "2"], 2),
            (["port": "3"], ["APUS_PORT": "2"], 3),
            (["port": "3"], [:], 3),
        ] as [([String: String], [String: String], UInt64)])
    func `flags win over the environment, which wins over the file`(
        flags: [String: String], environment: [String: String], expected: UInt64
    ) throws {
        try withFile("port = 1\n") { path in
            var settings = try Settings(flags: flags, environment: environment, file: path)
            #expect(try settings.integer("port", in: 0...65535) == expected)
        }
    }

    @Test(arguments: ["-1", "65536", "eight", "", "1.5", "0x10"])
    func `a number that does not fit is refused with its name`(text: String) throws {
        var settings = try Settings(flags: ["port": text], environment: [:], file: nil)
        let error = #expect(throws: StartupError.self) {
            try settings.integer("port", in: 0...65535)
        }
        #expect(error?.status == .configuration)
        #expect(error?.description.contains("--port") == true)
    }

    @Test func `an unknown key is refused, with what was meant`() throws {
        try withFile("block_time = 2\n") { path in
            var settings = try Settings(flags: [:], environment: [:], file: path)
            _ = settings.text("block-time")
            let error = #expect(throws: StartupError.self) { try settings.refuseUnknown() }
            #expect(error?.description.contains("did you mean 'block-time'") == true)
        }
    }

    @Test func `an unknown variable is refused`() throws {
        var settings = try Settings(flags: [:], environment: ["APUS_PROT": "1"], file: nil)
        _ = settings.text("port")
        #expect(throws: StartupError.self) { try settings.refuseUnknown() }
    }

    @Test func `a section that nobody owns is refused with its key`() throws {
        try withFile("[section]\nport = 1\n") { path in
            let settings = try Settings(flags: [:], environment: [:], file: path)
            let error = #expect(throws: StartupError.self) { try settings.refuseUnknown() }
            #expect(error?.description.contains("section.port") == true)
        }
    }

    @Test(arguments: [
        "port = ", "[section]\n[section.inner]\nport = 1\n", "port = [[1]]\n", "= 7", "\u{0}",
    ])
    func `a file that is not flat TOML is refused`(text: String) throws {
        try withFile(text) { path in
            let error = #expect(throws: StartupError.self) {
                try Settings(flags: [:], environment: [:], file: path)
            }
            #expect(error?.status == .configuration)
        }
    }

    @Test func `lists may be TOML arrays or texts with commas`() throws {
        try withFile("http-api = [\"eth\", \"net\"]\n") { path in
            var settings = try Settings(flags: [:], environment: [:], file: path)
            #expect(settings.list("http-api") == ["eth", "net"])
        }
        var settings = try Settings(flags: ["http-api": "eth, net,"], environment: [:], file: nil)
        #expect(settings.list("http-api") == ["eth", "net"])
    }

    @Test(arguments: [
        ["no-mining": "true", "block-time": "1"], ["mixed-mining": "true"],
        ["mnemonic": "test test test"], ["hardfork": "tomorrow"], ["block-time": "0"],
        ["block-time": "nan"], ["history": "some"], ["sync-mode": "never"], ["coinbase": "0x12"],
        ["balance": "-1"], ["log-level": "loud"], ["order": "random"],
        ["max-transactions": "0"], ["fund-accounts": "0x12"],
        ["fund-accounts": "0xd8da6bf26964af9d7eed9e03e53415d37aa96045:"],
        ["mnemonic": DevAccounts.defaultMnemonic, "mnemonic-random": "true"],
        ["gas-limit": "30000000", "disable-block-gas-limit": "true"],
    ])
    func `settings that make no sense are refused`(flags: [String: String]) throws {
        var settings = try Settings(flags: flags, environment: [:], file: nil)
        #expect(throws: StartupError.self) { try DevnetSettings(from: &settings) }
    }

    @Test(arguments: [
        ["sealer": "true", "engine": "true"], ["sealer": "true", "follow": "http://a"],
        ["engine": "true", "follow": "http://a"], ["period": "1"], ["empty-blocks": "false"],
        ["sealer-key": "k"], ["engine-port": "1"], ["engine-jwt-secret": "s"], ["sealers": "0x12"],
        ["follow": "127.0.0.1:8545"], ["engine": "true", "block-time": "1"],
        ["follow": "http://a", "block-time": "1"], ["follow": "http://a", "sealers": "0x12"],
        ["sealer": "true", "period": "1", "block-time": "1"], ["extra-data": "x"],
        ["sealer": "true", "extra-data": "more than thirty-two bytes of text"],
        ["sealer": "true", "empty-blocks": "sometimes"],
        ["engine": "true", "engine-port": "65536"], ["sealer": "true", "unsealed": "true"],
        // Faster than the clock of blocks, which counts seconds.
        ["sealer": "true", "period": "0.99"], ["block-time": "0.5"],
        ["sealer": "true", "empty-blocks": "false", "block-time": "0.1"],
    ])
    func `roles that make no sense are refused`(flags: [String: String]) throws {
        var settings = try Settings(
            flags: flags.merging(["datadir": "d"]) { $1 }, environment: [:], file: nil)
        #expect(throws: StartupError.self) { try NodeSettings(from: &settings) }
    }

    @Test func `roles have their defaults`() throws {
        func role(_ flags: [String: String]) throws -> NodeRole {
            var settings = try Settings(
                flags: flags.merging(["datadir": "d"]) { $1 }, environment: [:], file: nil)
            return try NodeSettings(from: &settings).role
        }
        guard case .sealer(let sealer) = try role(["sealer": "true"]),
            case .engine(let engine) = try role(["engine": "true", "extra-data": "0x0102"]),
            case .follower(let follower) = try role(["follow": "https://a:1"]),
            case .producer(let period) = try role(["block-time": "1.5"]),
            case .passive = try role([:])
        else {
            Issue.record("another role than the one that was asked for")
            return
        }
        #expect(sealer.period == .seconds(2))
        #expect(sealer.makesEmptyBlocks)
        #expect(sealer.keyFile == "d/sealer.key")
        #expect(engine.port == 8551)
        #expect(engine.host == "127.0.0.1")
        #expect(engine.secretFile == "d/jwt.hex")
        #expect(engine.extraData == [1, 2])
        #expect(follower.upstream == "https://a:1")
        #expect(follower.sealers.isEmpty)
        #expect(period == .milliseconds(1_500))
    }

    @Test func `blocks that come faster than their timestamps are refused with the reason`() throws
    {
        var settings = try Settings(
            flags: ["datadir": "d", "sealer": "true", "period": "0.5"], environment: [:], file: nil)
        let error = #expect(throws: StartupError.self) { try NodeSettings(from: &settings) }
        #expect(error?.status == .configuration)
        #expect(error?.description.contains("--period: 0.5 is too short") == true)
    }

    @Test func `work is asked for unless sealers vouch or the chain has none`() throws {
        func seal(_ flags: [String: String]) throws -> SealRule {
            var settings = try Settings(
                flags: flags.merging(["datadir": "d"]) { $1 }, environment: [:], file: nil)
            return try NodeSettings(from: &settings).seal
        }
        #expect(try seal([:]) == .proofOfWork)
        #expect(try seal(["follow": "http://a"]) == .proofOfWork)
        #expect(try seal(["follow": "http://a", "unsealed": "true"]) == .unchecked)
        let address = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045"
        #expect(try seal(["follow": "http://a", "sealers": address]) == .unchecked)

        var settings = try Settings(flags: [:], environment: [:], file: nil)
        #expect(try NodeSettings(forFolder: &settings).seal == .proofOfWorkIfAny)
        settings = try Settings(
            flags: [:], environment: ["APUS_UNSEALED": "true"], file: nil)
        #expect(try NodeSettings(forFolder: &settings).seal == .unchecked)
    }

    @Test(arguments: ["0.0.0.0", "::", "192.168.1.7", "devnet.example"])
    func `keys that everybody knows are not served beyond this machine`(host: String) throws {
        func devnet(_ flags: [String: String]) throws -> DevnetSettings {
            var settings = try Settings(
                flags: flags.merging(["host": host]) { $1 }, environment: [:], file: nil)
            return try DevnetSettings(from: &settings)
        }
        let error = #expect(throws: StartupError.self) { try devnet([:]) }
        #expect(error?.status == .configuration)
        #expect(error?.description.contains("--expose-dev-keys") == true)
        _ = try devnet(["expose-dev-keys": "true"])
        _ = try devnet(["mnemonic-random": "true"])
        _ = try devnet(["accounts": "0"])
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.53", "localhost", "::1"])
    func `this machine may use them`(host: String) throws {
        var settings = try Settings(flags: ["host": host], environment: [:], file: nil)
        _ = try DevnetSettings(from: &settings)
    }

    @Test func `flags of the pool, the blocks and the genesis reach the devnet`() throws {
        let rich = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045"
        let flags = [
            "order": "fifo", "max-transactions": "3", "allow-same-timestamp": "true",
            "deterministic": "true", "disable-pool-balance-checks": "true",
            "disable-block-gas-limit": "true", "disable-default-create2-deployer": "true",
            "fund-accounts": "\(rich):7,0x00000000000000000000000000000000000000aa",
            "balance": "5", "enable-tx-gas-limit": "true",
        ]
        var settings = try Settings(flags: flags, environment: [:], file: nil)
        let devnet = try DevnetSettings(from: &settings)
        #expect(devnet.order == .arrival)
        #expect(devnet.maxTransactionsPerBlock == 3)
        #expect(devnet.timestampRepetition == .allowed)
        #expect(devnet.blockTimestampInterval == 1)
        #expect(devnet.timestamp == 1_735_689_600)
        #expect(!devnet.checksBalance)
        #expect(devnet.node.gasLimit == UInt64(Int64.max))
        #expect(!devnet.hasCreate2Deployer)
        #expect(devnet.capsTransactionGas)
        let ether = UInt256(1_000_000_000_000_000_000)
        #expect(devnet.fundedAccounts[try #require(Address(hex: rich))] == UInt256(7) &* ether)
        #expect(devnet.fundedAccounts[Address(w0: 0, w1: 0, w2: 0xaa)] == UInt256(5) &* ether)
    }

    @Test func `a random mnemonic is another one each time`() throws {
        func mnemonic() throws -> String {
            var settings = try Settings(
                flags: ["mnemonic-random": "true"], environment: [:], file: nil)
            return try DevnetSettings(from: &settings).accounts.mnemonic
        }
        let first = try mnemonic()
        #expect(first.split(separator: " ").count == 12)
        #expect(try mnemonic() != first)
    }
}
