// Division of 256-bit and 512-bit numbers.
//
// Knuth's algorithm D as a stream: the remainder so far is the state, each step takes the next
// lower limb of the numerator and gives one limb of the quotient. The limb is estimated with a
// precomputed reciprocal instead of a hardware division (Möller and Granlund, "Improved division
// by invariant integers", 2011), once for each number of limbs of the divisor. Divisors are
// normalised: shifted left until their top bit is set, the numerator with them.

extension UInt256 {
    /// The quotient and the remainder (DIV, MOD); both 0 if the divisor is 0.
    public func quotientAndRemainder(
        dividingBy divisor: UInt256
    ) -> (quotient: UInt256, remainder: UInt256) {
        divide(by: divisor)
    }

    /// The quotient (DIV); x / 0 is 0.
    public func divided(by divisor: UInt256) -> UInt256 {
        divide(by: divisor).quotient
    }

    /// The remainder (MOD); x mod 0 is 0.
    public func remainder(dividingBy divisor: UInt256) -> UInt256 {
        divide(by: divisor).remainder
    }

    /// The quotient; x / 0 is 0 as in the EVM.
    public static func / (left: UInt256, right: UInt256) -> UInt256 {
        left.divide(by: right).quotient
    }

    /// The remainder; x % 0 is 0 as in the EVM.
    public static func % (left: UInt256, right: UInt256) -> UInt256 {
        left.divide(by: right).remainder
    }

    /// (self + other) mod modulus over the whole sum (ADDMOD); 0 if the modulus is 0.
    public func addMod(_ other: UInt256, _ modulus: UInt256) -> UInt256 {
        let (sum, carry) = addingReportingOverflow(other)
        if self < modulus, other < modulus {
            let (reduced, borrow) = sum.subtractingReportingOverflow(modulus)
            return carry || !borrow ? reduced : sum
        }
        guard carry else { return sum.divide(by: modulus).remainder }
        return wideRemainder(high: .one, low: sum, modulus: modulus)
    }

    /// (self · other) mod modulus over the whole product (MULMOD); 0 if the modulus is 0.
    public func mulMod(_ other: UInt256, _ modulus: UInt256) -> UInt256 {
        let (high, low) = multipliedFullWidth(by: other)
        if high.isZero { return low.divide(by: modulus).remainder }
        return wideRemainder(high: high, low: low, modulus: modulus)
    }

    /// The shared body of the above, inlined so that an unused half of the result costs nothing.
    @inline(always)
    private func divide(by divisor: UInt256) -> (quotient: UInt256, remainder: UInt256) {
        if self < divisor { return (.zero, self) }
        if fitsUInt64 {
            // Then the divisor fits as well.
            guard divisor.l0 != 0 else { return (.zero, .zero) }
            let (quotient, remainder) = l0.quotientAndRemainder(dividingBy: divisor.l0)
            return (UInt256(quotient), UInt256(remainder))
        }

        // The numerator n4 … n0 and the divisor, shifted by as many bits. n4 is less than the
        // divisor's top limb, so the limbs the remainder starts from are less than the divisor.
        let shift: UInt64
        if divisor.l3 != 0 {
            shift = UInt64(truncatingIfNeeded: divisor.l3.leadingZeroBitCount)
        } else if divisor.l2 != 0 {
            shift = UInt64(truncatingIfNeeded: divisor.l2.leadingZeroBitCount)
        } else if divisor.l1 != 0 {
            shift = UInt64(truncatingIfNeeded: divisor.l1.leadingZeroBitCount)
        } else if divisor.l0 != 0 {
            shift = UInt64(truncatingIfNeeded: divisor.l0.leadingZeroBitCount)
        } else {
            return (.zero, .zero)
        }
        let n4 = shiftedLeft(0, l3, shift)
        let n3 = shiftedLeft(l3, l2, shift)
        let n2 = shiftedLeft(l2, l1, shift)
        let n1 = shiftedLeft(l1, l0, shift)
        let n0 = l0 &<< shift
        let d3 = shiftedLeft(divisor.l3, divisor.l2, shift)
        let d2 = shiftedLeft(divisor.l2, divisor.l1, shift)
        let d1 = shiftedLeft(divisor.l1, divisor.l0, shift)
        let d0 = divisor.l0 &<< shift

        var quotient = UInt256.zero
        if divisor.l3 != 0 {
            let stream = FourLimbDivisor(UInt256(l0: d0, l1: d1, l2: d2, l3: d3))
            var remainder = UInt256(l0: n1, l1: n2, l2: n3, l3: n4)
            quotient.l0 = stream.step(&remainder, n0)
            return (quotient, remainder >> shift)
        }
        if divisor.l2 != 0 {
            let stream = ThreeLimbDivisor(UInt256(l0: d0, l1: d1, l2: d2, l3: 0))
            var remainder = UInt256(l0: n2, l1: n3, l2: n4, l3: 0)
            quotient.l1 = stream.step(&remainder, n1)
            quotient.l0 = stream.step(&remainder, n0)
            return (quotient, remainder >> shift)
        }
        if divisor.l1 != 0 {
            let stream = TwoLimbDivisor(joined(d1, d0))
            var remainder = joined(n4, n3)
            if l3 != 0 {
                quotient.l2 = stream.step(&remainder, n2)
            } else {
                remainder = joined(n3, n2)
            }
            quotient.l1 = stream.step(&remainder, n1)
            quotient.l0 = stream.step(&remainder, n0)
            return (quotient, UInt256(remainder &>> UInt128(shift)))
        }
        let stream = OneLimbDivisor(d0)
        var remainder = n4
        if l3 != 0 { quotient.l3 = stream.step(&remainder, n3) } else { remainder = n3 }
        if (l3 | l2) != 0 { quotient.l2 = stream.step(&remainder, n2) } else { remainder = n2 }
        quotient.l1 = stream.step(&remainder, n1)
        quotient.l0 = stream.step(&remainder, n0)
        return (quotient, UInt256(remainder &>> shift))
    }

    fileprivate init(_ value: UInt128) {
        self.init(
            l0: UInt64(truncatingIfNeeded: value), l1: UInt64(truncatingIfNeeded: value &>> 64),
            l2: 0, l3: 0)
    }
}

/// The remainder of a number of 512 bits; 0 if the modulus is 0.
private func wideRemainder(high: UInt256, low: UInt256, modulus: UInt256) -> UInt256 {
    if modulus.isZero { return .zero }
    let shift = UInt64(truncatingIfNeeded: modulus.leadingZeroBitCount & 63)
    let limbs: InlineArray<9, UInt64> = [
        low.l0 &<< shift,
        shiftedLeft(low.l1, low.l0, shift),
        shiftedLeft(low.l2, low.l1, shift),
        shiftedLeft(low.l3, low.l2, shift),
        shiftedLeft(high.l0, low.l3, shift),
        shiftedLeft(high.l1, high.l0, shift),
        shiftedLeft(high.l2, high.l1, shift),
        shiftedLeft(high.l3, high.l2, shift),
        shiftedLeft(0, high.l3, shift),
    ]
    // The top limb is less than that of the divisor: it holds fewer bits, or is zero.
    var next = 8
    while limbs[next] == 0, limbs[next - 1] == 0, next > 4 { next -= 1 }

    let divisor = modulus << shift
    if modulus.l3 != 0 {
        let stream = FourLimbDivisor(divisor)
        var remainder = UInt256(
            l0: limbs[next - 3], l1: limbs[next - 2], l2: limbs[next - 1], l3: limbs[next])
        next -= 3
        while next > 0 {
            next -= 1
            _ = stream.step(&remainder, limbs[next])
        }
        return remainder >> shift
    }
    if modulus.l2 != 0 {
        let stream = ThreeLimbDivisor(divisor)
        var remainder = UInt256(
            l0: limbs[next - 2], l1: limbs[next - 1], l2: limbs[next], l3: 0)
        next -= 2
        while next > 0 {
            next -= 1
            _ = stream.step(&remainder, limbs[next])
        }
        return remainder >> shift
    }
    if modulus.l1 != 0 {
        let stream = TwoLimbDivisor(joined(divisor.l1, divisor.l0))
        var remainder = joined(limbs[next], limbs[next - 1])
        next -= 1
        while next > 0 {
            next -= 1
            _ = stream.step(&remainder, limbs[next])
        }
        return UInt256(remainder &>> UInt128(shift))
    }
    let stream = OneLimbDivisor(divisor.l0)
    var remainder = limbs[next]
    while next > 0 {
        next -= 1
        _ = stream.step(&remainder, limbs[next])
    }
    return UInt256(remainder &>> shift)
}

/// Long division by one limb with its top bit set.
private struct OneLimbDivisor {
    let divisor: UInt64
    let reciprocal: UInt64

    @inline(always)
    init(_ divisor: UInt64) {
        self.divisor = divisor
        reciprocal = reciprocal2By1(divisor)
    }

    /// Divides remainder · 2⁶⁴ + limb; the remainder is less than the divisor before and after.
    @inline(always)
    func step(_ remainder: inout UInt64, _ limb: UInt64) -> UInt64 {
        // Möller and Granlund, algorithm 4.
        let estimate = UInt128(reciprocal) &* UInt128(remainder) &+ joined(remainder, limb)
        var quotient = UInt64(truncatingIfNeeded: estimate &>> 64) &+ 1
        var rest = limb &- quotient &* divisor
        if rest > UInt64(truncatingIfNeeded: estimate) {
            quotient &-= 1
            rest &+= divisor
        }
        if rest >= divisor {
            quotient &+= 1
            rest &-= divisor
        }
        remainder = rest
        return quotient
    }
}

/// Long division by two limbs, the higher with its top bit set.
private struct TwoLimbDivisor {
    let divisor: UInt128
    let reciprocal: UInt64

    @inline(always)
    init(_ divisor: UInt128) {
        self.divisor = divisor
        reciprocal = reciprocal3By2(divisor)
    }

    /// Divides remainder · 2⁶⁴ + limb; the remainder is less than the divisor before and after.
    @inline(always)
    func step(_ remainder: inout UInt128, _ limb: UInt64) -> UInt64 {
        // Möller and Granlund, algorithm 5.
        let u2 = UInt64(truncatingIfNeeded: remainder &>> 64)
        let u1 = UInt64(truncatingIfNeeded: remainder)
        let d1 = UInt64(truncatingIfNeeded: divisor &>> 64)
        let d0 = UInt64(truncatingIfNeeded: divisor)
        let estimate = UInt128(reciprocal) &* UInt128(u2) &+ remainder
        var quotient = UInt64(truncatingIfNeeded: estimate &>> 64)
        let r1 = u1 &- quotient &* d1
        var rest = joined(r1, limb) &- UInt128(d0) &* UInt128(quotient) &- divisor
        quotient &+= 1
        if UInt64(truncatingIfNeeded: rest &>> 64) >= UInt64(truncatingIfNeeded: estimate) {
            quotient &-= 1
            rest = rest &+ divisor
        }
        if rest >= divisor {
            quotient &+= 1
            rest = rest &- divisor
        }
        remainder = rest
        return quotient
    }
}

/// Long division by three limbs, the highest with its top bit set; the fourth is zero.
private struct ThreeLimbDivisor {
    let divisor: UInt256
    let top: TwoLimbDivisor

    @inline(always)
    init(_ divisor: UInt256) {
        self.divisor = divisor
        top = TwoLimbDivisor(joined(divisor.l2, divisor.l1))
    }

    /// Divides remainder · 2⁶⁴ + limb; the remainder is less than the divisor before and after.
    @inline(always)
    func step(_ remainder: inout UInt256, _ limb: UInt64) -> UInt64 {
        var upper = joined(remainder.l2, remainder.l1)
        if upper == top.divisor {
            // The quotient is exactly 2⁶⁴ − 1.
            remainder =
                UInt256(l0: limb, l1: remainder.l0, l2: remainder.l1, l3: remainder.l2)
                &- UInt256(l0: 0, l1: divisor.l0, l2: divisor.l1, l3: divisor.l2) &+ divisor
            return .max
        }
        let quotient = top.step(&upper, remainder.l0)
        let (p0, p1) = multiplyAdd(quotient, divisor.l0, 0, 0)
        let (rest, borrow) = UInt256(
            l0: limb, l1: UInt64(truncatingIfNeeded: upper),
            l2: UInt64(truncatingIfNeeded: upper &>> 64), l3: 0
        ).subtractingReportingOverflow(UInt256(l0: p0, l1: p1, l2: 0, l3: 0))
        guard borrow else {
            remainder = rest
            return quotient
        }
        remainder = rest &+ divisor
        return quotient &- 1
    }
}

/// Long division by four limbs, the highest with its top bit set.
private struct FourLimbDivisor {
    let divisor: UInt256
    let top: TwoLimbDivisor

    @inline(always)
    init(_ divisor: UInt256) {
        self.divisor = divisor
        top = TwoLimbDivisor(joined(divisor.l3, divisor.l2))
    }

    /// Divides remainder · 2⁶⁴ + limb; the remainder is less than the divisor before and after.
    @inline(always)
    func step(_ remainder: inout UInt256, _ limb: UInt64) -> UInt64 {
        var upper = joined(remainder.l3, remainder.l2)
        if upper == top.divisor {
            // The quotient is exactly 2⁶⁴ − 1.
            remainder =
                UInt256(l0: limb, l1: remainder.l0, l2: remainder.l1, l3: remainder.l2)
                &- UInt256(l0: 0, l1: divisor.l0, l2: divisor.l1, l3: divisor.l2) &+ divisor
            return .max
        }
        let quotient = top.step(&upper, remainder.l1)
        let (p0, h0) = multiplyAdd(quotient, divisor.l0, 0, 0)
        let (p1, p2) = multiplyAdd(quotient, divisor.l1, h0, 0)
        let (rest, borrow) = UInt256(
            l0: limb, l1: remainder.l0, l2: UInt64(truncatingIfNeeded: upper),
            l3: UInt64(truncatingIfNeeded: upper &>> 64)
        ).subtractingReportingOverflow(UInt256(l0: p0, l1: p1, l2: p2, l3: 0))
        guard borrow else {
            remainder = rest
            return quotient
        }
        remainder = rest &+ divisor
        return quotient &- 1
    }
}

@inline(always)
private func joined(_ high: UInt64, _ low: UInt64) -> UInt128 {
    UInt128(high) &<< 64 | UInt128(low)
}

/// ⌊(2¹²⁸ − 1) / d⌋ − 2⁶⁴ of a limb with its top bit set (Möller and Granlund, algorithm 2; the
/// division by a number of nine bits takes the place of their table).
@inline(always)
private func reciprocal2By1(_ d: UInt64) -> UInt64 {
    let v0 = UInt64(0x7fd00 / UInt32(truncatingIfNeeded: d &>> 55))
    let d40 = d &>> 24 &+ 1
    let v1 = v0 &<< 11 &- (v0 &* v0 &* d40) &>> 40 &- 1
    let v2 = v1 &<< 13 &+ (v1 &* (1 &<< 60 &- v1 &* d40)) &>> 47
    let d0 = d & 1
    let d63 = d &>> 1 &+ d0
    let e = ((v2 &>> 1) & (0 &- d0)) &- v2 &* d63
    let v3 = highProduct(v2, e) &>> 1 &+ v2 &<< 31
    return v3 &- UInt64(truncatingIfNeeded: (UInt128(v3) &* UInt128(d) &+ UInt128(d)) &>> 64) &- d
}

/// ⌊(2¹⁹² − 1) / d⌋ − 2⁶⁴ of two limbs, the higher with its top bit set (Möller and Granlund,
/// algorithm 6).
@inline(always)
private func reciprocal3By2(_ d: UInt128) -> UInt64 {
    let d1 = UInt64(truncatingIfNeeded: d &>> 64)
    let d0 = UInt64(truncatingIfNeeded: d)
    var v = reciprocal2By1(d1)
    var p = d1 &* v &+ d0
    if p < d0 {
        v &-= 1
        if p >= d1 {
            v &-= 1
            p &-= d1
        }
        p &-= d1
    }
    let t = UInt128(v) &* UInt128(d0)
    let t1 = UInt64(truncatingIfNeeded: t &>> 64)
    p &+= t1
    if p < t1 {
        v &-= 1
        if joined(p, UInt64(truncatingIfNeeded: t)) >= d { v &-= 1 }
    }
    return v
}

@inline(always)
private func highProduct(_ x: UInt64, _ y: UInt64) -> UInt64 {
    UInt64(truncatingIfNeeded: (UInt128(x) &* UInt128(y)) &>> 64)
}
