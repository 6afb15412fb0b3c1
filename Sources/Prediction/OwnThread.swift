import Foundation
import Synchronization

/// Asks work on a thread of its own to end.
final class EndSignal: Sendable {
    private let flag = Atomic<Bool>(false)

    /// Whether the work is to go on.
    var isWanted: Bool { !flag.load(ordering: .relaxed) }

    fileprivate func raise() { flag.store(true, ordering: .relaxed) }
}

/// How much of the processor a thread of its own asks for.
enum ThreadPriority {
    /// As much as any other.
    case usual
    /// What nobody else wants: the scheduler's lowest rank.
    case spare
}

/// Runs work that takes long on a thread of its own, away from the tasks' threads. If the task is
/// cancelled, the work is told so.
func onOwnThread<Value: Sendable>(
    _ priority: ThreadPriority, _ work: @escaping @Sendable (EndSignal) throws -> Value
) async throws -> Value {
    let signal = EndSignal()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                switch priority {
                case .usual: break
                // Of this thread alone: that is what a process of 0 means on Linux.
                case .spare: _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
                }
                continuation.resume(with: Result { try work(signal) })
            }
            thread.name = "prediction"
            thread.start()
        }
    } onCancel: {
        signal.raise()
    }
}
