public import Chain
public import PluginAPI
import Primitives
import RPC
import Synchronization

/// Remembers the largest transfer that each account has sent: an index, an RPC method, a REST route
/// and a metric.
public final class LargestTransfer: NodePlugin {
    static let largest = PluginTable(0, "largest", .point)

    /// Its name and its one table.
    public static let manifest = PluginManifest(
        name: "largest", summary: "The largest transfer of each account.", tables: [largest])

    private let threshold: UInt256
    private let records = Mutex<Counter?>(nil)

    /// Configure: `least` under `[largest]`, the wei below which a transfer does not count.
    public init(_ configuration: inout PluginConfiguration) throws(PluginError) {
        threshold =
            try configuration.value("least", expecting: "a number of wei") { UInt256(decimal: $0) }
            ?? .zero
    }

    /// Open: what the plugin offers. The view of an answer is bound to one block.
    public func open(_ handle: PluginHandle) throws -> PluginOffer {
        records.withLock {
            $0 = handle.metrics.counter("apus_largest_records_total", "Records that were broken.")
        }
        let read = { @Sendable (view: PluginView, address: Address) throws in
            try view.value(Self.largest, address.bytes).flatMap { UInt256(bigEndian: $0) } ?? .zero
        }
        return PluginOffer(
            methods: [
                RPCMethod(
                    "largest_get", ["address"],
                    instant: { (_: RPCContext, address: Address) in
                        try read(handle.view, address)
                    })
            ],
            routes: [
                RESTRoute(
                    .get, "/api/largest/{address}", "The largest transfer of an account, in wei.",
                    role: .reader, RESTParameter<Address>.path("address", "The account.")
                ) { context, address in
                    try read(handle.view(of: context.view), address).description
                }
            ])
    }

    /// In the commit of each block. Nothing has to be done when a block is reverted.
    public func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws {
        for (transaction, sender) in zip(block.stored.block.transactions, block.stored.senders) {
            let before = try batch.value(Self.largest, sender.bytes) ?? []
            guard transaction.value >= threshold,
                transaction.value > UInt256(bigEndian: before) ?? .zero
            else { continue }
            try batch.put(Self.largest, sender.bytes, transaction.value.bigEndianBytes)
            records.withLock { $0?.add() }
        }
    }
}
