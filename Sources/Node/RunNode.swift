import BlockProduction
import Chain
import Foundation
import Logging
import RPC
import TxPool

/// Runs `apus node` until it is told to stop.
///
/// - Throws: `StartupError` if the node cannot start.
public func runNode(_ settings: NodeSettings) async throws {
    let logger = Daemon.bootstrapLogging(settings)
    guard let folder = settings.dataDirectory else {
        throw StartupError(.usage, "apus node needs a data folder")
    }
    guard holdsChain(folder) else {
        throw StartupError(
            .configuration,
            "\(folder) holds no chain yet; make one with 'apus init --datadir \(folder) GENESIS.json'"
        )
    }
    let plugins = try configurePlugins(settings, logger: logger)
    var options = ChainOptions(
        sync: settings.syncMode ?? .everyBlock, history: settings.history)
    options.participants = plugins.participants
    let blockchain = try openBlockchain(
        at: folder, genesis: nil, cacheBytes: settings.cacheBytes, options: options,
        pluginFamilies: plugins.families)
    try plugins.open(blockchain)
    let pool = try TransactionPool(
        store: blockchain.pool, head: PoolHead(blockchain.head, now: wallClock()),
        options: PoolOptions(policy: .network))
    var services = RPCServices(
        blockchain: blockchain, pool: pool, devnet: nil, keys: [],
        clientVersion: clientVersion)
    services.checkpoints = settings.checkpointFolder.map { CheckpointFolder(path: $0) }
    let rpc = RPCNode(services: services, plugins: plugins.methods, logger: logger)
    let daemon = Daemon(
        settings: settings, blockchain: blockchain, rpc: rpc, plugins: plugins, logger: logger)
    let port: Int
    do {
        let namespaces = ["eth", "net", "web3", "rpc", "apus"] + plugins.names
        port = try await daemon.listen(defaultAccess: .namespaces(Set(namespaces)))
    } catch {
        await daemon.shutDown()
        throw error
    }
    let announcement = ["Listening on \(settings.host):\(port)"]
    logger.notice(
        "serving",
        metadata: [
            "chain.id": "\(blockchain.config.chainId)",
            "block.number": "\(blockchain.head.number)",
            "port": "\(port)",
        ])
    if let period = settings.blockTime {
        let sealer = Sealer(
            chain: blockchain, pool: pool,
            options: SealerOptions(
                schedule: .interval(period), coinbase: settings.coinbase,
                gasLimit: settings.gasLimit),
            logger: logger, now: wallClock)
        try await daemon.run(announcing: announcement) { await sealer.run() }
    } else {
        try await daemon.run(announcing: announcement) {
            await pool.follow(blockchain, now: wallClock)
        }
    }
}
