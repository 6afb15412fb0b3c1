import Chain
import EthereumTypes
import Primitives
import Storage

/// Blocks, headers, ommers and receipts of whole blocks.
extension EthNamespace {
    var blockMethods: [RPCMethod] {
        [
            RPCMethod(
                "eth_getBlockByNumber", ["block", "fullTransactions"], execution: getBlockByNumber),
            RPCMethod(
                "eth_getBlockByHash", ["hash", "fullTransactions"], execution: getBlockByHash),
            RPCMethod("eth_getHeaderByNumber", ["block"], instant: getHeaderByNumber),
            RPCMethod("eth_getHeaderByHash", ["hash"], instant: getHeaderByHash),
            RPCMethod(
                "eth_getBlockTransactionCountByNumber", ["block"],
                execution: getTransactionCountByNumber),
            RPCMethod(
                "eth_getBlockTransactionCountByHash", ["hash"],
                execution: getTransactionCountByHash),
            RPCMethod(
                "eth_getUncleCountByBlockNumber", ["block"], execution: getOmmerCountByNumber),
            RPCMethod("eth_getUncleCountByBlockHash", ["hash"], execution: getOmmerCountByHash),
            RPCMethod(
                "eth_getUncleByBlockNumberAndIndex", ["block", "index"],
                execution: getOmmerByNumber),
            RPCMethod(
                "eth_getUncleByBlockHashAndIndex", ["hash", "index"], execution: getOmmerByHash),
            RPCMethod("eth_getBlockReceipts", ["block"], execution: getBlockReceipts),
            RPCMethod(
                "eth_getBlockAccessList", ["block"],
                aliases: [
                    "eth_getBlockAccessListByBlockHash", "eth_getBlockAccessListByBlockNumber",
                    "eth_getBlockAccessListRaw", "debug_getRawBlockAccessList",
                ], instant: getBlockAccessList),
        ]
    }

    /// The access list of a block (EIP-7928), which no block of the forks up to Osaka has.
    private func getBlockAccessList(_: RPCContext, _: BlockReference) -> NullResult {
        NullResult()
    }

    private func getBlockByNumber(
        _: RPCContext, _ tag: BlockTag, _ isFull: Bool?
    ) throws -> BlockResult? {
        let chain = chain()
        let detail: TransactionDetail = isFull ?? false ? .full : .hashes
        if tag == .pending, let pending = try chain.pendingBlock() {
            return BlockResult(
                block: pending.block, senders: pending.senders,
                transactionHashes: pending.transactionHashes, detail: detail, hash: nil)
        }
        return try chain.block(tag).map { BlockResult($0, detail) }
    }

    private func getBlockByHash(
        _: RPCContext, _ hash: Hash256, _ isFull: Bool?
    ) throws -> BlockResult? {
        try chain().view.block(hash: hash).map {
            BlockResult($0, isFull ?? false ? .full : .hashes)
        }
    }

    private func getHeaderByNumber(_: RPCContext, _ tag: BlockTag) throws -> HeaderResult? {
        let chain = chain()
        if tag == .pending, let pending = try chain.pendingBlock() {
            return HeaderResult(header: pending.block.header, hash: nil)
        }
        let number = try chain.number(of: tag)
        guard let header = try chain.view.header(number),
            let hash = try chain.view.canonicalHash(number)
        else { return nil }
        return HeaderResult(header: header, hash: hash)
    }

    private func getHeaderByHash(_: RPCContext, _ hash: Hash256) throws -> HeaderResult? {
        try chain().view.header(hash: hash).map { HeaderResult(header: $0, hash: hash) }
    }

    private func getTransactionCountByNumber(_: RPCContext, _ tag: BlockTag) throws -> UInt64? {
        let chain = chain()
        if tag == .pending, let pending = try chain.pendingBlock() {
            return UInt64(pending.block.transactions.count)
        }
        return try chain.block(tag).map { UInt64($0.block.transactions.count) }
    }

    private func getTransactionCountByHash(_: RPCContext, _ hash: Hash256) throws -> UInt64? {
        try chain().view.block(hash: hash).map { UInt64($0.block.transactions.count) }
    }

    private func getOmmerCountByNumber(_: RPCContext, _ tag: BlockTag) throws -> UInt64? {
        let chain = chain()
        if tag == .pending, let pending = try chain.pendingBlock() {
            return UInt64(pending.block.ommers.count)
        }
        return try chain.block(tag).map { UInt64($0.block.ommers.count) }
    }

    private func getOmmerCountByHash(_: RPCContext, _ hash: Hash256) throws -> UInt64? {
        try chain().view.block(hash: hash).map { UInt64($0.block.ommers.count) }
    }

    private func getOmmerByNumber(
        _: RPCContext, _ tag: BlockTag, _ index: UInt64
    ) throws -> OmmerResult? {
        Self.ommer(of: try chain().block(tag), index)
    }

    private func getOmmerByHash(
        _: RPCContext, _ hash: Hash256, _ index: UInt64
    ) throws -> OmmerResult? {
        Self.ommer(of: try chain().view.block(hash: hash), index)
    }

    private static func ommer(of block: StoredBlock?, _ index: UInt64) -> OmmerResult? {
        guard let ommers = block?.block.ommers, index < UInt64(ommers.count) else { return nil }
        return OmmerResult(header: ommers[Int(index)])
    }

    private func getBlockReceipts(
        _: RPCContext, _ reference: BlockReference
    ) throws -> [ReceiptResult]? {
        let chain = chain()
        if case .tag(.pending) = reference, let pending = try chain.pendingBlock() {
            return BlockReceipts(
                block: pending.block, hash: pending.block.header.hash(), senders: pending.senders,
                transactionHashes: pending.transactionHashes, receipts: pending.receipts,
                config: chain.config
            ).results
        }
        guard let block = try chain.block(reference) else { return nil }
        return try chain.receipts(of: block)?.results
    }
}

extension BlockResult {
    init(_ stored: StoredBlock, _ detail: TransactionDetail) {
        self.init(
            block: stored.block, senders: stored.senders,
            transactionHashes: stored.transactionHashes, detail: detail, hash: stored.hash)
    }
}

extension ChainAccess {
    /// The receipts of a block; nil if they are not stored, as for a block off the chain.
    func receipts(of block: StoredBlock) throws -> BlockReceipts? {
        guard let receipts = try view.receipts(hash: block.hash) else { return nil }
        return BlockReceipts(
            block: block.block, hash: block.hash, senders: block.senders,
            transactionHashes: block.transactionHashes, receipts: receipts, config: config)
    }
}
