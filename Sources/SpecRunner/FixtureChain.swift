//  The chain that a blockchain test is imported into.

import Chain
import EthereumTypes
import Execution
import Foundation
import Primitives
import Storage
import Synchronization

/// Whether seals are checked.
enum SealCheck { case unchecked, proofOfWork }

/// Where the databases of the tests are made.
///
/// To make a database with all its column families takes RocksDB longer than most tests, so it is done
/// once and then copied.
public final class FixtureDatabases: Sendable {
    private let root: URL
    private let template: URL

    /// Makes a temporary directory, which is removed with the object.
    public init() throws {
        root = FileManager.default.temporaryDirectory
            .appending(path: "apus-blocktest-\(UUID().uuidString)", directoryHint: .isDirectory)
        template = root.appending(path: "template")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        _ = try Database(Self.options(path: template.path))
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    /// An empty database, and where it is.
    func make() throws -> (database: Database, path: String) {
        let path = root.appending(path: UUID().uuidString).path
        try FileManager.default.copyItem(atPath: template.path, toPath: path)
        return (try Database(Self.options(path: path)), path)
    }

    /// Removes a database that is no longer in use.
    func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    private static func options(path: String) -> DatabaseOptions {
        DatabaseOptions(
            path: path, cacheBytes: 8 << 20, writeBufferBytes: 8 << 20, maximumOpenFiles: 64)
    }
}

/// A chain that follows the heaviest branch of all blocks it has seen.
///
/// `Blockchain` extends its head and nothing else, so a block of another branch is reached by undoing
/// blocks to where the branches part, and importing from there; and if the branch is not heavier, the
/// same way back.
final class FixtureChain {
    /// A block that was found valid.
    private struct Link {
        let block: RecoveredBlock
        let totalDifficulty: UInt256
    }

    private let chain: Blockchain
    private let seal: SealCheck
    private var links: [Hash256: Link] = [:]

    init(in database: Database, genesis: Genesis, seal: SealCheck) throws {
        self.seal = seal
        // What a test wrote is of no use after a power failure.
        chain = try Blockchain.open(
            database: database, genesis: genesis,
            options: ChainOptions(sync: .interval(milliseconds: 60_000)))
        let head = chain.head
        let block = Block(header: head.header)
        links[head.hash] = Link(
            block: RecoveredBlock(block, senders: []), totalDifficulty: head.totalDifficulty)
    }

    var head: Head { chain.head }

    /// Imports a block onto whatever block is its parent. It becomes the head if it is after the merge
    /// or its branch is the heaviest.
    ///
    /// - Returns: the block's hash.
    func importBlock(_ encoding: Bytes) async throws(Refusal) -> Hash256 {
        let block: Block
        do throws(BlockDecodingError) {
            block = try Block(encoded: encoding)
        } catch {
            throw .undecodable("\(error)")
        }
        let hash = block.hash()
        if links[hash] != nil { return hash }
        guard links[block.header.parentHash] != nil else { throw .unknownParent }

        let before = head
        do throws(ChainError) {
            let recovered = try await RecoveredBlock.recovering(block, config: chain.config)
            try await move(to: block.header.parentHash)
            try await importSealed(recovered)
            links[hash] = Link(block: recovered, totalDifficulty: head.totalDifficulty)
            let isHead =
                block.header.isPostMerge || head.totalDifficulty > before.totalDifficulty
            if !isHead { try await move(to: before.hash) }
        } catch {
            try await restore(before)
            throw Refusal(error)
        }
        return hash
    }

    private func restore(_ head: Head) async throws(Refusal) {
        do throws(ChainError) {
            try await move(to: head.hash)
        } catch {
            throw .failed("\(error)")
        }
    }

    /// Makes a known block the head.
    private func move(to hash: Hash256) async throws(ChainError) {
        var ahead: [RecoveredBlock] = []
        var next = hash
        while let link = links[next], try !isInChain(link.block) {
            ahead.append(link.block)
            next = link.block.block.header.parentHash
        }
        guard let fork = links[next] else { throw .unknownParent(next) }
        if head.hash != next {
            try await chain.rollback(to: fork.block.block.header.number)
        }
        for block in ahead.reversed() { try await chain.importBlock(block) }
    }

    private func isInChain(_ block: RecoveredBlock) throws(ChainError) -> Bool {
        let number = block.block.header.number
        guard number <= head.number else { return false }
        return try head.view.canonicalHash(number) == block.hash
    }

    /// Imports a block and checks the seals, which come after the headers' other fields but before
    /// everything that execution finds.
    private func importSealed(_ recovered: RecoveredBlock) async throws(ChainError) {
        let block = recovered.block
        let isSealed =
            seal == .unchecked
            || ([block.header] + block.ommers).allSatisfy { SealCaches.isSealed($0) }
        do throws(ChainError) {
            try await chain.importBlock(recovered)
        } catch {
            let found: Set<ExceptionName> = [.stateRoot, .receiptsRoot, .gasUsed]
            if !isSealed, case .invalidBlock(let reason) = error,
                !found.isDisjoint(with: ExceptionName.kinds(of: reason))
            {
                throw .invalidBlock(.proofOfWork)
            }
            throw error
        }
        guard isSealed else { throw .invalidBlock(.proofOfWork) }
    }
}

extension Refusal {
    fileprivate init(_ error: ChainError) {
        switch error {
        case .invalidBlock(let reason): self = .block(reason)
        case .invalidSignature(let index):
            self = .block(.transaction(index: index, .invalidSignature))
        case .unknownParent: self = .unknownParent
        case .storage, .stateRead, .notChildOfHead, .alreadyKnown, .unknownBlock,
            .stateUnavailable, .tooManyLogs, .tooManyChanges, .genesisMismatch, .configConflict,
            .chainIdMismatch, .notInitialised, .readOnly, .participantFailed:
            self = .failed("\(error)")
        }
    }
}

/// The caches of the epochs that fixtures need: they take long to make.
private enum SealCaches {
    private static let caches = Mutex<[UInt64: Ethash]>([:])

    static func isSealed(_ header: Header) -> Bool {
        let epoch = header.number / Ethash.epochLength
        // Fixtures have short chains; a cache for whatever number a bad header claims is too costly.
        guard epoch < 4 else { return false }
        let ethash = caches.withLock { caches in
            let ethash = caches[epoch] ?? Ethash(epoch: epoch)
            caches[epoch] = ethash
            return ethash
        }
        return ethash.isSealed(header)
    }
}
