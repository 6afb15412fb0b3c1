/// The optimal ate pairing e: G1 × G2 → Fp12, for the two families of curves whose loop runs over
/// the bits of their parameter: Barreto–Naehrig (BN254) and Barreto–Lynn–Scott (BLS12-381).
///
///     e(P, Q) = f(P, Q)^((p¹² − 1)/r)
///
/// where f, of Miller's algorithm, is a product of lines: the tangent or chord through multiples of
/// Q, evaluated at P. The lines depend on Q alone, so they are computed first (`PreparedG2`), and
/// all pairs of a product share the squarings of one loop and one final exponentiation.

/// ξ^(i(p−1)/6) for i = 1…5: what the p-th power does to the powers of w.
package struct FrobeniusCoefficients<Base: PrimeField>: Sendable {
    package let g1, g2, g3, g4, g5: Fp2<Base>

    init(xi: Fp2<Base>) {
        g1 = xi.power(Base.modulus.dividedBy(6).quotient)  // ⌊p/6⌋ = (p − 1)/6 as p ≡ 1 (mod 6).
        g2 = g1 * g1
        g3 = g2 * g1
        g4 = g3 * g1
        g5 = g4 * g1
    }
}

/// How the curve E' that holds G2 maps to E over Fp12: (x, y) ↦ (x·w², y·w³) or (x/w², y/w³).
package enum Twist {
    case multiplying
    case dividing
}

/// A pairing-friendly curve with sextic twist and its tower.
package protocol PairingCurve: Sendable {
    associatedtype Fp: PrimeField
    associatedtype G1: CurveGroup where G1.Coordinate == Fp
    associatedtype G2: CurveGroup where G2.Coordinate == Fp2<Fp>

    static var twist: Twist { get }

    /// a·ξ.
    static func timesXi(_ a: Fp2<Fp>) -> Fp2<Fp>

    static var gamma: FrobeniusCoefficients<Fp> { get }

    /// What ψ multiplies the conjugated coordinates by.
    static var psiCoefficients: (x: Fp2<Fp>, y: Fp2<Fp>) { get }

    /// Signed digits of the absolute value of the loop count, lowest first.
    static var loopDigits: [Int8] { get }

    /// Whether the loop count is negative.
    static var loopIsNegative: Bool { get }

    /// The points whose chords follow the loop.
    static func pointsAfterLoop(_ q: AffinePoint<G2>) -> [AffinePoint<G2>]

    /// f^((p⁴ − p² + 1)/r), or a power of that by a number prime to r.
    static func hardPart(_ f: Fp12<Self>) -> Fp12<Self>
}

extension PairingCurve {
    /// ψ, the p-th power carried over from E to the twist: (x, y) ↦ (x̄·c, ȳ·d).
    package static func psi(_ q: JacobianPoint<G2>) -> JacobianPoint<G2> {
        let (x, y) = psiCoefficients
        return JacobianPoint(q.x.conjugate * x, q.y.conjugate * y, q.z.conjugate)
    }

    static func psi(_ q: AffinePoint<G2>) -> AffinePoint<G2> {
        let (x, y) = psiCoefficients
        return AffinePoint(q.x.conjugate * x, q.y.conjugate * y)
    }

    /// Whether Π e(Pᵢ, Qᵢ) = 1. Pairs with a point at infinity contribute 1.
    ///
    /// - Precondition: all points are in their groups of order r.
    package static func productOfPairingsIsOne(
        _ pairs: [(p: AffinePoint<G1>, q: AffinePoint<G2>)]
    ) -> Bool {
        // Some pairs at a time: enough to share the squarings, few enough to bound the memory of
        // their lines.
        let share = 16
        var product = Fp12<Self>.one
        for start in stride(from: 0, to: pairs.count, by: share) {
            let part = pairs[start..<min(start + share, pairs.count)]
            product = product * millerLoop(part.map { ($0.p, PreparedG2($0.q)) })
        }
        return finalExponentiation(product) == .one
    }

    package static func productOfPairingsIsOne(
        _ pairs: [(p: AffinePoint<G1>, q: PreparedG2<Self>)]
    ) -> Bool {
        finalExponentiation(millerLoop(pairs)) == .one
    }

    package static func millerLoop(
        _ pairs: [(p: AffinePoint<G1>, q: PreparedG2<Self>)]
    ) -> Fp12<Self> {
        let pairs = pairs.filter { !$0.p.isInfinity && !$0.q.lines.isEmpty }
        var f = Fp12<Self>.one
        guard let lineCount = pairs.first?.q.lines.count else { return f }

        var line = 0
        for digit in loopDigits.reversed().dropFirst() {
            f = f.squared()
            for _ in 0..<(digit == 0 ? 1 : 2) {
                for pair in pairs { f = f.multiplied(by: pair.q.lines[line], at: pair.p) }
                line += 1
            }
        }
        if loopIsNegative { f = f.conjugate }
        while line < lineCount {
            for pair in pairs { f = f.multiplied(by: pair.q.lines[line], at: pair.p) }
            line += 1
        }
        return f
    }

    /// f^((p¹² − 1)/r) for the purpose of comparing with one.
    package static func finalExponentiation(_ f: Fp12<Self>) -> Fp12<Self> {
        // (p¹² − 1)/r = (p⁶ − 1)(p² + 1) · (p⁴ − p² + 1)/r
        let easy = f.conjugate * f.inverted()
        return hardPart(easy.frobenius().frobenius() * easy)
    }
}

// MARK: Lines

/// A line through points of the twist, up to a factor in Fp2: y·y_P + x·x_P + constant, at
/// w-positions that depend on the twist.
struct Line<Curve: PairingCurve>: Sendable {
    let y, x, constant: Fp2<Curve.Fp>
}

/// The lines of the Miller loop of a point of G2, in order; none for infinity.
package struct PreparedG2<Curve: PairingCurve>: Sendable {
    let lines: [Line<Curve>]

    package init(_ q: AffinePoint<Curve.G2>) {
        guard !q.isInfinity else {
            lines = []
            return
        }
        var lines: [Line<Curve>] = []
        lines.reserveCapacity(Curve.loopDigits.count * 2)
        var multiple = HomogeneousPoint<Curve>(q)
        for digit in Curve.loopDigits.reversed().dropFirst() {
            lines.append(multiple.double())
            if digit == 1 { lines.append(multiple.add(q)) }
            if digit == -1 { lines.append(multiple.add(-q)) }
        }
        for point in Curve.pointsAfterLoop(q) { lines.append(multiple.add(point)) }
        self.lines = lines
    }
}

/// The running multiple of Q in the Miller loop: (X/Z, Y/Z). Formulas of Aranha, Karabina, Longa,
/// Gebotys and López (eprint 2010/526), doubling scaled by four to avoid halves.
private struct HomogeneousPoint<Curve: PairingCurve> {
    private var x, y, z: Fp2<Curve.Fp>

    /// 3b of the twist.
    private let threeB = Curve.G2.b.tripled()

    init(_ q: AffinePoint<Curve.G2>) {
        (x, y, z) = (q.x, q.y, .one)
    }

    /// T ← 2T; gives the tangent at T.
    mutating func double() -> Line<Curve> {
        let xx = x.squared()
        let b = y.squared()
        let c = z.squared()
        let e = threeB * c
        let f = e.tripled()
        let h = (y + z).squared() - b - c  // 2YZ
        let line = Line<Curve>(y: -h, x: xx.tripled(), constant: e - b)
        let ee = e.squared()
        x = (x * y).doubled() * (b - f)
        y = (b + f).squared() - (ee.tripled()).doubled().doubled()
        z = (b * h).doubled().doubled()
        return line
    }

    /// T ← T + Q; gives the chord through both.
    mutating func add(_ q: AffinePoint<Curve.G2>) -> Line<Curve> {
        let theta = y - q.y * z
        let lambda = x - q.x * z
        let d = lambda.squared()
        let e = lambda * d
        let f = z * theta.squared()
        let g = x * d
        let h = e + f - g.doubled()
        x = lambda * h
        y = theta * (g - h) - e * y
        z = z * e
        return Line(y: lambda, x: -theta, constant: theta * q.x - lambda * q.y)
    }
}

extension Fp12 {
    /// The product with a line evaluated at P, which has only three of six coefficients.
    func multiplied(by line: Line<Curve>, at p: AffinePoint<Curve.G1>) -> Self {
        let y = line.y.multiplied(by: p.y)
        let x = line.x.multiplied(by: p.x)
        switch Curve.twist {
        case .multiplying:  // y + x·w + constant·w³
            let t0 = c0.multiplied(by: y)
            let t1 = c1.multiplied(by: x, line.constant)
            let t2 = (c0 + c1).multiplied(by: y + x, line.constant)
            return Self(t0 + t1.timesV, t2 - t0 - t1)
        case .dividing:  // constant + x·w² + y·w³
            let t0 = c0.multiplied(by: line.constant, x)
            let t1 = c1.multiplied(by: y).timesV
            let t2 = (c0 + c1).multiplied(by: line.constant, x + y)
            return Self(t0 + t1.timesV, t2 - t0 - t1)
        }
    }
}
