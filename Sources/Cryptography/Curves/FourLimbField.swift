/// Prime fields of up to 255 bits in four limbs: BN254's Fp and BLS12-381's Fr.
///
/// A product is built row by row (coarsely integrated operand scanning): add one row a·bᵢ, then add
/// the multiple of p that clears the lowest limb, and shift. p has its top bit clear, so the
/// running sum never exceeds five limbs and one final subtraction makes the result canonical.

/// The constants of a field in four limbs, lowest first.
package protocol FourLimbModulus: Sendable {
    /// The prime p < 2²⁵⁵.
    static var p: (UInt64, UInt64, UInt64, UInt64) { get }
    /// −p⁻¹ mod 2⁶⁴.
    static var negatedInverse: UInt64 { get }
    /// 2²⁵⁶ mod p.
    static var r: (UInt64, UInt64, UInt64, UInt64) { get }
    /// 2⁵¹² mod p.
    static var rSquared: (UInt64, UInt64, UInt64, UInt64) { get }
}

package struct FourLimbField<Modulus: FourLimbModulus>: PrimeField {
    /// x·2²⁵⁶ mod p, l0 lowest.
    var l0, l1, l2, l3: UInt64

    @inline(always)
    init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
    }

    @inline(always)
    private init(_ limbs: (UInt64, UInt64, UInt64, UInt64)) {
        self.init(limbs.0, limbs.1, limbs.2, limbs.3)
    }

    @inline(always)
    package init(montgomery limbs: Limbs) {
        self.init(limbs[0], limbs[1], limbs[2], limbs[3])
    }

    package var montgomery: Limbs { [l0, l1, l2, l3, 0, 0] }

    package static var limbCount: Int { 4 }

    package static var modulus: Limbs {
        let p = Modulus.p
        return [p.0, p.1, p.2, p.3, 0, 0]
    }

    package static var negatedInverse: UInt64 { Modulus.negatedInverse }
    package static var rSquared: Self { Self(Modulus.rSquared) }
    package static var zero: Self { Self(0, 0, 0, 0) }
    package static var one: Self { Self(Modulus.r) }

    @inline(always)
    package var isZero: Bool { l0 | l1 | l2 | l3 == 0 }

    // MARK: Addition

    /// a − (p − b). An addition followed by a comparison with p would cost three times as much: the
    /// compiler turns the comparison with a constant into branches, which random numbers defeat.
    @inline(always)
    package static func + (a: Self, b: Self) -> Self { a - subtract(Self(Modulus.p), b).difference }

    @inline(always)
    package static func - (a: Self, b: Self) -> Self {
        let (d, isNegative) = subtract(a, b)
        let p = Modulus.p
        var carry = false
        let e0 = addWithCarry(d.l0, p.0, &carry)
        let e1 = addWithCarry(d.l1, p.1, &carry)
        let e2 = addWithCarry(d.l2, p.2, &carry)
        let e3 = addWithCarry(d.l3, p.3, &carry)
        return Self(
            isNegative ? e0 : d.l0, isNegative ? e1 : d.l1,
            isNegative ? e2 : d.l2, isNegative ? e3 : d.l3)
    }

    /// a − b modulo 2²⁵⁶.
    @inline(always)
    private static func subtract(_ a: Self, _ b: Self) -> (difference: Self, isNegative: Bool) {
        var borrow = false
        let l0 = subtractWithBorrow(a.l0, b.l0, &borrow)
        let l1 = subtractWithBorrow(a.l1, b.l1, &borrow)
        let l2 = subtractWithBorrow(a.l2, b.l2, &borrow)
        let l3 = subtractWithBorrow(a.l3, b.l3, &borrow)
        return (Self(l0, l1, l2, l3), borrow)
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
        return sum.result
    }

    package func squared() -> Self { self * self }

    /// Sound for p < 2²⁵⁴, that is for BN254's Fp.
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
        return sum.result
    }

    /// From [0, 2p) to [0, p).
    @inline(always)
    private func reducedOnce() -> Self {
        let p = Modulus.p
        var borrow = false
        let d0 = subtractWithBorrow(l0, p.0, &borrow)
        let d1 = subtractWithBorrow(l1, p.1, &borrow)
        let d2 = subtractWithBorrow(l2, p.2, &borrow)
        let d3 = subtractWithBorrow(l3, p.3, &borrow)
        return Self(borrow ? l0 : d0, borrow ? l1 : d1, borrow ? l2 : d2, borrow ? l3 : d3)
    }

    /// The limbs that a multiplication works on, t0 lowest.
    private struct RunningSum {
        var t0: UInt64 = 0
        var t1: UInt64 = 0
        var t2: UInt64 = 0
        var t3: UInt64 = 0
        var t4: UInt64 = 0

        /// t += a·x.
        @inline(always)
        mutating func add(_ a: FourLimbField, times x: UInt64) {
            var carry: UInt64
            (t0, carry) = multiplyAdd(t0, a.l0, x, 0)
            (t1, carry) = multiplyAdd(t1, a.l1, x, carry)
            (t2, carry) = multiplyAdd(t2, a.l2, x, carry)
            (t3, carry) = multiplyAdd(t3, a.l3, x, carry)
            t4 = t4 &+ carry
        }

        /// t = (t + m·p) / 2⁶⁴ with the m that makes this exact.
        @inline(always)
        mutating func divideByLimb() {
            let p = Modulus.p
            let m = t0 &* Modulus.negatedInverse
            var carry = multiplyAdd(t0, m, p.0, 0).high
            (t0, carry) = multiplyAdd(t1, m, p.1, carry)
            (t1, carry) = multiplyAdd(t2, m, p.2, carry)
            (t2, carry) = multiplyAdd(t3, m, p.3, carry)
            t3 = t4 &+ carry
            t4 = 0
        }

        @inline(always)
        var result: FourLimbField { FourLimbField(t0, t1, t2, t3).reducedOnce() }
    }
}
