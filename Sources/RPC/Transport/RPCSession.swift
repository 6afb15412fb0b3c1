public import Primitives
import Synchronization

/// A connection that can carry notifications: a WebSocket or an IPC client.
///
/// Subscriptions hold the session to write to; the transport ends it when the connection closes.
public final class RPCSession: Sendable {
    private struct State {
        var isOpen = true
        var subscriptionCount = 0
        /// What is done at the end for each subscription.
        var closeActions: [String: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())
    private let deliver: @Sendable (Bytes, (@Sendable () -> Void)?) -> Void
    private let hangUp: @Sendable () -> Void

    /// - Parameters:
    ///   - deliver: writes one message to the connection, in order, from any thread, and calls the
    ///     second, if there is one, when the message has left or never will.
    ///   - hangUp: closes the connection.
    package init(
        deliver: @escaping @Sendable (Bytes, (@Sendable () -> Void)?) -> Void,
        hangUp: @escaping @Sendable () -> Void
    ) {
        self.deliver = deliver
        self.hangUp = hangUp
    }

    /// Sends a notification. A client that lags too far behind is disconnected instead.
    public func notify(_ message: Bytes) {
        deliver(message, nil)
    }

    /// Sends a notification and waits until the client has taken all but what its socket buffers,
    /// for what is made as fast as it is read. A client that takes nothing is disconnected.
    ///
    /// - Returns: whether the connection is still open.
    package func send(_ message: Bytes) async -> Bool {
        guard isOpen else { return false }
        await withCheckedContinuation { continuation in
            deliver(message) { continuation.resume() }
        }
        return isOpen
    }

    /// Whether the connection has not been closed.
    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Closes the connection, because something was missed that the client counts on.
    public func disconnect() { hangUp() }

    /// Counts one more subscription, unless there are too many.
    public func addSubscription(limit: Int) -> Bool {
        state.withLock { state in
            guard state.subscriptionCount < limit else { return false }
            state.subscriptionCount += 1
            return true
        }
    }

    /// Counts one subscription less, and forgets what was to be done for it when the connection
    /// closes.
    public func removeSubscription(_ id: String) {
        state.withLock { state in
            state.subscriptionCount -= 1
            state.closeActions[id] = nil
        }
    }

    /// Runs an action for a subscription when the connection closes, at once if it has closed already.
    public func whenClosed(_ id: String, _ action: @escaping @Sendable () -> Void) {
        let isOpen = state.withLock { state in
            if state.isOpen { state.closeActions[id] = action }
            return state.isOpen
        }
        if !isOpen { action() }
    }

    /// Marks the connection as closed.
    package func close() {
        let actions = state.withLock { state in
            defer { state.closeActions = [:] }
            state.isOpen = false
            return state.closeActions.values
        }
        for action in actions { action() }
    }
}
