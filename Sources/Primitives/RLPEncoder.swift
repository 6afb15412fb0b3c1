// Recursive length prefix encoding (Yellow Paper, appendix B), written front to back into one
// buffer. A list's header goes in when its length is known.

/// Writes items in RLP one after another.
public struct RLPEncoder: Sendable {
    /// What has been written.
    public private(set) var bytes: Bytes

    /// An encoder that has written nothing.
    public init() {
        bytes = []
    }

    /// An encoder that writes behind bytes of something else.
    public init(after bytes: consuming Bytes) {
        self.bytes = bytes
    }

    /// The encoding of one list.
    public static func list(_ body: (inout RLPEncoder) -> Void) -> Bytes {
        var encoder = RLPEncoder()
        encoder.list(body)
        return encoder.bytes
    }

    /// Makes room for so many more bytes.
    public mutating func reserveCapacity(_ count: Int) {
        bytes.reserveCapacity(bytes.count + count)
    }

    /// Writes a string of bytes.
    public mutating func append(_ string: Bytes) {
        append(string[...])
    }

    /// Writes a string of bytes.
    public mutating func append(_ string: ArraySlice<UInt8>) {
        if string.count == 1, let byte = string.first, byte < 0x80 {
            bytes.append(byte)
            return
        }
        appendHeader(count: string.count, offset: 0x80)
        bytes.append(contentsOf: string)
    }

    /// Writes a number: its big-endian bytes without leading zeros.
    public mutating func append(_ number: UInt64) {
        if number < 0x80 {
            bytes.append(number == 0 ? 0x80 : UInt8(truncatingIfNeeded: number))
            return
        }
        let count = 8 - number.leadingZeroBitCount / 8
        bytes.append(0x80 + UInt8(truncatingIfNeeded: count))
        appendLowBytes(of: number, count: count)
    }

    /// Writes a number: its big-endian bytes without leading zeros.
    @_disfavoredOverload
    public mutating func append(_ number: UInt256) {
        if number.fitsUInt64 {
            append(number.l0)
            return
        }
        let count = number.byteWidth
        bytes.append(0x80 + UInt8(truncatingIfNeeded: count))
        let top = (count - 1) % 8 + 1
        if count > 24 {
            appendLowBytes(of: number.l3, count: top)
            appendLowBytes(of: number.l2, count: 8)
            appendLowBytes(of: number.l1, count: 8)
        } else if count > 16 {
            appendLowBytes(of: number.l2, count: top)
            appendLowBytes(of: number.l1, count: 8)
        } else {
            appendLowBytes(of: number.l1, count: top)
        }
        appendLowBytes(of: number.l0, count: 8)
    }

    /// Writes the 32 bytes of a hash.
    public mutating func append(_ hash: Hash256) {
        bytes.append(addingCapacity: 33) { span in
            span.append(repeating: 0xa0, count: 33)
            var item = span.mutableSpan
            precondition(item.count == 33)
            store(bigEndian: hash.w0, in: &item, at: 1)
            store(bigEndian: hash.w1, in: &item, at: 9)
            store(bigEndian: hash.w2, in: &item, at: 17)
            store(bigEndian: hash.w3, in: &item, at: 25)
        }
    }

    /// Writes hashes, and the empty string for those that a bit mask does not have.
    public mutating func append(_ hashes: Span<Hash256>, present: UInt16) {
        bytes.append(addingCapacity: 16 * 33) { span in
            var start = 0
            for index in hashes.indices.prefix(16) {
                if present >> UInt16(index) & 1 == 0 {
                    span.append(0x80)
                    start += 1
                    continue
                }
                let hash = hashes[index]
                span.append(repeating: 0xa0, count: 33)
                var items = span.mutableSpan
                store(bigEndian: hash.w0, in: &items, at: start + 1)
                store(bigEndian: hash.w1, in: &items, at: start + 9)
                store(bigEndian: hash.w2, in: &items, at: start + 17)
                store(bigEndian: hash.w3, in: &items, at: start + 25)
                start += 33
            }
        }
    }

    /// Writes the 20 bytes of an address.
    public mutating func append(_ address: Address) {
        bytes.append(0x94)
        appendLowBytes(of: address.w0, count: 8)
        appendLowBytes(of: address.w1, count: 8)
        appendLowBytes(of: UInt64(address.w2), count: 4)
    }

    /// Writes the 20 bytes of an address, or the empty string for nil: the receiver of a
    /// transaction that creates a contract.
    public mutating func append(_ address: Address?) {
        if let address { append(address) } else { bytes.append(0x80) }
    }

    /// Writes true as 1 and false as 0.
    public mutating func append(_ flag: Bool) {
        bytes.append(flag ? 0x01 : 0x80)
    }

    /// How many bytes the encoding of a string has.
    public static func count(of string: Bytes) -> Int {
        if string.count == 1, string[0] < 0x80 { return 1 }
        return headerCount(string.count) + string.count
    }

    /// Writes the header of a list; the items, of so many bytes in all, follow. Cheaper than `list`
    /// where their size is known.
    public mutating func appendListHeader(count: Int) {
        appendHeader(count: count, offset: 0xc0)
    }

    /// Writes a list of what the body writes.
    public mutating func list(_ body: (inout RLPEncoder) -> Void) {
        let start = bytes.count
        body(&self)
        let count = bytes.count - start
        if count <= 55 {
            bytes.insert(0xc0 + UInt8(truncatingIfNeeded: count), at: start)
        } else if count <= 255 {
            // Accounts and most transactions: without an array for the header.
            bytes.insert(0xf8, at: start)
            bytes.insert(UInt8(truncatingIfNeeded: count), at: start + 1)
        } else {
            var header = RLPEncoder()
            header.appendListHeader(count: count)
            bytes.insert(contentsOf: header.bytes, at: start)
        }
    }

    /// Writes one or more items that are encoded already.
    public mutating func appendRaw(_ encoded: Bytes) {
        bytes.append(contentsOf: encoded)
    }

    /// Writes one or more items that are encoded already.
    public mutating func appendRaw(_ encoded: ArraySlice<UInt8>) {
        bytes.append(contentsOf: encoded)
    }

    /// Writes the header of a string (offset 0x80) or a list (0xc0).
    private mutating func appendHeader(count: Int, offset: UInt8) {
        if count <= 55 {
            bytes.append(offset + UInt8(truncatingIfNeeded: count))
            return
        }
        let width = Self.headerCount(count) - 1
        bytes.append(offset + 55 + UInt8(truncatingIfNeeded: width))
        appendLowBytes(of: UInt64(count), count: width)
    }

    /// How many bytes the header before so many bytes has.
    private static func headerCount(_ count: Int) -> Int {
        count <= 55 ? 1 : 9 - count.leadingZeroBitCount / 8
    }

    /// Writes the lowest bytes of a word, one to eight of them.
    private mutating func appendLowBytes(of word: UInt64, count: Int) {
        bytes.append(addingCapacity: 8) { span in
            span.append(repeating: 0, count: 8)
            var item = span.mutableSpan
            precondition(item.count == 8)
            store(bigEndian: word &<< UInt64((8 - count) * 8), in: &item, at: 0)
            span.removeLast(8 - count)
        }
    }
}
