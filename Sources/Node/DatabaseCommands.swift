import Chain
import Foundation
import Primitives
import Storage

/// Prints what the database of a data folder holds: `apus db stats`.
public func showDatabase(settings: NodeSettings) throws(StartupError) {
    let chain = try openExistingChain(settings)
    let view = chain.head.view
    let database = chain.database
    var lines = [
        "chain id       \(chain.config.chainId)",
        "genesis        \(chain.genesisHash)",
        "head           \(view.number) \(view.hash)",
        "oldest state   \(view.oldestState)",
        "schema         \(Database.schemaVersion)",
        "",
        row("family", "entries", "bytes on disk"),
    ]
    for family in Family.allCases {
        lines.append(
            row(
                family.name,
                database.property("rocksdb.estimate-num-keys", of: family) ?? "",
                database.property("rocksdb.total-sst-files-size", of: family) ?? ""))
    }
    let statistics = database.statistics
    lines += [
        row("all", "", String(statistics.tableBytes)), "",
        "Entries are estimates. Of the bytes, about \(statistics.liveBytes) are live; "
            + "\(statistics.writeBufferBytes) more are in the log.",
    ]
    printLines(lines)
}

private func row(_ name: String, _ entries: String, _ bytes: String) -> String {
    func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
    return name.padding(toLength: 16, withPad: " ", startingAt: 0) + right(entries, 14)
        + right(bytes, 18)
}

/// Rewrites the tables of a data folder without what was overwritten or deleted: `apus db compact`.
public func compactDatabase(settings: NodeSettings) throws(StartupError) {
    let chain = try openExistingChain(settings)
    let database = chain.database
    let before = database.statistics.tableBytes
    for (index, family) in Family.allCases.enumerated() {
        printErrorLine("\(family.name) (\(index + 1) of \(Family.allCases.count))")
        database.compact(family)
    }
    printLines(["\(before) bytes before, \(database.statistics.tableBytes) now"])
}

/// Makes a copy of the chain in a data folder: `apus db checkpoint`.
///
/// - Parameter path: a folder that is not there yet.
public func checkpointDatabase(to path: String, settings: NodeSettings) throws(StartupError) {
    let chain = try openExistingChain(settings)
    guard !FileManager.default.fileExists(atPath: path) else {
        throw StartupError(.usage, "\(path) is there already")
    }
    do throws(StorageError) {
        try chain.database.checkpoint(to: path)
    } catch {
        throw StartupError(.io, "cannot make a checkpoint in \(path): \(error)")
    }
    let head = chain.head
    printLines(["\(path) holds the chain up to block \(head.number), \(head.hash)"])
}
