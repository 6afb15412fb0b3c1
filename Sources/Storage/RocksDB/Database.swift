import CRocksDB
import Glibc
import Primitives

/// The owner of a RocksDB directory and of every C handle that belongs to it.
///
/// Reads go through a ``Snapshot``, writes through a ``WriteBatch``; both keep the database alive,
/// and it closes when the last of them is gone. The order of destruction matters, and a library with
/// assertions, such as Debian's, ends the process over a wrong one: iterators and snapshots first, then
/// the column family handles, the database, and last the options and the cache that it used.
public final class Database: @unchecked Sendable {
    // SAFETY: the handles are set once, before the object is shared, and RocksDB's database and
    // column family handles may be used by any number of threads at once.
    let handle: OpaquePointer
    private let families: [OpaquePointer]
    /// RocksDB's own, those of `pluginFamilies` in their order, and what absent plugins left.
    private let otherFamilies: [OpaquePointer]
    private let otherNames: [String]
    private let pluginFamilies: [PluginFamily]
    private let resources: DatabaseResources
    let cache: ValueCache
    let accountTrie: KeptTrie
    let reserveBytes: UInt64
    private let bufferedWrite: OpaquePointer
    private let syncedWrite: OpaquePointer

    /// The directory of the database.
    public let path: String

    /// The version of the layout that an open database has.
    public static var schemaVersion: UInt64 { Layout.current.version }

    /// Opens the directory, or makes a new database in it.
    ///
    /// A database of an older layout is brought up to the present one.
    ///
    /// - Throws: `foreignDirectory` if something else is in it, `locked` if another process has
    ///   it open, `newerSchema` if a newer program wrote it.
    ///
    /// - Parameter report: is told how far an older database is on its way to the present layout.
    public convenience init(
        _ options: DatabaseOptions, report: MigrationReport = { _, _ in }
    ) throws(StorageError) {
        try self.init(options, layout: .current, report: report)
    }

    /// Opens the directory with another layout than the present one.
    package init(
        _ options: DatabaseOptions, layout: Layout, report: MigrationReport = { _, _ in }
    ) throws(StorageError) {
        path = options.path
        reserveBytes = options.reserveBytes
        try prepareDirectory(path)
        let resources = DatabaseResources(options)
        pluginFamilies = options.pluginFamilies
        let declared = pluginFamilies.map(\.name)
        let others =
            declared
            + (try Self.otherFamilyNames(path: path, options: resources.options)).filter {
                !declared.contains($0)
            }
        otherNames = others
        let names = ["default"] + Family.allCases.map(\.name) + others
        let familyOptions: [OpaquePointer?] =
            [resources.options] + Family.allCases.map { resources.familyOptions[$0.index] }
            + pluginFamilies.map { family in
                family.access == .ordered ? resources.orderedOptions : resources.options
            } + others.dropFirst(declared.count).map { _ in resources.options }
        var handles = [OpaquePointer?](repeating: nil, count: names.count)
        let cNames = names.map { strdup($0) }
        defer { cNames.forEach { free($0) } }
        let opened = try check { error in
            rocksdb_open_column_families(
                resources.options, options.path, Int32(names.count),
                cNames.map { UnsafePointer($0) }, familyOptions, &handles, error)
        }
        // SAFETY: RocksDB fills every handle when it reports no error.
        guard let opened, !handles.contains(nil) else { throw .refused("open gave no database") }
        Closing.stopAtExit()
        handle = opened
        let owned = handles.compactMap { $0 }
        otherFamilies = [owned[0]] + owned[(Family.allCases.count + 1)...]
        families = Array(owned[1...Family.allCases.count])
        self.resources = resources
        cache = ValueCache(byteCount: options.valueCacheBytes)
        accountTrie = KeptTrie(byteLimit: options.keptTrieBytes)
        bufferedWrite = rocksdb_writeoptions_create()
        syncedWrite = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(syncedWrite, 1)
        try layout.check(self, report: report)
    }

    deinit {
        Closing.whileProcessLives {
            close()
        }
    }

    private func close() {
        (families + otherFamilies).forEach { rocksdb_column_family_handle_destroy($0) }
        rocksdb_close(handle)
        rocksdb_writeoptions_destroy(bufferedWrite)
        rocksdb_writeoptions_destroy(syncedWrite)
    }

    /// The present content, which stays as it is however the database changes.
    public func snapshot() -> Snapshot {
        Snapshot(of: self)
    }

    /// Applies all of the batch, or after a crash or an error nothing of it.
    public func write(
        _ batch: borrowing WriteBatch, durability: WriteDurability
    ) throws(StorageError) {
        let options =
            switch durability {
            case .buffered: bufferedWrite
            case .synced: syncedWrite
            }
        if batch.cachedChanges.isEmpty {
            try batch.write(options: options)
        } else {
            try cache.write(batch.cachedChanges) { () throws(StorageError) in
                try batch.write(options: options)
            }
        }
    }

    /// Brings every buffered write to the disk.
    public func sync() throws(StorageError) {
        try check { rocksdb_flush_wal(handle, 1, $0) }
    }

    /// Removes everything but the schema's version and the families of plugins, for the next of many
    /// short chains in one database: to make a new database takes longer than most of these.
    public func removeAll() throws(StorageError) {
        let snapshot = snapshot()
        var batch = WriteBatch(for: self)
        for family in Family.allCases {
            try snapshot.forEach(family, prefix: []) { (key, _) throws(StorageError) in
                if family != .meta || key != MetaItem.schema.key { batch.delete(family, key) }
                return true
            }
        }
        try write(batch, durability: .buffered)
    }

    /// Makes a copy of the database as it is now in a directory that must not exist yet; on the
    /// same file system tables are linked, not copied.
    public func checkpoint(to path: String) throws(StorageError) {
        guard let checkpoint = try check({ rocksdb_checkpoint_object_create(handle, $0) }) else {
            throw .refused("no checkpoint object")
        }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }
        try check { rocksdb_checkpoint_create(checkpoint, path, 0, $0) }
    }

    /// The place of a plugin's family.
    ///
    /// - Returns: `nil` if the family was not declared when the database was opened.
    public func column(_ family: PluginFamily) -> PluginColumn? {
        pluginFamilies.firstIndex(of: family).map { PluginColumn(index: $0 + 1) }
    }

    /// The names on disk of families whose plugins are not there.
    public var orphanedFamilies: [String] {
        Array(otherNames.dropFirst(pluginFamilies.count))
    }

    /// Removes all entries of a plugin's family, for a rebuild.
    public func clear(_ column: PluginColumn) throws(StorageError) {
        let first: Bytes = []
        let last = Bytes(repeating: 0xff, count: 256)
        try first.withCPointer { (start, startCount) throws(StorageError) in
            try last.withCPointer { (end, endCount) throws(StorageError) in
                try check {
                    rocksdb_delete_range_cf(
                        handle, bufferedWrite, self[column], start, startCount, end, endCount, $0)
                }
            }
        }
        rocksdb_compact_range_cf(handle, self[column], nil, 0, nil, 0)
    }

    /// Removes all entries of the families that a plugin had and has no more.
    public func clearOrphans(of plugin: String) throws(StorageError) {
        let prefix = PluginFamily.prefix + plugin + "."
        for (index, name) in otherNames.enumerated().dropFirst(pluginFamilies.count)
        where name.hasPrefix(prefix) {
            try clear(PluginColumn(index: index + 1))
        }
    }

    /// Compacts a family, which drops what was overwritten or deleted.
    public func compact(_ family: Family) {
        rocksdb_compact_range_cf(handle, self[family], nil, 0, nil, 0)
    }

    /// A property of RocksDB as text, such as `rocksdb.stats`.
    public func property(_ name: String, of family: Family) -> String? {
        guard let text = rocksdb_property_value_cf(handle, self[family], name) else { return nil }
        defer { rocksdb_free(text) }
        return String(cString: text)
    }

    /// What the database holds, in bytes.
    public var statistics: DatabaseStatistics {
        func sum(_ property: String) -> UInt64 {
            (families + otherFamilies).reduce(0) { total, family in
                var value: UInt64 = 0
                _ = rocksdb_property_int_cf(handle, family, property, &value)
                return total &+ value
            }
        }
        return DatabaseStatistics(
            liveBytes: sum("rocksdb.estimate-live-data-size"),
            tableBytes: sum("rocksdb.total-sst-files-size"),
            writeBufferBytes: sum("rocksdb.cur-size-all-mem-tables"),
            cachedBytes: UInt64(rocksdb_cache_get_usage(resources.cache))
                + UInt64(cache.byteCount + accountTrie.byteCount),
            pendingCompactionBytes: sum("rocksdb.estimate-pending-compaction-bytes"))
    }

    subscript(family: Family) -> OpaquePointer {
        families[family.index]
    }

    subscript(column: PluginColumn) -> OpaquePointer {
        otherFamilies[column.index]
    }

    /// Whether the family that RocksDB makes by itself, and this program leaves empty, is empty.
    var isDefaultFamilyEmpty: Bool {
        let options = rocksdb_readoptions_create()
        defer { rocksdb_readoptions_destroy(options) }
        let iterator = rocksdb_create_iterator_cf(handle, options, otherFamilies[0])
        defer { rocksdb_iter_destroy(iterator) }
        rocksdb_iter_seek_to_first(iterator)
        return rocksdb_iter_valid(iterator) == 0
    }

    /// Families on disk beyond the schema's: RocksDB wants all of them opened. Only those of
    /// plugins are expected.
    private static func otherFamilyNames(
        path: String, options: OpaquePointer
    ) throws(StorageError) -> [String] {
        guard access(path + "/CURRENT", F_OK) == 0 else { return [] }
        var count = 0
        guard let list = try check({ rocksdb_list_column_families(options, path, &count, $0) })
        else { return [] }
        defer { rocksdb_list_column_families_destroy(list, count) }
        let ours = Set(Family.allCases.map(\.name) + ["default"])
        let others = (0..<count).compactMap { list[$0].map { String(cString: $0) } }
            .filter { !ours.contains($0) }
        guard others.allSatisfy({ $0.hasPrefix(PluginFamily.prefix) }) else {
            throw .foreignDirectory(path)
        }
        return others
    }
}

/// Calls a C function that reports failure through a last pointer argument, and checks that before
/// the result is used.
@discardableResult
func check<Result>(
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) throws(StorageError) -> Result {
    var error: UnsafeMutablePointer<CChar>?
    let result = body(&error)
    if let error {
        defer { rocksdb_free(error) }
        throw StorageError(status: String(cString: error))
    }
    return result
}

/// Makes the directory, and refuses one with files of something else.
private func prepareDirectory(_ path: String) throws(StorageError) {
    var prefix = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
        prefix += component + "/"
        if mkdir(prefix, 0o750) != 0, errno != EEXIST {
            throw .inputOutput("cannot make \(prefix): \(String(cString: strerror(errno)))")
        }
    }
    guard let directory = opendir(path) else {
        throw .inputOutput("cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        // SAFETY: d_name is a null-terminated string inside the entry, valid until the next call.
        names.append(
            withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
            })
    }
    let made = ["LOCK", "LOG", "IDENTITY", "MANIFEST-", "OPTIONS-", "lost+found"]
    let isOurs =
        names.contains("CURRENT")
        || names.allSatisfy { name in
            name == "." || name == ".." || name.hasSuffix(".log") || name.hasSuffix(".dbtmp")
                || made.contains { name.hasPrefix($0) }
        }
    guard isOurs else { throw .foreignDirectory(path) }
}
