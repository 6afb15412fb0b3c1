public import Chain
import Cryptography
public import Logging
public import PluginAPI
public import Primitives
public import RPC

/// What every way of running the daemon can be told, with its defaults.
public struct NodeSettings: Sendable {
    /// The folder that keeps the chain; nil for a devnet that keeps nothing.
    public var dataDirectory: String?
    /// TCP port of HTTP and WebSocket; 0 picks a free one.
    public var port: Int
    /// The address to listen on.
    public var host: String
    /// Path of the Unix socket, if one is wanted.
    public var ipcPath: String?
    /// Namespaces, and single methods, on HTTP; nil for the mode's default.
    public var httpNamespaces: [String]?
    /// Those on WebSocket; nil for the same as on HTTP.
    public var webSocketNamespaces: [String]?
    /// With what the port speaks TLS; nil: it does not.
    public var certificate: TLSCertificate?
    /// Limits of the JSON-RPC server.
    public var rpcLimits: RPCLimits
    /// REST and tokens.
    public var rest: RESTSettings
    /// Web origins that may call; `*` for any.
    public var allowedOrigins: [String]
    /// Host names, besides localhost and the bound address, that requests may name.
    public var allowedHosts: [String]
    /// Bytes of the disk that must stay free; nil for the default.
    public var diskReserve: UInt64?
    /// Bytes of the database's cache.
    public var cacheBytes: Int
    /// The folder in which `admin_checkpoint` may make copies of the chain; nil for none.
    public var checkpointFolder: String?
    /// How much old state is kept.
    public var history: HistoryRetention
    /// When commits reach the disk; nil for the mode's default.
    public var syncMode: SyncMode?
    /// Time between blocks; nil where no clock makes them.
    public var blockTime: Duration?
    /// Gas limit of the blocks that this node makes; nil keeps the parent's.
    public var gasLimit: Gas?
    /// The address that receives priority fees.
    public var coinbase: Address
    /// How log lines look.
    public var logFormat: LogFormat
    /// The lowest level that is logged.
    public var logLevel: Logger.Level
    /// The plugins that are compiled in, each with its section of the settings.
    public var plugins: [(type: any NodePlugin.Type, section: [String: String])]
    /// What happens if a plugin fails.
    public var pluginFailure: PluginFailurePolicy

    /// What blocks from elsewhere must prove.
    public var seal = SealRule.proofOfWork
    /// Who makes the blocks of `apus node`.
    public var role = NodeRole.passive

    /// Reads every setting of `apus node`.
    ///
    /// - Parameter plugins: those that are compiled in.
    /// - Throws: `StartupError` for the first value that does not parse, or an unknown key.
    public init(
        from settings: inout Settings, plugins: [any NodePlugin.Type] = []
    ) throws(StartupError) {
        try self.init(sharedFrom: &settings, plugins: plugins, rest: .node)
        role = try NodeRole(
            from: &settings, blockTime: blockTime, dataDirectory: dataDirectory ?? ".")
        if case .follower(let role) = role { seal = role.seal }
        try settings.refuseUnknown()
        guard dataDirectory != nil else {
            throw StartupError(
                .usage, "apus node needs a data folder: give --datadir, made by 'apus init'")
        }
    }

    /// Reads the settings of a command that works on a data folder and ends. What only daemons have
    /// may be set in the environment all the same.
    ///
    /// - Throws: `StartupError` for the first value that does not parse.
    public init(forFolder settings: inout Settings) throws(StartupError) {
        try self.init(sharedFrom: &settings, plugins: [], rest: .node)
        seal = try settings.flag("unsealed") ? .unchecked : .proofOfWorkIfAny
    }

    /// The key of a node that seals its blocks.
    func sealerKey() throws(StartupError) -> PrivateKey? {
        guard case .sealer(let role) = role else { return nil }
        return try SecretFile.sealerKey(at: role.keyFile)
    }

    /// A time between blocks.
    static func seconds(_ text: String) -> Duration? {
        guard let seconds = Double(text), seconds.isFinite, seconds > 0, seconds <= 86_400 else {
            return nil
        }
        return .seconds(seconds)
    }

    init(
        sharedFrom settings: inout Settings, plugins: [any NodePlugin.Type],
        rest defaults: RESTSettings.Defaults
    ) throws(StartupError) {
        self.plugins = plugins.map { ($0, settings.section($0.manifest.name)) }
        pluginFailure =
            try settings.value("plugin-failure", expecting: "'disable' or 'stop'") {
                PluginFailurePolicy(rawValue: $0)
            } ?? .disable
        dataDirectory = settings.text("datadir")
        port = Int(try settings.integer("port", in: 0...65535) ?? 8545)
        host = settings.text("host") ?? "127.0.0.1"
        ipcPath = settings.text("ipc")
        let namespaces = settings.list("http-api")
        httpNamespaces = namespaces.isEmpty ? nil : namespaces
        let webSocket = settings.list("ws-api")
        webSocketNamespaces = webSocket.isEmpty ? nil : webSocket
        certificate = try Self.certificate(&settings)
        rpcLimits = try RPCLimits(from: &settings)
        rest = try RESTSettings(from: &settings, defaults: defaults, host: host, port: port)
        allowedOrigins = settings.list("allow-origin")
        allowedHosts = settings.list("allow-host")
        let mebibytes = try settings.integer("cache", in: 8...1_048_576) ?? 256
        cacheBytes = Int(mebibytes) << 20
        diskReserve = try settings.integer("disk-reserve", in: 0...1 << 30).map { $0 << 20 }
        checkpointFolder = settings.text("checkpoint-dir")
        history =
            try settings.value("history", expecting: "'all' or a number of blocks") { text in
                text == "all" ? .all : UInt64(text).map { .blocks($0) }
            } ?? .all
        syncMode = try settings.value("sync-mode", expecting: "'block' or 'interval'") { text in
            switch text {
            case "block": .everyBlock
            case "interval": .interval(milliseconds: 200)
            default: nil
            }
        }
        blockTime = try settings.value("block-time", expecting: "a number of seconds, above 0") {
            Self.seconds($0)
        }
        gasLimit = try settings.integer("gas-limit", in: 5000...UInt64(Int64.max))
        coinbase =
            try settings.value("coinbase", expecting: "an address") { Address(hex: $0) } ?? .zero
        logFormat = try LogFormat.setting(&settings)
        logLevel = try LogFormat.level(&settings)
    }

    /// What `tls-cert` and `tls-key` name; nil if nobody sets them.
    static func certificate(_ settings: inout Settings) throws(StartupError) -> TLSCertificate? {
        switch (settings.text("tls-cert"), settings.text("tls-key")) {
        case (let chain?, let key?): return TLSCertificate(chainFile: chain, keyFile: key)
        case (nil, nil): return nil
        case (.some, nil), (nil, .some):
            throw StartupError(.configuration, "tls-cert and tls-key belong together")
        }
    }
}

extension LogFormat {
    /// What `log-format` says.
    static func setting(_ settings: inout Settings) throws(StartupError) -> LogFormat {
        try settings.value("log-format", expecting: "'text' or 'json'") { LogFormat(rawValue: $0) }
            ?? .text
    }

    /// What `log-level` says.
    static func level(_ settings: inout Settings) throws(StartupError) -> Logger.Level {
        try settings.value("log-level", expecting: "a log level") { Logger.Level(rawValue: $0) }
            ?? .notice
    }
}

extension RPCLimits {
    /// The defaults with what the settings say instead.
    init(from settings: inout Settings) throws(StartupError) {
        self.init()
        if let value = try settings.integer("rpc-body-limit", in: 1_024...1 << 30) {
            messageBytes = Int(value)
        }
        if let value = try settings.integer("rpc-batch-limit", in: 1...1_000_000) {
            batchCount = Int(value)
        }
        if let value = try settings.integer("rpc-response-limit", in: 1_024...1 << 32) {
            batchResponseBytes = Int(value)
        }
        if let value = try settings.integer("rpc-timeout", in: 1...86_400) {
            messageSeconds = Int64(value)
        }
        if let value = try settings.integer("rpc-gas-cap", in: 21_000...UInt64(Int64.max)) {
            callGas = value
        }
        if let value = try settings.integer("rpc-log-range", in: 1...UInt64(Int64.max)) {
            logBlocks = value
        }
        if let value = try settings.integer("rpc-max-connections", in: 1...1_000_000) {
            connections = Int(value)
        }
        if let value = try settings.integer("rpc-threads", in: 1...1_024) {
            executionThreads = Int(value)
        }
    }
}
