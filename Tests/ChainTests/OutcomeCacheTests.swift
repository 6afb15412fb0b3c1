import Chain
import Execution
import Primitives
import Storage
import TestSupport
import Testing

/// What came of blocks is kept in memory, and no more of it than was allowed.
@Suite struct OutcomeCacheTests {
    /// Goes to a branch of three blocks and back to one of three.
    ///
    /// - Returns: how many blocks were executed.
    private func executions(outcomeBytes: Int) async throws -> Int {
        var options = ChainOptions(sync: .interval(milliseconds: 50))
        options.outcomeBytes = outcomeBytes
        let source = try TestChain()
        let test = try TestChain(options: options)
        for _ in 0..<3 {
            let block = try await source.produce().block
            try await test.chain.insertBlock(block)
            try await test.chain.setHead(block.hash())
        }
        let first = test.chain.head.hash
        try await source.chain.rollback(to: 0)
        for value in 7..<10 as Range<UInt64> {
            try await test.chain.insertBlock(try await source.produce(value: UInt256(value)).block)
        }
        try await test.chain.setHead(source.chain.head.hash)
        try await test.chain.setHead(first)
        return await test.chain.executedBlocks
    }

    @Test func `a branch whose outcomes are kept is not executed again`() async throws {
        #expect(try await executions(outcomeBytes: 32 << 20) == 6)
    }

    @Test func `without room only the newest outcome is kept`() async throws {
        #expect(try await executions(outcomeBytes: 0) == 9)
    }

    @Test func `everything that a block can fill is weighed`() async throws {
        let test = try TestChain()
        try await test.produce()
        let built = try TestChain.build(on: test.chain.head, [TestChain.transaction(nonce: 2)])
        let outcome = built.outcome
        let weight = outcome.byteCount
        #expect(weight > 0)
        func added(_ change: (inout BlockOutcome) -> Void) -> Int {
            var changed = outcome
            change(&changed)
            return changed.byteCount - weight
        }
        let call = try #require(try test.chain.head.view.replay(1).calls.first)
        let count = 10_000
        #expect(added { $0.calls = Array(repeating: call, count: count) } >= 100 * count)
        let receipt = try #require(outcome.receipts.first)
        #expect(added { $0.receipts = Array(repeating: receipt, count: count) } >= 30 * count)
        let log = try #require(try test.chain.head.view.receipts(1)?[1].logs.first)
        #expect(
            added { $0.receipts[0].logs = Array(repeating: log, count: count) } >= 64 * count)
        #expect(
            added { outcome in
                var long = log
                long.data = Bytes(repeating: 1, count: count)
                outcome.receipts[0].logs = [long]
            } >= count)
        #expect(added { $0.diff.code[.zero] = Bytes(repeating: 1, count: count) } >= count)
        #expect(added { $0.requests = [Bytes(repeating: 1, count: count)] } >= count)
    }
}
