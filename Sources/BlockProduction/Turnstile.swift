import Synchronization

/// Lets tasks through one at a time, in the order in which they came: what takes several awaits
/// and must not mix with the same of another task goes between ``enter()`` and ``leave()``.
public final class Turnstile: Sendable {
    private let state = Mutex(State())

    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        /// How many of ``waiting`` have gone through; removed from time to time.
        var served = 0
    }

    /// A turnstile that is free.
    public init() {}

    /// Waits for those who came before.
    public func enter() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.isTaken {
                    state.waiting.append(continuation)
                    return false
                }
                state.isTaken = true
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    /// Lets the next one through.
    public func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.served < state.waiting.count else {
                state.waiting.removeAll()
                state.served = 0
                state.isTaken = false
                return nil
            }
            let next = state.waiting[state.served]
            state.served += 1
            if state.served >= 64, 2 * state.served >= state.waiting.count {
                state.waiting.removeFirst(state.served)
                state.served = 0
            }
            return next
        }
        next?.resume()
    }
}
