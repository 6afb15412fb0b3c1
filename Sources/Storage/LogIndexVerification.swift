import EthereumTypes
public import Primitives

/// Recomputes the log index from receipts and compares it with what is stored.
///
/// Blocks come one by one, downwards; a section is compared when all of its blocks that are asked
/// for were there, and only those blocks' bits count.
public struct LogIndexVerification {
    private let index: LogIndex
    private var section: UInt64?
    private var blocks: ClosedRange<BlockNumber>?
    private var expected: [LogTerm: LogSection] = [:]
    /// Entries of the sections compared so far.
    public private(set) var entries = 0

    /// A verification of the index in a snapshot.
    public init(_ snapshot: Snapshot) {
        index = LogIndex(snapshot)
    }

    /// Takes a block's receipts. Each block is one below the one before.
    public mutating func add(
        _ receipts: [Receipt], of number: BlockNumber
    ) throws(StorageError) {
        let section = LogSection.number(of: number)
        if section != self.section {
            try finish()
            self.section = section
            blocks = number...number
        }
        blocks = number...(blocks?.upperBound ?? number)
        for term in LogTerm.all(in: receipts) {
            expected[term, default: .empty].insert(number)
        }
    }

    /// Compares the section that is not compared yet.
    public mutating func finish() throws(StorageError) {
        guard let section, let blocks else { return }
        var wanted = LogSection.empty
        for number in blocks { wanted.insert(number) }
        for (term, expected) in expected {
            var stored = try index.blocks(of: term, in: section)
            stored.formIntersection(wanted)
            guard stored == expected else {
                throw .corrupted("the log index of \(term), blocks \(blocks)")
            }
            entries += 1
        }
        self.section = nil
        self.blocks = nil
        expected = [:]
    }
}

extension Snapshot {
    /// How many entries a family has; reads it whole.
    public func count(of family: Family) throws(StorageError) -> Int {
        let cursor = cursor(family)
        var count = 0
        try cursor.seek([])
        while cursor.isValid {
            count += 1
            try cursor.advance()
        }
        return count
    }
}
