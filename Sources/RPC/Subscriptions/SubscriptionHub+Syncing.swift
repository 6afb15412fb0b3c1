import Primitives

/// Tells how far the node is from the chain's head.
///
/// Progress has no events: it is looked at in intervals, and only while someone subscribes to it. A
/// subscriber hears within an interval how the node is, the first of them at once, and then whatever
/// changes, once an interval at most.
extension SubscriptionHub {
    func followSync() async {
        for await _ in syncWanted.stream {
            while !Task.isCancelled, reportProgress() {
                try? await Task.sleep(for: services.limits.syncInterval)
            }
            if Task.isCancelled { return }
        }
    }

    /// Tells those who do not know it yet.
    ///
    /// - Returns: whether anyone listens.
    private func reportProgress() -> Bool {
        let report = SyncReport(services.progress?())
        var hasListeners = false
        let receivers = state.withLock { state in
            var receivers: [(RPCSession, String)] = []
            for (id, subscription) in state.subscriptions {
                guard case .syncing = subscription.topic else { continue }
                hasListeners = true
                guard subscription.lastReport != report else { continue }
                state.subscriptions[id]?.lastReport = report
                receivers.append((subscription.session, id))
            }
            return receivers
        }
        if !receivers.isEmpty {
            let result = report.encoded()
            for (session, id) in receivers {
                session.notify(RPCNotification.encode("eth", id, result))
            }
        }
        return hasListeners
    }
}

/// What a subscriber to `syncing` is told (geth's `SyncingResult`).
enum SyncReport: RPCResult, Hashable {
    case progress(SyncProgress)
    case synchronised

    init(_ progress: SyncProgress?) {
        self = progress.map { .progress($0) } ?? .synchronised
    }

    func write(to writer: inout JSONWriter) {
        switch self {
        case .synchronised: writer.bool(false)
        case .progress(let progress):
            writer.object { writer in
                writer.key("syncing")
                writer.bool(true)
                writer.key("status")
                progress.write(to: &writer)
            }
        }
    }

    static let schema: JSONValue = [
        "oneOf": [
            ["type": "boolean", "enum": [false]],
            [
                "type": "object", "required": ["syncing", "status"],
                "properties": ["syncing": ["type": "boolean"], "status": SyncProgress.schema],
            ],
        ]
    ]
}

extension SyncProgress: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("startingBlock")
            writer.hexQuantity(start)
            writer.key("currentBlock")
            writer.hexQuantity(current)
            writer.key("highestBlock")
            writer.hexQuantity(highest)
        }
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = [
        "type": "object", "title": "SyncProgress",
        "required": ["startingBlock", "currentBlock", "highestBlock"],
        "properties": [
            "startingBlock": UInt64.schema, "currentBlock": UInt64.schema,
            "highestBlock": UInt64.schema,
        ],
    ]
}
