import Execution
import Primitives

/// The outcomes of blocks that were executed and did not become the chain at once, or not any more:
/// when they do, their changes are applied without executing them again. Bounded by their number
/// and by what they change together; the oldest go first.
struct OutcomeCache {
    private var outcomes: [Hash256: BlockOutcome] = [:]
    /// The oldest first.
    private var order: [(hash: Hash256, keys: Int)] = []
    private var keys = 0

    subscript(hash: Hash256) -> BlockOutcome? { outcomes[hash] }

    mutating func insert(_ outcome: BlockOutcome, of hash: Hash256) {
        guard outcomes.updateValue(outcome, forKey: hash) == nil else { return }
        let count = outcome.diff.accounts.values.reduce(0) { $0 + 1 + $1.storage.count }
        order.append((hash, count))
        keys += count
        while order.count > ChainLimits.outcomes || keys > ChainLimits.outcomeKeys,
            let oldest = order.first
        {
            outcomes[oldest.hash] = nil
            keys -= oldest.keys
            order.removeFirst()
        }
    }
}
