import PluginAPI
import Primitives
import Storage

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

    mutating func append(_ part: Bytes) {
        bytes.append(contentsOf: part)
    }

    mutating func append(_ hash: Hash256) {
        bytes.append(contentsOf: hash.bytes)
    }
}

/// Reads and writes values.
struct Record {
    private(set) var bytes: Bytes
    private var position = 0

    init(capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    init(_ bytes: Bytes) {
        self.bytes = bytes
    }

    /// Makes room for the next value, where many are written one after the other.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// Whether everything is read.
    var isAtEnd: Bool { position >= bytes.count }

    mutating func write(_ number: UInt64) {
        var rest = number
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func write(_ amount: UInt256) {
        let count = amount.byteWidth
        bytes.append(UInt8(truncatingIfNeeded: count))
        var position = count
        while position > 0 {
            position -= 1
            let limb =
                switch position >> 3 {
                case 0: amount.l0
                case 1: amount.l1
                case 2: amount.l2
                default: amount.l3
                }
            bytes.append(UInt8(truncatingIfNeeded: limb >> (UInt64(position & 7) << 3)))
        }
    }

    mutating func write(_ address: Address) {
        write(bigEndian: address.w0)
        write(bigEndian: address.w1)
        write(bigEndian: address.w2)
    }

    private mutating func write(bigEndian number: some FixedWidthInteger & UnsignedInteger) {
        var shift = number.bitWidth - 8
        while shift >= 0 {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
            shift -= 8
        }
    }

    /// A count, and the bytes.
    mutating func write(_ part: ArraySlice<UInt8>) {
        write(UInt64(part.count))
        bytes.append(contentsOf: part)
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
        guard position < bytes.count else { throw .corrupted("an amount in the analytics' tables") }
        let count = Int(bytes[position])
        position += 1
        guard count <= 32, bytes.count - position >= count else {
            throw .corrupted("an amount in the analytics' tables")
        }
        var amount = UInt256.zero
        for place in position..<(position + count) {
            let byte = UInt64(bytes[place])
            switch (position + count - 1 - place) >> 3 {
            case 0: amount.l0 = amount.l0 << 8 | byte
            case 1: amount.l1 = amount.l1 << 8 | byte
            case 2: amount.l2 = amount.l2 << 8 | byte
            default: amount.l3 = amount.l3 << 8 | byte
            }
        }
        position += count
        return amount
    }

    mutating func address() throws(StorageError) -> Address {
        guard bytes.count - position >= 20 else {
            throw .corrupted("an address in the analytics' tables")
        }
        return Address(
            w0: bigEndian(8), w1: bigEndian(8), w2: UInt32(truncatingIfNeeded: bigEndian(4)))
    }

    private mutating func bigEndian(_ count: Int) -> UInt64 {
        var number: UInt64 = 0
        for place in position..<(position + count) { number = number << 8 | UInt64(bytes[place]) }
        position += count
        return number
    }

    /// A count, and the bytes.
    mutating func part() throws(StorageError) -> ArraySlice<UInt8> {
        let count = try number()
        guard count <= UInt64(bytes.count) else {
            throw .corrupted("a record in the analytics' tables")
        }
        return try take(Int(count))
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
