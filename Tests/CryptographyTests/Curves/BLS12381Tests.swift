import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct BLS12381Tests {
    typealias Precompile = @Sendable (ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes

    private let g1 = BLS12381.encode(BLS12381.G1.generator)
    private let g2 = BLS12381.encode(BLS12381.G2.generator)
    private let one = Bytes(repeating: 0, count: 31) + [1]
    private let zero = Bytes(repeating: 0, count: 32)

    // MARK: Official vectors

    /// The files of EIP-2537, which the specs and the EIP share.
    private static let specFiles: [(String, Precompile)] = [
        ("add_G1_bls", BLS12381.g1Add), ("mul_G1_bls", BLS12381.g1MSM),
        ("msm_G1_bls", BLS12381.g1MSM), ("add_G2_bls", BLS12381.g2Add),
        ("mul_G2_bls", BLS12381.g2MSM), ("msm_G2_bls", BLS12381.g2MSM),
        ("pairing_check_bls", BLS12381.pairing), ("map_fp_to_G1_bls", BLS12381.mapToG1),
        ("map_fp2_to_G2_bls", BLS12381.mapToG2),
    ]

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint), arguments: specFiles)
    func `the vectors of the EIP and of the specs pass`(name: String, precompile: Precompile) throws
    {
        // There is no file of valid sums in G2 (geth has one).
        let files = name == "msm_G2_bls" ? ["fail-" + name] : [name, "fail-" + name]
        let folder = "prague/eip2537_bls_12_381_precompiles/vectors/"
        for file in files {
            try check("precompile-vectors-eips", "eip-2537/" + file + ".json", precompile)
            try check("precompile-vectors-specs", folder + file + ".json", precompile)
        }
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: [
            ("blsG1Add", BLS12381.g1Add), ("blsG1Mul", BLS12381.g1MSM),
            ("blsG1MultiExp", BLS12381.g1MSM), ("blsG2Add", BLS12381.g2Add),
            ("blsG2Mul", BLS12381.g2MSM), ("blsG2MultiExp", BLS12381.g2MSM),
            ("blsPairing", BLS12381.pairing), ("blsMapG1", BLS12381.mapToG1),
            ("blsMapG2", BLS12381.mapToG2),
        ] as [(String, Precompile)])
    func `the vectors of geth pass`(name: String, precompile: Precompile) throws {
        for file in [name, "fail-" + name] {
            try check("precompile-vectors-geth", file + ".json", precompile)
        }
    }

    private func check(_ archive: String, _ path: String, _ precompile: Precompile) throws {
        let vectors = try PrecompileVector.all(archive, path)
        #expect(!vectors.isEmpty)
        for vector in vectors {
            #expect(
                (try? precompile(vector.input[...])) == vector.expected, "\(path): \(vector.name)")
        }
    }

    // MARK: Lengths

    @Test func `input has exactly the length of its operands`() throws {
        #expect(throws: Never.self) { try BLS12381.g1Add((g1 + g1)[...]) }
        #expect(throws: Never.self) { try BLS12381.g2Add((g2 + g2)[...]) }
        #expect(try BLS12381.g1MSM((g1 + one)[...]) == g1)
        #expect(try BLS12381.g2MSM((g2 + one)[...]) == g2)
        #expect(try BLS12381.pairing((g1 + g2)[...]) == zero)
        #expect(throws: Never.self) { try BLS12381.mapToG1(Bytes(repeating: 0, count: 64)[...]) }
        #expect(throws: Never.self) { try BLS12381.mapToG2(Bytes(repeating: 0, count: 128)[...]) }
        let inputs: [(Precompile, Bytes)] = [
            (BLS12381.g1Add, g1 + g1), (BLS12381.g2Add, g2 + g2), (BLS12381.g1MSM, g1 + one),
            (BLS12381.g2MSM, g2 + one), (BLS12381.pairing, g1 + g2),
            (BLS12381.mapToG1, Bytes(repeating: 0, count: 64)),
            (BLS12381.mapToG2, Bytes(repeating: 0, count: 128)),
        ]
        for (precompile, input) in inputs {
            #expect(throws: PrecompileDefect.length) { try precompile([]) }
            #expect(throws: PrecompileDefect.length) { try precompile(input.dropLast()) }
            #expect(throws: PrecompileDefect.length) { try precompile((input + [0])[...]) }
            // A slice need not start at zero.
            #expect(try precompile(([7, 7, 7] + input)[3...]) == precompile(input[...]))
        }
    }

    // MARK: Field elements

    @Test func `a field element is padded with zeros and below p`() throws {
        var padded = g1 + g1
        padded[0] = 1
        #expect(throws: PrecompileDefect.padding) { try BLS12381.g1Add(padded[...]) }
        padded = g1 + g1
        padded[15 + 64] = 1
        #expect(throws: PrecompileDefect.padding) { try BLS12381.g1Add(padded[...]) }

        var modulus = Bytes(repeating: 0, count: 16) + (-BLS12381.Fp.one).bigEndianBytes
        #expect(throws: Never.self) { try BLS12381.mapToG1(modulus[...]) }
        modulus[63] += 1
        #expect(throws: PrecompileDefect.fieldElement) { try BLS12381.mapToG1(modulus[...]) }
        let element = Bytes(repeating: 0, count: 64)
        #expect(throws: PrecompileDefect.fieldElement) {
            try BLS12381.mapToG2((modulus + element)[...])
        }
        #expect(throws: PrecompileDefect.fieldElement) {
            try BLS12381.mapToG2((element + modulus)[...])
        }
        // (p, 0) and (0, p) would be infinity.
        #expect(throws: PrecompileDefect.fieldElement) {
            try BLS12381.g1Add((modulus + element + g1)[...])
        }
        #expect(throws: PrecompileDefect.fieldElement) {
            try BLS12381.g1Add((element + modulus + g1)[...])
        }
    }

    // MARK: Points

    @Test func `a point off the curve is refused`() throws {
        var off1 = g1
        off1[127] ^= 1
        var off2 = g2
        off2[255] ^= 1
        #expect(throws: PrecompileDefect.notOnCurve) { try BLS12381.g1Add((off1 + g1)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) { try BLS12381.g1Add((g1 + off1)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) { try BLS12381.g1MSM((off1 + zero)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) { try BLS12381.g2Add((off2 + g2)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) {
            try BLS12381.g2MSM((g2 + one + off2 + one)[...])
        }
        #expect(throws: PrecompileDefect.notOnCurve) { try BLS12381.pairing((off1 + g2)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) { try BLS12381.pairing((g1 + off2)[...]) }
    }

    @Test func `points outside of the subgroup can be added but not multiplied or paired`() throws {
        let p: AffinePoint<BLS12381.G1> = CurvePointTests.pointOnCurve(from: BLS12381.Fp(4))
        let q: AffinePoint<BLS12381.G2> = CurvePointTests.pointOnCurve(
            from: Fp2(BLS12381.Fp(4), .one))
        let outside1 = BLS12381.encode(p)
        let outside2 = BLS12381.encode(q)
        #expect(
            try BLS12381.g1Add((outside1 + outside1)[...])
                == BLS12381.encode(JacobianPoint(p).doubled().affine))
        #expect(
            try BLS12381.g2Add((outside2 + outside2)[...])
                == BLS12381.encode(JacobianPoint(q).doubled().affine))
        #expect(throws: PrecompileDefect.notInG1) { try BLS12381.g1MSM((outside1 + one)[...]) }
        #expect(throws: PrecompileDefect.notInG1) {
            try BLS12381.g1MSM((g1 + one + outside1 + zero)[...])
        }
        #expect(throws: PrecompileDefect.notInG2) { try BLS12381.g2MSM((outside2 + one)[...]) }
        #expect(throws: PrecompileDefect.notInG1) { try BLS12381.pairing((outside1 + g2)[...]) }
        #expect(throws: PrecompileDefect.notInG2) { try BLS12381.pairing((g1 + outside2)[...]) }
        #expect(throws: PrecompileDefect.notInG2) {
            try BLS12381.pairing((Bytes(repeating: 0, count: 128) + outside2)[...])
        }
    }

    @Test func `infinity is all zeros`() throws {
        let infinity1 = Bytes(repeating: 0, count: 128)
        let infinity2 = Bytes(repeating: 0, count: 256)
        let minus1 = BLS12381.encode(-BLS12381.G1.generator)
        let minus2 = BLS12381.encode(-BLS12381.G2.generator)
        #expect(try BLS12381.g1Add((infinity1 + g1)[...]) == g1)
        #expect(try BLS12381.g1Add((g1 + minus1)[...]) == infinity1)
        #expect(try BLS12381.g2Add((g2 + infinity2)[...]) == g2)
        #expect(try BLS12381.g2Add((g2 + minus2)[...]) == infinity2)
        #expect(try BLS12381.g1MSM((infinity1 + one)[...]) == infinity1)
        #expect(try BLS12381.g1MSM((g1 + zero)[...]) == infinity1)
        #expect(try BLS12381.g2MSM((g2 + one + minus2 + one)[...]) == infinity2)
        #expect(try BLS12381.pairing((infinity1 + g2)[...]) == one)
        #expect(try BLS12381.pairing((g1 + infinity2)[...]) == one)
        #expect(try BLS12381.pairing((g1 + g2 + minus1 + g2)[...]) == one)
    }

    @Test func `a scalar of the order or more wraps`() throws {
        let order = word(BLS12381.Fr.modulus)
        func times(_ scalar: UInt256) throws -> Bytes {
            try BLS12381.g1MSM((g1 + scalar.bigEndianBytes)[...])
        }
        #expect(try times(order) == Bytes(repeating: 0, count: 128))
        #expect(try times(order + 1) == g1)
        #expect(try times(order * 2 + 3) == times(3))
        #expect(try times(.max) == times(UInt256.max % order))
    }

    // MARK: Mapping

    @Test func `whatever is mapped is in the subgroup`() {
        var random = SeededRandom(seed: 40)
        for _ in 0..<8 {
            let element: BLS12381.Fp = FieldTests.sample(random: &random)
            let p = BLS12381.mapToG1(element)
            #expect(p.affine.isOnCurve && BLS12381.isInSubgroup(p.affine) && !p.isInfinity)
            // The sign of the element is that of the root.
            #expect(BLS12381.mapToG1(-element) == -p)
            let q = BLS12381.mapToG2(TowerTests.fp2(&random))
            #expect(q.affine.isOnCurve && BLS12381.isInSubgroup(q.affine) && !q.isInfinity)
        }
        // u = 0 is the exceptional case of the SWU map.
        #expect(BLS12381.isInSubgroup(BLS12381.mapToG1(.zero).affine))
        #expect(BLS12381.isInSubgroup(BLS12381.mapToG2(.zero).affine))
    }

    @Test func `the effective cofactor of G2 is that of the standard`() {
        // h_eff of RFC 9380, section 8.8.2.
        let digits =
            "bc69f08f2ee75b3584c6a0ea91b352888e2a8e9145ad7689986ff031508ffe1329c2f178731db956d82b"
            + "f015d1212b02ec0ec69d7477c1ae954cbc06689f6a359894c0adebbf6b4e8020005aaa95551"
        let q: AffinePoint<BLS12381.G2> = CurvePointTests.pointOnCurve(
            from: Fp2(BLS12381.Fp(11), .one))
        var expected = JacobianPoint<BLS12381.G2>.infinity
        for digit in digits {
            for _ in 0..<4 { expected = expected.doubled() }
            expected = expected + JacobianPoint(q).multiplied(by: UInt64(digit.hexDigitValue ?? 0))
        }
        #expect(BLS12381.clearCofactor(JacobianPoint(q)) == expected)
    }
}
