import Primitives
import Synchronization
import TestSupport
import Testing

import RPC

/// A client that keeps what it is told.
final class Listener: Sendable {
    private let received = Mutex<[JSONValue]>([])
    private let isCut = Mutex(false)
    private let holding = Mutex<[@Sendable () -> Void]?>(nil)

    /// - Parameter holds: whether what its sender waits for is kept until it is released.
    init(holds: Bool = false) {
        if holds { holding.withLock { $0 = [] } }
    }

    func session() -> RPCSession {
        RPCSession(
            deliver: { message, sent in
                let value = (try? JSONValue(parsing: message)) ?? .null
                self.received.withLock { $0.append(value) }
                guard let sent else { return }
                let isHeld = self.holding.withLock { held in
                    held?.append(sent)
                    return held != nil
                }
                if !isHeld { sent() }
            }, hangUp: { self.isCut.withLock { $0 = true } })
    }

    /// Whether the node has closed the connection.
    var isDisconnected: Bool { isCut.withLock { $0 } }

    /// Takes what was sent so far, as a client does that reads again.
    func release() {
        let held = holding.withLock { held in
            defer { if held != nil { held = [] } }
            return held ?? []
        }
        for sent in held { sent() }
    }

    /// How many notifications wait to be looked at.
    var count: Int { received.withLock { $0.count } }

    /// The results of the notifications, once there are so many, or after five minutes.
    func results(_ count: Int) async throws -> [JSONValue] {
        let end = ContinuousClock.now + .seconds(300)
        while received.withLock({ $0.count }) < count, .now < end {
            try await Task.sleep(for: .milliseconds(1))
        }
        return received.withLock { received in
            defer { received = [] }
            return received.compactMap { $0["params"]?["result"] }
        }
    }
}

extension TestNode {
    /// Calls an instant method as the client of a connection.
    func call(
        _ method: String, _ params: String, as session: RPCSession
    ) async throws -> JSONValue {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
        let reply = rpc.dispatcher.reply(
            to: Bytes(text.utf8), session: session, caller: RPCCaller(.all), on: TestLoop.any)
        guard case .now(let answer?) = reply else { return .null }
        return try JSONValue(parsing: answer.text)
    }
}
