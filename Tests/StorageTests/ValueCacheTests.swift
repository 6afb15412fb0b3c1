import Foundation
import Primitives
import Storage
import Synchronization
import TestSupport
import Testing

/// What is read through the cache must be what RocksDB has: a cursor goes past the cache, so the two
/// can be compared.
@Suite struct ValueCacheTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func open(valueCacheBytes: Int) throws -> Database {
        try Database(
            DatabaseOptions(
                path: directory.path + "/chain", cacheBytes: 8 << 20,
                valueCacheBytes: valueCacheBytes, writeBufferBytes: 8 << 20))
    }

    private let families: [Family] = [
        .accounts, .storage, .code, .accountTrie, .storageTrie, .logIndex, .accountHistory,
        .changes,
    ]

    private func compare(
        _ snapshot: Snapshot, _ expected: [Family: [Bytes: Bytes]], _ keys: Set<Bytes>
    ) throws {
        for family in families {
            for key in keys {
                #expect(try snapshot.value(family, key) == expected[family]?[key])
            }
        }
    }

    /// Room for everything, and for so little that most of it is overwritten all the time.
    @Test(arguments: [8 << 20, 1 << 16])
    func `every snapshot reads its own state, however the chain went on`(bytes: Int) throws {
        let database = try open(valueCacheBytes: bytes)
        var random = SeededRandom(seed: 11)
        let chain = try StateChain(database, random: random)
        var kept: [(snapshot: Snapshot, contents: [Family: [Bytes: Bytes]])] = []
        var keys: Set<Bytes> = []
        for step in 0..<40 {
            if chain.head > 4, Int.random(in: 0..<6, using: &random) == 0 {
                try chain.rollBack(to: chain.head - .random(in: 1...3, using: &random))
            } else {
                try chain.extend()
            }
            if step % 10 == 9 { try chain.prune(before: chain.head - 2, limit: 1000) }
            let contents = try contents(of: database)
            for family in families { keys.formUnion((contents[family] ?? [:]).keys) }
            kept.append((database.snapshot(), contents))
            if kept.count > 6 { kept.remove(at: .random(in: 0..<kept.count, using: &random)) }
            for (snapshot, contents) in kept { try compare(snapshot, contents, keys) }
        }
        // What the cache says about the last state is what a restart reads from the disk.
        #expect(try chain.world.verify(root: chain.headers[Int(chain.head)].stateRoot).accounts > 0)
    }

    @Test func `keys and values of all sizes are kept, changed and removed`() throws {
        let database = try open(valueCacheBytes: 1 << 18)
        var random = SeededRandom(seed: 12)
        var model: [Bytes: Bytes] = [:]
        let keys = [[]] + (0..<200).map { _ in random.bytes(random.index(below: 70)) }
        for _ in 0..<200 {
            var batch = WriteBatch(for: database)
            for _ in 0..<20 {
                let key = keys.randomElement(using: &random) ?? []
                if Int.random(in: 0..<4, using: &random) == 0 {
                    batch.delete(.storageTrie, key)
                    model[key] = nil
                } else {
                    // Also values that are too large for the cache.
                    let limit = random.index(below: 50) == 0 ? 20_000 : 600
                    let value = random.bytes(random.index(below: limit))
                    batch.put(.storageTrie, key, value)
                    model[key] = value
                }
            }
            try database.write(batch, durability: .buffered)
            let snapshot = database.snapshot()
            for _ in 0..<50 {
                let key = keys.randomElement(using: &random) ?? []
                #expect(try snapshot.value(.storageTrie, key) == model[key])
            }
        }
        let snapshot = database.snapshot()
        for key in keys { #expect(try snapshot.value(.storageTrie, key) == model[key]) }
    }

    @Test func `readers see whole batches while others are written`() throws {
        let database = try open(valueCacheBytes: 1 << 18)
        let keys = (0..<40).map { Bytes([UInt8($0), 7]) }
        @Sendable func write(_ number: UInt64) throws {
            var batch = WriteBatch(for: database)
            for key in keys { batch.put(.storage, key, Bytes(bigEndian: number)) }
            try database.write(batch, durability: .buffered)
        }
        try write(0)
        let isDone = Atomic(false)
        let mixed = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 3) { index in
            if index == 0 {
                for number in 1...2000 { try? write(UInt64(number)) }
                isDone.store(true, ordering: .releasing)
                return
            }
            while !isDone.load(ordering: .acquiring) {
                let snapshot = database.snapshot()
                let values = Set(keys.map { try? snapshot.value(.storage, $0) })
                if values.count != 1 { mixed.withLock { $0 += 1 } }
            }
        }
        #expect(mixed.withLock { $0 } == 0)
        #expect(try database.snapshot().value(.storage, keys[0]) == Bytes(bigEndian: UInt64(2000)))
    }

    @Test func `the cache begins anew with the database`() throws {
        do {
            let database = try open(valueCacheBytes: 1 << 20)
            var batch = WriteBatch(for: database)
            batch.put(.code, [1], [2])
            try database.write(batch, durability: .synced)
            #expect(try database.snapshot().value(.code, [1]) == [2])
        }
        let database = try open(valueCacheBytes: 1 << 20)
        #expect(try database.snapshot().value(.code, [1]) == [2])
        #expect(try database.snapshot().value(.code, [2]) == nil)
    }
}
