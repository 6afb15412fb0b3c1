import Chain
import EthereumTypes
import Primitives
import Storage
import TestSupport
import Testing

/// The setting of the retained history may change at each start.
@Suite struct RetentionTests {
    private static func options(_ history: HistoryRetention) -> ChainOptions {
        ChainOptions(sync: .interval(milliseconds: 50), history: history)
    }

    private func reopened(
        _ directory: TemporaryDirectory, _ history: HistoryRetention
    ) async throws -> Blockchain {
        for _ in 0..<200 {
            do {
                return try TestChain.open(
                    directory, genesis: nil, options: Self.options(history))
            } catch StorageError.locked {
                try await Task.sleep(for: .milliseconds(10))
            } catch StorageError.inputOutput {
                // Both clear away old logs.
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        throw StorageError.locked(directory.path)
    }

    /// Makes a chain of ten blocks, and closes it.
    private func closedChain(_ history: HistoryRetention) async throws -> TemporaryDirectory {
        let test = try TestChain(options: Self.options(history))
        for _ in 0..<10 { try await test.produce() }
        try await test.chain.shutDown()
        return test.directory
    }

    @Test func `a lowered retention is reached without a new block`() async throws {
        let directory = try await closedChain(.all)
        let chain = try await reopened(directory, .blocks(3))
        #expect(chain.head.view.oldestState == 0)
        var steps = 0
        while let progress = try await chain.pruneHistory() {
            #expect(progress.wanted == 7)
            #expect(progress.oldest <= 7)
            steps += 1
        }
        #expect(steps >= 1)
        #expect(chain.head.view.oldestState == 7)
        #expect(try chain.head.view.state(at: 7).storage(TestChain.counter, 0) == 7)
        #expect {
            try chain.head.view.proof(of: TestChain.counter, slots: [0], at: 6)
        } throws: { error in
            if case .stateUnavailable(6, oldest: 7) = error as? ChainError { true } else { false }
        }
        // As if it had never been more.
        let other = try TestChain(options: Self.options(.blocks(3)))
        for number in 1...10 as ClosedRange<BlockNumber> {
            let block = try #require(try chain.head.view.block(number)).block
            try await other.chain.importBlock(block)
        }
        expectSame(
            try chainContents(of: chain.database), try chainContents(of: other.chain.database),
            "pruned")
    }

    @Test(arguments: [0, 1, 2] as [UInt64])
    func `whatever is retained, nothing is left of what is not`(count: UInt64) async throws {
        let test = try TestChain(options: Self.options(.blocks(count)))
        let winner = try TestChain()
        for number in 1...6 as ClosedRange<BlockNumber> {
            try await winner.chain.importBlock(try await test.produce().block)
            #expect(test.chain.head.view.oldestState == number - min(number, max(count, 1)))
        }
        // The head can be undone.
        _ = try await winner.chain.rollback(to: 5)
        try await test.chain.insertBlock(try await winner.produce(value: 9).block)
        try await test.chain.setHead(winner.chain.head.hash)
        try await test.produce()
        #expect(try await test.chain.pruneHistory() == nil)
        let view = test.chain.head.view
        #expect(view.oldestState == 7 - max(count, 1))
        let left = try chainContents(of: test.chain.database)
        for family in [Family.accountHistory, .storageHistory, .changes] {
            for key in left[family, default: [:]].keys {
                #expect(try #require(UInt64(bigEndian: key.suffix(8))) > view.oldestState)
            }
        }
        try WorldState(view.snapshot).verifyHistory(head: view.number)
    }

    @Test func `a raised retention keeps what is there and grows from it`() async throws {
        let directory = try await closedChain(.blocks(3))
        let chain = try await reopened(directory, .blocks(6))
        #expect(try await chain.pruneHistory() == nil)
        #expect(chain.head.view.oldestState == 7)
        for number in 11...14 as ClosedRange<BlockNumber> {
            _ = try await chain.produce(seal: { _ in }) { (head) throws(ChainError) in
                try TestChain.build(on: head, [])
            }
            #expect(chain.head.view.oldestState == max(7, number - 6))
        }
        #expect(try chain.head.view.state(at: 8).storage(TestChain.counter, 0) == 8)
    }

    @Test func `pruning takes a branch's ground away, not its safety`() async throws {
        let winner = try TestChain()
        let directory: TemporaryDirectory
        do {
            let test = try TestChain()
            for _ in 0..<3 { try await test.chain.importBlock(try await winner.produce().block) }
            for _ in 0..<3 { try await test.produce(value: 5) }
            try await test.chain.shutDown()
            directory = test.directory
        }
        let chain = try await reopened(directory, .blocks(1))
        try await chain.insertBlock(try await winner.produce().block)
        while try await chain.pruneHistory() != nil {}
        #expect(chain.head.view.oldestState == 5)
        await #expect {
            try await chain.setHead(winner.chain.head.hash)
        } throws: { error in
            if case .stateUnavailable(3, oldest: 5) = error as? ChainError { true } else { false }
        }
        #expect(chain.head.number == 6)
    }
}
