import Cryptography
import EthereumTypes
import Primitives
import TxPool

/// The `txpool` namespace: what waits to be mined.
struct TxPoolNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("txpool_status", result: Schema.poolStatus, instant: status),
            RPCMethod("txpool_content", execution: content),
            RPCMethod("txpool_contentFrom", ["address"], execution: contentFrom),
            RPCMethod("txpool_inspect", execution: inspect),
        ]
    }

    private func status(_: RPCContext) -> JSONValue {
        let status = services.pool.status
        return [
            "pending": .string(UInt256(status.pending).hexQuantity),
            "queued": .string(UInt256(status.queued).hexQuantity),
        ]
    }

    private func content(_: RPCContext) -> PoolListing {
        PoolListing(services.pool.content, form: .full)
    }

    private func inspect(_: RPCContext) -> PoolListing {
        PoolListing(services.pool.content, form: .summary)
    }

    private func contentFrom(_: RPCContext, _ address: Address) -> SenderListing {
        let content = services.pool.content(of: address)
        return SenderListing(pending: content.pending, queued: content.queued)
    }
}

/// How a transaction of the pool is shown.
enum PoolListingForm: Sendable {
    case full
    case summary

    func write(_ recovered: RecoveredTransaction, to writer: inout JSONWriter) {
        let transaction = recovered.transaction
        switch self {
        case .full:
            TransactionResult(
                transaction: transaction, hash: recovered.hash, sender: recovered.sender,
                place: nil
            ).write(to: &writer)
        case .summary:
            let recipient = transaction.to?.checksummed ?? "contract creation"
            writer.string(
                "\(recipient): \(transaction.value) wei + \(transaction.gasLimit) gas × "
                    + "\(transaction.maxFeePerGas) wei")
        }
    }
}

/// All of the pool, by sender and nonce. Senders have checksummed addresses, nonces are decimal.
struct PoolListing: RPCResult {
    private let content: PoolContent
    private let form: PoolListingForm

    init(_ content: PoolContent, form: PoolListingForm) {
        self.content = content
        self.form = form
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("pending")
            write(content.pending, to: &writer)
            writer.key("queued")
            write(content.queued, to: &writer)
        }
    }

    private func write(
        _ transactions: [Address: [RecoveredTransaction]], to writer: inout JSONWriter
    ) {
        writer.object { writer in
            for sender in transactions.keys.sorted() {
                writer.key(sender.checksummed)
                writer.byNonce(transactions[sender] ?? [], form)
            }
        }
    }

    static let schema = Schema.poolListing
}

/// The pool's transactions of one sender.
struct SenderListing: RPCResult {
    let pending: [RecoveredTransaction]
    let queued: [RecoveredTransaction]

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("pending")
            writer.byNonce(pending, .full)
            writer.key("queued")
            writer.byNonce(queued, .full)
        }
    }

    static let schema = Schema.senderListing
}

extension JSONWriter {
    fileprivate mutating func byNonce(
        _ transactions: [RecoveredTransaction], _ form: PoolListingForm
    ) {
        object { writer in
            for recovered in transactions {
                writer.key(String(recovered.transaction.nonce))
                form.write(recovered, to: &writer)
            }
        }
    }
}
