// The word as bytes and as text: big-endian bytes, JSON-RPC quantities and decimal numbers.

extension UInt256 {
    /// The number of at most 32 big-endian bytes, or nil if there are more. No bytes are 0.
    @inlinable
    public init?(bigEndian bytes: some Collection<UInt8>) {
        var position = bytes.count
        guard position <= 32 else { return nil }
        self = .zero
        var limb: UInt64 = 0
        for byte in bytes {
            limb = limb &<< 8 | UInt64(byte)
            position &-= 1
            guard position & 7 == 0 else { continue }
            switch position {
            case 24: l3 = limb
            case 16: l2 = limb
            case 8: l1 = limb
            default: l0 = limb
            }
            limb = 0
        }
    }

    /// The number in exactly 32 big-endian bytes.
    public var bigEndianBytes: Bytes {
        var bytes = Bytes(repeating: 0, count: 32)
        var span = bytes.mutableSpan
        store(in: &span)
        return bytes
    }

    /// Writes the 32 big-endian bytes of the number over a span of so many.
    package func store(in span: inout MutableSpan<UInt8>) {
        precondition(span.count == 32)
        Primitives.store(bigEndian: l3, in: &span, at: 0)
        Primitives.store(bigEndian: l2, in: &span, at: 8)
        Primitives.store(bigEndian: l1, in: &span, at: 16)
        Primitives.store(bigEndian: l0, in: &span, at: 24)
    }

    /// The number in big-endian bytes without leading zeros; 0 has none.
    public var minimalBytes: Bytes {
        let count = byteWidth
        return Bytes(bigEndianBytes.suffix(count))
    }

    /// How many bytes the number needs; 0 for 0.
    @inlinable
    public var byteWidth: Int { (bitWidth &+ 7) &>> 3 }

    /// The number of "0x" and 1 to 64 hexadecimal digits; leading zeros are allowed.
    @inlinable
    public init?(hex text: some StringProtocol) {
        var digits = text.utf8[...]
        guard digits.popFirst() == UInt8(ascii: "0") else { return nil }
        guard digits.popFirst() == UInt8(ascii: "x"), !digits.isEmpty, digits.count <= 64 else {
            return nil
        }
        self = .zero
        for digit in digits {
            guard let nibble = Hex.nibble(digit) else { return nil }
            self = self << 4
            l0 |= UInt64(nibble)
        }
    }

    /// The number of decimal digits; leading zeros are allowed.
    @inlinable
    public init?(decimal text: some StringProtocol) {
        guard !text.isEmpty else { return nil }
        self = .zero
        for digit in text.utf8 {
            guard UInt8(ascii: "0") <= digit, digit <= UInt8(ascii: "9") else { return nil }
            let (product, wrapped) = multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt256(UInt64(digit & 15)))
            guard !wrapped, !carried else { return nil }
            self = sum
        }
    }

    /// The number as a JSON-RPC quantity: "0x" and hexadecimal digits without leading zeros.
    public var hexQuantity: String {
        let count = Swift.max(1, (bitWidth + 3) / 4)
        var text = Bytes()
        text.reserveCapacity(count + 2)
        text.append(UInt8(ascii: "0"))
        text.append(UInt8(ascii: "x"))
        for position in stride(from: count - 1, through: 0, by: -1) {
            text.append(Hex.digit(UInt8(truncatingIfNeeded: (self >> (position * 4)).l0 & 15)))
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension UInt256: CustomStringConvertible {
    /// The number in decimal digits.
    public var description: String {
        // 19 digits at a time: the greatest power of ten in a limb.
        let chunk = UInt256(10_000_000_000_000_000_000 as UInt64)
        var rest = self
        var text = ""
        while !rest.fitsUInt64 {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: chunk)
            let digits = String(remainder.l0)
            text = String(repeating: "0", count: 19 - digits.utf8.count) + digits + text
            rest = quotient
        }
        return String(rest.l0) + text
    }
}

/// Writes a word in eight big-endian bytes. Where the span's count is known, as after a
/// precondition, this is one instruction.
@inline(always)
func store(bigEndian word: UInt64, in bytes: inout MutableSpan<UInt8>, at offset: Int) {
    bytes[offset] = UInt8(truncatingIfNeeded: word &>> 56)
    bytes[offset &+ 1] = UInt8(truncatingIfNeeded: word &>> 48)
    bytes[offset &+ 2] = UInt8(truncatingIfNeeded: word &>> 40)
    bytes[offset &+ 3] = UInt8(truncatingIfNeeded: word &>> 32)
    bytes[offset &+ 4] = UInt8(truncatingIfNeeded: word &>> 24)
    bytes[offset &+ 5] = UInt8(truncatingIfNeeded: word &>> 16)
    bytes[offset &+ 6] = UInt8(truncatingIfNeeded: word &>> 8)
    bytes[offset &+ 7] = UInt8(truncatingIfNeeded: word)
}

/// Reads a word from eight big-endian bytes; like `store`, one instruction.
@inlinable @inline(always)
func loadBigEndian(_ bytes: Span<UInt8>, at offset: Int) -> UInt64 {
    let high =
        UInt64(bytes[offset]) &<< 56 | UInt64(bytes[offset &+ 1]) &<< 48
        | UInt64(bytes[offset &+ 2]) &<< 40 | UInt64(bytes[offset &+ 3]) &<< 32
    let low =
        UInt64(bytes[offset &+ 4]) &<< 24 | UInt64(bytes[offset &+ 5]) &<< 16
        | UInt64(bytes[offset &+ 6]) &<< 8 | UInt64(bytes[offset &+ 7])
    return high | low
}

/// The big-endian word of eight or fewer bytes.
@inlinable @inline(always)
func bigEndianWord(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var word: UInt64 = 0
    for byte in bytes { word = word &<< 8 | UInt64(byte) }
    return word
}
