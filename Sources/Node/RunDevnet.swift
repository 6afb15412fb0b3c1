import BlockProduction
import Chain
import EthereumTypes
import Foundation
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

    let options = ChainOptions(
        sync: settings.node.syncMode ?? .interval(milliseconds: 200),
        history: settings.node.history)
    let genesis = try devnetGenesis(settings, folder: folder)
    let blockchain = try openBlockchain(
        at: folder, genesis: genesis, cacheBytes: settings.node.cacheBytes, options: options)
    let pool = try TransactionPool(
        store: blockchain.pool, head: PoolHead(blockchain.head, now: wallClock()),
        options: PoolOptions(policy: .devnet))
    let devnet = try Devnet(
        chain: blockchain, pool: pool,
        options: DevnetOptions(mode: settings.mining, coinbase: settings.node.coinbase),
        logger: logger, now: wallClock)
    if settings.isAutoImpersonating { devnet.impersonatesEveryone = true }
    if let limit = settings.node.gasLimit { try devnet.setGasLimit(limit) }

    let rpc = RPCNode(
        services: RPCServices(
            blockchain: blockchain, pool: pool, devnet: devnet,
            keys: settings.accounts.accounts.map(\.key), clientVersion: clientVersion),
        logger: logger)
    let daemon = Daemon(settings: settings.node, blockchain: blockchain, rpc: rpc, logger: logger)
    let port: Int
    do {
        port = try await daemon.listen(defaultAccess: RPCAccess.all)
    } catch {
        await daemon.shutDown()
        throw error
    }

    let head = blockchain.head
    var announcement = ["Listening on \(settings.node.host):\(port)"]
    if let first = try head.view.header(0) {
        let banner = Banner(
            accounts: settings.accounts, balance: settings.balance,
            chainId: blockchain.config.chainId, genesis: first, isQuiet: settings.isQuiet)
        if let path = settings.configurationOutput {
            try writeSecret(banner.configuration(), to: path)
        }
        announcement = banner.lines() + announcement
    }
    if settings.exposesKnownKeys {
        logger.warning(
            "the keys of the default mnemonic are public and this devnet listens beyond loopback",
            metadata: ["host": "\(settings.node.host)"])
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
    if let file = settings.genesisFile {
        var genesis = try readGenesis(file)
        for account in settings.accounts.accounts where genesis.alloc[account.address] == nil {
            genesis.alloc[account.address] = GenesisAccount(
                balance: settings.balance, nonce: 0, code: [], storage: [:])
        }
        return genesis
    }
    if holdsChain(folder) { return nil }
    return .devnet(
        config: .single(settings.hardfork, chainId: settings.chainId),
        timestamp: settings.timestamp ?? wallClock(),
        accounts: settings.accounts.accounts.map(\.address), balance: settings.balance,
        baseFee: settings.baseFee, gasLimit: settings.node.gasLimit ?? 30_000_000)
}

/// What `web3_clientVersion` answers.
let clientVersion = "apus/v\(apusVersion)/linux-x86_64/swift6.3"

/// Seconds since 1970.
@Sendable func wallClock() -> Timestamp {
    Timestamp(max(0, Date.now.timeIntervalSince1970))
}

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
