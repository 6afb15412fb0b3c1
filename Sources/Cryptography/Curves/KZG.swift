/// Polynomial commitments of Kate, Zaverucha and Goldberg as Ethereum uses them for blobs: checking
/// evaluations of a committed polynomial (EIP-4844) and cells of an extended blob (EIP-7594, in
/// `KZG+Cells.swift`).
///
/// A blob is a polynomial f of degree below 4096, given by its values at the 4096th roots of unity
/// in bit-reversed order; the commitment is [f(τ)]. The functions have the names and the order of
/// steps of the consensus specs (deneb/polynomial-commitments.md).

public import Primitives

/// Verification of KZG proofs. Each function gives nil where an input is malformed (a wrong length,
/// a number that is not canonical, a point outside of G1), which the specs call an error, and false
/// where a proof is wrong.
public enum KZG {
    /// Field elements of a blob.
    static let fieldElementsPerBlob = 4096

    /// Bytes of a blob.
    public static let bytesPerBlob = 131_072

    /// The versioned hash of a commitment: SHA-256 with the first byte replaced by 1 (EIP-4844,
    /// `kzg_to_versioned_hash`).
    public static func versionedHash(_ commitment: Bytes) -> Hash256 {
        let digest = sha256(commitment)
        guard let hash = Hash256([1] + digest.dropFirst()) else {
            preconditionFailure("A SHA-256 digest has 32 bytes.")
        }
        return hash
    }

    /// The point evaluation precompile (EIP-4844, address 0x0a).
    ///
    /// - Parameter input: versioned hash‖z‖y‖commitment‖proof, 192 bytes.
    /// - Returns: the number of field elements in a blob and the order of the field, as two words.
    public static func pointEvaluation(
        _ input: ArraySlice<UInt8>
    ) throws(PrecompileDefect) -> Bytes {
        guard input.count == 192 else { throw .length }
        let input = Bytes(input)
        let commitment = Bytes(input[96..<144])
        guard versionedHash(commitment).bytes.elementsEqual(input[0..<32]) else {
            throw .versionedHash
        }
        let isValid = verifyProof(
            commitment: commitment, z: Bytes(input[32..<64]), y: Bytes(input[64..<96]),
            proof: Bytes(input[144..<192]))
        guard let isValid else { throw .proofEncoding }
        guard isValid else { throw .proof }
        return UInt256(fieldElementsPerBlob).bigEndianBytes
            + UInt256(
                l0: Fr.modulus[0], l1: Fr.modulus[1], l2: Fr.modulus[2], l3: Fr.modulus[3]
            ).bigEndianBytes
    }

    /// Whether `proof` shows that the committed polynomial takes the value y at z
    /// (`verify_kzg_proof`).
    public static func verifyProof(
        commitment: Bytes, z: Bytes, y: Bytes, proof: Bytes
    ) -> Bool? {
        guard let commitment = decodePoint(commitment), let proof = decodePoint(proof),
            let z = Fr(bigEndian: z[...]), let y = Fr(bigEndian: y[...])
        else { return nil }
        return verify(Evaluation(commitment: commitment, z: z, y: y, proof: proof))
    }

    /// Whether `proof` shows that `commitment` is the commitment to `blob`
    /// (`verify_blob_kzg_proof`).
    public static func verifyBlobProof(blob: Bytes, commitment: Bytes, proof: Bytes) -> Bool? {
        evaluation(blob: blob, commitment: commitment, proof: proof).map(verify)
    }

    /// Whether all proofs hold, for the price of little more than one pairing
    /// (`verify_blob_kzg_proof_batch`).
    public static func verifyBlobProofs(
        blobs: [Bytes], commitments: [Bytes], proofs: [Bytes]
    ) -> Bool? {
        guard blobs.count == commitments.count, blobs.count == proofs.count else { return nil }
        var evaluations: [Evaluation] = []
        for index in blobs.indices {
            guard
                let evaluation = evaluation(
                    blob: blobs[index], commitment: commitments[index], proof: proofs[index])
            else { return nil }
            evaluations.append(evaluation)
        }
        return verify(
            evaluations, challenge: batchChallenge(evaluations, commitments, proofs))
    }
}

extension KZG {
    package typealias Fr = BLS12381.Fr
    package typealias G1Point = AffinePoint<BLS12381.G1>

    /// The claim that the polynomial committed to is y at z, with its proof: the commitment to
    /// (f(X) − y)/(X − z).
    struct Evaluation {
        let commitment: G1Point
        let z, y: Fr
        let proof: G1Point
    }

    /// A point of G1 in compressed form (`validate_kzg_g1`).
    package static func decodePoint(_ bytes: Bytes) -> G1Point? {
        guard let point = BLS12381.decompressG1(bytes[...]), BLS12381.isInSubgroup(point)
        else { return nil }
        return point
    }

    /// `hash_to_bls_field`
    static func hashToField(_ message: Bytes) -> Fr {
        Fr(reducing: Limbs(bigEndian: sha256(message)[...]))
    }

    /// x⁰, x¹, … (`compute_powers`)
    static func powers(of x: Fr, count: Int) -> [Fr] {
        var powers: [Fr] = []
        powers.reserveCapacity(count)
        var power = Fr.one
        for _ in 0..<count {
            powers.append(power)
            power = power * x
        }
        return powers
    }

    // MARK: Verification

    private static func verify(_ evaluation: Evaluation) -> Bool {
        verify([evaluation], challenge: .one)
    }

    /// Checks all claims at once, the i-th weighted with the i-th power of the challenge
    /// (`verify_kzg_proof_batch`):
    ///
    ///     C − [y] = (τ − z)·proof   ⇔   e(C − [y] + z·proof, −[1]) · e(proof, [τ]) = 1
    private static func verify(_ evaluations: [Evaluation], challenge: Fr) -> Bool {
        let weights = powers(of: challenge, count: evaluations.count)
        var points = [BLS12381.G1.generator]
        var scalars = [Fr.zero]
        for (evaluation, weight) in zip(evaluations, weights) {
            scalars[0] = scalars[0] - weight * evaluation.y
            points += [evaluation.commitment, evaluation.proof]
            scalars += [weight, weight * evaluation.z]
        }
        let left = BLS12381.sum(of: points, times: scalars)
        let right = BLS12381.sum(of: evaluations.map(\.proof), times: weights)
        return BLS12381.productOfPairingsIsOne([
            (left.affine, TrustedSetup.minusOne), (right.affine, TrustedSetup.tau),
        ])
    }

    private static func batchChallenge(
        _ evaluations: [Evaluation], _ commitments: [Bytes], _ proofs: [Bytes]
    ) -> Fr {
        var transcript = Bytes("RCKZGBATCH___V1_".utf8)
        transcript += bigEndian(UInt64(fieldElementsPerBlob))
        transcript += bigEndian(UInt64(evaluations.count))
        for (index, evaluation) in evaluations.enumerated() {
            transcript += commitments[index]
            transcript += evaluation.z.bigEndianBytes
            transcript += evaluation.y.bigEndianBytes
            transcript += proofs[index]
        }
        return hashToField(transcript)
    }

    static func bigEndian(_ value: UInt64) -> Bytes {
        stride(from: 56, through: 0, by: -8).map {
            UInt8(truncatingIfNeeded: value &>> UInt64($0))
        }
    }

    // MARK: Blobs

    /// The values of a blob's polynomial in bit-reversed order (`blob_to_polynomial`).
    package static func decodeBlob(_ blob: Bytes) -> [Fr]? {
        guard blob.count == bytesPerBlob else { return nil }
        return decodeElements(blob[...])
    }

    /// Field elements of 32 bytes each.
    static func decodeElements(_ bytes: ArraySlice<UInt8>) -> [Fr]? {
        var elements: [Fr] = []
        elements.reserveCapacity(bytes.count / 32)
        for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: 32) {
            guard let element = Fr(bigEndian: bytes[start..<start + 32]) else { return nil }
            elements.append(element)
        }
        return elements
    }

    /// The evaluation that a blob proof is about: at the challenge that blob and commitment
    /// determine.
    private static func evaluation(
        blob: Bytes, commitment commitmentBytes: Bytes, proof: Bytes
    ) -> Evaluation? {
        guard let polynomial = decodeBlob(blob), let commitment = decodePoint(commitmentBytes),
            let proof = decodePoint(proof)
        else { return nil }
        let z = challenge(blob: blob, commitment: commitmentBytes)
        return Evaluation(
            commitment: commitment, z: z, y: evaluate(polynomial, at: z), proof: proof)
    }

    /// `compute_challenge`
    package static func challenge(blob: Bytes, commitment: Bytes) -> Fr {
        var transcript = Bytes("FSBLOBVERIFY_V1_".utf8)
        transcript.reserveCapacity(32 + bytesPerBlob + 48)
        transcript += bigEndian(0) + bigEndian(UInt64(fieldElementsPerBlob))
        transcript += blob
        transcript += commitment
        return hashToField(transcript)
    }

    /// f(z) by the barycentric formula (`evaluate_polynomial_in_evaluation_form`):
    ///
    ///     f(z) = (z⁴⁰⁹⁶ − 1)/4096 · Σ f(ωⁱ)·ωⁱ/(z − ωⁱ)
    package static func evaluate(_ polynomial: [Fr], at z: Fr) -> Fr {
        let domain = Domain.blobInBitReversedOrder
        var inverses = domain.map { z - $0 }
        if let index = inverses.firstIndex(where: \.isZero) { return polynomial[index] }
        Fr.invert(&inverses)
        var sum = Fr.zero
        for index in domain.indices {
            sum = sum + polynomial[index] * domain[index] * inverses[index]
        }
        var power = z
        for _ in 0..<12 { power = power.squared() }
        return sum * (power - .one) * Fr(UInt64(fieldElementsPerBlob)).inverted()
    }

    // MARK: Roots of unity

    /// The domains over which blobs and extended blobs are given.
    package enum Domain {
        /// The 8192nd roots of unity ωⁱ, ω = 7^((r−1)/8192); 7 generates the multiplicative group.
        package static let extended: [Fr] = {
            let orderLessOne = Fr.modulus.subtracting(Limbs(1))
            return powers(of: Fr(7).power(orderLessOne.dividedBy(8192).quotient), count: 8192)
        }()

        /// The 4096th roots of unity in bit-reversed order.
        package static let blobInBitReversedOrder = bitReversed(
            stride(from: 0, to: 8192, by: 2).map { extended[$0] })
    }

    /// The elements with the bits of their indices reversed; the count is a power of two.
    package static func bitReversed(_ elements: [Fr]) -> [Fr] {
        let shift = UInt64(elements.count.leadingZeroBitCount + 1)
        return elements.indices.map { elements[Int(reversedBits(UInt64($0)) &>> shift)] }
    }

    static func reversedBits(_ value: UInt64) -> UInt64 {
        var result: UInt64 = 0
        for bit in 0..<UInt64(64) { result |= (value &>> bit & 1) &<< (63 - bit) }
        return result
    }
}

// MARK: Compressed points

extension BLS12381 {
    /// A point of the curve of G1 from its compressed form of 48 bytes: x, and in the three top
    /// bits: compressed, infinity, y is the larger root. Does not check the subgroup.
    package static func decompressG1(_ bytes: ArraySlice<UInt8>) -> AffinePoint<G1>? {
        guard bytes.count == 48, let flags = bytes.first, flags & 0x80 != 0 else { return nil }
        var xBytes = Bytes(bytes)
        xBytes[0] &= 0x1f
        guard let x = Fp(bigEndian: xBytes[...]) else { return nil }
        if flags & 0x40 != 0 {
            return flags == 0xc0 && x.isZero ? .infinity : nil
        }
        guard let y = (x.squared() * x + G1.b).squareRoot() else { return nil }
        let isLargest = flags & 0x20 != 0
        return AffinePoint(x, y.isLexicographicallyLargest == isLargest ? y : -y)
    }
}
