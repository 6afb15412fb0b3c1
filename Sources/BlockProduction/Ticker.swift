import Synchronization

/// Waits for the next tick of an interval that may change at any time.
final class Ticker: Sendable {
    private let sleeping = Mutex<Task<Void, any Error>?>(nil)

    /// A year: what waits for a change only.
    private static let forever: Duration = .seconds(31_536_000)

    /// Sleeps.
    ///
    /// - Returns: whether the time has passed, rather than ``interrupt()`` or the end of the task.
    func sleep(until deadline: ContinuousClock.Instant?) async -> Bool {
        let deadline = deadline ?? ContinuousClock.now.advanced(by: Self.forever)
        let sleeper = Task { try await Task.sleep(until: deadline, clock: .continuous) }
        sleeping.withLock { $0 = sleeper }
        return await withTaskCancellationHandler {
            (try? await sleeper.value) != nil
        } onCancel: {
            sleeper.cancel()
        }
    }

    /// Ends the sleep: the interval has changed.
    func interrupt() {
        sleeping.withLock { $0?.cancel() }
    }
}
