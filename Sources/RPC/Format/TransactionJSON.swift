import Cryptography
import EthereumTypes
import Primitives

/// Where a transaction stands in the chain.
struct TransactionPlace: Sendable {
    let blockHash: Hash256
    let blockNumber: BlockNumber
    let blockTimestamp: Timestamp
    let index: Int
    let baseFeePerGas: Wei?
}

extension TransactionPlace {
    init(_ header: Header, hash: Hash256, index: Int) {
        self.init(
            blockHash: hash, blockNumber: header.number, blockTimestamp: header.timestamp,
            index: index, baseFeePerGas: header.baseFeePerGas)
    }
}

/// A transaction as the `eth` namespace shows it, with the members and their order of geth
/// (`internal/ethapi`, `RPCTransaction`).
struct TransactionResult: RPCResult {
    let transaction: Transaction
    let hash: Hash256
    let sender: Address
    /// Nil: the transaction waits in the pool.
    let place: TransactionPlace?

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writePlace(to: &writer)
            writer.key("from")
            writer.address(sender)
            writer.key("gas")
            writer.hexQuantity(transaction.gasLimit)
            writeFees(to: &writer)
            writer.key("hash")
            writer.hash(hash)
            writer.key("input")
            writer.hexData(transaction.data)
            writer.key("nonce")
            writer.hexQuantity(transaction.nonce)
            writer.key("to")
            transaction.to.write(to: &writer)
            writer.key("transactionIndex")
            (place?.index).map { UInt64($0) }.write(to: &writer)
            writer.key("value")
            writer.hexQuantity(transaction.value)
            writer.key("type")
            writer.hexQuantity(UInt64(transaction.type.rawValue))
            writer.payload(of: transaction)
            writer.signature(of: transaction)
        }
    }

    private func writePlace(to writer: inout JSONWriter) {
        writer.key("blockHash")
        (place?.blockHash).write(to: &writer)
        writer.key("blockNumber")
        (place?.blockNumber).write(to: &writer)
        writer.key("blockTimestamp")
        (place?.blockTimestamp).write(to: &writer)
    }

    private func writeFees(to writer: inout JSONWriter) {
        writer.key("gasPrice")
        if let place {
            writer.hexQuantity(transaction.effectiveGasPrice(baseFee: place.baseFeePerGas))
        } else {
            writer.hexQuantity(transaction.maxFeePerGas)
        }
        guard transaction.type.hasFeeCaps else { return }
        writer.feeCaps(of: transaction)
    }

    static let schema = Schema.transaction
}

/// A transaction that was only filled in or signed, in geth's own encoding of it
/// (`core/types`, `txJSON`).
struct TransactionFields: RPCResult {
    let transaction: Transaction

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("type")
            writer.hexQuantity(UInt64(transaction.type.rawValue))
            if let chainId = transaction.chainId {
                writer.key("chainId")
                writer.hexQuantity(chainId)
            }
            writer.key("nonce")
            writer.hexQuantity(transaction.nonce)
            writer.key("to")
            transaction.to.write(to: &writer)
            writer.key("gas")
            writer.hexQuantity(transaction.gasLimit)
            writer.key("gasPrice")
            // What is paid at most, where the fee depends on the block.
            writer.hexQuantity(transaction.maxFeePerGas)
            if transaction.type.hasFeeCaps { writer.feeCaps(of: transaction) }
            writer.key("value")
            writer.hexQuantity(transaction.value)
            writer.key("input")
            writer.hexData(transaction.data)
            if transaction.type != .legacy {
                writer.key("accessList")
                writer.accessList(transaction.accessList)
            }
            if transaction.type == .blob {
                writer.key("blobVersionedHashes")
                transaction.blobVersionedHashes.write(to: &writer)
            }
            if transaction.type == .setCode {
                writer.key("authorizationList")
                writer.authorizationList(transaction.authorizationList)
            }
            writer.signature(of: transaction)
            writer.key("hash")
            writer.hash(transaction.hash())
        }
    }

    static let schema = Schema.transactionFields
}

extension JSONWriter {
    /// Writes the fee caps that replace the gas price from EIP-1559 on.
    fileprivate mutating func feeCaps(of transaction: Transaction) {
        key("maxFeePerGas")
        hexQuantity(transaction.maxFeePerGas)
        key("maxPriorityFeePerGas")
        hexQuantity(transaction.maxPriorityFeePerGas)
        guard transaction.type == .blob else { return }
        key("maxFeePerBlobGas")
        hexQuantity(transaction.maxFeePerBlobGas)
    }

    /// Writes what the type of a transaction adds to it.
    fileprivate mutating func payload(of transaction: Transaction) {
        if transaction.type != .legacy {
            key("accessList")
            accessList(transaction.accessList)
        }
        if let chainId = transaction.chainId {
            key("chainId")
            hexQuantity(chainId)
        }
        if transaction.type == .blob {
            key("blobVersionedHashes")
            transaction.blobVersionedHashes.write(to: &self)
        }
        if transaction.type == .setCode {
            key("authorizationList")
            authorizationList(transaction.authorizationList)
        }
    }

    fileprivate mutating func signature(of transaction: Transaction) {
        let signature = transaction.signature
        let yParity: UInt64 = signature.yParity ? 1 : 0
        key("v")
        if transaction.type == .legacy {
            hexQuantity(transaction.legacyV)
        } else {
            hexQuantity(yParity)
        }
        key("r")
        hexQuantity(signature.r)
        key("s")
        hexQuantity(signature.s)
        guard transaction.type != .legacy else { return }
        key("yParity")
        hexQuantity(yParity)
    }

    mutating func accessList(_ list: AccessList) {
        array { writer in
            for entry in list {
                writer.object { writer in
                    writer.key("address")
                    writer.address(entry.address)
                    writer.key("storageKeys")
                    entry.storageKeys.write(to: &writer)
                }
            }
        }
    }

    fileprivate mutating func authorizationList(_ list: [Authorization]) {
        array { writer in
            for entry in list {
                writer.object { writer in
                    writer.key("chainId")
                    writer.hexQuantity(entry.chainId)
                    writer.key("address")
                    writer.address(entry.address)
                    writer.key("nonce")
                    writer.hexQuantity(entry.nonce)
                    writer.key("yParity")
                    writer.hexQuantity(UInt64(entry.yParity))
                    writer.key("r")
                    writer.hexQuantity(entry.r)
                    writer.key("s")
                    writer.hexQuantity(entry.s)
                }
            }
        }
    }
}
