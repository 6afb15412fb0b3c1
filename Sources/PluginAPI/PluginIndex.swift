public import Chain
public import EthereumTypes
public import Primitives
public import Storage
import Synchronization

/// What an index knows when it begins.
public struct IndexStart: Sendable {
    /// The block after which the index begins; its own effects are part of the state.
    public let block: BlockReference
    /// The chain; its head may be later than the block.
    public let chain: ChainView

    /// Calls a function with every account as it was after the block.
    public func forEachAccount(_ body: (Address, Account) -> Void) throws(ChainError) {
        try chain.forEachAccount(after: block.number) { listed in
            body(listed.address, listed.account)
            return true
        }
    }
}

/// How far a plugin's index is.
public enum IndexProgress: Sendable, Hashable {
    /// The plugin has no tables.
    case none
    /// It reads the blocks so far: this one is done.
    case behind(BlockNumber, head: BlockNumber)
    /// Each commit of the chain carries it along.
    case live
    /// It failed, and waits for the next start of the node.
    case failed(String)
}

/// What the host does about a plugin that fails.
public enum PluginFailurePolicy: String, Sendable {
    /// The plugin is disabled, the node goes on.
    case disable
    /// The chain stops to be written, until the next start of the node: every commit is refused,
    /// wherever the plugin failed, and whether it keeps tables or not.
    case stop
}

/// Keeps a plugin's index in step with the chain.
///
///     meta     cursor   →  number[8] ‖ hash[32] of the last block in the index
///              start    →  number[8] ‖ hash[32] of the block that it began after
///              version  →  number[8]
///
/// The cursor is written in the same batch as what it speaks for, so that it is true after any
/// crash. A commit carries the index along if the cursor stands on the block that the commit begins
/// with. If not, blocks are executed again, a few at a time, by ``catchUp(_:for:)`` on a thread of
/// its own; the lock is held while their entries are written, never while they are executed.
final class PluginIndex: CommitParticipant {
    private struct State {
        var columns: PluginColumns?
        var recent: RecentValues?
        var failure: String?
        /// The last block in the index, as far as the process knows: for progress only.
        var indexed: BlockNumber = 0
        var head: BlockNumber = 0
        var isLive = false
    }

    private let plugin: any NodePlugin
    private let manifest: PluginManifest
    private let policy: PluginFailurePolicy
    private let report: @Sendable (String) -> Void
    private let timing: Histogram
    private let entryCount: Counter
    private let state = Mutex(State())

    var needsCalls: Bool { manifest.needsCalls && !manifest.tables.isEmpty }

    /// Whether commits have to ask it: it writes into them, or may refuse them.
    var takesPart: Bool { !manifest.tables.isEmpty || policy == .stop }

    /// - Parameter report: told of a failure, once.
    init(
        _ plugin: any NodePlugin, policy: PluginFailurePolicy, metrics: PluginHostMetrics,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.plugin = plugin
        manifest = type(of: plugin).manifest
        self.policy = policy
        self.report = report
        timing = metrics.commitSeconds
        entryCount = metrics.entries
    }

    var progress: IndexProgress {
        state.withLock { state in
            if let failure = state.failure { return .failed(failure) }
            guard state.columns != nil else { return .none }
            return state.isLive ? .live : .behind(state.indexed, head: state.head)
        }
    }

    /// The places of the tables, after ``open(_:)``.
    var columns: PluginColumns? { state.withLock { $0.columns } }

    /// Ends the plugin's part in the chain, and with the policy to stop the chain's writing.
    func fail(_ reason: String) {
        let isFirst = state.withLock { state in
            guard state.failure == nil else { return false }
            state.failure = reason
            state.isLive = false
            return true
        }
        if isFirst { report(reason) }
    }

    // MARK: - Opening

    /// Finds the tables, drops an index of another version, and begins a new one where that is
    /// the work of a moment: on a chain without blocks.
    func open(_ view: ChainView) throws {
        let database = view.snapshot.database
        guard !manifest.tables.isEmpty else { return }
        guard let columns = PluginColumns(manifest, in: database) else {
            throw PluginError("the database was opened without the tables of \(manifest.name)")
        }
        let version = try view.snapshot.value(columns.meta, MetaKey.version)
        let wanted = Bytes(bigEndian: UInt64(manifest.version))
        if version != wanted { try reset(columns, database) }
        state.withLock { $0.columns = columns }
        if view.number == 0 { _ = try step(view, for: .zero) }
        let cursor = try self.cursor(columns, database.snapshot())
        state.withLock { state in
            state.indexed = cursor?.number ?? 0
            state.head = view.number
            state.isLive = cursor == view.reference
        }
    }

    /// Removes everything, so that the index begins anew.
    private func reset(_ columns: PluginColumns, _ database: Database) throws(StorageError) {
        for column in columns.tables + [columns.undo, columns.meta] { try database.clear(column) }
        // What an earlier version kept in tables that this one does not have.
        try database.clearOrphans(of: manifest.name)
        var batch = WriteBatch(for: database)
        batch.put(columns.meta, MetaKey.version, Bytes(bigEndian: UInt64(manifest.version)))
        try database.write(batch, durability: .buffered)
    }

    // MARK: - With the chain

    /// What a change of the head means to the tables.
    private struct Carried: Sendable {
        var head: BlockNumber
        /// Where the index stands when the change is written.
        var position: BlockReference
        /// What is written for it; `nil` if the index stays where it is.
        var changes: PluginChanges?
    }

    func prepare(_ change: HeadChange) -> CommitStep {
        let clock = ContinuousClock.now
        let carried = state.withLock { state -> Result<Carried?, any Error> in
            guard state.failure == nil, let columns = state.columns else { return .success(nil) }
            return Result { try carry(change, columns, &state) }
        }
        let time = clock.duration(to: .now)
        return { [self] (batch) throws(ChainError) in try write(carried, after: time, to: &batch) }
    }

    private func write(
        _ carried: Result<Carried?, any Error>, after time: Duration, to batch: inout WriteBatch
    ) throws(ChainError) {
        let clock = ContinuousClock.now
        let failure = state.withLock { state -> String? in
            guard state.failure == nil, let columns = state.columns else { return state.failure }
            do {
                if let carried = try carried.get() { write(carried, columns, &state, to: &batch) }
                return nil
            } catch {
                return "\(error)"
            }
        }
        timing.observe((time + clock.duration(to: .now)).seconds, manifest.name)
        guard let failure else { return }
        fail(failure)
        try refuse(failure)
    }

    private func write(
        _ carried: Carried, _ columns: PluginColumns, _ state: inout State,
        to batch: inout WriteBatch
    ) {
        // Also where nothing is carried: a catch-up must not take an older block for the head.
        state.head = carried.head
        state.isLive = carried.position.number == carried.head
        guard let changes = carried.changes else { return }
        changes.write(to: &batch)
        entryCount.add(Double(changes.count), manifest.name)
        batch.put(columns.meta, MetaKey.cursor, carried.position.bytes)
        state.recent = changes.recent
        state.indexed = carried.position.number
    }

    /// Refuses a commit after a failure, if that is the policy.
    private func refuse(_ failure: String) throws(ChainError) {
        switch policy {
        case .disable: return
        case .stop: throw .participantFailed("the plugin \(manifest.name) failed: \(failure)")
        }
    }

    private func carry(
        _ change: HeadChange, _ columns: PluginColumns, _ state: inout State
    ) throws -> Carried? {
        // Not the snapshot of the change: blocks may have been caught up with since it was taken.
        let snapshot = change.before.snapshot.database.snapshot()
        guard let cursor = try self.cursor(columns, snapshot) else { return nil }
        let changes = PluginBatch(
            columns, snapshot, recent: Self.recent(&state, at: cursor, columns))
        var position = cursor
        for block in change.reverted where block == position {
            try changes.undo(block)
            try plugin.blockReverted(block, changes)
            guard let parent = try change.before.header(hash: block.hash)?.parentHash else {
                throw PluginError("the header of block \(block.number) is missing")
            }
            position = BlockReference(number: block.number - 1, hash: parent)
        }
        // The parent of the first block to come, or of nothing if there is none.
        if change.committed.first.map({ $0.stored.block.header.parentHash == position.hash })
            ?? true
        {
            for block in change.committed {
                try plugin.blockCommitted(block, changes)
                changes.seal(block.reference)
                position = block.reference
            }
        }
        let head =
            change.committed.last?.reference.number
            ?? change.reverted.last.map { $0.number - 1 } ?? change.before.number
        guard position != cursor else { return Carried(head: head, position: cursor) }
        changes.sealWithoutUndo()
        let oldest = change.before.oldestState
        if oldest > 0 { try changes.forgetUndo(before: oldest) }
        return Carried(head: head, position: position, changes: changes.finish(at: position))
    }

    /// Takes what is known of the tables at a block out of the state.
    private static func recent(
        _ state: inout State, at block: BlockReference, _ columns: PluginColumns
    ) -> RecentValues {
        if let recent = state.recent.take(), recent.block == block { return recent }
        return RecentValues(at: block, tables: columns.tables.count)
    }

    // MARK: - After the chain

    /// Whether there are blocks to catch up with.
    var isBehind: Bool {
        if case .behind = progress { true } else { false }
    }

    /// Reads blocks that the index does not have yet, for about so long.
    ///
    /// - Returns: whether the index is level with the head.
    func catchUp(_ view: ChainView, for budget: Duration) -> Bool {
        do {
            return try step(view, for: budget)
        } catch {
            fail("\(error)")
            return false
        }
    }

    private func step(_ view: ChainView, for budget: Duration) throws -> Bool {
        guard let columns, state.withLock({ $0.failure == nil }) else { return true }
        let database = view.snapshot.database
        // Not the snapshot of the view: it may be older than what the index wrote last.
        let cursor = try self.cursor(columns, database.snapshot())
        guard let cursor else {
            try begin(view, columns)
            return view.number == view.oldestState
        }
        guard try view.canonicalHash(cursor.number) == cursor.hash else {
            try goBack(from: cursor, columns, view)
            return false
        }
        // The blocks in between cannot be executed again: the state before them is gone.
        guard cursor.number >= view.oldestState else {
            try state.withLock { state in
                state.recent = nil
                try reset(columns, database)
            }
            return false
        }
        let end = ContinuousClock.now + budget
        var blocks: [CommittingBlock] = []
        var number = cursor.number
        while number < view.number, blocks.isEmpty || ContinuousClock.now < end {
            number += 1
            blocks.append(try view.replay(number))
        }
        return try state.withLock { state in
            guard state.failure == nil else { return true }
            let snapshot = database.snapshot()
            // A commit may have reverted blocks, or carried the index along, meanwhile.
            guard try self.cursor(columns, snapshot) == cursor else { return false }
            guard let last = blocks.last else {
                state.isLive = cursor == view.reference && state.head == view.number
                return state.isLive
            }
            let changes = PluginBatch(
                columns, snapshot, recent: Self.recent(&state, at: cursor, columns))
            for block in blocks {
                try plugin.blockCommitted(block, changes)
                changes.seal(block.reference)
            }
            let position = last.reference
            let finished = changes.finish(at: position)
            var batch = WriteBatch(for: database)
            finished.write(to: &batch)
            entryCount.add(Double(finished.count), manifest.name)
            batch.put(columns.meta, MetaKey.cursor, position.bytes)
            try database.write(batch, durability: .buffered)
            state.recent = finished.recent
            state.indexed = position.number
            state.isLive = position == view.reference && state.head == view.number
            return state.isLive
        }
    }

    private func begin(_ view: ChainView, _ columns: PluginColumns) throws {
        guard let hash = try view.canonicalHash(view.oldestState) else {
            throw PluginError("block \(view.oldestState) is missing")
        }
        let start = BlockReference(number: view.oldestState, hash: hash)
        try state.withLock { state in
            state.recent = nil
            let changes = PluginBatch(columns, view.snapshot.database.snapshot())
            try plugin.indexBegins(IndexStart(block: start, chain: view), changes)
            var batch = WriteBatch(for: view.snapshot.database)
            changes.finish().write(to: &batch)
            batch.put(columns.meta, MetaKey.start, start.bytes)
            batch.put(columns.meta, MetaKey.cursor, start.bytes)
            try view.snapshot.database.write(batch, durability: .buffered)
            state.indexed = start.number
        }
    }

    /// Takes back a block that left the chain while the plugin was not there. If the chain does not
    /// know the block any more, the index begins anew.
    private func goBack(
        from cursor: BlockReference, _ columns: PluginColumns, _ view: ChainView
    ) throws {
        try state.withLock { state in
            state.recent = nil
            let snapshot = view.snapshot.database.snapshot()
            let changes = PluginBatch(columns, snapshot)
            guard
                try snapshot.value(columns.meta, MetaKey.start) != cursor.bytes,
                let parent = try view.header(hash: cursor.hash)?.parentHash
            else { return try reset(columns, view.snapshot.database) }
            try changes.undo(cursor)
            try plugin.blockReverted(cursor, changes)
            changes.sealWithoutUndo()
            let position = BlockReference(number: cursor.number - 1, hash: parent)
            var batch = WriteBatch(for: view.snapshot.database)
            changes.finish().write(to: &batch)
            batch.put(columns.meta, MetaKey.cursor, position.bytes)
            try view.snapshot.database.write(batch, durability: .buffered)
            state.indexed = position.number
        }
    }

    private func cursor(
        _ columns: PluginColumns, _ snapshot: Snapshot
    ) throws(StorageError) -> BlockReference? {
        try snapshot.value(columns.meta, MetaKey.cursor).flatMap(BlockReference.init(bytes:))
    }
}

/// Keys of a plugin's `meta` table.
enum MetaKey {
    static let cursor = Bytes("cursor".utf8)
    static let start = Bytes("start".utf8)
    static let version = Bytes("version".utf8)
}

extension BlockReference {
    /// number[8] ‖ hash[32].
    var bytes: Bytes { Bytes(bigEndian: number) + hash.bytes }

    init?(bytes: Bytes) {
        guard bytes.count == 40, let number = UInt64(bigEndian: bytes[..<8]),
            let hash = Hash256(bytes[8...])
        else { return nil }
        self.init(number: number, hash: hash)
    }
}

extension ChainView {
    /// The head of the view.
    public var reference: BlockReference { BlockReference(number: number, hash: hash) }
}

extension Duration {
    /// In seconds.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
