import Chain
import EthereumTypes
import Primitives
import Storage

/// What a plugin read or wrote lately, so that the next block need not ask the database: an address
/// that sends in one block mostly sends in the next.
///
/// It speaks of the tables at one block. Whoever uses it says which block that must be; after a batch
/// that was not written, or one that went another way, it speaks of another one and is given up. So
/// it is never a second truth.
///
/// A batch takes it and gives it back as it is when the batch is written; where a batch comes to
/// nothing it is lost. What was not used since half of the room was filled is forgotten, all at once.
struct RecentValues: Sendable {
    /// Bytes of keys and values, about.
    static let limit = 32 << 20
    /// What a value takes beside its bytes.
    private static let overhead = 160

    /// The last block that the values include.
    var block: BlockReference
    /// How many keys of each table the last batch had: what the next may need room for.
    var lastCounts: [Int]
    private var young: [[HashedKey: Bytes?]]
    private var old: [[HashedKey: Bytes?]]
    private var youngBytes = 0
    private let limit: Int

    init(at block: BlockReference, tables: Int, limit: Int = RecentValues.limit) {
        self.block = block
        lastCounts = Array(repeating: 0, count: tables)
        young = Array(repeating: [:], count: tables)
        old = young
        self.limit = limit
    }

    /// - Returns: `nil` if it is not known, an inner `nil` if there is no value.
    func value(_ table: Int, _ key: HashedKey) -> Bytes?? {
        young[table][key] ?? old[table][key]
    }

    mutating func set(_ table: Int, _ key: HashedKey, _ value: Bytes?) {
        let before = young[table].updateValue(value, forKey: key)
        if let before {
            youngBytes += (value?.count ?? 0) - (before?.count ?? 0)
        } else {
            youngBytes += key.bytes.count + (value?.count ?? 0) + Self.overhead
        }
        guard youngBytes > limit / 2 else { return }
        for table in young.indices {
            old[table] = young[table]
            young[table] = Dictionary(minimumCapacity: old[table].count)
        }
        youngBytes = 0
    }
}
