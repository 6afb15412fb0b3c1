import Synchronization

/// How much a front is doing, and whether it may do more.
final class FrontLoad: Sendable {
    private struct State {
        var requests = 0
        var streams = 0
        var isStopping = false
    }

    private let mostRequests: Int
    private let mostStreams: Int
    private let state = Mutex(State())

    init(requests: Int, streams: Int) {
        mostRequests = requests
        mostStreams = streams
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

    /// Counts a stream until its ticket is gone; `nil` if there are too many.
    func openStream() -> StreamTicket? {
        let isOpen = state.withLock { state in
            guard state.streams < mostStreams, !state.isStopping else { return false }
            state.streams += 1
            return true
        }
        return isOpen ? StreamTicket(load: self) : nil
    }

    /// Held by a stream as long as it lives, however it ends.
    final class StreamTicket: Sendable {
        let load: FrontLoad

        init(load: FrontLoad) {
            self.load = load
        }

        deinit { load.state.withLock { $0.streams -= 1 } }
    }
}
