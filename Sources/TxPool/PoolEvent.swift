public import EthereumTypes
public import Primitives

/// Something that happened in a pool.
///
/// When a block comes, what it took or made impossible is told first (`removed`), then the new head,
/// then what became pending by it.
public enum PoolEvent: Sendable {
    /// A transaction can be executed now and could not before. It `isNext` if it is the first of its
    /// sender: nothing but its price and the room in blocks keeps it waiting.
    case pending(RecoveredTransaction, isNext: Bool)
    /// A transaction is no longer in the pool: a block has it, or it was replaced, evicted or made
    /// impossible.
    case removed(Hash256)
    /// The pool goes by this head, for the base fee of whose next block it keeps transactions.
    case head(BlockNumber, nextBaseFee: Wei?)

    init(_ head: PoolHead) {
        self = .head(head.header.number, nextBaseFee: head.baseFee)
    }
}
