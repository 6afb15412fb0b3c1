// What the plugin keeps, and the layout of every key and value.
//
// Numbers in keys are big-endian. `~` is the complement: the largest first. Values are varints (seven
// bits a byte, the low ones first) unless a length is given; amounts are a count of bytes and the
// bytes, without leading zeros.
//
//   table           key                                              value
//   ──────────────  ───────────────────────────────────────────────  ────────────────────────────────
//   appearances     address[20] ‖ block[8] ‖ transaction[4]          roles[2], see `Roles`
//   payments        address[20] ‖ block[8] ‖ 0xffffffff              the same, outside of transactions
//   addresses       address[20]                                      `AddressTotals`
//   hours           address[20] ‖ hour[4]                            `ActivityTotals`
//   peers           address[20] ‖ peer[20]                           `PeerTotals`
//   peer_ranks      address[20] ‖ ~rank[2] ‖ peer[20]                empty; rank of the peer's count
//   contracts       address[20] ‖ block[8] ‖ call[4]                 `Deployment`
//   deployments     creator[20] ‖ block[8] ‖ call[4]                 contract address[20]
//   transfers       address[20] ‖ block[8] ‖ log[4] ‖ item[4]        `TokenTransfer`
//   tokens          token[20]                                        `TokenTotals`
//   holdings        holder[20] ‖ token[20] ‖ id[32] of ERC-1155      `Holding`
//   holder_ranks    token[20] ‖ ~rank[2] ‖ holder[20] ‖ id[32]       empty; rank of the balance
//   network_hours   hour[4]                                          `NetworkTotals`
//   network_days    day[4]                                           `NetworkTotals`
//   wealth_ranks    ~rank[2] ‖ address[20]                           empty; rank of the balance
//   wealth          rank[2]                                          count, sum of that rank
//
// `transaction` is the index in the block; `AnalyticsPlugin.outsideTransaction` stands for what the
// protocol itself paid. That is in a table of its own: a coinbase has a payment in every block, and its
// transactions are found without reading these. `hour` and `day` count from 1970, UTC. A rank is the logarithm of a number in
// steps of an eighth octave (`Rank`): who has more never has a lower one, and an entry moves only when
// its number has grown by a tenth.

import PluginAPI
import Primitives
import Storage

/// The tables of the plugin.
enum Table {
    static let appearances = PluginTable(0, "appearances", .ordered)
    static let addresses = PluginTable(1, "addresses", .point)
    static let hours = PluginTable(2, "hours", .point)
    static let peers = PluginTable(3, "peers", .point)
    static let peerRanks = PluginTable(4, "peer_ranks", .ordered)
    static let contracts = PluginTable(5, "contracts", .ordered)
    static let deployments = PluginTable(6, "deployments", .ordered)
    static let transfers = PluginTable(7, "transfers", .ordered)
    static let tokens = PluginTable(8, "tokens", .point)
    static let holdings = PluginTable(9, "holdings", .point)
    static let holderRanks = PluginTable(10, "holder_ranks", .ordered)
    static let networkHours = PluginTable(11, "network_hours", .point)
    static let networkDays = PluginTable(12, "network_days", .point)
    static let wealthRanks = PluginTable(13, "wealth_ranks", .ordered)
    static let wealth = PluginTable(14, "wealth", .point)
    static let payments = PluginTable(15, "payments", .ordered)

    static let all = [
        appearances, addresses, hours, peers, peerRanks, contracts, deployments, transfers, tokens,
        holdings, holderRanks, networkHours, networkDays, wealthRanks, wealth, payments,
    ]
}

/// The logarithm of a number in steps of an eighth octave.
enum Rank {
    /// 0 for zero; 1 to 8 for 1 to 8; then eight ranks an octave, up to 2^256.
    static func of(_ number: UInt256) -> UInt16 {
        if let small = number.asUInt64, small < 9 { return UInt16(small) }
        let octave = number.bitWidth - 1
        let fraction = (number >> (octave - 3)).l0 & 7
        return UInt16(octave - 2) * 8 + UInt16(fraction)
    }

    /// The least number of a rank.
    static func least(_ rank: UInt16) -> UInt256 {
        if rank < 9 { return UInt256(UInt64(rank)) }
        let octave = UInt64(rank / 8) + 2
        return UInt256(8 + UInt64(rank % 8)) << (octave - 3)
    }
}

/// Builds keys.
struct KeyBuilder {
    private(set) var bytes: Bytes

    init(capacity: Int = 48) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    static func address(_ address: Address) -> Bytes {
        var key = KeyBuilder(capacity: 20)
        key.append(address)
        return key.bytes
    }

    mutating func append(_ address: Address) {
        append(address.w0)
        append(address.w1)
        append(address.w2)
    }

    mutating func append(_ number: some FixedWidthInteger & UnsignedInteger) {
        var shift = number.bitWidth - 8
        while shift >= 0 {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
            shift -= 8
        }
    }

    mutating func append(_ number: UInt256) {
        bytes.append(contentsOf: number.bigEndianBytes)
    }

    mutating func append(_ hash: Hash256) {
        bytes.append(contentsOf: hash.bytes)
    }
}

/// Reads and writes values.
struct Record {
    private(set) var bytes: Bytes
    private var position = 0

    init() {
        bytes = []
        bytes.reserveCapacity(64)
    }

    init(_ bytes: Bytes) {
        self.bytes = bytes
    }

    mutating func write(_ number: UInt64) {
        var rest = number
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func write(_ amount: UInt256) {
        let minimal = amount.minimalBytes
        bytes.append(UInt8(truncatingIfNeeded: minimal.count))
        bytes.append(contentsOf: minimal)
    }

    mutating func write(_ address: Address) {
        bytes.append(contentsOf: KeyBuilder.address(address))
    }

    mutating func write(_ hash: Hash256) {
        bytes.append(contentsOf: hash.bytes)
    }

    mutating func number() throws(StorageError) -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: 0 as UInt64, to: 70, by: 7) {
            guard position < bytes.count else { break }
            let byte = bytes[position]
            position += 1
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
        }
        throw .corrupted("a number in the analytics' tables")
    }

    mutating func amount() throws(StorageError) -> UInt256 {
        guard let count = try take(1).first,
            let amount = UInt256(bigEndian: try take(Int(count)))
        else { throw .corrupted("an amount in the analytics' tables") }
        return amount
    }

    mutating func address() throws(StorageError) -> Address {
        guard let address = Address(try take(20)) else {
            throw .corrupted("an address in the analytics' tables")
        }
        return address
    }

    mutating func hash() throws(StorageError) -> Hash256 {
        guard let hash = Hash256(try take(32)) else {
            throw .corrupted("a hash in the analytics' tables")
        }
        return hash
    }

    private mutating func take(_ count: Int) throws(StorageError) -> ArraySlice<UInt8> {
        guard bytes.count - position >= count else {
            throw .corrupted("a record in the analytics' tables")
        }
        defer { position += count }
        return bytes[position..<(position + count)]
    }
}

/// A value of a table.
protocol TableValue {
    init(_ record: inout Record) throws(StorageError)
    func write(to record: inout Record)
}

extension TableValue {
    init(decoding bytes: Bytes) throws(StorageError) {
        var record = Record(bytes)
        try self.init(&record)
    }

    var encoded: Bytes {
        var record = Record()
        write(to: &record)
        return record.bytes
    }
}

extension PluginView {
    func value<Value: TableValue>(
        _ table: PluginTable, _ key: Bytes, as _: Value.Type
    ) throws(StorageError) -> Value? {
        guard let bytes = try value(table, key) else { return nil }
        return try Value(decoding: bytes)
    }
}

extension PluginBatch {
    func value<Value: TableValue>(
        _ table: PluginTable, _ key: Bytes, as _: Value.Type
    ) throws(StorageError) -> Value? {
        guard let bytes = try value(table, key) else { return nil }
        return try Value(decoding: bytes)
    }
}
