import Chain
import EthereumTypes
import Foundation
public import Primitives
public import Storage

/// What `apus init` tells.
public struct InitializationResult: Sendable {
    /// The hash of block zero.
    public let genesisHash: Hash256
    /// The chain's id.
    public let chainId: UInt64
    /// What the genesis file says and is left aside.
    public let notes: [String]
}

/// Makes a data folder from a genesis file; does nothing if the folder already has that genesis.
///
/// - Throws: `StartupError`: the file cannot be read or is no genesis, the folder is foreign, in
///   use, or holds another chain.
public func initializeDataDirectory(_ path: String, genesisFile: String) throws(StartupError)
    -> InitializationResult
{
    let genesis = try readGenesis(genesisFile)
    let blockchain = try openBlockchain(
        at: path, genesis: genesis, cacheBytes: 64 << 20, options: ChainOptions())
    defer { try? blockchain.database.sync() }
    return InitializationResult(
        genesisHash: blockchain.genesisHash, chainId: blockchain.config.chainId,
        notes: genesis.notes)
}

/// Reads a genesis file in geth's or Besu's format.
func readGenesis(_ path: String) throws(StartupError) -> Genesis {
    guard let data = FileManager.default.contents(atPath: path) else {
        throw StartupError(.noInput, "cannot read the genesis file \(path)")
    }
    do throws(GenesisError) {
        return try Genesis(json: Bytes(data))
    } catch {
        throw StartupError(.data, "\(path): \(error)")
    }
}

/// Opens the chain in a data folder.
///
/// - Parameters:
///   - genesis: made where the folder is new, compared where it is not; nil to take what is there.
///   - diskReserve: bytes of the disk that must stay free; nil for the default.
/// - Throws: `StartupError` with the status that fits.
func openBlockchain(
    at path: String, genesis: Genesis?, cacheBytes: Int, options: ChainOptions,
    diskReserve: UInt64? = nil, pluginFamilies: [PluginFamily] = []
) throws(StartupError) -> Blockchain {
    try checkRoom(at: path)
    do throws(ChainError) {
        let database: Database
        do throws(StorageError) {
            var options = databaseOptions(at: path, cacheBytes: cacheBytes)
            options.pluginFamilies = pluginFamilies
            if let diskReserve { options.reserveBytes = diskReserve }
            let progress = ProgressReport()
            database = try Database(options) { version, fraction in
                progress.show(fraction: fraction) {
                    "bringing \(path) to version \(version) of the layout"
                }
            }
        } catch {
            throw .storage(error)
        }
        return try Blockchain.open(database: database, genesis: genesis, options: options)
    } catch {
        throw startupError(error, path: path)
    }
}

/// Opening a chain writes lists of files, and as tables what only the logs hold: on a file system
/// without room for them RocksDB may end the process.
private func checkRoom(at path: String) throws(StartupError) {
    guard holdsChain(path), let free = freeBytes(onFileSystemOf: path) else { return }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let logged = names.filter { $0.hasSuffix(".log") }.map { name -> UInt64 in
        let facts = try? FileManager.default.attributesOfItem(atPath: path + "/" + name)
        return (facts?[.size] as? NSNumber)?.uint64Value ?? 0
    }
    let needed = logged.reduce(1 << 20, saturatingSum)
    guard free < needed else { return }
    throw StartupError(
        .io,
        "only \(free) bytes are left on the file system of \(path); to open the chain takes "
            + "\(needed): make room")
}

/// How the daemon opens its database: of sixteen parts of the cache two hold values of the state,
/// four nodes of the account trie, six blocks of RocksDB's files; a half (at least 8 MiB) is for what
/// is not in files yet. Two are for what came of the newest blocks (`ChainOptions.outcomeBytes`). The rest
/// is what the process needs besides, so that all of it stays below the size that was asked for.
///
/// Small write buffers, because each key is searched for in them: with 64 MiB a block of one transfer
/// costs up to twice as much when they are full as when they are empty.
///
/// What stays free of the disk is at least 64 MiB, and four times the write buffers: they become
/// tables in the background, and these are merged.
public func databaseOptions(at path: String, cacheBytes: Int) -> DatabaseOptions {
    let writeBufferBytes = max(8 << 20, cacheBytes / 32)
    var options = DatabaseOptions(
        path: path, cacheBytes: cacheBytes / 8 * 3, valueCacheBytes: cacheBytes / 8,
        keptTrieBytes: cacheBytes / 4, writeBufferBytes: writeBufferBytes)
    options.reserveBytes = UInt64(max(64 << 20, 4 * writeBufferBytes))
    return options
}

/// Whether a folder already holds a chain.
func holdsChain(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path + "/CURRENT")
}

private func startupError(_ error: ChainError, path: String) -> StartupError {
    switch error {
    case .storage(.locked):
        StartupError(.temporary, "the data folder \(path) is in use by another process")
    case .storage(.foreignDirectory):
        StartupError(
            .configuration,
            "\(path) holds files but no chain of Apus; give an empty or a new folder")
    case .storage(.newerSchema(let found, let supported)):
        StartupError(
            .configuration,
            "\(path) was written by a newer Apus (schema \(found), this one knows \(supported)); upgrade"
        )
    case .storage(.diskFull(let facts)), .storage(.inputOutput(let facts)):
        StartupError(.io, "cannot use \(path): \(facts)")
    case .storage(.lowDisk):
        StartupError(.io, "cannot use \(path): \(error)")
    case .storage(let error):
        StartupError(.data, "the data in \(path) is damaged: \(error); restore it from a backup")
    case .genesisMismatch(let stored, let given):
        StartupError(
            .configuration,
            "\(path) holds another chain: its genesis is \(stored), the one given is \(given)")
    case .chainIdMismatch(let stored, let given):
        StartupError(
            .configuration,
            "\(path) holds another chain: its id is \(stored), the one of the genesis is \(given)")
    case .configConflict(let conflict):
        StartupError(
            .configuration, "the genesis does not fit the chain in \(path): it \(conflict)")
    case .notInitialised:
        StartupError(
            .configuration,
            "\(path) holds no chain yet; make one with 'apus init --datadir \(path) GENESIS.json'")
    default:
        StartupError(.data, "cannot open the chain in \(path): \(error)")
    }
}
