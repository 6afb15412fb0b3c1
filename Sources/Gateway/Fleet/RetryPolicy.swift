/// What is done when a node gives no answer to a request.
///
/// A read may be repeated at another node, whatever became of the first try. What changes the chain
/// may be repeated only if the first try has surely not arrived; a signed transaction is the
/// exception, because its hash makes it the same one wherever and however often it arrives.
package struct RetryPolicy: Hashable, Sendable {
    /// Tries in all, the first one included.
    package var tries = 3
    /// Between tries at the same few nodes: a node that has just ended is replaced in no time, but
    /// the next should have a moment to notice.
    package var pause = Duration.milliseconds(20)

    package init() {}

    /// What a request does when it arrives twice.
    package enum Repetition: Hashable, Sendable {
        /// It changes nothing, however often it arrives.
        case harmless
        /// It is the same transaction, which a node that has it calls known.
        case sameTransaction
        /// It is done twice.
        case harmful
    }

    /// Why there is no answer.
    package enum Failure: String, Hashable, Sendable, CaseIterable {
        /// The request has not left: no connection came about.
        case notDelivered = "not-delivered"
        /// It may have arrived; the connection broke or the time was up.
        case unanswered
        /// The node answered that it cannot answer now: 502, 503 or 504.
        case unavailable
    }

    /// What comes next.
    package enum Decision: Hashable, Sendable {
        /// Ask another node, after a pause.
        case retry(after: Duration)
        /// Tell the caller.
        case giveUp
    }

    /// What to do after a try, of so many, has failed.
    package func decide(
        _ failure: Failure, _ repetition: Repetition, tries made: Int, remaining: Duration
    ) -> Decision {
        guard made < tries, remaining > pause else { return .giveUp }
        let isSafe =
            switch (repetition, failure) {
            case (.harmless, _), (.sameTransaction, _): true
            // A node that says 503 may say so after it has begun.
            case (.harmful, .notDelivered): true
            case (.harmful, .unanswered), (.harmful, .unavailable): false
            }
        return isSafe ? .retry(after: made == 1 ? .zero : pause) : .giveUp
    }
}
