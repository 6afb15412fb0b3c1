import CRocksDB
public import Primitives

/// Changes to any number of families that happen together or not at all.
///
/// A plain batch is only written. A *readable* one also shows what the database would be with it:
/// ``view`` reads through the batch. So blocks that build on each other go into one batch.
public struct WriteBatch: ~Copyable {
    private enum Contents {
        case plain(OpaquePointer)
        case readable(ReadableChanges)
    }

    private let contents: Contents
    private let database: Database
    private let readable: Snapshot?
    /// What the cache must take over when the batch is written.
    private(set) var cachedChanges: [ValueChange] = []

    /// An empty batch for a database.
    public init(for database: Database) {
        self.database = database
        contents = .plain(rocksdb_writebatch_create())
        readable = nil
    }

    /// An empty batch that can be read while it is filled.
    public init(readableOver snapshot: Snapshot) {
        let changes = ReadableChanges()
        database = snapshot.database
        contents = .readable(changes)
        readable = Snapshot(snapshot, with: changes)
    }

    /// The snapshot that a readable batch is over, with the changes so far and those to come. It
    /// belongs to the thread that fills the batch.
    public var view: Snapshot {
        guard let readable else { preconditionFailure("a plain batch cannot be read") }
        return readable
    }

    deinit {
        switch contents {
        case .plain(let handle): rocksdb_writebatch_destroy(handle)
        case .readable: break
        }
    }

    /// Sets the value under a key.
    public mutating func put(_ family: Family, _ key: Bytes, _ value: Bytes) {
        if family.isCached(key) {
            cachedChanges.append(ValueChange(family: family, key: key, value: value))
        }
        put(in: database[family], key, value.span)
    }

    /// Sets the value under a key to a part of an array.
    mutating func put(_ family: Family, _ key: Bytes, _ value: ArraySlice<UInt8>) {
        if family.isCached(key) {
            // A copy: the cache must not keep the rest.
            cachedChanges.append(ValueChange(family: family, key: key, value: Bytes(value)))
        }
        put(in: database[family], key, value.span)
    }

    /// Removes the value under a key, if there is one.
    public mutating func delete(_ family: Family, _ key: Bytes) {
        if family.isCached(key) {
            cachedChanges.append(ValueChange(family: family, key: key, value: nil))
        }
        delete(in: database[family], key)
        if case .readable(let changes) = contents { changes.noteDeletion(family, key) }
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
        put(in: database[column], key, value.span)
    }

    /// Removes the value under a key of a plugin's family, if there is one.
    public mutating func delete(_ column: PluginColumn, _ key: Bytes) {
        delete(in: database[column], key)
    }

    private mutating func put(in family: OpaquePointer, _ key: Bytes, _ value: Span<UInt8>) {
        key.withCPointer { keyStart, keyCount in
            value.withCPointer { valueStart, valueCount in
                switch contents {
                case .plain(let handle):
                    rocksdb_writebatch_put_cf(
                        handle, family, keyStart, keyCount, valueStart, valueCount)
                case .readable(let changes):
                    rocksdb_writebatch_wi_put_cf(
                        changes.handle, family, keyStart, keyCount, valueStart, valueCount)
                }
            }
        }
    }

    private mutating func delete(in family: OpaquePointer, _ key: Bytes) {
        key.withCPointer { start, count in
            switch contents {
            case .plain(let handle): rocksdb_writebatch_delete_cf(handle, family, start, count)
            case .readable(let changes):
                rocksdb_writebatch_wi_delete_cf(changes.handle, family, start, count)
            }
        }
    }

    /// How many changes the batch has.
    public var count: Int {
        switch contents {
        case .plain(let handle): Int(rocksdb_writebatch_count(handle))
        case .readable(let changes): Int(rocksdb_writebatch_wi_count(changes.handle))
        }
    }

    /// Applies the changes to their database.
    func write(options: OpaquePointer) throws(StorageError) {
        try check { error in
            switch contents {
            case .plain(let handle): rocksdb_write(database.handle, options, handle, error)
            case .readable(let changes):
                rocksdb_write_writebatch_wi(database.handle, options, changes.handle, error)
            }
        }
    }
}

/// The changes of a readable batch, with an index over their keys.
final class ReadableChanges {
    let handle: OpaquePointer
    /// Asked for by RocksDB; says nothing here.
    private let options: OpaquePointer
    /// Keys of the core's families that were removed, whatever has become of them since: the batch does
    /// not tell a key that it removes from one that it does not have.
    private var deletions: [Family: Set<Bytes>] = [:]

    init() {
        // The index has one entry a key, the newest: iterators need it.
        handle = rocksdb_writebatch_wi_create(0, 1)
        options = rocksdb_options_create()
    }

    deinit {
        rocksdb_writebatch_wi_destroy(handle)
        rocksdb_options_destroy(options)
    }

    func noteDeletion(_ family: Family, _ key: Bytes) {
        deletions[family, default: []].insert(key)
    }

    /// Whether a key that has no value in the batch was removed by it.
    func hasDeleted(_ family: Family, _ key: Bytes) -> Bool {
        deletions[family]?.contains(key) ?? false
    }

    /// The value that the batch gives a key, copied; `nil` if it gives none.
    func value(_ family: OpaquePointer, _ key: Bytes) throws(StorageError) -> Bytes? {
        try key.withCPointer { (keyStart, keyCount) throws(StorageError) in
            var count = 0
            let start = try check {
                rocksdb_writebatch_wi_get_from_batch_cf(
                    handle, options, family, keyStart, keyCount, &count, $0)
            }
            guard let start else { return nil }
            defer { rocksdb_free(start) }
            // SAFETY: RocksDB gives `count` bytes that are ours until they are freed.
            return Bytes(UnsafeRawBufferPointer(start: start, count: count))
        }
    }
}
