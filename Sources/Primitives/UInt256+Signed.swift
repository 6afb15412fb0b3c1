// The instructions of the EVM that read a word as a signed number in two's complement
// (Yellow Paper, appendix H.2).

extension UInt256 {
    /// Whether the word is negative as a signed number.
    @inlinable @inline(always)
    public var isNegative: Bool { l3 &>> 63 != 0 }

    /// The absolute value of the word as a signed number; that of −2²⁵⁵ is 2²⁵⁵.
    @inlinable @inline(always)
    public var magnitude: UInt256 { isNegative ? negated : self }

    /// Whether this is less than another word, both as signed numbers (SLT).
    @inlinable @inline(always)
    public func isLessSigned(than other: UInt256) -> Bool {
        // Flipping the sign bits maps the signed order on the unsigned one.
        let sign: UInt64 = 1 &<< 63
        return UInt256(l0: l0, l1: l1, l2: l2, l3: l3 ^ sign)
            < UInt256(l0: other.l0, l1: other.l1, l2: other.l2, l3: other.l3 ^ sign)
    }

    /// The quotient of signed numbers, rounded towards zero (SDIV): x / 0 is 0, and −2²⁵⁵ / −1
    /// is −2²⁵⁵.
    public func signedDivided(by divisor: UInt256) -> UInt256 {
        let quotient = magnitude.divided(by: divisor.magnitude)
        return isNegative != divisor.isNegative ? quotient.negated : quotient
    }

    /// The remainder of signed numbers, with the sign of the dividend (SMOD): x mod 0 is 0.
    public func signedRemainder(dividingBy divisor: UInt256) -> UInt256 {
        let remainder = magnitude.remainder(dividingBy: divisor.magnitude)
        return isNegative ? remainder.negated : remainder
    }

    /// Shifted towards the low bits, filled with the sign bit (SAR).
    @inlinable
    public func arithmeticShiftedRight(by count: UInt64) -> UInt256 {
        guard isNegative else { return self >> count }
        return ~(~self >> count)
    }

    /// The sign of the byte at an index from the least significant one, extended over all higher
    /// bytes (SIGNEXTEND); the word itself from index 31 on.
    @inlinable
    public func signExtended(fromByte index: UInt64) -> UInt256 {
        guard index < 31 else { return self }
        let unused = 248 &- index &* 8
        return (self << unused).arithmeticShiftedRight(by: unused)
    }
}
