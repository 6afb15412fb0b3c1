import Chain
import Primitives

/// Filters that clients poll.
extension EthNamespace {
    var filterMethods: [RPCMethod] {
        [
            RPCMethod("eth_newFilter", ["filter"], command: newFilter),
            RPCMethod("eth_newBlockFilter", command: newBlockFilter),
            RPCMethod(
                "eth_newPendingTransactionFilter", ["fullTransactions"],
                command: newPendingTransactionFilter),
            RPCMethod(
                "eth_getFilterChanges", ["id"], result: Schema.filterChanges,
                command: getFilterChanges),
            RPCMethod("eth_getFilterLogs", ["id"], execution: getFilterLogs),
            RPCMethod("eth_uninstallFilter", ["id"], instant: uninstallFilter),
        ]
    }

    private func newFilter(
        context: RPCContext, _ criteria: LogFilterParameter
    ) async throws -> String {
        try criteria.check(context.limits)
        return try await hub.install(.logs(criteria))
    }

    private func newBlockFilter(_: RPCContext) async throws -> String {
        try await hub.install(.blockHashes)
    }

    private func newPendingTransactionFilter(
        _: RPCContext, _ isFull: Bool?
    ) async throws -> String {
        try await hub.install(.pendingTransactions(isFull ?? false ? .full : .hashes))
    }

    private func getFilterChanges(_: RPCContext, _ id: String) async throws -> EncodedJSON {
        try await hub.changes(of: id)
    }

    private func getFilterLogs(context: RPCContext, _ id: String) throws -> [LogResult] {
        try chain().logs(try hub.criteria(of: id), context.limits)
    }

    private func uninstallFilter(_: RPCContext, _ id: String) -> Bool { hub.uninstall(id) }
}
