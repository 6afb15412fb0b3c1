public import Chain
public import Logging
import NIOPosix
public import RPC
public import Storage
import Synchronization
public import TxPool

/// The plugins of a node, from their settings to their end.
///
///     init        configures them; gives the families that the database is opened with
///     open        opens them on the chain; gives their methods and routes
///     run         starts them, catches up with the chain where an index is behind, stops them
///
/// Nothing that a plugin throws gets further than here, unless the policy is to stop: then no block
/// is committed any more.
public final class PluginHost: Sendable {
    /// The figures of the node and its plugins.
    public let metrics: MetricsRegistry
    /// Everything that happens to the chain, for those who follow.
    public let feed = EventFeed()

    private struct Entry: Sendable {
        let plugin: any NodePlugin
        let index: PluginIndex
        let manifest: PluginManifest
    }

    private struct State {
        var offers: [(manifest: PluginManifest, offer: PluginOffer)] = []
        var handles: [PluginHandle?] = []
        var blockchain: Blockchain?
    }

    private let entries: [Entry]
    private let logger: Logger
    private let state = Mutex(State())

    /// Phase 1, configure.
    ///
    /// - Parameters:
    ///   - types: the plugins that are compiled in.
    ///   - configuration: the section of each, by name.
    ///   - policy: what happens if a plugin fails.
    /// - Throws: `PluginError` for a setting that does not fit.
    public init(
        _ types: [any NodePlugin.Type],
        configuration: (String) -> PluginConfiguration, policy: PluginFailurePolicy,
        metrics: MetricsRegistry = MetricsRegistry(), logger: Logger
    ) throws(PluginError) {
        self.metrics = metrics
        self.logger = logger
        let figures = PluginHostMetrics(metrics, plugins: types.map { $0.manifest.name })
        var entries: [Entry] = []
        var names: Set<String> = ["feed", "apus"]
        for type in types {
            let manifest = type.manifest
            precondition(names.insert(manifest.name).inserted, "Two plugins \(manifest.name).")
            var section = configuration(manifest.name)
            guard try section.isEnabled(byDefault: manifest.isEnabledByDefault) else { continue }
            let plugin = try type.init(&section)
            try section.refuseUnknown()
            let index = PluginIndex(plugin, policy: policy, metrics: figures) { reason in
                logger.error(
                    policy == .stop
                        ? "a plugin has failed and the chain is stopped"
                        : "a plugin has failed and is disabled",
                    metadata: ["plugin": "\(manifest.name)", "error": "\(reason)"])
                figures.failures.add(1, manifest.name)
            }
            entries.append(Entry(plugin: plugin, index: index, manifest: manifest))
        }
        self.entries = entries
    }

    /// The families that the database must be opened with.
    public var families: [PluginFamily] {
        EventFeed.families + entries.flatMap { PluginColumns.families(of: $0.manifest) }
    }

    /// Who takes part in the commits of the chain.
    public var participants: [any CommitParticipant] {
        [feed] + entries.map(\.index).filter(\.takesPart)
    }

    /// The names of the plugins that are enabled: the namespaces of their methods.
    public var names: [String] { entries.map(\.manifest.name) }

    // MARK: - Opening

    /// Phase 2, open. Call once, before the first block is made.
    ///
    /// - Parameter pool: what the plugins may look at; nil where nothing takes transactions.
    public func open(_ blockchain: Blockchain, pool: TransactionPool? = nil) throws {
        try feed.open(blockchain.head.view)
        var handles: [PluginHandle?] = []
        var offers: [(manifest: PluginManifest, offer: PluginOffer)] = []
        for entry in entries {
            let name = entry.manifest.name
            var logger = logger
            logger[metadataKey: "plugin"] = "\(name)"
            let handle = PluginHandle(
                name: name, blockchain: blockchain, pool: pool.map(PoolHandle.init),
                index: entry.index, feed: feed, metrics: metrics, logger: logger)
            do {
                try entry.index.open(blockchain.head.view)
                let offer = try entry.plugin.open(handle)
                for method in offer.methods where !method.name.hasPrefix(name + "_") {
                    throw PluginError("the method \(method.name) is outside of its namespace")
                }
                offers.append((entry.manifest, offer))
                handles.append(handle)
            } catch {
                entry.index.fail("\(error)")
                handles.append(nil)
            }
        }
        state.withLock { state in
            state.offers = offers
            state.handles = handles
            state.blockchain = blockchain
        }
    }

    /// The RPC methods of the plugins, and those of the feed.
    public var methods: [RPCMethod] {
        let (offers, blockchain) = state.withLock { ($0.offers, $0.blockchain) }
        let own = blockchain.map { FeedNamespace(host: self, blockchain: $0).methods } ?? []
        return own + offers.flatMap(\.offer.methods)
    }

    /// The REST routes of the plugins.
    public var routes: [RESTRoute] {
        state.withLock { $0.offers.flatMap(\.offer.routes) }
    }

    /// The index of the transactions of addresses, if a plugin keeps one.
    public var appearances: AppearanceSource? {
        state.withLock { $0.offers.lazy.compactMap(\.offer.appearances).first }
    }

    // MARK: - Running

    /// Phases 3 and 4: works until the task is cancelled.
    public func run() async {
        let (handles, blockchain) = state.withLock { ($0.handles, $0.blockchain) }
        guard let blockchain else { return }
        // One thread: blocks are executed again in their order.
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.feed.run(blockchain) }
            for (entry, handle) in zip(entries, handles) {
                guard let handle else { continue }
                if !entry.manifest.tables.isEmpty {
                    group.addTask { await self.catchUp(entry, blockchain, threads) }
                }
                group.addTask {
                    do {
                        try await entry.plugin.run(handle)
                    } catch is CancellationError {
                    } catch {
                        entry.index.fail("\(error)")
                    }
                }
            }
        }
        try? await threads.shutdownGracefully()
    }

    /// Follows the chain where the commits do not carry the index along.
    private func catchUp(
        _ entry: Entry, _ blockchain: Blockchain, _ threads: NIOThreadPool
    ) async {
        var hasReported = false
        // The head was made before the index was opened, and sees nothing of it.
        var isVisible = false
        while !Task.isCancelled {
            let sequence = feed.last
            switch entry.index.progress {
            case .none, .failed: return
            case .live:
                if !isVisible {
                    isVisible = true
                    await show(entry, blockchain)
                }
                if hasReported {
                    hasReported = false
                    logger.notice(
                        "an index is level with the chain",
                        metadata: ["plugin": "\(entry.manifest.name)"])
                }
                await feed.wait(after: sequence)
            case .behind(let number, let head):
                isVisible = false
                if !hasReported, head > number {
                    hasReported = true
                    logger.notice(
                        "an index reads the blocks so far",
                        metadata: [
                            "plugin": "\(entry.manifest.name)", "block.number": "\(number)",
                            "head.number": "\(head)",
                        ])
                }
                guard (try? blockchain.database.checkRoom()) != nil else {
                    try? await Task.sleep(for: Self.pauseForRoom)
                    continue
                }
                let index = entry.index
                _ = try? await threads.runIfActive {
                    index.catchUp(blockchain.head.view, for: .milliseconds(50))
                }
            }
        }
    }

    /// How long an index that is behind waits for room on the disk before it looks again.
    private static let pauseForRoom: Duration = .seconds(5)

    /// Lets who reads the head see what an index has written beside the commits.
    private func show(_ entry: Entry, _ blockchain: Blockchain) async {
        do {
            try await blockchain.refresh()
        } catch {
            logger.error(
                "the head does not show an index yet",
                metadata: ["plugin": "\(entry.manifest.name)", "error": "\(error)"])
        }
    }

    // MARK: - Health

    /// How the plugins are, in the order of their list.
    public var health: [(name: String, health: PluginHealth)] {
        entries.map { entry in
            var health = entry.plugin.health()
            switch entry.index.progress {
            case .none, .live: break
            case .behind(let number, let head):
                if health.status == .ok { health.status = .degraded }
                health.facts["indexed"] = "\(number)"
                health.facts["head"] = "\(head)"
            case .failed(let reason):
                health.status = .failing
                health.facts["error"] = reason
            }
            return (entry.manifest.name, health)
        }
    }

    /// Whether every index speaks of the very block that a view does, as far as the view sees.
    public func isLevel(in view: ChainView) throws(StorageError) -> Bool {
        let head = BlockReference(number: view.number, hash: view.hash)
        for entry in entries where !entry.manifest.tables.isEmpty {
            guard let columns = entry.index.columns,
                try PluginView(chain: view, columns: columns).asOf == head
            else { return false }
        }
        return true
    }

    /// The plugin of a type, if it is enabled.
    package func plugin<Plugin: NodePlugin>(_: Plugin.Type) -> Plugin? {
        for entry in entries {
            if let plugin = entry.plugin as? Plugin { return plugin }
        }
        return nil
    }

    /// What the plugins are called and how far their indexes are.
    var listing: [(manifest: PluginManifest, progress: IndexProgress)] {
        entries.map { ($0.manifest, $0.index.progress) }
    }
}

/// The host's own figures.
struct PluginHostMetrics: Sendable {
    let commitSeconds: Histogram
    let entries: Counter
    let failures: Counter

    init(_ metrics: MetricsRegistry, plugins: [String]) {
        let label = MetricLabel("plugin", plugins)
        commitSeconds = metrics.histogram(
            "apus_plugin_commit_seconds", "Time that a plugin takes in the commit of a block.",
            bounds: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1], label: label)
        entries = metrics.counter(
            "apus_plugin_entries_total", "Entries that plugins have written.", label: label)
        failures = metrics.counter(
            "apus_plugin_failures_total", "Plugins that have failed.", label: label)
    }
}
