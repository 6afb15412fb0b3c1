import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct PairingTests {
    /// e(aP, bQ)·e(−abP, Q) = 1 and e(aP, bQ)·e(−(ab + 1)P, Q) ≠ 1.
    private func checkBilinearity<C: PairingCurve>(
        _ curve: C.Type, _ p: AffinePoint<C.G1>, _ q: AffinePoint<C.G2>
    ) {
        var random = SeededRandom(seed: 30)
        let a = random.next() >> 33
        let b = random.next() >> 33
        let aP = JacobianPoint(p).multiplied(by: a).affine
        let bQ = JacobianPoint(q).multiplied(by: b).affine
        let abP = JacobianPoint(p).multiplied(by: a * b).affine
        let other = JacobianPoint(p).multiplied(by: a * b + 1).affine
        #expect(C.productOfPairingsIsOne([(aP, bQ), (-abP, q)]))
        #expect(C.productOfPairingsIsOne([(abP, -q), (aP, bQ)]))
        #expect(!C.productOfPairingsIsOne([(aP, bQ), (-other, q)]))
        #expect(!C.productOfPairingsIsOne([(aP, bQ), (abP, q)]))

        // Not degenerate, of order r, and the values of two pairings agree.
        let value = C.finalExponentiation(C.millerLoop([(p, PreparedG2(q))]))
        #expect(value != .one)
        let doubled = C.finalExponentiation(
            C.millerLoop([(JacobianPoint(p).doubled().affine, PreparedG2(q))]))
        #expect(doubled == value.squared())
        let inverse = C.finalExponentiation(C.millerLoop([(p, PreparedG2(-q))]))
        #expect(inverse == value.conjugate)
    }

    @Test func `the pairing of BN254 is bilinear`() {
        checkBilinearity(
            BN254.self, CurvePointTests.bnGenerator, CurvePointTests.bnTwistGenerator)
    }

    @Test func `the pairing of BLS12-381 is bilinear`() {
        checkBilinearity(BLS12381.self, BLS12381.G1.generator, BLS12381.G2.generator)
    }

    @Test func `pairs with infinity do not count`() {
        func check<C: PairingCurve>(
            _ curve: C.Type, _ p: AffinePoint<C.G1>, _ q: AffinePoint<C.G2>
        ) {
            let none: [(p: AffinePoint<C.G1>, q: AffinePoint<C.G2>)] = []
            #expect(C.productOfPairingsIsOne(none))
            #expect(C.productOfPairingsIsOne([(.infinity, q)]))
            #expect(C.productOfPairingsIsOne([(p, .infinity)]))
            #expect(C.productOfPairingsIsOne([(.infinity, .infinity), (p, q), (-p, q)]))
            #expect(!C.productOfPairingsIsOne([(.infinity, q), (p, q)]))
        }
        check(BN254.self, CurvePointTests.bnGenerator, CurvePointTests.bnTwistGenerator)
        check(BLS12381.self, BLS12381.G1.generator, BLS12381.G2.generator)
    }

    @Test(arguments: [15, 16, 17, 33])
    func `a product may have more pairs than share one loop`(count: Int) {
        // e(P, Q)·e(2P, Q)·…·e(nP, Q)·e(−n(n+1)/2·P, Q) = 1
        let p = JacobianPoint(BLS12381.G1.generator)
        let q = BLS12381.G2.generator
        var pairs = (1...UInt64(count)).map { (p: p.multiplied(by: $0).affine, q: q) }
        let total = UInt64(count * (count + 1) / 2)
        pairs.append((-p.multiplied(by: total).affine, q))
        #expect(BLS12381.productOfPairingsIsOne(pairs))
        pairs[0].p = p.doubled().affine
        #expect(!BLS12381.productOfPairingsIsOne(pairs))
    }
}
