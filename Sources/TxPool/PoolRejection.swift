public import EthereumTypes
public import Execution
public import Primitives
public import State
public import Storage

/// Why the pool does not take a transaction. The cases carry the facts; the texts that RPC clients
/// match on are made from them in `RPC/ErrorCodes.swift`.
public enum PoolRejection: Error, Hashable, Sendable {
    /// The transaction breaks a rule, or cannot be executed on the present state.
    case invalid(InvalidTransaction)
    /// The pool has this very transaction.
    case alreadyKnown(Hash256)
    /// The tip is below the node's minimum.
    case underpriced(tip: Wei, minimum: Wei)
    /// The pool is full, and everything in it pays more.
    case poolFull(tip: Wei, lowest: Wei, limit: Int)
    /// Another transaction has this sender and nonce, and this one does not outbid it enough.
    case replacementUnderpriced(FeeCap, have: Wei, want: Wei)
    /// The encoding is too long.
    case oversized(have: Int, max: Int)
    /// The sender has as many transactions in the pool as one may have.
    case senderLimit(Address, limit: Int)
    /// The sender has as many transactions that wait for an earlier nonce as one may have.
    case nonceGapLimit(Address, limit: Int)
    /// The pool has as many blob transactions as it may have.
    case blobLimit(Int)
    /// A blob transaction came without its blobs.
    case missingSidecar
    /// The blobs are not those of the transaction.
    case invalidSidecar(BlobSidecarError)
    /// The proofs are of the wrong kind: from Osaka on those of cells (EIP-7594).
    case sidecarVersion(have: BlobSidecar.Version, want: BlobSidecar.Version)
    /// The sender's account could not be read: nothing is said about the transaction.
    case stateRead(StateReadError)
    /// The pool's store failed, so the transaction would not outlast a restart.
    case storage(StorageError)

    /// The fee caps of a transaction.
    public enum FeeCap: String, Hashable, Sendable {
        case maxFeePerGas, maxPriorityFeePerGas, maxFeePerBlobGas
    }
}
