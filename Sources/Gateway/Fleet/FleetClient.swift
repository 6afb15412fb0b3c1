import AsyncHTTPClient
import Logging
import NIOCore
import Primitives
import Synchronization

/// Sends requests to whichever node is best placed to answer, and to another if that one does not.
///
/// The shell around `Fleet` and `RetryPolicy`, which decide. What nodes say of themselves comes from
/// `FleetMonitor`, and from the answers that pass through here.
package final class FleetClient: Sendable {
    /// Limits of one request.
    package struct Limits: Sendable {
        /// Time of a try at what a node answers with a few reads.
        package var instant = Duration.seconds(3)
        /// Time of a try at what runs in a node's execution pool.
        package var execution = Duration.seconds(20)
        /// Time to wait for a node if there is none: about that of a restart's blink, not more.
        package var patience = Duration.seconds(2)

        package init() {}
    }

    /// Why a request has no answer.
    package enum Failure: Error, Sendable {
        /// There is no node that may be asked; when it is worth to ask again.
        case noUpstream(retryAfter: Duration)
        /// The nodes that were asked gave no answer, the last for this reason.
        case unanswered(RetryPolicy.Failure)
        /// The caller has gone.
        case cancelled
    }

    let fleet: Mutex<Fleet>
    let limits: Limits
    private let policy: RetryPolicy
    private let exchange: UpstreamExchange
    private let logger: Logger
    private let metrics: FleetMetrics

    init(
        _ fleet: Fleet, limits: Limits, policy: RetryPolicy, http: HTTPClient, logger: Logger,
        metrics: FleetMetrics
    ) {
        self.fleet = Mutex(fleet)
        self.limits = limits
        self.policy = policy
        self.logger = logger
        self.metrics = metrics
        exchange = UpstreamExchange(http)
    }

    /// Asks a node, and others if need be.
    ///
    /// - Returns: the answer, and after how many tries. A 503 of the last try is an answer.
    func send(
        _ request: UpstreamRequest, isInstant: Bool, until end: ContinuousClock.Instant
    ) async throws(Failure) -> (answer: UpstreamAnswer, tries: Int) {
        let time = isInstant ? limits.instant : limits.execution
        var tried: Set<Int> = []
        var made = 0
        while true {
            let index = try await choose(
                tried, until: min(end, .now + limits.patience), deadline: min(end, .now + time))
            made += 1
            let now = ContinuousClock.now
            let deadline = min(end, now + time)
            let failure: RetryPolicy.Failure
            let unavailable: UpstreamAnswer?
            do throws(UpstreamExchange.Failure) {
                let answer = try await exchange.send(
                    request, to: url(index), deadline: .now() + TimeAmount(deadline - now))
                hears(answer, from: index)
                let isUnavailable = 502...504 ~= answer.status
                over(index, isUnavailable ? .failed : .answered)
                guard isUnavailable else { return (answer, made) }
                failure = .unavailable
                unavailable = answer
            } catch {
                guard case .failed(let kind, let reason) = error else {
                    over(index, .abandoned)
                    throw .cancelled
                }
                over(index, .failed)
                if kind == .notDelivered {
                    fleet.withLock { $0.isNotReady(index, "refused a connection") }
                }
                logger.debug(
                    "a node gave no answer",
                    metadata: ["upstream": "\(url(index))", "reason": "\(reason)"])
                failure = kind
                unavailable = nil
            }
            tried.insert(index)
            let decision = policy.decide(
                failure, request.repetition, tries: made, remaining: end - .now)
            switch decision {
            case .giveUp:
                if let unavailable { return (unavailable, made) }
                throw .unanswered(failure)
            case .retry(let pause):
                metrics.retries.add(1, failure.rawValue)
                do {
                    if pause > .zero { try await Task.sleep(for: pause) }
                } catch {
                    throw .cancelled
                }
            }
        }
    }

    /// A node for the next try: one that has not failed this request before one that has, and if
    /// there is none at all, one that comes up within a moment.
    private func choose(
        _ tried: Set<Int>, until patience: ContinuousClock.Instant,
        deadline: ContinuousClock.Instant
    ) async throws(Failure) -> Int {
        while true {
            let now = ContinuousClock.now
            let (index, chance) = fleet.withLock { fleet in
                let index =
                    fleet.begin(without: tried, at: now, deadline: deadline)
                    ?? fleet.begin(at: now, deadline: deadline)
                return (index, fleet.nextChance(at: now))
            }
            if let index {
                metrics.begins(index)
                return index
            }
            guard now < patience else { throw .noUpstream(retryAfter: chance) }
            do {
                try await Task.sleep(for: min(.milliseconds(25), patience - now))
            } catch {
                throw .cancelled
            }
        }
    }

    private func over(_ index: Int, _ outcome: Fleet.Outcome) {
        if case .failed = outcome { metrics.fails(index) }
        fleet.withLock { $0.end(index, outcome, at: .now) }
    }

    private func hears(_ answer: UpstreamAnswer, from index: Int) {
        guard let text = answer.headers.first(name: StateTag.header), let tag = StateTag(text)
        else {
            return
        }
        fleet.withLock { $0.hears(tag, from: index) }
    }

    /// The address of a node.
    func url(_ index: Int) -> String { fleet.withLock { $0.members[index].url } }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let parts = duration.components
        self = .nanoseconds(parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
    }
}
