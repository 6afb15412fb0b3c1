import Primitives
import Synchronization

/// The answer to a message on its way to a client.
package struct RPCAnswer: Sendable {
    /// The JSON text.
    package let text: Bytes
    /// Room for it among the large answers, for as long as somebody holds it; nil: it is small.
    let room: AnswerRoom?
}

/// How many bytes of large answers there may be at a time, for all clients together: one that reads
/// slowly keeps its answer in the node's memory.
final class AnswerBudget: Sendable {
    private let limit: Int
    private let used = Mutex(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// Room for an answer of so many bytes, or nil if there is too little. Alone it may have any size.
    func room(for count: Int) -> AnswerRoom? {
        let fits = used.withLock { used in
            guard used == 0 || used + count <= limit else { return false }
            used += count
            return true
        }
        return fits ? AnswerRoom(count, of: self) : nil
    }

    fileprivate func giveBack(_ count: Int) {
        used.withLock { $0 -= count }
    }
}

/// Room for a large answer, given back with the last reference to it.
final class AnswerRoom: Sendable {
    private let count: Int
    private let budget: AnswerBudget

    fileprivate init(_ count: Int, of budget: AnswerBudget) {
        self.count = count
        self.budget = budget
    }

    deinit {
        budget.giveBack(count)
    }
}
