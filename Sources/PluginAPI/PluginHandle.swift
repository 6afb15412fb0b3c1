public import Chain
public import Logging
public import Primitives
public import Storage
public import TxPool

/// What a plugin is given of the node: reading, its own tables, its log and its figures.
public final class PluginHandle: Sendable {
    /// The plugin's name.
    public let name: String
    /// The plugin's log.
    public let logger: Logger
    /// Where the plugin declares its figures, named `apus_<plugin>_…`.
    public let metrics: MetricsRegistry
    /// The transactions that wait for a block; `nil` where nothing takes any.
    public let pool: PoolHandle?

    private let blockchain: Blockchain
    private let index: PluginIndex
    private let feed: EventFeed

    init(
        name: String, blockchain: Blockchain, pool: PoolHandle?, index: PluginIndex,
        feed: EventFeed, metrics: MetricsRegistry, logger: Logger
    ) {
        self.name = name
        self.blockchain = blockchain
        self.pool = pool
        self.index = index
        self.feed = feed
        self.metrics = metrics
        self.logger = logger
    }

    /// The chain and the plugin's tables at the present head.
    public var view: PluginView { view(of: blockchain.head.view) }

    /// The chain and the plugin's tables as a view has them.
    public func view(of chain: ChainView) -> PluginView {
        PluginView(chain: chain, columns: index.columns)
    }

    /// Calls a function with everything that happens to the chain, in order, from where the plugin
    /// stopped the last time; from now on if it has never followed.
    ///
    /// The cursor is durable: after a crash the last events before it come once more, but none is
    /// missed. Nobody waits for the function; it may take as long as it wants. A plugin that did not
    /// follow for ``EventFeed/retainedForAbsent`` events gets a `reset` first. Returns when the task is
    /// cancelled.
    public func followEvents(_ body: (FeedEvent, ChainView) async throws -> Void) async throws {
        feed.beginFollowing(name)
        defer { feed.endFollowing(name) }
        var sequence = feed.cursor(of: name) ?? feed.last
        try feed.acknowledge(sequence, by: name, in: blockchain.database)
        while !Task.isCancelled {
            let view = blockchain.head.view
            let events: [FeedEvent]
            do {
                events = try feed.events(after: sequence, limit: 64, in: view.snapshot)
            } catch is EventsForgotten {
                events = [try feed.reset(at: view)]
            }
            for event in events {
                try await body(event, view)
                sequence = event.sequence
            }
            if events.isEmpty {
                await feed.wait(after: sequence)
            } else {
                try feed.acknowledge(sequence, by: name, in: blockchain.database)
            }
        }
    }
}

/// The pool, for looking only.
public struct PoolHandle: Sendable {
    private let pool: TransactionPool

    init(_ pool: TransactionPool) {
        self.pool = pool
    }

    /// Everything that happens in the pool from now on, in its order; the head that it goes by comes
    /// first. A reader that falls far behind sees its stream end.
    public func events() -> AsyncStream<PoolEvent> { pool.events() }

    /// How many transactions are pending and queued.
    public var status: (pending: Int, queued: Int) { pool.status }
}

/// The chain and a plugin's tables at one block: everything read through it fits together.
public struct PluginView: Sendable {
    /// The chain.
    public let chain: ChainView
    private let columns: PluginColumns?

    init(chain: ChainView, columns: PluginColumns?) {
        self.chain = chain
        self.columns = columns
    }

    /// The last block that the index speaks of: the head but while the index is behind. `nil` before
    /// it has begun.
    public var asOf: BlockReference? {
        get throws(StorageError) { try reference(MetaKey.cursor) }
    }

    /// The block that the index began after.
    public var start: BlockReference? {
        get throws(StorageError) { try reference(MetaKey.start) }
    }

    /// The value under a key of a table; `nil` if there is none.
    public func value(_ table: PluginTable, _ key: Bytes) throws(StorageError) -> Bytes? {
        guard let columns else { return nil }
        return try chain.snapshot.value(columns.tables[table.index], key)
    }

    /// A cursor over a table, in the order of the keys.
    public func cursor(_ table: PluginTable) throws(PluginError) -> Cursor {
        guard let columns else { throw PluginError("the plugin's tables are not open") }
        return chain.snapshot.cursor(columns.tables[table.index])
    }

    /// Calls a function with every entry whose key begins with a prefix, in the order of the keys,
    /// from a key on, until it returns `false`.
    public func forEach(
        _ table: PluginTable, prefix: Bytes, from start: Bytes? = nil,
        _ body: (_ key: Bytes, _ value: Bytes) throws -> Bool
    ) throws {
        let cursor = try cursor(table)
        try cursor.seek(start ?? prefix)
        while cursor.isValid {
            let key = cursor.key
            guard key.starts(with: prefix), try body(key, cursor.value) else { return }
            try cursor.advance()
        }
    }

    /// The same backwards, from a key that is itself not among them.
    public func forEachBackwards(
        _ table: PluginTable, prefix: Bytes, before end: Bytes? = nil,
        _ body: (_ key: Bytes, _ value: Bytes) throws -> Bool
    ) throws {
        let cursor = try cursor(table)
        let end = end ?? prefix + Bytes(repeating: 0xff, count: 64)
        try cursor.seekBackwards(end)
        if cursor.isValid, cursor.key == end { try cursor.retreat() }
        while cursor.isValid {
            let key = cursor.key
            guard key.starts(with: prefix), try body(key, cursor.value) else { return }
            try cursor.retreat()
        }
    }

    private func reference(_ key: Bytes) throws(StorageError) -> BlockReference? {
        guard let columns else { return nil }
        return try chain.snapshot.value(columns.meta, key).flatMap(BlockReference.init(bytes:))
    }
}
