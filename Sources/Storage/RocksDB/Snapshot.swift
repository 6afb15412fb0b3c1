import CRocksDB
public import Primitives

/// The whole database as it was at one moment. Any number of threads may read it.
///
/// A snapshot costs about a microsecond to take, but what it can see cannot be compacted away:
/// hold one for as long as a request, not for as long as a process.
public final class Snapshot: @unchecked Sendable {
    // SAFETY: the handles are set once and released only when nobody holds the object any more;
    // RocksDB reads them without changing them. A snapshot with changes on top belongs to the
    // thread that makes these.

    /// The database.
    public let database: Database
    /// The snapshot that the changes are on top of, which owns the handles.
    private let base: Snapshot?
    fileprivate let changes: ReadableChanges?
    private let handle: OpaquePointer
    private let readOptions: OpaquePointer
    private let prefixOptions: OpaquePointer
    /// The moment of the cache that this is; `nil` if there is none.
    private let moment: UInt64?

    init(of database: Database) {
        self.database = database
        base = nil
        changes = nil
        let moment = database.cache.settledMoment
        handle = rocksdb_create_snapshot(database.handle)
        // Only what was settled before and after is the same in the cache and in the snapshot.
        self.moment = moment == database.cache.settledMoment ? moment : nil
        readOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_snapshot(readOptions, handle)
        rocksdb_readoptions_set_total_order_seek(readOptions, 1)
        prefixOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_snapshot(prefixOptions, handle)
        rocksdb_readoptions_set_prefix_same_as_start(prefixOptions, 1)
    }

    /// A snapshot with changes on top that are not written yet.
    init(_ base: Snapshot, with changes: ReadableChanges) {
        precondition(base.changes == nil, "changes are over a snapshot of the database itself")
        database = base.database
        self.base = base
        self.changes = changes
        handle = base.handle
        readOptions = base.readOptions
        prefixOptions = base.prefixOptions
        // The cache knows nothing of changes that are not written.
        moment = nil
    }

    deinit {
        guard base == nil else { return }
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_readoptions_destroy(prefixOptions)
        rocksdb_release_snapshot(database.handle, handle)
    }

    /// The value under a key, copied; `nil` if there is none.
    public func value(_ family: Family, _ key: Bytes) throws(StorageError) -> Bytes? {
        if let base, let changes {
            if let value = try changes.value(database[family], key) { return value }
            return changes.hasDeleted(family, key) ? nil : try base.value(family, key)
        }
        guard family.isCached(key), let moment else { return try value(in: database[family], key) }
        if let known = database.cache.value(family, key, at: moment) { return known }
        let value = try value(in: database[family], key)
        database.cache.keep(family, key, value, at: moment)
        return value
    }

    /// The value under a key of a plugin's family, copied; `nil` if there is none.
    public func value(_ column: PluginColumn, _ key: Bytes) throws(StorageError) -> Bytes? {
        try value(in: database[column], key)
    }

    /// The value under a key, from RocksDB.
    private func value(
        in family: OpaquePointer, _ key: Bytes
    ) throws(StorageError) -> Bytes? {
        if let changes { return try value(in: family, key, with: changes) }
        guard let slice = try pinned(family, key) else { return nil }
        defer { rocksdb_pinnableslice_destroy(slice) }
        var count = 0
        guard let start = rocksdb_pinnableslice_value(slice, &count) else { return [] }
        // SAFETY: RocksDB lends `count` bytes until the slice is destroyed.
        return Bytes(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Whether a key has a value.
    public func contains(_ family: Family, _ key: Bytes) throws(StorageError) -> Bool {
        if changes != nil { return try value(family, key) != nil }
        guard let slice = try pinned(database[family], key) else { return false }
        rocksdb_pinnableslice_destroy(slice)
        return true
    }

    /// The value under a key where changes on top decide first.
    private func value(
        in family: OpaquePointer, _ key: Bytes, with changes: ReadableChanges
    ) throws(StorageError) -> Bytes? {
        try key.withCPointer { (keyStart, keyCount) throws(StorageError) in
            var count = 0
            let start = try check {
                rocksdb_writebatch_wi_get_from_batch_and_db_cf(
                    changes.handle, database.handle, readOptions, family, keyStart, keyCount,
                    &count, $0)
            }
            guard let start else { return nil }
            defer { rocksdb_free(start) }
            // SAFETY: RocksDB gives `count` bytes that are ours until they are freed.
            return Bytes(UnsafeRawBufferPointer(start: start, count: count))
        }
    }

    /// The first entry at or after a key, within the family's prefix of that key.
    ///
    /// Only for families with ``Family/Access/prefix(_:)``: where the prefix does not occur the
    /// filter answers without a search.
    package func firstEntry(
        _ family: Family, from key: Bytes
    ) throws(StorageError) -> (key: Bytes, value: Bytes)? {
        // Changes on top know nothing of prefixes: there the whole order is read.
        let cursor = Cursor(
            self, database[family], options: changes == nil ? prefixOptions : readOptions)
        try cursor.seek(key)
        guard cursor.isValid else { return nil }
        let found = cursor.key
        if changes != nil, case .prefix(let count) = family.access,
            !found.starts(with: key.prefix(count))
        {
            return nil
        }
        return (found, cursor.value)
    }

    /// A cursor over a whole family, in the order of the keys. Where changes are on top, none may
    /// be made while it is in use.
    public func cursor(_ family: Family) -> Cursor {
        Cursor(self, database[family], options: readOptions)
    }

    /// A cursor over a plugin's family, in the order of the keys.
    public func cursor(_ column: PluginColumn) -> Cursor {
        Cursor(self, database[column], options: readOptions)
    }

    /// Calls a function with every entry whose key begins with a prefix, in the order of the keys,
    /// until it returns `false`.
    public func forEach(
        _ family: Family, prefix: Bytes,
        _ body: (_ key: Bytes, _ value: Bytes) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let cursor = cursor(family)
        try cursor.seek(prefix)
        while cursor.isValid {
            let key = cursor.key
            guard key.starts(with: prefix), try body(key, cursor.value) else { return }
            try cursor.advance()
        }
    }

    private func pinned(
        _ family: OpaquePointer, _ key: Bytes
    ) throws(StorageError) -> OpaquePointer? {
        try key.withCPointer { (start, count) throws(StorageError) in
            try check {
                rocksdb_get_pinned_cf(
                    database.handle, readOptions, family, start, count, $0)
            }
        }
    }
}

/// A position in a family, in a snapshot. Not for several threads at once.
public struct Cursor: ~Copyable {
    private let snapshot: Snapshot
    private let handle: OpaquePointer

    fileprivate init(_ snapshot: Snapshot, _ family: OpaquePointer, options: OpaquePointer) {
        self.snapshot = snapshot
        let stored: OpaquePointer = rocksdb_create_iterator_cf(
            snapshot.database.handle, options, family)
        // The combined iterator owns the one below.
        handle =
            snapshot.changes.map {
                rocksdb_writebatch_wi_create_iterator_with_base_cf($0.handle, stored, family)
            } ?? stored
    }

    deinit {
        rocksdb_iter_destroy(handle)
    }

    /// Whether the cursor stands on an entry.
    public var isValid: Bool {
        rocksdb_iter_valid(handle) != 0
    }

    /// Goes to the first entry at or after a key.
    public func seek(_ key: Bytes) throws(StorageError) {
        key.withCPointer { rocksdb_iter_seek(handle, $0, $1) }
        try checkStatus()
    }

    /// Goes to the last entry at or before a key.
    public func seekBackwards(_ key: Bytes) throws(StorageError) {
        key.withCPointer { rocksdb_iter_seek_for_prev(handle, $0, $1) }
        try checkStatus()
    }

    /// Goes to the entry before. The cursor must stand on one.
    public func retreat() throws(StorageError) {
        precondition(isValid, "a cursor retreats only from an entry")
        rocksdb_iter_prev(handle)
        try checkStatus()
    }

    /// Goes to the next entry. The cursor must stand on one.
    public func advance() throws(StorageError) {
        precondition(isValid, "a cursor advances only from an entry")
        rocksdb_iter_next(handle)
        try checkStatus()
    }

    /// Goes on to the next entry whose key has so many bytes, if it does not stand on one.
    func skip(toKeysOf keyCount: Int) throws(StorageError) {
        while isValid {
            var count = 0
            _ = rocksdb_iter_key(handle, &count)
            guard count != keyCount else { return }
            try advance()
        }
    }

    /// The key of the entry. The cursor must stand on one.
    public var key: Bytes {
        precondition(isValid, "a cursor has a key only on an entry")
        var count = 0
        guard let start = rocksdb_iter_key(handle, &count) else { return [] }
        // SAFETY: RocksDB lends `count` bytes until the cursor moves.
        return Bytes(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// The value of the entry. The cursor must stand on one.
    public var value: Bytes {
        precondition(isValid, "a cursor has a value only on an entry")
        var count = 0
        guard let start = rocksdb_iter_value(handle, &count) else { return [] }
        // SAFETY: RocksDB lends `count` bytes until the cursor moves.
        return Bytes(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// A cursor that stops because of an error is not at the end.
    private func checkStatus() throws(StorageError) {
        if !isValid {
            try check { rocksdb_iter_get_error(handle, $0) }
        }
    }
}

extension Array where Element == UInt8 {
    /// Lends the bytes as C wants them; the pointer is never null.
    func withCPointer<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>, Int) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try span.withCPointer(body)
    }
}

extension Span where Element == UInt8 {
    /// Lends the bytes as C wants them; the pointer is never null.
    func withCPointer<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>, Int) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { (buffer) throws(Failure) in
            guard let start = buffer.baseAddress else {
                return try withUnsafePointer(to: CChar(0)) { (empty) throws(Failure) in
                    try body(empty, 0)
                }
            }
            // SAFETY: CChar and UInt8 have the same layout; the buffer outlives the call.
            return try body(
                UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), buffer.count)
        }
    }
}
