public import EthereumTypes
public import Primitives

/// A block from elsewhere, with the senders that its signatures prove.
public struct RecoveredBlock: Sendable {
    /// The block.
    public let block: Block
    /// The hash of its header.
    public let hash: Hash256
    /// The sender of each transaction, in their order.
    public let senders: [Address]

    /// A block whose senders are known: recovered earlier, or impersonated on a devnet.
    public init(_ block: Block, senders: [Address]) {
        self.block = block
        hash = block.hash()
        self.senders = senders
    }

    /// Recovers the senders, on all cores. The costly part of an import (some 35 µs a signature),
    /// done before the writer is asked.
    public static func recovering(
        _ block: Block, config: ChainConfig
    ) async throws(ChainError) -> RecoveredBlock {
        let fork = config.fork(of: block.header)
        let transactions = block.transactions
        let size = ChainLimits.sendersPerTask
        let senders: [Address?] = await withTaskGroup(of: (Int, [Address?]).self) { group in
            // The first part is done here, meanwhile.
            for start in stride(from: size, to: transactions.count, by: size) {
                let part = transactions[start..<min(start + size, transactions.count)]
                group.addTask { (start, part.map { $0.recoverSender(at: fork) }) }
            }
            var senders = [Address?](repeating: nil, count: transactions.count)
            for (index, transaction) in transactions.prefix(size).enumerated() {
                senders[index] = transaction.recoverSender(at: fork)
            }
            for await (start, part) in group {
                senders.replaceSubrange(start..<(start + part.count), with: part)
            }
            return senders
        }
        let recovered = senders.compactMap(\.self)
        guard recovered.count == transactions.count else {
            throw .invalidSignature(transaction: senders.firstIndex(of: nil) ?? 0)
        }
        return RecoveredBlock(block, senders: recovered)
    }
}
