import Synchronization

/// Whether something answers within a time. What hangs is left behind: a task group would wait for
/// it, and hang as well.
package func isAnswering(
    within time: Duration, _ probe: @escaping @Sendable () async -> Bool
) async -> Bool {
    await withCheckedContinuation { continuation in
        let first = Once()
        let timer = Task {
            try? await Task.sleep(for: time)
            if first.take() { continuation.resume(returning: false) }
        }
        Task {
            let answer = await probe()
            if first.take() { continuation.resume(returning: answer) }
            timer.cancel()
        }
    }
}

/// Says yes the first time that it is asked.
final class Once: Sendable {
    private let isTaken = Mutex(false)

    func take() -> Bool {
        isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }
}
