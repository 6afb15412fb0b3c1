public import Chain
import EthereumTypes
public import Primitives

/// The pool beside a chain.
extension PoolHead {
    /// What the pool must know about a head; see
    /// ``init(header:config:state:now:overrides:)``.
    public init(
        _ head: Head, now: Timestamp, overrides: NextBlockOverrides = NextBlockOverrides()
    ) {
        self.init(
            header: head.header, config: head.view.config, state: head.view.state, now: now,
            overrides: overrides)
    }
}

extension TransactionPool {
    /// Follows a chain whose blocks come from elsewhere (a consensus client, another node): after
    /// every block the pool is up to date, and transactions of blocks that were taken back are in
    /// it again. Ends with its task.
    ///
    /// Whoever makes the blocks itself tells the pool itself, so that it is up to date when the
    /// block is announced.
    public func follow(_ chain: Blockchain, now: @Sendable () -> Timestamp) async {
        while !Task.isCancelled {
            // If the pool fell behind, the stream ends: begin anew at the present head.
            let events = chain.events()
            setHead(PoolHead(chain.head, now: now()))
            for await event in events {
                switch event {
                case .committed(let block): setHead(PoolHead(block.head, now: now()))
                case .overridden(let head): setHead(PoolHead(head, now: now()))
                case .reverted(let reversion):
                    setHead(PoolHead(reversion.head, now: now()))
                    restore(reversion.transactions)
                }
            }
        }
    }
}

extension Reversion {
    /// The transactions of the blocks that were taken back, in their order. A block that cannot be
    /// read any more gives none.
    fileprivate var transactions: [RecoveredTransaction] {
        blocks.flatMap { number -> [RecoveredTransaction] in
            guard let stored = try? before.block(number) else { return [] }
            return zip(stored.block.transactions, zip(stored.transactionHashes, stored.senders))
                .map { RecoveredTransaction($0, hash: $1.0, sender: $1.1) }
        }
    }
}
