public import Primitives

/// What a chain begins with: its configuration, the fields of block zero and the accounts.

/// An account of the genesis state.
public struct GenesisAccount: Hashable, Sendable {
    /// What the account owns at first.
    public var balance: Wei
    /// Zero for most accounts, one for a contract.
    public var nonce: Nonce
    /// Run-time code; empty for an account with a key.
    public var code: Bytes
    /// Slots and their values; a zero value means that the slot is absent.
    public var storage: [UInt256: UInt256]

    /// An account of these parts.
    public init(
        balance: Wei, nonce: Nonce = 0, code: Bytes = [], storage: [UInt256: UInt256] = [:]
    ) {
        self.balance = balance
        self.nonce = nonce
        self.code = code
        self.storage = storage
    }
}

/// Block zero and the rules of what follows.
public struct Genesis: Hashable, Sendable {
    /// The chain's rules.
    public var config: ChainConfig
    /// Of the header.
    public var nonce: UInt64
    /// Of the header.
    public var timestamp: Timestamp
    /// Of the header.
    public var extraData: Bytes
    /// Of the header.
    public var gasLimit: Gas
    /// Of the header; zero on a chain that begins after the merge.
    public var difficulty: UInt256
    /// Of the header (`mixHash` in JSON).
    public var prevRandao: Hash256
    /// Of the header.
    public var coinbase: Address
    /// The accounts of the first state.
    public var alloc: [Address: GenesisAccount]
    /// Zero but for a chain that continues another one.
    public var number: BlockNumber
    /// Of the header.
    public var gasUsed: Gas
    /// Of the header.
    public var parentHash: Hash256
    /// Of the header; `nil` stands for the initial base fee from London on.
    public var baseFeePerGas: Wei?
    /// Of the header; `nil` stands for zero from Cancun on.
    public var excessBlobGas: Gas?
    /// Of the header; `nil` stands for zero from Cancun on.
    public var blobGasUsed: Gas?
    /// What a genesis file says and this node leaves aside, for the person who wrote it.
    public internal(set) var notes: [String] = []

    /// The gas limit where a genesis gives none: geth's `params.GenesisGasLimit`.
    public static let defaultGasLimit: Gas = 4_712_388
    /// The difficulty where a genesis of proof of work gives none.
    public static let defaultDifficulty: UInt256 = 131_072

    /// Block zero of these parts.
    public init(
        config: ChainConfig,
        nonce: UInt64 = 0,
        timestamp: Timestamp = 0,
        extraData: Bytes = [],
        gasLimit: Gas = Genesis.defaultGasLimit,
        difficulty: UInt256 = .zero,
        prevRandao: Hash256 = .zero,
        coinbase: Address = .zero,
        alloc: [Address: GenesisAccount] = [:],
        number: BlockNumber = 0,
        gasUsed: Gas = 0,
        parentHash: Hash256 = .zero,
        baseFeePerGas: Wei? = nil,
        excessBlobGas: Gas? = nil,
        blobGasUsed: Gas? = nil
    ) {
        self.config = config
        self.nonce = nonce
        self.timestamp = timestamp
        self.extraData = extraData
        self.gasLimit = gasLimit
        self.difficulty = difficulty
        self.prevRandao = prevRandao
        self.coinbase = coinbase
        self.alloc = alloc
        self.number = number
        self.gasUsed = gasUsed
        self.parentHash = parentHash
        self.baseFeePerGas = baseFeePerGas
        self.excessBlobGas = excessBlobGas
        self.blobGasUsed = blobGasUsed
    }

    /// The header of block zero over the state that ``alloc`` describes.
    ///
    /// Which fields it has depends on the schedule alone: a fork at timestamp zero has begun even
    /// if block zero itself still carries a difficulty (as geth does it).
    public func header(stateRoot: Hash256) -> Header {
        let fork = fork
        var header = Header(
            parentHash: parentHash, coinbase: coinbase, stateRoot: stateRoot,
            difficulty: difficulty, number: number, gasLimit: gasLimit, gasUsed: gasUsed,
            timestamp: timestamp, extraData: extraData, prevRandao: prevRandao, nonce: nonce,
            baseFeePerGas: baseFeePerGas ?? (fork >= .london ? BaseFee.initial : nil))
        if fork >= .shanghai { header.withdrawalsRoot = .emptyTrieRoot }
        if fork >= .cancun {
            header.blobGasUsed = blobGasUsed ?? 0
            header.excessBlobGas = excessBlobGas ?? 0
            header.parentBeaconBlockRoot = .zero
        }
        if fork >= .prague { header.requestsHash = requestsHash(of: []) }
        return header
    }

    /// Block zero over the state that ``alloc`` describes.
    public func block(stateRoot: Hash256) -> Block {
        Block(header: header(stateRoot: stateRoot), withdrawals: fork >= .shanghai ? [] : nil)
    }

    /// The fork that block zero's header follows.
    private var fork: Fork {
        let byTime = config.fork(number: number, timestamp: timestamp, isPostMerge: true)
        guard byTime < .shanghai else { return byTime }
        return config.fork(
            number: number, timestamp: timestamp, isPostMerge: difficulty.isZero)
    }
}
