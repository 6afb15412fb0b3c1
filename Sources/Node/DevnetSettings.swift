public import BlockProduction
public import EthereumTypes
public import Primitives

/// What a devnet can be told beyond the daemon's own settings.
public struct DevnetSettings: Sendable {
    /// The daemon's settings.
    public var node: NodeSettings
    /// A genesis file instead of the built-in one.
    public var genesisFile: String?
    /// The dev accounts.
    public var accounts: DevAccounts
    /// Balance of each dev account at genesis.
    public var balance: Wei
    /// Chain id of a chain that is made now; a kept one has its own.
    public var chainId: UInt64
    /// The fork whose rules hold from genesis on.
    public var hardfork: Fork
    /// Timestamp of a genesis block that is made now.
    public var timestamp: Timestamp?
    /// Base fee of a genesis block that is made now.
    public var baseFee: Wei
    /// How blocks are made.
    public var mining: MiningMode
    /// Whether any sender is accepted without a signature.
    public var isAutoImpersonating: Bool
    /// Where to write accounts and keys as JSON.
    public var configurationOutput: String?
    /// Whether the banner is only its last line.
    public var isQuiet: Bool

    /// Reads every setting of `apus dev`.
    ///
    /// - Throws: `StartupError` for the first value that does not parse or fit, or an unknown key.
    public init(from settings: inout Settings) throws(StartupError) {
        node = try NodeSettings(sharedFrom: &settings)
        genesisFile = settings.text("init")
        let count = try settings.integer("accounts", in: 0...1000) ?? 10
        let ether =
            try settings.value("balance", expecting: "a whole number of ether") { text in
                UInt256(decimal: text).flatMap { $0 > UInt256(UInt64(1) << 60) ? nil : $0 }
            } ?? 10_000
        balance = ether &* UInt256(1_000_000_000_000_000_000)
        accounts = try DevAccounts(
            mnemonic: settings.text("mnemonic") ?? DevAccounts.defaultMnemonic,
            derivationPath: settings.text("derivation-path") ?? DevAccounts.defaultDerivationPath,
            count: Int(count))
        chainId = try settings.integer("chain-id", in: 1...UInt64(Int64.max)) ?? 31337
        hardfork =
            try settings.value("hardfork", expecting: "the name of a fork") { Fork(name: $0) }
            ?? .osaka
        timestamp = try settings.integer("timestamp", in: 0...UInt64(UInt32.max) << 8)
        baseFee =
            try settings.value("base-fee", expecting: "a number of wei") { UInt256(decimal: $0) }
            ?? 1_000_000_000
        let isManual = try settings.flag("no-mining")
        let isMixed = try settings.flag("mixed-mining")
        isAutoImpersonating = try settings.flag("auto-impersonate")
        configurationOutput = settings.text("config-out")
        isQuiet = try settings.flag("quiet")
        try settings.refuseUnknown()

        switch (isManual, node.blockTime, isMixed) {
        case (false, nil, false): mining = .automine
        case (false, let period?, false): mining = .interval(period)
        case (false, let period?, true): mining = .mixed(period)
        case (true, nil, false): mining = .manual
        case (true, _, _):
            throw StartupError(
                .usage, "--no-mining goes with neither --block-time nor --mixed-mining")
        case (false, nil, true):
            throw StartupError(.usage, "--mixed-mining needs --block-time")
        }
    }

    /// Whether keys that everybody knows are served beyond this machine.
    var exposesKnownKeys: Bool {
        !accounts.isEmpty && accounts.mnemonic == DevAccounts.defaultMnemonic
            && !["127.0.0.1", "localhost", "::1"].contains(node.host)
    }
}
