import BlockProduction
import Chain
public import EthereumTypes
public import Execution
public import Primitives
import State
import Synchronization
import TxPool

/// The block that would follow the head now, on a node that is no devnet: what the pool has best, with
/// the attributes of this node's blocks.
///
/// To make it means to execute it, so it is kept as long as head and pool are the same, but for no more
/// than ``RPCLimits/pendingSeconds``. Who asks while it is made gets the one that comes of it.
public final class NextBlock: Sendable {
    private struct Made {
        let head: UInt64
        let pool: UInt64
        let begun: ContinuousClock.Instant
        let timestamp: Timestamp
        let content: Content
    }

    /// The block with the hashes of its transactions.
    struct Content: Sendable {
        let built: BuiltBlock
        let transactionHashes: [Hash256]
    }

    private let attributes: @Sendable (ParentBlock) -> PayloadAttributes
    private let last = Mutex<Made?>(nil)

    /// - Parameter attributes: those of a block that would be made on a parent now.
    public init(attributes: @escaping @Sendable (ParentBlock) -> PayloadAttributes) {
        self.attributes = attributes
    }

    /// The next block of a chain whose blocks somebody else makes: only what follows from its parent
    /// and the clock can be known.
    ///
    /// - Parameters:
    ///   - gasLimit: towards which the chain moves; nil: it stays.
    ///   - config: the chain's.
    ///   - now: the wall clock.
    public convenience init(
        gasLimit: Gas?, config: ChainConfig, now: @escaping @Sendable () -> Timestamp
    ) {
        self.init { parent in
            let timestamp = max(now(), saturatingSum(parent.header.timestamp, 1))
            return PayloadAttributes(
                timestamp: timestamp, coinbase: .zero, prevRandao: .zero,
                gasLimit: nextGasLimit(
                    parent: parent.header, target: gasLimit,
                    at: config.fork(after: parent, timestamp: timestamp)))
        }
    }

    /// The block on a head, with its state root. Executes all of its transactions: not for an event
    /// loop.
    func content(
        on head: Head, from pool: TransactionPool, keptFor seconds: UInt64
    ) throws(ChainError) -> Content {
        let arrival = ContinuousClock.now
        return try last.withLock { (last) throws(ChainError) in
            let parent = try head.view.parentBlock()
            let wanted = attributes(parent)
            // Whatever comes into the pool from here on is seen by whoever asks after that.
            let generation = pool.generation
            if let last, last.head == head.generation,
                last.begun >= arrival
                    || last.pool == generation
                        && wanted.timestamp < saturatingSum(last.timestamp, seconds)
            {
                return last.content
            }
            let begun = ContinuousClock.now
            let content = try Self.make(on: parent, head.view.config, wanted, pool)
            last = Made(
                head: head.generation, pool: generation, begun: begun,
                timestamp: wanted.timestamp, content: content)
            return content
        }
    }

    private static func make(
        on parent: ParentBlock, _ config: ChainConfig, _ attributes: PayloadAttributes,
        _ pool: TransactionPool
    ) throws(ChainError) -> Content {
        let builder = PayloadBuilder(config: config)
        var built: BuiltBlock
        do throws(BlockExecutionError) {
            built = try builder.build(on: parent, attributes: attributes, from: pool).built
        } catch {
            throw ChainError(error)
        }
        do throws(StateReadError) {
            built.block.header.stateRoot = try parent.stateRoot(built.outcome.diff)
        } catch {
            throw .stateRead(error)
        }
        return Content(
            built: built, transactionHashes: built.block.transactions.map { $0.hash() })
    }
}
