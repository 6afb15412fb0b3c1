import EthereumTypes
import Primitives
import Storage

/// The parameter of `eth_getLogs`, `eth_newFilter` and log subscriptions (geth's `FilterCriteria`).
struct LogFilterParameter: RPCParameter {
    enum Range {
        case block(Hash256)
        case blocks(from: BlockTag?, to: BlockTag?)
    }

    let filter: LogFilter
    let range: Range

    static let anything = LogFilterParameter(
        filter: LogFilter(addresses: [], topics: []), range: .blocks(from: nil, to: nil))

    static func decode(_ text: JSONText) throws(RPCParameterError) -> LogFilterParameter {
        let fields = try ObjectFields(text, type: "filters.input", name: "input")
        let from = try fields.read("fromBlock", BlockTag.self)
        let to = try fields.read("toBlock", BlockTag.self)
        let range: Range
        if let hash = try fields.read("blockHash", Hash256.self) {
            guard from == nil, to == nil else {
                throw RPCParameterError(
                    "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
            }
            range = .block(hash)
        } else {
            range = .blocks(from: from, to: to)
        }
        let addresses = try fields.read("address", Alternatives<Address>.self)?.values ?? []
        let topics = try fields.read("topics", [Alternatives<Hash256>?].self) ?? []
        guard topics.count <= 4 else { throw RPCParameterError("exceed max topics") }
        return LogFilterParameter(
            filter: LogFilter(addresses: addresses, topics: topics.map { $0?.values ?? [] }),
            range: range)
    }

    /// Checks that the filter has no more alternatives than the server allows.
    func check(_ limits: RPCLimits) throws(RPCError) {
        let most = max(filter.addresses.count, filter.topics.map(\.count).max() ?? 0)
        guard most <= limits.logFilterAlternatives else {
            throw .invalidParams("exceed max addresses or topics per search position")
        }
    }

    static let schema: JSONValue = [
        "type": "object", "title": "Filter",
        "properties": [
            "fromBlock": BlockTag.schema, "toBlock": BlockTag.schema, "blockHash": Hash256.schema,
            "address": [:], "topics": ["type": "array"],
        ],
    ]
}

/// One value or several of which any will do.
private struct Alternatives<Value: RPCParameter>: RPCParameter {
    let values: [Value]

    static func decode(_ text: JSONText) throws(RPCParameterError) -> Alternatives {
        Alternatives(
            values: text.isArray ? try [Value].decode(text) : [try Value.decode(text)])
    }

    static var schema: JSONValue { ["oneOf": [Value.schema, [Value].schema]] }
}
