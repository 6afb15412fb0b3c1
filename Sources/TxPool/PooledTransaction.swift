public import EthereumTypes
public import Primitives

/// A transaction in the pool.
public struct PooledTransaction: Hashable, Sendable {
    /// The transaction, its hash and its sender.
    public let recovered: RecoveredTransaction
    /// Its blobs, if it has any.
    public let sidecar: BlobSidecar?
    /// Counts all transactions that the pool took: the smaller came earlier.
    public internal(set) var arrival: UInt64
    /// The bytes of the transaction as blocks contain it.
    public let encodedByteCount: Int
    /// The bytes of the transaction and of its blobs.
    public let byteCount: Int
    /// What the sender must own: see ``EthereumTypes/Transaction/maximumCost()``. The largest word
    /// if it is more than that.
    public let cost: Wei

    package init(
        _ recovered: RecoveredTransaction, sidecar: BlobSidecar? = nil, arrival: UInt64 = 0
    ) {
        self.recovered = recovered
        self.sidecar = sidecar
        self.arrival = arrival
        let blobBytes = (sidecar?.blobs.count ?? 0) * BlobSidecar.blobByteCount
        let proofCount = (sidecar?.proofs.count ?? 0) + (sidecar?.commitments.count ?? 0)
        encodedByteCount = recovered.transaction.encoded().count
        byteCount = encodedByteCount + blobBytes + proofCount * BlobSidecar.proofByteCount
        cost = recovered.transaction.maximumCost() ?? .max
    }

    /// The transaction itself.
    public var transaction: Transaction { recovered.transaction }
    /// Its hash.
    public var hash: Hash256 { recovered.hash }
    /// Its sender.
    public var sender: Address { recovered.sender }
    /// Its nonce.
    public var nonce: Nonce { recovered.transaction.nonce }
}

/// The form in which the pool outlasts a restart, and in which snapshots hold it:
/// rlp([transaction, with its sidecar if it has one; sender; arrival]). The sender is kept, for
/// recovery is costly and an impersonated sender cannot be recovered.
extension PooledTransaction {
    /// The transaction with what the pool knows about it.
    public func encoded() -> Bytes {
        let envelope =
            sidecar.map { sidecar in
                BlobTransactionWithSidecar(transaction: transaction, sidecar: sidecar).encoded()
            } ?? transaction.encoded()
        return RLPEncoder.list { list in
            list.append(envelope)
            list.append(sender)
            list.append(arrival)
        }
    }

    /// Reads what ``encoded()`` writes.
    ///
    /// - Returns: `nil` for anything else.
    public init?(encoded: Bytes) {
        do {
            var decoder = RLPDecoder(encoded)
            var list = try decoder.list()
            try decoder.finish()
            let envelope = Bytes(try list.bytes())
            let sender = try list.address()
            let arrival = try list.uint64()
            try list.finish()
            if BlobTransactionWithSidecar.isWrapped(envelope) {
                let wrapped = try BlobTransactionWithSidecar(encoded: envelope)
                self.init(
                    RecoveredTransaction(wrapped.transaction, sender: sender),
                    sidecar: wrapped.sidecar, arrival: arrival)
            } else {
                self.init(
                    RecoveredTransaction(try Transaction(encoded: envelope), sender: sender),
                    arrival: arrival)
            }
        } catch {
            return nil
        }
    }
}
