import Chain
import PluginAPI
import Primitives
import Storage
import Synchronization

/// One follower of the node's feed of events.
///
/// It begins where its cursor says. If the cursor is of this node's own order of events it goes on
/// after it; if not, or if the order was begun anew, the block of the cursor says what has happened
/// since: the blocks that have left the chain from it backwards, and those that have come.
final class LocalEvents: Sendable {
    private struct State {
        var sequence: UInt64
        var waiting: [GatewayEvent]
        var told: StateTag?
    }

    private let blockchain: Blockchain
    private let feed: EventFeed
    private let tag: @Sendable (Head) -> StateTag
    private let state: Mutex<State>

    /// Events that are given at once.
    private static let batch = 64
    /// Blocks that a follower may be behind before it must begin anew.
    private static let longestWalk = 4_096
    /// How long it takes until a follower is told that nothing has happened.
    private static let heartbeat = Duration.seconds(5)

    init(
        _ blockchain: Blockchain, _ feed: EventFeed, after cursor: EventCursor?,
        tag: @escaping @Sendable (Head) -> StateTag
    ) throws {
        self.blockchain = blockchain
        self.feed = feed
        self.tag = tag
        let view = blockchain.head.view
        var start = State(sequence: try feed.last(in: view.snapshot), waiting: [])
        if let cursor {
            if Self.isOwn(cursor, feed, view) {
                start.sequence = cursor.sequence
            } else {
                start.waiting = try Self.events(since: cursor.head, in: view)
            }
        }
        state = Mutex(start)
    }

    /// The last event that was given.
    var position: UInt64 { state.withLock { $0.sequence } }

    /// What has happened since the last time; `nil` for nothing.
    func next() throws -> [GatewayEvent]? {
        let waiting = state.withLock { state in
            let batch = Array(state.waiting.prefix(Self.batch))
            state.waiting.removeFirst(batch.count)
            return batch
        }
        guard waiting.isEmpty else { return waiting }
        let head = blockchain.head
        let (sequence, told) = state.withLock { ($0.sequence, $0.told) }
        var position = sequence
        var events: [GatewayEvent] = []
        do {
            for event in try feed.events(
                after: sequence, limit: Self.batch, in: head.view.snapshot)
            {
                position = event.sequence
                events.append(
                    .block(
                        event.kind, event.block, parentHash: event.parentHash,
                        cursor: EventCursor(sequence: position, head: event.headAfter)))
            }
        } catch is EventsForgotten {
            // The follower was too slow, and what it has missed is not kept any more.
            position = try feed.last(in: head.view.snapshot)
            events = [Self.reset(head.view, sequence: position)]
        }
        let isLevel = events.count < Self.batch
        let now = tag(head)
        if isLevel, now != told { events.append(.state(now)) }
        let reached = position
        state.withLock { state in
            state.sequence = reached
            if isLevel { state.told = now }
        }
        return events.isEmpty ? nil : events
    }

    /// Waits until something may have happened, a few seconds at most.
    func wait(after sequence: UInt64) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [feed] in await feed.wait(after: sequence) }
            group.addTask { try? await Task.sleep(for: Self.heartbeat) }
            await group.next()
            group.cancelAll()
        }
    }

    private static func isOwn(
        _ cursor: EventCursor, _ feed: EventFeed, _ view: ChainView
    ) -> Bool {
        guard cursor.sequence > 0 else { return false }
        // An event that is not kept any more is as good as another node's.
        let events = try? feed.events(after: cursor.sequence - 1, limit: 1, in: view.snapshot)
        return events?.first?.headAfter == cursor.head
    }

    /// What has happened since a block was the head.
    private static func events(
        since head: BlockReference, in view: ChainView
    ) throws -> [GatewayEvent] {
        var events: [GatewayEvent] = []
        var position = head
        while try view.canonicalHash(position.number) != position.hash {
            guard events.count < longestWalk, position.number > 0,
                let header = try view.header(hash: position.hash),
                header.number == position.number
            else { return [reset(view, sequence: 0)] }
            let parent = BlockReference(number: position.number - 1, hash: header.parentHash)
            events.append(
                .block(
                    .reverted, position, parentHash: header.parentHash,
                    cursor: EventCursor(sequence: 0, head: parent)))
            position = parent
        }
        guard view.number - position.number <= UInt64(longestWalk) else {
            return [reset(view, sequence: 0)]
        }
        while position.number < view.number {
            let number = position.number + 1
            guard let hash = try view.canonicalHash(number) else {
                return [reset(view, sequence: 0)]
            }
            let block = BlockReference(number: number, hash: hash)
            events.append(
                .block(
                    .committed, block, parentHash: position.hash,
                    cursor: EventCursor(sequence: 0, head: block)))
            position = block
        }
        return events
    }

    private static func reset(_ view: ChainView, sequence: UInt64) -> GatewayEvent {
        let head = BlockReference(number: view.number, hash: view.hash)
        return .block(
            .reset, head, parentHash: view.header.parentHash,
            cursor: EventCursor(sequence: sequence, head: head))
    }
}
