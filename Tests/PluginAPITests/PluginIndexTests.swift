import Chain
import PluginAPI
import Primitives
import Storage
import TestSupport
import Testing

@Suite struct PluginIndexTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func progress(_ fixture: PluginFixture) -> PluginHealth.Status? {
        fixture.host.health.first?.health.status
    }

    @Test func `an index follows each commit and each revert`() async throws {
        let test = try PluginFixture(directory)
        var states: [[String: [Bytes: Bytes]]] = [try test.contents()]
        for count in [2, 1, 3, 1] {
            try await test.produce(count)
            states.append(try test.contents())
        }
        #expect(states[4]["counts"]?[FixedKeys.alice.address.bytes] == [7])
        #expect(states[0]["counts"]?[[]] == [1])
        for number in [3, 1, 0] as [UInt64] {
            try await test.chain.rollback(to: number)
            #expect(try test.contents() == states[Int(number)], "after block \(number)")
        }
    }

    @Test func `an index of random reorganisations is that of the chain made at once`() async throws
    {
        var random = SeededRandom(seed: 1)
        let test = try PluginFixture(directory)
        var values: [Wei] = []
        for _ in 0..<30 {
            if !values.isEmpty, Int.random(in: 0..<3, using: &random) == 0 {
                let keep = Int.random(in: 0..<values.count, using: &random)
                values.removeLast(values.count - keep)
                try await test.chain.rollback(to: UInt64(keep))
            }
            let value = UInt256(UInt64.random(in: 1...9, using: &random))
            try await test.produce(Int(value.l0 % 3) + 1, value: value)
            values.append(value)
        }
        let other = try PluginFixture(try TemporaryDirectory())
        for value in values { try await other.produce(Int(value.l0 % 3) + 1, value: value) }
        #expect(test.chain.head.hash == other.chain.head.hash, "seed \(random.seed)")
        #expect(try test.contents() == other.contents(), "seed \(random.seed)")
    }

    @Test func `a plugin that comes later catches up, and goes on where it stopped`() async throws {
        let live = try PluginFixture(try TemporaryDirectory())
        for count in [1, 2, 3, 1, 2] { try await live.produce(count) }
        do {
            let without = try PluginFixture(directory, plugins: [])
            for count in [1, 2, 3] { try await without.produce(count) }
            try await without.chain.shutDown()
        }
        do {
            let test = try PluginFixture(directory)
            #expect(progress(test) == .degraded)
            try await test.run { test.host.health[0].health.status == .ok }
            #expect(progress(test) == .ok)
            try await test.produce(1)
            try await test.chain.shutDown()
        }
        do {
            let without = try PluginFixture(directory, plugins: [])
            try await without.produce(2)
            try await without.chain.shutDown()
        }
        let test = try PluginFixture(directory)
        try await test.run { test.host.health[0].health.status == .ok }
        #expect(test.chain.head.hash == live.chain.head.hash)
        #expect(try test.contents() == live.contents())
    }

    @Test func `blocks that left the chain while the plugin was away begin the index anew`()
        async throws
    {
        do {
            let test = try PluginFixture(directory)
            for _ in 0..<4 { try await test.produce(1) }
            try await test.chain.shutDown()
        }
        do {
            let without = try PluginFixture(directory, plugins: [])
            try await without.chain.rollback(to: 2)
            for _ in 0..<3 { try await without.produce(2) }
            try await without.chain.shutDown()
        }
        let live = try PluginFixture(try TemporaryDirectory())
        for count in [1, 1, 2, 2, 2] { try await live.produce(count) }
        let test = try PluginFixture(directory)
        try await test.run { test.host.health[0].health.status == .ok }
        #expect(try test.contents() == live.contents())
    }

    @Test func `a plugin that fails is disabled, and comes back with the next start`() async throws
    {
        do {
            let test = try PluginFixture(directory)
            try await test.produce(1)
            let plugin = try #require(test.host.plugin(CountingPlugin.self))
            plugin.failsAt.withLock { $0 = 2 }
            try await test.produce(1)
            try await test.produce(1)
            #expect(test.chain.head.number == 3)
            #expect(progress(test) == .failing)
            #expect(try test.contents()["counts"]?[FixedKeys.alice.address.bytes] == [1])
            try await test.chain.shutDown()
        }
        let test = try PluginFixture(directory)
        try await test.run { test.host.health[0].health.status == .ok }
        #expect(try test.contents()["counts"]?[FixedKeys.alice.address.bytes] == [3])
    }

    @Test func `a plugin that fails stops the chain if that is the policy`() async throws {
        do {
            let test = try PluginFixture(directory, policy: .stop)
            try await test.produce(1)
            let plugin = try #require(test.host.plugin(CountingPlugin.self))
            plugin.failsAt.withLock { $0 = 2 }
            await #expect(throws: ChainError.self) { try await test.produce(1) }
            // Also where it would not fail again: its index has ended.
            plugin.failsAt.withLock { $0 = nil }
            for _ in 0..<2 {
                await #expect(throws: ChainError.self) { try await test.produce(1) }
            }
            await #expect(throws: ChainError.self) { try await test.chain.rollback(to: 0) }
            #expect(test.chain.head.number == 1)
            #expect(progress(test) == .failing)
            try await test.chain.shutDown()
        }
        // The next start tries again.
        let test = try PluginFixture(directory, policy: .stop)
        try await test.produce(1)
        #expect(try test.contents()["counts"]?[FixedKeys.alice.address.bytes] == [2])
    }

    @Test(arguments: ["open", "run"])
    func `where a plugin fails makes no difference`(phase: String) async throws {
        let stopped = try PluginFixture(
            directory, plugins: [FailingPlugin.self], settings: ["failing": ["phase": phase]],
            policy: .stop)
        try await stopped.run { stopped.host.health[0].health.status == .failing }
        await #expect(throws: ChainError.self) { try await stopped.produce(1) }
        await #expect(throws: ChainError.self) { try await stopped.produce(1) }
        #expect(stopped.chain.head.number == 0)

        let disabled = try PluginFixture(
            TemporaryDirectory(), plugins: [FailingPlugin.self],
            settings: ["failing": ["phase": phase]])
        try await disabled.run { disabled.host.health[0].health.status == .failing }
        try await disabled.produce(1)
        #expect(disabled.chain.head.number == 1)
    }

    @Test func `a plugin that fails while it catches up stops the chain, too`() async throws {
        do {
            let without = try PluginFixture(directory, plugins: [])
            for _ in 0..<3 { try await without.produce(1) }
            try await without.chain.shutDown()
        }
        let test = try PluginFixture(directory, policy: .stop)
        let plugin = try #require(test.host.plugin(CountingPlugin.self))
        plugin.failsAt.withLock { $0 = 2 }
        try await test.run { test.host.health[0].health.status == .failing }
        await #expect(throws: ChainError.self) { try await test.produce(1) }
        #expect(test.chain.head.number == 3)
    }

    @Test func `a table that a later version has no more is emptied`() async throws {
        do {
            let test = try PluginFixture(directory)
            try await test.produce(2)
            #expect(try test.contents()["log"]?.isEmpty == false)
            try await test.chain.shutDown()
        }
        do {
            let later = try PluginFixture(directory, plugins: [LaterCountingPlugin.self])
            // The head shows what was written beside the commits a moment later.
            try await later.run { (try? later.contents()["counts"]) == [[1]: [1]] }
            try await later.chain.shutDown()
        }
        var options = DatabaseOptions(path: directory.path + "/chain")
        let family = PluginFamily(plugin: "counting", family: "log", access: .ordered)
        options.pluginFamilies = [family]
        let database = try Database.reopening(options)
        let cursor = database.snapshot().cursor(try #require(database.column(family)))
        try cursor.seek([])
        let isEmpty = !cursor.isValid
        #expect(isEmpty)
    }

    @Test func `a batch that was not written leaves nothing behind`() async throws {
        let test = try PluginFixture(directory, participants: [PairRefusal()])
        try await test.produce(1)
        // The plugin is done with the block when somebody else refuses it.
        await #expect(throws: ChainError.self) { try await test.produce(2) }
        #expect(test.chain.head.number == 1)
        try await test.produce(1)
        #expect(try test.contents()["counts"]?[FixedKeys.alice.address.bytes] == [2])
    }

    @Test func `the index of imported blocks, large and small, is that of produced ones`()
        async throws
    {
        let source = try PluginFixture(directory)
        let test = try PluginFixture(try TemporaryDirectory())
        // A large block is worked out beside its state root.
        for count in [100, 1, 64, 63] {
            let block = try await source.produce(count)
            try await test.chain.importBlock(block.block)
            #expect(try test.contents() == source.contents(), "a block of \(count)")
        }
        try await test.chain.rollback(to: 1)
        try await source.chain.rollback(to: 1)
        #expect(try test.contents() == source.contents())
    }

    @Test(arguments: [1, 100])
    func `a block with a wrong state root leaves nothing in an index, nor a failure`(
        count: Int
    ) async throws {
        let source = try PluginFixture(directory)
        let test = try PluginFixture(try TemporaryDirectory(), policy: .stop)
        try await test.chain.importBlock(try await source.produce(count).block)
        let good = try await source.produce(count).block
        var wrong = good
        wrong.header.stateRoot = .zero
        let before = try test.contents()
        let plugin = try #require(test.host.plugin(CountingPlugin.self))
        for failsAt in [2, nil] as [BlockNumber?] {
            plugin.failsAt.withLock { $0 = failsAt }
            await #expect {
                // Another hash each time, so that it is not known for wrong.
                wrong.header.extraData.append(1)
                try await test.chain.importBlock(wrong)
            } throws: { error in
                if case .invalidBlock(.stateRoot) = error as? ChainError { true } else { false }
            }
            #expect(try test.contents() == before)
        }
        try await test.chain.importBlock(good)
        #expect(try test.contents() == source.contents())
        #expect(progress(test) == .ok)
    }

    @Test func `what cannot be reverted any more needs no undo`() async throws {
        let test = try PluginFixture(directory, history: .blocks(2))
        for _ in 0..<8 { try await test.produce(1) }
        let undo = try #require(test.contents()["undo"])
        #expect(undo.keys.allSatisfy { $0[7] >= 5 })
        try await test.chain.rollback(to: 6)
        #expect(try test.contents()["counts"]?[FixedKeys.alice.address.bytes] == [6])
    }

    @Test func `an index that is further behind than the state is kept begins anew`() async throws {
        do {
            let test = try PluginFixture(directory, history: .blocks(2))
            try await test.produce(1)
            try await test.chain.shutDown()
        }
        do {
            let without = try PluginFixture(directory, plugins: [], history: .blocks(2))
            for _ in 0..<6 { try await without.produce(1) }
            try await without.chain.shutDown()
        }
        let test = try PluginFixture(directory, history: .blocks(2))
        try await test.run { test.host.health[0].health.status == .ok }
        let plugin = try #require(test.host.plugin(CountingPlugin.self))
        #expect(plugin.begun.withLock { $0 } == [5])
        #expect(try test.contents()["counts"]?[FixedKeys.alice.address.bytes] == [2])
    }

    @Test func `a setting that nobody reads or that does not fit is refused`() throws {
        for section in [["strat": "1"], ["size": "10"], ["enabled": "yes"]] {
            #expect(throws: PluginError.self) {
                try PluginFixture(directory, settings: ["counting": section])
            }
        }
        let test = try PluginFixture(directory, settings: ["counting": ["enabled": "false"]])
        #expect(test.host.health.isEmpty)
    }
}
