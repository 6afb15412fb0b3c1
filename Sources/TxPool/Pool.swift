import EthereumTypes
import Execution
import Primitives
import State

/// The transactions that wait for a block: all decisions, no effects.
///
/// A transaction comes in by ``add(_:_:)``, which checks it alone, then against its sender's account,
/// then against the others in the pool. From then on its place follows from its nonce (see
/// ``SenderQueue``). It leaves when a block has it or makes it impossible (``setHead(_:)``), when
/// another one outbids it, when the pool is full and it pays least, or by ``remove(_:)``.
///
/// ```
///   add ──▶ pending ◀──▶ queued          promotion and demotion: by nonce alone
///              │
///              ▼ best()
///            a block
/// ```
/// Every operation says what changed, so that the shell (``TransactionPool``) can write it down and
/// tell it on.
package struct Pool: Sendable {
    let options: PoolOptions
    package private(set) var head: PoolHead
    private var senders: [Address: SenderQueue] = [:]
    /// Where each transaction is.
    private var places: [Hash256: Place] = [:]
    private var byteCount = 0
    private var blobTransactionCount = 0
    private var nextArrival: UInt64 = 0
    /// Transactions that the store does not have yet: the shell keeps account of them here.
    var unwritten: Set<Hash256> = []

    private struct Place: Sendable {
        let sender: Address
        let nonce: Nonce
    }

    /// What an operation did.
    package struct Change: Sendable {
        /// Transactions that are new in the pool.
        var added: [PooledTransaction] = []
        /// Transactions that are no longer in the pool.
        package var removed: [Hash256] = []
        /// Transactions that can be executed now and could not before.
        package var promoted: [RecoveredTransaction] = []
        /// The head that the pool goes by since, if it is a new one.
        var head: PoolHead?

        package init() {}

        mutating func merge(_ later: Change) {
            added += later.added
            removed += later.removed
            promoted += later.promoted
            head = later.head ?? head
        }

        var isEmpty: Bool {
            added.isEmpty && removed.isEmpty && promoted.isEmpty && head == nil
        }
    }

    package init(head: PoolHead, options: PoolOptions) {
        self.head = head
        self.options = options
    }

    // MARK: - Admission

    /// Takes a transaction whose sender is known and whose blob proofs are verified.
    ///
    /// - Parameter change: what was done; something may have been even if the transaction is
    ///   refused.
    package mutating func add(
        _ candidate: PooledTransaction, _ change: inout Change
    ) throws(PoolRejection) {
        guard places[candidate.hash] == nil else { throw .alreadyKnown(candidate.hash) }
        try checkAlone(candidate)
        let account = try account(candidate.sender)
        var queue =
            senders[candidate.sender]
            ?? SenderQueue(accountNonce: account.nonce, balance: account.balance)
        // The account may be newer than what the pool saw: a devnet's user changes it at will.
        if queue.accountNonce != account.nonce || queue.balance != account.balance {
            change.merge(update(candidate.sender, &queue, to: account))
        }
        do throws(PoolRejection) {
            try checkSender(candidate, account: account, queue: queue)
            if let replaced = queue.transaction(candidate.nonce) {
                try checkReplacement(of: replaced, by: candidate)
                forget(replaced, &change)
            } else {
                try checkRoom(for: candidate, queue: queue)
                try makeRoom(for: candidate, &change)
            }
        } catch {
            store(queue, of: candidate.sender)
            throw error
        }
        var transaction = candidate
        transaction.arrival = nextArrival
        nextArrival += 1
        let pendingBefore = queue.pendingCount
        queue.insert(transaction)
        remember(transaction)
        change.added.append(transaction)
        if queue.pendingCount > pendingBefore {
            change.promoted += queue.transactions[pendingBefore..<queue.pendingCount]
                .map(\.recovered)
        } else if transaction.nonce < queue.nextNonce {
            change.promoted.append(transaction.recovered)
        }
        store(queue, of: candidate.sender)
    }

    /// What can be said without looking at any account. The order is that of geth's
    /// `ValidateTransaction`.
    private func checkAlone(_ candidate: PooledTransaction) throws(PoolRejection) {
        let transaction = candidate.transaction
        let ownBytes = candidate.encodedByteCount
        guard ownBytes <= options.limits.transactionBytes else {
            throw .oversized(have: ownBytes, max: options.limits.transactionBytes)
        }
        do throws(InvalidTransaction) {
            guard transaction.maxFeePerGas >= transaction.maxPriorityFeePerGas else {
                throw .priorityFeeAboveFeeCap(
                    priorityFee: transaction.maxPriorityFeePerGas,
                    feeCap: transaction.maxFeePerGas)
            }
            guard transaction.gasLimit <= head.gasLimit else {
                throw .gasLimitExceedsBlock(have: transaction.gasLimit, available: head.gasLimit)
            }
            try validateTransaction(transaction, at: head.fork, config: head.config)
            try checkFees(of: transaction)
        } catch {
            throw .invalid(error)
        }
        let tip = transaction.maxPriorityFeePerGas
        guard tip >= options.minimumTip else {
            throw .underpriced(tip: tip, minimum: options.minimumTip)
        }
        try checkSidecar(of: candidate)
    }

    /// On a devnet a transaction that the next block cannot take is refused at once.
    private func checkFees(of transaction: Transaction) throws(InvalidTransaction) {
        switch options.policy {
        case .network: return
        case .devnet:
            if let baseFee = head.baseFee, transaction.maxFeePerGas < baseFee {
                throw .feeCapBelowBaseFee(feeCap: transaction.maxFeePerGas, baseFee: baseFee)
            }
            if transaction.type == .blob, transaction.maxFeePerBlobGas < head.blobBaseFee {
                throw .blobFeeCapBelowBlobBaseFee(
                    feeCap: transaction.maxFeePerBlobGas, blobBaseFee: head.blobBaseFee)
            }
        }
    }

    private func checkSidecar(of candidate: PooledTransaction) throws(PoolRejection) {
        guard candidate.transaction.type == .blob else { return }
        guard let sidecar = candidate.sidecar else { throw .missingSidecar }
        switch options.policy {
        case .network:
            let want: BlobSidecar.Version = head.fork >= .osaka ? .cellProofs : .blobProofs
            guard sidecar.version == want else {
                throw .sidecarVersion(have: sidecar.version, want: want)
            }
        case .devnet:
            // No peer has to understand the proofs, and libraries still make both kinds.
            break
        }
        do throws(BlobSidecarError) {
            try sidecar.checkStructure(
                versionedHashes: candidate.transaction.blobVersionedHashes)
        } catch {
            throw .invalidSidecar(error)
        }
    }

    private func account(_ sender: Address) throws(PoolRejection) -> Account {
        do throws(StateReadError) { return try head.state.account(sender) ?? .empty } catch {
            throw .stateRead(error)
        }
    }

    /// What the sender's account says: nonce, and money for this one and all before it.
    private func checkSender(
        _ candidate: PooledTransaction, account: Account, queue: SenderQueue
    ) throws(PoolRejection) {
        guard candidate.nonce >= account.nonce else {
            throw .invalid(.nonceTooLow(account: account.nonce, transaction: candidate.nonce))
        }
        guard options.checksBalance else { return }
        let (want, overflow) = candidate.cost.addingReportingOverflow(
            queue.cost(before: candidate.nonce))
        guard !overflow, want <= account.balance else {
            throw .invalid(
                .insufficientFunds(have: account.balance, want: overflow ? .max : want))
        }
    }

    private func checkReplacement(
        of old: PooledTransaction, by new: PooledTransaction
    ) throws(PoolRejection) {
        let hasBlobs = old.transaction.type == .blob || new.transaction.type == .blob
        let bump = hasBlobs ? ReplacementRule.blobBump : ReplacementRule.bump
        var caps: [(PoolRejection.FeeCap, KeyPath<Transaction, Wei>)] = [
            (.maxFeePerGas, \.maxFeePerGas), (.maxPriorityFeePerGas, \.maxPriorityFeePerGas),
        ]
        if old.transaction.type == .blob {
            caps.append((.maxFeePerBlobGas, \.maxFeePerBlobGas))
        }
        for (cap, path) in caps {
            let have = new.transaction[keyPath: path]
            let want = ReplacementRule.threshold(over: old.transaction[keyPath: path], bump: bump)
            guard have >= want else { throw .replacementUnderpriced(cap, have: have, want: want) }
        }
    }

    // MARK: - Limits

    private func checkRoom(
        for candidate: PooledTransaction, queue: SenderQueue
    ) throws(PoolRejection) {
        let limits = options.limits
        guard queue.transactions.count < limits.transactionsPerSender else {
            throw .senderLimit(candidate.sender, limit: limits.transactionsPerSender)
        }
        if candidate.nonce > queue.nextNonce, queue.queued.count >= limits.queuedPerSender {
            throw .nonceGapLimit(candidate.sender, limit: limits.queuedPerSender)
        }
        if candidate.transaction.type == .blob, blobTransactionCount >= limits.blobTransactions {
            throw .blobLimit(limits.blobTransactions)
        }
    }

    /// Evicts transactions that pay less than the candidate until it fits.
    ///
    /// Only the last transaction of a sender is evicted, so that no gap opens, and a queued one
    /// goes before any pending one. Each eviction looks at every sender once.
    private mutating func makeRoom(
        for candidate: PooledTransaction, _ change: inout Change
    ) throws(PoolRejection) {
        let limits = options.limits
        while places.count >= limits.transactions
            || byteCount + candidate.byteCount > limits.bytes
        {
            let tip = evictionPrice(of: candidate)
            guard let victim = cheapestTail(besides: candidate.sender) else {
                throw .poolFull(tip: tip, lowest: tip, limit: limits.transactions)
            }
            let lowest = evictionPrice(of: victim.transaction)
            guard victim.isQueued || lowest < tip else {
                throw .poolFull(tip: tip, lowest: lowest, limit: limits.transactions)
            }
            take(victim.transaction, &change)
        }
    }

    private func cheapestTail(
        besides sender: Address
    ) -> (transaction: PooledTransaction, isQueued: Bool)? {
        var cheapest: (transaction: PooledTransaction, isQueued: Bool, price: Wei)?
        for (address, queue) in senders where address != sender {
            guard let last = queue.transactions.last else { continue }
            let isQueued = !queue.queued.isEmpty
            let price = evictionPrice(of: last)
            if let best = cheapest {
                let isWorse =
                    isQueued != best.isQueued
                    ? isQueued
                    : price != best.price
                        ? price < best.price : last.arrival > best.transaction.arrival
                guard isWorse else { continue }
            }
            cheapest = (last, isQueued, price)
        }
        return cheapest.map { ($0.transaction, $0.isQueued) }
    }

    /// What a transaction is worth to the pool: its tip at the present base fee. One that does not
    /// cover the base fee is worth nothing.
    private func evictionPrice(of transaction: PooledTransaction) -> Wei {
        transaction.transaction.effectiveTip(baseFee: head.baseFee) ?? .zero
    }

    // MARK: - Removal

    /// Removes a transaction; those of its sender with later nonces become queued.
    package mutating func remove(_ hash: Hash256) -> Change {
        var change = Change()
        if let transaction = transaction(hash) { take(transaction, &change) }
        return change
    }

    /// Removes all transactions of a sender.
    mutating func removeAll(from sender: Address) -> Change {
        var change = Change()
        for transaction in senders[sender]?.transactions ?? [] { forget(transaction, &change) }
        senders[sender] = nil
        return change
    }

    /// Removes everything.
    mutating func removeAll() -> Change {
        var change = Change()
        change.removed = Array(places.keys)
        senders = [:]
        places = [:]
        byteCount = 0
        blobTransactionCount = 0
        return change
    }

    /// Removes a transaction from its sender's queue as well.
    private mutating func take(_ transaction: PooledTransaction, _ change: inout Change) {
        forget(transaction, &change)
        guard var queue = senders.removeValue(forKey: transaction.sender) else { return }
        queue.remove(transaction.nonce)
        store(queue, of: transaction.sender)
    }

    // MARK: - The chain moves on

    /// Takes over a new head: what it has executed or made impossible leaves.
    ///
    /// Reads the account of every sender in the pool, some microseconds each. The transactions of one
    /// that cannot be read stay as they were until the next head.
    package mutating func setHead(_ head: PoolHead) -> Change {
        self.head = head
        var change = Change()
        change.head = head
        for sender in Array(senders.keys) {
            let account: Account
            do throws(StateReadError) { account = try head.state.account(sender) ?? .empty } catch {
                continue
            }
            guard var queue = senders.removeValue(forKey: sender) else { continue }
            change.merge(update(sender, &queue, to: account))
            store(queue, of: sender)
        }
        return change
    }

    /// Takes over a sender's account. What costs more than the sender owns or exceeds the block's
    /// gas limit leaves.
    private mutating func update(
        _ sender: Address, _ queue: inout SenderQueue, to account: Account
    ) -> Change {
        let pendingBefore = queue.accountNonce..<max(queue.accountNonce, queue.nextNonce)
        let gasLimit = head.gasLimit
        let budget: Wei = options.checksBalance ? account.balance : .max
        let removed = queue.update(accountNonce: account.nonce, balance: account.balance) {
            $0.cost <= budget && $0.transaction.gasLimit <= gasLimit
        }
        var change = Change()
        for transaction in removed { forget(transaction, &change) }
        change.promoted = queue.pending.filter { !pendingBefore.contains($0.nonce) }
            .map(\.recovered)
        return change
    }

    // MARK: - Books

    private mutating func remember(_ transaction: PooledTransaction) {
        places[transaction.hash] = Place(sender: transaction.sender, nonce: transaction.nonce)
        byteCount += transaction.byteCount
        if transaction.transaction.type == .blob { blobTransactionCount += 1 }
    }

    private mutating func forget(_ transaction: PooledTransaction, _ change: inout Change) {
        guard places.removeValue(forKey: transaction.hash) != nil else { return }
        byteCount -= transaction.byteCount
        if transaction.transaction.type == .blob { blobTransactionCount -= 1 }
        change.removed.append(transaction.hash)
    }

    private mutating func store(_ queue: SenderQueue, of sender: Address) {
        senders[sender] = queue.isEmpty ? nil : queue
    }

    // MARK: - Looking

    package var count: Int { places.count }

    var pendingCount: Int { senders.values.reduce(0) { $0 + $1.pendingCount } }

    func transaction(_ hash: Hash256) -> PooledTransaction? {
        guard let place = places[hash] else { return nil }
        return senders[place.sender]?.transaction(place.nonce)
    }

    func isPending(_ hash: Hash256) -> Bool {
        guard let place = places[hash], let queue = senders[place.sender] else { return false }
        return place.nonce < queue.nextNonce
    }

    package func queue(of sender: Address) -> SenderQueue? { senders[sender] }

    /// All transactions, the earliest first.
    var all: [PooledTransaction] {
        senders.values.flatMap(\.transactions).sorted { $0.arrival < $1.arrival }
    }

    var content: PoolContent {
        var content = PoolContent()
        for (sender, queue) in senders {
            if !queue.pending.isEmpty { content.pending[sender] = queue.pending.map(\.recovered) }
            if !queue.queued.isEmpty { content.queued[sender] = queue.queued.map(\.recovered) }
        }
        return content
    }

    /// The pending transactions in the order in which a block should have them.
    package func best(baseFee: Wei?, blobBaseFee: Wei) -> BestTransactions {
        BestTransactions(
            senders.values.lazy.map(\.pending).filter { !$0.isEmpty }, order: options.order,
            baseFee: baseFee, blobBaseFee: blobBaseFee)
    }
}
