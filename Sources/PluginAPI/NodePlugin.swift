public import Chain
public import RPC
public import Storage

/// A module of the node: what it is called, what it keeps, and what it does.
///
/// A plugin is compiled in and listed by the executable. It goes through four phases, each with
/// what it may use then:
///
///     configure   init(_:)            its section of the settings; nothing else exists yet
///     open        open(_:)            the chain can be read; it says what it offers
///     start       run(_:)             the node serves; whatever it does by itself
///     stop        run's task ends     all on disk; nothing of it runs any more
///
/// A plugin with tables takes part in the commit of each block: what it writes in
/// ``blockCommitted(_:_:)`` is in the block's own batch, so the index is never behind and never
/// torn, and the previous values are kept, so that a block that leaves the chain takes its entries
/// with it without a line of code. If the plugin is new to a chain, or its ``PluginManifest/version``
/// is, the blocks so far are read again in the background, from where it stopped before.
///
/// A plugin that throws is disabled, and the node goes on without it (or stops, if the operator has
/// set `plugin-failure = "stop"`). It must never trap.
public protocol NodePlugin: AnyObject, Sendable {
    /// What the plugin is called and what it keeps.
    static var manifest: PluginManifest { get }

    /// Phase 1, configure: reads its settings.
    ///
    /// - Throws: `PluginError`, which ends the start of the node: a wrong setting needs a person.
    init(_ configuration: inout PluginConfiguration) throws(PluginError)

    /// Phase 2, open: looks at what it has, and says what it offers.
    func open(_ handle: PluginHandle) throws -> PluginOffer

    /// Phase 3, start: what the plugin does by itself, until its task is cancelled (phase 4, stop).
    /// Returning early means that there is nothing to do.
    func run(_ handle: PluginHandle) async throws

    /// The index begins: with the genesis block on a new chain, or with the oldest block whose
    /// state is retained. Only called for a plugin with tables, once for each version of it.
    func indexBegins(_ start: IndexStart, _ batch: PluginBatch) throws

    /// A block becomes part of the chain, if its state root is right and the batch is written: what has
    /// to be exact goes into the batch. The chain waits: take microseconds, wait for nothing. One
    /// block at a time, but not always on the same thread.
    func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws

    /// A block leaves the chain. What ``blockCommitted(_:_:)`` wrote for it has been taken back in
    /// the batch already; this is for what else has to be done.
    func blockReverted(_ block: BlockReference, _ batch: PluginBatch) throws

    /// How the plugin is, beside its index. Called often: answer from memory.
    func health() -> PluginHealth
}

extension NodePlugin {
    /// Offers nothing.
    public func open(_ handle: PluginHandle) throws -> PluginOffer { PluginOffer() }
    /// Does nothing by itself.
    public func run(_ handle: PluginHandle) async throws {}
    /// Writes nothing.
    public func indexBegins(_ start: IndexStart, _ batch: PluginBatch) throws {}
    /// Writes nothing.
    public func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws {}
    /// Does nothing beyond the automatic undo.
    public func blockReverted(_ block: BlockReference, _ batch: PluginBatch) throws {}
    /// All is well.
    public func health() -> PluginHealth { PluginHealth(.ok) }
}

/// What a plugin is called and what it keeps.
public struct PluginManifest: Sendable {
    /// Lower-case letters, digits and underscores: the section of its settings, the namespace of its
    /// RPC methods, and the prefix of its column families.
    public let name: String
    /// One sentence for a person.
    public let summary: String
    /// The version of what is in the tables. Another one than that of the index on disk has the
    /// index made anew.
    public let version: UInt32
    /// Its tables, each with its place in this list as index.
    public let tables: [PluginTable]
    /// Whether ``CommittingBlock/calls`` is looked at.
    public let needsCalls: Bool
    /// Whether it runs where the settings do not say.
    public let isEnabledByDefault: Bool

    /// A manifest.
    public init(
        name: String, summary: String, version: UInt32 = 1, tables: [PluginTable] = [],
        needsCalls: Bool = false, isEnabledByDefault: Bool = true
    ) {
        precondition(
            PluginFamily.isName(name), "A plugin's name has lower-case letters, digits and _.")
        for (index, table) in tables.enumerated() {
            precondition(table.index == index, "Table \(table.name) is not at its index.")
            precondition(
                !PluginTable.reserved.contains(table.name), "Table \(table.name) is the host's.")
        }
        self.name = name
        self.summary = summary
        self.version = version
        self.tables = tables
        self.needsCalls = needsCalls
        self.isEnabledByDefault = isEnabledByDefault
    }
}

/// A table of a plugin: a column family of its own, `plugin.<plugin>.<table>`.
public struct PluginTable: Hashable, Sendable {
    /// The place in the manifest's list.
    public let index: Int
    /// Lower-case letters, digits and underscores.
    public let name: String
    /// How it is read.
    public let access: PluginFamily.Access

    /// A table. `meta` and `undo` are taken.
    public init(_ index: Int, _ name: String, _ access: PluginFamily.Access) {
        self.index = index
        self.name = name
        self.access = access
    }

    /// Tables that the host keeps beside the plugin's.
    static let reserved = ["meta", "undo"]
}

/// What a plugin offers to others.
public struct PluginOffer: Sendable {
    /// Its RPC methods, all in the namespace of its name.
    public var methods: [RPCMethod]
    /// Its REST routes.
    public var routes: [RESTRoute]
    /// Its index of the transactions of addresses, if it keeps one: `ots_` and `trace_` search it.
    public var appearances: AppearanceSource?

    /// An offer.
    public init(
        methods: [RPCMethod] = [], routes: [RESTRoute] = [], appearances: AppearanceSource? = nil
    ) {
        self.methods = methods
        self.routes = routes
        self.appearances = appearances
    }
}

/// Why a plugin cannot do its work.
public struct PluginError: Error, CustomStringConvertible, Sendable {
    /// One sentence for the operator.
    public let description: String

    /// An error with its sentence.
    public init(_ description: String) {
        self.description = description
    }
}

/// How a plugin is.
public struct PluginHealth: Sendable, Hashable {
    /// In one word.
    public enum Status: String, Sendable {
        /// It does its work.
        case ok
        /// It works, but not as it should: an index that is behind.
        case degraded
        /// It does not work.
        case failing
    }

    /// In one word.
    public var status: Status
    /// Why, and figures that a person wants to see.
    public var facts: [String: String]

    /// A state of health.
    public init(_ status: Status, _ facts: [String: String] = [:]) {
        self.status = status
        self.facts = facts
    }
}
