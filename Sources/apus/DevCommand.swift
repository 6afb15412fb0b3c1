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

            The flags have anvil's names where anvil has them.
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

    @Flag(
        name: .customLong("mnemonic-random"),
        help: "Make a new mnemonic of twelve words; the banner shows it.")
    var mnemonicRandom = false

    @Option(
        name: .customLong("fund-accounts"), parsing: .upToNextOption,
        help: "More funded addresses: ADDRESS or ADDRESS:ETHER, several.")
    var fundAccounts: [String] = []

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

    @Option(
        name: .long,
        help: "Which transaction comes first in a block: 'fees' or 'fifo' (default fees).")
    var order: String?

    @Option(
        name: .customLong("max-transactions"),
        help: "Transactions a block at most (default: as many as its gas allows).")
    var maxTransactions: String?

    @Flag(
        name: .customLong("allow-same-timestamp"),
        help: "Let blocks have the timestamp of their parent.")
    var allowSameTimestamp = false

    @Flag(
        help: """
            Take no time from the clock: a fixed genesis timestamp, and one second from block to \
            block, so that the same transactions give the same chain on every machine.
            """)
    var deterministic = false

    @Flag(
        name: .customLong("disable-pool-balance-checks"),
        help: "Take transactions whose sender cannot pay for them yet.")
    var disablePoolBalanceChecks = false

    @Flag(
        name: [.customLong("disable-block-gas-limit"), .customLong("disable-gas-limit")],
        help: "Give blocks the largest gas limit that a header can have.")
    var disableBlockGasLimit = false

    @Flag(
        name: .customLong("enable-tx-gas-limit"),
        help: "Keep the cap of 16777216 gas on one transaction, from Osaka on (EIP-7825).")
    var enableTxGasLimit = false

    @Flag(
        name: [.customLong("disable-default-create2-deployer"), .customLong("no-create2")],
        help: "Leave the CREATE2 deployer out of the genesis.")
    var disableDefaultCreate2Deployer = false

    @Flag(
        name: .customLong("expose-dev-keys"),
        help: "Listen beyond this machine although everybody knows the accounts' keys.")
    var exposeDevKeys = false

    @Flag(
        name: [.customLong("steps-tracing"), .customLong("tracing")],
        help: "Changes nothing: transactions can always be traced. For tools that pass it.")
    var stepsTracing = false

    @Flag(
        name: [.customLong("auto-impersonate"), .customLong("auto-unlock")],
        help: "Accept transactions from any address without a signature.")
    var autoImpersonate = false

    @Option(name: .customLong("config-out"), help: "Write accounts and keys as JSON to this file.")
    var configOut: String?

    @Flag(
        name: [.customShort("q"), .long, .customLong("silent")],
        help: "No banner but the line 'Listening on …'.")
    var quiet = false

    func run() async throws {
        var flags = shared.flags
        let own: [String: String?] = [
            "datadir": datadir, "init": genesis, "accounts": accounts, "balance": balance,
            "mnemonic": mnemonic, "derivation-path": derivationPath, "chain-id": chainId,
            "hardfork": hardfork, "timestamp": timestamp, "base-fee": baseFee,
            "no-mining": noMining ? "true" : nil, "mixed-mining": mixedMining ? "true" : nil,
            "auto-impersonate": autoImpersonate ? "true" : nil, "config-out": configOut,
            "quiet": quiet ? "true" : nil, "mnemonic-random": mnemonicRandom ? "true" : nil,
            "fund-accounts": fundAccounts.isEmpty ? nil : fundAccounts.joined(separator: ","),
            "order": order, "max-transactions": maxTransactions,
            "allow-same-timestamp": allowSameTimestamp ? "true" : nil,
            "deterministic": deterministic ? "true" : nil,
            "disable-pool-balance-checks": disablePoolBalanceChecks ? "true" : nil,
            "disable-block-gas-limit": disableBlockGasLimit ? "true" : nil,
            "enable-tx-gas-limit": enableTxGasLimit ? "true" : nil,
            "disable-default-create2-deployer": disableDefaultCreate2Deployer ? "true" : nil,
            "expose-dev-keys": exposeDevKeys ? "true" : nil,
        ]
        flags.merge(own.compactMapValues { $0 }) { $1 }
        await runToEnd {
            var settings = try Settings(
                flags: flags, environment: ProcessInfo.processInfo.environment,
                file: shared.serving.config)
            try await runDevnet(DevnetSettings(from: &settings, plugins: plugins))
        }
    }
}
