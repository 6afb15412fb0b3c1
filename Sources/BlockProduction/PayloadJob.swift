public import Chain
public import EthereumTypes
public import Execution
public import Primitives
import State
import Synchronization
public import TxPool

/// A block that gets better until someone fetches it, for a consensus client.
///
/// It begins without transactions, so there is an answer from the first moment; each
/// ``improve()`` builds it anew from the pool and keeps the better one. Every version is a complete,
/// valid block on the head that the job began with, whatever becomes of the chain meanwhile.
public final class PayloadJob: Sendable {
    /// The attributes that the block was asked for with.
    public let attributes: PayloadAttributes

    private let head: Head
    private let builder: PayloadBuilder
    private let pool: TransactionPool
    private let state: Mutex<State>
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    private struct State {
        var best: ProposedBlock
        var isFinished = false
    }

    /// Builds the first version: the block without transactions.
    ///
    /// - Parameter head: what the block follows.
    public init(
        on head: Head, attributes: PayloadAttributes, pool: TransactionPool
    ) throws(ChainError) {
        self.head = head
        self.attributes = attributes
        self.pool = pool
        builder = PayloadBuilder(config: head.view.config)
        let parent = try head.view.parentBlock()
        let first: Payload
        do throws(BlockExecutionError) {
            first = try builder.build(on: parent, attributes: attributes, transactions: [])
        } catch {
            throw ChainError(error)
        }
        state = Mutex(
            State(best: try ProposedBlock(completing: first.built, on: parent, sidecars: [])))
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        waker.yield()
    }

    /// The fork of the block.
    public var fork: Fork { head.view.config.fork(of: best.block.header) }

    /// The best version so far.
    public var best: ProposedBlock { state.withLock { $0.best } }

    /// The best version, and the end of the work on it.
    public func fetch() -> ProposedBlock {
        finish()
        return best
    }

    /// Ends the work: the job is forgotten, or its time is over.
    public func finish() {
        state.withLock { $0.isFinished = true }
        waker.finish()
    }

    /// Builds the block anew, and keeps it if it pays more or, paying the same, does more.
    ///
    /// Takes as long as a block takes to execute; to be called on a thread for such work.
    public func improve() throws(ChainError) {
        guard !state.withLock({ $0.isFinished }) else { return }
        let parent = try head.view.parentBlock()
        let wanted: BlobSidecar.Version = fork >= .osaka ? .cellProofs : .blobProofs
        let payload: Payload
        do throws(BlockExecutionError) {
            payload = try builder.build(on: parent, attributes: attributes, from: pool) {
                $0.transaction.type != .blob || $0.sidecar?.version == wanted
            }
        } catch {
            throw ChainError(error)
        }
        var sidecars: [BlobSidecar] = []
        let blobTransactions = payload.built.block.transactions.filter { $0.type == .blob }
        for transaction in blobTransactions {
            // One that has left the pool since took its blobs along: the next version does without.
            guard let sidecar = pool.transaction(transaction.hash())?.sidecar else { return }
            sidecars.append(sidecar)
        }
        let block = try ProposedBlock(completing: payload.built, on: parent, sidecars: sidecars)
        state.withLock { state in
            // Who has fetched it proposes what was fetched.
            if !state.isFinished, block.isBetter(than: state.best) { state.best = block }
        }
    }

    /// Improves the block whenever the pool has something new, until the job is finished.
    ///
    /// - Parameters:
    ///   - limit: how long at most.
    ///   - pause: the least time between two versions.
    ///   - execute: runs work on a thread for such work, and says whether there was one.
    public func run(
        for limit: Duration, pause: Duration,
        execute: @Sendable (@escaping @Sendable () -> Void) async -> Bool
    ) async {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                for await _ in pool.pendingTransactions() { waker.yield() }
            }
            group.addTask { [self] in
                try? await Task.sleep(for: limit)
                finish()
            }
            for await _ in wakes {
                // A version that cannot be made leaves the one before it: it is as valid as ever.
                _ = await execute { try? self.improve() }
                try? await Task.sleep(for: pause)
            }
            group.cancelAll()
        }
    }
}

/// A complete block that is not part of any chain yet, with all that its proposer must know.
public struct ProposedBlock: Sendable {
    /// The block.
    public let block: Block
    /// What the fee recipient gets: the priority fees of all transactions.
    public let value: Wei
    /// The requests to the consensus layer, each with its type as first byte (EIP-7685).
    public let requests: [Bytes]
    /// The blobs of the blob transactions, in their order.
    public let sidecars: [BlobSidecar]

    /// Completes a built block by the root of its state.
    public init(
        completing built: BuiltBlock, on parent: ParentBlock, sidecars: [BlobSidecar]
    ) throws(ChainError) {
        var block = built.block
        do throws(StateReadError) {
            block.header.stateRoot = try parent.stateRoot(built.outcome.diff)
        } catch {
            throw .stateRead(error)
        }
        var value: Wei = 0
        var gasBefore: Gas = 0
        for (transaction, receipt) in zip(block.transactions, built.outcome.receipts) {
            let gasUsed = receipt.cumulativeGasUsed - gasBefore
            gasBefore = receipt.cumulativeGasUsed
            let tip = transaction.effectiveTip(baseFee: block.header.baseFeePerGas) ?? 0
            value = value &+ tip &* UInt256(gasUsed)
        }
        self.block = block
        self.value = value
        self.sidecars = sidecars
        requests = built.outcome.requests.filter { $0.count > 1 }
    }

    /// Whether to propose this block rather than another one on the same parent.
    func isBetter(than other: ProposedBlock) -> Bool {
        value != other.value
            ? value > other.value : block.header.gasUsed > other.block.header.gasUsed
    }
}
