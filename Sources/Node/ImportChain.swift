import Chain
import ChainFiles
import Cryptography
import EthereumTypes
import Foundation
import Primitives

/// Imports files of blocks into the chain of a data folder: `apus import`.
///
/// Blocks that the chain has are passed over by their hash alone, so an import that was interrupted
/// is simply started again. While the writer executes some blocks, the senders of the next are
/// recovered beside it; two such batches are in memory at a time. The first block that is wrong ends
/// the import; what came before it stays.
///
/// - Parameters:
///   - files: read one after another.
///   - genesisFile: begins the chain in a new folder.
/// - Throws: `StartupError` that names the file, the block and the reason.
public func importChain(
    _ files: [String], genesisFile: String?, settings: NodeSettings
) async throws(StartupError) {
    let folder = try dataFolder(settings)
    let genesis = try genesisFile.map { (file) throws(StartupError) in try readGenesis(file) }
    guard genesis != nil || holdsChain(folder) else {
        throw StartupError(
            .configuration,
            "\(folder) holds no chain yet; begin one with --genesis FILE or 'apus init'")
    }
    // An import that a power failure cuts short is started again: no block of it was promised.
    let chain = try openBlockchain(
        at: folder, genesis: genesis, cacheBytes: settings.cacheBytes,
        options: ChainOptions(
            sync: settings.syncMode ?? .interval(milliseconds: 200), history: settings.history,
            seal: settings.seal),
        diskReserve: settings.diskReserve)
    var run = ImportRun(chain)
    var failure: StartupError?
    for file in files where failure == nil {
        do throws(StartupError) {
            try await run.importFile(file)
        } catch {
            failure = error
        }
    }
    do throws(ChainError) {
        try await chain.shutDown()
    } catch {
        throw StartupError(.io, "the import could not be brought to the disk: \(error)")
    }
    printLines([run.summary])
    if let failure { throw failure }
}

/// The data folder that a command works on.
func dataFolder(_ settings: NodeSettings) throws(StartupError) -> String {
    guard let folder = settings.dataDirectory else {
        throw StartupError(.usage, "a data folder is needed: give --datadir")
    }
    return folder
}

/// An import under way.
private struct ImportRun {
    /// Bytes of blocks whose senders are recovered together: a few full blocks, or hundreds of small
    /// ones.
    private static let batchBytes = 1 << 20
    /// Blocks of a batch at most.
    private static let batchCount = 512

    private let chain: Blockchain
    private let progress = ProgressReport()
    private var imported: UInt64 = 0
    private var known: UInt64 = 0
    private var transactions: UInt64 = 0
    private var gas: UInt64 = 0

    init(_ chain: Blockchain) {
        self.chain = chain
    }

    /// What was done, for a person.
    var summary: String {
        let head = chain.head
        return
            "imported \(imported) blocks (\(known) were known) with \(transactions) transactions "
            + "in \(ProgressReport.time(progress.seconds)): \(progress.rate(imported)) blocks/s, "
            + "\(progress.gasRate(gas)) Mgas/s; the head is block \(head.number), \(head.hash)"
    }

    mutating func importFile(_ path: String) async throws(StartupError) {
        let reader: BlockFileReader
        do throws(ChainFileError) {
            reader = try BlockFileReader(path: path)
        } catch {
            throw StartupError(error)
        }
        let config = chain.config
        do {
            try await withThrowingTaskGroup(of: RecoveredBatch.self) { group in
                let first = read(reader)
                group.addTask { await first.recovered(config) }
                while let batch = try await group.next() {
                    if batch.isMoreExpected {
                        let next = read(reader)
                        group.addTask { await next.recovered(config) }
                    }
                    for block in batch.blocks {
                        try await importBlock(block, path: path)
                        progress.show(fraction: reader.fraction) { progressLine(path) }
                    }
                    if let failure = batch.failure { throw failure }
                }
            }
        } catch let error as StartupError {
            throw error
        } catch {
            throw StartupError(.software, "\(path): \(error)")
        }
    }

    private func progressLine(_ path: String) -> String {
        "\(path): block \(chain.head.number), \(imported) imported, \(known) known, "
            + "\(progress.rate(imported)) blocks/s, \(progress.gasRate(gas)) Mgas/s"
    }

    /// The next blocks that the chain does not have.
    private mutating func read(_ reader: BlockFileReader) -> EncodedBatch {
        let view = chain.head.view
        var batch = EncodedBatch(path: reader.path)
        var bytes = 0
        do throws(ChainFileError) {
            while bytes < Self.batchBytes, batch.blocks.count < Self.batchCount {
                let offset = reader.offset
                guard let block = try reader.next() else { return batch }
                if Self.isKnown(block, in: view) {
                    known += 1
                    progress.show(fraction: reader.fraction) { progressLine(reader.path) }
                    continue
                }
                batch.blocks.append((offset, block))
                bytes += block.count
            }
            batch.isMoreExpected = true
        } catch {
            batch.failure = StartupError(error)
        }
        return batch
    }

    /// Whether the canonical chain has a block; one that is no block it has not.
    private static func isKnown(_ block: Bytes, in view: ChainView) -> Bool {
        var decoder = RLPDecoder(block)
        guard var fields = try? decoder.list(), let header = try? fields.rawItem() else {
            return false
        }
        let hash = keccak256(header)
        guard let number = try? view.number(of: hash) else { return false }
        return (try? view.canonicalHash(number)) == hash
    }

    private mutating func importBlock(
        _ block: RecoveredBlock, path: String
    ) async throws(StartupError) {
        let header = block.block.header
        do throws(ChainError) {
            try await chain.importBlock(block)
            imported += 1
            transactions += UInt64(block.senders.count)
            gas += header.gasUsed
        } catch {
            switch error {
            case .alreadyKnown: known += 1
            case .storage, .stateRead, .readOnly:
                throw StartupError(.io, "\(path): block \(header.number) was not kept: \(error)")
            case .unknownParent where header.number == 0 || header.number == 1:
                throw StartupError(
                    .data,
                    "\(path) is of another chain: its block \(header.number) is \(block.hash), but "
                        + "this chain begins with \(chain.genesisHash)")
            case .invalidBlock(.seal):
                throw StartupError(
                    .data,
                    "\(path): block \(header.number) (\(block.hash)) has not the proof of work that "
                        + "its difficulty asks for; --unsealed imports it all the same")
            default:
                throw StartupError(
                    .data, "\(path): block \(header.number) (\(block.hash)): \(error)")
            }
        }
    }
}

/// Blocks as they were cut out of a file.
private struct EncodedBatch: Sendable {
    let path: String
    var blocks: [(offset: UInt64, encoding: Bytes)] = []
    var isMoreExpected = false
    /// Why the file could not be read on.
    var failure: StartupError?

    /// Decodes the blocks and recovers the senders of their transactions.
    func recovered(_ config: ChainConfig) async -> RecoveredBatch {
        var result = RecoveredBatch(isMoreExpected: isMoreExpected, failure: failure)
        for (offset, encoding) in blocks {
            do {
                let block = try Block(encoded: encoding)
                result.blocks.append(try await RecoveredBlock.recovering(block, config: config))
            } catch {
                result.isMoreExpected = false
                result.failure = StartupError(
                    .data, "\(path): the block at byte \(offset) is invalid: \(error)")
                break
            }
        }
        return result
    }
}

/// Blocks that can be executed.
private struct RecoveredBatch: Sendable {
    var blocks: [RecoveredBlock] = []
    var isMoreExpected: Bool
    /// Why there are no more.
    var failure: StartupError?
}

extension StartupError {
    /// A file's failure with the status that fits.
    init(_ error: ChainFileError) {
        switch error {
        case .notFound: self.init(.noInput, error.description)
        case .inputOutput: self.init(.io, error.description)
        case .truncated, .corrupted, .notABlock, .blockTooLarge:
            self.init(.data, error.description)
        }
    }
}
