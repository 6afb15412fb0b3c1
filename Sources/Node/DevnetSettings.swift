public import BlockProduction
import Cryptography
public import EthereumTypes
public import PluginAPI
public import Primitives
public import TxPool

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
    /// Further accounts that genesis funds.
    public var fundedAccounts: [Address: Wei]
    /// Whether genesis has the contract that deploys others at predictable addresses.
    public var hasCreate2Deployer: Bool
    /// Chain id of a chain that is made now; a kept one has its own.
    public var chainId: UInt64
    /// The fork whose rules hold from genesis on.
    public var hardfork: Fork
    /// Whether a chain that is made now keeps the cap on the gas of one transaction (EIP-7825).
    public var capsTransactionGas: Bool
    /// Timestamp of a genesis block that is made now.
    public var timestamp: Timestamp?
    /// Base fee of a genesis block that is made now.
    public var baseFee: Wei
    /// How blocks are made.
    public var mining: MiningMode
    /// Which transaction comes first in a block.
    public var order: TransactionOrder
    /// Transactions a block at most.
    public var maxTransactionsPerBlock: Int
    /// Whether a block may have its parent's timestamp.
    public var timestampRepetition: TimestampRepetition
    /// Seconds between the timestamps of blocks where they do not follow the clock.
    public var blockTimestampInterval: UInt64?
    /// Whether the pool asks if a sender can pay.
    public var checksBalance: Bool
    /// Whether any sender is accepted without a signature.
    public var isAutoImpersonating: Bool
    /// Where to write accounts and keys as JSON.
    public var configurationOutput: String?
    /// Whether the banner is only its last line.
    public var isQuiet: Bool

    /// Reads every setting of `apus dev`.
    ///
    /// - Throws: `StartupError` for the first value that does not parse or fit, or an unknown key.
    public init(
        from settings: inout Settings, plugins: [any NodePlugin.Type] = []
    ) throws(StartupError) {
        node = try NodeSettings(sharedFrom: &settings, plugins: plugins, rest: .devnet)
        // A devnet shows everything that there is; what an index costs matters to importing nodes.
        for index in node.plugins.indices where node.plugins[index].section["enabled"] == nil {
            node.plugins[index].section["enabled"] = "true"
        }
        genesisFile = settings.text("init")
        let count = try settings.integer("accounts", in: 0...1000) ?? 10
        let balance =
            try settings.value(
                "balance", expecting: "a whole number of ether", parse: Self.wei)
            ?? Self.wei(10_000)
        self.balance = balance
        let givenMnemonic = settings.text("mnemonic")
        let isRandom = try settings.flag("mnemonic-random")
        accounts = try DevAccounts(
            mnemonic: isRandom
                ? Mnemonic.generate() : givenMnemonic ?? DevAccounts.defaultMnemonic,
            derivationPath: settings.text("derivation-path") ?? DevAccounts.defaultDerivationPath,
            count: Int(count))
        fundedAccounts = try Self.fundedAccounts(in: &settings, balance: balance)
        hasCreate2Deployer = try !settings.flag("disable-default-create2-deployer")
        chainId = try settings.integer("chain-id", in: 1...UInt64(Int64.max)) ?? 31337
        hardfork =
            try settings.value("hardfork", expecting: "the name of a fork") { Fork(name: $0) }
            ?? .osaka
        capsTransactionGas = try settings.flag("enable-tx-gas-limit")
        timestamp = try settings.integer("timestamp", in: 0...UInt64(UInt32.max) << 8)
        baseFee =
            try settings.value("base-fee", expecting: "a number of wei") { UInt256(decimal: $0) }
            ?? 1_000_000_000
        let isManual = try settings.flag("no-mining")
        let isMixed = try settings.flag("mixed-mining")
        order =
            try settings.value("order", expecting: "'fees' or 'fifo'") { text in
                switch text {
                case "fees": .fees
                case "fifo": .arrival
                default: nil
                }
            } ?? .fees
        maxTransactionsPerBlock =
            try settings.integer("max-transactions", in: 1...UInt64(Int32.max)).map { Int($0) }
            ?? .max
        timestampRepetition = try settings.flag("allow-same-timestamp") ? .allowed : .never
        if try settings.flag("deterministic") {
            blockTimestampInterval = 1
            timestamp = timestamp ?? Self.deterministicTimestamp
        }
        checksBalance = try !settings.flag("disable-pool-balance-checks")
        if try settings.flag("disable-block-gas-limit") {
            guard node.gasLimit == nil else {
                throw StartupError(
                    .usage, "--disable-block-gas-limit does not go with --gas-limit")
            }
            node.gasLimit = Self.largestGasLimit
        }
        let mayExposeKeys = try settings.flag("expose-dev-keys")
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
        guard !isRandom || givenMnemonic == nil else {
            throw StartupError(.usage, "--mnemonic-random does not go with --mnemonic")
        }
        if !mayExposeKeys, let exposed = exposedHost {
            throw StartupError(
                .configuration,
                "\(exposed): everybody knows the keys of the default mnemonic, and could "
                    + "use this devnet's accounts from outside; choose others with "
                    + "--mnemonic-random, or allow it with --expose-dev-keys")
        }
    }

    /// The genesis timestamp of chains that take no time from the clock: 2025-01-01.
    private static let deterministicTimestamp: Timestamp = 1_735_689_600
    /// What a header's gas limit must stay below: 2^63.
    private static let largestGasLimit = Gas(Int64.max)

    /// So many ether in wei.
    private static func wei(_ ether: UInt64) -> Wei {
        UInt256(ether) &* UInt256(1_000_000_000_000_000_000)
    }

    /// A text of whole ether in wei; nil for what is no number, or more than there will ever be.
    private static func wei(_ text: String) -> Wei? {
        UInt64(text).flatMap { $0 > 1 << 60 ? nil : wei($0) }
    }

    /// Reads `ADDRESS` or `ADDRESS:ETHER`, several.
    private static func fundedAccounts(
        in settings: inout Settings, balance: Wei
    ) throws(StartupError) -> [Address: Wei] {
        var accounts: [Address: Wei] = [:]
        for text in settings.list("fund-accounts") {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard let first = parts.first, parts.count <= 2, let address = Address(hex: first),
                let amount = parts.count == 2 ? wei(String(parts[1])) : balance
            else {
                throw StartupError(
                    .configuration, "--fund-accounts: '\(text)' is not ADDRESS or ADDRESS:ETHER")
            }
            accounts[address] = amount
        }
        return accounts
    }

    /// The setting by which keys that everybody knows would be served beyond this machine.
    private var exposedHost: String? {
        guard !accounts.isEmpty, accounts.mnemonic == DevAccounts.defaultMnemonic else {
            return nil
        }
        var hosts = [("--host", node.host)]
        if node.rest.isEnabled { hosts.append(("--rest-host", node.rest.gateway.host)) }
        return hosts.first { _, host in
            !["localhost", "::1"].contains(host) && !host.hasPrefix("127.")
        }.map { "\($0) \($1)" }
    }
}
