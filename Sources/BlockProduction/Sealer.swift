public import Chain
import Cryptography
import EthereumTypes
import Execution
public import Logging
public import Primitives
import Storage
import Synchronization
public import TxPool

/// When a sealer makes blocks.
public enum SealingSchedule: Hashable, Sendable {
    /// At an interval, with transactions or without.
    case interval(Duration)
    /// When transactions are pending, at most one block in this time.
    case onDemand(minimum: Duration)
}

/// How a sealer makes blocks.
public struct SealerOptions: Hashable, Sendable {
    /// When.
    public var schedule: SealingSchedule
    /// Who gets the fees.
    public var coinbase: Address
    /// The gas limit towards which the chain moves, in steps that every node accepts; `nil` keeps
    /// the genesis block's.
    public var gasLimit: Gas?
    /// What every header carries, 32 bytes at most.
    public var extraData: Bytes

    /// Options of a private chain's sealer.
    ///
    /// - Precondition: `extraData` has at most 32 bytes: no node would take a header with more.
    public init(
        schedule: SealingSchedule, coinbase: Address = .zero, gasLimit: Gas? = nil,
        extraData: Bytes = []
    ) {
        precondition(extraData.count <= 32, "a header carries at most 32 bytes of extra data")
        self.schedule = schedule
        self.coinbase = coinbase
        self.gasLimit = gasLimit
        self.extraData = extraData
    }
}

/// The one node of a private chain that makes its blocks, by the rules that all other nodes check.
public final class Sealer: Sendable {
    private let chain: Blockchain
    private let pool: TransactionPool
    private let options: SealerOptions
    private let builder: PayloadBuilder
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private let isShortOfRoom = Atomic(false)

    /// - Parameter now: the wall clock.
    public init(
        chain: Blockchain, pool: TransactionPool, options: SealerOptions, logger: Logger,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.chain = chain
        self.pool = pool
        self.options = options
        self.logger = logger
        self.now = now
        builder = PayloadBuilder(config: chain.config)
    }

    /// Makes blocks until its task ends, or until the chain takes no more: the node then goes on
    /// serving reads. While the disk lacks room it waits for that.
    public func run() async {
        do throws(ChainError) {
            switch options.schedule {
            case .interval(let interval): try await seal(every: interval)
            case .onDemand(let minimum): try await sealOnDemand(minimum: minimum)
            }
        } catch {
            logger.error("block production has stopped", metadata: ["error": "\(error)"])
            // A service that returns would end the node.
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
        }
    }

    private func seal(every interval: Duration) async throws(ChainError) {
        var due = ContinuousClock.now.advanced(by: interval)
        while await slept(until: due) {
            _ = try await sealBlock(.always)
            // After a pause (a suspended machine) the blocks that were missed are not made up for.
            due = max(due.advanced(by: interval), .now)
        }
    }

    private func sealOnDemand(minimum: Duration) async throws(ChainError) {
        while !Task.isCancelled {
            // Subscribe first, then look: a transaction in between is seen either way.
            let arrivals = pool.pendingTransactions()
            let started = ContinuousClock.now
            let isPending = pool.status.pending > 0
            if isPending, try await sealBlock(.withTransactions) {
                guard await slept(until: started.advanced(by: minimum)) else { return }
            } else if isShortOfRoom.load(ordering: .relaxed) {
                guard await slept(until: started.advanced(by: Self.pauseForRoom)) else { return }
            } else {
                // Without a new block only a new transaction can make a difference.
                for await _ in arrivals { break }
            }
        }
    }

    /// - Returns: whether the time has come, rather than the end of the task.
    private func slept(until deadline: ContinuousClock.Instant) async -> Bool {
        (try? await Task.sleep(until: deadline, clock: .continuous)) != nil
    }

    /// How long a sealer that makes blocks on demand waits for room on the disk before it tries again.
    private static let pauseForRoom: Duration = .seconds(1)

    /// Seals a block if the disk has room for it, and says once if it has not.
    ///
    /// - Returns: whether there is a new block.
    private func sealBlock(_ filling: Filling) async throws(ChainError) -> Bool {
        do throws(ChainError) {
            let isSealed = try await sealOne(filling)
            if isShortOfRoom.exchange(false, ordering: .relaxed) {
                logger.notice("block production goes on: the disk has room again")
            }
            return isSealed
        } catch .storage(.lowDisk(let path, let reserve)) {
            if !isShortOfRoom.exchange(true, ordering: .relaxed) {
                let reason = StorageError.lowDisk(path: path, reserve: reserve)
                logger.error("block production waits", metadata: ["error": "\(reason)"])
            }
            return false
        }
    }

    private enum Filling { case always, withTransactions }

    private final class Report: Sendable {
        let skipped = Mutex<[SkippedTransaction]>([])
    }

    /// - Returns: whether there is a new block.
    private func sealOne(_ filling: Filling) async throws(ChainError) -> Bool {
        let report = Report()
        let block = try await chain.produce { [self] head throws(ChainError) in
            let parent = try head.view.parentBlock()
            let payload: Payload
            do throws(BlockExecutionError) {
                payload = try builder.build(
                    on: parent, attributes: attributes(on: parent), from: pool)
            } catch {
                throw ChainError(error)
            }
            // A block that no other node takes must not become the head here either.
            do throws(InvalidBlock) {
                try validateHeader(
                    payload.built.block.header, parent: parent, config: chain.config)
            } catch {
                throw .invalidBlock(error)
            }
            report.skipped.withLock { $0 = payload.skipped }
            if filling == .withTransactions, payload.built.block.transactions.isEmpty {
                return nil
            }
            return payload.built
        }
        for transaction in report.skipped.withLock({ $0 }) where transaction.prospect == .none {
            pool.remove(transaction.hash)
        }
        guard let block else { return false }
        pool.setHead(PoolHead(block.head, now: now()))
        logger.notice(
            "sealed block",
            metadata: [
                "block.number": "\(block.head.number)", "block.hash": "\(block.head.hash)",
                "block.transactions": "\(block.stored.block.transactions.count)",
                "block.gasUsed": "\(block.head.header.gasUsed)",
            ])
        return true
    }

    /// What a block on a parent would be made with now.
    public func attributes(on parent: ParentBlock) -> PayloadAttributes {
        let timestamp = max(now(), saturatingSum(parent.header.timestamp, 1))
        return PayloadAttributes(
            timestamp: timestamp, coinbase: options.coinbase,
            prevRandao: keccak256(parent.header.hash()),
            gasLimit: nextGasLimit(
                parent: parent.header, target: options.gasLimit,
                at: chain.config.fork(after: parent, timestamp: timestamp)),
            extraData: options.extraData)
    }
}
