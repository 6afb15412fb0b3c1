public import Primitives
public import Storage

/// What a plugin writes in one batch of the chain, with the previous values of all of it.
///
/// Reads see the writes before them, also those of earlier blocks of the same batch. The previous
/// value of each key that a block changes goes into the plugin's `undo` table under that block;
/// that is all it takes to revert the block later.
///
///     undo    number[8] ‖ block hash[32]  →  for each changed key:
///             table[1] ‖ count of key ‖ key ‖ 1 + count of value, 0 for none ‖ value
///
/// Used by one thread at a time.
public final class PluginBatch {
    private struct Entry {
        let table: Int
        let key: HashedKey
        /// Before the block at hand.
        var previous: Bytes?
        var current: Bytes?
        /// Whether the block at hand has written it.
        var isDirty = false
        /// Whether any block of the batch has written it.
        var isChanged = false

        func appendUndo(to record: inout Bytes) {
            record.append(UInt8(truncatingIfNeeded: table))
            record.append(count: key.bytes.count)
            record.append(contentsOf: key.bytes)
            record.append(count: previous.map { $0.count + 1 } ?? 0)
            if let previous { record.append(contentsOf: previous) }
        }
    }

    private let columns: PluginColumns
    private let snapshot: Snapshot
    private var recent: RecentValues?
    private var entries: [Entry] = []
    /// Where the entry of a key stands, for each table.
    private var places: [[HashedKey: Int]]
    private var dirty: [Int] = []
    /// What the only block of the batch has written, in order; empty if there were several.
    private var onlyBlock: [Int]?
    /// Entries of `undo` and `meta`, written as they are.
    private var undoRecords: [(key: Bytes, value: Bytes?)] = []

    /// - Parameter recent: what the tables hold in this snapshot, as far as it is known.
    init(_ columns: PluginColumns, _ snapshot: Snapshot, recent: RecentValues? = nil) {
        self.columns = columns
        self.snapshot = snapshot
        self.recent = recent
        // Room as for the last batch: dictionaries that grow hash everything anew each time.
        let counts = recent?.lastCounts ?? Array(repeating: 0, count: columns.tables.count)
        places = counts.map { Dictionary(minimumCapacity: $0) }
        entries.reserveCapacity(counts.reduce(0, +))
    }

    /// The value under a key; `nil` if there is none.
    public func value(_ table: PluginTable, _ key: Bytes) throws(StorageError) -> Bytes? {
        entries[try place(table, HashedKey(key))].current
    }

    /// Sets the value under a key.
    public func put(_ table: PluginTable, _ key: Bytes, _ value: Bytes) throws(StorageError) {
        set(try place(table, HashedKey(key)), to: value)
    }

    /// Removes the value under a key, if there is one.
    public func delete(_ table: PluginTable, _ key: Bytes) throws(StorageError) {
        set(try place(table, HashedKey(key)), to: nil)
    }

    /// Sets the value under a key that has none, as the caller knows: the database is not asked.
    public func insert(_ table: PluginTable, _ key: Bytes, _ value: Bytes) {
        replace(table, key, nil, with: value)
    }

    /// Sets the value under a key, or removes it, where the caller knows what stands there now: the
    /// database is not asked.
    ///
    /// - Parameter present: exactly the present value; what undoes the block rests on it.
    public func replace(
        _ table: PluginTable, _ key: Bytes, _ present: Bytes?, with value: Bytes?
    ) {
        let key = HashedKey(key)
        let place = places[table.index][key] ?? add(table.index, key, present)
        set(place, to: value)
    }

    private func place(_ table: PluginTable, _ key: HashedKey) throws(StorageError) -> Int {
        if let place = places[table.index][key] { return place }
        let value: Bytes?
        if let known = recent?.value(table.index, key) {
            value = known
        } else {
            value = try snapshot.value(columns.tables[table.index], key.bytes)
        }
        return add(table.index, key, value)
    }

    private func add(_ table: Int, _ key: HashedKey, _ value: Bytes?) -> Int {
        let place = entries.count
        places[table][key] = place
        entries.append(Entry(table: table, key: key, previous: value, current: value))
        return place
    }

    private func set(_ place: Int, to value: Bytes?) {
        entries[place].current = value
        entries[place].isChanged = true
        if !entries[place].isDirty {
            entries[place].isDirty = true
            dirty.append(place)
        }
    }

    // MARK: - Blocks

    /// Ends a block: keeps what undoes it, in the order of the keys, so that it does not depend on the
    /// order in which they were written.
    func seal(_ block: BlockReference) {
        let written = inOrder(dirty)
        var record = Bytes()
        record.reserveCapacity(
            written.reduce(0) { sum, place in
                sum + entries[place].key.bytes.count + (entries[place].previous?.count ?? 0) + 8
            })
        onlyBlock = onlyBlock == nil ? written : []
        for place in written where entries[place].previous != entries[place].current {
            entries[place].appendUndo(to: &record)
        }
        sealWithoutUndo()
        if !record.isEmpty { undoRecords.append((Self.undoKey(block), record)) }
    }

    /// Ends what is not a block: nothing undoes it.
    func sealWithoutUndo() {
        for place in dirty {
            entries[place].previous = entries[place].current
            entries[place].isDirty = false
        }
        dirty.removeAll(keepingCapacity: true)
    }

    /// Takes back what a block wrote.
    func undo(_ block: BlockReference) throws(StorageError) {
        let undoKey = Self.undoKey(block)
        guard let record = try snapshot.value(columns.undo, undoKey) else { return }
        var bytes = record[...]
        while let table = bytes.popFirst() {
            guard Int(table) < places.count, let key = bytes.take(count: bytes.takeCount()),
                let count = bytes.takeCount()
            else { throw .corrupted("undo record of block \(block.number)") }
            var previous: Bytes?
            if count > 0 {
                guard let value = bytes.take(count: count - 1) else {
                    throw .corrupted("undo record of block \(block.number)")
                }
                previous = Bytes(value)
            }
            let hashed = HashedKey(Bytes(key))
            let place =
                places[Int(table)][hashed] ?? add(Int(table), hashed, nil)
            entries[place].previous = previous
            entries[place].current = previous
            entries[place].isChanged = true
        }
        undoRecords.append((undoKey, nil))
    }

    /// Drops what undoes blocks that can no longer be reverted, a few at a time.
    func forgetUndo(before number: BlockNumber) throws(StorageError) {
        let cursor = snapshot.cursor(columns.undo)
        try cursor.seek([])
        var count = 0
        while cursor.isValid, count < 16 {
            let key = cursor.key
            guard key.lexicographicallyPrecedes(Bytes(bigEndian: number)) else { return }
            undoRecords.append((key, nil))
            count += 1
            try cursor.advance()
        }
    }

    /// Ends the batch: what is to be written, in the order of the keys, so that the database finds the
    /// place of the next beside that of the last.
    ///
    /// - Parameter block: the last block in it; what the tables hold then is handed on once the batch
    ///   is written. `nil` hands on nothing.
    func finish(at block: BlockReference? = nil) -> PluginChanges {
        let changed = entries.indices.filter { entries[$0].isChanged }
        let order = onlyBlock?.count == changed.count ? onlyBlock : nil
        var changes: [PluginChanges.Entry] = []
        changes.reserveCapacity(changed.count + undoRecords.count)
        for place in order ?? inOrder(changed) {
            let entry = entries[place]
            changes.append((columns.tables[entry.table], entry.key.bytes, entry.current))
        }
        for (key, value) in undoRecords { changes.append((columns.undo, key, value)) }
        return PluginChanges(entries: changes, recent: block.flatMap { takeRecent(at: $0) })
    }

    private func takeRecent(at block: BlockReference) -> RecentValues? {
        guard var recent = recent.take() else { return nil }
        recent.lastCounts = places.map(\.count)
        for entry in entries where columns.arePoints[entry.table] {
            recent.set(entry.table, entry.key, entry.current)
        }
        recent.block = block
        return recent
    }

    /// By table and key.
    private func inOrder(_ places: [Int]) -> [Int] {
        places.map { (table: entries[$0].table, prefix: entries[$0].key.prefix, place: $0) }
            .sorted { left, right in
                if left.table != right.table { return left.table < right.table }
                if left.prefix != right.prefix { return left.prefix < right.prefix }
                return entries[left.place].key.bytes.lexicographicallyPrecedes(
                    entries[right.place].key.bytes)
            }
            .map(\.place)
    }

    private static func undoKey(_ block: BlockReference) -> Bytes {
        Bytes(bigEndian: block.number) + block.hash.bytes
    }
}

/// What a plugin's batch has come to.
struct PluginChanges: Sendable {
    typealias Entry = (column: PluginColumn, key: Bytes, value: Bytes?)

    fileprivate let entries: [Entry]
    /// What the tables hold once this is written, as far as it is known.
    let recent: RecentValues?

    /// How many entries it has.
    var count: Int { entries.count }

    /// Puts it into the batch of the chain.
    func write(to batch: inout WriteBatch) {
        for (column, key, value) in entries {
            if let value {
                batch.put(column, key, value)
            } else {
                batch.delete(column, key)
            }
        }
    }
}

/// The places of a plugin's tables in an open database.
struct PluginColumns: Sendable {
    let tables: [PluginColumn]
    /// Whether a table is read by whole keys.
    let arePoints: [Bool]
    let meta: PluginColumn
    let undo: PluginColumn

    /// The families that the database must be opened with.
    static func families(of manifest: PluginManifest) -> [PluginFamily] {
        guard !manifest.tables.isEmpty else { return [] }
        func family(_ name: String, _ access: PluginFamily.Access) -> PluginFamily {
            PluginFamily(plugin: manifest.name, family: name, access: access)
        }
        return manifest.tables.map { family($0.name, $0.access) }
            + [family("meta", .point), family("undo", .ordered)]
    }

    /// - Returns: `nil` if the database was opened without them.
    init?(_ manifest: PluginManifest, in database: Database) {
        let columns = Self.families(of: manifest).compactMap { database.column($0) }
        guard columns.count == manifest.tables.count + 2, columns.count > 2 else { return nil }
        tables = Array(columns.dropLast(2))
        arePoints = manifest.tables.map { $0.access == .point }
        meta = columns[columns.count - 2]
        undo = columns[columns.count - 1]
    }
}

extension Bytes {
    /// Appends a count: seven bits a byte, the low ones first.
    mutating func append(count: Int) {
        var rest = count
        while rest > 0x7f {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}

extension ArraySlice<UInt8> {
    /// Removes a count from the front; `nil` if there is none.
    mutating func takeCount() -> Int? {
        var count = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            guard let byte = popFirst() else { return nil }
            count |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return count }
        }
        return nil
    }

    /// Removes so many bytes from the front; `nil` if there are fewer.
    mutating func take(count: Int?) -> ArraySlice<UInt8>? {
        guard let count, self.count >= count else { return nil }
        defer { removeFirst(count) }
        return self[startIndex..<(startIndex + count)]
    }
}
