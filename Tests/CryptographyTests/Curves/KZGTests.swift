import Cryptography
import Foundation
import Primitives
import TestSupport
import Testing

@Suite struct KZGTests {
    typealias Fr = BLS12381.Fr

    private static let infinity = [0xc0] + Bytes(repeating: 0, count: 47)
    private static let zero = Bytes(repeating: 0, count: 32)

    // MARK: Official vectors

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the vectors of the consensus specs pass`() throws {
        let files = try Fixtures.files("kzg", under: "tests/verify_kzg_proof", extension: "yaml")
        #expect(!files.isEmpty)
        for file in files {
            let fields = try fields(of: file)
            let expected: Bool? = ["true": true, "false": false][fields["output"] ?? ""]
            let result = KZG.verifyProof(
                commitment: bytes(fields["commitment"]), z: bytes(fields["z"]),
                y: bytes(fields["y"]), proof: bytes(fields["proof"]))
            #expect(result == expected, "\(file.path)")
        }
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the vectors of the execution specs pass`() throws {
        let folder = "cancun/eip4844_blobs/point_evaluation_vectors/"
        let vectors = try #require(
            try Fixtures.json(
                Fixtures.file(
                    "precompile-vectors-specs", folder + "go_kzg_4844_verify_kzg_proof.json")
            ).arrayValue)
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let input = try #require(vector["input"])
            let commitment = bytes(input["commitment"]?.stringValue)
            let z = bytes(input["z"]?.stringValue)
            let y = bytes(input["y"]?.stringValue)
            let proof = bytes(input["proof"]?.stringValue)
            let expected = vector["output"]?.boolValue
            #expect(
                KZG.verifyProof(commitment: commitment, z: z, y: y, proof: proof) == expected,
                "\(vector["name"]?.stringValue ?? "")")

            let call = KZG.versionedHash(commitment).bytes + z + y + commitment + proof
            #expect(((try? KZG.pointEvaluation(call[...])) != nil) == (expected == true))
        }
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the vector of geth passes`() throws {
        for vector in try PrecompileVector.all("precompile-vectors-geth", "pointEvaluation.json") {
            #expect((try? KZG.pointEvaluation(vector.input[...])) == vector.expected)
            var wrong = vector.input
            wrong[0] = 2
            #expect(throws: PrecompileDefect.versionedHash) { try KZG.pointEvaluation(wrong[...]) }
            wrong = vector.input
            wrong[40] ^= 1
            #expect(throws: PrecompileDefect.proof) { try KZG.pointEvaluation(wrong[...]) }
            #expect(throws: PrecompileDefect.length) {
                try KZG.pointEvaluation(vector.input.dropLast())
            }
            #expect(throws: PrecompileDefect.length) {
                try KZG.pointEvaluation((vector.input + [0])[...])
            }
            #expect(throws: PrecompileDefect.length) { try KZG.pointEvaluation([]) }
        }
    }

    /// The scalar fields of one of the specs' cases, which stand one a line.
    private func fields(of file: URL) throws -> [String: String] {
        var fields: [String: String] = [:]
        for line in String(decoding: try Fixtures.bytes(file), as: UTF8.self).split(separator: "\n")
        {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields[parts[0].trimmingCharacters(in: .whitespaces)] =
                parts[1].trimmingCharacters(in: CharacterSet(charactersIn: " '\""))
        }
        return fields
    }

    private func bytes(_ text: String?) -> Bytes {
        text.flatMap { Hex.decode($0) } ?? []
    }

    // MARK: The trusted set-up

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the constants of the trusted set-up are those of the ceremony`() throws {
        let setup = try TrustedSetupFile()
        #expect(setup.g2[0] == compressed(BLS12381.G2.generator))
        #expect(setup.g2[1] == compressed(KZG.TrustedSetup.tauPoint))
        #expect(setup.g2[64] == compressed(KZG.TrustedSetup.tauToCellSizePoint))
        #expect(setup.monomials.prefix(64).map { $0 } == KZG.TrustedSetup.monomials.map(compressed))
        #expect(KZG.TrustedSetup.monomials[0] == BLS12381.G1.generator)
        for point in KZG.TrustedSetup.monomials {
            #expect(point.isOnCurve && BLS12381.isInSubgroup(point))
        }
        // [τⁱ⁺¹] pairs with [1] like [τⁱ] with [τ].
        let tau = KZG.TrustedSetup.tau
        #expect(
            BLS12381.productOfPairingsIsOne([
                (KZG.TrustedSetup.monomials[2], KZG.TrustedSetup.minusOne),
                (KZG.TrustedSetup.monomials[1], tau),
            ]))
    }

    // MARK: Compressed points

    @Test func `a compressed point has one form`() {
        let generator = compressed(BLS12381.G1.generator)
        #expect(BLS12381.decompressG1(generator[...]) == BLS12381.G1.generator)
        var other = generator
        other[0] ^= 0x20
        #expect(BLS12381.decompressG1(other[...]) == -BLS12381.G1.generator)
        #expect(BLS12381.decompressG1(Self.infinity[...]) == .infinity)
        #expect(KZG.decodePoint(Self.infinity) == .infinity)

        var uncompressed = generator
        uncompressed[0] &= 0x7f
        #expect(BLS12381.decompressG1(uncompressed[...]) == nil)
        var markedInfinite = generator
        markedInfinite[0] |= 0x40
        #expect(BLS12381.decompressG1(markedInfinite[...]) == nil)
        var infiniteWithSign = Self.infinity
        infiniteWithSign[0] = 0xe0
        #expect(BLS12381.decompressG1(infiniteWithSign[...]) == nil)
        var infiniteWithRest = Self.infinity
        infiniteWithRest[47] = 1
        #expect(BLS12381.decompressG1(infiniteWithRest[...]) == nil)
        #expect(BLS12381.decompressG1(generator.dropLast()) == nil)
        #expect(BLS12381.decompressG1((generator + [0])[...]) == nil)
        #expect(BLS12381.decompressG1([]) == nil)
        // x = p, and x = p − 1 with y: −1 + 4 = 3 is no square.
        var modulus = (-BLS12381.Fp.one).bigEndianBytes
        modulus[0] |= 0x80
        #expect(BLS12381.decompressG1(modulus[...]) == nil)
        modulus[47] += 1
        #expect(BLS12381.decompressG1(modulus[...]) == nil)

        let outside: AffinePoint<BLS12381.G1> = CurvePointTests.pointOnCurve(from: BLS12381.Fp(4))
        #expect(BLS12381.decompressG1(compressed(outside)[...]) == outside)
        #expect(KZG.decodePoint(compressed(outside)) == nil)
    }

    // MARK: Proofs

    @Test func `the zero polynomial is zero everywhere`() {
        let z = Bytes(repeating: 0, count: 31) + [7]
        func verify(y: Bytes, proof: Bytes = Self.infinity) -> Bool? {
            KZG.verifyProof(commitment: Self.infinity, z: z, y: y, proof: proof)
        }
        #expect(verify(y: Self.zero) == true)
        #expect(verify(y: z) == false)
        #expect(verify(y: Self.zero, proof: compressed(BLS12381.G1.generator)) == false)
        #expect(verify(y: Bytes(repeating: 0xff, count: 32)) == nil)
        #expect(verify(y: []) == nil)
        #expect(verify(y: Self.zero, proof: []) == nil)

        let blob = Bytes(repeating: 0, count: KZG.bytesPerBlob)
        func verifyBlob(_ blob: Bytes) -> Bool? {
            KZG.verifyBlobProof(blob: blob, commitment: Self.infinity, proof: Self.infinity)
        }
        #expect(verifyBlob(blob) == true)
        #expect(verifyBlob(blob.dropLast()) == nil)
        #expect(verifyBlob(blob + [0]) == nil)
        #expect(verifyBlob([0xff] + blob.dropFirst()) == nil)
        #expect(verifyBlob([1] + blob.dropFirst()) == false)
    }

    @Test func `a versioned hash begins with one`() {
        let hash = KZG.versionedHash(Self.infinity)
        #expect(hash.bytes.first == 1)
        #expect(hash.bytes.dropFirst().elementsEqual(sha256(Self.infinity).dropFirst()))
    }

    @Test func `evaluation works inside and outside of the domain`() {
        // f(X) = X³ + 5 at a root of unity and elsewhere.
        let polynomial = KZG.Domain.blobInBitReversedOrder.map { $0 * $0.squared() + Fr(5) }
        #expect(KZG.evaluate(polynomial, at: Fr(10)) == Fr(1005))
        let root = KZG.Domain.blobInBitReversedOrder[77]
        #expect(KZG.evaluate(polynomial, at: root) == root * root.squared() + Fr(5))
    }

    @Test func `a transform and its inverse cancel`() {
        var random = SeededRandom(seed: 50)
        let coefficients: [Fr] = (0..<64).map { _ in FieldTests.sample(random: &random) }
        let values = KZG.transform(coefficients)
        #expect(KZG.inverseTransform(values) == coefficients)
        let root = KZG.Domain.extended[8192 / 64 * 3]
        #expect(coefficients.reversed().reduce(Fr.zero) { $0 * root + $1 } == values[3])
        #expect(KZG.bitReversed(KZG.bitReversed(coefficients)) == coefficients)
        #expect(KZG.Domain.extended[4096] == -.one)
    }

    /// A blob with its commitment and proofs, computed here from the set-up of the ceremony.
    private struct Sidecar {
        let blob, commitment, proof: Bytes
        let cells: [Bytes]
        let cellProofs: [Bytes]

        /// The polynomial has a degree below 128: enough for quotients, few enough for a test.
        init(_ setup: TrustedSetupFile, seed: UInt64, cells cellCount: Int) throws {
            var random = SeededRandom(seed: seed)
            let coefficients: [Fr] = (0..<128).map { _ in FieldTests.sample(random: &random) }
            let points = try setup.monomials.prefix(128).map {
                try #require(BLS12381.decompressG1($0[...]))
            }
            func commit(_ polynomial: [Fr]) -> Bytes {
                compressed(
                    BLS12381.sum(of: Array(points.prefix(polynomial.count)), times: polynomial)
                        .affine)
            }
            let zeros = [Fr](repeating: .zero, count: 4096 - 128)
            let values = KZG.bitReversed(KZG.transform(coefficients + zeros))
            blob = values.flatMap(\.bigEndianBytes)
            commitment = commit(coefficients)

            // (f(X) − f(z))/(X − z), by Horner's rule from the top.
            let z = KZG.challenge(blob: blob, commitment: commitment)
            var quotient: [Fr] = []
            var value = Fr.zero
            for coefficient in coefficients.reversed() {
                quotient.insert(value, at: 0)
                value = value * z + coefficient
            }
            proof = commit(Array(quotient.dropLast()))

            // f(X) divided by X⁶⁴ − h⁶⁴ is c₆₄ + c₆₅X + … here.
            let extended = KZG.extend(values)
            cells = (0..<cellCount).map { cell in
                extended[cell * 64..<cell * 64 + 64].flatMap(\.bigEndianBytes)
            }
            let cellProof = commit(Array(coefficients[64...]))
            cellProofs = Array(repeating: cellProof, count: cellCount)
        }
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a blob's proof holds for that blob alone`() throws {
        let setup = try TrustedSetupFile()
        let a = try Sidecar(setup, seed: 51, cells: 0)
        let b = try Sidecar(setup, seed: 52, cells: 0)
        func verify(_ blob: Bytes, _ commitment: Bytes, _ proof: Bytes) -> Bool? {
            KZG.verifyBlobProof(blob: blob, commitment: commitment, proof: proof)
        }
        #expect(verify(a.blob, a.commitment, a.proof) == true)
        #expect(verify(b.blob, b.commitment, b.proof) == true)
        #expect(verify(a.blob, b.commitment, a.proof) == false)
        #expect(verify(a.blob, a.commitment, b.proof) == false)
        var changed = a.blob
        changed[KZG.bytesPerBlob - 1] ^= 1
        #expect(verify(changed, a.commitment, a.proof) == false)

        let both = [a, b]
        func verifyAll(
            blobs: [Bytes], commitments: [Bytes], proofs: [Bytes]
        ) -> Bool? {
            KZG.verifyBlobProofs(blobs: blobs, commitments: commitments, proofs: proofs)
        }
        let blobs = both.map(\.blob)
        let commitments = both.map(\.commitment)
        let proofs = both.map(\.proof)
        #expect(verifyAll(blobs: blobs, commitments: commitments, proofs: proofs) == true)
        #expect(verifyAll(blobs: [], commitments: [], proofs: []) == true)
        #expect(
            verifyAll(blobs: blobs, commitments: commitments, proofs: proofs.reversed()) == false)
        #expect(verifyAll(blobs: blobs, commitments: commitments, proofs: [a.proof]) == nil)
        #expect(verifyAll(blobs: [a.blob], commitments: commitments, proofs: proofs) == nil)
        #expect(verifyAll(blobs: blobs, commitments: commitments, proofs: [a.proof, []]) == nil)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the commitments to the blobs of the specs agree`() throws {
        // A commitment is f(τ), so a proof of the blob's own values has to hold with it. The blob
        // of one value everywhere has the quotient zero.
        let files = try Fixtures.files(
            "kzg", under: "tests/blob_to_kzg_commitment", extension: "yaml")
        var constants = 0
        for file in files {
            let fields = try fields(of: file)
            let blob = bytes(fields["blob"])
            let commitment = bytes(fields["output"])
            guard let values = KZG.decodeBlob(blob) else {
                #expect(fields["output"] == "null", "\(file.path)")
                continue
            }
            #expect(commitment.count == 48)
            let isConstant = values.allSatisfy { $0 == values[0] }
            constants += isConstant ? 1 : 0
            #expect(
                KZG.verifyBlobProof(blob: blob, commitment: commitment, proof: Self.infinity)
                    == isConstant, "\(file.path)")
        }
        #expect(constants > 0)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a cell's proof holds for that cell alone`() throws {
        let setup = try TrustedSetupFile()
        let a = try Sidecar(setup, seed: 53, cells: 128)
        let b = try Sidecar(setup, seed: 54, cells: 128)
        var commitments = [a.commitment, b.commitment, a.commitment, a.commitment, b.commitment]
        var indices: [UInt64] = [0, 0, 5, 127, 64]
        var cells = [a.cells[0], b.cells[0], a.cells[5], a.cells[127], b.cells[64]]
        let proofs = [a, b, a, a, b].map { $0.cellProofs[0] }
        func verify() -> Bool? {
            KZG.verifyCellProofs(
                commitments: commitments, cellIndices: indices, cells: cells, proofs: proofs)
        }
        #expect(verify() == true)
        // The same cell may be given twice.
        #expect(
            KZG.verifyCellProofs(
                commitments: commitments + commitments, cellIndices: indices + indices,
                cells: cells + cells, proofs: proofs + proofs) == true)
        #expect(
            KZG.verifyCellProofs(commitments: [], cellIndices: [], cells: [], proofs: []) == true)

        indices[2] = 6
        #expect(verify() == false)
        indices[2] = 128
        #expect(verify() == nil)
        indices[2] = .max
        #expect(verify() == nil)
        indices[2] = 5
        cells[4][2047] ^= 1
        #expect(verify() == false)
        cells[4].removeLast()
        #expect(verify() == nil)
        cells[4] = Bytes(repeating: 0xff, count: KZG.bytesPerCell)
        #expect(verify() == nil)
        cells[4] = b.cells[64]
        commitments[3] = b.commitment
        #expect(verify() == false)
        commitments[3] = Bytes(repeating: 0, count: 48)
        #expect(verify() == nil)
        commitments[3] = a.commitment
        #expect(verify() == true)
        commitments.removeLast()
        #expect(verify() == nil)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `a sidecar of cell proofs holds for its blobs alone`() throws {
        let setup = try TrustedSetupFile()
        let a = try Sidecar(setup, seed: 55, cells: 128)
        let b = try Sidecar(setup, seed: 56, cells: 128)
        func verify(_ blobs: [Bytes], _ commitments: [Bytes], _ proofs: [Bytes]) -> Bool? {
            KZG.verifyCellProofs(blobs: blobs, commitments: commitments, proofs: proofs)
        }
        let blobs = [a.blob, b.blob]
        let commitments = [a.commitment, b.commitment]
        #expect(verify(blobs, commitments, a.cellProofs + b.cellProofs) == true)
        #expect(verify(blobs, commitments, b.cellProofs + a.cellProofs) == false)
        #expect(verify(blobs, commitments, a.cellProofs) == nil)
        #expect(verify(blobs, [a.commitment], a.cellProofs + b.cellProofs) == nil)
        #expect(verify([a.blob], [b.commitment], b.cellProofs) == false)
        #expect(verify([a.blob.dropLast()], [a.commitment], a.cellProofs) == nil)
        #expect(verify([], [], []) == true)
    }
}

/// The mainnet set-up as its text file has it: in compressed form.
private struct TrustedSetupFile {
    let g2: [Bytes]
    let monomials: [Bytes]

    init() throws {
        let file = try Fixtures.file("kzg", "src/trusted_setup.txt")
        let lines = String(decoding: try Fixtures.bytes(file), as: UTF8.self)
            .split(separator: "\n")
        let g1Count = try #require(Int(lines[0]))
        let g2Count = try #require(Int(lines[1]))
        let points = lines.dropFirst(2 + g1Count).map { Hex.decode($0) ?? [] }
        g2 = Array(points.prefix(g2Count))
        monomials = Array(points.dropFirst(g2Count))
        try #require(monomials.count == g1Count)
    }
}

/// The compressed form of a point that is not infinity.
private func compressed(_ point: AffinePoint<BLS12381.G1>) -> Bytes {
    var bytes = point.x.bigEndianBytes
    bytes[0] |= point.y.isLexicographicallyLargest ? 0xa0 : 0x80
    return bytes
}

private func compressed(_ point: AffinePoint<BLS12381.G2>) -> Bytes {
    var bytes = point.x.c1.bigEndianBytes + point.x.c0.bigEndianBytes
    let y = point.y.c1.isZero ? point.y.c0 : point.y.c1
    bytes[0] |= y.isLexicographicallyLargest ? 0xa0 : 0x80
    return bytes
}
