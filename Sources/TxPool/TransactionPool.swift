public import EthereumTypes
public import Primitives
public import State
public import Storage
import Synchronization

/// The pool that the node shares: ``Pool`` behind a lock, what it holds written down, what becomes
/// pending told on.
///
/// Costly checks (signatures, blob proofs) run on the caller's thread before the lock is taken.
/// What the pool holds is in the store when ``add(_:sidecar:writing:)`` returns, unless it was asked
/// to write later, and is read back and checked again at the next start.
public final class TransactionPool: Sendable {
    /// How the pool works.
    public let options: PoolOptions

    private let pool: Mutex<Pool>
    private let changes = Atomic<UInt64>(0)
    private let store: PoolStore?
    private let subscribers = Mutex(Subscribers<RecoveredTransaction>())
    private let observers = Mutex(Subscribers<PoolEvent>())

    private struct Subscribers<Element: Sendable> {
        var continuations: [Int: AsyncStream<Element>.Continuation] = [:]
        var nextId = 0

        mutating func add(_ continuation: AsyncStream<Element>.Continuation) -> Int {
            defer { nextId += 1 }
            continuations[nextId] = continuation
            return nextId
        }
    }

    /// Reads back what an earlier run left in the store.
    ///
    /// - Parameters:
    ///   - store: where the pool outlasts a restart; `nil` if it need not.
    ///   - head: the chain's head.
    /// - Throws: if the store cannot be read.
    public init(
        store: PoolStore?, head: PoolHead, options: PoolOptions = PoolOptions()
    ) throws(StorageError) {
        self.options = options
        self.store = store
        var pool = Pool(head: head, options: options)
        if let store {
            var gone: [Hash256] = []
            var kept: [PooledTransaction] = []
            for (hash, value) in try store.all() {
                if let transaction = PooledTransaction(encoded: value) {
                    kept.append(transaction)
                } else {
                    gone.append(hash)
                }
            }
            kept.sort { $0.arrival < $1.arrival }
            var change = Pool.Change()
            for transaction in kept {
                do throws(PoolRejection) { try pool.add(transaction, &change) } catch {
                    gone.append(transaction.hash)
                }
            }
            gone += change.removed
            // Numbers of arrival begin anew at every start: write them down as they are now.
            let put = pool.all.map { (hash: $0.hash, value: $0.encoded()) }
            if !kept.isEmpty || !gone.isEmpty { try store.apply(put: put, remove: gone) }
        }
        self.pool = Mutex(pool)
    }

    // MARK: - Admission

    /// Takes a transaction, or says why not.
    ///
    /// - Parameters:
    ///   - sidecar: the blobs of a blob transaction.
    ///   - writing: when it is written down; whoever says `later` calls ``persist(_:)``.
    /// - Returns: the hash.
    @discardableResult
    public func add(
        _ transaction: Transaction, sidecar: BlobSidecar? = nil, writing: PoolWriting = .atOnce
    ) throws(PoolRejection) -> Hash256 {
        guard let sender = sender(of: transaction) else { throw .invalid(.invalidSignature) }
        let recovered = RecoveredTransaction(transaction, sender: sender)
        try add(PooledTransaction(recovered, sidecar: sidecar), writing)
        return recovered.hash
    }

    /// Writes down a transaction that was added for later, if it is still here.
    public func persist(_ hash: Hash256) throws(StorageError) {
        try pool.withLock { (pool) throws(StorageError) in
            guard pool.unwritten.contains(hash), let transaction = pool.transaction(hash) else {
                return
            }
            try store?.apply(put: [(hash: hash, value: transaction.encoded())], remove: [])
            pool.unwritten.remove(hash)
        }
    }

    private func sender(of transaction: Transaction) -> Address? {
        switch options.policy {
        case .devnet:
            if let impersonated = transaction.impersonatedSender { return impersonated }
        case .network: break
        }
        return transaction.recoverSender(at: head.fork)
    }

    private func add(
        _ candidate: PooledTransaction, _ writing: PoolWriting
    ) throws(PoolRejection) {
        if let sidecar = candidate.sidecar {
            do throws(BlobSidecarError) {
                try sidecar.checkStructure(
                    versionedHashes: candidate.transaction.blobVersionedHashes)
                try sidecar.verifyProofs()
            } catch {
                throw .invalidSidecar(error)
            }
        }
        var rejection: PoolRejection?
        let change = pool.withLock { pool in
            var change = Pool.Change()
            do throws(PoolRejection) { try pool.add(candidate, &change) } catch {
                rejection = error
            }
            do throws(StorageError) { try write(change, of: &pool, writing) } catch {
                change.merge(pool.remove(candidate.hash))
                if rejection == nil { rejection = .storage(error) }
            }
            tell(change, of: pool)
            return change
        }
        announce(change)
        if let rejection { throw rejection }
    }

    /// Takes back transactions of blocks that are no longer part of the chain, or of a snapshot.
    /// Those that are no longer valid are left out.
    public func restore(_ transactions: [PooledTransaction]) {
        change { pool in
            var change = Pool.Change()
            for transaction in transactions {
                try? pool.add(transaction, &change)
            }
            return change
        }
    }

    /// The same for transactions of which only sender and hash are known. Blob transactions are
    /// left out: no block has their blobs.
    public func restore(_ transactions: [RecoveredTransaction]) {
        restore(transactions.map { PooledTransaction($0) })
    }

    // MARK: - The chain moves on

    /// The head that the pool goes by.
    public var head: PoolHead { pool.withLock { $0.head } }

    /// Takes over a new head, or the same one with another state: transactions that it has, or that
    /// became impossible, leave; those that waited for them become pending. A sender whose account
    /// cannot be read keeps its transactions until the next head.
    public func setHead(_ head: PoolHead) {
        change { $0.setHead(head) }
    }

    /// The pending transactions in the order in which a block should have them.
    public func best(baseFee: Wei?, blobBaseFee: Wei) -> BestTransactions {
        pool.withLock { $0.best(baseFee: baseFee, blobBaseFee: blobBaseFee) }
    }

    // MARK: - Removal

    /// Removes a transaction; those of its sender with later nonces wait for another one.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    public func remove(_ hash: Hash256) -> Bool {
        !change { $0.remove(hash) }.removed.isEmpty
    }

    /// Removes all transactions of a sender.
    public func removeAll(from sender: Address) {
        change { $0.removeAll(from: sender) }
    }

    /// Removes everything.
    public func removeAll() {
        change { $0.removeAll() }
    }

    // MARK: - Looking

    /// Goes up with each change of what the pool holds, or of the head that it goes by.
    public var generation: UInt64 { changes.load(ordering: .acquiring) }

    /// How many transactions are pending and queued.
    public var status: (pending: Int, queued: Int) {
        pool.withLock { pool in
            let pending = pool.pendingCount
            return (pending, pool.count - pending)
        }
    }

    /// A transaction of the pool.
    public func transaction(_ hash: Hash256) -> PooledTransaction? {
        pool.withLock { $0.transaction(hash) }
    }

    /// Whether a transaction is in the pool and could be executed in the next block.
    public func isPending(_ hash: Hash256) -> Bool { pool.withLock { $0.isPending(hash) } }

    /// The nonce that a sender's next transaction should have, its pending ones counted.
    public func pendingNonce(of sender: Address) throws(StateReadError) -> Nonce {
        let known = pool.withLock { pool in (pool.queue(of: sender)?.nextNonce, pool.head.state) }
        if let nonce = known.0 { return nonce }
        return try known.1.account(sender)?.nonce ?? 0
    }

    /// The blob transactions with their blobs.
    public var blobTransactions: [PooledTransaction] {
        pool.withLock { $0.all.filter { $0.sidecar != nil } }
    }

    /// Everything, by sender and nonce.
    public var content: PoolContent { pool.withLock { $0.content } }

    /// One sender's transactions by nonce.
    public func content(
        of sender: Address
    ) -> (pending: [RecoveredTransaction], queued: [RecoveredTransaction]) {
        pool.withLock { pool in
            guard let queue = pool.queue(of: sender) else { return ([], []) }
            return (queue.pending.map(\.recovered), queue.queued.map(\.recovered))
        }
    }

    /// Everything, the earliest first: what a snapshot keeps.
    public var all: [PooledTransaction] { pool.withLock { $0.all } }

    // MARK: - Subscriptions

    /// Transactions from the moment they become pending. A reader that falls far behind sees its
    /// stream end.
    public func pendingTransactions() -> AsyncStream<RecoveredTransaction> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RecoveredTransaction.self,
            bufferingPolicy: .bufferingOldest(options.limits.eventsPerSubscriber))
        let id = subscribers.withLock { $0.add(continuation) }
        continuation.onTermination = { [weak self] _ in
            self?.subscribers.withLock { _ = $0.continuations.removeValue(forKey: id) }
        }
        return stream
    }

    /// Everything that happens in the pool from now on, in its order; the head that it goes by comes
    /// first. A reader that falls far behind sees its stream end.
    public func events() -> AsyncStream<PoolEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: PoolEvent.self,
            bufferingPolicy: .bufferingOldest(options.limits.eventsPerSubscriber))
        let id = pool.withLock { pool in
            continuation.yield(PoolEvent(pool.head))
            return observers.withLock { $0.add(continuation) }
        }
        continuation.onTermination = { [weak self] _ in
            self?.observers.withLock { _ = $0.continuations.removeValue(forKey: id) }
        }
        return stream
    }

    /// Counts a change and tells observers of it. Called with the pool's lock held, so that the order
    /// is that of the changes.
    private func tell(_ change: Pool.Change, of pool: Pool) {
        if change.isEmpty { return }
        changes.add(1, ordering: .releasing)
        let continuations = observers.withLock { Array($0.continuations.values) }
        guard !continuations.isEmpty else { return }
        var events = change.removed.map(PoolEvent.removed)
        if let head = change.head { events.append(PoolEvent(head)) }
        for transaction in change.promoted where pool.isPending(transaction.hash) {
            let next = pool.queue(of: transaction.sender)?.accountNonce
            events.append(
                .pending(transaction, isNext: transaction.transaction.nonce == next))
        }
        for continuation in continuations {
            for event in events {
                guard case .dropped = continuation.yield(event) else { continue }
                continuation.finish()
                break
            }
        }
    }

    private func announce(_ change: Pool.Change) {
        guard !change.promoted.isEmpty else { return }
        let continuations = subscribers.withLock { Array($0.continuations.values) }
        for continuation in continuations {
            for transaction in change.promoted {
                guard case .dropped = continuation.yield(transaction) else { continue }
                continuation.finish()
                break
            }
        }
    }

    // MARK: - Effects

    /// Runs an operation that cannot be refused.
    ///
    /// If the store fails here, the next start reads a transaction too many or too few: it checks
    /// what it reads, and whoever sent a transaction that is lost can send it again.
    @discardableResult
    private func change(_ body: (inout Pool) -> Pool.Change) -> Pool.Change {
        let change = pool.withLock { pool in
            let change = body(&pool)
            try? write(change, of: &pool, .atOnce)
            tell(change, of: pool)
            return change
        }
        announce(change)
        return change
    }

    private func write(
        _ change: Pool.Change, of pool: inout Pool, _ writing: PoolWriting
    ) throws(StorageError) {
        guard let store, !change.added.isEmpty || !change.removed.isEmpty else { return }
        // What came and went within one operation is not written.
        let removed = Set(change.removed)
        let put = change.added.filter { !removed.contains($0.hash) }
        let remove = change.removed.filter { pool.unwritten.remove($0) == nil }
        switch writing {
        case .later where remove.isEmpty:
            pool.unwritten.formUnion(put.map(\.hash))
        case .later, .atOnce:
            // What takes the place of a written transaction must not be lost where that is gone.
            guard !put.isEmpty || !remove.isEmpty else { return }
            try store.apply(
                put: put.map { (hash: $0.hash, value: $0.encoded()) }, remove: remove)
        }
    }
}

/// When a transaction that the pool takes is written down.
public enum PoolWriting: Sendable {
    /// Before the pool says that it has it.
    case atOnce
    /// When whoever added it asks for that, unless a block has it by then.
    case later
}

/// The transactions of a pool by sender, each sender's by nonce.
public struct PoolContent: Sendable {
    /// Those that can be executed.
    public var pending: [Address: [RecoveredTransaction]] = [:]
    /// Those that wait for an earlier nonce.
    public var queued: [Address: [RecoveredTransaction]] = [:]
}
