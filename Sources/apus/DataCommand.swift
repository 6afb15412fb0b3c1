//  The chain's tables in files, for programs that read no database.

import Analytics
import ArgumentParser
import Foundation
import Node
import PluginAPI

/// `apus data`.
struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Export the chain's tables for analysis.",
        subcommands: [DataExportCommand.self])
}

/// `apus data export`.
struct DataExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Export tables of a range of blocks as Parquet, CSV or NDJSON.",
        discussion: """
            Tables: blocks, transactions, receipts, logs, token_transfers, contracts, traces, with the
            columns of ethereum-etl or, where it has none, cryo. A file is listed with its SHA-256 in
            manifest.json when it is complete; the same command goes on where an export ended, and
            adds the blocks that have come since. Contracts and traces execute the blocks again.

              apus data export --datadir chain tables
              apus data export --datadir chain --tables logs,traces --format csv --from 100 tables
            """)

    @OptionGroup var store: StoreOptions

    @Option(help: "Which tables, separated by commas (default: all).")
    var tables: String?

    @Option(help: "parquet (default), csv or ndjson.")
    var format: String?

    @Option(help: "The first block (default: the genesis block).")
    var from: UInt64 = 0

    @Option(help: "The last block (default: the head).")
    var to: UInt64?

    @Option(help: "Blocks of a file (default 10000).")
    var blocksPerFile: UInt64 = 10_000

    @Argument(help: "The folder to make or to go on with.", completion: .directory)
    var folder: String

    func validate() throws {
        _ = try request()
    }

    func run() async throws {
        await runToEnd {
            let request = try request()
            let chain = try openExistingChain(store.settings())
            let progress = ProgressReport()
            let summary: ExportFolder.Summary
            do {
                summary = try ExportFolder(folder).write(
                    request, of: chain.head.view,
                    progress: { table, block, fraction in
                        progress.show(fraction: fraction) { "\(table): block \(block)" }
                    })
            } catch let error as ExportError {
                throw StartupError(.usage, error.description)
            } catch {
                throw StartupError(.data, "\(folder): \(error)")
            }
            print(
                "\(folder): blocks \(summary.blocks.lowerBound) to \(summary.blocks.upperBound), "
                    + "\(summary.made) files made with \(summary.rows) rows, "
                    + "\(summary.kept) were there")
        }
    }

    private func request() throws -> ExportFolder.Request {
        var request = ExportFolder.Request()
        request.first = from
        request.last = to
        guard blocksPerFile > 0 else { throw ValidationError("--blocks-per-file must be above 0") }
        request.blocksPerFile = blocksPerFile
        if let format { request.format = try parse(format) }
        if let tables {
            request.tables = try tables.split(separator: ",").map { try parse(String($0)) }
        }
        return request
    }

    private func parse<Value: RESTValue>(_ text: String) throws -> Value {
        do throws(RESTValueError) {
            return try Value.parse(text)
        } catch {
            throw ValidationError("'\(text)' \(error.reason)")
        }
    }
}
