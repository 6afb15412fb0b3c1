/// The Barreto–Lynn–Scott curve BLS12-381 and its seven precompiled contracts (EIP-2537).
///
///     parameter   x = −0xd201000000010000
///     field       p = (x − 1)²(x⁴ − x² + 1)/3 + x
///     order       r = x⁴ − x² + 1
///     G1          y² = x³ + 4 over Fp: the subgroup of order r
///     G2          y² = x³ + 4ξ over Fp2, ξ = 1 + u: the subgroup of order r

public import Primitives

/// The elliptic-curve precompiles of Prague at 0x0b to 0x11.
///
/// A field element is 64 bytes, big-endian and below p; an element of Fp2 is two of them, that of 1
/// first; a point is its two coordinates, infinity is all zeros. A scalar is 32 bytes, any number.
public enum BLS12381 {
    /// The sum of two points of the curve of G1, subgroup or not (0x0b).
    public static func g1Add(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard input.count == 256 else { throw .length }
        let a = try decodeG1(input.prefix(128))
        let b = try decodeG1(input.suffix(128))
        return encode((JacobianPoint(a) + b).affine)
    }

    /// Σ kᵢ·Pᵢ in G1, from one or more of P‖k (0x0c).
    public static func g1MSM(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard !input.isEmpty, input.count.isMultiple(of: 160) else { throw .length }
        var points: [AffinePoint<G1>] = []
        var scalars: [Fr] = []
        for start in stride(from: input.startIndex, to: input.endIndex, by: 160) {
            let point = try decodeG1(input[start..<start + 128])
            guard isInSubgroup(point) else { throw .notInG1 }
            points.append(point)
            scalars.append(Fr(reducing: Limbs(bigEndian: input[start + 128..<start + 160])))
        }
        return encode(sum(of: points, times: scalars).affine)
    }

    /// The sum of two points of the curve of G2, subgroup or not (0x0d).
    public static func g2Add(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard input.count == 512 else { throw .length }
        let a = try decodeG2(input.prefix(256))
        let b = try decodeG2(input.suffix(256))
        return encode((JacobianPoint(a) + b).affine)
    }

    /// Σ kᵢ·Qᵢ in G2, from one or more of Q‖k (0x0e).
    public static func g2MSM(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard !input.isEmpty, input.count.isMultiple(of: 288) else { throw .length }
        var points: [AffinePoint<G2>] = []
        var scalars: [Fr] = []
        for start in stride(from: input.startIndex, to: input.endIndex, by: 288) {
            let point = try decodeG2(input[start..<start + 256])
            guard isInSubgroup(point) else { throw .notInG2 }
            points.append(point)
            scalars.append(Fr(reducing: Limbs(bigEndian: input[start + 256..<start + 288])))
        }
        return encode(sum(of: points, times: scalars).affine)
    }

    /// Whether a product of pairings, of one or more of P‖Q, is one: a word of 1 or 0 (0x0f).
    public static func pairing(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard !input.isEmpty, input.count.isMultiple(of: 384) else { throw .length }
        var pairs: [(p: AffinePoint<G1>, q: AffinePoint<G2>)] = []
        for start in stride(from: input.startIndex, to: input.endIndex, by: 384) {
            let p = try decodeG1(input[start..<start + 128])
            let q = try decodeG2(input[start + 128..<start + 384])
            guard isInSubgroup(p) else { throw .notInG1 }
            guard isInSubgroup(q) else { throw .notInG2 }
            pairs.append((p, q))
        }
        return Bytes(repeating: 0, count: 31) + [productOfPairingsIsOne(pairs) ? 1 : 0]
    }

    /// The point of G1 that an element of Fp maps to (0x10).
    public static func mapToG1(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard input.count == 64 else { throw .length }
        return encode(mapToG1(try decodeFp(input)).affine)
    }

    /// The point of G2 that an element of Fp2 maps to (0x11).
    public static func mapToG2(_ input: ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes {
        guard input.count == 128 else { throw .length }
        return encode(mapToG2(try decodeFp2(input)).affine)
    }
}

// MARK: Encoding

extension BLS12381 {
    private static func decodeFp(_ bytes: ArraySlice<UInt8>) throws(PrecompileDefect) -> Fp {
        guard bytes.prefix(16).allSatisfy({ $0 == 0 }) else { throw .padding }
        guard let element = Fp(bigEndian: bytes.dropFirst(16)) else { throw .fieldElement }
        return element
    }

    private static func decodeFp2(
        _ bytes: ArraySlice<UInt8>
    ) throws(PrecompileDefect) -> Fp2<Fp> {
        Fp2(try decodeFp(bytes.prefix(64)), try decodeFp(bytes.suffix(64)))
    }

    /// A point of 128 bytes that is on the curve, or infinity as zeros.
    private static func decodeG1(
        _ bytes: ArraySlice<UInt8>
    ) throws(PrecompileDefect) -> AffinePoint<G1> {
        let point = AffinePoint<G1>(try decodeFp(bytes.prefix(64)), try decodeFp(bytes.suffix(64)))
        guard point.isOnCurve else { throw .notOnCurve }
        return point
    }

    /// A point of 256 bytes that is on the curve, or infinity as zeros.
    private static func decodeG2(
        _ bytes: ArraySlice<UInt8>
    ) throws(PrecompileDefect) -> AffinePoint<G2> {
        let point = AffinePoint<G2>(
            try decodeFp2(bytes.prefix(128)), try decodeFp2(bytes.suffix(128)))
        guard point.isOnCurve else { throw .notOnCurve }
        return point
    }

    private static func encode(_ element: Fp) -> Bytes {
        Bytes(repeating: 0, count: 16) + element.bigEndianBytes
    }

    package static func encode(_ point: AffinePoint<G1>) -> Bytes {
        encode(point.x) + encode(point.y)
    }

    package static func encode(_ point: AffinePoint<G2>) -> Bytes {
        encode(point.x.c0) + encode(point.x.c1) + encode(point.y.c0) + encode(point.y.c1)
    }
}

// MARK: The curve

extension BLS12381: PairingCurve {
    package typealias Fp = SixLimbField
    package typealias Fr = FourLimbField<ScalarModulus>

    /// r, the order of the groups.
    package enum ScalarModulus: FourLimbModulus {
        @inline(always)
        package static var p: (UInt64, UInt64, UInt64, UInt64) {
            (
                0xffff_ffff_0000_0001, 0x53bd_a402_fffe_5bfe, 0x3339_d808_09a1_d805,
                0x73ed_a753_299d_7d48
            )
        }

        @inline(always)
        package static var negatedInverse: UInt64 { 0xffff_fffe_ffff_ffff }

        @inline(always)
        package static var r: (UInt64, UInt64, UInt64, UInt64) {
            (
                0x0000_0001_ffff_fffe, 0x5884_b7fa_0003_4802, 0x998c_4fef_ecbc_4ff5,
                0x1824_b159_acc5_056f
            )
        }

        @inline(always)
        package static var rSquared: (UInt64, UInt64, UInt64, UInt64) {
            (
                0xc999_e990_f3f2_9c6d, 0x2b6c_edcb_8792_5c23, 0x05d3_1496_7254_398f,
                0x0748_d9d9_9f59_ff11
            )
        }
    }

    package enum G1: CurveGroup {
        package static let b = Fp(4)

        package static let generator = AffinePoint<G1>(
            Fp(
                hex: """
                    17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905\
                    a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb
                    """),
            Fp(
                hex: """
                    08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af6\
                    00db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1
                    """))
    }

    package enum G2: CurveGroup {
        package static let b = Fp2<Fp>(Fp(4), Fp(4))

        package static let generator = AffinePoint<G2>(
            Fp2(
                Fp(
                    hex: """
                        024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02\
                        b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8
                        """),
                Fp(
                    hex: """
                        13e02b6052719f607dacd3a088274f65596bd0d09920b61a\
                        b5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e
                        """)),
            Fp2(
                Fp(
                    hex: """
                        0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a7\
                        6d429a695160d12c923ac9cc3baca289e193548608b82801
                        """),
                Fp(
                    hex: """
                        0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af\
                        267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be
                        """)))
    }

    /// |x|; x itself is negative.
    package static var parameterMagnitude: UInt64 { 0xd201_0000_0001_0000 }

    // `@inline(always)` would make this public enum's member part of its interface.
    @inline(__always)
    package static func timesXi(_ a: Fp2<Fp>) -> Fp2<Fp> { Fp2(a.c0 - a.c1, a.c0 + a.c1) }

    package static let gamma = FrobeniusCoefficients(xi: Fp2<Fp>(.one, .one))

    package static var twist: Twist { .dividing }

    package static let psiCoefficients = (x: gamma.g2.inverted(), y: gamma.g3.inverted())

    /// |x|. Its six set bits make the plain binary form the sparsest.
    package static let loopDigits = (0..<64).map { Int8(parameterMagnitude &>> UInt64($0) & 1) }

    package static var loopIsNegative: Bool { true }

    package static func pointsAfterLoop(_ q: AffinePoint<G2>) -> [AffinePoint<G2>] { [] }

    /// f^(3(p⁴ − p² + 1)/r) = f^((x − 1)²(x + p)(x² + p² − 1) + 3) (Hayashida, Hayasaka and Teruya,
    /// eprint 2020/875).
    package static func hardPart(_ f: Fp12<Self>) -> Fp12<Self> {
        func powerOfX(_ a: Fp12<Self>) -> Fp12<Self> { a.cyclotomicPower(loopDigits).conjugate }
        let a = powerOfX(f) * f.conjugate
        let b = powerOfX(a) * a.conjugate  // (x − 1)²
        let c = powerOfX(b) * b.frobenius()  // (x − 1)²(x + p)
        let d = powerOfX(powerOfX(c)) * c.frobenius().frobenius() * c.conjugate
        return d * f.cyclotomicSquared() * f
    }
}

// MARK: Endomorphisms

extension BLS12381 {
    /// A cube root of unity in Fp, ξ^((p²−1)/3) = γ₂·γ̄₂: φ(x, y) = (βx, y) multiplies a point of
    /// G1 by −x².
    package static let beta = gamma.g2.norm

    private static func phi(_ p: AffinePoint<G1>) -> AffinePoint<G1> {
        AffinePoint(p.x * beta, p.y)
    }

    /// Whether a point of the curve is in G1: φ(P) = [−x²]P (Scott, eprint 2021/1130).
    package static func isInSubgroup(_ p: AffinePoint<G1>) -> Bool {
        let multiple = JacobianPoint(p).multiplied(by: parameterMagnitude)
            .multiplied(by: parameterMagnitude)
        return -multiple == JacobianPoint(phi(p))
    }

    /// Whether a point of the twist is in G2: ψ(Q) = [x]Q (Scott, eprint 2021/1130).
    package static func isInSubgroup(_ q: AffinePoint<G2>) -> Bool {
        let multiple = JacobianPoint(q).multiplied(by: parameterMagnitude)
        return -multiple == JacobianPoint(psi(q))
    }

    /// Σ kᵢ·Pᵢ in G1. With k = k₀ + k₁x² a multiple is the sum of two of half the length, [k₀]P −
    /// [k₁]φ(P).
    package static func sum(of points: [AffinePoint<G1>], times scalars: [Fr]) -> JacobianPoint<G1>
    {
        var parts: [AffinePoint<G1>] = []
        var factors: [UInt128] = []
        for (point, scalar) in zip(points, scalars) {
            let digits = digitsInParameter(scalar)
            parts += [point, -phi(point)]
            factors += [
                UInt128(digits[0]) + UInt128(digits[1]) * UInt128(parameterMagnitude),
                UInt128(digits[2]) + UInt128(digits[3]) * UInt128(parameterMagnitude),
            ]
        }
        return .sum(of: parts, times: factors)
    }

    /// Σ kᵢ·Qᵢ in G2. With k = d₀ + d₁|x| + d₂|x|² + d₃|x|³ and [|x|]Q = −ψ(Q), a multiple is the
    /// sum of four of a quarter of the length.
    package static func sum(of points: [AffinePoint<G2>], times scalars: [Fr]) -> JacobianPoint<G2>
    {
        var parts: [AffinePoint<G2>] = []
        var factors: [UInt128] = []
        for (point, scalar) in zip(points, scalars) {
            let digits = digitsInParameter(scalar)
            var part = point
            for digit in 0..<4 {
                parts.append(part)
                factors.append(UInt128(digits[digit]))
                part = -psi(part)
            }
        }
        return .sum(of: parts, times: factors)
    }

    /// The digits of k < r = x⁴ − x² + 1 in base |x|, lowest first.
    static func digitsInParameter(_ scalar: Fr) -> InlineArray<4, UInt64> {
        var rest = scalar.canonical
        var digits = InlineArray<4, UInt64>(repeating: 0)
        for index in 0..<4 { (rest, digits[index]) = rest.dividedBy(parameterMagnitude) }
        return digits
    }
}
