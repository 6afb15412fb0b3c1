// The address of an account, kept as big-endian words for the same reasons as `Hash256`.

/// 20 bytes that name an account (Yellow Paper 4.1).
@frozen
public struct Address: Hashable, Sendable {
    /// Bytes 0 to 7.
    public var w0: UInt64
    /// Bytes 8 to 15.
    public var w1: UInt64
    /// Bytes 16 to 19.
    public var w2: UInt32

    /// The address of these big-endian words, the first of which holds the first eight bytes.
    @inlinable @inline(always)
    public init(w0: UInt64, w1: UInt64, w2: UInt32) {
        self.w0 = w0
        self.w1 = w1
        self.w2 = w2
    }

    /// The low 20 bytes of a number, as the EVM reads an address from its stack.
    @inlinable @inline(always)
    public init(lowBytesOf number: UInt256) {
        self.init(
            w0: number.l2 &<< 32 | number.l1 &>> 32, w1: number.l1 &<< 32 | number.l0 &>> 32,
            w2: UInt32(truncatingIfNeeded: number.l0))
    }

    /// The last 20 bytes of a hash.
    @inlinable @inline(always)
    public init(lowBytesOf hash: Hash256) {
        self.init(lowBytesOf: hash.uint256)
    }

    /// Exactly 20 bytes, or nil.
    @inlinable
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 20, let number = UInt256(bigEndian: bytes) else { return nil }
        self.init(lowBytesOf: number)
    }

    /// "0x" and exactly 40 hexadecimal digits of any case, or nil. Checksums are not looked at.
    @inlinable
    public init?(hex text: some StringProtocol) {
        guard text.utf8.count == 42, let number = UInt256(hex: text) else { return nil }
        self.init(lowBytesOf: number)
    }

    /// 20 zero bytes.
    @inlinable @inline(always)
    public static var zero: Address { Address(w0: 0, w1: 0, w2: 0) }

    /// Whether all bytes are zero.
    @inlinable @inline(always)
    public var isZero: Bool { (w0 | w1 | UInt64(w2)) == 0 }

    /// The bytes as a big-endian number.
    @inlinable @inline(always)
    public var uint256: UInt256 {
        UInt256(l0: w1 &<< 32 | UInt64(w2), l1: w0 &<< 32 | w1 &>> 32, l2: w0 &>> 32, l3: 0)
    }

    /// The 20 bytes.
    public var bytes: Bytes {
        var bytes = Bytes(repeating: 0, count: 20)
        var span = bytes.mutableSpan
        precondition(span.count == 20)
        store(bigEndian: w0, in: &span, at: 0)
        store(bigEndian: w1, in: &span, at: 8)
        span[16] = UInt8(truncatingIfNeeded: w2 &>> 24)
        span[17] = UInt8(truncatingIfNeeded: w2 &>> 16)
        span[18] = UInt8(truncatingIfNeeded: w2 &>> 8)
        span[19] = UInt8(truncatingIfNeeded: w2)
        return bytes
    }

    /// Whether two addresses have the same bytes.
    @inlinable @inline(always)
    public static func == (left: Address, right: Address) -> Bool {
        ((left.w0 ^ right.w0) | (left.w1 ^ right.w1) | UInt64(left.w2 ^ right.w2)) == 0
    }
}

extension Address: Comparable {
    /// The order of the bytes.
    @inlinable @inline(always)
    public static func < (left: Address, right: Address) -> Bool {
        left.uint256 < right.uint256
    }
}

extension Address: CustomStringConvertible {
    /// "0x" and 40 lower-case hexadecimal digits.
    public var description: String { Hex.encode(bytes) }
}
