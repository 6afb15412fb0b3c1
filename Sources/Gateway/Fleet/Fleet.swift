import Primitives
import Storage

/// What is known of the nodes behind a gateway, and which of them gets the next request.
///
/// A value with all decisions: who asks the nodes and who sends requests tell it what they have
/// seen, and time is a parameter. `UpstreamBackend` is the shell around it.
package struct Fleet: Sendable {
    /// Limits of the choice.
    package struct Limits: Hashable, Sendable {
        /// Blocks that a node may be behind the first of those that are ready.
        package var lag: UInt64 = 2
        /// Requests that one node is given at once.
        package var outstanding = 1024
        /// How long what a node has said of itself counts, for its readiness and its state.
        package var silence = Duration.seconds(15)
        /// When a node is taken for broken.
        package var breaker = CircuitBreaker.Limits()

        package init() {}
    }

    /// Whether a node says that it is ready.
    package enum Readiness: Hashable, Sendable {
        /// Nobody has asked yet.
        case unknown
        /// It was, when it was asked.
        case ready(at: ContinuousClock.Instant)
        /// It is not, or does not answer, for a reason.
        case notReady(String)
    }

    /// One node.
    package struct Member: Sendable {
        /// The address of its gateway, without a path: what logs and health show.
        package let url: String
        package fileprivate(set) var breaker: CircuitBreaker
        package fileprivate(set) var readiness = Readiness.unknown
        /// Its head, as last heard.
        package fileprivate(set) var block: BlockReference?
        /// The number of its head.
        package var head: BlockNumber? { block?.number }
        /// What its answers are made from, as last heard.
        package fileprivate(set) var tag: StateTag?
        /// When its stream of states last said something; `nil` while there is none.
        package fileprivate(set) var streamHeard: ContinuousClock.Instant?
        /// Requests that have been sent and not answered.
        package fileprivate(set) var outstanding = 0
    }

    /// The nodes, in the order of the configuration.
    package private(set) var members: [Member]
    private let limits: Limits
    /// Where the search for the least busy begins, so that equals take turns.
    private var turn = 0

    package init(_ urls: [String], limits: Limits = Limits()) {
        precondition(!urls.isEmpty, "A fleet has at least one node.")
        self.limits = limits
        members = urls.map { Member(url: $0, breaker: CircuitBreaker(limits.breaker)) }
    }

    // MARK: - What is heard

    /// A node has said that it is ready, and where its head is.
    package mutating func isReady(
        _ index: Int, head: BlockReference, at now: ContinuousClock.Instant
    ) {
        members[index].readiness = .ready(at: now)
        members[index].block = head
    }

    /// A node has said that it is not ready, or nothing.
    package mutating func isNotReady(_ index: Int, _ reason: String) {
        members[index].readiness = .notReady(reason)
    }

    /// An answer of a node, or its stream, has said what its answers are made from now.
    package mutating func hears(_ tag: StateTag, from index: Int) {
        if let known = members[index].tag, !known.isReplaced(by: tag) { return }
        members[index].tag = tag
        members[index].block = tag.block
    }

    /// The stream of a node's states has said something, if only that it is there.
    package mutating func streamIsAlive(_ index: Int, at now: ContinuousClock.Instant) {
        members[index].streamHeard = now
    }

    /// The stream of a node's states is gone: what it is made from may change unheard.
    package mutating func streamIsGone(_ index: Int) {
        members[index].streamHeard = nil
    }

    // MARK: - The choice

    /// The nodes that may be asked now: ready, not taken for broken, not too busy, and not more than
    /// `lag` blocks behind the first of those that are ready and sound. (What a broken one has seen
    /// is of no use to anybody who cannot ask it.)
    package func eligible(at now: ContinuousClock.Instant) -> [Int] {
        let ready = members.indices.filter { isReady($0, at: now) }
        let sound = ready.filter { members[$0].breaker.condition(at: now) == .closed }
        let first = (sound.isEmpty ? ready : sound).compactMap { members[$0].head }.max()
        guard let first else { return [] }
        return ready.filter { index in
            guard let head = members[index].head else { return false }
            return (head >= first || first - head <= limits.lag)
                && members[index].outstanding < limits.outstanding
                && members[index].breaker.admits(at: now)
        }
    }

    /// Whether a node has said not long ago that it is ready.
    package func isReady(_ index: Int, at now: ContinuousClock.Instant) -> Bool {
        guard case .ready(let time) = members[index].readiness else { return false }
        return now - time <= limits.silence
    }

    /// Picks the least busy of the nodes that may be asked and counts a request for it.
    ///
    /// - Parameters:
    ///   - tried: nodes that have failed this request already.
    ///   - deadline: when the request has to be over; a trial of a broken node does not block others
    ///     for longer.
    /// - Returns: `nil` if there is none.
    package mutating func begin(
        without tried: Set<Int> = [], at now: ContinuousClock.Instant,
        deadline: ContinuousClock.Instant
    ) -> Int? {
        let candidates = eligible(at: now).filter { !tried.contains($0) }
        // A node on trial has nothing to do, so the next request is its trial; if that fails, it is
        // repeated at another node.
        let count = members.count
        let order = candidates.sorted { left, right in
            let (a, b) = (members[left], members[right])
            if a.outstanding != b.outstanding { return a.outstanding < b.outstanding }
            return (left + count - turn) % count < (right + count - turn) % count
        }
        guard let index = order.first else { return nil }
        turn = (index + 1) % count
        members[index].outstanding += 1
        members[index].breaker.begin(at: now, deadline: deadline)
        return index
    }

    /// How a request ended, as far as it says something of the node.
    package enum Outcome: Sendable {
        /// It was answered.
        case answered
        /// It was not.
        case failed
        /// Whoever asked has gone.
        case abandoned
    }

    /// A request that `begin` has counted is over.
    package mutating func end(_ index: Int, _ outcome: Outcome, at now: ContinuousClock.Instant) {
        members[index].outstanding -= 1
        switch outcome {
        case .answered: members[index].breaker.succeeded()
        case .failed: members[index].breaker.failed(at: now)
        case .abandoned: members[index].breaker.abandoned()
        }
    }

    /// What answers of a node may be kept under: nothing unless its stream is alive, which tells at
    /// once when they change.
    package func cacheTag(_ index: Int, at now: ContinuousClock.Instant) -> StateTag? {
        guard let heard = members[index].streamHeard, now - heard <= limits.silence else {
            return nil
        }
        return members[index].tag
    }

    /// When it is worth to ask again if no node may be asked now.
    package func nextChance(at now: ContinuousClock.Instant) -> Duration {
        members.compactMap { $0.breaker.nextTrial(at: now) }.min().map { $0 - now } ?? .seconds(1)
    }
}
