import EthereumTypes
import Primitives

/// A transaction that somebody has signed, in the body of a request. Its hash makes it the same one
/// wherever and however often it arrives.
package struct SignedTransaction: Hashable, Sendable {
    /// Its hash.
    package let hash: Hash256

    /// Finds it in a body; `nil` if there is none, or something else that a node would act on twice.
    package init?(body: Bytes) {
        guard let order = try? TransactionOrder.parse(String(decoding: body, as: UTF8.self)),
            case .signed(let encoded) = order
        else { return nil }
        if BlobTransactionWithSidecar.isWrapped(encoded) {
            guard let wrapped = try? BlobTransactionWithSidecar(encoded: encoded) else {
                return nil
            }
            hash = wrapped.transaction.hash()
        } else {
            guard let transaction = try? Transaction(encoded: encoded) else { return nil }
            hash = transaction.hash()
        }
    }

    /// What a node answers that has taken it.
    package var accepted: Bytes {
        var writer = JSONWriter(capacity: 128)
        SentAnswer(hash: hash).write(to: &writer)
        return writer.bytes
    }
}
