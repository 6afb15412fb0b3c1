/// The tower of extension fields that pairings live in:
///
///     Fp2  = Fp[u]  / (u² + 1)
///     Fp6  = Fp2[v] / (v³ − ξ)      ξ = 9 + u for BN254, 1 + u for BLS12-381
///     Fp12 = Fp6[w] / (w² − v)
///
/// so that w⁶ = ξ and an element of Fp12 is also a polynomial in w of degree 5 over Fp2:
///
///     (a₀ + a₁v + a₂v²) + (b₀ + b₁v + b₂v²)·w  =  a₀ + b₀w + a₁w² + b₁w³ + a₂w⁴ + b₂w⁵

// MARK: Fp2

/// c0 + c1·u with u² = −1.
package struct Fp2<Base: PrimeField>: Field {
    package var c0, c1: Base

    @inline(always)
    package init(_ c0: Base, _ c1: Base) {
        self.c0 = c0
        self.c1 = c1
    }

    package static var zero: Self { Self(.zero, .zero) }
    package static var one: Self { Self(.one, .zero) }

    @inline(always)
    package var isZero: Bool { c0.isZero && c1.isZero }

    @inline(always)
    package static func + (a: Self, b: Self) -> Self { Self(a.c0 + b.c0, a.c1 + b.c1) }

    @inline(always)
    package static func - (a: Self, b: Self) -> Self { Self(a.c0 - b.c0, a.c1 - b.c1) }

    @inline(always)
    package static prefix func - (a: Self) -> Self { Self(-a.c0, -a.c1) }

    @inline(always)
    package func doubled() -> Self { Self(c0.doubled(), c1.doubled()) }

    /// Four products and two reductions.
    @inline(always)
    package static func * (a: Self, b: Self) -> Self {
        Self(
            Base.sumOfProducts(a.c0, b.c0, -a.c1, b.c1),
            Base.sumOfProducts(a.c0, b.c1, a.c1, b.c0))
    }

    /// (c0 + c1)(c0 − c1) + 2·c0·c1·u.
    @inline(always)
    package func squared() -> Self {
        Self((c0 + c1) * (c0 - c1), c0.doubled() * c1)
    }

    @inline(always)
    func multiplied(by scalar: Base) -> Self { Self(c0 * scalar, c1 * scalar) }

    /// c0 − c1·u, which is the p-th power.
    @inline(always)
    package var conjugate: Self { Self(c0, -c1) }

    /// c0² + c1², the product with the conjugate.
    package var norm: Base { Base.sumOfProducts(c0, c0, c1, c1) }

    package func inverted() -> Self { conjugate.multiplied(by: norm.inverted()) }
}

extension Fp2: SquareRootField where Base: SquareRootField {
    /// The complex method: if s² = norm then one of (c0 ± s)/2 is the square of the root's first
    /// coordinate.
    package func squareRoot() -> Self? {
        if c1.isZero {
            if let root = c0.squareRoot() { return Self(root, .zero) }
            // −1 is no square in Fp, so −c0 is one.
            return (-c0).squareRoot().map { Self(.zero, $0) }
        }
        guard let normRoot = norm.squareRoot() else { return nil }
        let half = Base(2).inverted()
        let first =
            ((c0 + normRoot) * half).squareRoot() ?? ((c0 - normRoot) * half).squareRoot()
        guard let first else { return nil }
        return Self(first, c1 * first.doubled().inverted())
    }

    package var isOdd: Bool { c0.isZero ? c1.isOdd : c0.isOdd }
}

// MARK: Fp6

/// c0 + c1·v + c2·v² with v³ = ξ.
package struct Fp6<Curve: PairingCurve>: Equatable, Sendable {
    package typealias Coefficient = Fp2<Curve.Fp>

    package var c0, c1, c2: Coefficient

    @inline(always)
    package init(_ c0: Coefficient, _ c1: Coefficient, _ c2: Coefficient) {
        self.c0 = c0
        self.c1 = c1
        self.c2 = c2
    }

    package static var zero: Self { Self(.zero, .zero, .zero) }
    package static var one: Self { Self(.one, .zero, .zero) }

    @inline(always)
    static func + (a: Self, b: Self) -> Self { Self(a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2) }

    @inline(always)
    static func - (a: Self, b: Self) -> Self { Self(a.c0 - b.c0, a.c1 - b.c1, a.c2 - b.c2) }

    @inline(always)
    static prefix func - (a: Self) -> Self { Self(-a.c0, -a.c1, -a.c2) }

    /// Karatsuba: six products of coefficients.
    @inline(never)
    package static func * (a: Self, b: Self) -> Self {
        let t0 = a.c0 * b.c0
        let t1 = a.c1 * b.c1
        let t2 = a.c2 * b.c2
        let t12 = (a.c1 + a.c2) * (b.c1 + b.c2) - t1 - t2
        let t01 = (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1
        let t02 = (a.c0 + a.c2) * (b.c0 + b.c2) - t0 - t2
        return Self(t0 + Curve.timesXi(t12), t01 + Curve.timesXi(t2), t02 + t1)
    }

    /// The product with b0 + b1·v.
    @inline(never)
    package func multiplied(by b0: Coefficient, _ b1: Coefficient) -> Self {
        let t0 = c0 * b0
        let t1 = c1 * b1
        let t12 = (c1 + c2) * b1 - t1
        let t01 = (c0 + c1) * (b0 + b1) - t0 - t1
        let t02 = (c0 + c2) * b0 - t0
        return Self(t0 + Curve.timesXi(t12), t01, t02 + t1)
    }

    /// The product with an element of Fp2.
    @inline(always)
    package func multiplied(by b: Coefficient) -> Self { Self(c0 * b, c1 * b, c2 * b) }

    /// The product with v.
    @inline(always)
    package var timesV: Self { Self(Curve.timesXi(c2), c0, c1) }

    package func inverted() -> Self {
        let t0 = c0.squared() - Curve.timesXi(c1 * c2)
        let t1 = Curve.timesXi(c2.squared()) - c0 * c1
        let t2 = c1.squared() - c0 * c2
        let norm = c0 * t0 + Curve.timesXi(c2 * t1 + c1 * t2)
        return Self(t0, t1, t2).multiplied(by: norm.inverted())
    }
}

// MARK: Fp12

/// c0 + c1·w with w² = v.
package struct Fp12<Curve: PairingCurve>: Equatable, Sendable {
    typealias Coefficient = Fp2<Curve.Fp>

    package var c0, c1: Fp6<Curve>

    @inline(always)
    package init(_ c0: Fp6<Curve>, _ c1: Fp6<Curve>) {
        self.c0 = c0
        self.c1 = c1
    }

    package static var one: Self { Self(.one, .zero) }

    @inline(never)
    package static func * (a: Self, b: Self) -> Self {
        let t0 = a.c0 * b.c0
        let t1 = a.c1 * b.c1
        return Self(t0 + t1.timesV, (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1)
    }

    @inline(never)
    package func squared() -> Self {
        let product = c0 * c1
        let t = (c0 + c1) * (c0 + c1.timesV) - product - product.timesV
        return Self(t, product + product)
    }

    /// c0 − c1·w, which is the p⁶-th power; the inverse in the cyclotomic subgroup.
    package var conjugate: Self { Self(c0, -c1) }

    package func inverted() -> Self {
        let norm = (c0 * c0 - (c1 * c1).timesV).inverted()
        return Self(c0 * norm, -(c1 * norm))
    }

    /// The p-th power: conjugates the coefficient of wⁱ and multiplies it by γᵢ = ξ^(i(p−1)/6).
    package func frobenius() -> Self {
        let gamma = Curve.gamma
        return Self(
            Fp6(c0.c0.conjugate, c0.c1.conjugate * gamma.g2, c0.c2.conjugate * gamma.g4),
            Fp6(
                c1.c0.conjugate * gamma.g1, c1.c1.conjugate * gamma.g3,
                c1.c2.conjugate * gamma.g5))
    }

    // MARK: In the cyclotomic subgroup, the elements of order dividing p⁴ − p² + 1

    /// The square of an element of the cyclotomic subgroup, three squarings in Fp4 (Granger and
    /// Scott, eprint 2009/565).
    @inline(never)
    package func cyclotomicSquared() -> Self {
        let (a0, a1) = Self.squareInFp4(c0.c0, c1.c1)
        let (b0, b1) = Self.squareInFp4(c1.c0, c0.c2)
        let (d0, d1) = Self.squareInFp4(c0.c1, c1.c2)
        let e0 = Curve.timesXi(d1)
        return Self(
            Fp6(
                (a0 - c0.c0).doubled() + a0, (b0 - c0.c1).doubled() + b0,
                (d0 - c0.c2).doubled() + d0),
            Fp6(
                (e0 + c1.c0).doubled() + e0, (a1 + c1.c1).doubled() + a1,
                (b1 + c1.c2).doubled() + b1))
    }

    /// (a + b·s)² for s² = ξ.
    @inline(always)
    private static func squareInFp4(
        _ a: Coefficient, _ b: Coefficient
    ) -> (Coefficient, Coefficient) {
        let t0 = a.squared()
        let t1 = b.squared()
        return (Curve.timesXi(t1) + t0, (a + b).squared() - t0 - t1)
    }

    /// The power of an element of the cyclotomic subgroup, the exponent given by signed digits −1,
    /// 0, 1, lowest first.
    package func cyclotomicPower(_ digits: [Int8]) -> Self {
        let inverse = conjugate
        var result = Self.one
        for digit in digits.reversed() {
            result = result.cyclotomicSquared()
            if digit == 1 { result = result * self }
            if digit == -1 { result = result * inverse }
        }
        return result
    }
}
