import Primitives
import Storage
import TestSupport
import Testing

@Suite struct SmallStoresTests {
    let directory: TemporaryDirectory
    let database: Database

    init() throws {
        directory = try TemporaryDirectory()
        database = try Database(DatabaseOptions(path: directory.path + "/chain"))
    }

    @Test func `items are set, listed and removed together`() throws {
        let items = ItemStore(database)
        try items.set(["clock": [1], "snapshot.1": [2], "snapshot.2": [3]])
        #expect(try items.value("clock") == [1])
        #expect(try items.values(prefix: "snapshot.").map(\.name) == ["snapshot.1", "snapshot.2"])
        try items.set(["clock": nil, "snapshot.1": [9]])
        #expect(try items.value("clock") == nil)
        #expect(try items.value("snapshot.1") == [9])
    }

    @Test func `an item cannot take the place of the database's own`() throws {
        try ItemStore(database).set(["schema": [1], "head": [2]])
        #expect(try BlockStore(database.snapshot()).head() == nil)
        try Layout.current.check(database)
    }

    @Test func `the pool's transactions are put and removed together`() throws {
        let pool = PoolStore(database)
        let hashes = (1...3 as ClosedRange<UInt64>).map { Hash256(UInt256($0)) }
        try pool.apply(put: hashes.map { ($0, [UInt8($0.w3)]) }, remove: [])
        try pool.apply(put: [(hashes[0], [7])], remove: [hashes[1], .zero])
        let all = try pool.all()
        #expect(all.map(\.hash) == [hashes[0], hashes[2]])
        #expect(all.map(\.value) == [[7], [3]])
    }
}
