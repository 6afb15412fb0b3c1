import EthereumTypes
import Primitives

/// The transactions of one sender, by nonce.
///
/// ```
/// account nonce 5      5 6 7   9 10
///                      └pending┘ └queued┘
/// ```
/// Those that follow each other from the account's nonce on are pending, those behind a gap are
/// queued. Nothing else tells the two apart, so promotion and demotion are not operations but what
/// an insertion, a removal or a new account nonce leaves behind.
package struct SenderQueue: Sendable {
    /// The account's nonce at the head.
    private(set) var accountNonce: Nonce
    /// The account's balance at the head.
    private(set) var balance: Wei
    /// Ascending by nonce, none below ``accountNonce``.
    private(set) var transactions: [PooledTransaction] = []
    /// How many of them are pending.
    private(set) var pendingCount = 0
    /// The cost of all, wrapping around: only compared where it cannot.
    private var totalCost: Wei = .zero

    init(accountNonce: Nonce, balance: Wei) {
        self.accountNonce = accountNonce
        self.balance = balance
    }

    var isEmpty: Bool { transactions.isEmpty }
    package var pending: ArraySlice<PooledTransaction> { transactions[..<pendingCount] }
    package var queued: ArraySlice<PooledTransaction> { transactions[pendingCount...] }

    /// The nonce that the sender's next transaction should have.
    package var nextNonce: Nonce { accountNonce &+ Nonce(pendingCount) }

    /// The place of a nonce, or where it would be inserted.
    func place(of nonce: Nonce) -> (index: Int, isTaken: Bool) {
        var low = 0
        var high = transactions.count
        while low < high {
            let middle = (low + high) / 2
            if transactions[middle].nonce < nonce { low = middle + 1 } else { high = middle }
        }
        return (low, low < transactions.count && transactions[low].nonce == nonce)
    }

    func transaction(_ nonce: Nonce) -> PooledTransaction? {
        let place = place(of: nonce)
        return place.isTaken ? transactions[place.index] : nil
    }

    /// What the sender's transactions before a nonce may cost.
    func cost(before nonce: Nonce) -> Wei {
        guard let last = transactions.last, last.nonce >= nonce else { return totalCost }
        return transactions[..<place(of: nonce).index].reduce(Wei.zero) { sum, transaction in
            let (total, overflow) = sum.addingReportingOverflow(transaction.cost)
            return overflow ? .max : total
        }
    }

    /// Inserts a transaction; one of the same nonce makes way.
    mutating func insert(_ transaction: PooledTransaction) {
        let place = place(of: transaction.nonce)
        if place.isTaken {
            totalCost = totalCost &- transactions[place.index].cost
            transactions[place.index] = transaction
        } else {
            transactions.insert(transaction, at: place.index)
        }
        totalCost = totalCost &+ transaction.cost
        // Only an insertion where the pending ones end can make more of them.
        if place.index == pendingCount { extendPending() }
    }

    /// Removes a transaction; those behind it become queued.
    mutating func remove(_ nonce: Nonce) {
        let place = place(of: nonce)
        guard place.isTaken else { return }
        totalCost = totalCost &- transactions[place.index].cost
        transactions.remove(at: place.index)
        pendingCount = min(pendingCount, place.index)
    }

    /// Takes over the account as it is at a new head.
    ///
    /// - Parameter keeps: whether a transaction can still be executed some day.
    /// - Returns: the transactions that are gone.
    mutating func update(
        accountNonce: Nonce, balance: Wei, keeping keeps: (PooledTransaction) -> Bool
    ) -> [PooledTransaction] {
        self.accountNonce = accountNonce
        self.balance = balance
        var removed: [PooledTransaction] = []
        transactions.removeAll { transaction in
            let isGone = transaction.nonce < accountNonce || !keeps(transaction)
            if isGone { removed.append(transaction) }
            return isGone
        }
        for transaction in removed { totalCost = totalCost &- transaction.cost }
        pendingCount = 0
        extendPending()
        return removed
    }

    private mutating func extendPending() {
        while pendingCount < transactions.count, transactions[pendingCount].nonce == nextNonce {
            pendingCount += 1
        }
    }
}
