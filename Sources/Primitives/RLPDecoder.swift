// Recursive length prefix decoding (Yellow Paper, appendix B).
//
// A decoder is a cursor over the items of one list, or over a buffer of items. It reads one item at
// a time and never recurses: a caller opens a list as a decoder of its own, so the depth is that of
// the caller's code. Only the canonical form is accepted: the shortest header, single bytes below
// 0x80 as themselves, numbers without leading zeros. What comes after an error is not defined;
// throw the decoder away.

/// Why bytes are not the RLP that was asked for.
public enum RLPError: Error, Hashable, Sendable {
    /// An item was asked for where the input or the list ends.
    case endOfInput
    /// An item says that it has more bytes than are left.
    case truncated(needed: UInt64, available: Int)
    /// A length or a single byte is not in its shortest form.
    case nonCanonicalLength
    /// A list stands where a string is expected.
    case unexpectedList
    /// A string stands where a list is expected.
    case unexpectedString
    /// A number begins with a zero byte.
    case leadingZero
    /// A number has more bytes than its type.
    case numberTooLarge(maximumBytes: Int, actual: Int)
    /// A string has another length than its type.
    case wrongLength(expected: Int, actual: Int)
    /// A flag is neither 0 nor 1.
    case invalidFlag
    /// Bytes follow the last item.
    case trailingBytes(count: Int)
}

/// Where an item is in the bytes of its decoder.
public struct RLPItem: Hashable, Sendable {
    /// Whether the item is a list.
    public let isList: Bool
    /// The whole item, header included.
    public let encoding: Range<Int>
    /// The string's bytes or the list's items.
    public let payload: Range<Int>
}

/// Reads items of RLP one after another.
public struct RLPDecoder: Sendable {
    private let input: ArraySlice<UInt8>
    private var position: Int
    private let end: Int

    /// A decoder of the items in these bytes.
    public init(_ bytes: Bytes) {
        self.init(bytes[...])
    }

    /// A decoder of the items in these bytes.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.init(input: bytes, range: bytes.indices)
    }

    private init(input: ArraySlice<UInt8>, range: Range<Int>) {
        self.input = input
        position = range.lowerBound
        end = range.upperBound
    }

    /// Whether all items are read.
    public var isAtEnd: Bool { position == end }

    /// How many bytes are not read yet.
    public var remainingCount: Int { end - position }

    /// Whether the next item is a list; false at the end.
    public var nextIsList: Bool { position < end && input[position] >= 0xc0 }

    /// Whether the next item is the empty string; false at the end.
    public var nextIsEmptyString: Bool { position < end && input[position] == 0x80 }

    /// Reads a string.
    public mutating func bytes() throws(RLPError) -> ArraySlice<UInt8> {
        input[try string()]
    }

    /// Reads a string of an exact length.
    public mutating func fixed(_ count: Int) throws(RLPError) -> ArraySlice<UInt8> {
        let payload = try string()
        guard payload.count == count else {
            throw .wrongLength(expected: count, actual: payload.count)
        }
        return input[payload]
    }

    /// Reads a number of at most 64 bits.
    public mutating func uint64() throws(RLPError) -> UInt64 {
        bigEndianWord(input[try number(maximumBytes: 8)])
    }

    /// Reads a number of at most 256 bits.
    public mutating func uint256() throws(RLPError) -> UInt256 {
        let payload = try number(maximumBytes: 32)
        return word(payload)
    }

    /// Reads the 32 bytes of a hash.
    public mutating func hash() throws(RLPError) -> Hash256 {
        let payload = try string()
        let offset = payload.lowerBound - input.startIndex
        guard let hash = Hash256(input.span.extracting(offset..<offset + payload.count)) else {
            throw .wrongLength(expected: 32, actual: payload.count)
        }
        return hash
    }

    /// Reads the 20 bytes of an address.
    public mutating func address() throws(RLPError) -> Address {
        let payload = try string()
        guard payload.count == 20 else {
            throw .wrongLength(expected: 20, actual: payload.count)
        }
        return Address(lowBytesOf: word(payload))
    }

    /// Reads the 20 bytes of an address, or nil for the empty string.
    public mutating func optionalAddress() throws(RLPError) -> Address? {
        if nextIsEmptyString {
            position += 1
            return nil
        }
        return try address()
    }

    /// Reads 1 as true and 0 as false.
    public mutating func bool() throws(RLPError) -> Bool {
        switch try uint64() {
        case 0: false
        case 1: true
        default: throw .invalidFlag
        }
    }

    /// Reads an item of any kind as the place where it is. The items of a list are not looked at.
    public mutating func item() throws(RLPError) -> RLPItem {
        let start = position
        let (isList, payload) = try header()
        position = payload.upperBound
        return RLPItem(isList: isList, encoding: start..<position, payload: payload)
    }

    /// Opens a list: reads it as a decoder of its items.
    public mutating func list() throws(RLPError) -> RLPDecoder {
        let item = try header()
        guard item.isList else { throw .unexpectedString }
        position = item.payload.upperBound
        return RLPDecoder(input: input, range: item.payload)
    }

    /// Reads the whole encoding of the next item, header included. The items of a list are not
    /// looked at.
    public mutating func rawItem() throws(RLPError) -> ArraySlice<UInt8> {
        input[try item().encoding]
    }

    /// Checks that all items are read.
    public func finish() throws(RLPError) {
        guard isAtEnd else { throw .trailingBytes(count: end - position) }
    }

    private mutating func number(maximumBytes: Int) throws(RLPError) -> Range<Int> {
        let payload = try string()
        guard payload.count <= maximumBytes else {
            throw .numberTooLarge(maximumBytes: maximumBytes, actual: payload.count)
        }
        guard payload.isEmpty || input[payload.lowerBound] != 0 else { throw .leadingZero }
        return payload
    }

    private mutating func string() throws(RLPError) -> Range<Int> {
        let item = try header()
        guard !item.isList else { throw .unexpectedList }
        position = item.payload.upperBound
        return item.payload
    }

    /// The number in at most 32 bytes of the input.
    private func word(_ range: Range<Int>) -> UInt256 {
        UInt256(bigEndian: input[range]) ?? .zero
    }

    /// The kind and the payload of the next item. Does not move the cursor.
    private func header() throws(RLPError) -> (isList: Bool, payload: Range<Int>) {
        guard position < end else { throw .endOfInput }
        let first = input[position]
        let start = position + 1
        switch first {
        case 0..<0x80:
            return (false, position..<start)
        case 0x80...0xb7:
            let payload = try range(from: start, count: UInt64(first - 0x80))
            guard payload.count != 1 || input[start] >= 0x80 else { throw .nonCanonicalLength }
            return (false, payload)
        case 0xb8...0xbf:
            return (false, try longRange(from: start, width: Int(first - 0xb7)))
        case 0xc0...0xf7:
            return (true, try range(from: start, count: UInt64(first - 0xc0)))
        default:
            return (true, try longRange(from: start, width: Int(first - 0xf7)))
        }
    }

    /// The payload whose length stands in so many bytes.
    private func longRange(from start: Int, width: Int) throws(RLPError) -> Range<Int> {
        let digits = try range(from: start, count: UInt64(width))
        let count = bigEndianWord(input[digits])
        guard input[start] != 0, count > 55 else { throw .nonCanonicalLength }
        return try range(from: digits.upperBound, count: count)
    }

    private func range(from start: Int, count: UInt64) throws(RLPError) -> Range<Int> {
        let available = end - start
        guard count <= UInt64(available) else {
            throw .truncated(needed: count, available: available)
        }
        return start..<start + Int(count)
    }
}
