import Primitives
import State

extension ChainAccess {
    /// The first block after which something is true of the state that once true stays true: by
    /// halving, in O(log n) states.
    ///
    /// - Returns: nil if it is not true of the head; 0 if it is of the genesis.
    /// - Throws: `stateUnavailable` if it was true before the oldest state that is retained.
    func firstBlock(where isTrue: (any StateReader) throws -> Bool) throws -> BlockNumber? {
        guard try isTrue(view.state) else { return nil }
        var low = view.oldestState
        if try low == head.number || isTrue(view.state(at: low)) {
            if low == 0 { return 0 }
            _ = try view.state(at: low - 1)
            return low
        }
        // False after `low`, true after `high`.
        var high = head.number
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if try isTrue(view.state(at: middle)) { high = middle } else { low = middle }
        }
        return high
    }
}
