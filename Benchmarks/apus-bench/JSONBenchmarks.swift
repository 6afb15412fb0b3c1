import EthereumTypes
import Foundation
import Primitives

/// What it is worth that answers are written, and requests read, straight between bytes and typed
/// values: beside the same by way of a tree of JSON values, and by Foundation.
func jsonBenchmarks(_ report: inout Report) {
    let shown = (0..<100).map { ShownTransaction(UInt64($0)) }
    report.measure("JSON of a transaction, straight", operations: shown.count) {
        var writer = JSONWriter()
        writer.array { writer in
            for transaction in shown { transaction.write(to: &writer) }
        }
        keep(writer.bytes)
    }
    report.measure("JSON of a transaction, a tree", operations: shown.count) {
        keep(JSONValue.array(shown.map(\.tree)).encoded())
    }
    let encoder = JSONEncoder()
    report.measure("JSON of a transaction, Foundation", operations: shown.count) {
        keep(try? encoder.encode(shown.map(\.members)))
    }

    let request = Bytes(
        (#"{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"#
            + #""0x5fbdb2315678afecb367f032d93f642f64180aa3","data":"0x70a08231000000000000000000000000"#
            + #"f39fd6e51aad88f6f4ce6ab8827279cfffb92266"},"latest"]}"#).utf8)
    report.measure("a request, in place") { keep(try? members(of: request)) }
    report.measure("a request, a tree") { keep(try? JSONValue(parsing: request)) }
    let data = Data(request)
    report.measure("a request, Foundation") {
        keep(try? JSONSerialization.jsonObject(with: data))
    }
}

/// Finds the members of a request, as the server does before it decodes parameters.
private func members(of text: Bytes) throws(JSONError) -> [Range<Int>] {
    var scanner = JSONScanner()
    var ranges: [Range<Int>] = []
    ranges.reserveCapacity(4)
    try scanner.beginObject(in: text.span)
    while try scanner.nextKey(in: text.span) != nil {
        ranges.append(try scanner.skipValue(in: text.span))
    }
    try scanner.finish(in: text.span)
    return ranges
}

/// Some members of a transaction as `eth_getBlockByNumber` shows it.
private struct ShownTransaction {
    let blockHash = Hash256(w0: 1, w1: 2, w2: 3, w3: 4)
    let hash: Hash256
    let from: Address
    let to: Address
    let value: UInt256
    let nonce: UInt64
    let gas: UInt64 = 21_000

    init(_ index: UInt64) {
        hash = Hash256(w0: index &* 0x9e37_79b9_7f4a_7c15, w1: 5, w2: 6, w3: index)
        from = Address(w0: index, w1: 7, w2: 8)
        to = Address(w0: 9, w1: index, w2: 10)
        value = UInt256(index) << 64
        nonce = index
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("blockHash")
            writer.hash(blockHash)
            writer.key("from")
            writer.address(from)
            writer.key("gas")
            writer.hexQuantity(gas)
            writer.key("hash")
            writer.hash(hash)
            writer.key("nonce")
            writer.hexQuantity(nonce)
            writer.key("to")
            writer.address(to)
            writer.key("value")
            writer.hexQuantity(value)
        }
    }

    var tree: JSONValue {
        [
            "blockHash": .string(blockHash.description), "from": .string(from.description),
            "gas": .string(UInt256(gas).hexQuantity), "hash": .string(hash.description),
            "nonce": .string(UInt256(nonce).hexQuantity), "to": .string(to.description),
            "value": .string(value.hexQuantity),
        ]
    }

    struct Members: Encodable {
        let blockHash, from, gas, hash, nonce, to, value: String
    }

    var members: Members {
        Members(
            blockHash: blockHash.description, from: from.description, gas: UInt256(gas).hexQuantity,
            hash: hash.description, nonce: UInt256(nonce).hexQuantity, to: to.description,
            value: value.hexQuantity)
    }
}
