public import Chain
import EthereumTypes
public import Primitives
import RPC
public import Storage
import Synchronization

/// One thing that happened to the chain, with its place in the order of all.
public struct FeedEvent: Hashable, Sendable {
    /// What happened.
    public enum Kind: UInt8, Sendable {
        /// The block became the head.
        case committed = 1
        /// The block, the head until then, left the chain; its parent is the head.
        case reverted = 2
        /// What happened before is not known any more; the block is the head now. Whoever follows
        /// must begin anew.
        case reset = 3
    }

    /// The place in the order, from 1, without gaps.
    public let sequence: UInt64
    /// What happened.
    public let kind: Kind
    /// The block.
    public let block: BlockReference
    /// The block before it.
    public let parentHash: Hash256
}

/// Everything that happens to the chain, in one durable order: for those who only observe.
///
/// Each commit appends to it in its own batch, so it misses nothing and invents nothing, whenever
/// the process ends. Whoever follows it keeps a cursor, reads at a pace of its own, and never slows
/// the chain. The last ``retained`` events are kept, and beyond them what a plugin has still to
/// read: without bound while it follows, and of the last ``retainedForAbsent`` if it does not, because
/// it was removed, has failed or follows no more. One that comes back later gets a `reset`.
///
///     events   sequence[8]       →  kind[1] ‖ number[8] ‖ hash[32] ‖ parent hash[32]
///     meta     last              →  sequence[8] of the last event
///              cursor.<plugin>   →  sequence[8] of the last event that a plugin has dealt with
public final class EventFeed: CommitParticipant {
    private struct State {
        var columns: (events: PluginColumn, meta: PluginColumn)?
        /// The last event that is in the database for sure.
        var last: UInt64 = 0
        /// The first event that is kept.
        var oldest: UInt64 = 1
        /// The last event of a batch, and the first that is kept once it is written, if it ever is.
        var removal: (last: UInt64, oldest: UInt64)?
        /// What plugins have dealt with.
        var acknowledged: [String: UInt64] = [:]
        /// The plugins that follow in this process.
        var following: Set<String> = []
        var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var listeners: [String: (session: RPCSession, action: @Sendable () -> Void)] = [:]

        /// The first event that is kept in a database whose last event is this: whether the last batch
        /// is in it shows there.
        mutating func settle(at last: UInt64) -> UInt64 {
            if let removal, removal.last == last { oldest = removal.oldest }
            removal = nil
            return oldest
        }
    }

    /// Events that are kept however little they are read: 8 MB.
    public static let retained: UInt64 = 100_000
    /// Events that are kept for a plugin that does not follow: 80 MB.
    public static let retainedForAbsent: UInt64 = 1_000_000

    static let families = [
        PluginFamily(plugin: "feed", family: "events", access: .ordered),
        PluginFamily(plugin: "feed", family: "meta", access: .point),
    ]

    private let state = Mutex(State())
    /// Several calls that nobody has answered yet are one.
    private let pokes = AsyncStream.makeStream(
        of: Void.self, bufferingPolicy: .bufferingNewest(1))

    /// A feed nobody has opened yet.
    init() {}

    /// No.
    public var needsCalls: Bool { false }

    /// The last event; 0 if there was none.
    public var last: UInt64 { state.withLock { $0.last } }

    // MARK: - Opening

    /// Finds the tables, and adds what happened while nobody kept the feed.
    func open(_ view: ChainView) throws {
        let database = view.snapshot.database
        guard let events = database.column(Self.families[0]),
            let meta = database.column(Self.families[1])
        else { throw PluginError("the database was opened without the feed's tables") }
        let snapshot = view.snapshot
        var acknowledged: [String: UInt64] = [:]
        let cursor = snapshot.cursor(meta)
        try cursor.seek(Self.cursorPrefix)
        while cursor.isValid, cursor.key.starts(with: Self.cursorPrefix) {
            let name = cursor.key.dropFirst(Self.cursorPrefix.count)
            acknowledged[String(decoding: name, as: UTF8.self)] = UInt64(bigEndian: cursor.value)
            try cursor.advance()
        }
        var last = try snapshot.value(meta, Self.lastKey).flatMap { UInt64(bigEndian: $0) } ?? 0
        var missing: [FeedEvent] = []
        func add(_ kind: FeedEvent.Kind, _ block: BlockReference, _ parentHash: Hash256) {
            missing.append(
                FeedEvent(
                    sequence: last + UInt64(missing.count) + 1, kind: kind, block: block,
                    parentHash: parentHash))
        }
        if last > 0, let event = try Self.event(last, events, snapshot) {
            var position: BlockReference? = event.headAfter
            while let block = position, try view.canonicalHash(block.number) != block.hash {
                guard let header = try view.header(hash: block.hash), block.number > 0 else {
                    position = nil
                    break
                }
                add(.reverted, block, header.parentHash)
                position = BlockReference(number: block.number - 1, hash: header.parentHash)
            }
            if let position, view.number - position.number <= Self.retained {
                for number in position.number..<view.number {
                    guard let hash = try view.canonicalHash(number + 1),
                        let header = try view.header(number + 1)
                    else { throw PluginError("block \(number + 1) is missing") }
                    add(
                        .committed, BlockReference(number: number + 1, hash: hash),
                        header.parentHash)
                }
            } else {
                missing = []
                add(.reset, view.reference, view.header.parentHash)
            }
        } else if view.number > 0 {
            add(.reset, view.reference, view.header.parentHash)
        }
        let first = snapshot.cursor(events)
        try first.seek(Bytes(bigEndian: UInt64(0)))
        let oldest = first.isValid ? UInt64(bigEndian: first.key) : nil
        if let end = missing.last {
            var batch = WriteBatch(for: database)
            for event in missing {
                batch.put(events, Bytes(bigEndian: event.sequence), event.bytes)
            }
            batch.put(meta, Self.lastKey, Bytes(bigEndian: end.sequence))
            try database.write(batch, durability: .buffered)
            last = end.sequence
        }
        state.withLock { state in
            state.columns = (events, meta)
            state.last = last
            state.oldest = oldest ?? missing.first?.sequence ?? last + 1
            state.acknowledged = acknowledged
        }
    }

    // MARK: - With the chain

    /// Appends what happens.
    public func prepare(_ change: HeadChange) -> CommitStep {
        { [self] (batch) throws(ChainError) in try append(change, to: &batch) }
    }

    private func append(
        _ change: HeadChange, to batch: inout WriteBatch
    ) throws(ChainError) {
        let (columns, acknowledged, following) = state.withLock {
            ($0.columns, $0.acknowledged, $0.following)
        }
        guard let columns else { return }
        let snapshot = change.before.snapshot
        do {
            var sequence =
                try snapshot.value(columns.meta, Self.lastKey).flatMap { UInt64(bigEndian: $0) }
                ?? 0
            let before = sequence
            var oldest = state.withLock { $0.settle(at: before) }
            for block in change.reverted {
                sequence += 1
                let parent = try change.before.header(hash: block.hash)?.parentHash ?? .zero
                let event = FeedEvent(
                    sequence: sequence, kind: .reverted, block: block, parentHash: parent)
                batch.put(columns.events, Bytes(bigEndian: sequence), event.bytes)
            }
            for block in change.committed {
                sequence += 1
                let event = FeedEvent(
                    sequence: sequence, kind: .committed, block: block.reference,
                    parentHash: block.stored.block.header.parentHash)
                batch.put(columns.events, Bytes(bigEndian: sequence), event.bytes)
            }
            batch.put(columns.meta, Self.lastKey, Bytes(bigEndian: sequence))
            // Twice as many go as come, so that what was kept for someone goes in the end.
            let kept = Self.firstKept(
                last: sequence, acknowledged: acknowledged, following: following)
            var left = 2 * (sequence - before)
            while left > 0, oldest < kept {
                batch.delete(columns.events, Bytes(bigEndian: oldest))
                oldest += 1
                left -= 1
            }
            state.withLock { $0.removal = (sequence, oldest) }
        } catch {
            throw .participantFailed("the feed of events: \(error)")
        }
    }

    /// The first event that someone may still want.
    ///
    /// - Parameters:
    ///   - last: the last event.
    ///   - acknowledged: the last event that each plugin has dealt with.
    ///   - following: the plugins that follow at present.
    package static func firstKept(
        last: UInt64, acknowledged: [String: UInt64], following: Set<String>
    ) -> UInt64 {
        var first = last >= retained ? last - retained + 1 : 0
        for (plugin, sequence) in acknowledged {
            if following.contains(plugin) || last - min(sequence, last) <= retainedForAbsent {
                first = min(first, sequence + 1)
            } else {
                first = min(first, last - retainedForAbsent + 1)
            }
        }
        return first
    }

    /// Tells who waits that a batch is written. Works until the task is cancelled.
    func run(_ blockchain: Blockchain) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                while !Task.isCancelled, blockchain.readOnlyReason == nil {
                    let events = blockchain.events()
                    self.poke()
                    for await _ in events { self.poke() }
                }
            }
            for await _ in pokes.stream { wake(blockchain.head.view) }
            group.cancelAll()
        }
        wakeAll()
    }

    /// The view may be later than the event that was heard of; it is never earlier.
    private func wake(_ view: ChainView) {
        guard let columns = state.withLock({ $0.columns }),
            let value = try? view.snapshot.value(columns.meta, Self.lastKey),
            let last = UInt64(bigEndian: value)
        else { return }
        let listeners = state.withLock { state in
            state.last = max(state.last, last)
            return state.listeners.values.map { $0.action }
        }
        wakeAll()
        for listener in listeners { listener() }
    }

    private func wakeAll() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume() }
    }

    // MARK: - Following

    /// The events after one, in order.
    ///
    /// - Throws: `EventsForgotten` if events are missing that were after it.
    public func events(
        after sequence: UInt64, limit: Int, in snapshot: Snapshot
    ) throws -> [FeedEvent] {
        guard let columns = state.withLock({ $0.columns }) else { return [] }
        let cursor = snapshot.cursor(columns.events)
        try cursor.seek(Bytes(bigEndian: sequence + 1))
        var events: [FeedEvent] = []
        while cursor.isValid, events.count < limit {
            guard let number = UInt64(bigEndian: cursor.key) else {
                throw StorageError.corrupted("feed key")
            }
            let event = try FeedEvent(number, cursor.value)
            guard event.sequence == sequence + UInt64(events.count) + 1 else {
                throw EventsForgotten(after: sequence, oldest: event.sequence)
            }
            events.append(event)
            try cursor.advance()
        }
        return events
    }

    /// The last event that a snapshot has; 0 if there was none.
    public func last(in snapshot: Snapshot) throws(StorageError) -> UInt64 {
        guard let columns = state.withLock({ $0.columns }) else { return 0 }
        return try snapshot.value(columns.meta, Self.lastKey).flatMap { UInt64(bigEndian: $0) } ?? 0
    }

    /// Waits until there is an event after one, something else about the head has changed, or the
    /// task is cancelled.
    public func wait(after sequence: UInt64) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.last <= sequence, !Task.isCancelled else { return false }
                    state.waiting[id] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }

    /// Has a function called for a connection after each batch, on the thread of the feed.
    func listen(_ id: String, for session: RPCSession, _ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.listeners[id] = (session, action) }
    }

    /// - Returns: whether the function was there, for this connection.
    @discardableResult
    func stopListening(_ id: String, for session: RPCSession) -> Bool {
        state.withLock { state in
            guard state.listeners[id]?.session === session else { return false }
            state.listeners[id] = nil
            return true
        }
    }

    /// Has the functions called although nothing has happened.
    func poke() {
        pokes.continuation.yield()
    }

    /// The last event that a plugin has dealt with; `nil` if it has never followed.
    package func cursor(of plugin: String) -> UInt64? {
        state.withLock { $0.acknowledged[plugin] }
    }

    /// Says that a plugin follows, so that all is kept that it has still to read.
    func beginFollowing(_ plugin: String) {
        state.withLock { _ = $0.following.insert(plugin) }
    }

    /// Says that a plugin follows no more.
    func endFollowing(_ plugin: String) {
        state.withLock { _ = $0.following.remove(plugin) }
    }

    /// The event for one who cannot go on from its cursor: the head of a view.
    func reset(at view: ChainView) throws(StorageError) -> FeedEvent {
        FeedEvent(
            sequence: try last(in: view.snapshot), kind: .reset, block: view.reference,
            parentHash: view.header.parentHash)
    }

    /// Keeps that a plugin has dealt with everything up to an event.
    func acknowledge(
        _ sequence: UInt64, by plugin: String, in database: Database
    ) throws(StorageError) {
        guard let columns = state.withLock({ $0.columns }) else { return }
        var batch = WriteBatch(for: database)
        batch.put(
            columns.meta, Self.cursorPrefix + Bytes(plugin.utf8), Bytes(bigEndian: sequence))
        try database.write(batch, durability: .buffered)
        state.withLock { $0.acknowledged[plugin] = sequence }
    }

    private static func event(
        _ sequence: UInt64, _ column: PluginColumn, _ snapshot: Snapshot
    ) throws(StorageError) -> FeedEvent? {
        guard let value = try snapshot.value(column, Bytes(bigEndian: sequence)) else { return nil }
        return try FeedEvent(sequence, value)
    }

    private static let lastKey = Bytes("last".utf8)
    private static let cursorPrefix = Bytes("cursor.".utf8)
}

/// A cursor is so old that events after it are gone.
public struct EventsForgotten: Error, CustomStringConvertible, Sendable {
    /// The cursor.
    public let after: UInt64
    /// The oldest event that is kept.
    public let oldest: UInt64

    /// One sentence.
    public var description: String {
        "the events after \(after) are no longer kept, the oldest is \(oldest)"
    }
}

extension FeedEvent {
    fileprivate init(_ sequence: UInt64, _ bytes: Bytes) throws(StorageError) {
        guard bytes.count == 73, let kind = Kind(rawValue: bytes[0]),
            let block = BlockReference(bytes: Bytes(bytes[1..<41])),
            let parentHash = Hash256(bytes[41...])
        else { throw .corrupted("event \(sequence)") }
        self.init(sequence: sequence, kind: kind, block: block, parentHash: parentHash)
    }

    fileprivate var bytes: Bytes { [kind.rawValue] + block.bytes + parentHash.bytes }

    /// The head that the event has left.
    public var headAfter: BlockReference {
        switch kind {
        case .committed, .reset: block
        case .reverted:
            BlockReference(number: block.number == 0 ? 0 : block.number - 1, hash: parentHash)
        }
    }
}
