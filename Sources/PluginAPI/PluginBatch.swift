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
        /// Before the block at hand.
        var previous: Bytes?
        var current: Bytes?
        /// Whether the block at hand has written it.
        var isDirty = false
        /// Whether any block of the batch has written it.
        var isChanged = false
    }

    private let columns: PluginColumns
    private let snapshot: Snapshot
    private var entries: [[Bytes: Entry]]
    private var dirty: [(table: Int, key: Bytes)] = []
    /// Entries of `undo` and `meta`, written as they are.
    private var undoRecords: [(key: Bytes, value: Bytes?)] = []

    init(_ columns: PluginColumns, _ snapshot: Snapshot) {
        self.columns = columns
        self.snapshot = snapshot
        entries = Array(repeating: [:], count: columns.tables.count)
    }

    /// The value under a key; `nil` if there is none.
    public func value(_ table: PluginTable, _ key: Bytes) throws(StorageError) -> Bytes? {
        if let entry = entries[table.index][key] { return entry.current }
        let value = try snapshot.value(columns.tables[table.index], key)
        entries[table.index][key] = Entry(previous: value, current: value)
        return value
    }

    /// Sets the value under a key.
    public func put(_ table: PluginTable, _ key: Bytes, _ value: Bytes) throws(StorageError) {
        try set(table.index, key, to: value)
    }

    /// Removes the value under a key, if there is one.
    public func delete(_ table: PluginTable, _ key: Bytes) throws(StorageError) {
        try set(table.index, key, to: nil)
    }

    /// Sets the value under a key that has none, as the caller knows: the database is not asked.
    public func insert(_ table: PluginTable, _ key: Bytes, _ value: Bytes) {
        let entry = Entry(previous: nil, current: value, isDirty: true, isChanged: true)
        let before = entries[table.index].updateValue(entry, forKey: key)
        if before?.isDirty != true { dirty.append((table.index, key)) }
    }

    private func set(_ table: Int, _ key: Bytes, to value: Bytes?) throws(StorageError) {
        var entry: Entry
        if let known = entries[table][key] {
            entry = known
        } else {
            let previous = try snapshot.value(columns.tables[table], key)
            entry = Entry(previous: previous, current: previous)
        }
        entry.current = value
        entry.isChanged = true
        if !entry.isDirty {
            entry.isDirty = true
            dirty.append((table, key))
        }
        entries[table][key] = entry
    }

    // MARK: - Blocks

    /// Ends a block: keeps what undoes it.
    func seal(_ block: BlockReference) {
        var record = Bytes()
        for (table, key) in dirty {
            guard var entry = entries[table][key] else { continue }
            if entry.previous != entry.current {
                record.append(UInt8(truncatingIfNeeded: table))
                record.append(count: key.count)
                record.append(contentsOf: key)
                record.append(count: entry.previous.map { $0.count + 1 } ?? 0)
                record.append(contentsOf: entry.previous ?? [])
            }
            entry.previous = entry.current
            entry.isDirty = false
            entries[table][key] = entry
        }
        dirty.removeAll(keepingCapacity: true)
        if !record.isEmpty { undoRecords.append((Self.undoKey(block), record)) }
    }

    /// Ends what is not a block: nothing undoes it.
    func sealWithoutUndo() {
        for (table, key) in dirty {
            guard var entry = entries[table][key] else { continue }
            entry.previous = entry.current
            entry.isDirty = false
            entries[table][key] = entry
        }
        dirty.removeAll(keepingCapacity: true)
    }

    /// Takes back what a block wrote.
    func undo(_ block: BlockReference) throws(StorageError) {
        let undoKey = Self.undoKey(block)
        guard let record = try snapshot.value(columns.undo, undoKey) else { return }
        var bytes = record[...]
        while let table = bytes.popFirst() {
            guard Int(table) < entries.count, let key = bytes.take(count: bytes.takeCount()),
                let count = bytes.takeCount()
            else { throw .corrupted("undo record of block \(block.number)") }
            var previous: Bytes?
            if count > 0 {
                guard let value = bytes.take(count: count - 1) else {
                    throw .corrupted("undo record of block \(block.number)")
                }
                previous = Bytes(value)
            }
            entries[Int(table)][Bytes(key)] = Entry(
                previous: previous, current: previous, isChanged: true)
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

    /// Moves everything into the batch of the chain.
    ///
    /// - Returns: how many entries were written.
    @discardableResult
    func write(to batch: inout WriteBatch) -> Int {
        var count = undoRecords.count
        for (column, entries) in zip(columns.tables, entries) {
            for (key, entry) in entries where entry.isChanged {
                count += 1
                if let value = entry.current {
                    batch.put(column, key, value)
                } else {
                    batch.delete(column, key)
                }
            }
        }
        for (key, value) in undoRecords {
            if let value {
                batch.put(columns.undo, key, value)
            } else {
                batch.delete(columns.undo, key)
            }
        }
        return count
    }

    private static func undoKey(_ block: BlockReference) -> Bytes {
        Bytes(bigEndian: block.number) + block.hash.bytes
    }
}

/// The places of a plugin's tables in an open database.
struct PluginColumns: Sendable {
    let tables: [PluginColumn]
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
