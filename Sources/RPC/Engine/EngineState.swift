import BlockProduction
import Chain
import EthereumTypes
import Primitives
import Synchronization

/// What the Engine API remembers between calls: blocks that wait for their parents, and blocks
/// under construction. None of it outlasts the process: the consensus client says it all again.
final class EngineState: Sendable {
    /// Lets calls that change the chain through in the order in which they came, as the
    /// specification demands for `forkchoiceUpdated`.
    let order = Turnstile()

    private let waiting = Mutex(WaitingBlocks())
    private let jobs = Mutex<[(id: PayloadID, job: PayloadJob)]>([])
    private let begun: AsyncStream<PayloadJob>
    private let begin: AsyncStream<PayloadJob>.Continuation

    init() {
        (begun, begin) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingNewest(EngineLimits.jobs))
    }

    /// Improves the blocks under construction until the task is cancelled.
    func run(on pool: ExecutionPool) async {
        await withDiscardingTaskGroup { group in
            for await job in begun {
                group.addTask {
                    await job.run(
                        for: EngineLimits.improvement, pause: EngineLimits.improvementPause
                    ) { work in await pool.run(work) != nil }
                }
            }
            group.cancelAll()
        }
    }

    // MARK: - Blocks under construction

    /// Begins a job, or goes on with the one that has the same identifier.
    func start(
        _ id: PayloadID, _ make: () throws(ChainError) -> PayloadJob
    ) throws(ChainError) {
        if job(id) != nil { return }
        let job = try make()
        let forgotten = jobs.withLock { jobs in
            jobs.append((id, job))
            return jobs.count > EngineLimits.jobs ? jobs.removeFirst().job : nil
        }
        forgotten?.finish()
        begin.yield(job)
    }

    /// The job of an identifier, if it is still remembered.
    func job(_ id: PayloadID) -> PayloadJob? {
        jobs.withLock { jobs in jobs.first { $0.id == id }?.job }
    }

    // MARK: - Blocks that wait for their parents

    /// Keeps a block until its parent is known.
    func wait(for block: Block, _ hash: Hash256) {
        waiting.withLock { $0.insert(block, hash) }
    }

    /// A block that waits.
    func waitingBlock(_ hash: Hash256) -> Block? {
        waiting.withLock { $0.blocks[hash]?.block }
    }

    /// The waiting blocks that a block builds on, the oldest first.
    func waitingAncestors(of block: Block) -> [Block] {
        waiting.withLock { waiting in
            var ancestors: [Block] = []
            var next = block.header.parentHash
            while let found = waiting.blocks[next]?.block,
                ancestors.count < EngineLimits.waitingBlocks
            {
                ancestors.append(found)
                next = found.header.parentHash
            }
            return ancestors.reversed()
        }
    }

    /// Forgets a block that waits no longer.
    func stopWaiting(_ hash: Hash256) {
        waiting.withLock { $0.remove(hash) }
    }
}

/// Blocks whose parents are unknown, as many and as much as the limits allow.
private struct WaitingBlocks {
    private(set) var blocks: [Hash256: (block: Block, byteCount: Int)] = [:]
    private var order: [Hash256] = []
    private var byteCount = 0

    mutating func insert(_ block: Block, _ hash: Hash256) {
        guard blocks[hash] == nil else { return }
        let size = block.encoded().count
        blocks[hash] = (block, size)
        order.append(hash)
        byteCount += size
        while order.count > EngineLimits.waitingBlocks || byteCount > EngineLimits.waitingBytes,
            let oldest = order.first
        {
            remove(oldest)
        }
    }

    mutating func remove(_ hash: Hash256) {
        guard let removed = blocks.removeValue(forKey: hash) else { return }
        byteCount -= removed.byteCount
        order.removeAll { $0 == hash }
    }
}

/// Names a block under construction: eight bytes that follow from all that was asked for, the
/// first of them the version of the attributes.
struct PayloadID: RPCParameter, RPCResult, Hashable {
    let bytes: Bytes

    init(_ bytes: Bytes) { self.bytes = bytes }

    static func decode(_ text: JSONText) throws(RPCParameterError) -> PayloadID {
        let digits = try HexText.fixed(text, digits: 16, type: "engine.PayloadID")
        return PayloadID(try HexText.bytes(digits, type: "engine.PayloadID"))
    }

    func write(to writer: inout JSONWriter) { writer.hexData(bytes) }

    static let schema: JSONValue = ["type": "string", "pattern": "^0x[0-9a-f]{16}$"]
}
