import Chain
import Logging
import NIOCore
import NIOPosix
import PluginAPI
import Primitives
import RPC
import Storage
import Synchronization
import TestSupport
import Testing

/// Follows the feed, and stands still in its first event until it is told to go on.
private final class StandingFollower: NodePlugin {
    static let manifest = PluginManifest(name: "standing", summary: "Stands still.")

    let seen = Mutex<[BlockNumber]>([])
    let gate = AsyncStream.makeStream(of: Void.self)

    init(_ configuration: inout PluginConfiguration) throws(PluginError) {}

    func run(_ handle: PluginHandle) async throws {
        try await handle.followEvents { event, _ in
            self.seen.withLock { $0.append(event.block.number) }
            for await _ in self.gate.stream {}
        }
    }
}

/// Follows the feed, and keeps what it has seen.
private final class Follower: NodePlugin {
    static let manifest = PluginManifest(name: "follower", summary: "Follows.")

    let seen = Mutex<[FeedEvent]>([])
    let failure = Mutex<Int?>(nil)

    init(_ configuration: inout PluginConfiguration) throws(PluginError) {}

    func run(_ handle: PluginHandle) async throws {
        try await handle.followEvents { event, _ in
            if self.failure.withLock({ $0 }) == Int(event.sequence) {
                throw PluginError("not this one")
            }
            self.seen.withLock { $0.append(event) }
        }
    }
}

@Suite struct EventFeedTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func events(_ test: PluginFixture, after sequence: UInt64 = 0) throws -> [FeedEvent] {
        try test.host.feed.events(
            after: sequence, limit: 1000, in: test.chain.head.view.snapshot)
    }

    private func summary(_ events: [FeedEvent]) -> [String] {
        events.map { "\($0.sequence) \($0.kind) \($0.block.number)" }
    }

    @Test func `everything that happens is there, in its order`() async throws {
        let test = try PluginFixture(directory)
        let first = try await test.produce()
        for _ in 0..<2 { try await test.produce() }
        try await test.chain.rollback(to: 1)
        try await test.produce(2)
        let all = try events(test)
        #expect(
            summary(all) == [
                "1 committed 1", "2 committed 2", "3 committed 3", "4 reverted 3", "5 reverted 2",
                "6 committed 2",
            ])
        #expect(all[3].block == all[2].block)
        #expect(all[5].parentHash == first.hash)
        #expect(try summary(events(test, after: 4)) == ["5 reverted 2", "6 committed 2"])
    }

    @Test func `what happened while nobody kept the feed is added`() async throws {
        do {
            let test = try PluginFixture(directory)
            for _ in 0..<2 { try await test.produce() }
            try await test.chain.shutDown()
        }
        do {
            let chain = try Blockchain.open(
                database: Database.reopening(DatabaseOptions(path: directory.path + "/chain")),
                genesis: nil)
            try await chain.rollback(to: 2)
            try await chain.shutDown()
        }
        let test = try PluginFixture(directory)
        #expect(try summary(events(test)) == ["1 committed 1", "2 committed 2"])
        try await test.produce()
        #expect(try summary(events(test, after: 2)) == ["3 committed 3"])
    }

    @Test func `a plugin that follows goes on where it stopped and misses nothing`() async throws {
        do {
            let test = try PluginFixture(directory, plugins: [Follower.self])
            let follower = try #require(test.host.plugin(Follower.self))
            let task = Task { await test.host.run() }
            // The cursor of one who has never followed is set when it begins.
            while test.host.feed.cursor(of: "follower") == nil { await Task.yield() }
            for _ in 0..<3 { try await test.produce() }
            while follower.seen.withLock({ $0.count }) < 3 { await Task.yield() }
            follower.failure.withLock { $0 = 4 }
            try await test.produce()
            while test.host.health[0].health.status != .failing { await Task.yield() }
            try await test.produce()
            task.cancel()
            await task.value
            try await test.chain.shutDown()
        }
        let test = try PluginFixture(directory, plugins: [Follower.self])
        let follower = try #require(test.host.plugin(Follower.self))
        try await test.run { follower.seen.withLock { $0.last?.sequence } == 5 }
        let seen = follower.seen.withLock { $0.map(\.sequence) }
        #expect(seen.suffix(2) == [4, 5])
    }

    @Test func `a cursor whose events are gone is told so`() async throws {
        let test = try PluginFixture(directory)
        for _ in 0..<3 { try await test.produce() }
        // As after a hundred thousand more.
        let family = try #require(test.host.families.first { $0.family == "events" })
        let column = try #require(test.chain.database.column(family))
        var batch = WriteBatch(for: test.chain.database)
        batch.delete(column, [0, 0, 0, 0, 0, 0, 0, 1])
        try test.chain.database.write(batch, durability: .buffered)
        let snapshot = test.chain.database.snapshot()
        #expect(throws: EventsForgotten.self) {
            try test.host.feed.events(after: 0, limit: 10, in: snapshot)
        }
        #expect(try test.host.feed.events(after: 1, limit: 10, in: snapshot).count == 2)
    }

    @Test func `events that a batch would have removed which is not written go with the next`()
        async throws
    {
        func column(_ name: String, _ test: PluginFixture) throws -> PluginColumn {
            let family = try #require(
                test.host.families.first { $0.plugin == "feed" && $0.family == name })
            return try #require(test.chain.database.column(family))
        }
        do {
            let test = try PluginFixture(directory, plugins: [])
            try await test.produce()
            // As after so many that the first are to go.
            let last = 2 * EventFeed.retained
            let database = test.chain.database
            let (events, meta) = (try column("events", test), try column("meta", test))
            let event = try #require(try database.snapshot().value(events, Bytes(bigEndian: 1)))
            var batch = WriteBatch(for: database)
            for sequence in [2, 3, 4, 5, 6, last] as [UInt64] {
                batch.put(events, Bytes(bigEndian: sequence), event)
            }
            batch.put(meta, Bytes("last".utf8), Bytes(bigEndian: last))
            try database.write(batch, durability: .buffered)
            try await test.chain.shutDown()
        }
        let test = try PluginFixture(directory, plugins: [], participants: [PairRefusal()])
        let events = try column("events", test)
        func first() throws -> Bytes {
            let cursor = test.chain.database.snapshot().cursor(events)
            try cursor.seek([])
            return cursor.key
        }
        await #expect(throws: ChainError.self) { try await test.produce(2) }
        #expect(try first() == Bytes(bigEndian: 1))
        // Two go with each event that comes.
        try await test.produce()
        #expect(try first() == Bytes(bigEndian: 3))
        try await test.produce()
        #expect(try first() == Bytes(bigEndian: 5))
    }

    /// The result of a call, or its error.
    private func call(
        _ test: PluginFixture, _ method: String, _ params: [JSONValue],
        as session: RPCSession? = nil
    ) throws -> JSONValue {
        let pool = ExecutionPool(threads: 1, queueLimit: 1)
        defer { Task { try await pool.shutDown() } }
        let dispatcher = RPCDispatcher(
            table: MethodTable(test.host.methods, version: "1"), pool: pool, limits: RPCLimits(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let request: JSONValue = [
            "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": .array(params),
        ]
        let reply = dispatcher.reply(
            to: request.encoded(), session: session, caller: RPCCaller(.all),
            on: MultiThreadedEventLoopGroup.singleton.any())
        guard case .now(let message?) = reply else { return .null }
        let answer = try JSONValue(parsing: message.text)
        return answer["result"] ?? answer["error"] ?? .null
    }

    @Test func `a cursor goes on where it was, and one of another history begins anew`()
        async throws
    {
        let test = try PluginFixture(directory)
        #expect(try call(test, "apus_getEvents", [])["cursor"] == "0x0")
        for _ in 0..<3 { try await test.produce() }
        let hashes = try (0...3).map { try #require(try test.chain.head.view.canonicalHash($0)) }
        let all = try call(test, "apus_getEvents", ["0x0"])
        let cursors = (1...3).map { JSONValue.string("0x\($0).\(hashes[$0])") }
        #expect(all["events"]?.arrayValue?.map { $0["cursor"] } == cursors)
        #expect(all["cursor"] == cursors[2])
        #expect(try call(test, "apus_getEvents", [])["cursor"] == cursors[2])
        let rest = try call(test, "apus_getEvents", [cursors[0]])
        #expect(rest["events"]?.arrayValue?.map { $0["cursor"] } == [cursors[1], cursors[2]])
        let none = try call(test, "apus_getEvents", [cursors[2]])
        #expect(none["events"] == [])
        #expect(none["cursor"] == cursors[2])
        // The number of another history, one that was not reached here, and one without a head.
        for foreign: JSONValue in [
            .string("0x2.\(hashes[1])"), .string("0x4.\(hashes[3])"), "0x2", 2,
        ] {
            let page = try call(test, "apus_getEvents", [foreign])
            let events = try #require(page["events"]?.arrayValue)
            #expect(events.map { $0["type"] } == ["reset"])
            #expect(events[0]["hash"] == .string("\(hashes[3])"))
            #expect(page["cursor"] == cursors[2])
        }
        for wrong: JSONValue in ["0x2.", ".", .string("2.\(hashes[2])"), "0x2.0x12", true] {
            #expect(try call(test, "apus_getEvents", [wrong])["code"]?.intValue == -32_602)
        }
    }

    @Test func `a cursor whose own event is gone is known by the next`() async throws {
        let test = try PluginFixture(directory)
        for _ in 0..<3 { try await test.produce() }
        let view = test.chain.head.view
        let hashes = try (0...3).map { try #require(try view.canonicalHash($0)) }
        let family = try #require(test.host.families.first { $0.family == "events" })
        let column = try #require(test.chain.database.column(family))
        var batch = WriteBatch(for: test.chain.database)
        batch.delete(column, [0, 0, 0, 0, 0, 0, 0, 1])
        try test.chain.database.write(batch, durability: .buffered)
        try await test.produce()
        let page = try call(test, "apus_getEvents", [.string("0x1.\(hashes[1])")])
        #expect(page["events"]?.arrayValue?.count == 3)
        let foreign = try call(test, "apus_getEvents", [.string("0x1.\(hashes[2])")])
        #expect(foreign["events"]?.arrayValue?.map { $0["type"] } == ["reset"])
        #expect(try call(test, "apus_getEvents", ["0x0"])["code"]?.intValue == -32_005)
    }

    @Test func `a subscription from a cursor of another history begins with a reset`()
        async throws
    {
        let test = try PluginFixture(directory)
        for _ in 0..<2 { try await test.produce() }
        let hash = try #require(try test.chain.head.view.canonicalHash(1))
        let heard = Mutex<[JSONValue]>([])
        let session = RPCSession(
            deliver: { message, sent in
                if let value = try? JSONValue(parsing: message) {
                    heard.withLock { $0.append(value["params"]?["result"]?["type"] ?? .null) }
                }
                sent?()
            }, hangUp: {})
        let id = try call(
            test, "apus_subscribe", ["events", .string("0x2.\(hash)")], as: session)
        #expect(id.stringValue?.hasPrefix("0x") == true)
        try await test.produce()
        try await test.run { heard.withLock { $0.count } >= 2 }
        #expect(heard.withLock { $0 } == ["reset", "committed"])
    }

    @Test func `blocks do not wait for an observer that stands still`() async throws {
        let test = try PluginFixture(directory, plugins: [StandingFollower.self], policy: .stop)
        let follower = try #require(test.host.plugin(StandingFollower.self))
        let task = Task { await test.host.run() }
        while test.host.feed.cursor(of: "standing") == nil { await Task.yield() }
        try await test.produce()
        while follower.seen.withLock({ $0.isEmpty }) { await Task.yield() }
        for _ in 0..<100 { try await test.produce() }
        try await test.chain.rollback(to: 50)
        for _ in 0..<10 { try await test.produce() }
        #expect(test.chain.head.number == 60)
        #expect(follower.seen.withLock { $0 } == [1])
        // And it has missed nothing.
        follower.gate.continuation.finish()
        let expected = Array(1...101) + (51...101).reversed() + (51...60)
        while follower.seen.withLock({ $0.count }) < expected.count { await Task.yield() }
        task.cancel()
        await task.value
        #expect(follower.seen.withLock { $0 } == expected.map(UInt64.init))
    }

    @Test func `a subscription is ended by its own connection alone`() async throws {
        let test = try PluginFixture(directory)
        let pool = ExecutionPool(threads: 1, queueLimit: 1)
        let dispatcher = RPCDispatcher(
            table: MethodTable(test.host.methods, version: "1"), pool: pool, limits: RPCLimits(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        func call(_ method: String, _ param: JSONValue, _ session: RPCSession) throws -> JSONValue {
            let request: JSONValue = [
                "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": [param],
            ]
            let reply = dispatcher.reply(
                to: request.encoded(), session: session, caller: RPCCaller(.all),
                on: MultiThreadedEventLoopGroup.singleton.any())
            guard case .now(let answer?) = reply else { return .null }
            return try JSONValue(parsing: answer.text)
        }
        let sessions = (0..<2).map { _ in RPCSession(deliver: { $1?() }, hangUp: {}) }
        let id = try #require(try call("apus_subscribe", "events", sessions[0])["result"])
        let foreign = try call("apus_unsubscribe", id, sessions[1])
        #expect(foreign["error"]?["message"] == "subscription not found")
        #expect(try call("apus_unsubscribe", id, sessions[0])["result"] == true)
        let again = try call("apus_unsubscribe", id, sessions[0])
        #expect(again["error"]?["message"] == "subscription not found")
        try await pool.shutDown()
    }

    @Test func `a plugin that comes back after its events are gone is told to begin anew`()
        async throws
    {
        do {
            let test = try PluginFixture(directory, plugins: [Follower.self])
            let follower = try #require(test.host.plugin(Follower.self))
            let task = Task { await test.host.run() }
            while test.host.feed.cursor(of: "follower") == nil { await Task.yield() }
            try await test.produce()
            while follower.seen.withLock({ $0.isEmpty }) { await Task.yield() }
            task.cancel()
            await task.value
            for _ in 0..<2 { try await test.produce() }
            // As after a million more.
            let family = try #require(test.host.families.first { $0.family == "events" })
            let column = try #require(test.chain.database.column(family))
            var batch = WriteBatch(for: test.chain.database)
            batch.delete(column, [0, 0, 0, 0, 0, 0, 0, 2])
            try test.chain.database.write(batch, durability: .buffered)
            try await test.chain.shutDown()
        }
        let test = try PluginFixture(directory, plugins: [Follower.self])
        let follower = try #require(test.host.plugin(Follower.self))
        let task = Task { await test.host.run() }
        while follower.seen.withLock({ $0.isEmpty }) { await Task.yield() }
        try await test.produce()
        while follower.seen.withLock({ $0.last?.sequence }) != 4 { await Task.yield() }
        task.cancel()
        await task.value
        #expect(summary(follower.seen.withLock { $0 }) == ["3 reset 3", "4 committed 4"])
    }

    @Test func `a plugin holds events back without bound only while it follows`() {
        let (few, many) = (EventFeed.retained, EventFeed.retainedForAbsent)
        func first(_ acknowledged: [String: UInt64], _ following: Set<String> = []) -> UInt64 {
            EventFeed.firstKept(last: 3 * many, acknowledged: acknowledged, following: following)
        }
        #expect(first([:]) == 3 * many - few + 1)
        #expect(first(["a": 3 * many - 5]) == 3 * many - few + 1)
        #expect(first(["a": 2 * many]) == 2 * many + 1)
        #expect(first(["a": 2 * many - 1]) == 2 * many + 1)
        #expect(first(["a": 7]) == 2 * many + 1)
        #expect(first(["a": 7, "b": 2 * many + 9]) == 2 * many + 1)
        #expect(first(["a": 7], ["a"]) == 8)
        #expect(first(["a": 7, "b": 5], ["a"]) == 8)
        #expect(EventFeed.firstKept(last: 9, acknowledged: ["a": 9], following: []) == 0)
    }
}
