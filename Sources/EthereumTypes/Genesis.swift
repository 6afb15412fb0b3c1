public import Primitives

/// What a chain begins with: its configuration, the fields of block zero and the accounts.

/// An account of the genesis state.
public struct GenesisAccount: Hashable, Sendable {
    public var balance: Wei
    public var nonce: Nonce
    public var code: Bytes
    /// Slots and their values; a zero value means that the slot is absent.
    public var storage: [UInt256: UInt256]

    public init(
        balance: Wei, nonce: Nonce = 0, code: Bytes = [], storage: [UInt256: UInt256] = [:]
    ) {
        self.balance = balance
        self.nonce = nonce
        self.code = code
        self.storage = storage
    }
}

public struct Genesis: Hashable, Sendable {
    public var config: ChainConfig
    public var nonce: UInt64
    public var timestamp: Timestamp
    public var extraData: Bytes
    public var gasLimit: Gas
    public var difficulty: UInt256
    public var prevRandao: Hash256
    public var coinbase: Address
    public var alloc: [Address: GenesisAccount]
    /// Zero but for a chain that continues another one.
    public var number: BlockNumber
    public var gasUsed: Gas
    public var parentHash: Hash256
    public var baseFeePerGas: Wei?
    public var excessBlobGas: Gas?
    public var blobGasUsed: Gas?

    /// The gas limit where a genesis gives none: geth's `params.GenesisGasLimit`.
    public static let defaultGasLimit: Gas = 4_712_388
    /// The difficulty where a genesis of proof of work gives none.
    public static let defaultDifficulty: UInt256 = 131_072

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
