// The machine word of the EVM (Yellow Paper 9.1): an unsigned integer of 256 bits.
//
// This is the hottest type of the node. Its members are inlinable and forced inline, because a
// release build compiles each file alone; carries are `Bool`s joined with `!=`, which the compiler
// turns into one add-with-carry a limb. Division is in `UInt256+Division.swift`, the instructions
// of the EVM that read the word as a signed number in `UInt256+Signed.swift`, text and bytes in
// `UInt256+Encoding.swift`.

/// An unsigned integer of 256 bits.
@frozen
public struct UInt256: Hashable, Sendable {
    /// Bits 0 to 63.
    public var l0: UInt64
    /// Bits 64 to 127.
    public var l1: UInt64
    /// Bits 128 to 191.
    public var l2: UInt64
    /// Bits 192 to 255.
    public var l3: UInt64

    /// The number whose 64-bit limbs are these, lowest first.
    @inlinable @inline(always)
    public init(l0: UInt64, l1: UInt64, l2: UInt64, l3: UInt64) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
    }

    /// A number of 64 bits.
    @inlinable @inline(always)
    public init(_ value: UInt64) {
        self.init(l0: value, l1: 0, l2: 0, l3: 0)
    }

    /// A number that is not negative.
    @inlinable @inline(always)
    public init(_ value: Int) {
        precondition(value >= 0, "A UInt256 is not negative.")
        self.init(UInt64(truncatingIfNeeded: value))
    }

    /// 0.
    @inlinable @inline(always)
    public static var zero: UInt256 { UInt256(l0: 0, l1: 0, l2: 0, l3: 0) }

    /// 1.
    @inlinable @inline(always)
    public static var one: UInt256 { UInt256(l0: 1, l1: 0, l2: 0, l3: 0) }

    /// 2²⁵⁶ − 1.
    @inlinable @inline(always)
    public static var max: UInt256 { UInt256(l0: .max, l1: .max, l2: .max, l3: .max) }

    /// Whether this is 0.
    @inlinable @inline(always)
    public var isZero: Bool { (l0 | l1 | l2 | l3) == 0 }

    /// Whether this is less than 2⁶⁴.
    @inlinable @inline(always)
    public var fitsUInt64: Bool { (l1 | l2 | l3) == 0 }

    /// The number in 64 bits, or nil if it is greater.
    @inlinable @inline(always)
    public var asUInt64: UInt64? { fitsUInt64 ? l0 : nil }

    /// The number in 64 bits, or `UInt64.max` if it is greater.
    @inlinable @inline(always)
    public var clampedToUInt64: UInt64 { fitsUInt64 ? l0 : .max }

    /// How many zero bits precede the highest set bit; 256 for 0.
    @inlinable
    public var leadingZeroBitCount: Int {
        if l3 != 0 { return l3.leadingZeroBitCount }
        if l2 != 0 { return l2.leadingZeroBitCount &+ 64 }
        if l1 != 0 { return l1.leadingZeroBitCount &+ 128 }
        return l0.leadingZeroBitCount &+ 192
    }

    /// How many bits the number needs; 0 for 0.
    @inlinable
    public var bitWidth: Int { 256 &- leadingZeroBitCount }

    /// Whether two words have the same bits.
    @inlinable @inline(always)
    public static func == (left: UInt256, right: UInt256) -> Bool {
        ((left.l0 ^ right.l0) | (left.l1 ^ right.l1) | (left.l2 ^ right.l2) | (left.l3 ^ right.l3))
            == 0
    }
}

extension UInt256: ExpressibleByIntegerLiteral {
    /// A literal of at most 64 bits.
    @inlinable @inline(always)
    public init(integerLiteral value: UInt64) {
        self.init(value)
    }
}

extension UInt256: Comparable {
    /// Whether one number is less than another.
    @inlinable @inline(always)
    public static func < (left: UInt256, right: UInt256) -> Bool {
        left.subtractingReportingOverflow(right).overflow
    }

    /// Whether one number is greater than another.
    @inlinable @inline(always)
    public static func > (left: UInt256, right: UInt256) -> Bool { right < left }

    /// Whether one number is at most another.
    @inlinable @inline(always)
    public static func <= (left: UInt256, right: UInt256) -> Bool { !(right < left) }

    /// Whether one number is at least another.
    @inlinable @inline(always)
    public static func >= (left: UInt256, right: UInt256) -> Bool { !(left < right) }
}

// MARK: - Addition and subtraction

extension UInt256 {
    /// The sum modulo 2²⁵⁶, and whether it wrapped.
    @inlinable @inline(always)
    public func addingReportingOverflow(
        _ other: UInt256
    ) -> (partialValue: UInt256, overflow: Bool) {
        let (s0, c0) = l0.addingReportingOverflow(other.l0)
        let (s1, c1) = addingWithCarry(l1, other.l1, c0)
        let (s2, c2) = addingWithCarry(l2, other.l2, c1)
        let (s3, c3) = addingWithCarry(l3, other.l3, c2)
        return (UInt256(l0: s0, l1: s1, l2: s2, l3: s3), c3)
    }

    /// The difference modulo 2²⁵⁶, and whether it wrapped.
    @inlinable @inline(always)
    public func subtractingReportingOverflow(
        _ other: UInt256
    ) -> (partialValue: UInt256, overflow: Bool) {
        let (s0, b0) = l0.subtractingReportingOverflow(other.l0)
        let (s1, b1) = subtractingWithBorrow(l1, other.l1, b0)
        let (s2, b2) = subtractingWithBorrow(l2, other.l2, b1)
        let (s3, b3) = subtractingWithBorrow(l3, other.l3, b2)
        return (UInt256(l0: s0, l1: s1, l2: s2, l3: s3), b3)
    }

    /// The sum modulo 2²⁵⁶.
    @inlinable @inline(always)
    public static func &+ (left: UInt256, right: UInt256) -> UInt256 {
        left.addingReportingOverflow(right).partialValue
    }

    /// The difference modulo 2²⁵⁶.
    @inlinable @inline(always)
    public static func &- (left: UInt256, right: UInt256) -> UInt256 {
        left.subtractingReportingOverflow(right).partialValue
    }

    /// The sum; traps on overflow.
    @inlinable @inline(always)
    public static func + (left: UInt256, right: UInt256) -> UInt256 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        precondition(!overflow, "A sum exceeds 256 bits.")
        return sum
    }

    /// The difference; traps if it is negative.
    @inlinable @inline(always)
    public static func - (left: UInt256, right: UInt256) -> UInt256 {
        let (difference, overflow) = left.subtractingReportingOverflow(right)
        precondition(!overflow, "A difference is negative.")
        return difference
    }

    /// Adds; traps on overflow.
    @inlinable @inline(always)
    public static func += (left: inout UInt256, right: UInt256) { left = left + right }

    /// Subtracts; traps if the difference is negative.
    @inlinable @inline(always)
    public static func -= (left: inout UInt256, right: UInt256) { left = left - right }

    /// The negation modulo 2²⁵⁶, which is the negation of a signed word.
    @inlinable @inline(always)
    public var negated: UInt256 { .zero &- self }
}

// MARK: - Multiplication

extension UInt256 {
    /// The product modulo 2²⁵⁶.
    @inlinable @inline(always)
    public static func &* (left: UInt256, right: UInt256) -> UInt256 {
        let (p0, a1) = multiplyAdd(left.l0, right.l0, 0, 0)
        let (b1, a2) = multiplyAdd(left.l0, right.l1, a1, 0)
        let (b2, a3) = multiplyAdd(left.l0, right.l2, a2, 0)
        let b3 = left.l0 &* right.l3 &+ a3
        let (p1, c2) = multiplyAdd(left.l1, right.l0, b1, 0)
        let (d2, c3) = multiplyAdd(left.l1, right.l1, b2, c2)
        let d3 = left.l1 &* right.l2 &+ b3 &+ c3
        let (p2, e3) = multiplyAdd(left.l2, right.l0, d2, 0)
        let p3 = left.l2 &* right.l1 &+ left.l3 &* right.l0 &+ d3 &+ e3
        return UInt256(l0: p0, l1: p1, l2: p2, l3: p3)
    }

    /// The whole product in 512 bits.
    @inlinable @inline(always)
    public func multipliedFullWidth(by other: UInt256) -> (high: UInt256, low: UInt256) {
        let (p0, a1) = multiplyAdd(l0, other.l0, 0, 0)
        let (b1, a2) = multiplyAdd(l0, other.l1, a1, 0)
        let (b2, a3) = multiplyAdd(l0, other.l2, a2, 0)
        let (b3, b4) = multiplyAdd(l0, other.l3, a3, 0)

        let (p1, c2) = multiplyAdd(l1, other.l0, b1, 0)
        let (d2, c3) = multiplyAdd(l1, other.l1, b2, c2)
        let (d3, c4) = multiplyAdd(l1, other.l2, b3, c3)
        let (d4, d5) = multiplyAdd(l1, other.l3, b4, c4)

        let (p2, e3) = multiplyAdd(l2, other.l0, d2, 0)
        let (f3, e4) = multiplyAdd(l2, other.l1, d3, e3)
        let (f4, e5) = multiplyAdd(l2, other.l2, d4, e4)
        let (f5, f6) = multiplyAdd(l2, other.l3, d5, e5)

        let (p3, g4) = multiplyAdd(l3, other.l0, f3, 0)
        let (p4, g5) = multiplyAdd(l3, other.l1, f4, g4)
        let (p5, g6) = multiplyAdd(l3, other.l2, f5, g5)
        let (p6, p7) = multiplyAdd(l3, other.l3, f6, g6)
        return (UInt256(l0: p4, l1: p5, l2: p6, l3: p7), UInt256(l0: p0, l1: p1, l2: p2, l3: p3))
    }

    /// The product modulo 2²⁵⁶, and whether it wrapped.
    @inlinable
    public func multipliedReportingOverflow(
        by other: UInt256
    ) -> (partialValue: UInt256, overflow: Bool) {
        let (high, low) = multipliedFullWidth(by: other)
        return (low, !high.isZero)
    }

    /// The product; traps on overflow.
    @inlinable
    public static func * (left: UInt256, right: UInt256) -> UInt256 {
        let (product, overflow) = left.multipliedReportingOverflow(by: right)
        precondition(!overflow, "A product exceeds 256 bits.")
        return product
    }

    /// Multiplies; traps on overflow.
    @inlinable
    public static func *= (left: inout UInt256, right: UInt256) { left = left * right }

    /// This number to a power, modulo 2²⁵⁶ (EXP; 0⁰ is 1).
    @inlinable
    public func power(_ exponent: UInt256) -> UInt256 {
        var result = UInt256.one
        var square = self
        var rest = exponent
        while !rest.isZero {
            if rest.l0 & 1 != 0 { result = result &* square }
            rest = rest >> 1
            square = square &* square
        }
        return result
    }
}

// MARK: - Bits

extension UInt256 {
    /// The bits that are set in both.
    @inlinable @inline(always)
    public static func & (left: UInt256, right: UInt256) -> UInt256 {
        UInt256(
            l0: left.l0 & right.l0, l1: left.l1 & right.l1, l2: left.l2 & right.l2,
            l3: left.l3 & right.l3)
    }

    /// The bits that are set in one or in both.
    @inlinable @inline(always)
    public static func | (left: UInt256, right: UInt256) -> UInt256 {
        UInt256(
            l0: left.l0 | right.l0, l1: left.l1 | right.l1, l2: left.l2 | right.l2,
            l3: left.l3 | right.l3)
    }

    /// The bits that are set in exactly one.
    @inlinable @inline(always)
    public static func ^ (left: UInt256, right: UInt256) -> UInt256 {
        UInt256(
            l0: left.l0 ^ right.l0, l1: left.l1 ^ right.l1, l2: left.l2 ^ right.l2,
            l3: left.l3 ^ right.l3)
    }

    /// The bits that are not set.
    @inlinable @inline(always)
    public static prefix func ~ (value: UInt256) -> UInt256 {
        UInt256(l0: ~value.l0, l1: ~value.l1, l2: ~value.l2, l3: ~value.l3)
    }

    /// Shifted towards the high bits; 0 from 256 on.
    @inlinable @inline(always)
    public static func << (value: UInt256, count: UInt64) -> UInt256 {
        guard count < 256 else { return .zero }
        let bits = count & 63
        let s0 = value.l0 &<< bits
        switch count &>> 6 {
        case 0:
            return UInt256(
                l0: s0, l1: shiftedLeft(value.l1, value.l0, bits),
                l2: shiftedLeft(value.l2, value.l1, bits),
                l3: shiftedLeft(value.l3, value.l2, bits))
        case 1:
            return UInt256(
                l0: 0, l1: s0, l2: shiftedLeft(value.l1, value.l0, bits),
                l3: shiftedLeft(value.l2, value.l1, bits))
        case 2:
            return UInt256(l0: 0, l1: 0, l2: s0, l3: shiftedLeft(value.l1, value.l0, bits))
        default:
            return UInt256(l0: 0, l1: 0, l2: 0, l3: s0)
        }
    }

    /// Shifted towards the low bits, filled with zeros; 0 from 256 on.
    @inlinable @inline(always)
    public static func >> (value: UInt256, count: UInt64) -> UInt256 {
        guard count < 256 else { return .zero }
        let bits = count & 63
        let s3 = value.l3 &>> bits
        switch count &>> 6 {
        case 0:
            return UInt256(
                l0: shiftedRight(value.l0, value.l1, bits),
                l1: shiftedRight(value.l1, value.l2, bits),
                l2: shiftedRight(value.l2, value.l3, bits), l3: s3)
        case 1:
            return UInt256(
                l0: shiftedRight(value.l1, value.l2, bits),
                l1: shiftedRight(value.l2, value.l3, bits), l2: s3, l3: 0)
        case 2:
            return UInt256(l0: shiftedRight(value.l2, value.l3, bits), l1: s3, l2: 0, l3: 0)
        default:
            return UInt256(l0: s3, l1: 0, l2: 0, l3: 0)
        }
    }

    /// Shifted towards the high bits; 0 from 256 on. The count is not negative.
    @inlinable @inline(always)
    public static func << (value: UInt256, count: Int) -> UInt256 {
        precondition(count >= 0, "A shift count is not negative.")
        return value << UInt64(truncatingIfNeeded: count)
    }

    /// Shifted towards the low bits, filled with zeros; 0 from 256 on. The count is not negative.
    @inlinable @inline(always)
    public static func >> (value: UInt256, count: Int) -> UInt256 {
        precondition(count >= 0, "A shift count is not negative.")
        return value >> UInt64(truncatingIfNeeded: count)
    }

    /// The byte at an index from the most significant one (BYTE); 0 from index 32 on.
    @inlinable @inline(always)
    public func byte(at index: UInt64) -> UInt8 {
        guard index < 32 else { return 0 }
        let limb =
            switch index &>> 3 {
            case 0: l3
            case 1: l2
            case 2: l1
            default: l0
            }
        return UInt8(truncatingIfNeeded: limb &>> (56 &- (index & 7) &* 8))
    }
}

// MARK: - Limbs

/// The sum of two limbs and a carry. At most one of the two additions wraps, so `!=` joins them.
@inlinable @inline(always)
func addingWithCarry(_ x: UInt64, _ y: UInt64, _ carry: Bool) -> (UInt64, Bool) {
    let (s, o) = x.addingReportingOverflow(y)
    let (t, p) = s.addingReportingOverflow(carry ? 1 : 0)
    return (t, o != p)
}

/// The difference of two limbs and a borrow.
@inlinable @inline(always)
func subtractingWithBorrow(_ x: UInt64, _ y: UInt64, _ borrow: Bool) -> (UInt64, Bool) {
    let (s, o) = x.subtractingReportingOverflow(y)
    let (t, p) = s.subtractingReportingOverflow(borrow ? 1 : 0)
    return (t, o != p)
}

/// x · y + a + b, which cannot exceed 128 bits.
@inlinable @inline(always)
func multiplyAdd(
    _ x: UInt64, _ y: UInt64, _ a: UInt64, _ b: UInt64
) -> (low: UInt64, high: UInt64) {
    let sum = UInt128(x) &* UInt128(y) &+ UInt128(a) &+ UInt128(b)
    return (UInt64(truncatingIfNeeded: sum), UInt64(truncatingIfNeeded: sum &>> 64))
}

/// A limb shifted left by 0 to 63 bits, filled from the limb below it.
@inlinable @inline(always)
func shiftedLeft(_ limb: UInt64, _ below: UInt64, _ bits: UInt64) -> UInt64 {
    limb &<< bits | (below &>> 1) &>> (63 &- bits)
}

/// A limb shifted right by 0 to 63 bits, filled from the limb above it.
@inlinable @inline(always)
func shiftedRight(_ limb: UInt64, _ above: UInt64, _ bits: UInt64) -> UInt64 {
    limb &>> bits | (above &<< 1) &<< (63 &- bits)
}
