public import Primitives

// Small durable data of other modules, beside the chain.

/// Named items of the pool, the devnet's clock and its snapshots.
public struct ItemStore: Sendable {
    private let database: Database

    /// The items in a database.
    public init(_ database: Database) {
        self.database = database
    }

    /// An item, or `nil` if it was never set.
    public func value(_ name: String) throws(StorageError) -> Bytes? {
        try database.snapshot().value(.meta, Self.key(name))
    }

    /// All items whose names begin with a prefix, in the order of the names.
    public func values(prefix: String) throws(StorageError) -> [(name: String, value: Bytes)] {
        var items: [(name: String, value: Bytes)] = []
        try database.snapshot().forEach(.meta, prefix: Self.key(prefix)) {
            (key, value) throws(StorageError) in
            let name = key.dropFirst(MetaItem.itemPrefix.count)
            items.append((String(decoding: name, as: UTF8.self), value))
            return true
        }
        return items
    }

    /// Sets or removes items, all or none. Survives a killed process.
    public func set(_ items: [String: Bytes?]) throws(StorageError) {
        var batch = WriteBatch(for: database)
        Self.write(items, to: &batch)
        try database.write(batch, durability: .buffered)
    }

    /// Sets or removes items together with what else is in a batch.
    public static func write(_ items: [String: Bytes?], to batch: inout WriteBatch) {
        for (name, value) in items { batch.set(.meta, key(name), to: value) }
    }

    private static func key(_ name: String) -> Bytes {
        MetaItem.itemPrefix + Bytes(name.utf8)
    }
}

/// The transactions that the pool keeps over a restart.
public struct PoolStore: Sendable {
    private let database: Database

    /// The pool's transactions in a database.
    public init(_ database: Database) {
        self.database = database
    }

    /// All transactions, in the order of their hashes: their bytes as the pool wrote them.
    public func all() throws(StorageError) -> [(hash: Hash256, value: Bytes)] {
        var transactions: [(hash: Hash256, value: Bytes)] = []
        try database.snapshot().forEach(.pool, prefix: []) { (key, value) throws(StorageError) in
            guard let hash = Hash256(key) else { throw .corrupted("pool key") }
            transactions.append((hash, value))
            return true
        }
        return transactions
    }

    /// Writes and removes transactions, all or none. Survives a killed process.
    ///
    /// - Throws: `lowDisk` if there is something to put and no room for it.
    public func apply(
        put: [(hash: Hash256, value: Bytes)], remove: [Hash256]
    ) throws(StorageError) {
        if !put.isEmpty { try database.checkRoom() }
        var batch = WriteBatch(for: database)
        for hash in remove { batch.delete(.pool, Key.hash(hash)) }
        for (hash, value) in put { batch.put(.pool, Key.hash(hash), value) }
        try database.write(batch, durability: .buffered)
    }
}
