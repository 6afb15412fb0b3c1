import BlockProduction
import Chain
import EthereumTypes
import Foundation
import Gateway
import Logging
import Primitives
import RPC
import TxPool

/// Runs `apus dev` until it is told to stop.
///
/// - Throws: `StartupError` if the devnet cannot start.
public func runDevnet(_ settings: DevnetSettings) async throws {
    let logger = Daemon.bootstrapLogging(settings.node)
    let temporary = try settings.node.dataDirectory == nil ? TemporaryDataDirectory() : nil
    defer { temporary?.remove() }
    guard let folder = settings.node.dataDirectory ?? temporary?.path else { return }

    let plugins = try configurePlugins(settings.node, logger: logger)
    var options = ChainOptions(
        sync: settings.node.syncMode ?? .interval(milliseconds: 200),
        history: settings.node.history)
    options.outcomeBytes = settings.node.cacheBytes / 8
    options.participants = plugins.participants
    let genesis = try devnetGenesis(settings, folder: folder)
    let blockchain = try openBlockchain(
        at: folder, genesis: genesis, cacheBytes: settings.node.cacheBytes, options: options,
        diskReserve: settings.node.diskReserve, pluginFamilies: plugins.families)
    let pool = try TransactionPool(
        store: blockchain.pool, head: PoolHead(blockchain.head, now: wallClock()),
        options: PoolOptions(
            policy: .devnet, order: settings.order, checksBalance: settings.checksBalance))
    try plugins.open(blockchain, pool: pool)
    let devnet = try Devnet(
        chain: blockchain, pool: pool,
        options: DevnetOptions(
            mode: settings.mining, coinbase: settings.node.coinbase,
            maxTransactionsPerBlock: settings.maxTransactionsPerBlock,
            timestampRepetition: settings.timestampRepetition,
            blockTimestampInterval: settings.blockTimestampInterval),
        logger: logger, now: wallClock)
    if settings.isAutoImpersonating { devnet.impersonatesEveryone = true }
    if let limit = settings.node.gasLimit { try devnet.setGasLimit(limit) }

    var services = RPCServices(
        blockchain: blockchain, pool: pool, devnet: devnet,
        keys: settings.accounts.accounts.map(\.key), clientVersion: clientVersion,
        dataDirectory: folder, limits: settings.node.rpcLimits)
    services.checkpoints = settings.node.checkpointFolder.map { CheckpointFolder(path: $0) }
    services.appearances = plugins.appearances
    let rpc = Daemon.makeRPC(services, plugins: plugins, pool: pool, logger: logger)
    var daemon = Daemon(
        settings: settings.node, blockchain: blockchain, rpc: rpc, plugins: plugins,
        logger: logger)
    var announcement: [String]
    do {
        announcement = try await daemon.listen(
            defaultAccess: RPCAccess.all,
            rest: LocalBackend.Parts(
                blockchain: blockchain, pool: pool, rpc: rpc, plugins: plugins, isDevnet: true),
            checks: ReadinessChecks(
                settings.node, folder: folder, period: settings.node.blockTime),
            keyFolder: folder)
    } catch {
        await daemon.shutDown()
        throw error
    }
    if settings.isQuiet { announcement = announcement.suffix(1) }

    let head = blockchain.head
    if let first = try head.view.header(0) {
        let banner = Banner(
            accounts: settings.accounts, balance: settings.balance,
            chainId: blockchain.config.chainId, genesis: first, isQuiet: settings.isQuiet)
        if let path = settings.configurationOutput {
            try writeSecret(banner.configuration(), to: path)
        }
        announcement = banner.lines() + announcement
    }
    if head.number > 0 {
        logger.notice(
            "the chain goes on where it stopped", metadata: ["block.number": "\(head.number)"])
    }
    try await daemon.run(announcing: announcement) { await devnet.run() }
}

/// The genesis with which a devnet's folder begins; nil where the folder has a chain already.
private func devnetGenesis(_ settings: DevnetSettings, folder: String) throws(StartupError)
    -> Genesis?
{
    var balances = settings.fundedAccounts
    for account in settings.accounts.accounts where balances[account.address] == nil {
        balances[account.address] = settings.balance
    }
    if let file = settings.genesisFile {
        var genesis = try readGenesis(file)
        for (address, balance) in balances where genesis.alloc[address] == nil {
            genesis.alloc[address] = GenesisAccount(balance: balance)
        }
        return genesis
    }
    if holdsChain(folder) { return nil }
    var config = ChainConfig.single(settings.hardfork, chainId: settings.chainId)
    // Tools give a transaction the gas of a whole block, as they may on every other devnet.
    if !settings.capsTransactionGas { config.transactionGasCap = .max }
    var genesis = Genesis.devnet(
        config: config,
        timestamp: settings.timestamp ?? wallClock(), balances: balances,
        baseFee: settings.baseFee, gasLimit: settings.node.gasLimit ?? 30_000_000)
    if !settings.hasCreate2Deployer,
        let deployer = Address(hex: PredeployedContract.deterministicDeployer.address)
    {
        genesis.alloc[deployer] = nil
    }
    return genesis
}

/// What `web3_clientVersion` answers.
let clientVersion = "apus/v\(apusVersion)/linux-x86_64/swift6.3"

/// Seconds since 1970.
@Sendable func wallClock() -> Timestamp {
    Timestamp(max(0, Date.now.timeIntervalSince1970))
}

/// The same with its fractions.
@Sendable func wallClockSeconds() -> Double { Date.now.timeIntervalSince1970 }

/// Writes lines to standard output at once: programs wait for them.
func printLines(_ lines: [String]) {
    FileHandle.standardOutput.write(Data((lines.joined(separator: "\n") + "\n").utf8))
}

/// Writes a file that only its owner can read.
private func writeSecret(_ bytes: Bytes, to path: String) throws(StartupError) {
    let isWritten = FileManager.default.createFile(
        atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
    guard isWritten else { throw StartupError(.io, "cannot write \(path)") }
}
