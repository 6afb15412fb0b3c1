import Primitives

/// One step of the layout on disk: from the version before to its own.
///
/// A step works in parts. Each part is one batch that also holds where the next begins, so a process
/// that is killed in the middle goes on from there, and no part happens twice. The first batch
/// already has the step's version: a program that does not know the step refuses a database on
/// which it has begun.
package struct Migration: Sendable {
    /// Does one part.
    ///
    /// - Parameters:
    ///   - snapshot: the database before the part.
    ///   - position: where to begin; empty for the first part. The form is the step's own.
    ///   - batch: what changes. A part has some thousand keys at most: it is held in memory.
    /// - Returns: where the next part begins, not empty; `nil` when the step is complete.
    package typealias Part =
        @Sendable (_ snapshot: Snapshot, _ position: Bytes, _ batch: inout WriteBatch)
        throws(StorageError) -> Bytes?

    /// The version that the database has afterwards.
    package let version: UInt64
    private let part: Part
    private let fraction: @Sendable (_ position: Bytes) -> Double

    /// A step to a version.
    ///
    /// - Parameter fraction: about how much is done when the next part begins at a position, 0 to 1.
    package init(
        to version: UInt64, fraction: @escaping @Sendable (Bytes) -> Double = { _ in 0 },
        part: @escaping Part
    ) {
        self.version = version
        self.fraction = fraction
        self.part = part
    }

    /// Goes through the step, or through what is left of it.
    func run(_ database: Database, _ report: MigrationReport) throws(StorageError) {
        var position: Bytes? =
            try database.snapshot().value(.meta, MetaItem.migration.key) ?? []
        while let start = position {
            let snapshot = database.snapshot()
            var batch = WriteBatch(for: database)
            position = try part(snapshot, start, &batch)
            batch.put(.meta, MetaItem.schema.key, Bytes(bigEndian: version))
            batch.set(.meta, MetaItem.migration.key, to: position)
            try database.write(batch, durability: position == nil ? .synced : .buffered)
            if let position { report(version, fraction(position)) }
        }
    }
}

/// Is told how far a database is on its way to a version of the layout, 0 to 1.
public typealias MigrationReport = (_ version: UInt64, _ fraction: Double) -> Void

/// A version of the layout, and the steps that lead to it from earlier ones.
package struct Layout: Sendable {
    /// What this program reads and writes.
    package let version: UInt64
    /// The steps, each to the version after that of the one before.
    package let migrations: [Migration]

    /// A layout with the steps that lead to it.
    package init(version: UInt64, migrations: [Migration]) {
        self.version = version
        self.migrations = migrations
    }

    /// The present layout. A change of `Schema.swift` that an older database does not have raises the
    /// version and adds a step here.
    package static let current = Layout(
        version: 3, migrations: [.removingLeaves, .movingDeepNodes])

    /// Checks the version of an opened database and brings an older one up to it, or writes it into
    /// an empty one.
    package func check(
        _ database: Database, report: MigrationReport = { _, _ in }
    ) throws(StorageError) {
        let snapshot = database.snapshot()
        guard let value = try snapshot.value(.meta, MetaItem.schema.key) else {
            guard try isEmpty(snapshot), database.isDefaultFamilyEmpty else {
                throw .foreignDirectory(database.path)
            }
            var batch = WriteBatch(for: database)
            batch.put(.meta, MetaItem.schema.key, Bytes(bigEndian: version))
            return try database.write(batch, durability: .synced)
        }
        guard var found = UInt64(bigEndian: value) else { throw .corrupted("schema version") }
        guard found <= version else { throw .newerSchema(found: found, supported: version) }
        if try snapshot.contains(.meta, MetaItem.migration.key) {
            // A step to this version had begun.
            try step(to: found).run(database, report)
        }
        while found < version {
            found += 1
            try step(to: found).run(database, report)
        }
    }

    private func step(to version: UInt64) throws(StorageError) -> Migration {
        guard let step = migrations.first(where: { $0.version == version }) else {
            throw .corrupted("no step leads to schema \(version)")
        }
        return step
    }

    private func isEmpty(_ snapshot: Snapshot) throws(StorageError) -> Bool {
        for family in Family.allCases {
            let cursor = snapshot.cursor(family)
            try cursor.seek([])
            if cursor.isValid { return false }
        }
        return true
    }
}
