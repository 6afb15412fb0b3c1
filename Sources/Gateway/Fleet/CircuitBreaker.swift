/// Whether something that may fail is worth asking.
///
///     closed ──failures in a row──▶ open ──its time is up──▶ half open ──success──▶ closed
///                                    ▲                           │
///                                    └──failure, twice as long───┘
///
/// Half open, one request at a time is let through as a trial; whoever waits for nothing else is
/// better served by another upstream. A value: time is a parameter.
package struct CircuitBreaker: Hashable, Sendable {
    /// When it opens, and for how long.
    package struct Limits: Hashable, Sendable {
        /// Failures in a row that open it.
        package var failures = 3
        /// The first time that it is open.
        package var first = Duration.milliseconds(250)
        /// The longest: a failing upstream is tried at least that often.
        package var longest = Duration.seconds(10)

        package init() {}
    }

    private enum State: Hashable {
        case closed(failures: Int)
        case open(until: ContinuousClock.Instant, for: Duration)
        /// Open before for so long; the trial, if one is out, counts as failed at a time.
        case halfOpen(trialUntil: ContinuousClock.Instant?, for: Duration)
    }

    /// What it tells of itself.
    package enum Condition: String, Hashable, Sendable {
        case closed, open
        case halfOpen = "half-open"
    }

    private let limits: Limits
    private var state = State.closed(failures: 0)

    package init(_ limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Whether the next request may go through; changes nothing.
    package func admits(at now: ContinuousClock.Instant) -> Bool {
        switch state {
        case .closed: true
        case .open(let until, _): until <= now
        case .halfOpen(let trialUntil, _): trialUntil.map { $0 <= now } ?? true
        }
    }

    /// Takes note that a request goes through, which `admits` has allowed.
    ///
    /// - Parameter deadline: a trial that has not ended by then is as good as failed, and does not
    ///   keep another from trying.
    package mutating func begin(at now: ContinuousClock.Instant, deadline: ContinuousClock.Instant)
    {
        switch state {
        case .closed: break
        case .open(_, let time), .halfOpen(_, let time):
            state = .halfOpen(trialUntil: deadline, for: time)
        }
    }

    /// A request that went through has had an answer.
    package mutating func succeeded() {
        state = .closed(failures: 0)
    }

    /// A request that went through, or should have, had none.
    package mutating func failed(at now: ContinuousClock.Instant) {
        switch state {
        case .closed(let failures):
            state =
                failures + 1 >= limits.failures
                ? .open(until: now + limits.first, for: limits.first)
                : .closed(failures: failures + 1)
        // Requests that were on their way when it opened make it no worse.
        case .open: break
        case .halfOpen(_, let time):
            let next = min(time * 2, limits.longest)
            state = .open(until: now + next, for: next)
        }
    }

    /// A request that went through ended without telling anything: its caller went away.
    package mutating func abandoned() {
        if case .halfOpen(_, let time) = state { state = .halfOpen(trialUntil: nil, for: time) }
    }

    /// What it is now.
    package func condition(at now: ContinuousClock.Instant) -> Condition {
        switch state {
        case .closed: .closed
        case .open(let until, _): until <= now ? .halfOpen : .open
        case .halfOpen: .halfOpen
        }
    }

    /// When the next request may go through; `nil` if it may now.
    package func nextTrial(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        switch state {
        case .closed: nil
        case .open(let until, _): until <= now ? nil : until
        case .halfOpen(let trialUntil, _): trialUntil.flatMap { $0 <= now ? nil : $0 }
        }
    }
}
