public import Chain
import EthereumTypes
public import PluginAPI
import Primitives
import Storage
import Synchronization

/// Analytics: who did what, how much and when, exact at every block.
///
/// The index is computed in the commit of each block and undone with it, from the block, its
/// receipts, its state changes and the calls of its transactions. Nothing is estimated but where the
/// answer says so. Every answer carries the block that it is about (`as_of`), the window it looks
/// at, and the version of the definitions, which stand in docs/analytics.md.
///
///     BlockDigest   what a block means        ─▶  Indexing   into the tables  (Tables.swift)
///     AddressReport, NetworkReport …          ◀─  the tables, as a view has them
public final class AnalyticsPlugin: NodePlugin {
    /// The plugin.
    public static let manifest = PluginManifest(
        name: "analytics",
        summary: "Appearances, volumes, tokens, counterparties and the network's figures.",
        version: tableVersion, tables: Table.all, needsCalls: true)

    /// Raised whenever a figure means something else than before.
    static let definitionVersion: UInt32 = 2

    /// Raised whenever something else is kept than before.
    static let tableVersion: UInt32 = 5

    /// Stands for the transaction's index where the protocol itself pays.
    static let outsideTransaction = UInt32.max

    private let labels: LabelList?
    private let config = Mutex<ChainConfig?>(nil)

    /// Reads its settings: `labels`, the path of a list of flagged addresses for the evidence of risk.
    public init(_ configuration: inout PluginConfiguration) throws(PluginError) {
        labels = try configuration.text("labels").map { path throws(PluginError) in
            try LabelList(file: path)
        }
    }

    /// Offers the `analytics` namespace, the routes under `/api/analytics`, and the transactions of
    /// addresses for the searches of other namespaces.
    public func open(_ handle: PluginHandle) throws -> PluginOffer {
        let chain = handle.view.chain
        config.withLock { $0 = chain.config }
        let queries = AnalyticsQueries(handle: handle, labels: labels)
        return PluginOffer(
            methods: queries.methods, routes: queries.routes,
            appearances: AppearanceIndex.source(handle))
    }

    /// Puts the accounts that there are into their ranks of wealth.
    public func indexBegins(_ start: IndexStart, _ batch: PluginBatch) throws {
        config.withLock { $0 = start.chain.config }
        try Indexing(batch: batch).beginWealth(start)
    }

    /// Takes the block into the tables.
    public func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws {
        guard let config = config.withLock({ $0 }) else {
            throw PluginError("a block came before the chain's configuration")
        }
        let digest = BlockDigest(
            block, blobBaseFee: config.blobBaseFee(of: block.stored.block.header))
        var indexing = Indexing(batch: batch)
        try indexing.add(block, digest)
    }
}

extension ChainConfig {
    /// The price of blob gas in a block; zero before there were blobs.
    func blobBaseFee(of header: Header) -> Wei {
        guard let excess = header.excessBlobGas, header.blobGasUsed ?? 0 > 0,
            let parameters = blobParameters(at: fork(of: header))
        else { return .zero }
        return EthereumTypes.blobBaseFee(excessBlobGas: excess, parameters: parameters)
    }
}
