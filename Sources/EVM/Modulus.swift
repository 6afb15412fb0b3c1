/// MULMOD by a modulus that was seen before.
///
/// Contracts that do elliptic curves multiply thousands of times by the same modulus. For such a one
/// the reciprocal is computed once, and a product is then reduced by two multiplications instead of a
/// division (Möller and Granlund, "Improved division by invariant integers", 2011, algorithm 4, with
/// words of 256 bits).

import Primitives

/// A modulus, and after it was used often its reciprocal.
package struct PreparedModulus: BitwiseCopyable {
    private var modulus = UInt256.zero
    private var uses = 0

    /// The modulus shifted left until its top bit is set, by how much, and
    /// ⌊(2⁵¹² − 1) / divisor⌋ − 2²⁵⁶.
    private var divisor = UInt256.zero
    private var shift: UInt64 = 0
    private var reciprocal = UInt256.zero

    /// How many uses are worth a reciprocal.
    private static let threshold = 8

    /// Lines of the cache; a power of two.
    static let count = 8

    package init() {}

    /// The line for a modulus.
    @inline(always)
    static func line(_ modulus: UInt256) -> Int {
        Int(truncatingIfNeeded: (modulus.l0 ^ modulus.l0 &>> 7 ^ modulus.l2) & UInt64(count - 1))
    }

    /// x · y mod the modulus; the arguments may be anything.
    package mutating func multiply(_ x: UInt256, _ y: UInt256, _ modulus: UInt256) -> UInt256 {
        // Common in fixed-point code: 2²⁵⁶ is 1 modulo 2²⁵⁶ − 1.
        if modulus == .max { return Self.multiplyModuloMax(x, y) }
        guard self.modulus == modulus else {
            if modulus.l3 != 0 {
                self.modulus = modulus
                uses = 0
            }
            return x.mulMod(y, modulus)
        }
        if uses < Self.threshold {
            uses += 1
            if uses == Self.threshold { prepare() }
        }
        guard uses == Self.threshold else { return x.mulMod(y, modulus) }
        let (high, low) = x.multipliedFullWidth(by: y)
        // Then the product · 2ˢ is less than divisor · 2²⁵⁶.
        guard high < modulus else { return x.mulMod(y, modulus) }
        if shift == 0 { return reduce(high, low) }
        return reduce(high << shift | low >> (256 - shift), low << shift) >> shift
    }

    private static func multiplyModuloMax(_ x: UInt256, _ y: UInt256) -> UInt256 {
        let (high, low) = x.multipliedFullWidth(by: y)
        let (sum, carry) = high.addingReportingOverflow(low)
        let result = carry ? sum &+ .one : sum
        return result == .max ? .zero : result
    }

    /// (high · 2²⁵⁶ + low) mod divisor, where high is less than the divisor.
    @inline(always)
    private func reduce(_ high: UInt256, _ low: UInt256) -> UInt256 {
        let product = reciprocal.multipliedFullWidth(by: high)
        let (estimate, carry) = product.low.addingReportingOverflow(low)
        var quotient = product.high &+ high &+ .one
        if carry { quotient = quotient &+ .one }
        var rest = low &- quotient &* divisor
        if rest > estimate { rest = rest &+ divisor }
        if rest >= divisor { rest = rest &- divisor }
        return rest
    }

    /// Computes divisor and reciprocal.
    ///
    /// The reciprocal is ⌊N / d⌋ with N = 2⁵¹² − 1 − d · 2²⁵⁶. With r = N mod d, N − r is a multiple of
    /// d, so the quotient, which fits in 256 bits, is (N − r) / d modulo 2²⁵⁶: an exact division.
    private mutating func prepare() {
        shift = UInt64(truncatingIfNeeded: modulus.leadingZeroBitCount)
        divisor = modulus << shift
        let d = divisor
        // N as 512 bits: ~d · 2²⁵⁶ + (2²⁵⁶ − 1). Modulo d, 2²⁵⁶ is −d modulo 2²⁵⁶, as d > 2²⁵⁵.
        let power = d.negated
        let square = power.mulMod(power, d)
        let remainder = square.isZero ? d &- .one : square &- .one
        var high = ~d
        var low = UInt256.max &- remainder
        // Divide both by the power of two in d, then by the odd rest.
        let zeros = Self.trailingZeroBitCount(d)
        let odd = d >> zeros
        if zeros > 0 {
            low = low >> zeros | high << (256 - zeros)
            high = high >> zeros
        }
        reciprocal = low &* Self.inverse(odd)
    }

    private static func trailingZeroBitCount(_ x: UInt256) -> UInt64 {
        let (word, base) =
            x.l0 != 0 ? (x.l0, 0) : x.l1 != 0 ? (x.l1, 64) : x.l2 != 0 ? (x.l2, 128) : (x.l3, 192)
        return UInt64(word.trailingZeroBitCount + base)
    }

    /// The inverse of an odd number modulo 2²⁵⁶, by Newton's iteration: each step doubles the number
    /// of right bits, and an odd number is its own inverse in the lowest three.
    private static func inverse(_ odd: UInt256) -> UInt256 {
        var inverse = odd
        for _ in 0..<7 {
            inverse = inverse &* (UInt256(2 as UInt64) &- odd &* inverse)
        }
        return inverse
    }
}
