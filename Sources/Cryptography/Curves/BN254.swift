/// The Barreto–Naehrig curve "alt_bn128" and its three precompiled contracts: addition and
/// multiplication (EIP-196) and the pairing check (EIP-197).
///
///     parameter   x = 4965661367192848881
///     field       p = 36x⁴ + 36x³ + 24x² + 6x + 1
///     order       r = 36x⁴ + 36x³ + 18x² + 6x + 1
///     G1          y² = x³ + 3 over Fp: the whole curve, its order is r
///     G2          y² = x³ + 3/ξ over Fp2, ξ = 9 + u: the subgroup of order r

public import Primitives

/// The elliptic-curve precompiles of Byzantium at 0x06, 0x07 and 0x08.
public enum BN254 {
    /// The sum of two points (EIP-196, address 0x06).
    ///
    /// - Parameter input: x₁‖y₁‖x₂‖y₂ of 32 bytes each; missing bytes count as zero, further ones
    ///   are ignored.
    public static func add(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        let input = padded(input, to: 128)
        let a = try decodeG1(input[0..<64])
        let b = try decodeG1(input[64..<128])
        return encode((JacobianPoint(a) + b).affine)
    }

    /// A multiple of a point (EIP-196, address 0x07).
    ///
    /// - Parameter input: x‖y‖scalar of 32 bytes each; missing bytes count as zero, further ones
    ///   are ignored.
    public static func multiply(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        let input = padded(input, to: 96)
        let point = try decodeG1(input[0..<64])
        return encode(multiply(point, by: Limbs(bigEndian: input[64..<96])).affine)
    }

    /// Whether a product of pairings is one (EIP-197, address 0x08): a word of 1 or 0.
    ///
    /// - Parameter input: any number of pairs of a G1 point (64 bytes) and a G2 point (128 bytes,
    ///   in each coordinate the coefficient of u first).
    public static func pairing(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard input.count.isMultiple(of: 192) else { throw .length }
        var pairs: [(p: AffinePoint<G1>, q: AffinePoint<G2>)] = []
        for start in stride(from: input.startIndex, to: input.endIndex, by: 192) {
            let p = try decodeG1(input[start..<start + 64])
            let q = try decodeG2(input[start + 64..<start + 192])
            pairs.append((p, q))
        }
        return Bytes(repeating: 0, count: 31) + [productOfPairingsIsOne(pairs) ? 1 : 0]
    }
}

// MARK: Encoding

extension BN254 {
    private static func padded(_ input: ArraySlice<UInt8>, to count: Int) -> Bytes {
        Bytes(input.prefix(count)) + Bytes(repeating: 0, count: max(0, count - input.count))
    }

    private static func decodeFp(_ bytes: ArraySlice<UInt8>) throws(PrecompileDefect) -> Fp {
        guard let element = Fp(bigEndian: bytes) else { throw .fieldElement }
        return element
    }

    /// A point of 64 bytes that is on the curve, or infinity as zeros.
    private static func decodeG1(
        _ bytes: ArraySlice<UInt8>
    ) throws(PrecompileDefect) -> AffinePoint<G1> {
        let point = AffinePoint<G1>(try decodeFp(bytes.prefix(32)), try decodeFp(bytes.suffix(32)))
        guard point.isOnCurve else { throw .notOnCurve }
        return point
    }

    /// A point of 128 bytes that is in G2, or infinity as zeros.
    private static func decodeG2(
        _ bytes: ArraySlice<UInt8>
    ) throws(PrecompileDefect) -> AffinePoint<G2> {
        let first = bytes.startIndex
        let x1 = try decodeFp(bytes[first..<first + 32])
        let x0 = try decodeFp(bytes[first + 32..<first + 64])
        let y1 = try decodeFp(bytes[first + 64..<first + 96])
        let y0 = try decodeFp(bytes[first + 96..<first + 128])
        let point = AffinePoint<G2>(Fp2(x0, x1), Fp2(y0, y1))
        guard point.isOnCurve else { throw .notOnCurve }
        guard isInSubgroup(point) else { throw .notInG2 }
        return point
    }

    private static func encode(_ point: AffinePoint<G1>) -> Bytes {
        point.x.bigEndianBytes + point.y.bigEndianBytes
    }
}

// MARK: The curve

extension BN254: PairingCurve {
    package typealias Fp = FourLimbField<BaseModulus>

    /// p.
    package enum BaseModulus: FourLimbModulus {
        @inline(always)
        package static var p: (UInt64, UInt64, UInt64, UInt64) {
            (
                0x3c20_8c16_d87c_fd47, 0x9781_6a91_6871_ca8d, 0xb850_45b6_8181_585d,
                0x3064_4e72_e131_a029
            )
        }

        @inline(always)
        package static var negatedInverse: UInt64 { 0x87d2_0782_e486_6389 }

        @inline(always)
        package static var r: (UInt64, UInt64, UInt64, UInt64) {
            (
                0xd35d_438d_c58f_0d9d, 0x0a78_eb28_f5c7_0b3d, 0x666e_a36f_7879_462c,
                0x0e0a_77c1_9a07_df2f
            )
        }

        @inline(always)
        package static var rSquared: (UInt64, UInt64, UInt64, UInt64) {
            (
                0xf32c_fc5b_538a_fa89, 0xb5e7_1911_d445_01fb, 0x47ab_1eff_0a41_7ff6,
                0x06d8_9f71_cab8_351f
            )
        }
    }

    package enum G1: CurveGroup {
        package static let b = Fp(3)
    }

    package enum G2: CurveGroup {
        package static let b = Fp2<Fp>(Fp(3), .zero) * xi.inverted()
    }

    /// The parameter x.
    package static let parameter: UInt64 = 4_965_661_367_192_848_881

    /// r, the order of the groups.
    package static let order: Limbs = [
        0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d,
        0x3064_4e72_e131_a029, 0, 0,
    ]

    private static let xi = Fp2<Fp>(Fp(9), .one)

    // `@inline(always)` would make this public enum's member part of its interface.
    @inline(__always)
    package static func timesXi(_ a: Fp2<Fp>) -> Fp2<Fp> {
        let nine = a.doubled().doubled().doubled() + a
        return Fp2(nine.c0 - a.c1, nine.c1 + a.c0)
    }

    package static let gamma = FrobeniusCoefficients(xi: xi)

    package static var twist: Twist { .multiplying }

    package static var psiCoefficients: (x: Fp2<Fp>, y: Fp2<Fp>) { (gamma.g2, gamma.g3) }

    /// 6x + 2.
    package static let loopDigits = signedDigits(of: UInt128(parameter) * 6 + 2, width: 2)

    package static var loopIsNegative: Bool { false }

    /// ψ(Q) and −ψ²(Q).
    package static func pointsAfterLoop(_ q: AffinePoint<G2>) -> [AffinePoint<G2>] {
        let image = psi(q)
        return [image, -psi(image)]
    }

    private static let parameterDigits = signedDigits(of: UInt128(parameter), width: 2)

    /// f^(2x(6x² + 3x + 1)·(p⁴ − p² + 1)/r), which in powers of p is (Fuentes-Castañeda, Knapp and
    /// Rodríguez-Henríquez, "Faster hashing to G2")
    ///
    ///     (12x³ + 12x² + 6x + 1) + (12x³ + 6x² + 4x)·p
    ///         + (12x³ + 6x² + 6x)·p² + (12x³ + 6x² + 4x − 1)·p³
    package static func hardPart(_ f: Fp12<Self>) -> Fp12<Self> {
        let f2x = f.cyclotomicPower(parameterDigits).cyclotomicSquared()
        let f4x = f2x.cyclotomicSquared()
        let f6x = f4x * f2x
        let f6xx = f6x.cyclotomicPower(parameterDigits)
        let f12xxx = f6xx.cyclotomicSquared().cyclotomicPower(parameterDigits)

        let second = f12xxx * f6xx * f6x  // 12x³ + 6x² + 6x
        let first = second * f2x.conjugate  // 12x³ + 6x² + 4x
        let zeroth = second * f6xx * f  // 12x³ + 12x² + 6x + 1
        let third = first * f.conjugate  // 12x³ + 6x² + 4x − 1
        return zeroth * first.frobenius() * second.frobenius().frobenius()
            * third.frobenius().frobenius().frobenius()
    }
}

// MARK: Endomorphisms

extension BN254 {
    /// Whether a point of the twist is in the subgroup of order r: [x + 1]Q + ψ([x]Q) + ψ²([x]Q) =
    /// ψ³([2x]Q) (Dai, Lin, Zhao and Zhou, eprint 2022/348).
    package static func isInSubgroup(_ q: AffinePoint<G2>) -> Bool {
        let xq = JacobianPoint.sum(of: [q], times: [UInt128(parameter)])
        let psiXQ = psi(xq)
        let psi2XQ = psi(psiXQ)
        return xq + q + psiXQ + psi2XQ == psi(psi2XQ).doubled()
    }

    /// A cube root of unity in Fp: φ(x, y) = (βx, y) multiplies a point of G1 by λ = 36x³ + 18x² +
    /// 6x + 1.
    ///
    /// ξ^((p²−1)/3) = γ₂·γ̄₂ is a primitive cube root of unity; β is its square.
    package static let beta = gamma.g2.norm.squared()

    /// k·P by the method of Gallant, Lambert and Vanstone: k = k₀ + k₁λ with k₀, k₁ of half the
    /// length.
    package static func multiply(_ point: AffinePoint<G1>, by scalar: Limbs) -> JacobianPoint<G1> {
        let (k0, k1) = split(scalar)
        let image = AffinePoint<G1>(point.x * beta, point.y)
        return .sum(
            of: [k0 < 0 ? -point : point, k1 < 0 ? -image : image],
            times: [UInt128(k0.magnitude), UInt128(k1.magnitude)])
    }

    /// The k₀, k₁ of absolute value below 2¹²⁷ with k₀ + k₁λ ≡ scalar (mod r).
    ///
    /// The lattice of all (a, b) with a + bλ ≡ 0 has the short basis (6x² + 4x + 1, 2x + 1) and
    /// (2x + 1, −(6x² + 2x)); (k₀, k₁) is (scalar, 0) less the lattice vector near it. Both numbers
    /// fit 128 bits, so only the multiples of the basis need more.
    package static func split(_ scalar: Limbs) -> (Int128, Int128) {
        var k = scalar
        while !k.isLess(than: order) { k = k.subtracting(order) }

        let x = UInt128(parameter)
        let short = 2 * x + 1
        let long0 = 6 * x * x + 4 * x + 1
        let long1 = 6 * x * x + 2 * x
        let c0 = roundedProduct(k, lambda0)  // k·(6x² + 2x)/r
        let c1 = roundedProduct(k, lambda1)  // k·(2x + 1)/r
        let low = UInt128(k[1]) &<< 64 | UInt128(k[0])
        return (
            Int128(truncatingIfNeeded: low &- c0 &* long0 &- c1 &* short),
            Int128(truncatingIfNeeded: c1 &* long1 &- c0 &* short)
        )
    }

    /// ⌊2²⁵⁶·(6x² + 2x)/r⌋
    private static let lambda0: InlineArray<3, UInt64> = [
        0x7a7b_d9d4_391e_b18d, 0x4cce_f014_a773_d2cf, 2,
    ]

    /// ⌊2²⁵⁶·(2x + 1)/r⌋
    private static let lambda1: InlineArray<3, UInt64> = [0xd91d_232e_c7e0_b3d7, 2, 0]

    /// k·factor / 2²⁵⁶, rounded, for a result below 2¹²⁸.
    private static func roundedProduct(_ k: Limbs, _ factor: InlineArray<3, UInt64>) -> UInt128 {
        var product = InlineArray<7, UInt64>(repeating: 0)
        product[3] = 1 &<< 63
        for i in 0..<4 {
            var carry: UInt64 = 0
            for j in 0..<3 {
                (product[i + j], carry) = multiplyAdd(product[i + j], k[i], factor[j], carry)
            }
            // Limb i + 3 holds at most the rounding bit and earlier carries.
            var overflow = false
            product[i + 3] = addWithCarry(product[i + 3], carry, &overflow)
            if overflow && i < 3 { product[i + 4] &+= 1 }
        }
        return UInt128(product[5]) &<< 64 | UInt128(product[4])
    }
}
