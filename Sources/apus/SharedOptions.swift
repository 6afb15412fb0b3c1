import ArgumentParser
import Foundation

/// Flags that every way of running a node has.
struct SharedOptions: ParsableArguments {
    @OptionGroup var serving: ServingOptions

    @Option(
        name: [.customShort("p"), .long],
        help: "HTTP and WebSocket port; 0 picks a free one (default 8545).")
    var port: String?

    @Option(name: .long, help: "Address to listen on (default 127.0.0.1).")
    var host: String?

    @Option(
        name: [.long, .customLong("ipcpath")], help: "Path of a Unix socket to serve as well.")
    var ipc: String?

    @Option(
        name: .customLong("rest-port"),
        help: "Port of REST; 0 picks a free one (default 8080, with --port 0 a free one).")
    var restPort: String?

    @Option(
        name: .customLong("rest-host"), help: "Address of REST (default: the same as --host).")
    var restHost: String?

    @Flag(name: .customLong("no-rest"), help: "Serve no REST.")
    var noREST = false

    @Flag(
        name: .customLong("rpc-jwt"),
        help: "JSON-RPC over HTTP and WebSocket takes calls with a token alone.")
    var rpcJWT = false

    @Option(
        name: .customLong("http-api"),
        help: "Namespaces or methods served over HTTP, separated by commas, or 'all'.")
    var httpAPI: String?

    @Option(
        name: .customLong("ws-api"),
        help: "Those served over WebSocket (default: the same as over HTTP).")
    var webSocketAPI: String?

    @Option(
        name: .customLong("rpc-body-limit"),
        help: "Bytes of one request or message (default 33554432).")
    var bodyLimit: String?

    @Option(name: .customLong("rpc-batch-limit"), help: "Calls of one batch (default 1000).")
    var batchLimit: String?

    @Option(
        name: .customLong("rpc-response-limit"),
        help: "Bytes of the answer to a batch (default 25000000).")
    var responseLimit: String?

    @Option(name: .customLong("rpc-timeout"), help: "Seconds for one message (default 30).")
    var timeout: String?

    @Option(name: .customLong("rpc-gas-cap"), help: "Gas of one eth_call (default 50000000).")
    var gasCap: String?

    @Option(
        name: .customLong("rpc-log-range"),
        help: "Blocks that one search for logs may span (default 10000000).")
    var logRange: String?

    @Option(
        name: .customLong("rpc-max-connections"), help: "Open connections (default 4096).")
    var maxConnections: String?

    @Option(
        name: .customLong("rpc-threads"), help: "Threads for calls (default one per core).")
    var threads: String?

    @Option(name: .long, help: "Memory for the database's cache, in MiB (default 256).")
    var cache: String?

    @Option(
        name: .customLong("disk-reserve"),
        help: "MiB of the disk that must stay free, or nothing is written (default 64).")
    var diskReserve: String?

    @Option(
        name: .customLong("checkpoint-dir"),
        help: "Folder in which admin_checkpoint may make copies of the chain (default: none).")
    var checkpointDirectory: String?

    @Option(
        name: .long,
        help: "How many blocks of old state to keep: a number from 1, or 'all' (default all).")
    var history: String?

    @Option(
        name: .customLong("sync-mode"),
        help: "'block' syncs every block to disk, 'interval' syncs a few times a second.")
    var syncMode: String?

    @Option(
        name: [.customShort("b"), .customLong("block-time"), .customLong("blockTime")],
        help: "Seconds between blocks; fractions are fine.")
    var blockTime: String?

    @Option(
        name: [.customLong("gas-limit"), .customLong("block-gas-limit")],
        help: "Gas limit of blocks.")
    var gasLimit: String?

    @Option(name: .long, help: "Address that receives the priority fees.")
    var coinbase: String?

    @Option(
        name: .customLong("plugin-failure"),
        help: "'disable' a plugin that fails, or 'stop' the chain (default disable).")
    var pluginFailure: String?

    /// What was given, by the names of the settings.
    var flags: [String: String] { serving.flags.merging(ownFlags) { $1 } }

    private var ownFlags: [String: String] {
        [
            "port": port, "host": host, "rest-port": restPort, "rest-host": restHost,
            "rest": noREST ? "false" : nil, "rpc-jwt": rpcJWT ? "true" : nil, "ipc": ipc,
            "http-api": httpAPI, "ws-api": webSocketAPI, "rpc-body-limit": bodyLimit,
            "rpc-batch-limit": batchLimit, "rpc-response-limit": responseLimit,
            "rpc-timeout": timeout, "rpc-gas-cap": gasCap, "rpc-log-range": logRange,
            "rpc-max-connections": maxConnections, "rpc-threads": threads, "cache": cache,
            "disk-reserve": diskReserve,
            "checkpoint-dir": checkpointDirectory, "history": history, "sync-mode": syncMode,
            "block-time": blockTime, "gas-limit": gasLimit, "coinbase": coinbase,
            "plugin-failure": pluginFailure,
        ].compactMapValues { $0 }
    }
}

/// Writes a line to standard error.
func printError(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
}
