import Chain
import Foundation
import Primitives
import Storage

/// Does the work of the chain in a data folder again and compares it with what is stored:
/// `apus verify`.
///
/// - Parameters:
///   - from: the first block; the genesis block where nil.
///   - to: the last block; the head where nil.
/// - Throws: `StartupError` with status 65 and the first difference.
public func verifyChain(
    from: BlockNumber?, to last: BlockNumber?, settings: NodeSettings
) async throws(StartupError) {
    let chain = try openExistingChain(settings)
    let view = chain.head.view
    let folder = chain.database.path
    // Beside the chain, where there is room; RocksDB leaves folders alone.
    let scratchPath = folder + "/verify.tmp"
    try? FileManager.default.removeItem(atPath: scratchPath)
    defer { try? FileManager.default.removeItem(atPath: scratchPath) }
    do {
        let genesis = try view.number(of: view.genesisHash) ?? 0
        let range = try blockRange(from ?? genesis, last ?? view.number, head: view.number)
        let scratch = try Database(
            DatabaseOptions(
                path: scratchPath, cacheBytes: settings.cacheBytes / 4,
                writeBufferBytes: max(8 << 20, settings.cacheBytes / 8), maximumOpenFiles: 128))
        let verification = try ChainVerification(of: view, blocks: range, scratch: scratch)
        let progress = ProgressReport()
        let result = try await verification.run { result, passed, total in
            progress.show(fraction: Double(passed) / Double(total)) {
                "verified \(result.blocks) blocks, \(result.executed) executed, "
                    + "\(progress.rate(passed)) blocks/s, \(progress.gasRate(result.gas)) Mgas/s"
            }
        }
        printLines(verificationLines(result, range, view))
    } catch let error as StartupError {
        throw error
    } catch let error as ChainError {
        throw verificationFailure(error, folder)
    } catch let error as StorageError {
        throw verificationFailure(.storage(error), folder)
    } catch {
        throw StartupError(.software, "\(error)")
    }
}

private func verificationLines(
    _ result: VerifiedChain, _ range: ClosedRange<BlockNumber>, _ view: ChainView
) -> [String] {
    var lines = [
        "blocks \(range.lowerBound) to \(range.upperBound): bytes, roots, senders and indexes are right",
        "\(result.executed) blocks executed again: receipts and state roots are right",
        "the latest state (\(result.state.accounts) accounts, \(result.state.slots) slots) and its "
            + "\(result.state.trieNodes) trie nodes agree",
    ]
    if range.lowerBound < view.oldestState {
        lines.append(
            "blocks up to \(view.oldestState) were not executed: the state before them is not "
                + "retained (--history)")
    }
    if result.overridden > 0 {
        lines.append(
            "\(result.overridden) blocks come after changes by hand, which were made again")
    }
    if result.headersByHand > 0 {
        lines.append("\(result.headersByHand) headers have a time, gas limit or fee set by hand")
    }
    return lines
}

private func verificationFailure(_ error: ChainError, _ folder: String) -> StartupError {
    switch error {
    case .storage(.lowDisk): StartupError(.io, "\(error)")
    case .storage(.diskFull(let facts)), .storage(.inputOutput(let facts)):
        StartupError(.io, "cannot verify \(folder): \(facts)")
    default:
        StartupError(
            .data, "the data in \(folder) is not right: \(error); restore it from a backup")
    }
}
