import Dispatch
public import EVM
import Synchronization

/// Cancels runs of the virtual machine whose time is up.
///
/// It looks at the clock at an interval, as long as something runs or has run lately; the interpreters
/// never do. A run so ends up to an interval after its time.
public final class RunLimiter: Sendable {
    private struct Runs {
        var active: [Int: (deadline: ContinuousClock.Instant, cancellation: Cancellation)] = [:]
        var next = 0
        /// Whether the clock is going to be looked at.
        var isWatched = false
        /// How often it was looked at since something ran.
        var idleLooks = 0
    }

    private let runs = Mutex(Runs())

    /// A queue of its own has a thread also while all others are busy, which is when it matters.
    private let clock = DispatchQueue(label: "run-limiter", qos: .userInitiated)
    private let milliseconds: Int
    private let lingering: Int

    /// A limiter of its own clock.
    ///
    /// - Parameters:
    ///   - milliseconds: the interval.
    ///   - lingering: how often the clock is looked at after the last run, so that runs that follow
    ///     each other closely do not start it anew each time.
    public init(every milliseconds: Int = 100, lingering: Int = 0) {
        self.milliseconds = milliseconds
        self.lingering = lingering
    }

    /// Runs what must not run beyond an instant.
    ///
    /// - Parameters:
    ///   - isBrief: whether it must not begin a long precompile, either.
    ///   - body: must give what it runs the cancellation.
    /// - Throws: `error` if it did; its own result is then none.
    public func run<Value>(
        until deadline: ContinuousClock.Instant, isBrief: Bool = false, else error: any Error,
        _ body: (Cancellation) throws -> Value
    ) throws -> Value {
        guard .now < deadline else { throw error }
        let cancellation = Cancellation(isBrief: isBrief)
        let (run, mustWatch) = runs.withLock { runs in
            runs.next &+= 1
            runs.active[runs.next] = (deadline, cancellation)
            runs.idleLooks = 0
            defer { runs.isWatched = true }
            return (runs.next, !runs.isWatched)
        }
        if mustWatch { watch() }
        let result = Result { try body(cancellation) }
        runs.withLock { $0.active[run] = nil }
        if cancellation.isCancelled { throw error }
        return try result.get()
    }

    private func watch() {
        clock.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [weak self] in
            self?.look()
        }
    }

    private func look() {
        let now = ContinuousClock.now
        let mustWatch = runs.withLock { runs in
            for run in runs.active.values where run.deadline <= now { run.cancellation.cancel() }
            runs.idleLooks += 1
            runs.isWatched = !runs.active.isEmpty || runs.idleLooks <= lingering
            return runs.isWatched
        }
        if mustWatch { watch() }
    }
}

extension RPCContext {
    /// Runs the virtual machine for a time at most, and not beyond that of the message.
    ///
    /// - Parameters:
    ///   - error: what is thrown if it takes longer, unless the message is out of time.
    ///   - body: must give what it runs the cancellation.
    func limited<Value>(
        to time: Duration, else error: RPCError, _ body: (Cancellation) throws -> Value
    ) throws -> Value {
        let end = ContinuousClock.now + time
        return try pool.limiter.run(
            until: min(deadline, end), else: deadline < end ? RPCError.timedOut : error, body)
    }

    /// Runs calls for the time that the server gives them.
    ///
    /// - Throws: `TrialEnded` if the call is tried and takes longer than a trial may.
    package func limited<Value>(_ body: (Cancellation) throws -> Value) throws -> Value {
        if let trials { return try trials.run(body) }
        let time = limits.callTime
        return try limited(to: time, else: .aborted(after: time), body)
    }
}

extension RPCError {
    /// A call took longer than it may, in geth's words.
    static func aborted(after time: Duration) -> RPCError {
        .server("execution aborted (timeout = \(time.goText))")
    }

    /// A trace took longer than it may, in geth's words.
    static let traceTimedOut = RPCError.server("execution timeout")
}

extension Duration {
    /// As Go writes it, to the millisecond: `5s`, `1m30s`, `250ms`.
    fileprivate var goText: String {
        let milliseconds = components.attoseconds / 1_000_000_000_000_000
        guard components.seconds > 0 else { return "\(milliseconds)ms" }
        let minutes = components.seconds / 60
        var fraction = milliseconds == 0 ? "" : ".\(String(1000 + milliseconds).dropFirst())"
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return (minutes > 0 ? "\(minutes)m" : "") + "\(components.seconds % 60)\(fraction)s"
    }
}
