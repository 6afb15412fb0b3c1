/// Numbers modulo an odd prime p in Montgomery form: the element x is held as x·R mod p with R =
/// 2^(64·limbs), so that a product is reduced by shifting limbs out at the bottom instead of
/// dividing at the top.
///
/// The arithmetic itself is written out limb by limb in `FourLimbField` and `SixLimbField`. Here is
/// what does not depend on the number of limbs: conversion, inversion, square roots.

import Primitives

/// A field of prime order in Montgomery form.
package protocol PrimeField: Field {
    /// Limbs of an element: 4 or 6.
    static var limbCount: Int { get }

    /// The prime p.
    static var modulus: Limbs { get }

    /// −p⁻¹ mod 2⁶⁴.
    static var negatedInverse: UInt64 { get }

    /// The element whose Montgomery form is R² mod p.
    static var rSquared: Self { get }

    /// The element with a Montgomery form below p.
    init(montgomery: Limbs)

    /// x·R mod p, in the lower limbs.
    var montgomery: Limbs { get }

    /// a·b + c·d with one reduction for both products.
    static func sumOfProducts(_ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self
}

// MARK: Conversion

extension PrimeField {
    /// Bytes of the big-endian encoding.
    package static var byteCount: Int { limbCount * 8 }

    package init(_ value: UInt64) {
        self = Self(montgomery: Limbs(value)) * Self.rSquared
    }

    /// The element `limbs`, or nil if that is not below p.
    package init?(canonical limbs: Limbs) {
        guard limbs.isLess(than: Self.modulus) else { return nil }
        self = Self(montgomery: limbs) * Self.rSquared
    }

    /// The element `limbs` mod p, for numbers of few p's.
    package init(reducing limbs: Limbs) {
        var rest = limbs
        while !rest.isLess(than: Self.modulus) { rest = rest.subtracting(Self.modulus) }
        self = Self(montgomery: rest) * Self.rSquared
    }

    /// The canonical big-endian encoding of exactly `byteCount` bytes; nil for any other length or
    /// a number ≥ p.
    package init?(bigEndian bytes: ArraySlice<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(canonical: Limbs(bigEndian: bytes))
    }

    /// A constant of this source code in hexadecimal digits.
    package init(hex digits: String) {
        guard let bytes = Hex.decode(digits), bytes.count <= Self.byteCount,
            let element = Self(canonical: Limbs(bigEndian: bytes[...]))
        else { preconditionFailure("A field constant is malformed: \(digits)") }
        self = element
    }

    /// The number x itself, in [0, p).
    package var canonical: Limbs {
        (self * Self(montgomery: Limbs(1))).montgomery
    }

    package var bigEndianBytes: Bytes {
        let limbs = canonical
        var bytes: Bytes = []
        bytes.reserveCapacity(Self.byteCount)
        for index in (0..<Self.limbCount).reversed() {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: limbs[index] &>> UInt64(shift)))
            }
        }
        return bytes
    }

    /// Whether x is odd as a number in [0, p).
    package var isOdd: Bool { canonical[0] & 1 == 1 }

    /// Whether x > (p − 1) / 2, the sign bit of compressed points.
    package var isLexicographicallyLargest: Bool { (-self).canonical.isLess(than: canonical) }
}

extension InlineArray where count == 6, Element == UInt64 {
    /// The number of at most 48 big-endian bytes.
    init(bigEndian bytes: ArraySlice<UInt8>) {
        self = .zero
        for (position, byte) in bytes.reversed().enumerated() {
            self[position / 8] |= UInt64(byte) &<< UInt64(position % 8 * 8)
        }
    }
}

// MARK: Roots and inverses

extension PrimeField {
    /// A square root for p ≡ 3 (mod 4): a^((p+1)/4), if that squares to a.
    package func rootForThreeModFour() -> Self? {
        let root = power(Self.modulus.dividedBy(4).quotient.adding(Limbs(1)))
        return root.squared() == self ? root : nil
    }

    /// x⁻¹ by the binary GCD in batches of 31 steps (Pornin, eprint 2020/972, algorithm 2); zero
    /// for zero.
    ///
    /// The invariants are a ≡ x·u and b ≡ x·v (mod p), up to the constant factor that the start
    /// value of u brings in; at the end a = 0 and b = 1. The steps of a batch look only at the low
    /// 31 and the high 33 bits of a and b and collect what they do in four factors, with which a,
    /// b, u and v are then updated at once. With x·R given and u = R² at the start, v ends as
    /// x⁻¹·R.
    package func inverted() -> Self {
        var a = montgomery
        var b = Self.modulus
        var u = Self.rSquared.montgomery
        var v = Limbs.zero
        while !a.isZero {
            var (f0, g0, f1, g1) = Self.batch(a, b)
            let (nextA, isNegativeA) = Self.combine(a, f0, b, g0, multiple: 0)
            let (nextB, isNegativeB) = Self.combine(a, f1, b, g1, multiple: 0)
            a = isNegativeA ? Limbs.zero.subtracting(nextA) : nextA
            b = isNegativeB ? Limbs.zero.subtracting(nextB) : nextB
            if isNegativeA { (f0, g0) = (0 &- f0, 0 &- g0) }
            if isNegativeB { (f1, g1) = (0 &- f1, 0 &- g1) }
            (u, v) = (Self.combineModulo(u, f0, v, g0), Self.combineModulo(u, f1, v, g1))
        }
        return Self(montgomery: v)
    }

    /// 31 steps of the binary GCD on approximations: a' = (f₀a + g₀b)/2³¹ and b' = (f₁a + g₁b)/2³¹.
    private static func batch(
        _ a: Limbs, _ b: Limbs
    ) -> (f0: Int64, g0: Int64, f1: Int64, g1: Int64) {
        var top = limbCount - 1
        while top > 0 && a[top] | b[top] == 0 { top -= 1 }
        var x = a[0]
        var y = b[0]
        if top > 0 {
            let shift = UInt64((a[top] | b[top]).leadingZeroBitCount)
            let lowMask: UInt64 = 1 &<< 31 &- 1
            let highA = a[top] &<< shift | (a[top - 1] &>> 1) &>> (63 &- shift)
            let highB = b[top] &<< shift | (b[top - 1] &>> 1) &>> (63 &- shift)
            x = x & lowMask | highA & ~lowMask
            y = y & lowMask | highB & ~lowMask
        }
        var (f0, g0, f1, g1): (Int64, Int64, Int64, Int64) = (1, 0, 0, 1)
        for _ in 0..<31 {
            // Odd x: swap so that x ≥ y, then subtract. All by masks: the branches would be coin
            // tosses.
            let odd = 0 &- (x & 1)
            let swap = odd & (x < y ? ~0 : 0)
            let signedOdd = Int64(bitPattern: odd)
            let signedSwap = Int64(bitPattern: swap)
            let (dx, df, dg) = ((x ^ y) & swap, (f0 ^ f1) & signedSwap, (g0 ^ g1) & signedSwap)
            (x, y, f0, f1, g0, g1) = (x ^ dx, y ^ dx, f0 ^ df, f1 ^ df, g0 ^ dg, g1 ^ dg)
            x = (x &- (y & odd)) &>> 1
            f0 = f0 &- (f1 & signedOdd)
            g0 = g0 &- (g1 & signedOdd)
            f1 = f1 &<< 1
            g1 = g1 &<< 1
        }
        return (f0, g0, f1, g1)
    }

    /// (f·a + g·b + multiple·p) / 2³¹ in two's complement, for a sum that 2³¹ divides.
    @inline(always)
    private static func combine(
        _ a: Limbs, _ f: Int64, _ b: Limbs, _ g: Int64, multiple: UInt64
    ) -> (Limbs, isNegative: Bool) {
        let p = modulus
        var result = Limbs.zero
        var sum: Int128 = 0
        var previous: UInt64 = 0
        for index in 0..<limbCount {
            sum &+= Int128(a[index]) &* Int128(f) &+ Int128(b[index]) &* Int128(g)
            sum &+= Int128(p[index]) &* Int128(multiple)
            let limb = UInt64(truncatingIfNeeded: sum)
            if index > 0 { result[index - 1] = previous &>> 31 | limb &<< 33 }
            previous = limb
            sum &>>= 64
        }
        let top = UInt64(truncatingIfNeeded: sum)
        result[limbCount - 1] = previous &>> 31 | top &<< 33
        let isNegative = sum < 0
        for index in limbCount..<Limbs.capacity { result[index] = isNegative ? ~0 : 0 }
        return (result, isNegative)
    }

    /// (f·u + g·v) / 2³¹ mod p.
    private static func combineModulo(_ u: Limbs, _ f: Int64, _ v: Limbs, _ g: Int64) -> Limbs {
        let low = u[0] &* UInt64(bitPattern: f) &+ v[0] &* UInt64(bitPattern: g)
        let multiple = (low &* negatedInverse) & (1 &<< 31 &- 1)
        let (sum, isNegative) = combine(u, f, v, g, multiple: multiple)  // In (−p, 2p).
        if isNegative { return sum.adding(modulus) }
        return sum.isLess(than: modulus) ? sum : sum.subtracting(modulus)
    }
}
