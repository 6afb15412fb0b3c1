import EVM
import EthereumTypes
package import Execution
import Primitives
import State

/// The outcomes of blocks that were executed and did not become the chain at once, or not any more:
/// when they do, their changes are applied without executing them again. Bounded by their number
/// and by their bytes together; the oldest go first. The newest is always kept: it is the one that
/// is chosen next.
struct OutcomeCache {
    private let byteLimit: Int
    private var outcomes: [Hash256: BlockOutcome] = [:]
    /// The oldest first.
    private var order: [(hash: Hash256, byteCount: Int)] = []
    private var byteCount = 0

    /// - Parameter byteLimit: bytes that the outcomes may take together.
    init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    subscript(hash: Hash256) -> BlockOutcome? { outcomes[hash] }

    mutating func insert(_ outcome: BlockOutcome, of hash: Hash256) {
        guard outcomes.updateValue(outcome, forKey: hash) == nil else { return }
        let size = outcome.byteCount
        order.append((hash, size))
        byteCount += size
        while order.count > 1, order.count > ChainLimits.outcomes || byteCount > byteLimit {
            let oldest = order.removeFirst()
            outcomes[oldest.hash] = nil
            byteCount -= oldest.byteCount
        }
    }
}

extension BlockOutcome {
    /// About how much memory the outcome takes: what its arrays and tables have room for.
    package var byteCount: Int {
        var count = receipts.capacity * MemoryLayout<Receipt>.stride
        for receipt in receipts {
            count += receipt.logs.capacity * MemoryLayout<Log>.stride
            for log in receipt.logs {
                count += log.topics.capacity * MemoryLayout<Hash256>.stride + log.data.capacity
            }
        }
        count += diff.accounts.capacity * MemoryLayout<(Address, AccountChange)>.stride
        for change in diff.accounts.values {
            count += change.storage.capacity * MemoryLayout<StorageChange>.stride
        }
        for code in diff.code.values {
            count += MemoryLayout<(Hash256, Bytes)>.stride + code.capacity
        }
        for request in requests { count += MemoryLayout<Bytes>.stride + request.capacity }
        return count + (calls?.capacity ?? 0) * MemoryLayout<CallRecord>.stride
    }
}
