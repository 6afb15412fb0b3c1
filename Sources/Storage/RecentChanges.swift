import Primitives

/// Which keys the blocks between an earlier state and the head changed, where these are few: whether a
/// value is still the latest one is then looked up here, and not searched for in the histories.
///
/// A search opens every level of a history that may have the key, and a longer chain has more of
/// them. The records of the last blocks are in memory or in the newest tables.
struct RecentChanges: Sendable {
    /// Each block is one more record to read before the first value.
    static let mostBlocks = 4
    /// A record is gone through account by account; beyond some two thousand a search is faster.
    static let mostBytes = 64 << 10

    /// Values of `changes`, the oldest block first.
    private let records: [(number: BlockNumber, bytes: Bytes)]

    /// The changes after a retained block; `nil` if the head is too far away, or they are too many.
    init?(
        after number: BlockNumber, through head: BlockNumber, in snapshot: Snapshot
    ) throws(StorageError) {
        guard number < head, head - number <= Self.mostBlocks else { return nil }
        var records: [(number: BlockNumber, bytes: Bytes)] = []
        var room = Self.mostBytes
        for changed in (number + 1)...head {
            guard let bytes = try snapshot.value(.changes, Key.number(changed)) else {
                throw .corrupted("the changes of block \(changed) are missing")
            }
            room -= bytes.count
            guard room >= 0 else { return nil }
            records.append((changed, bytes))
        }
        self.records = records
    }

    /// The first of the blocks that changed a key of `accounts` or `storage`.
    func firstChange(of key: Bytes) throws(StorageError) -> BlockNumber? {
        for record in records where try ChangedKeys.contains(key, in: record.bytes) {
            return record.number
        }
        return nil
    }
}
