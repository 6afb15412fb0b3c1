public import Cryptography
public import Primitives

/// A block's header: Yellow Paper 4.4. The fields below ``nonce`` came with later forks and are
/// encoded in their order: a header with one of them has all before it.
public struct Header: Hashable, Sendable {
    /// The block that this one follows.
    public var parentHash: Hash256
    /// Hash of the list of ommers (`sha3Uncles` in JSON).
    public var ommersHash: Hash256
    /// Who gets the fees (`miner` in JSON).
    public var coinbase: Address
    /// Root of the world state after the block.
    public var stateRoot: Hash256
    /// Root of the trie of transactions by index.
    public var transactionsRoot: Hash256
    /// Root of the trie of receipts by index.
    public var receiptsRoot: Hash256
    /// The addresses and topics of all logs.
    public var logsBloom: Bloom
    /// Zero from the merge on (EIP-3675).
    public var difficulty: UInt256
    /// Zero is genesis.
    public var number: BlockNumber
    /// Gas that the transactions may use together.
    public var gasLimit: Gas
    /// Gas that the transactions used together.
    public var gasUsed: Gas
    /// Seconds since 1970.
    public var timestamp: Timestamp
    /// At most 32 bytes in a valid header.
    public var extraData: Bytes
    /// Randomness of the beacon chain (EIP-4399); before the merge the proof of work's mix hash
    /// (`mixHash` in JSON).
    public var prevRandao: Hash256
    /// The proof of work's nonce: eight bytes, zero from the merge on.
    public var nonce: UInt64
    /// London, EIP-1559.
    public var baseFeePerGas: Wei?
    /// Shanghai, EIP-4895.
    public var withdrawalsRoot: Hash256?
    /// Cancun, EIP-4844.
    public var blobGasUsed: Gas?
    /// Cancun, EIP-4844.
    public var excessBlobGas: Gas?
    /// Cancun, EIP-4788.
    public var parentBeaconBlockRoot: Hash256?
    /// Prague, EIP-7685.
    public var requestsHash: Hash256?

    /// A header of these parts.
    public init(
        parentHash: Hash256,
        ommersHash: Hash256 = .emptyOmmers,
        coinbase: Address,
        stateRoot: Hash256,
        transactionsRoot: Hash256 = .emptyTrieRoot,
        receiptsRoot: Hash256 = .emptyTrieRoot,
        logsBloom: Bloom = .empty,
        difficulty: UInt256 = .zero,
        number: BlockNumber,
        gasLimit: Gas,
        gasUsed: Gas = 0,
        timestamp: Timestamp,
        extraData: Bytes = [],
        prevRandao: Hash256 = .zero,
        nonce: UInt64 = 0,
        baseFeePerGas: Wei? = nil,
        withdrawalsRoot: Hash256? = nil,
        blobGasUsed: Gas? = nil,
        excessBlobGas: Gas? = nil,
        parentBeaconBlockRoot: Hash256? = nil,
        requestsHash: Hash256? = nil
    ) {
        self.parentHash = parentHash
        self.ommersHash = ommersHash
        self.coinbase = coinbase
        self.stateRoot = stateRoot
        self.transactionsRoot = transactionsRoot
        self.receiptsRoot = receiptsRoot
        self.logsBloom = logsBloom
        self.difficulty = difficulty
        self.number = number
        self.gasLimit = gasLimit
        self.gasUsed = gasUsed
        self.timestamp = timestamp
        self.extraData = extraData
        self.prevRandao = prevRandao
        self.nonce = nonce
        self.baseFeePerGas = baseFeePerGas
        self.withdrawalsRoot = withdrawalsRoot
        self.blobGasUsed = blobGasUsed
        self.excessBlobGas = excessBlobGas
        self.parentBeaconBlockRoot = parentBeaconBlockRoot
        self.requestsHash = requestsHash
    }

    /// Whether the block was made by proof of stake (EIP-3675).
    public var isPostMerge: Bool { difficulty.isZero }

    /// The hash that identifies the block: keccak256 of the encoded header.
    public func hash() -> Hash256 { keccak256(encoded()) }

    /// The bytes that are hashed.
    public func encoded() -> Bytes {
        var encoder = RLPEncoder()
        encoder.append(self)
        return encoder.bytes
    }

    /// Reads what ``encoded()`` writes.
    public init(encoded: Bytes) throws(RLPError) {
        var decoder = RLPDecoder(encoded)
        self = try decoder.header()
        try decoder.finish()
    }
}

extension RLPEncoder {
    /// Appends a header as a list.
    public mutating func append(_ header: Header) {
        list { list in
            list.append(header.parentHash)
            list.append(header.ommersHash)
            list.append(header.coinbase)
            list.append(header.stateRoot)
            list.append(header.transactionsRoot)
            list.append(header.receiptsRoot)
            list.append(header.logsBloom.bytes)
            list.append(header.difficulty)
            list.append(header.number)
            list.append(header.gasLimit)
            list.append(header.gasUsed)
            list.append(header.timestamp)
            list.append(header.extraData)
            list.append(header.prevRandao)
            list.append(header.nonceBytes)
            list.appendLaterFields(of: header)
        }
    }

    /// The fields of later forks end at the first that is missing.
    private mutating func appendLaterFields(of header: Header) {
        guard let baseFeePerGas = header.baseFeePerGas else { return }
        append(baseFeePerGas)
        guard let withdrawalsRoot = header.withdrawalsRoot else { return }
        append(withdrawalsRoot)
        guard let blobGasUsed = header.blobGasUsed else { return }
        append(blobGasUsed)
        guard let excessBlobGas = header.excessBlobGas else { return }
        append(excessBlobGas)
        guard let parentBeaconBlockRoot = header.parentBeaconBlockRoot else { return }
        append(parentBeaconBlockRoot)
        guard let requestsHash = header.requestsHash else { return }
        append(requestsHash)
    }
}

extension Header {
    /// The nonce as the eight bytes that the encoding and JSON have.
    public var nonceBytes: Bytes {
        (0..<8).map { UInt8(truncatingIfNeeded: nonce >> UInt64(56 - 8 * $0)) }
    }
}

extension RLPDecoder {
    /// Reads a header of any fork.
    public mutating func header() throws(RLPError) -> Header {
        var list = try list()
        let parentHash = try list.hash()
        let ommersHash = try list.hash()
        let coinbase = try list.address()
        let stateRoot = try list.hash()
        let transactionsRoot = try list.hash()
        let receiptsRoot = try list.hash()
        let logsBloom = try list.bloom()
        let difficulty = try list.uint256()
        let number = try list.uint64()
        let gasLimit = try list.uint64()
        let gasUsed = try list.uint64()
        let timestamp = try list.uint64()
        let extraData = Bytes(try list.bytes())
        let prevRandao = try list.hash()
        let nonce = try list.fixed(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var header = Header(
            parentHash: parentHash, ommersHash: ommersHash, coinbase: coinbase,
            stateRoot: stateRoot, transactionsRoot: transactionsRoot, receiptsRoot: receiptsRoot,
            logsBloom: logsBloom, difficulty: difficulty, number: number, gasLimit: gasLimit,
            gasUsed: gasUsed, timestamp: timestamp, extraData: extraData, prevRandao: prevRandao,
            nonce: nonce)
        if !list.isAtEnd { header.baseFeePerGas = try list.uint256() }
        if !list.isAtEnd { header.withdrawalsRoot = try list.hash() }
        if !list.isAtEnd { header.blobGasUsed = try list.uint64() }
        if !list.isAtEnd { header.excessBlobGas = try list.uint64() }
        if !list.isAtEnd { header.parentBeaconBlockRoot = try list.hash() }
        if !list.isAtEnd { header.requestsHash = try list.hash() }
        try list.finish()
        return header
    }
}
