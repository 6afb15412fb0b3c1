import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct CurvePointTests {
    /// k·P from the top bit downwards.
    static func multiple<G: CurveGroup>(
        _ point: AffinePoint<G>, _ scalar: Limbs
    ) -> JacobianPoint<G> {
        var result = JacobianPoint<G>.infinity
        for index in (0..<Limbs.capacity).reversed() {
            for bit in (0..<UInt64(64)).reversed() {
                result = result.doubled()
                if scalar[index] >> bit & 1 == 1 { result = result + point }
            }
        }
        return result
    }

    /// A point of the curve with a root for y at the first x from `start` on, most probably not in
    /// the subgroup.
    static func pointOnCurve<G: CurveGroup>(from start: G.Coordinate) -> AffinePoint<G>
    where G.Coordinate: SquareRootField {
        var x = start
        while true {
            if let y = (x.squared() * x + G.b).squareRoot() { return AffinePoint(x, y) }
            x = x + .one
        }
    }

    static let bnGenerator = AffinePoint<BN254.G1>(BN254.Fp(1), BN254.Fp(2))

    /// The generator of BN254's G2 (EIP-197).
    static let bnTwistGenerator = AffinePoint<BN254.G2>(
        Fp2(
            BN254.Fp(hex: "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"),
            BN254.Fp(hex: "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2")),
        Fp2(
            BN254.Fp(hex: "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"),
            BN254.Fp(hex: "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b")))

    // MARK: Group laws

    @Test func `the laws of a group hold`() {
        func check<G: CurveGroup>(_ generator: AffinePoint<G>, order: Limbs) {
            #expect(generator.isOnCurve)
            #expect(AffinePoint<G>.infinity.isOnCurve)
            #expect(!AffinePoint<G>(generator.x, generator.y + .one).isOnCurve)
            let p = Self.multiple(generator, Limbs(0xdead_beef))
            let q = Self.multiple(generator, Limbs(0x1234_5678_9abc))
            let s = Self.multiple(generator, Limbs(3))
            let zero = JacobianPoint<G>.infinity
            #expect(p.affine.isOnCurve)
            #expect(p + q == q + p)
            #expect((p + q) + s == p + (q + s))
            #expect(p + zero == p)
            #expect(zero + p == p)
            #expect(zero + zero == zero)
            #expect(p - p == zero)
            #expect(p + p == p.doubled())
            #expect(p != q)
            #expect(p != zero)
            #expect(zero.doubled() == zero)
            #expect(p + q.affine == p + q)
            #expect(p + p.affine == p.doubled())
            #expect((p + (-p).affine).isInfinity)
            #expect(p + AffinePoint<G>.infinity == p)
            #expect(zero + q.affine == q)
            #expect(zero.affine == .infinity)
            #expect(JacobianPoint(AffinePoint<G>.infinity).isInfinity)
            #expect(JacobianPoint.affine([p, zero, q]) == [p.affine, .infinity, q.affine])
            #expect(p.multiplied(by: 5) == p.doubled().doubled() + p)
            #expect(p.multiplied(by: UInt64(0)).isInfinity)
            #expect(Self.multiple(generator, order).isInfinity)
        }
        check(Self.bnGenerator, order: BN254.order)
        check(Self.bnTwistGenerator, order: BN254.order)
        check(BLS12381.G1.generator, order: BLS12381.Fr.modulus)
        check(BLS12381.G2.generator, order: BLS12381.Fr.modulus)
    }

    // MARK: Sums of multiples

    @Test(arguments: [2, 3, 5, 8])
    func `signed digits are sparse and add up`(width: Int) {
        var random = SeededRandom(seed: 20)
        var scalars: [UInt128] = [0, 1, 2, 3, 15, 16, 17, .max >> 1, 1 << 127, (1 << 127) - 1]
        for _ in 0..<20 { scalars.append(UInt128(random.next()) << 60 | UInt128(random.next())) }
        for scalar in scalars {
            let digits = signedDigits(of: scalar, width: width)
            var value: UInt128 = 0
            for digit in digits.reversed() {
                value = value &* 2 &+ UInt128(truncatingIfNeeded: digit)
                #expect(digit == 0 || digit & 1 == 1)
                #expect(abs(Int(digit)) < 1 << (width - 1))
            }
            #expect(value == scalar)
            for start in digits.indices {
                #expect(digits[start...].prefix(width).count { $0 != 0 } <= 1)
            }
        }
    }

    @Test(arguments: [0, 1, 2, 7, 15, 16, 17, 60, 200])
    func `a sum of multiples is the sum of the multiples`(count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        func check<G: CurveGroup>(_ generator: AffinePoint<G>) {
            var points: [AffinePoint<G>] = []
            var scalars: [UInt128] = []
            var expected: UInt64 = 0
            // The points are known multiples of the generator, so one multiplication gives the sum.
            for index in 0..<count {
                let factor = random.next() >> 40
                let scalar = [0, 1, random.next() >> 40, random.next() >> 40][index % 4]
                points.append(JacobianPoint(generator).multiplied(by: factor).affine)
                scalars.append(UInt128(scalar))
                expected += factor * scalar
            }
            #expect(
                JacobianPoint.sum(of: points, times: scalars)
                    == JacobianPoint(generator).multiplied(by: expected))
        }
        check(Self.bnGenerator)
        check(BLS12381.G2.generator)
    }

    @Test func `equal, opposite and infinite points may be summed`() {
        typealias Point = AffinePoint<BLS12381.G1>
        let p = BLS12381.G1.generator
        for count in [3, 30] {
            let same = [Point](repeating: p, count: count)
            let scalars = [UInt128](repeating: 77, count: count)
            #expect(
                JacobianPoint.sum(of: same, times: scalars)
                    == JacobianPoint(p).multiplied(by: 77 * UInt64(count)))
            #expect(
                JacobianPoint.sum(of: same + same.map { -$0 }, times: scalars + scalars)
                    .isInfinity)
            let nothing = [Point](repeating: .infinity, count: count)
            #expect(JacobianPoint.sum(of: nothing, times: scalars).isInfinity)
        }
    }

    @Test func `scalars of full length may be summed`() {
        var random = SeededRandom(seed: 21)
        let order = BLS12381.Fr.modulus
        var scalars: [BLS12381.Fr] = [.zero, .one, -.one]
        for _ in 0..<17 { scalars.append(FieldTests.sample(random: &random)) }
        for scalar in scalars {
            let k = scalar.canonical
            #expect(
                BLS12381.sum(of: [BLS12381.G1.generator], times: [scalar])
                    == Self.multiple(BLS12381.G1.generator, k))
            #expect(
                BLS12381.sum(of: [BLS12381.G2.generator], times: [scalar])
                    == Self.multiple(BLS12381.G2.generator, k))
        }
        let total = scalars.reduce(BLS12381.Fr.zero, +)
        #expect(total.canonical.isLess(than: order))
        #expect(
            BLS12381.sum(
                of: Array(repeating: BLS12381.G1.generator, count: scalars.count), times: scalars)
                == Self.multiple(BLS12381.G1.generator, total.canonical))
    }

    // MARK: Endomorphisms and subgroups

    @Test func `a scalar of BN254 splits into two halves`() {
        var random = SeededRandom(seed: 22)
        let order = BN254.order
        var scalars: [Limbs] = [.zero, Limbs(1), order.subtracting(Limbs(1)), order]
        scalars.append([.max, .max, .max, .max, 0, 0])
        for _ in 0..<100 {
            scalars.append([random.next(), random.next(), random.next(), random.next(), 0, 0])
        }
        for scalar in scalars {
            let (k0, k1) = BN254.split(scalar)
            #expect(k0.magnitude < 1 << 127)
            #expect(k1.magnitude < 1 << 127)
            // k₀ + k₁λ modulo r, with λ = 36x³ + 18x² + 6x + 1.
            let r = word(order)
            let x = UInt256(BN254.parameter)
            let lambda = ((x * 36 + 18) * x + 6) * x + 1
            func residue(_ number: Int128) -> UInt256 {
                let size = UInt256(
                    l0: UInt64(truncatingIfNeeded: number.magnitude),
                    l1: UInt64(truncatingIfNeeded: number.magnitude >> 64), l2: 0, l3: 0)
                return number < 0 ? (r - size) : size
            }
            let sum = residue(k0).addMod(residue(k1).mulMod(lambda, r), r)
            #expect(sum == word(scalar) % r)
        }
    }

    @Test func `multiples in BN254 agree with double and add`() {
        var random = SeededRandom(seed: 23)
        for _ in 0..<10 {
            let scalar: Limbs = [random.next(), random.next(), random.next(), random.next(), 0, 0]
            let point = Self.multiple(Self.bnGenerator, Limbs(random.next())).affine
            #expect(BN254.multiply(point, by: scalar) == Self.multiple(point, scalar))
        }
    }

    @Test func `the twist endomorphism has the eigenvalue of the field's characteristic`() {
        // ψ² − [t]ψ + [p] = 0, and on the subgroup ψ is [p] = [t − 1]: 6x² for BN254, x for
        // BLS12-381.
        let x = UInt256(BN254.parameter)
        let square = x * x * 6
        #expect(
            BN254.psi(JacobianPoint(Self.bnTwistGenerator))
                == Self.multiple(
                    Self.bnTwistGenerator, [square.l0, square.l1, square.l2, square.l3, 0, 0]))
        #expect(
            BLS12381.psi(JacobianPoint(BLS12381.G2.generator))
                == -Self.multiple(BLS12381.G2.generator, Limbs(BLS12381.parameterMagnitude)))
    }

    @Test func `the cube root of unity of BLS12-381 multiplies by minus x squared`() {
        let beta = BLS12381.beta
        #expect(beta != .one)
        #expect(beta * beta.squared() == .one)
        #expect(BN254.beta != .one)
        #expect(BN254.beta * BN254.beta.squared() == .one)
        #expect(BLS12381.isInSubgroup(BLS12381.G1.generator))
    }

    @Test func `membership of a subgroup is having its order`() {
        var random = SeededRandom(seed: 24)
        let order = BLS12381.Fr.modulus
        #expect(BLS12381.isInSubgroup(AffinePoint<BLS12381.G1>.infinity))
        #expect(BLS12381.isInSubgroup(AffinePoint<BLS12381.G2>.infinity))
        #expect(BN254.isInSubgroup(AffinePoint<BN254.G2>.infinity))
        for _ in 0..<4 {
            let p: AffinePoint<BLS12381.G1> = Self.pointOnCurve(
                from: FieldTests.sample(random: &random))
            #expect(p.isOnCurve)
            #expect(BLS12381.isInSubgroup(p) == Self.multiple(p, order).isInfinity)
            #expect(!BLS12381.isInSubgroup(p))
            let q: AffinePoint<BLS12381.G2> = Self.pointOnCurve(from: TowerTests.fp2(&random))
            #expect(q.isOnCurve)
            #expect(BLS12381.isInSubgroup(q) == Self.multiple(q, order).isInfinity)
            #expect(!BLS12381.isInSubgroup(q))

            let scalar: BLS12381.Fr = FieldTests.sample(random: &random)
            let inG1 = BLS12381.sum(of: [BLS12381.G1.generator], times: [scalar]).affine
            let inG2 = BLS12381.sum(of: [BLS12381.G2.generator], times: [scalar]).affine
            #expect(BLS12381.isInSubgroup(inG1))
            #expect(BLS12381.isInSubgroup(inG2))
            // A point of small order added leads out of the subgroup.
            let cofactorPart = Self.multiple(p, order)
            #expect(!BLS12381.isInSubgroup((cofactorPart + inG1).affine))
            let cofactorPart2 = Self.multiple(q, order)
            #expect(!BLS12381.isInSubgroup((cofactorPart2 + inG2).affine))
        }
    }

    @Test func `membership of BN254's G2 is having its order`() {
        var random = SeededRandom(seed: 25)
        for _ in 0..<4 {
            let q: AffinePoint<BN254.G2> = Self.pointOnCurve(from: TowerTests.fp2(&random))
            #expect(q.isOnCurve)
            #expect(!Self.multiple(q, BN254.order).isInfinity)
            #expect(!BN254.isInSubgroup(q))
            let inside = Self.multiple(Self.bnTwistGenerator, Limbs(random.next())).affine
            #expect(BN254.isInSubgroup(inside))
            let outside = (Self.multiple(q, BN254.order) + inside).affine
            #expect(!BN254.isInSubgroup(outside))
        }
    }
}

/// Only the tests take roots in BN254's field, whose p is 3 modulo 4 as well.
extension FourLimbField: SquareRootField {
    /// A square root, if there is one.
    package func squareRoot() -> Self? { rootForThreeModFour() }
}
