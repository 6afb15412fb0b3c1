import Synchronization

/// How much a front is doing, and whether it may do more.
final class FrontLoad: Sendable {
    /// For whom streams are counted.
    enum Owner: Hashable {
        /// The service of a token.
        case service(String)
        /// Who calls without one.
        case address(NetworkAddress?)
    }

    private struct State {
        var requests = 0
        var streams = 0
        var streamsByOwner: [Owner: Int] = [:]
        var isStopping = false
    }

    private let mostRequests: Int
    private let mostStreams: Int
    private let mostStreamsOfOwner: Int
    private let state = Mutex(State())

    init(_ limits: GatewayLimits) {
        mostRequests = limits.requests
        mostStreams = limits.streams
        mostStreamsOfOwner = limits.streamsPerCaller
    }

    /// Requests that are being worked on.
    var requests: Int { state.withLock { $0.requests } }
    /// Streams that are open.
    var streams: Int { state.withLock { $0.streams } }
    /// Whether the front is about to end.
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Lets no stream begin or go on.
    func stop() { state.withLock { $0.isStopping = true } }

    /// Counts a request, unless there are too many.
    func enter() -> Bool {
        state.withLock { state in
            guard state.requests < mostRequests else { return false }
            state.requests += 1
            return true
        }
    }

    func leave() { state.withLock { $0.requests -= 1 } }

    /// Counts a stream until its ticket is gone.
    ///
    /// - Throws: a problem if there are too many.
    func openStream(for owner: Owner) throws(Problem) -> StreamTicket {
        let problem = state.withLock { state -> Problem? in
            guard state.streams < mostStreams, !state.isStopping else { return .busy }
            let own = state.streamsByOwner[owner, default: 0]
            guard own < mostStreamsOfOwner else { return Self.tooMany }
            state.streams += 1
            state.streamsByOwner[owner] = own + 1
            return nil
        }
        if let problem { throw problem }
        return StreamTicket(load: self, owner: owner)
    }

    private static let tooMany = Problem(
        429, "Too many requests", "The caller has too many streams open.",
        headers: [("retry-after", "5")])

    private func closeStream(of owner: Owner) {
        state.withLock { state in
            state.streams -= 1
            let left = state.streamsByOwner[owner, default: 1] - 1
            state.streamsByOwner[owner] = left > 0 ? left : nil
        }
    }

    /// Held by a stream as long as it lives, however it ends.
    final class StreamTicket: Sendable {
        private let load: FrontLoad
        private let owner: Owner

        init(load: FrontLoad, owner: Owner) {
            self.load = load
            self.owner = owner
        }

        deinit { load.closeStream(of: owner) }
    }
}
