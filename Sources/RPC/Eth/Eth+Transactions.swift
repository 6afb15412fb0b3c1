import Chain
import EthereumTypes
import Primitives
import Storage

/// Transactions that are in the chain or wait in the pool.
extension EthNamespace {
    var transactionMethods: [RPCMethod] {
        [
            RPCMethod("eth_getTransactionByHash", ["hash"], execution: getTransactionByHash),
            RPCMethod(
                "eth_getTransactionByBlockNumberAndIndex", ["block", "index"],
                execution: getTransactionByNumber),
            RPCMethod(
                "eth_getTransactionByBlockHashAndIndex", ["hash", "index"],
                execution: getTransactionByBlockHash),
            RPCMethod("eth_getRawTransactionByHash", ["hash"], execution: getRawTransactionByHash),
            RPCMethod(
                "eth_getRawTransactionByBlockNumberAndIndex", ["block", "index"],
                execution: getRawTransactionByNumber),
            RPCMethod(
                "eth_getRawTransactionByBlockHashAndIndex", ["hash", "index"],
                execution: getRawTransactionByBlockHash),
            RPCMethod("eth_getTransactionReceipt", ["hash"], execution: getTransactionReceipt),
            RPCMethod(
                "eth_getTransactionBySenderAndNonce", ["address", "nonce"],
                execution: getTransactionBySenderAndNonce),
        ]
    }

    private func getTransactionByHash(
        _: RPCContext, _ hash: Hash256
    ) throws -> TransactionResult? {
        let chain = chain()
        if let location = try chain.view.transactionLocation(hash) {
            let block = try chain.view.block(location.blockNumber)
            return Self.transaction(of: block, UInt64(location.index))
        }
        return services.pool.transaction(hash).map {
            TransactionResult(
                transaction: $0.transaction, hash: hash, sender: $0.sender, place: nil)
        }
    }

    private func getTransactionByNumber(
        _: RPCContext, _ tag: BlockTag, _ index: UInt64
    ) throws -> TransactionResult? {
        let chain = chain()
        if tag == .pending, let pending = try chain.pendingBlock() {
            guard index < UInt64(pending.block.transactions.count) else { return nil }
            return TransactionResult(
                transaction: pending.block.transactions[Int(index)],
                hash: pending.transactionHashes[Int(index)],
                sender: pending.senders[Int(index)], place: nil)
        }
        return Self.transaction(of: try chain.block(tag), index)
    }

    private func getTransactionByBlockHash(
        _: RPCContext, _ hash: Hash256, _ index: UInt64
    ) throws -> TransactionResult? {
        Self.transaction(of: try chain().view.block(hash: hash), index)
    }

    private func getRawTransactionByHash(_ context: RPCContext, _ hash: Hash256) throws -> HexData?
    {
        try getTransactionByHash(context, hash).map { HexData($0.transaction.encoded()) }
    }

    private func getRawTransactionByNumber(
        _ context: RPCContext, _ tag: BlockTag, _ index: UInt64
    ) throws -> HexData? {
        try getTransactionByNumber(context, tag, index).map { HexData($0.transaction.encoded()) }
    }

    private func getRawTransactionByBlockHash(
        _ context: RPCContext, _ hash: Hash256, _ index: UInt64
    ) throws -> HexData? {
        try getTransactionByBlockHash(context, hash, index).map {
            HexData($0.transaction.encoded())
        }
    }

    private func getTransactionReceipt(
        _: RPCContext, _ hash: Hash256
    ) throws -> ReceiptResult? {
        try chain().receipt(of: hash)
    }

    /// An account's transaction with a nonce (reth, anvil): in the pool, or in the block where the
    /// nonce of the account went beyond it, which is found by bisection.
    private func getTransactionBySenderAndNonce(
        _: RPCContext, _ sender: Address, _ nonce: UInt64
    ) throws -> TransactionResult? {
        let chain = chain()
        let number = try chain.firstBlock { try ($0.account(sender)?.nonce ?? 0) > nonce }
        guard let number else {
            let waiting = services.pool.content(of: sender)
            return (waiting.pending + waiting.queued).first { $0.transaction.nonce == nonce }.map {
                TransactionResult(
                    transaction: $0.transaction, hash: $0.hash, sender: sender, place: nil)
            }
        }
        let block = try chain.view.block(number)
        let index = block?.block.transactions.indices.first { index in
            block?.senders[index] == sender && block?.block.transactions[index].nonce == nonce
        }
        return index.flatMap { Self.transaction(of: block, UInt64($0)) }
    }

    private static func transaction(of block: StoredBlock?, _ index: UInt64) -> TransactionResult? {
        guard let block, index < UInt64(block.block.transactions.count) else { return nil }
        let header = block.block.header
        let index = Int(index)
        return TransactionResult(
            transaction: block.block.transactions[index], hash: block.transactionHashes[index],
            sender: block.senders[index],
            place: TransactionPlace(
                blockHash: block.hash, blockNumber: header.number,
                blockTimestamp: header.timestamp, index: index,
                baseFeePerGas: header.baseFeePerGas))
    }
}

extension ChainAccess {
    /// The receipt of a mined transaction.
    func receipt(of hash: Hash256) throws -> ReceiptResult? {
        guard let location = try view.transactionLocation(hash),
            let block = try view.block(location.blockNumber),
            let receipts = try receipts(of: block)?.results, location.index < receipts.count
        else { return nil }
        return receipts[location.index]
    }
}
