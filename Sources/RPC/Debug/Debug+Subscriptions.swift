import Primitives

/// Traces that are sent block by block (geth's `debug_traceChain`).
extension DebugNamespace {
    var subscriptionMethods: [RPCMethod] {
        [
            RPCMethod(
                "debug_subscribe", ["topic", "start", "end", "options"], instant: subscribe),
            RPCMethod("debug_unsubscribe", ["id"], instant: unsubscribe),
        ]
    }

    /// Traces the blocks after `start` up to `end`.
    private func subscribe(
        context: RPCContext, _ topic: String, _ start: BlockTag?, _ end: BlockTag?,
        _ options: TraceParameter?
    ) throws -> String {
        guard let session = context.session else { throw RPCError.notificationsUnsupported }
        guard topic == "traceChain" else {
            throw RPCError(
                code: RPCErrorCode.methodNotFound,
                message: "no \"\(topic)\" subscription in debug namespace")
        }
        guard let start else {
            throw RPCError.invalidParams("missing value for required argument 1")
        }
        guard let end else {
            throw RPCError.invalidParams("missing value for required argument 2")
        }
        let chain = ChainAccess(services)
        let first = try mined(start, chain)
        let last = try mined(end, chain)
        guard first < last else {
            throw RPCError.server(
                "end block (#\(last)) needs to come after start block (#\(first))")
        }
        // What is wrong with the options is wrong for every block.
        _ = try options?.kind.get()
        _ = try options?.timeout(context.limits)
        return try traces.subscribe(session, to: first + 1...last, options)
    }

    private func mined(_ tag: BlockTag, _ chain: ChainAccess) throws -> BlockNumber {
        let number = try chain.number(of: tag == .pending ? .latest : tag)
        guard try chain.view.canonicalHash(number) != nil else {
            throw RPCError.server("block #\(number) not found")
        }
        return number
    }

    private func unsubscribe(context: RPCContext, _ id: String) throws -> Bool {
        guard let session = context.session else { throw RPCError.notificationsUnsupported }
        guard traces.unsubscribe(session, id) else {
            throw RPCError.server("subscription not found")
        }
        return true
    }
}
