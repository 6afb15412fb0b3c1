import Analytics
import Chain
import Logging
import PluginAPI
import Primitives
import RPC
import TestSupport
import Testing
import TxPool

/// The searches of `ots` and `trace` by address, over the index that the analytics keep.
@Suite struct AppearanceSearchTests {
    /// A node's JSON-RPC over a chain of random deeds.
    private struct Node {
        let fixture: AnalyticsFixture
        let rpc: RPCNode

        init(_ fixture: AnalyticsFixture, withIndex: Bool = true, limits: RPCLimits = RPCLimits())
            throws
        {
            self.fixture = fixture
            let pool = try TransactionPool(
                store: nil, head: PoolHead(fixture.chain.head, now: 0),
                options: PoolOptions(policy: .network))
            var services = RPCServices(
                blockchain: fixture.chain, pool: pool, devnet: nil, keys: [],
                clientVersion: "Apus/test", limits: limits)
            services.appearances = withIndex ? fixture.host.appearances : nil
            rpc = RPCNode(
                services: services, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        func answer(_ method: String, _ params: String) async throws -> JSONValue {
            let text = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
            return try JSONValue(
                parsing: try #require(await rpc.dispatcher.answer(to: Bytes(text.utf8))))
        }

        func call(_ method: String, _ params: String) async throws -> JSONValue {
            let answer = try await answer(method, params)
            return try #require(answer["result"], "\(method)\(params): \(answer)")
        }

        func shutDown() async { await rpc.shutDown() }
    }

    private static func fixture(_ seed: UInt64, blocks: Int) async throws -> AnalyticsFixture {
        var random = SeededRandom(seed: seed)
        let fixture = try AnalyticsFixture()
        for _ in 0..<blocks {
            let count = Int.random(in: 0...6, using: &random)
            try await fixture.produce(AnalyticsFixture.steps(count, &random))
        }
        return fixture
    }

    private static let addresses =
        (0..<12).map(AnalyticsFixture.recipient) + [
            AnalyticsFixture.forwarder, AnalyticsFixture.reverter, AnalyticsFixture.creator,
            AnalyticsFixture.destroyer, AnalyticsFixture.token, AnalyticsFixture.coinbase,
        ]

    @Test(arguments: [1, 3, 40])
    func `pages of an address hold each of its transactions once, latest first`(
        size: Int
    ) async throws {
        let fixture = try await Self.fixture(11, blocks: 12)
        let node = try Node(fixture)
        for address in Self.addresses {
            let listing = try fixture.get(
                "/api/analytics/\(address)/transactions", ["limit": "1000"])
            // What the protocol paid outside of transactions has no hash.
            let expected = try #require(listing["transactions"]?.arrayValue)
                .compactMap { $0["hash"]?.stringValue }
            var backwards: [String] = []
            var block: UInt64 = 0
            while true {
                let page = try await node.call(
                    "ots_searchTransactionsBefore", #"["\#(address)", \#(block), \#(size)]"#)
                let (hashes, numbers) = try Self.check(page)
                #expect(page["firstPage"] == .bool(block == 0))
                backwards += hashes
                if page["lastPage"] == true { break }
                #expect(hashes.count >= size)
                block = try #require(numbers.last)
            }
            #expect(backwards == expected)
            var forwards: [String] = []
            block = 0
            while true {
                let page = try await node.call(
                    "ots_searchTransactionsAfter", #"["\#(address)", \#(block), \#(size)]"#)
                let (hashes, numbers) = try Self.check(page)
                #expect(page["lastPage"] == .bool(block == 0))
                forwards = hashes + forwards
                if page["firstPage"] == true { break }
                #expect(hashes.count >= size)
                block = try #require(numbers.first)
            }
            #expect(forwards == expected)
        }
        await node.shutDown()
    }

    /// The hashes and the blocks of a page, whose parts must fit each other.
    private static func check(
        _ page: JSONValue
    ) throws -> (hashes: [String], blocks: [UInt64]) {
        let transactions = try #require(page["txs"]?.arrayValue)
        let receipts = try #require(page["receipts"]?.arrayValue)
        #expect(transactions.count == receipts.count)
        var hashes: [String] = []
        var blocks: [UInt64] = []
        for (transaction, receipt) in zip(transactions, receipts) {
            hashes.append(try #require(transaction["hash"]?.stringValue))
            #expect(receipt["transactionHash"] == transaction["hash"])
            #expect(receipt["logs"] == .null)
            #expect(receipt["logsBloom"] == .null)
            let number = try #require(
                transaction["blockNumber"]?.stringValue.flatMap { UInt256(hex: $0) }?.asUInt64)
            // Half an hour a block.
            #expect(receipt["timestamp"]?.intValue == 1_700_000_000 + 1800 * Int(number))
            blocks.append(number)
        }
        return (hashes, blocks)
    }

    @Test func `a trace filter finds by the index what the execution of all blocks finds`()
        async throws
    {
        let fixture = try await Self.fixture(12, blocks: 10)
        let indexed = try Node(fixture)
        let executed = try Node(fixture, withIndex: false)
        let some = Self.addresses.map { "\"\($0)\"" }
        var filters: [String] = []
        for address in some {
            filters.append(#"{"fromAddress":[\#(address)]}"#)
            filters.append(#"{"toAddress":[\#(address)],"fromBlock":"0x3","toBlock":"0x8"}"#)
        }
        filters.append(
            #"{"fromAddress":[\#(some[0]),\#(some[1])],"toAddress":[\#(some[12]),\#(some[3])]}"#)
        filters.append(
            #"{"fromAddress":[\#(some[0]),\#(some[12])],"toAddress":[\#(some[4]),\#(some[13])],"mode":"intersection"}"#
        )
        filters.append(#"{"fromAddress":[\#(some[0])],"after":2,"count":3}"#)
        filters.append(#"{"toAddress":[\#(some[12])],"count":0}"#)
        var found = 0
        for filter in filters {
            let byIndex = try await indexed.call("trace_filter", "[\(filter)]")
            let byExecution = try await executed.call("trace_filter", "[\(filter)]")
            #expect(byIndex == byExecution, "\(filter)")
            found += byIndex.arrayValue?.count ?? 0
        }
        #expect(found > 50)
        await indexed.shutDown()
        await executed.shutDown()
    }

    @Test func `the range of a trace filter is bounded only where there is no index`() async throws
    {
        var limits = RPCLimits()
        limits.traceFilterBlocks = 3
        let fixture = try await Self.fixture(13, blocks: 6)
        let filter = #"[{"toAddress":["\#(AnalyticsFixture.forwarder)"]}]"#
        let indexed = try Node(fixture, limits: limits)
        _ = try await indexed.call("trace_filter", filter)
        // No address: every block is executed.
        let everything = try await indexed.answer("trace_filter", "[{}]")
        #expect(everything["error"]?["code"]?.intValue == -32_602)
        await indexed.shutDown()
        let executed = try Node(fixture, withIndex: false, limits: limits)
        let answer = try await executed.answer("trace_filter", filter)
        #expect(
            answer["error"]?["message"]
                == "Block range too large; currently limited to 3 blocks")
        await executed.shutDown()
    }

    @Test func `without an index the search says how to get one`() async throws {
        let fixture = try await Self.fixture(14, blocks: 1)
        let node = try Node(fixture, withIndex: false)
        for method in ["ots_searchTransactionsBefore", "ots_searchTransactionsAfter"] {
            let answer = try await node.answer(
                method, #"["\#(AnalyticsFixture.forwarder)", 0, 25]"#)
            let message = answer["error"]?["message"]?.stringValue ?? ""
            #expect(message.contains("--set analytics.enabled=true"))
        }
        await node.shutDown()
    }

    @Test(arguments: [0, 1_001])
    func `a page has a size within bounds`(size: Int) async throws {
        let node = try Node(try await Self.fixture(15, blocks: 1))
        let answer = try await node.answer(
            "ots_searchTransactionsBefore", #"["\#(AnalyticsFixture.forwarder)", 0, \#(size)]"#)
        #expect(answer["error"]?["code"]?.intValue == -32_602)
        await node.shutDown()
    }
}
