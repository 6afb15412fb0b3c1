// A 256-bit hash, kept as four big-endian words so that comparing, hashing and copying it are word
// operations and it needs no heap.

/// 32 bytes: a Keccak-256 hash, a storage key, a topic.
@frozen
public struct Hash256: Hashable, Sendable {
    /// Bytes 0 to 7.
    public var w0: UInt64
    /// Bytes 8 to 15.
    public var w1: UInt64
    /// Bytes 16 to 23.
    public var w2: UInt64
    /// Bytes 24 to 31.
    public var w3: UInt64

    /// The hash of these big-endian words, the first of which holds the first eight bytes.
    @inlinable @inline(always)
    public init(w0: UInt64, w1: UInt64, w2: UInt64, w3: UInt64) {
        self.w0 = w0
        self.w1 = w1
        self.w2 = w2
        self.w3 = w3
    }

    /// The 32 big-endian bytes of a number.
    @inlinable @inline(always)
    public init(_ number: UInt256) {
        self.init(w0: number.l3, w1: number.l2, w2: number.l1, w3: number.l0)
    }

    /// Exactly 32 bytes, or nil.
    @inlinable
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32, let number = UInt256(bigEndian: bytes) else { return nil }
        self.init(number)
    }

    /// Exactly 32 bytes, or nil.
    @inlinable
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self.init(
            w0: loadBigEndian(bytes, at: 0), w1: loadBigEndian(bytes, at: 8),
            w2: loadBigEndian(bytes, at: 16), w3: loadBigEndian(bytes, at: 24))
    }

    /// "0x" and exactly 64 hexadecimal digits, or nil.
    @inlinable
    public init?(hex text: some StringProtocol) {
        guard text.utf8.count == 66, let number = UInt256(hex: text) else { return nil }
        self.init(number)
    }

    /// 32 zero bytes.
    @inlinable @inline(always)
    public static var zero: Hash256 { Hash256(w0: 0, w1: 0, w2: 0, w3: 0) }

    /// Whether all bytes are zero.
    @inlinable @inline(always)
    public var isZero: Bool { (w0 | w1 | w2 | w3) == 0 }

    /// The bytes as a big-endian number.
    @inlinable @inline(always)
    public var uint256: UInt256 { UInt256(l0: w3, l1: w2, l2: w1, l3: w0) }

    /// The 32 bytes.
    public var bytes: Bytes { uint256.bigEndianBytes }

    /// The nibble at an index from 0 (the high half of the first byte) to 63.
    @inlinable @inline(always)
    public func nibble(at index: Int) -> UInt8 {
        precondition(0 <= index && index < 64, "A hash has 64 nibbles.")
        let word =
            switch index &>> 4 {
            case 0: w0
            case 1: w1
            case 2: w2
            default: w3
            }
        return UInt8(truncatingIfNeeded: word &>> UInt64(60 &- (index & 15) &* 4)) & 15
    }

    /// Whether two hashes have the same bytes.
    @inlinable @inline(always)
    public static func == (left: Hash256, right: Hash256) -> Bool {
        left.uint256 == right.uint256
    }
}

extension Hash256: Comparable {
    /// The order of the bytes.
    @inlinable @inline(always)
    public static func < (left: Hash256, right: Hash256) -> Bool {
        left.uint256 < right.uint256
    }
}

extension Hash256: CustomStringConvertible {
    /// "0x" and 64 lower-case hexadecimal digits.
    public var description: String { Hex.encode(bytes) }
}
