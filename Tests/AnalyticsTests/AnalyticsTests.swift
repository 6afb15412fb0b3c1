import Analytics
import Chain
import Cryptography
import EthereumTypes
import Foundation
import PluginAPI
import Primitives
import TestSupport
import Testing

@Suite struct AnalyticsTests {
    private let alice = FixedKeys.alice.address

    @Test func `after random reorganisations every table is that of a fresh backfill`() async throws
    {
        var random = SeededRandom(seed: 6)
        let test = try AnalyticsFixture()
        var blocks: [[AnalyticsFixture.Step]] = []
        for _ in 0..<60 {
            if !blocks.isEmpty, Int.random(in: 0..<4, using: &random) == 0 {
                let keep = Int.random(in: max(0, blocks.count - 8)..<blocks.count, using: &random)
                blocks.removeLast(blocks.count - keep)
                try await test.chain.rollback(to: UInt64(keep))
            }
            let steps = AnalyticsFixture.steps(
                Int.random(in: 0...8, using: &random), &random)
            blocks.append(steps)
            try await test.produce(steps)
        }
        let directory = try TemporaryDirectory()
        do {
            let without = try AnalyticsFixture(in: directory, withPlugin: false)
            for steps in blocks { try await without.produce(steps) }
            try await without.chain.shutDown()
        }
        let late = try AnalyticsFixture(in: directory)
        let task = Task { await late.host.run() }
        let end = ContinuousClock.now + .seconds(20)
        while late.host.health[0].health.status != .ok, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(2))
        }
        task.cancel()
        await task.value
        #expect(late.chain.head.hash == test.chain.head.hash, "seed \(random.seed)")
        let (one, other) = (try test.contents(), try late.contents())
        #expect(Set(one.keys) == Set(other.keys))
        for (family, entries) in one {
            #expect(other[family] == entries, "\(family), seed \(random.seed)")
        }
    }

    @Test func `a block writes no more than its work allows`() async throws {
        var random = SeededRandom(seed: 31)
        let test = try AnalyticsFixture()
        func entries() -> Double {
            test.host.metrics.snapshot().first { $0.name == "apus_plugin_entries_total" }?
                .samples.first { $0.labels["plugin"] == "analytics" }?.value ?? 0
        }
        var (allEntries, allWork) = (0.0, 0.0)
        for _ in 0..<60 {
            let before = entries()
            let block = try await test.produce(
                AnalyticsFixture.steps(Int.random(in: 0...12, using: &random), &random))
            let replayed = try test.chain.head.view.replay(block.stored.number)
            // As docs/analytics.md counts it; a log of these tokens is one movement.
            let logs = replayed.receipts.reduce(0) { $0 + $1.logs.count }
            let work =
                replayed.stored.block.transactions.count + replayed.calls.count + 2 * logs
                + (replayed.stored.block.withdrawals?.count ?? 0) + 1
            let written = entries() - before
            #expect(written > 0)
            #expect(written <= 44 * Double(work) + 4, "\(work) in block \(block.stored.number)")
            allEntries += written
            allWork += Double(work)
        }
        #expect(allEntries <= 4 * allWork, "\(allEntries) for \(allWork)")
    }

    @Test func `the contacts of an address are exact however many there are`() async throws {
        let test = try AnalyticsFixture()
        typealias Step = AnalyticsFixture.Step
        // One interaction with each of eleven, a second with two, a third with one of these.
        var expected: [Address: Int] = [:]
        for (count, recipients) in [(1, Array(1..<12)), (1, [9, 5]), (1, [9])] {
            try await test.produce(
                recipients.map { Step(deed: .transfer, sender: 0, recipient: $0, amount: 1) })
            for recipient in recipients {
                expected[AnalyticsFixture.recipient(recipient), default: 0] += count
            }
        }
        let sorted = expected.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        for limit in [1, 2, 3, 7, 11, 20] {
            let answer = try test.get(
                "/api/analytics/\(alice.checksummed)/contacts", ["limit": "\(limit)"])
            let contacts = try #require(answer["contacts"]?.arrayValue)
            #expect(
                contacts.map { $0["address"]?.stringValue }
                    == sorted.prefix(limit).map { $0.key.checksummed }, "\(limit)")
            #expect(
                contacts.map { $0["interactions"]?.intValue } == sorted.prefix(limit).map(\.value))
        }
        // The others see the same from their side.
        let peer = try test.get(
            "/api/analytics/\(AnalyticsFixture.recipient(9).checksummed)/contacts")
        #expect(peer["contacts"]?.arrayValue?.first?["transactions_in"] == .number("3"))
        try await test.chain.rollback(to: 1)
        let before = try test.get("/api/analytics/\(alice.checksummed)/contacts")
        #expect(
            before["contacts"]?.arrayValue?.allSatisfy { $0["interactions"] == .number("1") }
                == true)
    }

    @Test func `the contacts of all addresses are those of their transactions`() async throws {
        typealias Step = AnalyticsFixture.Step
        var random = SeededRandom(seed: 67)
        let test = try AnalyticsFixture()
        var blocks: [[Step]] = []
        // Few meet often, many once: so that either side of a pair comes to have many peers first, and
        // later, and never, before and after their sixteenth transaction.
        for round in 0..<40 {
            if round % 10 == 9 {
                blocks.removeLast(4)
                try await test.chain.rollback(to: UInt64(blocks.count))
            }
            let steps = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                let isOften = Int.random(in: 0..<3, using: &random) > 0
                return Step(
                    deed: .transfer,
                    sender: Int.random(in: 0..<AnalyticsFixture.keys.count, using: &random),
                    recipient: isOften
                        ? Int.random(in: 0..<7, using: &random)
                        : Int.random(in: 100..<130, using: &random),
                    amount: 1)
            }
            try await test.produce(steps)
            blocks.append(steps)
        }
        var expected: [Address: [Address: Int]] = [:]
        for step in blocks.joined() {
            let from = AnalyticsFixture.keys[step.sender].address
            let to = AnalyticsFixture.recipient(step.recipient)
            guard from != to else { continue }
            expected[from, default: [:]][to, default: 0] += 1
            expected[to, default: [:]][from, default: 0] += 1
        }
        #expect(expected.values.contains { $0.count > 4 && $0.values.contains { $0 > 16 } })
        for (address, peers) in expected {
            let sorted = peers.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            for limit in [2, 9, 100] {
                let answer = try test.get(
                    "/api/analytics/\(address.checksummed)/contacts", ["limit": "\(limit)"])
                let contacts = try #require(answer["contacts"]?.arrayValue)
                #expect(
                    contacts.map { $0["address"]?.stringValue }
                        == sorted.prefix(limit).map { $0.key.checksummed })
                #expect(
                    contacts.map { $0["interactions"]?.intValue }
                        == sorted.prefix(limit).map(\.value))
            }
        }
    }

    @Test func `figures of an address are those of its transactions`() async throws {
        let test = try AnalyticsFixture()
        typealias Step = AnalyticsFixture.Step
        try await test.produce([
            Step(deed: .transfer, sender: 0, recipient: 1, amount: 5),
            Step(deed: .forward, sender: 0, recipient: 1, amount: 4),
        ])
        try await test.produce([
            Step(deed: .revert, sender: 0, recipient: 1, amount: 3),
            Step(deed: .transfer, sender: 1, recipient: 0, amount: 2),
        ])
        let head = test.chain.head
        let report = try test.get("/api/analytics/\(alice.checksummed)", ["days": "1"])
        #expect(report["as_of"]?["number"] == .number("2"))
        #expect(report["as_of"]?["hash"] == .string("\(head.hash)"))
        #expect(report["sent"] == .number("3"))
        #expect(report["received"] == .number("1"))
        #expect(report["failed"] == .number("1"))
        #expect(report["total_transactions"] == .number("4"))
        #expect(report["value_out"] == .string("9"))
        #expect(report["value_in"] == .string("2"))
        #expect(report["total_volume"] == .string("11"))
        #expect(report["average_value"] == .string("3"))
        #expect(report["risk_score"] == .null)
        let balance = try #require(try head.view.state.account(alice)?.balance)
        #expect(report["balance"] == .string(balance.description))
        #expect(report["complete_from_block"] == .number("1"))
        // The forwarder passes half on.
        let bob = try test.get("/api/analytics/\(FixedKeys.bob.address.checksummed)")
        #expect(bob["value_in"] == .string("7"))
        #expect(bob["transfers_in"] == .number("2"))
        // Two blocks, half an hour apart from 22:13:20 on a Tuesday on: 22:43 and 23:13.
        guard case .array(let hours)? = report["hourly_activity"] else {
            Issue.record("no list"); return
        }
        #expect(hours[22] == .number("2") && hours[23] == .number("2"))
        guard case .array(let days)? = report["daily_activity"] else {
            Issue.record("no list"); return
        }
        #expect(days[1] == .number("4"))
    }

    @Test func `appearances are paged both ways without a gap`() async throws {
        var random = SeededRandom(seed: 17)
        let test = try AnalyticsFixture()
        for _ in 0..<20 { try await test.produce(AnalyticsFixture.steps(6, &random)) }
        let path = "/api/analytics/\(alice.checksummed)/transactions"
        func walk(_ direction: String) throws -> [String] {
            var all: [String] = []
            var query = ["direction": direction, "limit": "7"]
            while true {
                let page = try test.get(path, query)
                guard case .array(let entries)? = page["transactions"] else { return all }
                for entry in entries {
                    guard case .number(let block)? = entry["block"],
                        case .number(let index)? = entry["index"]
                    else { return all }
                    all.append("\(block) \(index)")
                    query["block"] = block
                    query["index"] = index
                }
                if page["has_more"] == .bool(false) { return all }
            }
        }
        let forward = try walk("after")
        #expect(forward.count > 30)
        #expect(Set(forward).count == forward.count)
        #expect(try walk("before") == forward.reversed())
    }

    @Test func `a deployment is known with its factory and hashes`() async throws {
        let test = try AnalyticsFixture()
        typealias Step = AnalyticsFixture.Step
        try await test.produce([
            Step(deed: .create, sender: 0, recipient: 0, amount: 1),
            Step(deed: .destroy, sender: 0, recipient: 0, amount: 2),
            Step(deed: .deploy, sender: 0, recipient: 0, amount: 0),
        ])
        let answer = try test.get("/api/analytics/\(alice.checksummed)/contracts")
        guard case .array(let contracts)? = answer["contracts"] else {
            Issue.record("no list"); return
        }
        #expect(contracts.count == 3)
        #expect(
            contracts.map { $0["factory"] } == [
                .string(alice.checksummed), .string(AnalyticsFixture.destroyer.checksummed),
                .string(AnalyticsFixture.creator.checksummed),
            ])
        #expect(contracts[0]["code_hash"] == .string("\(keccak256([0]))"))
        #expect(contracts[1]["code_hash"] == .string("\(keccak256([]))"))
    }

    @Test func `tokens are told by their events, and a contract that tells otherwise is marked`()
        async throws
    {
        let test = try AnalyticsFixture()
        typealias Step = AnalyticsFixture.Step
        try await test.produce([
            Step(deed: .fungible, sender: 0, recipient: 1, amount: 5),
            Step(deed: .fungible, sender: 1, recipient: 6, amount: 2),
            Step(deed: .unique, sender: 0, recipient: 7, amount: 3),
        ])
        let bob = FixedKeys.bob.address.checksummed
        let transfers = try test.get("/api/analytics/\(bob)/transfers", ["direction": "after"])
        guard case .array(let moves)? = transfers["transfers"] else {
            Issue.record("no list"); return
        }
        #expect(moves.map { $0["value"] } == [.string("5"), .string("2")])
        let holders = try test.get(
            "/api/analytics/\(AnalyticsFixture.token.checksummed)/holders", ["verify": "true"])
        guard case .array(let holdings)? = holders["holdings"] else {
            Issue.record("no list"); return
        }
        #expect(holdings.map { $0["balance"] } == [.string("3"), .string("2")])
        // The contract of the test has no balanceOf.
        #expect(holdings.allSatisfy { $0["mismatch"] == .bool(true) })
        #expect(holders["verified"] == .number("2"))
        #expect(holders["order_exact"] == .bool(true))
        #expect(holders["holders_count"] == .number("2"))
        let own = try test.get("/api/analytics/\(alice.checksummed)/tokens")
        guard case .array(let mine)? = own["holdings"] else {
            Issue.record("no list"); return
        }
        #expect(mine.allSatisfy { $0["overdrawn"] == .bool(true) })
    }

    /// A contract of this code, made by Alice.
    private func deploy(_ code: Bytes, _ test: AnalyticsFixture) async throws -> Address {
        // CODECOPY of what follows these nine bytes.
        let start: Bytes = [0x60, UInt8(code.count), 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3]
        try await send([(nil, start + code)], gasLimit: 200_000, test)
        let made = try test.get("/api/analytics/\(alice.checksummed)/contracts")
        let address = made["contracts"]?[0]?["contract_address"]?.stringValue
        return try #require(address.flatMap { Address(hex: $0) })
    }

    /// A block of Alice's calls.
    private func send(
        _ calls: [(to: Address?, data: Bytes)], gasLimit: Gas, _ test: AnalyticsFixture
    ) async throws {
        let key = AnalyticsFixture.keys[0]
        let nonce = try test.chain.head.view.state.account(key.address)?.nonce ?? 0
        try await test.produce(
            transactions: calls.enumerated().map { index, call in
                RecoveredTransaction(
                    Transaction.legacy(
                        chainId: 1337, nonce: nonce + UInt64(index), gasPrice: 10_000_000_000,
                        gasLimit: gasLimit, to: call.to, value: .zero, data: call.data
                    ).signed(with: key), sender: key.address)
            })
    }

    private static let transferEvent =
        [0x7f] + keccak256(Bytes("Transfer(address,address,uint256)".utf8)).bytes

    @Test func `contracts are asked until the gas of a request is used up`() async throws {
        let test = try AnalyticsFixture()
        // Tells of a transfer, but never ends when it is asked with 36 bytes.
        let ask: Bytes = [0x36, 0x60, 36, 0x14, 0x60, 56, 0x57]
        let tell: Bytes =
            [0x60, 0x20, 0x35, 0x60, 0, 0x52, 0x60, 0, 0x35, 0x33] + Self.transferEvent
            + [0x60, 0x20, 0x60, 0, 0xa3, 0]
        let token = try await deploy(ask + tell + [0x5b, 0x60, 56, 0x56], test)
        for block in 0..<3 {
            let calls = (0..<90).map { index in
                let holder = AnalyticsFixture.recipient(100 + 90 * block + index)
                return (
                    Optional(token), holder.uint256.bigEndianBytes + UInt256(1).bigEndianBytes
                )
            }
            try await send(calls, gasLimit: 100_000, test)
        }
        let path = "/api/analytics/\(token.checksummed)/holders"
        let page = try test.get(path, ["verify": "true", "limit": "1000"])
        let holdings = try #require(page["holdings"]?.arrayValue)
        #expect(holdings.count == 270)
        // Fifty million are 250 times the 200,000 that each question may take.
        #expect(page["verified"] == .number("250"))
        #expect(holdings.allSatisfy { $0["balance_of"] == .null })
        #expect(holdings.filter { $0["mismatch"] == .bool(true) }.count == 250)
        #expect(holdings.filter { $0["mismatch"] == .null }.count == 20)
        #expect(try test.get(path, ["limit": "1000"])["verified"] == nil)
    }

    @Test func `an order that is cut says so`() async throws {
        let test = try AnalyticsFixture()
        // Tells of a transfer of 1 to each of so many addresses.
        func airdrop(_ count: UInt16) -> Bytes {
            let count = [UInt8(count >> 8), UInt8(count & 255)]
            return [0x60, 1, 0x5f, 0x52, 0x61] + count + [0x5b, 0x80, 0x33] + Self.transferEvent
                + [0x60, 0x20, 0x5f, 0xa3, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 7, 0x57, 0]
        }
        for (count, isExact) in [(4_000, true), (4_001, false)] {
            let token = try await deploy(airdrop(UInt16(count)), test)
            try await send([(token, [])], gasLimit: 20_000_000, test)
            let page = try test.get(
                "/api/analytics/\(token.checksummed)/holders", ["limit": "3"])
            #expect(page["holders_count"] == .number("\(count)"))
            #expect(page["holdings"]?.arrayValue?.count == 3)
            #expect(page["has_more"] == .bool(true))
            #expect(page["order_exact"] == .bool(isExact))
        }
    }

    @Test(arguments: ["transactions", "transfers", "holders", "tokens", "contracts"])
    func `an answer that takes too long is none`(list: String) async throws {
        let test = try AnalyticsFixture()
        typealias Step = AnalyticsFixture.Step
        try await test.produce([
            Step(deed: .fungible, sender: 0, recipient: 1, amount: 5),
            Step(deed: .deploy, sender: 0, recipient: 1, amount: 5),
        ])
        let address = list == "holders" ? AnalyticsFixture.token : alice
        let path = "/api/analytics/\(address.checksummed)/\(list)"
        let query = list == "tokens" ? ["verify": "true"] : [:]
        _ = try test.answer(path, query)
        #expect { try test.answer(path, query, deadline: .now) } throws: { error in
            (error as? RESTError)?.status == 504
        }
    }

    @Test func `hashes of single transactions are those of their block`() async throws {
        var random = SeededRandom(seed: 5)
        let test = try AnalyticsFixture()
        try await test.produce(AnalyticsFixture.steps(6, &random))
        let view = test.chain.head.view
        let hashes = try #require(try view.block(1)?.transactionHashes)
        #expect(
            try view.transactionHashes(1, at: [0, 3, 5, 9])
                == [0: hashes[0], 3: hashes[3], 5: hashes[5]])
        #expect(try view.transactionHashes(1, at: []) == [:])
        #expect(try view.transactionHashes(2, at: [0]) == nil)
    }

    @Test func `risk rests on cited transactions, and on nothing without a list`() async throws {
        let directory = try TemporaryDirectory()
        let list = directory.path + "/labels.csv"
        let flagged = AnalyticsFixture.recipient(9)
        try "address,label\n\(flagged.checksummed),thief\n".write(
            toFile: list, atomically: true, encoding: .utf8)
        let test = try AnalyticsFixture(section: ["labels": list])
        typealias Step = AnalyticsFixture.Step
        let block = try await test.produce([
            Step(deed: .transfer, sender: 0, recipient: 9, amount: 5),
            Step(deed: .transfer, sender: 2, recipient: 3, amount: 5),
        ])
        let report = try test.get("/api/analytics/\(alice.checksummed)")
        #expect(report["risk_score"] == .number("60"))
        #expect(report["risk"]?["meaning"] == .string("evidence points, not a probability"))
        guard case .array(let reasons)? = report["risk"]?["reasons"] else {
            Issue.record("no list"); return
        }
        #expect(reasons.map { $0["rule"] } == [.string("direct_contact")])
        #expect(
            reasons[0]["transactions"]
                == .array([.string("\(block.stored.transactionHashes[0])")]))
        let carol = try test.get("/api/analytics/\(FixedKeys.carol.address.checksummed)")
        #expect(carol["risk_score"] == .number("0"))
    }

    @Test func `wealth adds up to the state`() async throws {
        var random = SeededRandom(seed: 23)
        let test = try AnalyticsFixture()
        for _ in 0..<10 { try await test.produce(AnalyticsFixture.steps(5, &random)) }
        var balances: [Wei] = []
        try test.chain.head.view.forEachAccount { listed in
            if !listed.account.balance.isZero { balances.append(listed.account.balance) }
            return true
        }
        let wealth = try #require(try test.get("/api/analytics/network")["wealth"])
        #expect(wealth["accounts"] == .number("\(balances.count)"))
        #expect(wealth["supply"] == .string(balances.reduce(.zero, &+).description))
        guard case .array(let top)? = wealth["top_accounts"] else {
            Issue.record("no list"); return
        }
        let sorted = balances.sorted(by: >).prefix(20).map(\.description)
        #expect(top.compactMap { $0["balance"]?.stringValue } == sorted)
        // Four accounts hold all but dust, the same each.
        #expect(wealth["nakamoto"] == ["least": .number("2"), "most": .number("3")])
    }

    @Test func `an export has a row for each transaction and goes on by block`() async throws {
        var random = SeededRandom(seed: 29)
        let test = try AnalyticsFixture()
        var count = 0
        for _ in 0..<6 {
            let steps = AnalyticsFixture.steps(4, &random)
            count += steps.count
            try await test.produce(steps)
        }
        func rows(_ query: [String: String]) throws -> [String] {
            try test.get("/api/analytics/export/transactions", query).stringValue?
                .split(whereSeparator: \.isNewline).map(String.init) ?? []
        }
        let all = try rows([:])
        #expect(all.count == count + 1)
        #expect(all.first?.hasPrefix("hash,nonce,block_hash,block_number") == true)
        let parts = try rows(["to": "3"]) + rows(["from": "4"]).dropFirst()
        #expect(parts == all)
        #expect(try rows(["format": "ndjson"]).count == count)
        #expect(throws: RESTError.self) { try rows(["to": "7"]) }
        #expect(throws: RESTError.self) { try rows(["from": "3", "to": "2"]) }
    }
}
