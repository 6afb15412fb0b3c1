import Chain
import Primitives
import Storage
import Synchronization
import Testing

/// Writes each block's hash and number of calls under its number.
private final class Index: CommitParticipant {
    static let family = PluginFamily(plugin: "test", family: "blocks", access: .point)

    let needsCalls: Bool
    let failure = Mutex<ChainError?>(nil)
    let changes = Mutex<[(reverted: Int, committed: Int)]>([])
    let prepared = Mutex(0)

    init(needsCalls: Bool) {
        self.needsCalls = needsCalls
    }

    func prepare(_ change: HeadChange) -> CommitStep {
        prepared.withLock { $0 += 1 }
        return { [self] (batch) throws(ChainError) in try write(change, to: &batch) }
    }

    private func write(
        _ change: HeadChange, to batch: inout WriteBatch
    ) throws(ChainError) {
        guard let column = change.before.snapshot.database.column(Self.family) else { return }
        for block in change.reverted { batch.delete(column, [UInt8(block.number)]) }
        for block in change.committed {
            batch.put(
                column, [UInt8(block.stored.number)],
                block.stored.hash.bytes + [UInt8(block.calls.count), UInt8(block.receipts.count)])
        }
        changes.withLock { $0.append((change.reverted.count, change.committed.count)) }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}

@Suite struct CommitParticipantTests {
    private func test(_ index: Index) throws -> TestChain {
        var options = ChainOptions(sync: .interval(milliseconds: 50))
        options.participants = [index]
        return try TestChain(options: options, pluginFamilies: [Index.family])
    }

    private func entries(_ test: TestChain) throws -> [Bytes: Bytes] {
        let snapshot = test.chain.head.view.snapshot
        let column = try #require(test.chain.database.column(Index.family))
        let cursor = snapshot.cursor(column)
        try cursor.seek([])
        var entries: [Bytes: Bytes] = [:]
        while cursor.isValid {
            entries[cursor.key] = cursor.value
            try cursor.advance()
        }
        return entries
    }

    @Test func `what takes part is written and undone with the block`() async throws {
        let index = Index(needsCalls: true)
        let test = try test(index)
        var blocks: [CommittedBlock] = []
        for _ in 0..<3 { blocks.append(try await test.produce()) }
        // The transfer and the call of the counter are a call each.
        #expect(try entries(test)[[2]] == blocks[1].hash.bytes + [2, 2])
        try await test.chain.rollback(to: 1)
        #expect(try entries(test) == [[1]: blocks[0].hash.bytes + [2, 2]])
        #expect(index.changes.withLock { $0.map(\.reverted) } == [0, 0, 0, 2])
        #expect(index.changes.withLock { $0.map(\.committed) } == [1, 1, 1, 0])
    }

    @Test func `calls are not recorded unless somebody asks`() async throws {
        let test = try test(Index(needsCalls: false))
        let block = try await test.produce()
        #expect(try entries(test) == [[1]: block.hash.bytes + [0, 2]])
    }

    @Test func `an imported block is seen as a produced one`() async throws {
        let source = try TestChain()
        let test = try test(Index(needsCalls: true))
        for _ in 0..<2 {
            let block = try await source.produce()
            try await test.chain.importBlock(block.block)
        }
        #expect(try entries(test)[[2]] == source.chain.head.hash.bytes + [2, 2])
    }

    @Test(arguments: [(63, 0), (64, 1)])
    func `a large block is prepared before its state root is known, and dropped if that is wrong`(
        count: Int, prepared: Int
    ) async throws {
        let index = Index(needsCalls: false)
        let test = try test(index)
        let transactions = try (0..<UInt64(count)).map { try TestChain.transaction(nonce: $0) }
        let good = try TestChain.build(on: test.chain.head, transactions).block
        var wrong = good
        wrong.header.stateRoot = .zero
        await #expect(throws: ChainError.self) { try await test.chain.importBlock(wrong) }
        #expect(index.prepared.withLock { $0 } == prepared)
        #expect(index.changes.withLock { $0.isEmpty })
    }

    @Test func `a failure leaves neither the block nor the index`() async throws {
        let index = Index(needsCalls: false)
        let test = try test(index)
        try await test.produce()
        let before = try entries(test)
        index.failure.withLock { $0 = .participantFailed("the index test: no") }
        await #expect(throws: ChainError.self) { try await test.produce() }
        await #expect(throws: ChainError.self) { try await test.chain.rollback(to: 0) }
        #expect(try entries(test) == before)
        #expect(test.chain.head.number == 1)
        index.failure.withLock { $0 = nil }
        try await test.produce()
        #expect(try entries(test).count == 2)
    }
}
