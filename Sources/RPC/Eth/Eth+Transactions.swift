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
            return try chain.view.transaction(at: location).map(TransactionResult.init)
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
        guard let index = Int(exactly: index) else { return nil }
        let location = TransactionLocation(blockNumber: try chain.number(of: tag), index: index)
        return try chain.view.transaction(at: location).map(TransactionResult.init)
    }

    private func getTransactionByBlockHash(
        _: RPCContext, _ hash: Hash256, _ index: UInt64
    ) throws -> TransactionResult? {
        guard let index = Int(exactly: index) else { return nil }
        return try chain().view.transaction(at: index, inBlock: hash).map(TransactionResult.init)
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
        guard let stored = try chain.view.block(number) else { return nil }
        let transactions = stored.block.transactions
        let index = transactions.indices.first {
            stored.senders[$0] == sender && transactions[$0].nonce == nonce
        }
        return index.map {
            TransactionResult(
                transaction: transactions[$0], hash: stored.transactionHashes[$0], sender: sender,
                place: TransactionPlace(stored.block.header, hash: stored.hash, index: $0))
        }
    }
}

extension TransactionResult {
    init(_ stored: StoredTransaction) {
        self.init(
            transaction: stored.transaction, hash: stored.hash, sender: stored.sender,
            place: TransactionPlace(
                stored.header, hash: stored.blockHash, index: stored.index))
    }
}

extension ChainAccess {
    /// The receipt of a mined transaction.
    func receipt(of hash: Hash256) throws -> ReceiptResult? {
        guard let location = try view.transactionLocation(hash),
            let stored = try view.transaction(at: location),
            let receipt = try view.receipt(at: location)
        else { return nil }
        return ReceiptResult(
            receipt: receipt.receipt, transaction: stored.transaction, hash: hash,
            sender: stored.sender,
            place: TransactionPlace(
                stored.header, hash: stored.blockHash, index: stored.index),
            gasUsed: receipt.gasUsed, firstLogIndex: receipt.firstLogIndex,
            blobBaseFee: config.blobBaseFee(of: stored.header))
    }
}
