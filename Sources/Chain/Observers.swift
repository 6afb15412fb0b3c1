import Synchronization

/// Those who are told what happens to the chain.
///
/// The writer never waits for one of them: who falls too far behind is told nothing more, and sees
/// the end of its stream.
final class Observers: Sendable {
    private struct State {
        var nextId = 0
        var continuations: [Int: AsyncStream<ChainEvent>.Continuation] = [:]
    }

    private let state = Mutex(State())

    /// A stream of everything from now on, in order.
    func subscribe(limit: Int) -> AsyncStream<ChainEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: ChainEvent.self, bufferingPolicy: .bufferingOldest(limit))
        let id = state.withLock { state in
            state.nextId += 1
            state.continuations[state.nextId] = continuation
            return state.nextId
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.continuations.removeValue(forKey: id) }
        }
        return stream
    }

    func publish(_ event: ChainEvent) {
        let behind = state.withLock { state in
            state.continuations.values.filter { continuation in
                if case .dropped = continuation.yield(event) { true } else { false }
            }
        }
        // Outside the lock, which the end of a stream takes.
        behind.forEach { $0.finish() }
    }

    func finish() {
        let all = state.withLock { state in Array(state.continuations.values) }
        all.forEach { $0.finish() }
    }
}
