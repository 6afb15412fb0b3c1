import Synchronization

/// Waits for the next tick of an interval that may change at any time.
final class Ticker: Sendable {
    private let state = Mutex(State())

    private struct State {
        /// Counts the interruptions.
        var version = 0
        var sleeper: Task<Void, any Error>?
    }

    /// A year: what waits for a change only.
    private static let forever: Duration = .seconds(31_536_000)

    /// To be read before the interval is: an interruption after that ends the sleep, also if it
    /// comes before the sleep.
    var version: Int { state.withLock { $0.version } }

    /// Sleeps.
    ///
    /// - Returns: whether the time has passed, rather than that ``interrupt()`` was called since
    ///   the version or that the task was cancelled.
    func sleep(until deadline: ContinuousClock.Instant?, since version: Int) async -> Bool {
        let deadline = deadline ?? ContinuousClock.now.advanced(by: Self.forever)
        let sleeper = Task { try await Task.sleep(until: deadline, clock: .continuous) }
        let isCurrent = state.withLock { state in
            guard state.version == version else { return false }
            state.sleeper = sleeper
            return true
        }
        if !isCurrent { sleeper.cancel() }
        return await withTaskCancellationHandler {
            (try? await sleeper.value) != nil
        } onCancel: {
            sleeper.cancel()
        }
    }

    /// Ends the sleep: the interval has changed.
    func interrupt() {
        state.withLock { state in
            state.version += 1
            state.sleeper?.cancel()
        }
    }
}
