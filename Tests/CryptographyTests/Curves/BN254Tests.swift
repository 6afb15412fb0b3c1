import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct BN254Tests {
    private let p = BN254.Fp.modulus

    private func encode(_ point: AffinePoint<BN254.G1>) -> Bytes {
        point.x.bigEndianBytes + point.y.bigEndianBytes
    }

    private func encode(_ point: AffinePoint<BN254.G2>) -> Bytes {
        point.x.c1.bigEndianBytes + point.x.c0.bigEndianBytes + point.y.c1.bigEndianBytes
            + point.y.c0.bigEndianBytes
    }

    private var generator: Bytes { encode(CurvePointTests.bnGenerator) }
    private var twistGenerator: Bytes { encode(CurvePointTests.bnTwistGenerator) }
    private var negative: Bytes { encode(-CurvePointTests.bnGenerator) }
    private let one = Bytes(repeating: 0, count: 31) + [1]
    private let zero = Bytes(repeating: 0, count: 32)

    // MARK: Official vectors

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: [
            ("bn256Add.json", BN254.add), ("bn256ScalarMul.json", BN254.multiply),
            ("bn256Pairing.json", BN254.pairing),
        ] as [(String, @Sendable (ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes)])
    func `the vectors of geth pass`(
        file: String, precompile: @Sendable (ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes
    ) throws {
        let vectors = try PrecompileVector.all("precompile-vectors-geth", file)
        #expect(!vectors.isEmpty)
        for vector in vectors {
            #expect((try? precompile(vector.input[...])) == vector.expected, "\(vector.name)")
        }
    }

    // MARK: Addition and multiplication

    @Test func `missing input is zero and more than enough is ignored`() throws {
        let nothing = Bytes(repeating: 0, count: 64)
        #expect(try BN254.add([]) == nothing)
        #expect(try BN254.multiply([]) == nothing)
        #expect(try BN254.add(generator[...]) == generator)
        #expect(try BN254.add((generator + nothing + [1, 2, 3])[...]) == generator)
        #expect(try BN254.multiply(generator[...]) == nothing)
        #expect(try BN254.multiply((generator + one + [9])[...]) == generator)
        // A scalar of one byte is the highest byte.
        let high = try BN254.multiply((generator + [1])[...])
        #expect(try high == BN254.multiply((generator + [1] + Bytes(repeating: 0, count: 31))[...]))
        // A cut-off coordinate is filled with zeros as well, and then this is no point.
        #expect(throws: PrecompileDefect.notOnCurve) { try BN254.add(generator.dropLast()) }
    }

    @Test func `a slice need not start at zero`() throws {
        let shifted = [0xaa, 0xbb] + generator + negative
        #expect(try BN254.add(shifted[2...]) == Bytes(repeating: 0, count: 64))
    }

    @Test func `a point off the curve is refused`() throws {
        let off = Bytes(repeating: 0, count: 31) + [1] + Bytes(repeating: 0, count: 31) + [3]
        #expect(throws: PrecompileDefect.notOnCurve) { try BN254.add((off + generator)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) { try BN254.add((generator + off)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) { try BN254.multiply((off + zero)[...]) }
        #expect(throws: PrecompileDefect.notOnCurve) {
            try BN254.pairing((off + twistGenerator)[...])
        }
    }

    @Test func `a coordinate of p or more is refused`() throws {
        let modulus = word(p).bigEndianBytes
        // (p, 0) and (0, p) would be infinity, (1 + p, 2) the generator.
        #expect(throws: PrecompileDefect.fieldElement) { try BN254.add((modulus + zero)[...]) }
        #expect(throws: PrecompileDefect.fieldElement) { try BN254.add((zero + modulus)[...]) }
        let shifted = (word(p) + 1).bigEndianBytes + generator[32...]
        #expect(throws: PrecompileDefect.fieldElement) { try BN254.multiply((shifted + one)[...]) }
    }

    @Test func `a scalar of the order or more wraps`() throws {
        let order = word(BN254.order)
        func times(_ scalar: UInt256) throws -> Bytes {
            try BN254.multiply((generator + scalar.bigEndianBytes)[...])
        }
        #expect(try times(order) == Bytes(repeating: 0, count: 64))
        #expect(try times(order + 1) == generator)
        #expect(try times(order - 1) == negative)
        #expect(try times(order * 5 + 2) == BN254.add((generator + generator)[...]))
    }

    // MARK: Pairing

    @Test func `an empty pairing is one`() throws {
        #expect(try BN254.pairing([]) == one)
    }

    @Test func `a pairing has whole pairs`() throws {
        let pair = generator + twistGenerator
        #expect(try BN254.pairing(pair[...]) == zero)
        #expect(try BN254.pairing((pair + negative + twistGenerator)[...]) == one)
        #expect(throws: PrecompileDefect.length) { try BN254.pairing(pair.dropLast()) }
        #expect(throws: PrecompileDefect.length) { try BN254.pairing((pair + [0])[...]) }
    }

    @Test func `infinity in a pair is allowed`() throws {
        let infinity1 = Bytes(repeating: 0, count: 64)
        let infinity2 = Bytes(repeating: 0, count: 128)
        #expect(try BN254.pairing((infinity1 + twistGenerator)[...]) == one)
        #expect(try BN254.pairing((generator + infinity2)[...]) == one)
        #expect(try BN254.pairing((infinity1 + infinity2)[...]) == one)
    }

    @Test func `a point of the twist outside of the subgroup is refused`() throws {
        let outside: AffinePoint<BN254.G2> = CurvePointTests.pointOnCurve(
            from: Fp2(BN254.Fp(1), .zero))
        #expect(outside.isOnCurve)
        #expect(throws: PrecompileDefect.notInG2) {
            try BN254.pairing((generator + encode(outside))[...])
        }
        // Also beside infinity.
        #expect(throws: PrecompileDefect.notInG2) {
            try BN254.pairing((Bytes(repeating: 0, count: 64) + encode(outside))[...])
        }
    }

    @Test func `each coordinate of the twist has to be canonical`() throws {
        for coordinate in 0..<4 {
            var bytes = twistGenerator
            let range = coordinate * 32..<coordinate * 32 + 32
            let number = UInt256(bigEndian: bytes[range]) ?? 0
            let (shifted, overflows) = number.addingReportingOverflow(word(p))
            guard !overflows else { continue }
            bytes.replaceSubrange(range, with: shifted.bigEndianBytes)
            #expect(throws: PrecompileDefect.fieldElement) {
                try BN254.pairing((generator + bytes)[...])
            }
        }
    }
}
