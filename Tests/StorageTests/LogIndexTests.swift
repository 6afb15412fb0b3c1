import EthereumTypes
import Primitives
import Storage
import TestSupport
import Testing

@Suite struct LogIndexTests {
    let directory: TemporaryDirectory
    let database: Database
    static let topics = (0..<4 as Range<UInt64>).map { Hash256(UInt256($0)) }

    init() throws {
        directory = try TemporaryDirectory()
        database = try Database(
            DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20))
    }

    private static func receipts(_ random: inout SeededRandom) -> [Receipt] {
        (0..<random.index(below: 3)).map { index in
            let logs = (0..<random.index(below: 3)).map { _ in
                Log(
                    address: StateChain.addresses[random.index(below: 3)],
                    topics: (0..<random.index(below: 5)).map { _ in
                        topics[random.index(below: 4)]
                    },
                    data: random.bytes(3))
            }
            return Receipt(
                type: .legacy, outcome: .status(true), cumulativeGasUsed: Gas(index), logs: logs)
        }
    }

    /// Blocks around the border of two sections; a block number stands for its content.
    private func build(_ random: inout SeededRandom) throws -> [BlockNumber: [Receipt]] {
        var written: [BlockNumber: [Receipt]] = [:]
        for number in 900...1100 as ClosedRange<BlockNumber> {
            let receipts = Self.receipts(&random)
            let transactions = receipts.indices.map { index in
                Transaction.legacy(
                    chainId: 1, nonce: Nonce(index), gasPrice: UInt256(number), gasLimit: 1,
                    to: nil,
                    value: 0, data: [])
            }
            let header = Header(
                parentHash: .zero, coinbase: .zero, stateRoot: .zero, number: number, gasLimit: 1,
                timestamp: number * 2)
            let snapshot = database.snapshot()
            var batch = WriteBatch(for: database)
            try BlockStore(snapshot).write(
                StoredBlock(
                    hash: header.hash(), block: Block(header: header, transactions: transactions),
                    senders: transactions.map { _ in Address.zero },
                    transactionHashes: transactions.map { $0.hash() }, totalDifficulty: .zero),
                receipts: receipts, to: &batch)
            try database.write(batch, durability: .buffered)
            written[number] = receipts
        }
        return written
    }

    private static func filter(_ random: inout SeededRandom) -> LogFilter {
        LogFilter(
            addresses: (0..<random.index(below: 3)).map { _ in
                StateChain.addresses[random.index(below: 4)]
            },
            topics: (0..<random.index(below: 4)).map { _ in
                (0..<random.index(below: 3)).map { _ in topics[random.index(below: 4)] }
            })
    }

    @Test func `a search finds what a look at every log finds`() throws {
        var random = SeededRandom(seed: 2)
        let written = try build(&random)
        let store = BlockStore(database.snapshot())
        for _ in 0..<200 {
            let filter = Self.filter(&random)
            let bounds = [
                BlockNumber(890 + random.index(below: 230)),
                BlockNumber(890 + random.index(below: 230)),
            ].sorted()
            let range = bounds[0]...bounds[1]
            let expected = range.flatMap { number in
                (written[number] ?? []).flatMap(\.logs).enumerated()
                    .filter { filter.matches($0.element) }
                    .map { (number, $0.offset, $0.element) }
            }
            let found = try store.logs(matching: filter, in: range, limit: .none)
            #expect(found.map(\.log) == expected.map(\.2))
            #expect(found.map(\.logIndex) == expected.map(\.1))
            #expect(found.map(\.blockNumber) == expected.map(\.0))
        }
    }

    @Test func `a log comes with its place in the chain`() throws {
        var random = SeededRandom(seed: 3)
        _ = try build(&random)
        let store = BlockStore(database.snapshot())
        let found = try store.logs(matching: LogFilter(), in: 0...(.max), limit: .none)
        #expect(!found.isEmpty)
        for log in found {
            let reference = try #require(try store.canonicalBlock(log.blockNumber))
            let block = try #require(try store.block(reference))
            #expect(log.blockHash == block.hash)
            #expect(log.blockTimestamp == log.blockNumber * 2)
            #expect(log.transactionHash == block.transactionHashes[log.transactionIndex])
            let location = try #require(try store.transactionLocation(log.transactionHash))
            #expect(
                location
                    == TransactionLocation(
                        blockNumber: log.blockNumber, index: log.transactionIndex))
        }
    }

    @Test func `too many logs, or too large ones, are refused at the limit`() throws {
        var random = SeededRandom(seed: 4)
        _ = try build(&random)
        let store = BlockStore(database.snapshot())
        let all = try store.logs(matching: LogFilter(), in: 0...2000, limit: .none)
        let bytes = all.map { 20 + 32 * $0.log.topics.count + $0.log.data.count }.reduce(0, +)
        let exact = LogLimit(count: all.count, bytes: bytes)
        #expect(try store.logs(matching: LogFilter(), in: 0...2000, limit: exact) == all)
        for (limit, error) in [
            (LogLimit(count: all.count - 1, bytes: bytes), .tooManyLogs(limit: all.count - 1)),
            (LogLimit(count: all.count, bytes: bytes - 1), .logsTooLarge(limit: bytes - 1)),
        ] as [(LogLimit, StorageError)] {
            #expect(throws: error) {
                try store.logs(matching: LogFilter(), in: 0...2000, limit: limit)
            }
        }
    }

    @Test func `removing blocks takes them out of the index`() throws {
        var random = SeededRandom(seed: 5)
        _ = try build(&random)
        let before = try contents(of: database)
        let store = BlockStore(database.snapshot())
        var batch = WriteBatch(for: database)
        let head = try #require(try store.canonicalBlock(900))
        try store.remove(901...1100, newHead: head, from: &batch)
        try database.write(batch, durability: .buffered)
        let after = try contents(of: database)
        let terms = LogTerm.all(in: try BlockStore(database.snapshot()).receipts(head) ?? [])
        #expect(Set(after[.logIndex, default: [:]].keys) == Set(terms.map { $0.key(section: 0) }))
        #expect(before[.logIndex, default: [:]].count > terms.count)
        let locations = after[.transactions, default: [:]].values
        #expect(locations.allSatisfy { $0.starts(with: Key.number(900)) })
    }

    @Test(arguments: [0, 1, 62, 63, 64, 65, 1023, 1024])
    func `a section survives as a list and as bits`(count: Int) throws {
        var section = LogSection.empty
        for place in 0..<count { section.insert(BlockNumber(2048 + 1023 - place)) }
        let bytes = section.bytes
        #expect(bytes.count == (count <= 63 ? 2 * count : 128))
        #expect(try LogSection(bytes) == section)
        #expect(section.places.count == count)
        if count == 1024 { #expect(section == .full) }
        for place in 0..<count { section.remove(BlockNumber(1023 - place)) }
        #expect(section.isEmpty)
    }

    @Test func `a filter wants a topic at each of its positions`() {
        let log = Log(address: .zero, topics: [Self.topics[1], Self.topics[2]], data: [])
        #expect(LogFilter().matches(log))
        #expect(LogFilter(topics: [[], []]).matches(log))
        #expect(!LogFilter(topics: [[], [], []]).matches(log))
        #expect(LogFilter(topics: [[], [Self.topics[3], Self.topics[2]]]).matches(log))
        #expect(!LogFilter(topics: [[Self.topics[2]]]).matches(log))
        #expect(!LogFilter(addresses: [StateChain.addresses[0]]).matches(log))
    }
}
