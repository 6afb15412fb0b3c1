import Primitives

/// The page of all methods and limits in the documentation (`docs/rpc.md`), made from the table that
/// serves them, so that neither can be there without the other.
public enum MethodReference {
    /// The page for a node with these methods.
    public static func markdown(_ table: MethodTable, _ limits: RPCLimits) -> String {
        var lines = introduction
        let namespaces = Dictionary(grouping: table.methods) { RPCMethod.namespace(of: $0.name) }
        for namespace in namespaces.keys.sorted() {
            lines += ["", "## \(namespace)", ""]
            lines += ["| method | parameters | result | runs |", "|---|---|---|---|"]
            for method in (namespaces[namespace] ?? []).sorted(by: { $0.name < $1.name }) {
                lines.append(row(method))
            }
        }
        lines += ["", "## Limits", "", "| limit | default | what for |", "|---|---|---|"]
        lines += limits.reference.map { "| `\($0.name)` | \($0.value) | \($0.meaning) |" }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let introduction = [
        "# JSON-RPC methods",
        "",
        "Made from the table of methods by `make docs`; a test compares it. How they are served,",
        "and what is as elsewhere, is in [json-rpc.md](json-rpc.md). `rpc_discover` answers with the same",
        "as an OpenRPC document, for what the caller may use. The Engine API, the checkpoint",
        "method of `admin`, and what plugins and the feed of events add stand in json-rpc.md,",
        "operations.md and plugins.md.",
        "",
        "A parameter with `?` may be left out. Names in brackets are other names of the method. The",
        "namespaces `anvil`, `evm`, `hardhat` and `miner` are served by `apus dev` only.",
    ]

    private static func row(_ method: RPCMethod) -> String {
        let others = method.aliases.map { "`\($0)`" }.joined(separator: ", ")
        let name = "`\(method.name)`" + (others.isEmpty ? "" : " (\(others))")
        let parameters = method.parameters.map { parameter in
            "\(parameter.name)\(parameter.isRequired ? "" : "?"): \(type(parameter.schema))"
        }
        return "| \(name) | \(parameters.joined(separator: "; ")) | \(type(method.resultSchema)) "
            + "| \(method.cost.rawValue) |"
    }

    private static let named: [(schema: JSONValue, name: String)] = [
        (Address.schema, "address"), (Hash256.schema, "32 bytes"), (UInt256.schema, "quantity"),
        (HexData.schema, "bytes"), (BlockTag.schema, "number or tag"),
        (BlockReference.schema, "block"), (LenientQuantity.schema, "number"),
        (StorageKey.schema, "slot"), (["type": "null"], "null"), ([:], "any"),
    ]

    /// What a schema describes, in a word or two.
    private static func type(_ schema: JSONValue) -> String {
        if let known = named.first(where: { $0.schema == schema }) { return known.name }
        if let title = schema["title"]?.stringValue { return title }
        if let alternatives = schema["oneOf"]?.arrayValue {
            return alternatives.map(type).joined(separator: " or ")
        }
        if schema["type"] == "array" { return (schema["items"].map(type) ?? "any") + " list" }
        return schema["type"]?.stringValue ?? "any"
    }
}

extension RPCLimits {
    /// Every limit with its value, for the documentation.
    package var reference: [(name: String, value: String, meaning: String)] {
        [
            (
                "messageBytes", "\(messageBytes)",
                "bytes of one body, WebSocket message or IPC value"
            ),
            ("batchCount", "\(batchCount)", "members of a batch, as geth"),
            (
                "batchResponseBytes", "\(batchResponseBytes)",
                "bytes of the answer to a batch, as geth"
            ),
            ("smallAnswerBytes", "\(smallAnswerBytes)", "bytes of an answer that counts as small"),
            (
                "largeAnswersBytes", "\(largeAnswersBytes)",
                "bytes of all larger answers on their way"
            ),
            (
                "answerPieceBytes", "\(answerPieceBytes)",
                "bytes of an answer that a socket gets at a time"
            ),
            (
                "unreadBytes", "\(unreadBytes)",
                "bytes that a client has not read when no more of it is worked on"
            ),
            ("connections", "\(connections)", "open connections of all listeners"),
            ("jsonDepth", "\(jsonDepth)", "nesting of arrays and objects"),
            (
                "concurrentMessages", "\(concurrentMessages)",
                "messages of one WebSocket or IPC connection at a time"
            ),
            ("messageFragments", "\(messageFragments)", "fragments of one WebSocket message"),
            (
                "inflatedBytes", "\(inflatedBytes)",
                "bytes of a compressed WebSocket message when it is unpacked"
            ),
            (
                "compressedBytes", "\(compressedBytes)",
                "bytes from which on WebSocket messages are sent compressed"
            ),
            (
                "subscriberBacklogBytes", "\(subscriberBacklogBytes)",
                "bytes that a subscriber may lag behind"
            ),
            (
                "subscriberSeconds", "\(subscriberSeconds)",
                "time for a subscriber to take a trace of a chain's block"
            ),
            ("syncInterval", "\(syncInterval)", "time between notifications of `syncing`"),
            ("chainTraces", "\(chainTraces)", "subscriptions to `traceChain` that run at a time"),
            (
                "subscribedReceipts", "\(subscribedReceipts)",
                "hashes of one subscription to `transactionReceipts`, as geth"
            ),
            (
                "pendingSeconds", "\(pendingSeconds)",
                "seconds for which a pending block is kept, as geth"
            ),
            (
                "subscriptionsPerConnection", "\(subscriptionsPerConnection)",
                "subscriptions of one connection"
            ),
            ("filters", "\(filters)", "filters of all clients"),
            ("filterEntries", "\(filterEntries)", "entries that a filter keeps for its next poll"),
            ("filterBytes", "\(filterBytes)", "bytes of these entries"),
            (
                "filterIdleSeconds", "\(filterIdleSeconds)",
                "time until an unused filter ends, as geth"
            ),
            (
                "executionThreads", "\(executionThreads)",
                "threads for calls that take time; 0 is one per core"
            ),
            ("executionQueue", "\(executionQueue)", "calls that wait for such a thread"),
            ("messageSeconds", "\(messageSeconds)", "time for one message with all its calls"),
            ("callTime", "\(callTime)", "time for one call, as geth"),
            ("callGas", "\(callGas)", "gas of a call, as geth"),
            (
                "logFilterAlternatives", "\(logFilterAlternatives)",
                "addresses, or alternatives for a topic, as geth"
            ),
            ("logs", "\(logs)", "logs in one answer"),
            ("logBytes", "\(logBytes)", "bytes of addresses, topics and data of these logs"),
            ("logBlocks", "\(logBlocks)", "blocks that one search for logs may span"),
            ("simulatedBlocks", "\(simulatedBlocks)", "blocks of one `eth_simulateV1`, as geth"),
            (
                "simulatedBlockCalls", "\(simulatedBlockCalls)",
                "calls of one block of `eth_simulateV1`, as geth"
            ),
            (
                "simulatedCalls", "\(simulatedCalls)",
                "calls of all blocks of one `eth_simulateV1`, as geth"
            ),
            ("traceTime", "\(traceTime)", "time for the trace of one transaction, as geth"),
            ("traceBytes", "\(traceBytes)", "bytes of one trace"),
            (
                "traceFilterBlocks", "\(traceFilterBlocks)",
                "blocks that one `trace_filter` executes again without an index"
            ),
            (
                "searchResults", "\(searchResults)",
                "transactions of a page of `ots_searchTransactions…`"
            ),
            ("listedSlots", "\(listedSlots)", "slots of one listing of the state"),
            ("feeHistoryBlocks", "\(feeHistoryBlocks)", "blocks of one `eth_feeHistory`, as geth"),
            (
                "feeHistoryPercentiles", "\(feeHistoryPercentiles)",
                "percentiles of one `eth_feeHistory`, as geth"
            ),
            ("proofKeys", "\(proofKeys)", "storage keys of one `eth_getProof`, as geth"),
            ("minedBlocks", "\(minedBlocks)", "blocks that one `anvil_mine` makes"),
            (
                "detailedBlocks", "\(detailedBlocks)",
                "blocks that one `anvil_mine_detailed` makes"
            ),
            (
                "conditionCost", "\(conditionCost)",
                "reads for the conditions of one `eth_sendRawTransactionConditional`"
            ),
            ("reorgBlocks", "\(reorgBlocks)", "blocks that one `anvil_reorg` replaces"),
            ("stateDumpBytes", "\(stateDumpBytes)", "bytes of a state dump, unwrapped"),
            (
                "idleSeconds", "\(idleSeconds)",
                "time for a silent HTTP client, as geth, or for any to take a piece"
            ),
            ("pingSeconds", "\(pingSeconds)", "time between pings to a silent WebSocket"),
            (
                "credentialSeconds", "\(credentialSeconds)",
                "time between two looks at the token of a connection that stays"
            ),
            (
                "lingerSeconds", "\(lingerSeconds)",
                "time for a client to close after the server has"
            ),
            ("lingerBytes", "\(lingerBytes)", "bytes that are dropped meanwhile"),
            (
                "shutdownSeconds", "\(shutdownSeconds)",
                "time that open requests get when the server stops"
            ),
        ]
    }
}
