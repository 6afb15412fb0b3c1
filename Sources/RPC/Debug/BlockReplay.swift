import Chain
import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// A block that is executed once more, transaction by transaction: what every trace is made by.
///
/// It is the same execution that imports and builds blocks. The state before the n-th transaction
/// costs the n before it, once.
final class BlockReplay {
    /// The block.
    let block: StoredBlock
    /// The state that the block was executed on.
    let parent: ParentBlock
    let executor: BlockExecutor
    private var next = 0
    private var codes: [Hash256: Bytes] = [:]

    /// Begins the block: all that comes before its first transaction.
    ///
    /// - Parameter block: in the chain, or any other whose parent is.
    init(_ block: StoredBlock, _ chain: ChainAccess) throws {
        let header = block.block.header
        guard header.number > 0 else { throw RPCError.server("genesis is not traceable") }
        guard header.number <= chain.head.number + 1,
            try chain.view.canonicalHash(header.number - 1) == header.parentHash
        else { throw RPCError.server("block \(header.parentHash) not found") }
        self.block = block
        parent =
            header.number > chain.head.number
            ? try chain.view.parentBlock() : try chain.view.parentBlock(of: header.number)
        executor = BlockExecutor(
            context: ExecutionContext(header: header, config: chain.config),
            state: JournaledState(reader: parent.state),
            // Receipts are not looked at.
            stateRoot: { (_) throws(StateReadError) in .zero })
        executor.beginBlock(
            parentHash: header.parentHash, parentBeaconBlockRoot: header.parentBeaconBlockRoot)
    }

    /// How many transactions the block has.
    var count: Int { block.block.transactions.count }

    /// The next transaction.
    func transaction(_ index: Int) -> RecoveredTransaction {
        RecoveredTransaction(
            block.block.transactions[index], hash: block.transactionHashes[index],
            sender: block.senders[index])
    }

    /// Where a transaction stands.
    func subject(_ index: Int) -> TraceSubject {
        TraceSubject(
            blockHash: block.hash, blockNumber: block.number,
            transactionHash: block.transactionHashes[index], transactionIndex: index)
    }

    /// Executes the transactions up to one of them, which is the next then.
    func skip(to index: Int, in context: RPCContext) throws {
        while next < index { try run(tracer: nil, in: context) }
    }

    /// Executes the next transaction for as long as the trace of one may take, and not beyond the time
    /// of the message.
    @discardableResult
    func run(
        tracer: (any Tracer)?, in context: RPCContext
    ) throws -> TransactionOutcome {
        guard .now < context.deadline else { throw RPCError.timedOut }
        guard next < count else { throw StorageError.corrupted("place of a transaction") }
        return try context.limited(to: context.limits.traceTime, else: .traceTimedOut) {
            try run(tracer: tracer, cancellation: $0)
        }
    }

    /// Executes the next transaction.
    @discardableResult
    func run(
        tracer: (any Tracer)?, cancellation: Cancellation
    ) throws(TransactionError) -> TransactionOutcome {
        defer { next += 1 }
        executor.context.cancellation = cancellation
        return try executor.process(transaction(next), tracer: tracer)
    }

    /// Where the code is found that accounts had before a change: in the state before the block, or
    /// in what its transactions have made.
    var codeReader: any StateReader {
        StateOverlay(base: parent.state, diff: StateDiff(code: codes))
    }

    /// What changed since it was last asked for, or since the block began.
    func takeDiff() -> StateDiff {
        let diff = executor.state.takeDiff()
        codes.merge(diff.code) { _, new in new }
        return diff
    }

    /// The state at this point of the block, to run something else on.
    func state() -> StateOverlay {
        StateOverlay(base: parent.state, diff: takeDiff())
    }
}

extension ChainAccess {
    /// The block of a reference.
    ///
    /// - Throws: geth's "not found" with what was asked for.
    func requireBlock(_ reference: BlockReference) throws -> StoredBlock {
        if let block = try block(reference) { return block }
        switch reference {
        case .tag(let tag): throw RPCError.server("block #\(try number(of: tag)) not found")
        case .hash(let hash, _): throw RPCError.server("block \(hash) not found")
        }
    }

    /// A block from its encoding, with its senders recovered.
    func decodeBlock(_ encoding: Bytes) throws -> StoredBlock {
        let block: Block
        do {
            block = try Block(encoded: encoding)
        } catch {
            throw RPCError.server("could not decode block: \(error)")
        }
        let fork = config.fork(of: block.header)
        let senders = try block.transactions.map { transaction in
            guard let sender = transaction.recoverSender(at: fork) else {
                throw RPCError.server("invalid transaction v, r, s values")
            }
            return sender
        }
        return StoredBlock(
            hash: block.hash(), block: block, senders: senders,
            transactionHashes: block.transactions.map { $0.hash() }, totalDifficulty: .zero)
    }

    /// A replay that stands before a mined transaction.
    func replay(before hash: Hash256, in context: RPCContext) throws -> BlockReplay? {
        guard let location = try view.transactionLocation(hash),
            let block = try view.block(location.blockNumber)
        else { return nil }
        guard location.index < block.block.transactions.count else {
            throw StorageError.corrupted("place of a transaction")
        }
        let replay = try BlockReplay(block, self)
        try replay.skip(to: location.index, in: context)
        return replay
    }
}
