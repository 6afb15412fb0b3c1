import CRocksDB
public import Primitives

/// Changes to any number of families that happen together or not at all.
public struct WriteBatch: ~Copyable {
    let handle: OpaquePointer
    private let database: Database

    /// An empty batch for a database.
    public init(for database: Database) {
        self.database = database
        handle = rocksdb_writebatch_create()
    }

    deinit {
        rocksdb_writebatch_destroy(handle)
    }

    /// Sets the value under a key.
    public mutating func put(_ family: Family, _ key: Bytes, _ value: Bytes) {
        key.withCPointer { keyStart, keyCount in
            value.withCPointer { valueStart, valueCount in
                rocksdb_writebatch_put_cf(
                    handle, database[family], keyStart, keyCount, valueStart, valueCount)
            }
        }
    }

    /// Removes the value under a key, if there is one.
    public mutating func delete(_ family: Family, _ key: Bytes) {
        key.withCPointer { rocksdb_writebatch_delete_cf(handle, database[family], $0, $1) }
    }

    /// Sets the value under a key, or removes it.
    mutating func set(_ family: Family, _ key: Bytes, to value: Bytes?) {
        if let value {
            put(family, key, value)
        } else {
            delete(family, key)
        }
    }

    /// Sets the value under a key of a plugin's family.
    public mutating func put(_ column: PluginColumn, _ key: Bytes, _ value: Bytes) {
        key.withCPointer { keyStart, keyCount in
            value.withCPointer { valueStart, valueCount in
                rocksdb_writebatch_put_cf(
                    handle, database[column], keyStart, keyCount, valueStart, valueCount)
            }
        }
    }

    /// Removes the value under a key of a plugin's family, if there is one.
    public mutating func delete(_ column: PluginColumn, _ key: Bytes) {
        key.withCPointer { rocksdb_writebatch_delete_cf(handle, database[column], $0, $1) }
    }

    /// How many changes the batch has.
    public var count: Int {
        Int(rocksdb_writebatch_count(handle))
    }
}
