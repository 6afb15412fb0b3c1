/// The base field of BLS12-381, 381 bits in six limbs. The method is that of `FourLimbField`; p
/// leaves three bits of the top limb free, so two products fit the running sum, and squaring can
/// use doubled limbs.

/// Fp of BLS12-381: p = (x − 1)²(x⁴ − x² + 1)/3 + x for x = −0xd201000000010000.
package struct SixLimbField: PrimeField {
    /// x·2³⁸⁴ mod p, l0 lowest.
    var l0, l1, l2, l3, l4, l5: UInt64

    @inline(always)
    init(
        _ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64, _ l4: UInt64, _ l5: UInt64
    ) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
        self.l4 = l4
        self.l5 = l5
    }

    @inline(always)
    package init(montgomery limbs: Limbs) {
        self.init(limbs[0], limbs[1], limbs[2], limbs[3], limbs[4], limbs[5])
    }

    package var montgomery: Limbs { [l0, l1, l2, l3, l4, l5] }

    // The limbs of p.
    private static var p0: UInt64 { 0xb9fe_ffff_ffff_aaab }
    private static var p1: UInt64 { 0x1eab_fffe_b153_ffff }
    private static var p2: UInt64 { 0x6730_d2a0_f6b0_f624 }
    private static var p3: UInt64 { 0x6477_4b84_f385_12bf }
    private static var p4: UInt64 { 0x4b1b_a7b6_434b_acd7 }
    private static var p5: UInt64 { 0x1a01_11ea_397f_e69a }

    package static var limbCount: Int { 6 }
    package static var modulus: Limbs { [p0, p1, p2, p3, p4, p5] }
    package static var negatedInverse: UInt64 { 0x89f3_fffc_fffc_fffd }

    /// 2⁷⁶⁸ mod p.
    package static var rSquared: Self {
        Self(
            0xf4df_1f34_1c34_1746, 0x0a76_e6a6_09d1_04f1, 0x8de5_476c_4c95_b6d5,
            0x67eb_88a9_939d_83c0, 0x9a79_3e85_b519_952d, 0x1198_8fe5_92ca_e3aa)
    }

    package static var zero: Self { Self(0, 0, 0, 0, 0, 0) }

    /// 2³⁸⁴ mod p.
    package static var one: Self {
        Self(
            0x7609_0000_0002_fffd, 0xebf4_000b_c40c_0002, 0x5f48_9857_53c7_58ba,
            0x77ce_5853_7052_5745, 0x5c07_1a97_a256_ec6d, 0x15f6_5ec3_fa80_e493)
    }

    @inline(always)
    package var isZero: Bool { l0 | l1 | l2 | l3 | l4 | l5 == 0 }

    // MARK: Addition

    /// a − (p − b). An addition followed by a comparison with p would cost three times as much: the
    /// compiler turns the comparison with a constant into branches, which random numbers defeat.
    @inline(always)
    package static func + (a: Self, b: Self) -> Self {
        a - subtract(Self(p0, p1, p2, p3, p4, p5), b).difference
    }

    @inline(always)
    package static func - (a: Self, b: Self) -> Self {
        let (d, isNegative) = subtract(a, b)
        var carry = false
        let e0 = addWithCarry(d.l0, p0, &carry)
        let e1 = addWithCarry(d.l1, p1, &carry)
        let e2 = addWithCarry(d.l2, p2, &carry)
        let e3 = addWithCarry(d.l3, p3, &carry)
        let e4 = addWithCarry(d.l4, p4, &carry)
        let e5 = addWithCarry(d.l5, p5, &carry)
        return Self(
            isNegative ? e0 : d.l0, isNegative ? e1 : d.l1,
            isNegative ? e2 : d.l2, isNegative ? e3 : d.l3,
            isNegative ? e4 : d.l4, isNegative ? e5 : d.l5)
    }

    /// a − b modulo 2³⁸⁴.
    @inline(always)
    private static func subtract(_ a: Self, _ b: Self) -> (difference: Self, isNegative: Bool) {
        var borrow = false
        let l0 = subtractWithBorrow(a.l0, b.l0, &borrow)
        let l1 = subtractWithBorrow(a.l1, b.l1, &borrow)
        let l2 = subtractWithBorrow(a.l2, b.l2, &borrow)
        let l3 = subtractWithBorrow(a.l3, b.l3, &borrow)
        let l4 = subtractWithBorrow(a.l4, b.l4, &borrow)
        let l5 = subtractWithBorrow(a.l5, b.l5, &borrow)
        return (Self(l0, l1, l2, l3, l4, l5), borrow)
    }

    @inline(always)
    package static prefix func - (a: Self) -> Self { zero - a }

    @inline(always)
    package func doubled() -> Self { self + self }

    // MARK: Multiplication

    @inline(never)
    package static func * (a: Self, b: Self) -> Self {
        var sum = RunningSum()
        sum.add(a, times: b.l0)
        sum.divideByLimb()
        sum.add(a, times: b.l1)
        sum.divideByLimb()
        sum.add(a, times: b.l2)
        sum.divideByLimb()
        sum.add(a, times: b.l3)
        sum.divideByLimb()
        sum.add(a, times: b.l4)
        sum.divideByLimb()
        sum.add(a, times: b.l5)
        sum.divideByLimb()
        return sum.result
    }

    @inline(never)
    package static func sumOfProducts(_ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self {
        var sum = RunningSum()
        sum.add(a, times: b.l0)
        sum.add(c, times: d.l0)
        sum.divideByLimb()
        sum.add(a, times: b.l1)
        sum.add(c, times: d.l1)
        sum.divideByLimb()
        sum.add(a, times: b.l2)
        sum.add(c, times: d.l2)
        sum.divideByLimb()
        sum.add(a, times: b.l3)
        sum.add(c, times: d.l3)
        sum.divideByLimb()
        sum.add(a, times: b.l4)
        sum.add(c, times: d.l4)
        sum.divideByLimb()
        sum.add(a, times: b.l5)
        sum.add(c, times: d.l5)
        sum.divideByLimb()
        return sum.result
    }

    /// Each product of two different limbs is computed once and added twice: row i adds aᵢ·(aᵢ +
    /// 2aᵢ₊₁ + …) from limb i of the shifted sum upwards.
    @inline(never)
    package func squared() -> Self {
        // 2a limb by limb; row i starts at limb i + 1 without the bit that its lower neighbour
        // shifts out.
        let d2 = l2 &<< 1 | l1 &>> 63
        let d3 = l3 &<< 1 | l2 &>> 63
        let d4 = l4 &<< 1 | l3 &>> 63
        let d5 = l5 &<< 1 | l4 &>> 63
        var sum = RunningSum()
        var carry: UInt64

        (sum.t0, carry) = multiplyAdd(0, l0, l0, 0)
        (sum.t1, carry) = multiplyAdd(0, l0, l1 &<< 1, carry)
        (sum.t2, carry) = multiplyAdd(0, l0, d2, carry)
        (sum.t3, carry) = multiplyAdd(0, l0, d3, carry)
        (sum.t4, carry) = multiplyAdd(0, l0, d4, carry)
        (sum.t5, sum.t6) = multiplyAdd(0, l0, d5, carry)
        sum.divideByLimb()

        (sum.t1, carry) = multiplyAdd(sum.t1, l1, l1, 0)
        (sum.t2, carry) = multiplyAdd(sum.t2, l1, l2 &<< 1, carry)
        (sum.t3, carry) = multiplyAdd(sum.t3, l1, d3, carry)
        (sum.t4, carry) = multiplyAdd(sum.t4, l1, d4, carry)
        (sum.t5, sum.t6) = multiplyAdd(sum.t5, l1, d5, carry)
        sum.divideByLimb()

        (sum.t2, carry) = multiplyAdd(sum.t2, l2, l2, 0)
        (sum.t3, carry) = multiplyAdd(sum.t3, l2, l3 &<< 1, carry)
        (sum.t4, carry) = multiplyAdd(sum.t4, l2, d4, carry)
        (sum.t5, sum.t6) = multiplyAdd(sum.t5, l2, d5, carry)
        sum.divideByLimb()

        (sum.t3, carry) = multiplyAdd(sum.t3, l3, l3, 0)
        (sum.t4, carry) = multiplyAdd(sum.t4, l3, l4 &<< 1, carry)
        (sum.t5, sum.t6) = multiplyAdd(sum.t5, l3, d5, carry)
        sum.divideByLimb()

        (sum.t4, carry) = multiplyAdd(sum.t4, l4, l4, 0)
        (sum.t5, sum.t6) = multiplyAdd(sum.t5, l4, l5 &<< 1, carry)
        sum.divideByLimb()

        (sum.t5, sum.t6) = multiplyAdd(sum.t5, l5, l5, 0)
        sum.divideByLimb()
        return sum.result
    }

    /// From [0, 2p) to [0, p).
    @inline(always)
    private func reducedOnce() -> Self {
        var borrow = false
        let d0 = subtractWithBorrow(l0, Self.p0, &borrow)
        let d1 = subtractWithBorrow(l1, Self.p1, &borrow)
        let d2 = subtractWithBorrow(l2, Self.p2, &borrow)
        let d3 = subtractWithBorrow(l3, Self.p3, &borrow)
        let d4 = subtractWithBorrow(l4, Self.p4, &borrow)
        let d5 = subtractWithBorrow(l5, Self.p5, &borrow)
        return Self(
            borrow ? l0 : d0, borrow ? l1 : d1, borrow ? l2 : d2,
            borrow ? l3 : d3, borrow ? l4 : d4, borrow ? l5 : d5)
    }

    /// The limbs that a multiplication works on, t0 lowest.
    private struct RunningSum {
        var t0: UInt64 = 0
        var t1: UInt64 = 0
        var t2: UInt64 = 0
        var t3: UInt64 = 0
        var t4: UInt64 = 0
        var t5: UInt64 = 0
        var t6: UInt64 = 0

        /// t += a·x.
        @inline(always)
        mutating func add(_ a: SixLimbField, times x: UInt64) {
            var carry: UInt64
            (t0, carry) = multiplyAdd(t0, a.l0, x, 0)
            (t1, carry) = multiplyAdd(t1, a.l1, x, carry)
            (t2, carry) = multiplyAdd(t2, a.l2, x, carry)
            (t3, carry) = multiplyAdd(t3, a.l3, x, carry)
            (t4, carry) = multiplyAdd(t4, a.l4, x, carry)
            (t5, carry) = multiplyAdd(t5, a.l5, x, carry)
            t6 = t6 &+ carry
        }

        /// t = (t + m·p) / 2⁶⁴ with the m that makes this exact.
        @inline(always)
        mutating func divideByLimb() {
            let m = t0 &* SixLimbField.negatedInverse
            var carry = multiplyAdd(t0, m, p0, 0).high
            (t0, carry) = multiplyAdd(t1, m, p1, carry)
            (t1, carry) = multiplyAdd(t2, m, p2, carry)
            (t2, carry) = multiplyAdd(t3, m, p3, carry)
            (t3, carry) = multiplyAdd(t4, m, p4, carry)
            (t4, carry) = multiplyAdd(t5, m, p5, carry)
            t5 = t6 &+ carry
            t6 = 0
        }

        @inline(always)
        var result: SixLimbField { SixLimbField(t0, t1, t2, t3, t4, t5).reducedOnce() }
    }
}

extension SixLimbField: SquareRootField {
    package func squareRoot() -> Self? { rootForThreeModFour() }
}
