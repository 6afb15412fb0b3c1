import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Primitives
import Storage
import TestSupport
import Testing

/// Doing the work of a chain again finds what is wrong with it, and nothing in a chain that is right.
@Suite struct ChainVerificationTests {
    private func verify(
        _ chain: Blockchain, _ blocks: ClosedRange<BlockNumber>? = nil
    ) async throws -> VerifiedChain {
        let scratch = try TemporaryDirectory()
        let view = chain.head.view
        return try await ChainVerification(
            of: view, blocks: blocks ?? 0...view.number,
            scratch: Database(DatabaseOptions(path: scratch.path, cacheBytes: 8 << 20))
        ).run()
    }

    /// A chain of calls and transfers, with changes by hand before some blocks.
    private func someChain(
        _ blocks: Int = 8, config: ChainConfig = .single(.shanghai, chainId: 1337),
        history: HistoryRetention = .all
    ) async throws -> TestChain {
        let test = try TestChain(
            genesis: TestChain.genesis(config),
            options: ChainOptions(sync: .interval(milliseconds: 50), history: history))
        for number in 0..<blocks {
            if number == 3 {
                try await test.chain.setOverrides([
                    .balance(TestChain.receiver, 77),
                    .storage(TestChain.counter, slot: 9, value: 9),
                    .code(Address(w0: 0xee, w1: 0, w2: 0), [0x60, 0x01]),
                ])
            }
            try await test.produce()
        }
        return test
    }

    @Test func `a chain that is right verifies, with changes by hand`() async throws {
        let test = try await someChain()
        let result = try await verify(test.chain)
        #expect(result.blocks == 9)
        #expect(result.executed == 8)
        #expect(result.overridden == 1)
        #expect(result.headersByHand == 0)
        #expect(result.transactions > 0)
        #expect(result.gas > 21_000)
    }

    @Test func `blocks before Byzantium verify with the roots in their receipts`() async throws {
        let test = try await someChain(config: .single(.spuriousDragon, chainId: 1337))
        #expect(try await verify(test.chain).executed == 8)
    }

    @Test(arguments: [1...1, 0...3, 4...8, 8...8, 5...99] as [ClosedRange<BlockNumber>])
    func `a part of the chain verifies`(blocks: ClosedRange<BlockNumber>) async throws {
        let test = try await someChain()
        let wanted = blocks.clamped(to: 0...8)
        #expect(try await verify(test.chain, blocks).blocks == UInt64(wanted.count))
    }

    @Test func `what is not retained is compared as far as that goes`() async throws {
        let test = try await someChain(12, history: .blocks(4))
        let result = try await verify(test.chain)
        #expect(result.blocks == 13)
        #expect(result.executed == 4)
    }

    @Test func `a header whose time was set by hand is counted, not refused`() async throws {
        let test = try await someChain(3)
        _ = try await test.chain.produce { (head) throws(ChainError) in
            let builder = BlockBuilder(
                on: try head.view.parentBlock(),
                attributes: PayloadAttributes(
                    timestamp: head.header.timestamp, coinbase: .zero, prevRandao: .zero,
                    gasLimit: 77_000_000),
                config: head.view.config)
            return try? builder.finish()
        }
        let result = try await verify(test.chain)
        #expect(result.headersByHand == 1)
        #expect(result.executed == 4)
    }

    /// One wrong byte in each family: none is overlooked.
    @Test(
        arguments: Family.allCases.filter { family in
            // No part of the chain.
            !["meta", "pool", "side_blocks"].contains(family.name)
        })
    func `a changed value is found`(family: Family) async throws {
        let test = try await someChain(4)
        let database = test.chain.database
        for entry in try entries(database, family) {
            for change in Self.changes(of: entry.value) {
                try write(database, family, entry.key, change)
                await #expect(throws: (any Error).self, "\(family) \(Hex.encode(entry.key))") {
                    try await self.verify(Self.reopened(test))
                }
                try write(database, family, entry.key, entry.value)
            }
        }
        _ = try await verify(Self.reopened(test))
    }

    /// The chain as it is opened again, from the same database.
    private static func reopened(_ test: TestChain) throws -> Blockchain {
        try Blockchain.open(database: test.chain.database, genesis: nil)
    }

    /// The first, the middle and the last entry of a family.
    private func entries(
        _ database: Database, _ family: Family
    ) throws -> [(key: Bytes, value: Bytes)] {
        var all: [(key: Bytes, value: Bytes)] = []
        try database.snapshot().forEach(family, prefix: []) { key, value in
            all.append((key, value))
            return true
        }
        #expect(!all.isEmpty, "\(family) is empty")
        return Set([0, all.count / 2, all.count - 1]).filter { all.indices.contains($0) }
            .map { all[$0] }
    }

    /// Without it, and with its last byte changed.
    private static func changes(of value: Bytes) -> [Bytes?] {
        guard let last = value.last else { return [nil] }
        return [nil, value.dropLast() + [last ^ 1]]
    }

    private func write(
        _ database: Database, _ family: Family, _ key: Bytes, _ value: Bytes?
    ) throws {
        var batch = WriteBatch(for: database)
        if let value { batch.put(family, key, value) } else { batch.delete(family, key) }
        try database.write(batch, durability: .buffered)
    }

    @Test func `entries that belong to nothing are found`() async throws {
        let test = try await someChain()
        let database = test.chain.database
        let extra: [(Family, Bytes)] = [
            (.canonical, Bytes(bigEndian: 99)), (.transactions, Bytes(repeating: 7, count: 32)),
            (.logIndex, Bytes(repeating: 1, count: 41)),
            (.accountHistory, Bytes(repeating: 7, count: 40)),
            (.storageHistory, Bytes(repeating: 7, count: 72)),
            (.changes, Bytes(bigEndian: 0)), (.changes, Bytes(bigEndian: 99)),
            (.storage, Bytes(repeating: 7, count: 64)), (.storage, Bytes(repeating: 0, count: 64)),
        ]
        for (family, key) in extra {
            try write(database, family, key, Bytes(repeating: 0, count: 32))
            await #expect(throws: (any Error).self, "\(family)") {
                try await self.verify(Self.reopened(test))
            }
            try write(database, family, key, nil)
        }
    }

    @Test func `a checkpoint holds the chain up to its head, and goes on by itself`() async throws {
        let test = try await someChain()
        let path = test.directory.path + "/copy"
        let head = try await test.chain.checkpoint(to: path)
        try await test.produce()
        let copy = try Blockchain.open(
            database: Database(DatabaseOptions(path: path, cacheBytes: 8 << 20)), genesis: nil)
        #expect(copy.head.hash == head.hash)
        #expect(try await verify(copy).blocks == 9)
        await #expect(throws: ChainError.self) { try await test.chain.checkpoint(to: path) }
    }
}
