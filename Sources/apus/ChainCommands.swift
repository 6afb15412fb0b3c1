//  Chains in files, and the database on disk: what is done while no daemon runs on the folder.

import ArgumentParser
import Foundation
import Node

/// `apus import`.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import blocks from files, as 'geth import' does.",
        discussion: """
            A file holds the RLP of blocks one after another, plain or gzip. Every block is validated \
            and executed. Blocks that the chain has are passed over: an import that was interrupted is \
            started again by the same command. The first invalid block ends the import with its \
            reason and status 65; what came before it is kept. Blocks before the merge must prove \
            their work, unless the first of the chain has no seal at all.

              apus init --datadir chain genesis.json && apus import --datadir chain chain.rlp
              apus import --datadir chain --genesis genesis.json part1.rlp.gz part2.rlp.gz
            """)

    @OptionGroup var store: StoreOptions

    @Option(help: "Genesis file in geth's format; begins the chain in a new folder.")
    var genesis: String?

    @Flag(help: "Look at no block's proof of work.")
    var unsealed = false

    @Option(
        name: .customLong("sync-mode"),
        help: "'interval' (default) or 'block': whether each block is synced to disk.")
    var syncMode: String?

    @Option(help: "How many blocks of old state to keep: a number from 1, or 'all' (default all).")
    var history: String?

    @Argument(help: "Files of blocks, read in this order.", completion: .file())
    var files: [String]

    func run() async throws {
        await runToEnd {
            let settings = try store.settings([
                "sync-mode": syncMode, "history": history, "unsealed": unsealed ? "true" : nil,
            ])
            try await importChain(files, genesisFile: genesis, settings: settings)
        }
    }
}

/// `apus export`.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Export blocks to a file that 'apus import' and 'geth import' read.",
        discussion: """
            The file is compressed with gzip if its name ends in .gz. It appears under its name only \
            when it is complete.
            """)

    @OptionGroup var store: StoreOptions

    @Option(help: "The first block (default: the genesis block).")
    var from: UInt64?

    @Option(help: "The last block (default: the head).")
    var to: UInt64?

    @Argument(help: "The file to make.", completion: .file())
    var file: String

    func run() async throws {
        await runToEnd {
            try exportChain(to: file, from: from, to: to, settings: store.settings())
        }
    }
}

/// `apus verify`.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Do the work of the whole chain again and compare it with what is stored.",
        discussion: """
            Executes the blocks again and recomputes hashes, roots, receipts, senders, indexes, \
            histories and tries. Status 0: all is as it must be; 65: the first difference is printed. \
            Nothing in the chain is changed; a folder verify.tmp is used meanwhile.
            """)

    @OptionGroup var store: StoreOptions

    @Option(help: "The first block (default: the genesis block).")
    var from: UInt64?

    @Option(help: "The last block (default: the head).")
    var to: UInt64?

    func run() async throws {
        await runToEnd {
            try await verifyChain(from: from, to: to, settings: store.settings())
        }
    }
}

/// `apus db`.
struct DatabaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "db",
        abstract: "Look at the database of a data folder, compact it, or copy it.",
        subcommands: [
            DatabaseStatsCommand.self, DatabaseCompactCommand.self, DatabaseCheckpointCommand.self,
        ])
}

/// `apus db stats`.
struct DatabaseStatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Print what the database holds.")

    @OptionGroup var store: StoreOptions

    func run() async throws {
        await runToEnd { try showDatabase(settings: store.settings()) }
    }
}

/// `apus db compact`.
struct DatabaseCompactCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Free the room of what was overwritten or deleted.")

    @OptionGroup var store: StoreOptions

    func run() async throws {
        await runToEnd { try compactDatabase(settings: store.settings()) }
    }
}

/// `apus db checkpoint`.
struct DatabaseCheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Copy the database into a new folder.",
        discussion: """
            On one file system the tables are linked, not copied. While a daemon runs on the folder, \
            call admin_checkpoint instead.
            """)

    @OptionGroup var store: StoreOptions

    @Argument(help: "The folder to make.", completion: .directory)
    var path: String

    func run() async throws {
        await runToEnd { try checkpointDatabase(to: path, settings: store.settings()) }
    }
}

/// Which data folder, and how much memory for it.
struct StoreOptions: ParsableArguments {
    @Option(help: "Folder that keeps the chain.")
    var datadir: String?

    @Option(help: "Memory for the database's cache, in MiB (default 256).")
    var cache: String?

    func settings(_ own: [String: String?] = [:]) throws -> NodeSettings {
        let flags = own.merging(["datadir": datadir, "cache": cache]) { $1 }
        var settings = try Settings(
            flags: flags.compactMapValues { $0 }, environment: ProcessInfo.processInfo.environment,
            file: nil)
        return try NodeSettings(forFolder: &settings)
    }
}
