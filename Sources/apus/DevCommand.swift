import ArgumentParser
import Foundation
import Node

/// `apus dev`: a local chain with funded accounts and the cheats that tests need.
struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Run a local devnet with funded accounts.",
        discussion: """
            Blocks are made as soon as a transaction arrives. --block-time makes one every so many
            seconds instead, --mixed-mining does both, --no-mining waits for evm_mine.

            Without --datadir the chain lives in a temporary folder that is removed at exit.
            """)

    @OptionGroup(title: "Daemon") var shared: SharedOptions

    @Option(name: .long, help: "Folder that keeps the chain.")
    var datadir: String?

    @Option(
        name: .customLong("init"),
        help: "Genesis file in geth's format; the dev accounts are added.")
    var genesis: String?

    @Option(name: [.customShort("a"), .long], help: "Number of dev accounts (default 10).")
    var accounts: String?

    @Option(name: .long, help: "Ether of each dev account (default 10000).")
    var balance: String?

    @Option(name: [.customShort("m"), .long], help: "BIP-39 mnemonic of the dev accounts.")
    var mnemonic: String?

    @Option(
        name: .customLong("derivation-path"),
        help: "BIP-32 path of the dev accounts, up to the index (default m/44'/60'/0'/0/).")
    var derivationPath: String?

    @Option(
        name: [.customLong("chain-id"), .customLong("chain")], help: "Chain id (default 31337).")
    var chainId: String?

    @Option(name: .long, help: "The fork whose rules hold from genesis on (default osaka).")
    var hardfork: String?

    @Option(name: .long, help: "Timestamp of the genesis block, in seconds (default now).")
    var timestamp: String?

    @Option(
        name: [.customLong("base-fee"), .customLong("block-base-fee-per-gas")],
        help: "Base fee of the genesis block, in wei (default 1000000000).")
    var baseFee: String?

    @Flag(
        name: [.customLong("no-mining"), .customLong("no-mine")],
        help: "Make blocks only on request.")
    var noMining = false

    @Flag(
        name: .customLong("mixed-mining"),
        help: "With --block-time: also a block for each transaction.")
    var mixedMining = false

    @Flag(
        name: [.customLong("auto-impersonate"), .customLong("auto-unlock")],
        help: "Accept transactions from any address without a signature.")
    var autoImpersonate = false

    @Option(name: .customLong("config-out"), help: "Write accounts and keys as JSON to this file.")
    var configOut: String?

    @Flag(name: [.customShort("q"), .long], help: "No banner but the line 'Listening on …'.")
    var quiet = false

    func run() async throws {
        var flags = shared.flags
        let own: [String: String?] = [
            "datadir": datadir, "init": genesis, "accounts": accounts, "balance": balance,
            "mnemonic": mnemonic, "derivation-path": derivationPath, "chain-id": chainId,
            "hardfork": hardfork, "timestamp": timestamp, "base-fee": baseFee,
            "no-mining": noMining ? "true" : nil, "mixed-mining": mixedMining ? "true" : nil,
            "auto-impersonate": autoImpersonate ? "true" : nil, "config-out": configOut,
            "quiet": quiet ? "true" : nil,
        ]
        flags.merge(own.compactMapValues { $0 }) { $1 }
        await runToEnd {
            var settings = try Settings(
                flags: flags, environment: ProcessInfo.processInfo.environment,
                file: shared.config)
            try await runDevnet(DevnetSettings(from: &settings))
        }
    }
}
