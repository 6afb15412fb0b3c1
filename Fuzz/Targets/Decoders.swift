//  Decoders of what comes from the network. What is accepted must encode to the same bytes again.

import EthereumTypes
import Primitives

/// Reads items of every kind, and opens lists to some depth.
package func fuzzRLP(_ input: Bytes) {
    var copy = RLPEncoder()
    if transcribe(RLPDecoder(input), depth: 0, into: &copy) {
        precondition(copy.bytes == input, "RLP that was accepted encodes differently.")
    }
    var decoder = RLPDecoder(input)
    while !decoder.isAtEnd {
        var numbers = decoder
        _ = try? numbers.uint64()
        numbers = decoder
        _ = try? numbers.uint256()
        numbers = decoder
        _ = try? numbers.hash()
        numbers = decoder
        _ = try? numbers.optionalAddress()
        numbers = decoder
        _ = try? numbers.bool()
        guard (try? decoder.rawItem()) != nil else { return }
    }
}

/// - Returns: whether all items were read.
private func transcribe(
    _ items: RLPDecoder, depth: Int, into copy: inout RLPEncoder
) -> Bool {
    var items = items
    while !items.isAtEnd {
        if items.nextIsList {
            guard depth < 32, let list = try? items.list() else { return false }
            var isWhole = true
            copy.list { isWhole = transcribe(list, depth: depth + 1, into: &$0) }
            guard isWhole else { return false }
        } else {
            guard let string = try? items.bytes() else { return false }
            copy.append(string)
        }
    }
    return true
}

/// Reads a text, and reads again what is written of it.
package func fuzzJSON(_ input: Bytes) {
    guard let value = try? JSONValue(parsing: input) else { return }
    let again = try? JSONValue(parsing: value.encoded())
    precondition(again == value, "JSON that was accepted reads differently when written.")
    _ = try? Genesis(json: value)
}

/// Transactions as they travel: alone, and with their blobs.
package func fuzzTransaction(_ input: Bytes) {
    if let transaction = try? Transaction(encoded: input) {
        precondition(
            transaction.encoded() == input, "A transaction that was accepted encodes differently.")
        _ = transaction.maximumCost()
        _ = transaction.recoverSender(at: .frontier)
        _ = transaction.recoverSender()
        for authorization in transaction.authorizationList { _ = authorization.authority() }
    }
    if let transaction = try? BlobTransactionWithSidecar(encoded: input) {
        precondition(
            transaction.encoded() == input, "A blob transaction encodes differently.")
    }
}

/// Blocks, and the parts of them that are stored.
package func fuzzBlock(_ input: Bytes) {
    if let block = try? Block(encoded: input) {
        precondition(block.encoded() == input, "A block that was accepted encodes differently.")
    }
    if let header = try? Header(encoded: input) {
        precondition(header.encoded() == input, "A header that was accepted encodes differently.")
        _ = nextBaseFee(parent: header)
        _ = excessBlobGas(parent: header, parameters: .osaka, fork: .osaka)
    }
    if let receipt = try? Receipt(encoded: input) {
        precondition(receipt.encoded() == input, "A receipt that was accepted encodes differently.")
    }
    if let account = try? Account(encoded: input) {
        precondition(
            account.encoded() == input, "An account that was accepted encodes differently.")
    }
}
