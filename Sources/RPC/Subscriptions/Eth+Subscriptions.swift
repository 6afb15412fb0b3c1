import Primitives

/// Live notifications over WebSocket and IPC (geth's `eth_subscribe`).
extension EthNamespace {
    var subscriptionMethods: [RPCMethod] {
        [
            RPCMethod("eth_subscribe", ["topic", "options"], instant: subscribe),
            RPCMethod("eth_unsubscribe", ["id"], instant: unsubscribe),
        ]
    }

    private func subscribe(
        context: RPCContext, _ name: String, _ options: RPCOptions?
    ) throws -> String {
        guard let session = context.session else { throw RPCError.notificationsUnsupported }
        return try hub.subscribe(session, to: try topic(name, options, context.limits))
    }

    private func topic(
        _ name: String, _ options: RPCOptions?, _ limits: RPCLimits
    ) throws -> SubscriptionTopic {
        switch name {
        case "newHeads": return .newHeads
        case "logs":
            let criteria = try options?.decode(LogFilterParameter.self) ?? .anything
            try criteria.check(limits)
            return .logs(criteria)
        case "newPendingTransactions":
            let isFull = try options?.decode(Bool.self) ?? false
            return .pendingTransactions(isFull ? .full : .hashes)
        case "transactionReceipts":
            let query = try options?.decode(ReceiptsQuery.self)
            guard query?.hashes.count ?? 0 <= limits.subscribedReceipts else {
                throw RPCError.server(
                    "exceed max number of transaction hashes allowed per transactionReceipts "
                        + "subscription")
            }
            return .receipts(query?.hashes ?? [])
        case "syncing": return .syncing
        default:
            throw RPCError(
                code: RPCErrorCode.methodNotFound,
                message: "no \"\(name)\" subscription in eth namespace")
        }
    }

    private func unsubscribe(context: RPCContext, _ id: String) throws -> Bool {
        guard let session = context.session else { throw RPCError.notificationsUnsupported }
        guard hub.unsubscribe(session, id) else { throw RPCError.server("subscription not found") }
        return true
    }
}

/// Which receipts a subscriber wants (geth's `TransactionReceiptsQuery`); none listed: all.
private struct ReceiptsQuery: RPCParameter {
    let hashes: Set<Hash256>

    static func decode(_ text: JSONText) throws(RPCParameterError) -> ReceiptsQuery {
        if text.isNull { return ReceiptsQuery(hashes: []) }
        let fields = try ObjectFields(
            text, type: "filters.TransactionReceiptsQuery", name: "TransactionReceiptsQuery")
        return ReceiptsQuery(
            hashes: Set(try fields.read("transactionHashes", [Hash256].self) ?? []))
    }

    static let schema: JSONValue = [
        "type": "object",
        "properties": [
            "transactionHashes": ["type": "array", "items": Hash256.schema]
        ],
    ]
}

/// The second parameter of `eth_subscribe`, whose type depends on the first.
struct RPCOptions: RPCParameter {
    private let text: JSONText

    static func decode(_ text: JSONText) -> RPCOptions { RPCOptions(text: text) }

    func decode<Parameter: RPCParameter>(_: Parameter.Type) throws(RPCError) -> Parameter {
        do {
            return try Parameter.decode(text)
        } catch {
            throw .invalidParams("invalid argument 1: \(error.reason)")
        }
    }

    static let schema: JSONValue = [:]
}
