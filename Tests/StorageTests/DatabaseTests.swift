import Foundation
import Primitives
import Storage
import TestSupport
import Testing

@Suite struct DatabaseTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func open(_ name: String = "chain") throws -> Database {
        try Database(DatabaseOptions(path: directory.path + "/" + name, cacheBytes: 8 << 20))
    }

    private func put(_ database: Database, _ family: Family, _ key: Bytes, _ value: Bytes) throws {
        var batch = WriteBatch(for: database)
        batch.put(family, key, value)
        try database.write(batch, durability: .buffered)
    }

    @Test func `a value is there after reopening`() throws {
        do {
            let database = try open()
            try put(database, .headers, [1, 2], [3])
            try put(database, .headers, [], [])
        }
        let snapshot = try open().snapshot()
        #expect(try snapshot.value(.headers, [1, 2]) == [3])
        #expect(try snapshot.value(.headers, []) == [])
        #expect(try snapshot.value(.bodies, [1, 2]) == nil)
        #expect(try snapshot.contains(.headers, [1, 2]))
        #expect(try !snapshot.contains(.headers, [1]))
    }

    @Test func `a database tells whether its disk has more room than the reserve`() throws {
        let free = try #require(freeBytes(onFileSystemOf: directory.path))
        #expect(free > 0)
        #expect(freeBytes(onFileSystemOf: directory.path + "/nowhere") == nil)
        for (reserve, hasRoom) in [(0, true), (1, true), (.max, false)] as [(UInt64, Bool)] {
            var options = DatabaseOptions(
                path: directory.path + "/\(reserve)", cacheBytes: 8 << 20)
            options.reserveBytes = reserve
            let database = try Database(options)
            if hasRoom {
                try database.checkRoom()
            } else {
                #expect(throws: StorageError.lowDisk(path: options.path, reserve: reserve)) {
                    try database.checkRoom()
                }
            }
        }
    }

    @Test func `small entries in many families stay in the write buffers`() throws {
        var options = DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20)
        options.writeBufferBytes = 8 << 20
        options.pluginFamilies = (0..<16).map {
            PluginFamily(plugin: "many", family: "family\($0)", access: .ordered)
        }
        let database = try Database(options)
        let columns = options.pluginFamilies.compactMap(database.column)
        #expect(columns.count == 16)
        for index in UInt8(0)..<200 {
            var batch = WriteBatch(for: database)
            for family in Family.allCases { batch.put(family, [index], [1]) }
            for column in columns { batch.put(column, [index], [1]) }
            try database.write(batch, durability: .buffered)
        }
        // A buffer that is written makes a table file and begins a new log.
        let files = try FileManager.default.contentsOfDirectory(atPath: options.path)
        #expect(files.filter { $0.hasSuffix(".sst") } == [])
        #expect(files.filter { $0.hasSuffix(".log") }.count == 1)
    }

    @Test func `a snapshot does not see later writes`() throws {
        let database = try open()
        try put(database, .accounts, [1], [1])
        let before = database.snapshot()
        var batch = WriteBatch(for: database)
        batch.put(.accounts, [1], [2])
        batch.put(.accounts, [2], [2])
        try database.write(batch, durability: .synced)
        #expect(try before.value(.accounts, [1]) == [1])
        #expect(try before.value(.accounts, [2]) == nil)
        #expect(try database.snapshot().value(.accounts, [1]) == [2])
    }

    @Test func `a batch that is not written changes nothing`() throws {
        let database = try open()
        var batch = WriteBatch(for: database)
        batch.put(.code, [1], [1])
        #expect(batch.count == 1)
        #expect(try database.snapshot().value(.code, [1]) == nil)
    }

    /// A family that goes through the cache, and one that does not.
    @Test(arguments: [Family.accounts, .receipts])
    func `a readable batch shows what the database would be with it`(family: Family) throws {
        let database = try open()
        var random = SeededRandom(seed: 31)
        var stored: [Bytes: Bytes] = [:]
        let keys = (0..<20 as Range<UInt8>).map { [$0] }
        for round in 0..<50 {
            var batch = WriteBatch(readableOver: database.snapshot())
            var model = stored
            for _ in 0..<30 {
                let key = keys[random.index(below: keys.count)]
                if random.index(below: 3) == 0 {
                    batch.delete(family, key)
                    model[key] = nil
                } else {
                    let value = random.bytes(random.index(below: 9))
                    batch.put(family, key, value)
                    model[key] = value
                }
                let asked = keys[random.index(below: keys.count)]
                #expect(try batch.view.value(family, asked) == model[asked])
                #expect(try batch.view.contains(family, asked) == (model[asked] != nil))
            }
            // Every other one is thrown away.
            guard round % 2 == 0 else { continue }
            try database.write(batch, durability: .buffered)
            stored = model
        }
        for key in keys { #expect(try database.snapshot().value(family, key) == stored[key]) }
    }

    @Test func `a snapshot keeps the database open after its last other reference is gone`() throws
    {
        var database: Database? = try open()
        try put(try #require(database), .code, [1], [1])
        let snapshot = try #require(database).snapshot()
        database = nil
        #expect(try snapshot.value(.code, [1]) == [1])
    }

    @Test func `a prefix is walked in order and no further`() throws {
        let database = try open()
        for key in [[1, 2], [1], [2], [1, 1], [0xff, 0xff], [0, 9]] as [Bytes] {
            try put(database, .storage, key, key)
        }
        let snapshot = database.snapshot()
        func keys(_ prefix: Bytes) throws -> [Bytes] {
            var keys: [Bytes] = []
            try snapshot.forEach(.storage, prefix: prefix) { key, _ in
                keys.append(key)
                return true
            }
            return keys
        }
        #expect(try keys([1]) == [[1], [1, 1], [1, 2]])
        #expect(try keys([0xff]) == [[0xff, 0xff]])
        #expect(try keys([3]) == [])
        #expect(try keys([]).count == 6)
    }

    @Test func `the first entry of a prefix is found within it only`() throws {
        let database = try open()
        let one = Bytes(repeating: 1, count: 32)
        let two = Bytes(repeating: 2, count: 32)
        for number: UInt64 in [5, 9] {
            try put(database, .accountHistory, one + Bytes(bigEndian: number), [UInt8(number)])
        }
        try put(database, .accountHistory, two + Bytes(bigEndian: 1), [1])
        let snapshot = database.snapshot()
        func value(from number: UInt64) throws -> Bytes? {
            try snapshot.firstEntry(.accountHistory, from: one + Bytes(bigEndian: number))?.value
        }
        #expect(try value(from: 0) == [5])
        #expect(try value(from: 5) == [5])
        #expect(try value(from: 6) == [9])
        #expect(try value(from: 10) == nil)
    }

    @Test func `a directory with other files is refused and left alone`() throws {
        let path = directory.path + "/photos"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try Data("x".utf8).write(to: URL(fileURLWithPath: path + "/cat.jpg"))
        #expect(throws: StorageError.foreignDirectory(path)) { try open("photos") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["cat.jpg"])
    }

    @Test func `a second opening is refused while the first lasts`() throws {
        let first = try open()
        #expect {
            try open()
        } throws: { error in
            if case .locked = error as? StorageError { true } else { false }
        }
        withExtendedLifetime(first) {}
    }

    @Test func `a newer schema is refused`() throws {
        try put(try open(), .meta, MetaItem.schema.key, Bytes(bigEndian: 99))
        #expect(throws: StorageError.newerSchema(found: 99, supported: Layout.current.version)) {
            try open()
        }
    }

    @Test func `data without a schema is refused`() throws {
        do {
            let database = try open()
            var batch = WriteBatch(for: database)
            batch.delete(.meta, MetaItem.schema.key)
            batch.put(.code, [1], [1])
            try database.write(batch, durability: .synced)
        }
        #expect(throws: StorageError.foreignDirectory(directory.path + "/chain")) { try open() }
    }

    @Test func `a damaged table is an error, not a wrong value`() throws {
        let path = directory.path + "/chain"
        do {
            let database = try open()
            for index: UInt64 in 0..<2000 {
                try put(database, .code, Bytes(bigEndian: index), Bytes(repeating: 7, count: 100))
            }
            database.compact(.code)
        }
        let table = try #require(
            FileManager.default.contentsOfDirectory(atPath: path)
                .filter { $0.hasSuffix(".sst") }
                .max { left, right in
                    let sizes = [left, right].map {
                        (try? Data(contentsOf: URL(fileURLWithPath: path + "/" + $0)).count) ?? 0
                    }
                    return sizes[0] < sizes[1]
                })
        let url = URL(fileURLWithPath: path + "/" + table)
        var bytes = try Data(contentsOf: url)
        for offset in 100..<200 { bytes[offset] ^= 0x55 }
        try bytes.write(to: url)
        #expect {
            let snapshot = try open().snapshot()
            for index: UInt64 in 0..<2000 {
                let value = try snapshot.value(.code, Bytes(bigEndian: index))
                #expect(value == Bytes(repeating: 7, count: 100))
            }
        } throws: { error in
            if case .corrupted = error as? StorageError { true } else { false }
        }
    }

    @Test func `a checkpoint is a database of its own`() throws {
        let database = try open()
        try put(database, .code, [1], [1])
        try database.checkpoint(to: directory.path + "/copy")
        try put(database, .code, [1], [2])
        #expect(try open("copy").snapshot().value(.code, [1]) == [1])
        #expect(throws: StorageError.self) {
            try database.checkpoint(to: directory.path + "/copy")
        }
    }

    @Test func `statistics count what is held`() throws {
        let database = try open()
        try put(database, .code, [1], Bytes(repeating: 1, count: 100_000))
        #expect(database.statistics.writeBufferBytes > 100_000)
        #expect(database.property("rocksdb.stats", of: .code) != nil)
        #expect(database.property("no.such.property", of: .code) == nil)
    }

    // MARK: - Families of plugins

    @Test func `a plugin's families are made, kept without the plugin, and emptied`() throws {
        let first = PluginFamily(plugin: "a", family: "first", access: .point)
        let second = PluginFamily(plugin: "a", family: "second", access: .ordered)
        func open(_ families: [PluginFamily]) throws -> Database {
            var options = DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20)
            options.pluginFamilies = families
            return try Database(options)
        }
        do {
            let database = try open([first, second])
            var batch = WriteBatch(for: database)
            batch.put(try #require(database.column(first)), [1], [1])
            for key in 1...3 as ClosedRange<UInt8> {
                batch.put(try #require(database.column(second)), [key], [key])
            }
            batch.delete(try #require(database.column(second)), [2])
            try database.write(batch, durability: .buffered)
        }
        do {
            let database = try open([])
            #expect(database.column(first) == nil)
            #expect(Set(database.orphanedFamilies) == ["plugin.a.first", "plugin.a.second"])
        }
        let database = try open([second, first])
        let column = try #require(database.column(second))
        let cursor = database.snapshot().cursor(column)
        try cursor.seekBackwards([2])
        var keys = [cursor.key]
        try cursor.advance()
        keys.append(cursor.key)
        try cursor.retreat()
        try cursor.retreat()
        let isValid = cursor.isValid
        #expect(keys == [[1], [3]])
        #expect(!isValid)
        #expect(try database.snapshot().value(#require(database.column(first)), [1]) == [1])
        try database.clear(column)
        #expect(try database.snapshot().value(column, [1]) == nil)
        #expect(try database.snapshot().value(#require(database.column(first)), [1]) == [1])
    }
}
