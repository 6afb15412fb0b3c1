public import Primitives

/// A block: a header and what it commits to. Yellow Paper 4.4, EIP-4895.
///
/// ```
/// rlp([header, [transaction…], [ommer…], [withdrawal…]?])
/// ```
/// A transaction stands in the list as itself (legacy) or as a byte string (typed).
public struct Block: Hashable, Sendable {
    /// What the block is known by.
    public var header: Header
    /// In the order in which they are executed.
    public var transactions: [Transaction]
    /// Headers of side blocks that are rewarded; empty from the merge on.
    public var ommers: [Header]
    /// `nil` before Shanghai.
    public var withdrawals: [Withdrawal]?

    /// A block of these parts.
    public init(
        header: Header, transactions: [Transaction] = [], ommers: [Header] = [],
        withdrawals: [Withdrawal]? = nil
    ) {
        self.header = header
        self.transactions = transactions
        self.ommers = ommers
        self.withdrawals = withdrawals
    }

    /// The hash that identifies the block.
    public func hash() -> Hash256 { header.hash() }

    /// The whole block.
    public func encoded() -> Bytes {
        var encoder = RLPEncoder()
        encoder.list { list in
            list.append(header)
            list.appendBody(of: self)
        }
        return encoder.bytes
    }

    /// Reads what ``encoded()`` writes.
    public init(encoded: Bytes) throws(BlockDecodingError) {
        var decoder = RLPDecoder(encoded)
        self = try decoder.block()
        try decoder.read(.block) { (decoder) throws(RLPError) in try decoder.finish() }
    }

    /// The block without its header: `rlp([[transaction…], [ommer…], [withdrawal…]?])`.
    public func encodedBody() -> Bytes {
        var encoder = RLPEncoder()
        encoder.list { list in list.appendBody(of: self) }
        return encoder.bytes
    }

    /// A block from a header and what ``encodedBody()`` wrote.
    public init(header: Header, encodedBody: Bytes) throws(BlockDecodingError) {
        var decoder = RLPDecoder(encodedBody)
        var list = try decoder.read(.body) { (decoder) throws(RLPError) in
            let list = try decoder.list()
            try decoder.finish()
            return list
        }
        self = try list.body(under: header)
    }
}

/// Why bytes are not a block.
public enum BlockDecodingError: Error, Equatable {
    /// The parts of a block.
    public enum Part: Equatable, Sendable {
        case block, body, header, transactions, ommers, withdrawals
    }

    case malformed(Part, RLPError)
    case transaction(index: Int, TransactionDecodingError)
}

extension RLPEncoder {
    fileprivate mutating func appendBody(of block: Block) {
        list { list in
            for transaction in block.transactions { list.append(transaction) }
        }
        list { list in
            for ommer in block.ommers { list.append(ommer) }
        }
        if let withdrawals = block.withdrawals {
            list { list in
                for withdrawal in withdrawals { list.append(withdrawal) }
            }
        }
    }
}

extension RLPDecoder {
    /// Reads one block; more may follow, as in a file of blocks.
    public mutating func block() throws(BlockDecodingError) -> Block {
        var list = try read(.block) { (decoder) throws(RLPError) in try decoder.list() }
        let header = try list.read(.header) { (list) throws(RLPError) in try list.header() }
        return try list.body(under: header)
    }

    /// Reads the rest of a list as the parts of a block after its header.
    fileprivate mutating func body(under header: Header) throws(BlockDecodingError) -> Block {
        var block = Block(header: header)
        var items = try read(.transactions) { (list) throws(RLPError) in try list.list() }
        while !items.isAtEnd {
            do throws(TransactionDecodingError) {
                block.transactions.append(try items.transaction())
            } catch {
                throw .transaction(index: block.transactions.count, error)
            }
        }
        block.ommers = try read(.ommers) { (list) throws(RLPError) in
            var items = try list.list()
            var ommers: [Header] = []
            while !items.isAtEnd { ommers.append(try items.header()) }
            return ommers
        }
        guard !isAtEnd else { return block }
        block.withdrawals = try read(.withdrawals) { (list) throws(RLPError) in
            var items = try list.list()
            var withdrawals: [Withdrawal] = []
            while !items.isAtEnd { withdrawals.append(try items.withdrawal()) }
            try list.finish()
            return withdrawals
        }
        return block
    }

    fileprivate mutating func read<Value>(
        _ part: BlockDecodingError.Part, _ body: (inout RLPDecoder) throws(RLPError) -> Value
    ) throws(BlockDecodingError) -> Value {
        do throws(RLPError) { return try body(&self) } catch { throw .malformed(part, error) }
    }
}
