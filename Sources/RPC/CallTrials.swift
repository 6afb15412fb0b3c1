import EVM
import Glibc
import Synchronization

/// Short calls on the event loop.
///
/// Most calls of `eth_call` take less time than it takes to wake a thread for them, and to be waked by
/// it. So one that comes alone is tried where it has come in. A clock ends it after some milliseconds;
/// then it runs again on the pool, as if it had not been tried.
///
/// Trials are for when there is little to do: calls that are long, or many at once, are better off on
/// the pool, which takes them one after the other while the event loops read and write (a tenth more
/// calls a second). So trials may take a third of one thread's time, more than a client that waits for
/// each answer asks for, and where that is used up there are none for a second.
final class CallTrials: Sendable {
    /// Bytes of a call's parameters up to which it is tried.
    static let bytes = 4096
    /// What a trial may take.
    private static let time = Duration.milliseconds(1)

    private let budget = Mutex(TrialBudget())
    private let limiter = RunLimiter(every: 5, lingering: 20)

    /// Tries a call, if that is allowed now.
    ///
    /// - Returns: what the call gave; `nil` as well if it was not tried.
    func attempt<Value>(_ call: () -> Value?) -> Value? {
        guard budget.withLock({ $0.isOpen(at: nanoseconds(CLOCK_MONOTONIC)) }) else { return nil }
        // Of this thread: where the machine is busy, a short call may be interrupted for long.
        let begin = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
        let value = call()
        let used = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - begin
        budget.withLock { $0.spend(used, at: nanoseconds(CLOCK_MONOTONIC)) }
        return value
    }

    /// Runs a call that is tried.
    ///
    /// - Throws: `TrialEnded` if it took too long.
    func run<Value>(_ body: (Cancellation) throws -> Value) throws -> Value {
        try limiter.run(until: .now + Self.time, isBrief: true, else: TrialEnded(), body)
    }

    private func nanoseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// The processor time that trials may take. All times are nanoseconds, instants those of one clock.
package struct TrialBudget {
    private static let limit: Int64 = 1_000_000
    private static let pause: Int64 = 1_000_000_000

    private var left = limit
    private var lastLook: Int64 = 0
    private var closedUntil: Int64 = 0

    /// A whole budget.
    package init() {}

    /// Whether there is some left.
    package mutating func isOpen(at now: Int64) -> Bool {
        guard now >= closedUntil else { return false }
        left = min(Self.limit, left + max(0, now - lastLook) / 3)
        lastLook = now
        return true
    }

    /// Takes what a trial has used.
    package mutating func spend(_ used: Int64, at now: Int64) {
        left -= used
        guard left <= 0 else { return }
        closedUntil = now + Self.pause
        left = Self.limit
    }
}

/// A call that was only tried took too long.
struct TrialEnded: Error {}
