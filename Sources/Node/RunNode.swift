import AsyncHTTPClient
import BlockProduction
import Chain
import Execution
import Foundation
import Gateway
import Logging
import PluginAPI
import Primitives
import RPC
import Storage
import Sync
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
    let sealerKey = try settings.sealerKey()
    let seals = SealStore(key: sealerKey)
    var options = ChainOptions(
        sync: settings.syncMode ?? .everyBlock, history: settings.history, seal: settings.seal)
    options.outcomeBytes = settings.cacheBytes / 8
    let plugins = try configurePlugins(settings, logger: logger)
    options.participants = [seals] + plugins.participants
    let blockchain = try openBlockchain(
        at: folder, genesis: nil, cacheBytes: settings.cacheBytes, options: options,
        diskReserve: settings.diskReserve, pluginFamilies: [SealStore.family] + plugins.families)
    let pool = try TransactionPool(
        store: blockchain.pool, head: PoolHead(blockchain.head, now: wallClock()),
        options: PoolOptions(policy: .network))
    try plugins.open(blockchain, pool: pool)
    var services = RPCServices(
        blockchain: blockchain, pool: pool, devnet: nil, keys: [],
        clientVersion: clientVersion, dataDirectory: folder, limits: settings.rpcLimits)
    services.checkpoints = settings.checkpointFolder.map { CheckpointFolder(path: $0) }
    services.seals = seals
    services.appearances = plugins.appearances
    services.nextBlock = NextBlock(
        gasLimit: settings.gasLimit, config: blockchain.config, now: wallClock)

    let node = NodeParts(
        settings: settings, blockchain: blockchain, pool: pool, plugins: plugins, logger: logger)
    switch settings.role {
    case .passive:
        try await node.serve(services) { await pool.follow(blockchain, now: wallClock) }
    case .producer(let period):
        let sealer = try node.sealer(.interval(period))
        services.nextBlock = NextBlock(attributes: sealer.attributes)
        try await node.serve(services) { await sealer.run() }
    case .sealer(let role):
        let sealer = try node.sealer(
            role.makesEmptyBlocks ? .interval(role.period) : .onDemand(minimum: role.period),
            extraData: role.extraData)
        services.nextBlock = NextBlock(attributes: sealer.attributes)
        if let sealerKey {
            logger.notice("sealing blocks", metadata: ["sealer": "\(sealerKey.address)"])
        }
        try await node.serve(services) {
            await withDiscardingTaskGroup { group in
                group.addTask { await seals.sealEarlierBlocks(of: blockchain, logger: logger) }
                await sealer.run()
                // The node does not wait for it: the next start goes on where it is.
                group.cancelAll()
            }
        }
    case .engine(let role):
        guard blockchain.config.terminalTotalDifficulty != nil else {
            throw StartupError(
                .configuration,
                "--engine needs a chain with proof of stake: its genesis has no "
                    + "terminalTotalDifficulty")
        }
        let key = try SecretFile.consensusKey(at: role.secretFile)
        services.engine = EngineOptions(gasLimit: settings.gasLimit, extraData: role.extraData)
        try await node.serve(services, engine: (role, key)) {
            await pool.follow(blockchain, now: wallClock)
        }
    case .follower(let role):
        let http = HTTPClient.forNodes()
        let client = RPCClient(url: role.upstream, http: http)
        let follower = Follower(
            client: client, chain: blockchain, seals: seals,
            sealers: Set(role.sealers), logger: logger)
        services.forward = { transaction throws(RPCError) in
            try await follower.forward(transaction)
        }
        services.progress = { follower.progress }
        do {
            try await node.serve(services) {
                try await withThrowingDiscardingTaskGroup { group in
                    group.addTask { await pool.follow(blockchain, now: wallClock) }
                    do throws(FollowError) {
                        try await follower.run()
                    } catch {
                        throw StartupError(.configuration, "the node \(client.origin) \(error)")
                    }
                    group.cancelAll()
                }
            }
        } catch {
            try? await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }
}

/// The parts of a node that every role has.
private struct NodeParts {
    let settings: NodeSettings
    let blockchain: Blockchain
    let pool: TransactionPool
    let plugins: PluginHost
    let logger: Logger

    func sealer(_ schedule: SealingSchedule, extraData: Bytes = []) throws -> Sealer {
        let parent = try blockchain.head.view.parentBlock()
        if blockchain.config.fork(after: parent, timestamp: wallClock()) < .paris {
            logger.warning(
                "the blocks claim a proof of work that nobody does: replicas need --sealers or --unsealed"
            )
        }
        return Sealer(
            chain: blockchain, pool: pool,
            options: SealerOptions(
                schedule: schedule, coinbase: settings.coinbase, gasLimit: settings.gasLimit,
                extraData: extraData),
            logger: logger, now: wallClock)
    }

    /// Serves until the process is told to stop.
    ///
    /// - Parameters:
    ///   - engine: the port of the Engine API and the secret that opens it.
    ///   - producer: gets blocks into the chain until its task is cancelled.
    func serve(
        _ services: RPCServices, engine: (role: EngineRole, key: TokenKey)? = nil,
        producer: @escaping @Sendable () async throws -> Void
    ) async throws {
        let rpc = Daemon.makeRPC(services, plugins: plugins, pool: pool, logger: logger)
        var daemon = Daemon(
            settings: settings, blockchain: blockchain, rpc: rpc, plugins: plugins, logger: logger)
        var announcement: [String] = []
        do {
            if let engine {
                let port = try await daemon.listen(forConsensusClient: engine.role, key: engine.key)
                announcement.append("Engine API on \(engine.role.host):\(port)")
            }
            let namespaces = ["eth", "net", "web3", "rpc", "apus"] + plugins.names
            var checks = ReadinessChecks(
                settings, folder: settings.dataDirectory ?? ".", period: settings.role.period)
            if let progress = services.progress {
                checks.blocksBehind = { () -> UInt64? in
                    guard let now = progress() else { return nil }
                    return now.highest > now.current ? now.highest - now.current : 0
                }
            }
            announcement += try await daemon.listen(
                defaultAccess: .namespaces(Set(namespaces)),
                rest: LocalBackend.Parts(
                    blockchain: blockchain, pool: pool, rpc: rpc, plugins: plugins,
                    isDevnet: false), checks: checks, keyFolder: nil)
            logger.notice(
                "serving",
                metadata: [
                    "chain.id": "\(blockchain.config.chainId)",
                    "block.number": "\(blockchain.head.number)",
                ])
        } catch {
            await daemon.shutDown()
            throw error
        }
        try await daemon.run(announcing: announcement, producer: producer)
    }
}
