import Cryptography
public import EthereumTypes
public import Primitives

/// A transaction of a block with what belongs to it.
public struct StoredTransaction: Sendable {
    /// The hash of the block.
    public let blockHash: Hash256
    /// The header of the block.
    public let header: Header
    /// Its place in the block, from 0.
    public let index: Int
    /// The transaction itself.
    public let transaction: Transaction
    /// Its hash.
    public let hash: Hash256
    /// Its sender.
    public let sender: Address
}

/// The receipt of a transaction with what follows from those before it.
public struct StoredReceipt: Sendable {
    /// The receipt itself.
    public let receipt: Receipt
    /// What the transaction used.
    public let gasUsed: Gas
    /// The index of its first log among all of the block.
    public let firstLogIndex: Int
}

// One of many, without decoding the others: who asks for a transaction by its hash should not pay for
// its block.

extension BlockStore {
    /// A transaction of a block; `nil` if there is no such block, or no transaction at that place.
    public func transaction(
        _ block: BlockReference, at index: Int
    ) throws(StorageError) -> StoredTransaction? {
        guard let stored = try header(block), let body = try body(block),
            let encoded = try body.encodedTransaction(at: index)
        else { return nil }
        guard body.senders.indices.contains(index) else {
            throw .corrupted("senders of \(block.number)")
        }
        let transaction = try decoding("transaction \(index) of block \(block.number)") {
            () throws(TransactionDecodingError) in try Transaction(encoded: encoded)
        }
        return StoredTransaction(
            blockHash: block.hash, header: stored.header, index: index, transaction: transaction,
            hash: keccak256(encoded), sender: body.senders[index])
    }

    /// The receipt of a transaction of a block; `nil` if the block's are not stored, as of a block beside
    /// the chain, or if there is none at that place.
    public func receipt(
        _ block: BlockReference, at index: Int
    ) throws(StorageError) -> StoredReceipt? {
        guard let value = try snapshot.value(.receipts, Key.block(block.number, block.hash)) else {
            return nil
        }
        return try StoredReceipts.receipt(at: index, in: value)
    }
}
