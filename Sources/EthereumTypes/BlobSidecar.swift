import Cryptography
public import Primitives

/// A blob transaction as it is sent and pooled: with its blobs, which no block contains.
///
/// ```
/// version 0 (EIP-4844)   3 ‖ rlp([fields, blobs, commitments, proofs])
/// version 1 (EIP-7594)   3 ‖ rlp([fields, 1, blobs, commitments, cell proofs])
/// ```

/// The blobs of a transaction and the proofs that they are what its hashes commit to.
public struct BlobSidecar: Hashable, Sendable {
    /// What the proofs prove.
    public enum Version: UInt8, Sendable {
        /// One proof a blob.
        case blobProofs = 0
        /// One proof for each of the 128 cells of each extended blob.
        case cellProofs = 1

        var proofsPerBlob: Int {
            switch self {
            case .blobProofs: 1
            case .cellProofs: BlobSidecar.cellsPerBlob
            }
        }
    }

    /// Bytes of a blob.
    public static let blobByteCount = 131_072
    /// Bytes of a KZG commitment or proof.
    public static let proofByteCount = 48
    /// `CELLS_PER_EXT_BLOB` of EIP-7594.
    public static let cellsPerBlob = 128

    /// What ``proofs`` are.
    public var version: Version
    /// 131,072 bytes each.
    public var blobs: [Bytes]
    /// One for each blob, 48 bytes each.
    public var commitments: [Bytes]
    /// 48 bytes each; how many a blob is up to the version.
    public var proofs: [Bytes]

    /// A sidecar of these parts, checked by ``checkStructure(versionedHashes:)``.
    public init(version: Version, blobs: [Bytes], commitments: [Bytes], proofs: [Bytes]) {
        self.version = version
        self.blobs = blobs
        self.commitments = commitments
        self.proofs = proofs
    }

    /// Checks that the blobs are what the commitments say. Milliseconds a blob; first comes
    /// ``checkStructure(versionedHashes:)``.
    public func verifyProofs() throws(BlobSidecarError) {
        let isValid =
            switch version {
            case .blobProofs:
                KZG.verifyBlobProofs(blobs: blobs, commitments: commitments, proofs: proofs)
            case .cellProofs:
                KZG.verifyCellProofs(blobs: blobs, commitments: commitments, proofs: proofs)
            }
        guard isValid == true else { throw .proofInvalid }
    }

    /// Checks numbers and that the commitments are those of the transaction's hashes; the proofs
    /// are not looked at.
    public func checkStructure(
        versionedHashes: [Hash256]
    ) throws(BlobSidecarError) {
        guard blobs.count == versionedHashes.count else {
            throw .wrongCount(.blobs, expected: versionedHashes.count, found: blobs.count)
        }
        guard commitments.count == blobs.count else {
            throw .wrongCount(.commitments, expected: blobs.count, found: commitments.count)
        }
        let proofCount = blobs.count * version.proofsPerBlob
        guard proofs.count == proofCount else {
            throw .wrongCount(.proofs, expected: proofCount, found: proofs.count)
        }
        for (index, hash) in versionedHashes.enumerated()
        where KZG.versionedHash(commitments[index]) != hash {
            throw .commitmentMismatch(index: index)
        }
    }
}

/// Why a sidecar does not belong to its transaction.
public enum BlobSidecarError: Error, Hashable {
    case wrongCount(TransactionDecodingError.Field, expected: Int, found: Int)
    /// The hash of the commitment is not the transaction's.
    case commitmentMismatch(index: Int)
    /// The blobs are not what the commitments say.
    case proofInvalid
}

/// A blob transaction together with its blobs.
public struct BlobTransactionWithSidecar: Hashable, Sendable {
    /// The transaction as blocks contain it.
    public var transaction: Transaction
    /// What only the pool and its peers see.
    public var sidecar: BlobSidecar

    /// - Precondition: `transaction` is a blob transaction.
    public init(transaction: Transaction, sidecar: BlobSidecar) {
        precondition(transaction.type == .blob, "only a blob transaction has a sidecar")
        self.transaction = transaction
        self.sidecar = sidecar
    }

    /// The form in which the transaction is sent.
    public func encoded() -> Bytes {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.appendPayload(of: transaction)
            switch sidecar.version {
            case .blobProofs: break
            case .cellProofs: list.append(UInt64(sidecar.version.rawValue))
            }
            for items in [sidecar.blobs, sidecar.commitments, sidecar.proofs] {
                list.list { list in
                    for item in items { list.append(item) }
                }
            }
        }
        return [TransactionType.blob.rawValue] + encoder.bytes
    }

    /// Reads what ``encoded()`` writes, and nothing but the canonical encoding. Lengths of blobs,
    /// commitments and proofs are checked; see ``BlobSidecar/checkStructure(versionedHashes:)`` for
    /// the rest.
    public init(encoded: Bytes) throws(TransactionDecodingError) {
        guard let first = encoded.first else { throw .empty }
        guard first == TransactionType.blob.rawValue else { throw .unknownType(first) }
        var reading = TransactionDecodingError.Field.envelope
        let payload: RLPDecoder
        let versionNumber: UInt64?
        let blobs: [Bytes]
        let commitments: [Bytes]
        let proofs: [Bytes]
        do throws(RLPError) {
            var decoder = RLPDecoder(encoded.dropFirst())
            var list = try decoder.list()
            try decoder.finish()
            payload = try list.list()
            reading = .wrapperVersion
            versionNumber = list.nextIsList ? nil : try list.uint64()
            reading = .blobs
            blobs = try list.fixedItems(BlobSidecar.blobByteCount)
            reading = .commitments
            commitments = try list.fixedItems(BlobSidecar.proofByteCount)
            reading = .proofs
            proofs = try list.fixedItems(BlobSidecar.proofByteCount)
            reading = .envelope
            try list.finish()
        } catch {
            throw .malformed(reading, error)
        }
        // Version 0 is not written: a zero there would be a second encoding of the same.
        if let versionNumber, versionNumber != BlobSidecar.Version.cellProofs.rawValue {
            throw .unknownWrapperVersion(versionNumber)
        }
        var fields = TransactionFields(payload)
        transaction = try Transaction(type: .blob, fields: &fields)
        try fields.finish()
        sidecar = BlobSidecar(
            version: versionNumber == nil ? .blobProofs : .cellProofs, blobs: blobs,
            commitments: commitments, proofs: proofs)
    }

    /// Whether bytes are a blob transaction with a sidecar rather than one without: whether its
    /// first item is a list.
    public static func isWrapped(_ encoded: Bytes) -> Bool {
        guard encoded.first == TransactionType.blob.rawValue else { return false }
        var decoder = RLPDecoder(encoded.dropFirst())
        guard let list = try? decoder.list() else { return false }
        return list.nextIsList
    }
}

extension RLPDecoder {
    /// Reads a list of strings that all have one length.
    fileprivate mutating func fixedItems(_ byteCount: Int) throws(RLPError) -> [Bytes] {
        var items = try list()
        var result: [Bytes] = []
        while !items.isAtEnd { result.append(Bytes(try items.fixed(byteCount))) }
        return result
    }
}
