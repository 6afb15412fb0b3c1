import Cryptography
public import EthereumTypes
public import Primitives

/// A block as the store keeps it.
public struct StoredBlock: Hashable, Sendable {
    /// The hash of the header.
    public var hash: Hash256
    /// The block itself.
    public var block: Block
    /// The sender of each transaction, in their order.
    public var senders: [Address]
    /// The hash of each transaction, in their order.
    public var transactionHashes: [Hash256]
    /// The sum of the difficulties of all blocks up to this one.
    public var totalDifficulty: UInt256

    /// A block with what was found out about it.
    public init(
        hash: Hash256, block: Block, senders: [Address], transactionHashes: [Hash256],
        totalDifficulty: UInt256
    ) {
        self.hash = hash
        self.block = block
        self.senders = senders
        self.transactionHashes = transactionHashes
        self.totalDifficulty = totalDifficulty
    }

    /// The block's number.
    public var number: BlockNumber { block.header.number }
}

/// A header as the store keeps it.
public struct StoredHeader: Hashable, Sendable {
    /// The header itself.
    public var header: Header
    /// The sum of the difficulties of all blocks up to this one.
    public var totalDifficulty: UInt256

    /// A header with the sum.
    public init(header: Header, totalDifficulty: UInt256) {
        self.header = header
        self.totalDifficulty = totalDifficulty
    }
}

/// A block's number and hash: what finds it in the store.
public struct BlockReference: Hashable, Sendable {
    /// The block's number.
    public var number: BlockNumber
    /// The hash of the header.
    public var hash: Hash256

    /// The reference to a block.
    public init(number: BlockNumber, hash: Hash256) {
        self.number = number
        self.hash = hash
    }
}

/// Where a transaction stands in the canonical chain.
public struct TransactionLocation: Hashable, Sendable {
    /// The block that holds it.
    public var blockNumber: BlockNumber
    /// Its place in the block, from 0.
    public var index: Int

    /// A place in the canonical chain.
    public init(blockNumber: BlockNumber, index: Int) {
        self.blockNumber = blockNumber
        self.index = index
    }
}

/// Reads blocks, receipts and their indexes from a snapshot, and writes them into a batch.
public struct BlockStore: Sendable {
    let snapshot: Snapshot

    /// The blocks in a snapshot.
    public init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
    }

    /// The head, or `nil` in a database without a genesis block.
    public func head() throws(StorageError) -> BlockReference? {
        try reference(.head)
    }

    /// The block that the consensus layer holds for safe; `nil` until it has said so.
    public func safe() throws(StorageError) -> BlockReference? {
        try reference(.safe)
    }

    /// The last block that is final; `nil` until the consensus layer has said so.
    public func finalized() throws(StorageError) -> BlockReference? {
        try reference(.finalized)
    }

    private func reference(_ item: MetaItem) throws(StorageError) -> BlockReference? {
        guard let value = try snapshot.value(.meta, item.key) else { return nil }
        guard value.count == 40, let number = UInt64(bigEndian: value[..<8]),
            let hash = Hash256(value[8...])
        else { throw .corrupted(item.rawValue) }
        return BlockReference(number: number, hash: hash)
    }

    /// The hash of the canonical block with a number.
    public func canonicalHash(_ number: BlockNumber) throws(StorageError) -> Hash256? {
        guard let value = try snapshot.value(.canonical, Key.number(number)) else { return nil }
        guard let hash = Hash256(value) else { throw .corrupted("canonical hash of \(number)") }
        return hash
    }

    /// The number of the block with a hash, in the chain or beside it.
    public func number(of hash: Hash256) throws(StorageError) -> BlockNumber? {
        let key = Key.hash(hash)
        guard let value = try value(.numbers, key, orBeside: SideKey.number(of: hash)) else {
            return nil
        }
        guard let number = UInt64(bigEndian: value) else {
            throw .corrupted("number of block \(hash)")
        }
        return number
    }

    /// The reference to the canonical block with a number.
    public func canonicalBlock(_ number: BlockNumber) throws(StorageError) -> BlockReference? {
        try canonicalHash(number).map { BlockReference(number: number, hash: $0) }
    }

    /// The header of a block, in the chain or beside it.
    public func header(_ block: BlockReference) throws(StorageError) -> StoredHeader? {
        let key = Key.block(block.number, block.hash)
        guard let value = try value(.headers, key, orBeside: SideKey.header(block)) else {
            return nil
        }
        guard value.count > 32, let difficulty = UInt256(bigEndian: value[..<32]) else {
            throw .corrupted("header of \(block.number)")
        }
        let header = try decoding("header of \(block.number)") { () throws(RLPError) in
            try Header(encoded: Bytes(value[32...]))
        }
        return StoredHeader(header: header, totalDifficulty: difficulty)
    }

    /// A block with its senders.
    public func block(_ block: BlockReference) throws(StorageError) -> StoredBlock? {
        guard let stored = try header(block), let body = try body(block) else { return nil }
        let decoded = try decoding("body of \(block.number)") { () throws(BlockDecodingError) in
            try Block(header: stored.header, encodedBody: body.encodedBody)
        }
        let hashes = try body.transactionHashes()
        guard hashes.count == decoded.transactions.count, hashes.count == body.senders.count
        else { throw .corrupted("senders of \(block.number)") }
        return StoredBlock(
            hash: block.hash, block: decoded, senders: body.senders, transactionHashes: hashes,
            totalDifficulty: stored.totalDifficulty)
    }

    /// The receipts of a block, in the order of its transactions.
    public func receipts(_ block: BlockReference) throws(StorageError) -> [Receipt]? {
        guard let value = try snapshot.value(.receipts, Key.block(block.number, block.hash)) else {
            return nil
        }
        return try StoredReceipts(value).receipts
    }

    /// Where a transaction stands in the canonical chain; of several places the last.
    public func transactionLocation(
        _ hash: Hash256
    ) throws(StorageError) -> TransactionLocation? {
        try transactionLocations(hash).first
    }

    /// Where a transaction stands in the canonical chain, the last place first. There is more than one
    /// only on a devnet whose user turned a nonce back.
    public func transactionLocations(
        _ hash: Hash256
    ) throws(StorageError) -> [TransactionLocation] {
        guard let value = try snapshot.value(.transactions, Key.hash(hash)) else { return [] }
        return try StoredLocations(value).locations
    }

    /// The hashes of some transactions of a block, by their indexes, without decoding the block.
    public func transactionHashes(
        _ block: BlockReference, at indexes: Set<Int>
    ) throws(StorageError) -> [Int: Hash256]? {
        try body(block)?.transactionHashes(at: indexes)
    }

    func body(_ block: BlockReference) throws(StorageError) -> StoredBody? {
        let key = Key.block(block.number, block.hash)
        guard let value = try value(.bodies, key, orBeside: SideKey.body(block)) else {
            return nil
        }
        return try StoredBody(value)
    }

    /// A value of the chain's, or else that of a block beside it.
    private func value(
        _ family: Family, _ key: Bytes, orBeside sideKey: Bytes
    ) throws(StorageError) -> Bytes? {
        if let value = try snapshot.value(family, key) { return value }
        return try snapshot.value(.sideBlocks, sideKey)
    }

    /// Writes a block as the new head: the block, its receipts, and every index.
    public func write(
        _ stored: StoredBlock, receipts: [Receipt], to batch: inout WriteBatch
    ) throws(StorageError) {
        let header = stored.block.header
        let key = Key.block(header.number, stored.hash)
        batch.put(.headers, key, stored.headerValue)
        batch.put(.bodies, key, stored.bodyValue)
        batch.put(.receipts, key, StoredReceipts(receipts).bytes)
        batch.put(.canonical, Key.number(header.number), Key.hash(stored.hash))
        batch.put(.numbers, Key.hash(stored.hash), Key.number(header.number))
        let mayRepeat = try mayRepeatTransactions()
        let places = stored.transactionHashes.enumerated().sorted { $0.element < $1.element }
        for (index, hash) in places {
            let location = TransactionLocation(blockNumber: header.number, index: index)
            let earlier = mayRepeat ? try transactionLocations(hash) : []
            batch.put(.transactions, Key.hash(hash), StoredLocations([location] + earlier).bytes)
        }
        try LogIndex(snapshot).add(receipts, of: header.number, to: &batch)
        writeHead(BlockReference(number: header.number, hash: stored.hash), to: &batch)
    }

    /// Removes the blocks after a new head, down to it.
    public func remove(
        _ blocks: ClosedRange<BlockNumber>, newHead: BlockReference, from batch: inout WriteBatch
    ) throws(StorageError) {
        var index = LogIndexRemoval(snapshot)
        let mayRepeat = try mayRepeatTransactions()
        for number in blocks.reversed() {
            guard let block = try canonicalBlock(number), let body = try body(block),
                let receipts = try receipts(block)
            else { throw .corrupted("block \(number) is missing") }
            let key = Key.block(number, block.hash)
            for family in [Family.headers, .bodies, .receipts] { batch.delete(family, key) }
            batch.delete(.canonical, Key.number(number))
            batch.delete(.numbers, Key.hash(block.hash))
            for hash in try body.transactionHashes() {
                let earlier = (mayRepeat ? try transactionLocations(hash) : []).filter {
                    $0.blockNumber < blocks.lowerBound
                }
                batch.set(
                    .transactions, Key.hash(hash),
                    to: earlier.isEmpty ? nil : StoredLocations(earlier).bytes)
            }
            try index.remove(receipts, of: number)
        }
        index.write(to: &batch)
        writeHead(newHead, to: &batch)
    }

    /// Whether a transaction may stand in the chain twice: for that somebody has to turn a nonce back
    /// by hand, so the transactions of other chains need not be looked up.
    private func mayRepeatTransactions() throws(StorageError) -> Bool {
        let overrides = snapshot.cursor(.overrides)
        try overrides.seek([])
        return overrides.isValid
    }

    private func writeHead(_ head: BlockReference, to batch: inout WriteBatch) {
        batch.put(.meta, MetaItem.head.key, Key.block(head.number, head.hash))
    }

    /// Writes what the consensus layer holds for safe and final; `nil` leaves what was.
    public func writeFinality(
        safe: BlockReference?, finalized: BlockReference?, to batch: inout WriteBatch
    ) {
        if let safe { batch.put(.meta, MetaItem.safe.key, Key.block(safe.number, safe.hash)) }
        if let finalized {
            batch.put(
                .meta, MetaItem.finalized.key, Key.block(finalized.number, finalized.hash))
        }
    }

    /// Forgets that blocks above a number were safe or final: they are undone.
    public func removeFinality(
        above number: BlockNumber, in batch: inout WriteBatch
    ) throws(StorageError) {
        for item in [MetaItem.safe, .finalized] {
            if let block = try reference(item), block.number > number {
                batch.delete(.meta, item.key)
            }
        }
    }
}

extension StoredBlock {
    /// A value of `headers`.
    var headerValue: Bytes {
        totalDifficulty.bigEndianBytes + block.header.encoded()
    }

    /// A value of `bodies`.
    var bodyValue: Bytes {
        StoredBody(senders: senders, encodedBody: block.encodedBody()).bytes
    }
}
