public import Chain
import ChainFiles
public import EthereumTypes
import Foundation
import Primitives

/// Writes blocks of the chain in a data folder into a file that `apus import` and `geth import` read:
/// `apus export`.
///
/// - Parameters:
///   - file: made new; gzip if its name ends in `.gz`.
///   - from: the first block; the genesis block where nil.
///   - to: the last block; the head where nil.
/// - Throws: `StartupError` if the chain or the file cannot be used; then there is no file.
public func exportChain(
    to file: String, from: BlockNumber?, to last: BlockNumber?, settings: NodeSettings
) throws(StartupError) {
    let chain = try openExistingChain(settings)
    let view = chain.head.view
    do {
        let genesis = try view.number(of: view.genesisHash) ?? 0
        let range = try blockRange(from ?? genesis, last ?? view.number, head: view.number)
        let writer = try BlockFileWriter(path: file)
        let progress = ProgressReport()
        var overridden: UInt64 = 0
        for number in range {
            guard let block = try view.block(number) else {
                throw StartupError(.data, "block \(number) is missing")
            }
            try writer.append(block.block.encoded())
            if try !view.overrides(before: number).isEmpty { overridden += 1 }
            let count = number - range.lowerBound + 1
            progress.show(fraction: Double(count) / Double(range.count)) {
                "\(file): block \(number), \(progress.rate(count)) blocks/s"
            }
        }
        try writer.finish()
        printLines([
            "exported \(range.count) blocks, \(range.lowerBound) to \(range.upperBound), to \(file)"
        ])
        if overridden > 0 {
            printErrorLine(
                "note: before \(overridden) of the blocks the state was changed by hand; a file of "
                    + "blocks does not hold that, so they import only where it is done again. A "
                    + "checkpoint is a whole copy: 'apus db checkpoint'")
        }
    } catch let error as StartupError {
        throw error
    } catch let error as ChainFileError {
        throw StartupError(error)
    } catch {
        throw StartupError(.data, "\(file): \(error)")
    }
}

/// Reads the last blocks of the chain in a data folder, oldest first.
///
/// - Throws: `StartupError` if the chain cannot be used; what the function throws.
public func readBlocks(
    last count: UInt64, settings: NodeSettings, _ body: (Block) throws -> Void
) throws {
    let view = try openExistingChain(settings).head.view
    let end = view.number + 1
    for number in (end - min(end, count))..<end {
        // What lies before the chain's own first block is not there.
        if let stored = try view.block(number) { try body(stored.block) }
    }
}

/// A range of blocks that a person asked for.
func blockRange(
    _ first: BlockNumber, _ last: BlockNumber, head: BlockNumber
) throws(StartupError) -> ClosedRange<BlockNumber> {
    guard first <= last else {
        throw StartupError(.usage, "--from \(first) is above --to \(last)")
    }
    guard last <= head else {
        throw StartupError(.usage, "there is no block \(max(first, last)), the head is \(head)")
    }
    return first...last
}

/// Opens the chain that a data folder must hold, without plugins.
public func openExistingChain(_ settings: NodeSettings) throws(StartupError) -> Blockchain {
    let folder = try dataFolder(settings)
    guard holdsChain(folder) else {
        throw StartupError(.noInput, "\(folder) holds no chain")
    }
    return try openBlockchain(
        at: folder, genesis: nil, cacheBytes: settings.cacheBytes, options: ChainOptions())
}
