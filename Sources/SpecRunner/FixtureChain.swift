//  The chain that a blockchain test is imported into.

import Chain
import EthereumTypes
import Foundation
import Primitives
import Storage
import Synchronization

/// The databases that tests run in.
///
/// To make a database with all its column families takes RocksDB longer than most tests take, so each
/// is emptied and used again, until what was removed from it slows it down.
public final class FixtureDatabases: Sendable {
    private struct Used {
        let database: Database
        var count: Int
    }

    private static let maximumUses = 50
    private let root: URL
    private let free = Mutex<[Used]>([])

    /// Makes a temporary directory, which is removed with the object.
    public init() throws {
        root = FileManager.default.temporaryDirectory
            .appending(path: "apus-blocktest-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    /// Lends an empty database.
    func withDatabase<Result>(_ body: (Database) async throws -> Result) async throws -> Result {
        let used =
            try free.withLock { $0.popLast() }
            ?? Used(
                database: Database(
                    DatabaseOptions(
                        path: root.appending(path: UUID().uuidString).path, cacheBytes: 8 << 20,
                        writeBufferBytes: 64 << 20, maximumOpenFiles: 64)),
                count: 0)
        let result = try await body(used.database)
        if used.count + 1 < Self.maximumUses {
            try used.database.removeAll()
            free.withLock { $0.append(Used(database: used.database, count: used.count + 1)) }
        } else {
            try FileManager.default.removeItem(atPath: used.database.path)
        }
        return result
    }
}

/// The node's chain as a blockchain test uses it: blocks come as bytes, and are refused as fixtures
/// say it.
struct FixtureChain {
    private let chain: Blockchain

    init(in database: Database, genesis: Genesis, seal: SealRule) throws {
        // What a test wrote is of no use after a power failure.
        chain = try Blockchain.open(
            database: database, genesis: genesis,
            options: ChainOptions(sync: .interval(milliseconds: 60_000), seal: seal))
    }

    var head: Head { chain.head }

    /// Imports a block onto whatever block is its parent.
    ///
    /// - Returns: the block's hash.
    func importBlock(_ encoding: Bytes) async throws(Refusal) -> Hash256 {
        let block: Block
        do throws(BlockDecodingError) {
            block = try Block(encoded: encoding)
        } catch {
            throw .undecodable("\(error)")
        }
        do throws(ChainError) {
            try await chain.importBlock(block)
        } catch .alreadyKnown(let hash) {
            return hash
        } catch {
            throw Refusal(error)
        }
        return block.hash()
    }
}

extension Refusal {
    /// Why the chain did not take a block.
    init(_ error: ChainError) {
        switch error {
        case .invalidBlock(let reason): self = .block(reason)
        case .invalidSignature(let index):
            self = .block(.transaction(index: index, .invalidSignature))
        case .unknownParent, .invalidAncestor: self = .unknownParent
        case .storage, .stateRead, .notChildOfHead, .alreadyKnown, .unknownBlock, .unknownHash,
            .notCanonical, .stateUnavailable, .proofUnavailable, .branchTooLong, .tooManyLogs,
            .logsTooLarge, .tooManyChanges, .genesisMismatch,
            .configConflict, .chainIdMismatch, .notInitialised, .readOnly, .participantFailed:
            self = .failed("\(error)")
        }
    }
}
