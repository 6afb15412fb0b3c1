/// Cells (EIP-7594): the blob's polynomial is evaluated at twice as many points, the 8192nd roots
/// of unity in bit-reversed order, and cut into 128 cells of 64 values. A cell is the values on a
/// coset h·⟨ω⁶⁴-th roots⟩, and its proof commits to the quotient (f(X) − I(X))/(X⁶⁴ − h⁶⁴), where I
/// interpolates the cell.
///
/// Names and steps are those of the consensus specs (fulu/polynomial-commitments-sampling.md).

public import Primitives

extension KZG {
    static let fieldElementsPerCell = 64

    /// Cells of an extended blob, and so proofs of a blob.
    public static let cellsPerExtendedBlob = 128

    /// Bytes of a cell.
    public static let bytesPerCell = 2048

    /// Whether all cells belong to their commitments (`verify_cell_kzg_proof_batch`): four lists of
    /// equal length, the i-th claim being that `cells[i]` is cell number `cellIndices[i]` of the
    /// blob with `commitments[i]`.
    public static func verifyCellProofs(
        commitments: [Bytes], cellIndices: [UInt64], cells: [Bytes], proofs: [Bytes]
    ) -> Bool? {
        guard cells.count == commitments.count, cells.count == cellIndices.count,
            cells.count == proofs.count, cells.allSatisfy({ $0.count == bytesPerCell }),
            cellIndices.allSatisfy({ $0 < UInt64(cellsPerExtendedBlob) })
        else { return nil }
        var claims = CellClaims()
        for index in cells.indices {
            guard let values = decodeElements(cells[index][...]),
                let claim = claims.addCommitment(commitments[index])
            else { return nil }
            guard
                claims.addCell(
                    of: claim, index: Int(cellIndices[index]), values: values,
                    bytes: cells[index][...], proof: proofs[index])
            else { return nil }
        }
        return verify(claims)
    }

    /// Whether `proofs`, 128 for each blob, prove all cells of all blobs: the check of a blob
    /// transaction's sidecar (EIP-7594, wrapper version 1). The cells are computed from the blobs.
    public static func verifyCellProofs(
        blobs: [Bytes], commitments: [Bytes], proofs: [Bytes]
    ) -> Bool? {
        guard blobs.count == commitments.count,
            proofs.count == blobs.count * cellsPerExtendedBlob
        else { return nil }
        var claims = CellClaims()
        for (index, blob) in blobs.enumerated() {
            guard let polynomial = decodeBlob(blob),
                let claim = claims.addCommitment(commitments[index])
            else { return nil }
            let extended = extend(polynomial)
            for cell in 0..<cellsPerExtendedBlob {
                let start = cell * fieldElementsPerCell
                let values = extended[start..<start + fieldElementsPerCell]
                guard
                    claims.addCell(
                        of: claim, index: cell, values: Array(values),
                        bytes: values.flatMap(\.bigEndianBytes)[...],
                        proof: proofs[index * cellsPerExtendedBlob + cell])
                else { return nil }
            }
        }
        return verify(claims)
    }
}

extension KZG {
    /// Cells with their proofs, the commitments without duplicates.
    private struct CellClaims {
        private(set) var commitments: [G1Point] = []
        private(set) var proofs: [G1Point] = []
        /// For each cell: the commitment it belongs to, its index and its values.
        private(set) var cells: [(commitment: Int, index: Int, values: [Fr])] = []

        private var commitmentIndices: [Bytes: Int] = [:]
        private var commitmentBytes: Bytes = []
        private var cellBytes: Bytes = []

        /// The index of a commitment; nil if it is malformed.
        mutating func addCommitment(_ bytes: Bytes) -> Int? {
            if let index = commitmentIndices[bytes] { return index }
            guard let point = decodePoint(bytes) else { return nil }
            commitments.append(point)
            commitmentBytes += bytes
            commitmentIndices[bytes] = commitments.count - 1
            return commitments.count - 1
        }

        /// Adds a cell, given by its values and their encoding; false if the proof is malformed.
        mutating func addCell(
            of commitment: Int, index: Int, values: [Fr], bytes: ArraySlice<UInt8>, proof: Bytes
        ) -> Bool {
            guard let point = decodePoint(proof) else { return false }
            proofs.append(point)
            cells.append((commitment, index, values))
            cellBytes += bigEndian(UInt64(commitment)) + bigEndian(UInt64(index))
            cellBytes += bytes
            cellBytes += proof
            return true
        }

        /// `compute_verify_cell_kzg_proof_batch_challenge`
        var challenge: Fr {
            var transcript = Bytes("RCKZGCBATCH__V1_".utf8)
            transcript += bigEndian(UInt64(fieldElementsPerBlob))
            transcript += bigEndian(UInt64(fieldElementsPerCell))
            transcript += bigEndian(UInt64(commitments.count))
            transcript += bigEndian(UInt64(cells.count))
            transcript += commitmentBytes
            transcript += cellBytes
            return hashToField(transcript)
        }
    }

    /// The universal verification equation (`verify_cell_kzg_proof_batch_impl`):
    ///
    ///     e(Σ rᵏ·proofₖ, [τ⁶⁴]) = e(Σ rᵏ·(Cₖ − [Iₖ(τ)] + hₖ⁶⁴·proofₖ), [1])
    private static func verify(_ claims: CellClaims) -> Bool {
        // 1. The challenge r and its powers.
        let weights = powers(of: claims.challenge, count: claims.cells.count)

        // 2. Σ rᵏ·proofₖ
        let left = BLS12381.sum(of: claims.proofs, times: weights)

        // 4.1. Σ rᵏ·Cₖ, and 4.3. Σ rᵏ·hₖ⁶⁴·proofₖ
        var commitmentWeights = [Fr](repeating: .zero, count: claims.commitments.count)
        var proofWeights: [Fr] = []
        // 4.2. The cells of equal index are interpolated together, as the coset is the same.
        var columns = [[Fr]?](repeating: nil, count: cellsPerExtendedBlob)
        for (cell, weight) in zip(claims.cells, weights) {
            commitmentWeights[cell.commitment] = commitmentWeights[cell.commitment] + weight
            let shift = cosetShiftExponent(cell.index)
            proofWeights.append(weight * Domain.extended[shift * fieldElementsPerCell % 8192])
            var column = columns[cell.index] ?? [Fr](repeating: .zero, count: fieldElementsPerCell)
            for index in column.indices {
                column[index] = column[index] + weight * cell.values[index]
            }
            columns[cell.index] = column
        }
        let interpolation = interpolationSum(columns)

        let right = BLS12381.sum(
            of: claims.commitments + claims.proofs + TrustedSetup.monomials,
            times: commitmentWeights + proofWeights + interpolation.map { -$0 })

        // 5. The pairing check.
        return BLS12381.productOfPairingsIsOne([
            (left.affine, TrustedSetup.tauToCellSize), (right.affine, TrustedSetup.minusOne),
        ])
    }

    /// The coefficients of the sum of the polynomials that interpolate the columns.
    private static func interpolationSum(_ columns: [[Fr]?]) -> [Fr] {
        var sum = [Fr](repeating: .zero, count: fieldElementsPerCell)
        for (cell, column) in columns.enumerated() {
            guard let column else { continue }
            // f(h·gᵐ) for the 64th root of unity g; the transform gives the coefficients of f(hX).
            let coefficients = inverseTransform(bitReversed(column))
            let inverseShift = (8192 - cosetShiftExponent(cell)) % 8192
            for (index, coefficient) in coefficients.enumerated() {
                let factor = Domain.extended[inverseShift * index % 8192]
                sum[index] = sum[index] + coefficient * factor
            }
        }
        return sum
    }

    /// The i of h = ωⁱ for a cell (`coset_shift_for_cell`): its index with seven bits reversed.
    private static func cosetShiftExponent(_ cell: Int) -> Int {
        Int(reversedBits(UInt64(cell)) &>> 57)
    }

    // MARK: Extension of a blob

    /// The values of a blob's polynomial at the 8192nd roots of unity, both in bit-reversed order
    /// (`compute_cells`).
    package static func extend(_ polynomial: [Fr]) -> [Fr] {
        let coefficients = inverseTransform(bitReversed(polynomial))
        let zeros = [Fr](repeating: .zero, count: coefficients.count)
        return bitReversed(transform(coefficients + zeros))
    }

    /// The values at 1, ω, ω², … of the polynomial with these coefficients (`fft_field`); a power
    /// of two of them.
    package static func transform(_ coefficients: [Fr]) -> [Fr] {
        var values = bitReversed(coefficients)
        var half = 1
        while half < values.count {
            let step = Domain.extended.count / (2 * half)
            for start in stride(from: 0, to: values.count, by: 2 * half) {
                for index in 0..<half {
                    let low = values[start + index]
                    let high = values[start + half + index] * Domain.extended[index * step]
                    values[start + index] = low + high
                    values[start + half + index] = low - high
                }
            }
            half *= 2
        }
        return values
    }

    /// The coefficients of the polynomial with these values at 1, ω, ω², …
    package static func inverseTransform(_ values: [Fr]) -> [Fr] {
        let scale = Fr(UInt64(values.count)).inverted()
        let result = transform(values).map { $0 * scale }
        return result.prefix(1) + result.dropFirst().reversed()
    }
}
