import Foundation
import Primitives
import Storage
import TestSupport
import Testing
import Trie

/// Bringing a database from one layout to the next.
@Suite struct MigrationTests {
    let directory = try? TemporaryDirectory()

    private func open(_ layout: Layout) throws -> Database {
        let path = try #require(directory).path + "/chain"
        return try Database(DatabaseOptions(path: path, cacheBytes: 8 << 20), layout: layout)
    }

    /// A database of version 1 with some entries in one family.
    private func fill() throws {
        let database = try open(Layout(version: 1, migrations: []))
        var batch = WriteBatch(for: database)
        for key in 0..<10 as Range<UInt8> { batch.put(.code, [key], [key]) }
        try database.write(batch, durability: .buffered)
    }

    /// Adds 100 to every value, three entries a part; fails where it is told to.
    private static func addition(failingAt stop: UInt8? = nil) -> Migration {
        Migration(to: 2) { (snapshot, position, batch) throws(StorageError) in
            var count = 0
            var next: Bytes?
            let cursor = snapshot.cursor(.code)
            try cursor.seek(position)
            while cursor.isValid {
                let key = cursor.key
                if count == 3 {
                    next = key
                    break
                }
                if key == stop.map({ [$0] }) { throw .inputOutput("as if the process ended") }
                batch.put(.code, key, [(cursor.value.first ?? 0) &+ 100])
                count += 1
                try cursor.advance()
            }
            return next
        }
    }

    private func values(_ database: Database) throws -> [UInt8] {
        var values: [UInt8] = []
        try database.snapshot().forEach(.code, prefix: []) { _, value in
            values += value
            return true
        }
        return values
    }

    private static let expected = (0..<10 as Range<UInt8>).map { $0 + 100 }

    @Test func `an older database is brought to the present version, once`() throws {
        try fill()
        let layout = Layout(version: 2, migrations: [Self.addition()])
        #expect(try values(open(layout)) == Self.expected)
        #expect(try values(open(layout)) == Self.expected)
    }

    @Test(arguments: 0..<10 as Range<UInt8>)
    func `a migration that stopped anywhere goes on from there`(stop: UInt8) throws {
        try fill()
        #expect(throws: StorageError.self) {
            try open(Layout(version: 2, migrations: [Self.addition(failingAt: stop)]))
        }
        // The first batch names the new version: from then on the old program is refused.
        if stop >= 3 {
            #expect(throws: StorageError.newerSchema(found: 2, supported: 1)) {
                try open(Layout(version: 1, migrations: []))
            }
        }
        let layout = Layout(version: 2, migrations: [Self.addition()])
        #expect(try values(open(layout)) == Self.expected)
    }

    @Test func `steps follow one another, and what is begun comes before what is next`() throws {
        try fill()
        let doubling = Migration(to: 3) { (snapshot, _, batch) throws(StorageError) in
            try snapshot.forEach(.code, prefix: []) { (key, value) throws(StorageError) in
                batch.put(.code, key, value + value)
                return true
            }
            return nil
        }
        #expect(throws: StorageError.self) {
            try open(
                Layout(version: 3, migrations: [Self.addition(failingAt: 5), doubling]))
        }
        let database = try open(Layout(version: 3, migrations: [Self.addition(), doubling]))
        #expect(try values(database) == Self.expected.flatMap { [$0, $0] })
    }

    @Test func `a version that no step leads to is refused`() throws {
        try fill()
        #expect(throws: StorageError.corrupted("no step leads to schema 2")) {
            try open(Layout(version: 2, migrations: []))
        }
    }

    private typealias Contents = [Family: [Bytes: Bytes]]

    /// Makes a chain in a database of the present version, and turns it into one of an older version.
    ///
    /// - Returns: what the database holds when it is brought to the present one.
    private func makeOlder(
        _ version: UInt64, _ change: (inout Contents, inout WriteBatch) throws -> Void
    ) throws -> Contents {
        let database = try open(.current)
        let chain = try StateChain(database, random: SeededRandom(seed: 5))
        for _ in 0..<10 { try chain.extend() }
        var expected = try contents(of: database)
        var batch = WriteBatch(for: database)
        try change(&expected, &batch)
        batch.put(.meta, MetaItem.schema.key, Bytes(bigEndian: version))
        try database.write(batch, durability: .buffered)
        return expected
    }

    /// Opens an older database, and tells how far its steps were reported to be.
    private func migrate() throws -> (database: Database, fractions: [UInt64: [Double]]) {
        var fractions: [UInt64: [Double]] = [:]
        let path = try #require(directory).path + "/chain"
        let database = try Database(DatabaseOptions(path: path, cacheBytes: 8 << 20)) {
            fractions[$0, default: []].append($1)
        }
        return (database, fractions)
    }

    /// Version 1 kept the leaves of the tries as well.
    @Test func `the leaves of an older database go, and nothing else`() throws {
        let expected = try makeOlder(1) { expected, batch in
            for hash in try #require(expected[.accounts]).keys.compactMap({ Hash256($0) }) {
                let path = NibblePath(hash)
                let leaf = MerkleTrie.encodedLeaf(
                    path.dropFirst(20), Bytes(repeating: 1, count: 40))
                batch.put(.accountTrie, path.prefix(20).storageKey, leaf)
            }
            // More than one part.
            var random = SeededRandom(seed: 6)
            for _ in 0..<10_000 {
                let leaf = MerkleTrie.encodedLeaf(NibblePath(random.hash()), [1])
                batch.put(.storageTrie, NibblePath(random.hash()).storageKey, leaf)
            }
        }
        let (database, reported) = try migrate()
        #expect(try contents(of: database) == expected)
        #expect(reported.keys.allSatisfy { $0 == 2 || $0 == 3 })
        let fractions = try #require(reported[2])
        #expect(fractions.count >= 3)
        #expect(fractions == fractions.sorted())
        #expect(fractions.allSatisfy { 0 < $0 && $0 < 1 })
    }

    /// Version 2 had all nodes of the account trie in one family.
    @Test func `the deep nodes of an older database move to the accounts`() throws {
        let expected = try makeOlder(2) { expected, batch in
            var deep = try #require(expected[.accounts]).filter { $0.key.count != 32 }
            #expect(!deep.isEmpty)
            // More than one part.
            var random = SeededRandom(seed: 6)
            for _ in 0..<10_000 {
                let path = NibblePath(random.hash()).prefix(5 + random.index(below: 56))
                deep[path.storageKey] = Bytes(random.hash().bytes)
            }
            expected[.accounts]?.merge(deep) { $1 }
            for (key, node) in deep {
                batch.put(.accountTrie, key, node)
                batch.delete(.accounts, key)
            }
        }
        let (database, reported) = try migrate()
        #expect(try contents(of: database) == expected)
        #expect(Array(reported.keys) == [3])
        let fractions = try #require(reported[3])
        #expect(fractions.count >= 2)
        #expect(fractions == fractions.sorted())
    }

    @Test func `the present layout has a step from every earlier version`() {
        let versions = Layout.current.migrations.map(\.version)
        #expect(versions == (1..<Layout.current.version).map { $0 + 1 })
    }
}
