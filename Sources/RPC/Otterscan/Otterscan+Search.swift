import Chain
import Primitives
import Storage

/// The transactions of an address, page by page, from an index.
///
/// A page ends with a whole block, so that the next one can be asked for by the number of the block: it
/// may hold more than was asked for. Both directions answer with the latest first.
extension OtterscanNamespace {
    var searchMethods: [RPCMethod] {
        [
            RPCMethod(
                "ots_searchTransactionsBefore", ["address", "block", "pageSize"],
                execution: searchTransactionsBefore),
            RPCMethod(
                "ots_searchTransactionsAfter", ["address", "block", "pageSize"],
                execution: searchTransactionsAfter),
        ]
    }

    /// The latest before a block; 0 stands for the end of the chain.
    private func searchTransactionsBefore(
        context: RPCContext, _ address: Address, _ block: LenientQuantity,
        _ pageSize: LenientQuantity
    ) throws -> OtterscanPage {
        let number = try block.uint64()
        let bound = number == 0 ? nil : TransactionLocation(blockNumber: number, index: 0)
        let search = try search(address, .before(bound), pageSize, context)
        // Beyond what the index knows there may be more.
        if !search.hasMore, search.firstBlock > 1 { throw tooEarly(search.firstBlock) }
        return OtterscanPage(
            entries: search.entries, isFirst: number == 0, isLast: !search.hasMore)
    }

    /// The earliest after a block; 0 stands for the beginning of the chain.
    private func searchTransactionsAfter(
        context: RPCContext, _ address: Address, _ block: LenientQuantity,
        _ pageSize: LenientQuantity
    ) throws -> OtterscanPage {
        let number = try block.uint64()
        let bound = number == 0 ? nil : TransactionLocation(blockNumber: number, index: .max)
        let search = try search(address, .after(bound), pageSize, context)
        if search.firstBlock > 1, number < search.firstBlock - 1 {
            throw tooEarly(search.firstBlock)
        }
        return OtterscanPage(
            entries: search.entries.reversed(), isFirst: !search.hasMore, isLast: number == 0)
    }

    private func tooEarly(_ firstBlock: BlockNumber) -> RPCError {
        .server("the index of the analytics begins with block \(firstBlock)")
    }

    private func search(
        _ address: Address, _ bound: AppearanceSource.Bound, _ pageSize: LenientQuantity,
        _ context: RPCContext
    ) throws -> (entries: [OtterscanPage.Entry], hasMore: Bool, firstBlock: BlockNumber) {
        let chain = ChainAccess(services)
        let limit = context.limits.searchResults
        guard let size = pageSize.value.asUInt64, size > 0, size <= limit else {
            throw RPCError.invalidParams("the page size must be 1 to \(limit)")
        }
        let (source, firstBlock) = try services.requireAppearances(in: chain.view)
        var walk = AppearanceWalk(
            source, chain.view, of: address, bound, pageSize: Int(size) + 1)
        var entries: [OtterscanPage.Entry] = []
        var last: (block: StoredBlock, receipts: [ReceiptResult])?
        while let location = try walk.next()?.location {
            if last?.block.number != location.blockNumber {
                if entries.count >= Int(size) { return (entries, true, firstBlock) }
                guard .now < context.deadline else { throw RPCError.timedOut }
                last = try chain.view.block(location.blockNumber).map { block in
                    (block, try chain.receipts(of: block)?.results ?? [])
                }
            }
            guard let (block, receipts) = last, location.index < receipts.count else {
                throw RPCError.server("block #\(location.blockNumber) not found")
            }
            let receipt = receipts[location.index]
            entries.append(
                OtterscanPage.Entry(
                    transaction: TransactionResult(
                        transaction: receipt.transaction, hash: receipt.hash,
                        sender: receipt.sender, place: receipt.place),
                    receipt: try parsed(receipt), timestamp: block.block.header.timestamp))
        }
        return (entries, false, firstBlock)
    }
}

/// Transactions with their receipts, latest first.
struct OtterscanPage: RPCResult {
    struct Entry: Sendable {
        let transaction: TransactionResult
        let receipt: JSONObject
        let timestamp: Timestamp
    }

    let entries: [Entry]
    /// Whether there is nothing later.
    let isFirst: Bool
    /// Whether there is nothing earlier.
    let isLast: Bool

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("txs")
            writer.array { writer in
                for entry in entries { entry.transaction.write(to: &writer) }
            }
            writer.key("receipts")
            writer.array { writer in
                for entry in entries {
                    var receipt = entry.receipt
                    receipt["logs"] = .null
                    receipt["logsBloom"] = .null
                    receipt["timestamp"] = .number(String(entry.timestamp))
                    writer.value(.object(receipt))
                }
            }
            writer.key("firstPage")
            writer.bool(isFirst)
            writer.key("lastPage")
            writer.bool(isLast)
        }
    }

    static let schema = Schema.transactionPage
}
