public import EthereumTypes
public import Primitives

// Which blocks hold logs of an address or a topic. The chain is cut into sections of 1,024 blocks;
// a value says for one address, or one topic at one of the four positions, which blocks of one
// section have it. A search combines the sets of a section, and reads the receipts of only those
// blocks that are in the result.

/// Which logs are wanted: `eth_getLogs`.
public struct LogFilter: Hashable, Sendable {
    /// Contracts; none means any.
    public var addresses: [Address]
    /// For each position the alternatives; none means anything, but the topic must be there.
    public var topics: [[Hash256]]

    /// A filter by contracts and topics.
    public init(addresses: [Address] = [], topics: [[Hash256]] = []) {
        self.addresses = addresses
        self.topics = topics
    }

    /// Whether a log is wanted.
    public func matches(_ log: Log) -> Bool {
        guard addresses.isEmpty || addresses.contains(log.address),
            topics.count <= log.topics.count
        else { return false }
        return zip(topics, log.topics).allSatisfy { $0.isEmpty || $0.contains($1) }
    }
}

extension LogFilter {
    /// The wanted logs of a block's receipts, in their order.
    ///
    /// - Parameter transactionHashes: one for each receipt.
    public func locate(
        in receipts: [Receipt], block: BlockReference, timestamp: Timestamp,
        transactionHashes: [Hash256]
    ) -> [LocatedLog] {
        var located: [LocatedLog] = []
        var logIndex = 0
        for (index, (receipt, hash)) in zip(receipts, transactionHashes).enumerated() {
            for log in receipt.logs {
                if matches(log) {
                    located.append(
                        LocatedLog(
                            log: log, blockNumber: block.number, blockHash: block.hash,
                            blockTimestamp: timestamp, transactionHash: hash,
                            transactionIndex: index, logIndex: logIndex))
                }
                logIndex += 1
            }
        }
        return located
    }
}

/// How much a search for logs may find.
public struct LogLimit: Hashable, Sendable {
    /// Logs.
    public var count: Int
    /// Bytes of their addresses, topics and data together.
    public var bytes: Int

    /// No limit.
    public static let none = LogLimit(count: .max, bytes: .max)

    /// So many logs of so many bytes.
    public init(count: Int, bytes: Int) {
        self.count = count
        self.bytes = bytes
    }
}

/// A log with its place in the chain.
public struct LocatedLog: Hashable, Sendable {
    /// The log itself.
    public var log: Log
    /// The block's number.
    public var blockNumber: BlockNumber
    /// The block's hash.
    public var blockHash: Hash256
    /// The block's timestamp.
    public var blockTimestamp: Timestamp
    /// The hash of the transaction that wrote it.
    public var transactionHash: Hash256
    /// The transaction's place in the block, from 0.
    public var transactionIndex: Int
    /// The log's place in the block, from 0.
    public var logIndex: Int
}

extension BlockStore {
    /// The wanted logs of a range of canonical blocks, in their order.
    ///
    /// - Throws: `tooManyLogs` or `logsTooLarge` if more than `limit` match.
    public func logs(
        matching filter: LogFilter, in range: ClosedRange<BlockNumber>, limit: LogLimit
    ) throws(StorageError) -> [LocatedLog] {
        let index = LogIndex(snapshot)
        guard let head = try head(), range.lowerBound <= head.number else { return [] }
        let range = range.lowerBound...min(range.upperBound, head.number)
        let first = LogSection.number(of: range.lowerBound)
        let last = LogSection.number(of: range.upperBound)
        var found: [LocatedLog] = []
        var bytes = 0
        for section in first...last {
            for number in try index.candidates(for: filter, in: section)
            where range.contains(number) {
                // A chain may begin above block 0.
                guard let block = try canonicalBlock(number) else { continue }
                let logs = try logs(matching: filter, in: block)
                for located in logs { bytes += located.log.byteCount }
                guard found.count + logs.count <= limit.count else {
                    throw .tooManyLogs(limit: limit.count)
                }
                guard bytes <= limit.bytes else { throw .logsTooLarge(limit: limit.bytes) }
                found += logs
            }
        }
        return found
    }

    /// The wanted logs of one block, in their order.
    public func logs(
        matching filter: LogFilter, in block: BlockReference
    ) throws(StorageError) -> [LocatedLog] {
        guard let receipts = try receipts(block),
            receipts.contains(where: { $0.logs.contains(where: filter.matches) })
        else { return [] }
        guard let header = try header(block)?.header, let body = try body(block) else {
            throw .corrupted("block \(block.number) is missing")
        }
        let hashes = try body.transactionHashes()
        guard hashes.count == receipts.count else {
            throw .corrupted("receipts of \(block.number)")
        }
        return filter.locate(
            in: receipts, block: block, timestamp: header.timestamp, transactionHashes: hashes)
    }
}

extension Log {
    /// Bytes of its address, topics and data.
    fileprivate var byteCount: Int { 20 + 32 * topics.count + data.count }
}

/// A set of blocks of one section, a bit for each.
package struct LogSection: Equatable {
    /// Blocks in a section.
    static let blockCount: UInt64 = 1024
    /// Up to so many blocks a list of places is shorter than the bits.
    private static let longestList = 63
    private static let wordCount = Int(blockCount) / 64

    /// The section that a block is in.
    static func number(of block: BlockNumber) -> UInt64 { block / blockCount }

    private var words: [UInt64]

    package static let empty = LogSection(words: [UInt64](repeating: 0, count: wordCount))
    package static let full = LogSection(words: [UInt64](repeating: .max, count: wordCount))

    private init(words: [UInt64]) {
        self.words = words
    }

    /// A value of `log_index`: up to 63 places[2] in ascending order, or else all bits[128], those
    /// of the first eight blocks in the first byte, the first block in its lowest bit.
    package init(_ bytes: Bytes) throws(StorageError) {
        self = .empty
        if bytes.count == Self.wordCount * 8 {
            for (index, byte) in bytes.enumerated() {
                words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
            }
            return
        }
        guard bytes.count % 2 == 0, bytes.count <= 2 * Self.longestList else {
            throw .corrupted("log index value of \(bytes.count) bytes")
        }
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let place = Int(bytes[index]) << 8 | Int(bytes[index + 1])
            guard place < Self.blockCount else { throw .corrupted("log index place \(place)") }
            words[place / 64] |= 1 << UInt64(place % 64)
        }
    }

    package var bytes: Bytes {
        let places = places
        if places.count <= Self.longestList {
            return places.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
        }
        return words.flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
        }
    }

    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// The places of the blocks that are in the set, ascending.
    package var places: [Int] {
        var places: [Int] = []
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                places.append(index * 64 + rest.trailingZeroBitCount)
                rest &= rest &- 1
            }
        }
        return places
    }

    package mutating func insert(_ block: BlockNumber) {
        let place = Int(block % Self.blockCount)
        words[place / 64] |= 1 << UInt64(place % 64)
    }

    package mutating func remove(_ block: BlockNumber) {
        let place = Int(block % Self.blockCount)
        words[place / 64] &= ~(1 << UInt64(place % 64))
    }

    mutating func formUnion(_ other: LogSection) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    mutating func formIntersection(_ other: LogSection) {
        for index in words.indices { words[index] &= other.words[index] }
    }
}

/// What blocks are found by: an address, or a topic at a position.
package enum LogTerm: Hashable {
    case address(Address)
    case topic(Hash256, position: Int)

    /// kind[1] ‖ address or topic ‖ section[8], where kind is 0 for an address and position + 1
    /// for a topic.
    package func key(section: UInt64) -> Bytes {
        var key: Bytes = []
        key.reserveCapacity(41)
        switch self {
        case .address(let address):
            key.append(0)
            key.append(address)
        case .topic(let topic, let position):
            key.append(UInt8(truncatingIfNeeded: position + 1))
            key.append(topic)
        }
        key.append(bigEndian: section)
        return key
    }

    /// Everything that the logs of a block can be found by.
    package static func all(in receipts: [Receipt]) -> Set<LogTerm> {
        var terms: Set<LogTerm> = []
        for receipt in receipts {
            for log in receipt.logs {
                terms.insert(.address(log.address))
                for (position, topic) in log.topics.enumerated() {
                    terms.insert(.topic(topic, position: position))
                }
            }
        }
        return terms
    }
}

/// Reads and extends the index.
struct LogIndex {
    let snapshot: Snapshot

    init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
    }

    /// The blocks of a section that may hold wanted logs, ascending.
    func candidates(
        for filter: LogFilter, in section: UInt64
    ) throws(StorageError) -> [BlockNumber] {
        var result = LogSection.full
        let byPosition = filter.topics.enumerated().map { position, topics in
            topics.map { LogTerm.topic($0, position: position) }
        }
        for alternatives in [filter.addresses.map { LogTerm.address($0) }] + byPosition
        where !alternatives.isEmpty {
            var union = LogSection.empty
            for term in alternatives { union.formUnion(try blocks(of: term, in: section)) }
            result.formIntersection(union)
            if result.isEmpty { return [] }
        }
        return result.places.map { section * LogSection.blockCount + UInt64($0) }
    }

    /// Adds a block's logs.
    func add(
        _ receipts: [Receipt], of number: BlockNumber, to batch: inout WriteBatch
    ) throws(StorageError) {
        let section = LogSection.number(of: number)
        for term in LogTerm.all(in: receipts) {
            var blocks = try blocks(of: term, in: section)
            blocks.insert(number)
            batch.put(.logIndex, term.key(section: section), blocks.bytes)
        }
    }

    func blocks(of term: LogTerm, in section: UInt64) throws(StorageError) -> LogSection {
        guard let value = try snapshot.value(.logIndex, term.key(section: section)) else {
            return .empty
        }
        return try LogSection(value)
    }
}

/// Takes blocks out of the index; several may share a section, so the sets are kept until all are
/// out.
struct LogIndexRemoval {
    private let index: LogIndex
    private var sections: [Place: LogSection] = [:]

    private struct Place: Hashable {
        let term: LogTerm
        let section: UInt64
    }

    init(_ snapshot: Snapshot) {
        index = LogIndex(snapshot)
    }

    mutating func remove(_ receipts: [Receipt], of number: BlockNumber) throws(StorageError) {
        for term in LogTerm.all(in: receipts) {
            let place = Place(term: term, section: LogSection.number(of: number))
            var blocks =
                if let known = sections[place] { known } else {
                    try index.blocks(of: term, in: place.section)
                }
            blocks.remove(number)
            sections[place] = blocks
        }
    }

    func write(to batch: inout WriteBatch) {
        for (place, blocks) in sections {
            batch.set(
                .logIndex, place.term.key(section: place.section),
                to: blocks.isEmpty ? nil : blocks.bytes)
        }
    }
}
