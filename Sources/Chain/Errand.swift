import Dispatch
import Synchronization

/// Work that another thread does meanwhile, if it gets to it.
///
/// Whoever asks for the result while nobody has begun does the work himself, so that a busy machine
/// never makes him wait for a thread.
final class Errand<Value: Sendable>: Sendable {
    private enum State {
        case open
        case taken
        case done(Value)
    }

    private let state = Mutex(State.open)
    private let end = DispatchSemaphore(value: 0)
    private let work: @Sendable () -> Value

    /// Hands the work to a thread that does nothing else.
    init(_ work: @escaping @Sendable () -> Value) {
        self.work = work
        errands.async { [self] in
            guard take() else { return }
            let value = work()
            state.withLock { $0 = .done(value) }
            end.signal()
        }
    }

    /// The result; waits for whoever has begun. Ask once.
    func result() -> Value {
        if take() { return work() }
        end.wait()
        guard case .done(let value) = state.withLock({ $0 }) else {
            preconditionFailure("an errand ended without a result")
        }
        return value
    }

    private func take() -> Bool {
        state.withLock { state in
            guard case .open = state else { return false }
            state = .taken
            return true
        }
    }
}

/// Not the threads of tasks, all of which may be recovering senders.
private let errands = DispatchQueue(label: "errands", qos: .userInitiated)
