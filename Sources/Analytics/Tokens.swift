import Cryptography
import EthereumTypes
public import Primitives
import Storage

/// A kind of token, by the events of its contract.
public enum TokenStandard: UInt64, Sendable {
    case erc20 = 20
    case erc721 = 721
    case erc1155 = 1155
}

/// A movement of tokens, as an event tells it. The contract may say anything: this is what it said.
public struct TokenTransfer: Hashable, Sendable, TableValue {
    /// The contract.
    public var token: Address
    /// What kind of event it was.
    public var standard: TokenStandard
    /// Who had the tokens; zero for those that were made.
    public var from: Address
    /// Who has them; zero for those that were destroyed.
    public var to: Address
    /// The token's id; zero of ERC-20.
    public var id: UInt256
    /// How many; one of ERC-721.
    public var amount: UInt256
    /// The transaction.
    public var place: Place
    /// The log's index in the block.
    public var logIndex: UInt32
    /// The place in a batch of ERC-1155.
    public var item: UInt32

    init(_ record: inout Record) throws(StorageError) {
        token = try record.address()
        guard let standard = TokenStandard(rawValue: try record.number()) else {
            throw .corrupted("a token's standard in the analytics' tables")
        }
        self.standard = standard
        from = try record.address()
        to = try record.address()
        id = try record.amount()
        amount = try record.amount()
        place = try Place(&record)
        logIndex = UInt32(truncatingIfNeeded: try record.number())
        item = UInt32(truncatingIfNeeded: try record.number())
    }

    func write(to record: inout Record) {
        record.write(token)
        record.write(standard.rawValue)
        record.write(from)
        record.write(to)
        record.write(id)
        record.write(amount)
        place.write(to: &record)
        record.write(UInt64(logIndex))
        record.write(UInt64(item))
    }

    private init(
        _ log: Log, _ standard: TokenStandard, from: Hash256, to: Hash256, id: UInt256,
        amount: UInt256, place: Place, logIndex: UInt32, item: UInt32 = 0
    ) {
        token = log.address
        self.standard = standard
        self.from = Address(lowBytesOf: from)
        self.to = Address(lowBytesOf: to)
        self.id = id
        self.amount = amount
        self.place = place
        self.logIndex = logIndex
        self.item = item
    }

    /// Items of one batch event that are looked at.
    static let batchLimit = 4096

    /// Movements in one entry of their table.
    static let pageLimit = 16

    /// Where the movement of a block with this ordinal is: sixteen stand together.
    static func pageKey(_ block: BlockNumber, _ ordinal: UInt32) -> Bytes {
        var key = KeyBuilder(capacity: 12)
        key.append(block)
        key.append(ordinal / UInt32(pageLimit))
        return key.bytes
    }

    /// The movements that a log tells of; none if it is no transfer event in the standard's form.
    ///
    /// - `Transfer` with three topics and 32 bytes of data is of ERC-20, with four topics and no data
    ///   of ERC-721.
    /// - `TransferSingle` and `TransferBatch` are of ERC-1155.
    static func all(in log: Log, place: Place, logIndex: UInt32) -> [TokenTransfer] {
        guard let event = log.topics.first else { return [] }
        let topics = log.topics
        switch (event, topics.count) {
        case (transfer, 3):
            guard log.data.count == 32, let amount = UInt256(bigEndian: log.data) else { return [] }
            return [
                TokenTransfer(
                    log, .erc20, from: topics[1], to: topics[2], id: .zero, amount: amount,
                    place: place, logIndex: logIndex)
            ]
        case (transfer, 4):
            guard log.data.isEmpty else { return [] }
            return [
                TokenTransfer(
                    log, .erc721, from: topics[1], to: topics[2], id: topics[3].uint256,
                    amount: .one, place: place, logIndex: logIndex)
            ]
        case (transferSingle, 4):
            guard log.data.count == 64, let id = UInt256(bigEndian: log.data[..<32]),
                let amount = UInt256(bigEndian: log.data[32...])
            else { return [] }
            return [
                TokenTransfer(
                    log, .erc1155, from: topics[2], to: topics[3], id: id, amount: amount,
                    place: place, logIndex: logIndex)
            ]
        case (transferBatch, 4):
            guard let ids = words(in: log.data, at: 0), let amounts = words(in: log.data, at: 32),
                ids.count == amounts.count
            else { return [] }
            return zip(ids, amounts).enumerated().map { item, pair in
                TokenTransfer(
                    log, .erc1155, from: topics[2], to: topics[3], id: pair.0, amount: pair.1,
                    place: place, logIndex: logIndex, item: UInt32(item))
            }
        default: return []
        }
    }

    /// The array of words whose offset stands at a place of ABI-encoded data.
    private static func words(in data: Bytes, at place: Int) -> [UInt256]? {
        func word(_ offset: Int) -> UInt256? {
            offset >= 0 && offset <= data.count - 32
                ? UInt256(bigEndian: data[offset..<(offset + 32)]) : nil
        }
        guard let start = word(place)?.asUInt64, start <= UInt64(data.count),
            let count = word(Int(start))?.asUInt64, count <= UInt64(batchLimit)
        else { return nil }
        var words: [UInt256] = []
        for index in 0..<Int(count) {
            guard let value = word(Int(start) + 32 + 32 * index) else { return nil }
            words.append(value)
        }
        return words
    }

    /// keccak256 of `Transfer(address,address,uint256)`.
    private static let transfer = keccak256(Bytes("Transfer(address,address,uint256)".utf8))
    private static let transferSingle = keccak256(
        Bytes("TransferSingle(address,address,address,uint256,uint256)".utf8))
    private static let transferBatch = keccak256(
        Bytes("TransferBatch(address,address,address,uint256[],uint256[])".utf8))
}

/// What the index knows of a token.
public struct TokenTotals: Hashable, Sendable, TableValue {
    /// The kind of its first event.
    public var standard: TokenStandard
    /// Movements.
    public var transfers: UInt64 = 0
    /// Holdings above zero: accounts of ERC-20 and ERC-721, accounts and ids of ERC-1155.
    public var holders: UInt64 = 0
    /// What came from the zero address.
    public var minted = UInt256.zero
    /// What went to it.
    public var burned = UInt256.zero
    /// The first block with an event.
    public var firstBlock: BlockNumber = 0

    init(standard: TokenStandard, firstBlock: BlockNumber) {
        self.standard = standard
        self.firstBlock = firstBlock
    }

    init(_ record: inout Record) throws(StorageError) {
        guard let standard = TokenStandard(rawValue: try record.number()) else {
            throw .corrupted("a token's standard in the analytics' tables")
        }
        self.standard = standard
        transfers = try record.number()
        holders = try record.number()
        minted = try record.amount()
        burned = try record.amount()
        firstBlock = try record.number()
    }

    func write(to record: inout Record) {
        record.write(standard.rawValue)
        record.write(transfers)
        record.write(holders)
        record.write(minted)
        record.write(burned)
        record.write(firstBlock)
    }
}

/// What an account holds of a token by the events alone: what came less what went, modulo 2^256. A
/// contract whose events do not tell all (that takes a fee, that rebases) makes it differ from what
/// `balanceOf` says, even below zero.
public struct Holding: Hashable, Sendable, TableValue {
    /// What came.
    public var received = UInt256.zero
    /// What went.
    public var sent = UInt256.zero

    /// Nothing yet.
    init() {}

    /// What is there; zero if more went than came.
    public var balance: UInt256 { received >= sent ? received &- sent : .zero }
    /// Whether more went than came.
    public var isOverdrawn: Bool { received < sent }

    init(_ record: inout Record) throws(StorageError) {
        received = try record.amount()
        sent = try record.amount()
    }

    func write(to record: inout Record) {
        record.write(received)
        record.write(sent)
    }
}
