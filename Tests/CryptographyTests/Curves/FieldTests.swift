import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct FieldTests {
    typealias BNField = BN254.Fp
    typealias BLSField = BLS12381.Fp
    typealias BLSScalar = BLS12381.Fr

    // MARK: Constants

    /// The moduli are what the curve's parameter makes them: their polynomials vanish modulo them.
    @Test func `the moduli follow from the parameters of the curves`() {
        let u = BNField(BN254.parameter)
        let bn = 36 * u.power(4) + 36 * u.power(3) + 24 * u.power(2) + 6 * u + .one
        #expect(bn.isZero)

        let x = -BLSField(BLS12381.parameterMagnitude)
        let bls = (x - .one).power(2) * (x.power(4) - x.power(2) + .one) + 3 * x
        #expect(bls.isZero)

        let y = BLSScalar(BLS12381.parameterMagnitude)
        #expect((y.power(4) - y.power(2) + .one).isZero)

        // p = r + 6x² for BN254.
        let root = UInt256(BN254.parameter)
        #expect(word(BNField.modulus) == word(BN254.order) + root * root * 6)
    }

    @Test func `the constants of the Montgomery form follow from the modulus`() {
        func check<F: PrimeField>(_ field: F.Type) {
            #expect(field.modulus[0] &* field.negatedInverse == .max)

            // 2^(64·limbs) and its square modulo p, by doubling one.
            var power = Limbs(1)
            var powers: [Limbs] = []
            for bit in 1...field.limbCount * 128 {
                power = power.adding(power)
                if !power.isLess(than: field.modulus) { power = power.subtracting(field.modulus) }
                if bit.isMultiple(of: field.limbCount * 64) { powers.append(power) }
            }
            #expect(array(field.one.montgomery) == array(powers[0]))
            #expect(array(field.rSquared.montgomery) == array(powers[1]))
        }
        check(BNField.self)
        check(BLSField.self)
        check(BLSScalar.self)
    }

    // MARK: Encoding

    @Test func `an encoding has to be canonical`() {
        func check<F: PrimeField>(_ field: F.Type) {
            let largest = field.modulus.subtracting(Limbs(1))
            #expect(field.init(canonical: largest) == -field.one)
            #expect(field.init(canonical: field.modulus) == nil)
            #expect(field.init(canonical: field.modulus.adding(Limbs(1))) == nil)

            let ones = Bytes(repeating: 0xff, count: field.byteCount)
            #expect(field.init(bigEndian: ones[...]) == nil)
            let bytes = (-field.one).bigEndianBytes
            #expect(bytes.count == field.byteCount)
            #expect(field.init(bigEndian: bytes[...]) == -field.one)
            #expect(field.init(bigEndian: bytes.dropFirst()) == nil)
            #expect(field.init(bigEndian: ([0] + bytes)[...]) == nil)
            #expect(field.init(bigEndian: []) == nil)
        }
        check(BNField.self)
        check(BLSField.self)
        check(BLSScalar.self)
    }

    @Test func `a number is reduced modulo the order`() {
        let order = BLSScalar.modulus
        #expect(BLSScalar(reducing: order).isZero)
        #expect(BLSScalar(reducing: order.adding(order).adding(Limbs(5))) == BLSScalar(5))
        #expect(BLSScalar(reducing: Limbs(7)) == BLSScalar(7))
    }

    @Test func `an element is larger than half of p or its negative is`() {
        #expect(!BLSField.one.isLexicographicallyLargest)
        #expect((-BLSField.one).isLexicographicallyLargest)
        #expect(!BLSField.zero.isLexicographicallyLargest)
        let half = BLSField.modulus.dividedBy(2).quotient
        #expect(BLSField(canonical: half)?.isLexicographicallyLargest == false)
        #expect(BLSField(canonical: half.adding(Limbs(1)))?.isLexicographicallyLargest == true)
    }

    // MARK: Arithmetic

    /// Edges of limbs and of the modulus, and random elements.
    static func samples<F: PrimeField>(_ field: F.Type, random: inout SeededRandom) -> [F] {
        var samples: [F] = [.zero, .one, -.one, F(2), F(UInt64.max), F(UInt64.max) * F(UInt64.max)]
        samples.append(-F(UInt64.max))
        for _ in 0..<12 { samples.append(sample(random: &random)) }
        return samples
    }

    static func sample<F: PrimeField>(random: inout SeededRandom) -> F {
        var element = F.zero
        for _ in 0..<F.limbCount { element = element * F(1 << 63).doubled() + F(random.next()) }
        return element
    }

    @Test func `the axioms of a field hold`() {
        var random = SeededRandom(seed: 381)
        func check<F: PrimeField>(_ field: F.Type) {
            let samples = Self.samples(field, random: &random)
            for a in samples {
                #expect(a + .zero == a)
                #expect(a * .one == a)
                #expect((a + (-a)).isZero)
                #expect(a.doubled() == a + a)
                #expect(a.tripled() == a + a + a)
                #expect(a.squared() == a * a)
                #expect(a.isZero ? a.inverted().isZero : a * a.inverted() == .one)
                #expect(F(canonical: a.canonical) == a)
                for b in samples {
                    #expect(a + b == b + a)
                    #expect(a - b == -(b - a))
                    #expect((a - b) + b == a)
                    #expect(a * b == b * a)
                    let c = a + .one
                    #expect(c * (a + b) == c * a + c * b)
                    #expect((a * b) * c == a * (b * c))
                }
            }
        }
        check(BNField.self)
        check(BLSField.self)
        check(BLSScalar.self)
    }

    @Test func `a product agrees with long multiplication`() {
        var random = SeededRandom(seed: 254)
        let p = word(BNField.modulus)
        for _ in 0..<200 {
            let a: BNField = Self.sample(random: &random)
            let b: BNField = Self.sample(random: &random)
            #expect(word((a * b).canonical) == word(a.canonical).mulMod(word(b.canonical), p))
        }
    }

    @Test func `two products are reduced at once`() {
        var random = SeededRandom(seed: 2)
        func check<F: PrimeField>(_ field: F.Type) {
            let samples = Self.samples(field, random: &random)
            for (a, b) in zip(samples, samples.reversed()) {
                for c in samples {
                    #expect(F.sumOfProducts(a, b, c, -.one) == a * b - c)
                    #expect(F.sumOfProducts(a, b, c, a) == a * b + c * a)
                }
            }
        }
        check(BNField.self)
        check(BLSField.self)
    }

    @Test func `an inverse agrees with Fermat's little theorem`() {
        var random = SeededRandom(seed: 31)
        func check<F: PrimeField>(_ field: F.Type) {
            let exponent = field.modulus.subtracting(Limbs(2))
            for a in Self.samples(field, random: &random) {
                #expect(a.inverted() == a.power(exponent))
            }
        }
        check(BNField.self)
        check(BLSField.self)
        check(BLSScalar.self)
    }

    @Test func `many inverses cost one, and zeros stay zero`() {
        var random = SeededRandom(seed: 4)
        let elements = Self.samples(BLSScalar.self, random: &random)
        var inverses = elements
        BLSScalar.invert(&inverses)
        #expect(inverses == elements.map { $0.inverted() })
        var none: [BLSScalar] = []
        BLSScalar.invert(&none)
        #expect(none.isEmpty)
    }

    @Test func `a square has a root and a non-square has none`() {
        var random = SeededRandom(seed: 9)
        for a in Self.samples(BLSField.self, random: &random) {
            let root = a.squared().squareRoot()
            #expect(root == a || root == -a)
            // −1 is not a square.
            #expect(a.isZero || (-a.squared()).squareRoot() == nil)
        }
    }
}

/// A number of at most four limbs.
func word(_ limbs: Limbs) -> UInt256 {
    UInt256(l0: limbs[0], l1: limbs[1], l2: limbs[2], l3: limbs[3])
}

func array(_ limbs: Limbs) -> [UInt64] {
    (0..<Limbs.capacity).map { limbs[$0] }
}

extension PrimeField {
    static func * (factor: UInt64, element: Self) -> Self { Self(factor) * element }
}

extension Field {
    func power(_ exponent: UInt64) -> Self { power(Limbs(exponent)) }
}
