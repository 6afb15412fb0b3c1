import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct TowerTests {
    static func fp2<F: PrimeField>(_ random: inout SeededRandom) -> Fp2<F> {
        Fp2(FieldTests.sample(random: &random), FieldTests.sample(random: &random))
    }

    static func fp12<C: PairingCurve>(_ random: inout SeededRandom) -> Fp12<C> {
        func fp6() -> Fp6<C> { Fp6(fp2(&random), fp2(&random), fp2(&random)) }
        return Fp12(fp6(), fp6())
    }

    @Test func `u squared is minus one and has the multiples of the reference`() {
        func check<F: PrimeField>(_ field: F.Type) {
            var random = SeededRandom(seed: 12)
            let u = Fp2<F>(.zero, .one)
            #expect(u * u == -Fp2<F>.one)
            for _ in 0..<20 {
                let a: Fp2<F> = Self.fp2(&random)
                let b: Fp2<F> = Self.fp2(&random)
                #expect((a * b).c0 == a.c0 * b.c0 - a.c1 * b.c1)
                #expect((a * b).c1 == a.c0 * b.c1 + a.c1 * b.c0)
                #expect(a.squared() == a * a)
                #expect(a * a.inverted() == .one)
                #expect(a * a.conjugate == Fp2(a.norm, .zero))
                #expect(a.conjugate == a.power(field.modulus))
            }
            #expect(Fp2<F>.zero.inverted().isZero)
        }
        check(BN254.Fp.self)
        check(BLS12381.Fp.self)
    }

    @Test func `an element of Fp2 has a root if it is a square`() {
        typealias F = BLS12381.Fp
        var random = SeededRandom(seed: 13)
        var samples: [Fp2<F>] = [.zero, .one, -.one, Fp2(.zero, .one), Fp2(F(5), .zero)]
        for _ in 0..<10 { samples.append(Self.fp2(&random)) }
        let xi = Fp2<F>(.one, .one)
        for a in samples {
            let root = a.squared().squareRoot()
            #expect(root == a || root == -a)
            // ξ is neither a square nor a cube.
            #expect(a.isZero || (a.squared() * xi).squareRoot() == nil)
        }
    }

    @Test func `v cubed is the non-residue and w squared is v`() {
        func check<C: PairingCurve>(_ curve: C.Type) {
            var random = SeededRandom(seed: 14)
            let v = Fp6<C>(.zero, .one, .zero)
            #expect(v * v * v == Fp6(C.timesXi(.one), .zero, .zero))
            let w = Fp12<C>(.zero, .one)
            #expect(w * w == Fp12(v, .zero))
            for _ in 0..<5 {
                let a: Fp12<C> = Self.fp12(&random)
                let b: Fp12<C> = Self.fp12(&random)
                let c: Fp12<C> = Self.fp12(&random)
                #expect(a * b == b * a)
                #expect((a * b) * c == a * (b * c))
                #expect(a.squared() == a * a)
                #expect(a * a.inverted() == .one)
                #expect(a.c0.timesV == a.c0 * v)
                #expect(a.c0 * a.c0.inverted() == .one)
                let sparse = Fp6<C>(b.c0.c0, b.c0.c1, .zero)
                #expect(a.c0.multiplied(by: b.c0.c0, b.c0.c1) == a.c0 * sparse)
                #expect(a.c0.multiplied(by: b.c0.c0) == a.c0 * Fp6(b.c0.c0, .zero, .zero))
            }
        }
        check(BN254.self)
        check(BLS12381.self)
    }

    @Test func `the Frobenius map is the power of p`() {
        func check<C: PairingCurve>(_ curve: C.Type) {
            var random = SeededRandom(seed: 15)
            let a: Fp12<C> = Self.fp12(&random)
            var power = Fp12<C>.one
            for index in (0..<Limbs.capacity).reversed() {
                for bit in (0..<UInt64(64)).reversed() {
                    power = power.squared()
                    if C.Fp.modulus[index] >> bit & 1 == 1 { power = power * a }
                }
            }
            #expect(a.frobenius() == power)

            // γ₁⁶ = ξ^(p−1), and six times the map is the conjugation.
            let xi = C.timesXi(.one)
            #expect(C.gamma.g1.power(6) * xi == xi.power(C.Fp.modulus))
            #expect((0..<6).reduce(a) { image, _ in image.frobenius() } == a.conjugate)
        }
        check(BN254.self)
        check(BLS12381.self)
    }

    @Test func `squares in the cyclotomic subgroup are squares`() {
        func check<C: PairingCurve>(_ curve: C.Type) {
            var random = SeededRandom(seed: 16)
            let a: Fp12<C> = Self.fp12(&random)
            let easy = a.conjugate * a.inverted()
            let f = easy.frobenius().frobenius() * easy
            #expect(f.cyclotomicSquared() == f.squared())
            #expect(f.conjugate * f == .one)
            // 11 = 8 + 4 − 1
            #expect(f.cyclotomicPower([-1, 0, 1, 1]) == (0..<10).reduce(f) { g, _ in g * f })
        }
        check(BN254.self)
        check(BLS12381.self)
    }
}
