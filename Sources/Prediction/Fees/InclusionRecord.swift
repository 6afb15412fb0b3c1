import EthereumTypes
package import Primitives
package import TxPool

/// How long transactions of the node's own pool waited for a block, by the tip that they offered.
///
///     pending ──▶ waiting ──▶ included after so many blocks
///                        └──▶ gone, or no longer able to pay: it waited at least so many blocks
///
/// Only the first transaction of a sender counts: a later one waits for the earlier as well. What is
/// kept is bounded, and begins anew with the process.
package struct InclusionRecord: Sendable {
    /// A transaction whose wait is over, or was no longer watched.
    package struct Outcome: Sendable, Hashable {
        /// Wei a gas above the base fee of the block that came next.
        package let tip: Double
        /// Blocks that came while it was waiting, with the one that took it.
        package let wait: Int
        /// Whether the last of them took it.
        package let isIncluded: Bool
        /// The head when it came.
        package let arrival: BlockNumber
    }

    private struct Waiting: Sendable {
        let tip: Wei
        let feeCap: Wei
        let arrival: BlockNumber
    }

    /// Blocks after which a transaction is no longer watched.
    package static let longestWait = 64
    /// Blocks whose transactions are remembered. Those of one block meet the same competition, so it
    /// is blocks, not transactions, that make a frequency certain.
    static let retainedBlocks: BlockNumber = 4_096
    /// Transactions that are watched of those that come between two blocks: the first ones.
    private static let arrivalsPerBlock = 16
    /// All that is remembered: a megabyte.
    package static let retained = 32_768

    private var waiting: [Hash256: Waiting] = [:]
    /// In the order in which they ended; those before `first` are forgotten.
    private var outcomes: [Outcome] = []
    private var first = 0
    private var head: BlockNumber?
    private var nextBaseFee: Wei?
    private var arrivals = 0

    /// How many outcomes there were in all: it tells whether something is new.
    package private(set) var ended = 0

    /// How many outcomes are remembered.
    package var count: Int { outcomes.count - first }

    /// How many transactions are being watched.
    package var watched: Int { waiting.count }

    /// Nothing yet.
    package init() {}

    /// Takes an event of the pool in.
    ///
    /// - Parameter location: the block that a transaction is in, if one has it.
    package mutating func take(_ event: PoolEvent, location: (Hash256) throws -> BlockNumber?)
        rethrows
    {
        switch event {
        case .pending(let transaction, let isNext):
            guard isNext else { return }
            came(transaction)
        case .removed(let hash):
            guard let entry = waiting.removeValue(forKey: hash) else { return }
            if let block = try location(hash), block > entry.arrival {
                end(entry, after: block - entry.arrival, isIncluded: true)
            } else {
                end(entry, after: (head ?? entry.arrival) &- entry.arrival, isIncluded: false)
            }
        case .head(let number, let nextBaseFee):
            moved(to: number, nextBaseFee: nextBaseFee)
        }
    }

    /// Stops watching those that wait: what happened to them meanwhile is not known.
    mutating func beginAnew() {
        waiting = [:]
        head = nil
    }

    /// Everything that is known, of those that still wait as well.
    package var all: [Outcome] {
        guard let head else { return Array(outcomes[first...]) }
        let sofar = waiting.values.compactMap { entry -> Outcome? in
            head > entry.arrival
                ? Outcome(
                    tip: entry.tip.doubleValue, wait: Int(head - entry.arrival), isIncluded: false,
                    arrival: entry.arrival) : nil
        }
        return outcomes[first...] + sofar
    }

    private mutating func came(_ transaction: RecoveredTransaction) {
        guard let head, arrivals < Self.arrivalsPerBlock,
            let tip = transaction.transaction.effectiveTip(baseFee: nextBaseFee)
        else { return }
        arrivals += 1
        waiting[transaction.hash] = Waiting(
            tip: tip, feeCap: transaction.transaction.maxFeePerGas, arrival: head)
    }

    private mutating func moved(to number: BlockNumber, nextBaseFee: Wei?) {
        self.nextBaseFee = nextBaseFee
        if let head, number < head {
            // Blocks have left the chain: what waited has waited in another story.
            waiting = [:]
        }
        if head != number { arrivals = 0 }
        head = number
        let baseFee = nextBaseFee ?? .zero
        for (hash, entry) in waiting {
            let wait = number - entry.arrival
            let (needed, overflow) = baseFee.addingReportingOverflow(entry.tip)
            guard wait >= UInt64(Self.longestWait) || overflow || needed > entry.feeCap else {
                continue
            }
            // Its cap no longer lets it pay the tip: from here on it is another offer.
            waiting[hash] = nil
            end(entry, after: wait, isIncluded: false)
        }
        forget(before: number)
    }

    private mutating func end(_ entry: Waiting, after wait: UInt64, isIncluded: Bool) {
        guard wait > 0 else { return }
        ended += 1
        if outcomes.count - first == Self.retained { first += 1 }
        let isLate = wait > UInt64(Self.longestWait)
        outcomes.append(
            Outcome(
                tip: entry.tip.doubleValue, wait: min(Int(clamping: wait), Self.longestWait),
                isIncluded: isIncluded && !isLate, arrival: entry.arrival))
    }

    private mutating func forget(before number: BlockNumber) {
        let oldest = number - min(number, Self.retainedBlocks)
        while first < outcomes.count, outcomes[first].arrival < oldest { first += 1 }
        guard first > 4_096, first > outcomes.count / 2 else { return }
        outcomes.removeFirst(first)
        first = 0
    }
}
