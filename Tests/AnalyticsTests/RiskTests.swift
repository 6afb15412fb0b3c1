import Analytics
import Cryptography
import EthereumTypes
import Foundation
import PluginAPI
import Primitives
import TestSupport
import Testing

@Suite struct RiskTests {
    typealias Step = AnalyticsFixture.Step

    private let directory: TemporaryDirectory
    private let flagged = 9

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func fixture(labels: [Int], as label: String = "thief") throws -> AnalyticsFixture {
        try fixture(flagged: labels.map(AnalyticsFixture.recipient), as: label)
    }

    private func fixture(
        flagged: [Address], as label: String = "thief"
    ) throws -> AnalyticsFixture {
        let list = directory.path + "/labels.csv"
        let lines = flagged.map { "\($0.checksummed),\(label)" }
        try (["address,label"] + lines).joined(separator: "\n").write(
            toFile: list, atomically: true, encoding: .utf8)
        return try AnalyticsFixture(section: ["labels": list])
    }

    private func points(_ index: Int, _ test: AnalyticsFixture) throws -> Double {
        try points(of: AnalyticsFixture.recipient(index), test)
    }

    private func points(of address: Address, _ test: AnalyticsFixture) throws -> Double {
        guard
            case .number(let text)? = try test.get("/api/analytics/\(address)")["risk_score"],
            let points = Double(text)
        else { throw TestFailure("no points of \(address)") }
        return points
    }

    private func risk(_ index: Int, _ test: AnalyticsFixture) throws -> JSONValue {
        let address = AnalyticsFixture.recipient(index).checksummed
        return try #require(try test.get("/api/analytics/\(address)")["risk"])
    }

    private func rules(_ risk: JSONValue) -> [String] {
        (risk["reasons"]?.arrayValue ?? []).compactMap { $0["rule"]?.stringValue }
    }

    /// What the three models say of what came.
    private func received(_ risk: JSONValue) -> [String] {
        (risk["taint"]?["models"]?.arrayValue ?? []).compactMap { $0["received"]?.stringValue }
    }

    private struct TestFailure: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    @Test func `without the cited transactions there are no points`() async throws {
        let steps = [
            Step(deed: .transfer, sender: 0, recipient: flagged, amount: 5),
            Step(deed: .transfer, sender: 0, recipient: 3, amount: 5),
            Step(deed: .transfer, sender: 1, recipient: 0, amount: 5),
            Step(deed: .forward, sender: 2, recipient: flagged, amount: 4),
        ]
        let test = try fixture(labels: [flagged])
        let block = try await test.produce(steps)
        for index in 0..<3 {
            #expect(try points(index, test) > 0, "\(index)")
            let address = AnalyticsFixture.recipient(index).checksummed
            let reasons = try #require(
                test.get("/api/analytics/\(address)")["risk"]?["reasons"]?.arrayValue)
            let cited = Set(
                reasons.flatMap { $0["transactions"]?.arrayValue ?? [] }.compactMap(\.stringValue))
            #expect(!cited.isEmpty)
            let kept = zip(steps, block.stored.transactionHashes).filter {
                !cited.contains("\($1)")
            }
            let other = try fixture(labels: [flagged])
            try await other.produce(kept.map(\.0))
            #expect(try points(index, other) == 0, "\(index)")
        }
        try await test.chain.rollback(to: 0)
        for index in 0..<4 { #expect(try points(index, test) == 0) }
    }

    @Test func `a reason says which way the value went, and when`() async throws {
        let test = try fixture(labels: [flagged])
        try await test.produce([])
        try await test.produce([
            Step(deed: .transfer, sender: 0, recipient: flagged, amount: 5),
            Step(deed: .transfer, sender: 1, recipient: 0, amount: 4),
        ])
        try await test.produce([Step(deed: .transfer, sender: 0, recipient: 1, amount: 2)])
        try await test.produce([Step(deed: .transfer, sender: 0, recipient: flagged, amount: 6)])
        func contact(_ index: Int) throws -> JSONValue {
            let address = AnalyticsFixture.recipient(index).checksummed
            let reasons = try test.get("/api/analytics/\(address)")["risk"]?["reasons"]
            return try #require(reasons?.arrayValue?.first?["contact"])
        }
        func name(_ index: Int) -> JSONValue {
            .string(AnalyticsFixture.recipient(index).checksummed)
        }
        #expect(
            try contact(0) == [
                "address": name(flagged), "value_out": "11", "value_in": "0",
                "first_block": 2, "last_block": 4,
            ])
        // Bob has to do with it through Alice, whom he paid and who paid him.
        #expect(
            try contact(1) == [
                "address": name(0), "value_out": "4", "value_in": "2",
                "first_block": 2, "last_block": 3,
            ])
        #expect(try contact(flagged).isNull)
    }

    @Test func `more value from or to a flagged address never means fewer points`() async throws {
        var last = 0.0
        for amount in [1, 2, 5, 50, 5_000] as [UInt64] {
            let test = try fixture(labels: [flagged])
            try await test.produce([
                Step(deed: .transfer, sender: 0, recipient: flagged, amount: amount),
                Step(deed: .transfer, sender: 0, recipient: 8, amount: 10),
                Step(deed: .transfer, sender: 1, recipient: 0, amount: amount),
            ])
            let now = try points(0, test)
            #expect(now > last, "\(amount)")
            last = now
        }
        #expect(last < 60)
    }

    @Test func `a hub does not taint its customers`() async throws {
        // Alice has to do with the flagged address, and with so many that she is a hub.
        func customer(_ peers: Int) async throws -> Double {
            let test = try fixture(labels: [flagged])
            try await test.produce([
                Step(deed: .transfer, sender: 0, recipient: flagged, amount: 5),
                Step(deed: .transfer, sender: 1, recipient: 0, amount: 5),
            ])
            try await test.produce(
                (0..<(peers - 2)).map {
                    Step(deed: .transfer, sender: 0, recipient: 100 + $0, amount: 1)
                })
            return try points(1, test)
        }
        #expect(try await customer(200) == 0)
        #expect(try await customer(199) == 15)
    }

    @Test func `contact with a flagged hub counts half`() async throws {
        let test = try fixture(labels: [0])
        try await test.produce([Step(deed: .transfer, sender: 1, recipient: 0, amount: 5)])
        #expect(try points(1, test) == 60)
        try await test.produce(
            (0..<199).map { Step(deed: .transfer, sender: 0, recipient: 100 + $0, amount: 1) })
        #expect(try points(1, test) == 30)
    }

    @Test func `contact with a mixer counts whole however many use it`() async throws {
        let test = try fixture(labels: [0], as: "Mixer: first pool")
        try await test.produce(
            (0..<200).map { Step(deed: .transfer, sender: 0, recipient: 100 + $0, amount: 1) })
        #expect(try points(100, test) == 60)
        #expect(try rules(risk(100, test)) == ["direct_contact_with_mixer"])
    }

    @Test func `every transaction of a contact is cited`() async throws {
        let test = try fixture(labels: [flagged])
        var hashes: [JSONValue] = []
        for amount in [3, 0, 2, 5] as [UInt64] {
            let block = try await test.produce([
                Step(deed: .transfer, sender: 1, recipient: flagged, amount: 0),
                Step(deed: .transfer, sender: 0, recipient: flagged, amount: amount),
                Step(deed: .transfer, sender: 0, recipient: 3, amount: amount),
            ])
            hashes.append(.string("\(block.stored.transactionHashes[1])"))
        }
        let reason = try #require(try risk(0, test)["reasons"]?[0])
        #expect(reason["transactions"] == .array(hashes))
        #expect(reason["transactions_complete"] == true)
    }

    // MARK: - Taint

    /// Through a contract, which keeps half.
    private func forward(_ sender: Int, to recipient: Int, _ amount: UInt64 = 8) -> Step {
        Step(deed: .forward, sender: sender, recipient: recipient, amount: amount)
    }

    @Test func `what comes through another is tainted by its part of what that had`() async throws {
        let test = try fixture(labels: [0])
        try await test.produce([forward(1, to: 102)])
        let second = try await test.produce([forward(0, to: 100)])
        try await test.produce([
            forward(1, to: 101), Step(deed: .transfer, sender: 2, recipient: 101, amount: 12),
        ])
        // Paid before the flagged one paid.
        let early = try risk(102, test)
        #expect(received(early) == ["0", "0", "0"])
        #expect(rules(early) == ["contact_of_contact"])
        #expect(early["points"]?.doubleValue == 15)
        // Four clean wei were there when eight tainted ones came: of the next four two and a fraction
        // are tainted, or all, or none.
        let one = try risk(100, test)
        #expect(received(one) == ["2", "4", "0"])
        let reason = try #require(
            one["reasons"]?.arrayValue?.first { $0["rule"] == "indirect_taint" })
        #expect(reason["tainted"] == "2")
        #expect(reason["hops"] == 2)
        #expect(reason["label"] == "thief")
        #expect(reason["address"]?.stringValue == FixedKeys.alice.address.checksummed)
        #expect(
            reason["contact"]?["address"]?.stringValue == AnalyticsFixture.forwarder.checksummed)
        #expect(
            reason["transactions"] == .array([.string("\(second.stored.transactionHashes[0])")]))
        // Two of the four are tainted: half of 30. The others came from a contact: 15.
        #expect(reason["points"]?.doubleValue == 15)
        #expect(one["points"]?.doubleValue == 30)
        let taint = try #require(one["taint"])
        #expect(taint["complete"] == true)
        #expect(taint["received"] == "4" && taint["balance"] == "4")
        #expect(
            taint["received_share"] == [
                "low": 0, "low_model": "fifo", "high": 1, "high_model": "poison",
            ])
        #expect(taint["models"]?[0]?["received_by_hops"] == ["0", "2", "0"])
        // Six tainted ones of eight were left, and eight clean ones came after them.
        let two = try risk(101, test)
        #expect(received(two) == ["1", "4", "4"])
        #expect(two["taint"]?["received"] == "16")
        #expect(two["taint"]?["models"]?[0]?["received_share"]?.doubleValue == 1.0 / 16)
    }

    @Test func `what is undone taints nothing`() async throws {
        let test = try fixture(labels: [0])
        try await test.produce([
            Step(deed: .revert, sender: 0, recipient: 100, amount: 8), forward(1, to: 100),
        ])
        #expect(try received(risk(100, test)) == ["0", "0", "0"])
        #expect(try points(100, test) == 0)
    }

    @Test func `a hub passes no taint to its customers`() async throws {
        // The contract has the flagged one as peer, and each of these.
        func customer(_ count: Int) async throws -> JSONValue {
            let test = try fixture(labels: [0])
            try await test.produce((0..<count).map { forward(0, to: 100 + $0) })
            return try risk(100, test)
        }
        let one = try await customer(198)
        #expect(one["points"]?.doubleValue == 30)
        #expect(rules(one) == ["indirect_taint"])
        let other = try await customer(199)
        #expect(other["points"]?.doubleValue == 0)
        #expect(received(other) == ["0", "0", "0"])
        #expect(other["taint"]?["complete"] == true)
    }

    @Test func `more tainted value never means fewer points`() async throws {
        // Straight from the flagged one, or through the contract: the points of the one kind do not
        // fall where the other gets more.
        for isDirect in [true, false] {
            var last = 0.0
            for amount in [2, 20, 200, 2_000, 20_000] as [UInt64] {
                let test = try fixture(labels: [0])
                let more =
                    isDirect
                    ? Step(deed: .transfer, sender: 0, recipient: 100, amount: amount)
                    : forward(0, to: 100, amount)
                try await test.produce([
                    Step(deed: .transfer, sender: 2, recipient: 100, amount: 1),
                    Step(deed: .transfer, sender: 0, recipient: 100, amount: 1_000),
                    forward(0, to: 100, 14), more,
                ])
                let now = try points(100, test)
                #expect(now > last, "\(amount)")
                last = now
            }
            #expect(last < 100)
        }
    }

    private static let deeds: [Deed] = [.transfer, .forward, .revert]

    private func steps(_ count: Int, _ random: inout SeededRandom) -> [Step] {
        (0..<count).map { _ in
            Step(
                deed: Self.deeds[Int.random(in: 0..<3, using: &random)],
                sender: Int.random(in: 0..<4, using: &random),
                recipient: Int.random(in: 100..<108, using: &random),
                amount: UInt64.random(in: 0...1_000_000, using: &random))
        }
    }

    @Test func `without all that is cited of an address it has no points`() async throws {
        var random = SeededRandom(seed: 51)
        let all = steps(24, &random)
        let test = try fixture(labels: [0])
        let block = try await test.produce(all)
        for index in [1, 2, 3] + Array(100..<108) {
            let risk = try risk(index, test)
            var cited: Set<String> = []
            for reason in risk["reasons"]?.arrayValue ?? [] {
                #expect(reason["transactions_complete"] == true)
                cited.formUnion(reason["transactions"]?.arrayValue?.compactMap(\.stringValue) ?? [])
            }
            let kept = zip(all, block.stored.transactionHashes).filter {
                !cited.contains("\($1)")
            }
            let other = try fixture(labels: [0])
            try await other.produce(kept.map(\.0))
            #expect(try points(index, other) == 0, "\(index), seed \(random.seed)")
        }
    }

    @Test func `after reorganisations the evidence is that of a fresh chain`() async throws {
        var random = SeededRandom(seed: 53)
        let test = try fixture(labels: [0])
        var blocks: [[Step]] = []
        for _ in 0..<24 {
            if !blocks.isEmpty, Int.random(in: 0..<4, using: &random) == 0 {
                let keep = Int.random(in: max(0, blocks.count - 5)..<blocks.count, using: &random)
                blocks.removeLast(blocks.count - keep)
                try await test.chain.rollback(to: UInt64(keep))
            }
            blocks.append(steps(Int.random(in: 0...4, using: &random), &random))
            try await test.produce(blocks[blocks.count - 1])
        }
        let fresh = try fixture(labels: [0])
        for steps in blocks { try await fresh.produce(steps) }
        #expect(fresh.chain.head.hash == test.chain.head.hash)
        for index in Array(0..<12) + Array(100..<108) {
            #expect(try risk(index, test) == risk(index, fresh), "\(index), seed \(random.seed)")
        }
    }

    @Test func `the movements that are followed add up to the balance`() async throws {
        var random = SeededRandom(seed: 57)
        let test = try fixture(labels: [0])
        for _ in 0..<24 { try await test.produce(AnalyticsFixture.steps(8, &random)) }
        // Of a poisoned balance all is tainted: fees, withdrawals, creations, what is destroyed.
        let addresses =
            (1..<12).map(AnalyticsFixture.recipient)
            + [AnalyticsFixture.forwarder, AnalyticsFixture.creator, AnalyticsFixture.destroyer]
        var poisoned = 0
        for address in addresses {
            let report = try test.get("/api/analytics/\(address)")
            let poison = try #require(report["risk"]?["taint"]?["models"]?[1])
            guard poison["balance"] != "0" else { continue }
            poisoned += 1
            #expect(poison["balance"] == report["balance"], "\(address), seed \(random.seed)")
        }
        #expect(poisoned > 8)
    }

    @Test func `an account with more transactions than are read says so`() async throws {
        let test = try fixture(labels: [0])
        try await test.produce([forward(0, to: 101)])
        for _ in 0..<8 { try await test.produce((0..<125).map { forward(1, to: 102 + $0 % 5, 2) }) }
        try await test.produce([forward(0, to: 100)])
        // What the contract paid first was read, and what it paid last was not.
        let first = try risk(101, test)
        #expect(first["complete"] == true)
        #expect(received(first) == ["4", "4", "4"])
        let last = try risk(100, test)
        #expect(last["complete"] == false)
        #expect(last["taint"]?["complete"] == false)
        #expect(received(last) == ["0", "0", "0"])
        #expect(rules(last) == ["contact_of_contact"])
        // Of the contract itself all that came is known by the sums, but not what is left of it.
        let name = AnalyticsFixture.forwarder.checksummed
        let own = try #require(try test.get("/api/analytics/\(name)")["risk"]?["taint"])
        #expect(own["complete"] == false)
        #expect(own["received"] == "2016")
        #expect(own["models"]?[0]?["received"] == "8")
        #expect(own["models"]?[0]?["balance"]?.isNull == true)
        #expect(own["balance_share"]?.isNull == true)
    }

    @Test func `more payers than are looked at make it incomplete`() async throws {
        let test = try fixture(labels: [flagged])
        let keys = try (1...500).map { try #require(PrivateKey(UInt256($0 + 1_000))) }
        try await test.produce(
            transactions: keys.enumerated().map { index, key in
                send(FixedKeys.alice, UInt64(index), to: key.address, 1_000_000_000_000_000)
            })
        // Of 500 accounts one is Alice, who paid all of them.
        for (target, count, isComplete) in [(100, 499, true), (101, 500, false)] {
            try await test.produce(
                transactions: keys.prefix(count).enumerated().map { index, key in
                    let nonce: Nonce = target == 101 && index < 499 ? 1 : 0
                    return send(key, nonce, to: AnalyticsFixture.recipient(target), 1)
                })
            let risk = try risk(target, test)
            #expect(risk["complete"] == .bool(isComplete))
            #expect(risk["points"]?.doubleValue == 0)
        }
    }

    @Test func `the answer has what its form promises`() async throws {
        let test = try fixture(labels: [0])
        try await test.produce([forward(0, to: 100)])
        let route = try #require(test.host.routes.first { $0.path == "/api/analytics/{address}" })
        func check(_ value: JSONValue, _ schema: JSONValue, _ path: String) {
            for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] {
                #expect(value[name] != nil, "\(path).\(name)")
            }
            for name in schema["properties"]?.objectValue?.keys ?? [] {
                if let value = value[name], let schema = schema["properties"]?[name] {
                    check(value, schema, "\(path).\(name)")
                }
            }
            if let items = schema["items"] {
                for value in value.arrayValue ?? [] { check(value, items, "\(path)[]") }
            }
        }
        let name = AnalyticsFixture.recipient(100).checksummed
        let answer = try test.get("/api/analytics/\(name)")
        #expect(answer["risk"]?["reasons"]?.arrayValue?.count == 1)
        check(answer, try #require(route.answerSchema), "$")
        let without = try AnalyticsFixture()
        try await without.produce([])
        check(try without.get("/api/analytics/\(name)"), try #require(route.answerSchema), "$")
    }

    private func send(
        _ from: PrivateKey, _ nonce: Nonce, to: Address, _ value: UInt64
    ) -> RecoveredTransaction {
        RecoveredTransaction(
            Transaction.legacy(
                chainId: 1337, nonce: nonce, gasPrice: 10_000_000_000, gasLimit: 21_000,
                to: to, value: UInt256(value)
            ).signed(with: from), sender: from.address)
    }

    // MARK: - Evaluation

    /// Forty addresses, each paid by one of two: of the flagged ones by the first, of the others by
    /// the second or by the first as well.
    private func evaluation(
        othersPaidBy other: Int, withPayer payer: [Int] = []
    ) async throws -> JSONValue {
        let all = Array(100..<140)
        let test = try fixture(labels: payer + all.filter { $0 % 2 == 0 })
        for first in stride(from: 0, to: 40, by: 4) {
            try await test.produce(
                all[first..<(first + 4)].map {
                    Step(deed: .transfer, sender: $0 % 2 == 0 ? 0 : other, recipient: $0, amount: 3)
                })
        }
        let again = try test.get("/api/analytics/risk/evaluation", ["seed": "5"])
        let answer = try test.get("/api/analytics/risk/evaluation", ["seed": "5"])
        #expect(answer == again)
        return answer
    }

    private func figure(
        _ answer: JSONValue, _ threshold: Int, _ name: String, _ part: String = "value"
    ) -> Double? {
        let rates = answer["thresholds"]?.arrayValue?[threshold]
        let figure = rates?[name] ?? rates?["precision_by_prevalence"]?[name]
        return figure?[part]?.doubleValue
    }

    private func rates(_ answer: JSONValue, _ rule: String) -> JSONValue? {
        answer["rules"]?.arrayValue?.first { $0["rule"]?.stringValue == rule }
    }

    private func figure(_ answer: JSONValue, _ rule: String, _ name: String) -> Double? {
        rates(answer, rule)?[name]?["value"]?.doubleValue
    }

    private func bounds(_ answer: JSONValue, _ rule: String, _ name: String) -> String? {
        rates(answer, rule)?[name]?["bounds"]?.stringValue
    }

    @Test func `half of a list is hidden, however long it is`() async throws {
        // Flagged ones that pay each other, two and two: found are those whose peer is not hidden.
        let keys = try (1...1_100).map { try #require(PrivateKey(UInt256($0 + 1_000))) }
        let payees = keys.indices.map { AnalyticsFixture.recipient($0 + 1_000) }
        let test = try fixture(flagged: keys.map(\.address) + payees)
        for part in stride(from: 0, to: keys.count, by: 550) {
            try await test.produce(
                transactions: (part..<(part + 550)).map {
                    send(FixedKeys.alice, Nonce($0), to: keys[$0].address, 1_000_000_000_000_000)
                })
            try await test.produce(
                transactions: (part..<(part + 550)).map { send(keys[$0], 0, to: payees[$0], 1) })
        }
        let answer = try test.get("/api/analytics/risk/evaluation", ["seed": "1"])
        #expect(answer["flagged_in_index"]?.intValue == 2_200)
        #expect(answer["flagged"]?.intValue == 2_000)
        let recall = try #require(figure(answer, "direct_contact", "recall"))
        #expect(abs(recall - 0.5) < 0.02)
    }

    @Test func `the bounds of figures between none and all come from samples`() async throws {
        // Alice is flagged and pays most of the flagged ones and some of the others.
        let all = Array(100..<140)
        func isFlagged(_ index: Int) -> Bool { index % 2 == 0 }
        let test = try fixture(labels: [0] + all.filter(isFlagged))
        try await test.produce(
            all.map {
                Step(
                    deed: .transfer, sender: $0 % 5 == 0 || isFlagged($0) == ($0 % 3 == 0) ? 1 : 0,
                    recipient: $0, amount: 3)
            })
        let answer = try test.get("/api/analytics/risk/evaluation", ["seed": "3"])
        #expect(answer["protocol"]?["resamples"] == .number("1000"))
        let measured = try #require(rates(answer, "direct_contact"))
        let byPrevalence = measured["precision_by_prevalence"]
        for name in ["recall", "false_positive_rate", "precision", "lift", "0.001", "0.01", "0.1"] {
            let figure = try #require(measured[name] ?? byPrevalence?[name])
            let low = try #require(figure["low"]?.doubleValue)
            let value = try #require(figure["value"]?.doubleValue)
            let high = try #require(figure["high"]?.doubleValue)
            #expect(figure["bounds"]?.stringValue == "bootstrap", "\(name)")
            #expect(0 < low && low < value && value < high, "\(name)")
        }
    }

    @Test func `an evaluation measures taint, too, and hidden flags are sources no more`()
        async throws
    {
        // Alice pays the flagged ones through a contract, Bob pays others; Carol greets the former, as
        // only who is in a transaction takes part.
        let all = Array(100..<120)
        func evaluation(_ payers: [Int]) async throws -> JSONValue {
            let test = try fixture(labels: payers + all)
            try await test.produce(
                all.flatMap { index in
                    [
                        forward(0, to: index),
                        Step(deed: .transfer, sender: 1, recipient: index + 100, amount: 3),
                        Step(deed: .transfer, sender: 2, recipient: index, amount: 0),
                    ]
                })
            return try test.get("/api/analytics/risk/evaluation")
        }
        let answer = try await evaluation([0])
        // Not while Alice is hidden, too.
        let recall = try #require(figure(answer, "indirect_taint", "recall"))
        #expect(0.2 < recall && recall < 0.8)
        #expect(figure(answer, "indirect_taint", "false_positive_rate") == 0)
        #expect(bounds(answer, "indirect_taint", "recall") == "bootstrap")
        // Of none found, samples would say that it is surely none.
        #expect(bounds(answer, "indirect_taint", "false_positive_rate") == "clopper_pearson")
        #expect(bounds(answer, "indirect_taint", "precision") == "clopper_pearson")
        #expect(figure(answer, "flagged", "recall") == nil)
        let unknown = try await evaluation([])
        #expect(figure(unknown, "indirect_taint", "recall") == 0)
        #expect(try #require(figure(unknown, "contact_of_contact", "recall")) == 1)
    }

    @Test func `an evaluation finds what hidden flags have in common with known ones`() async throws
    {
        let answer = try await evaluation(othersPaidBy: 1)
        #expect(answer["flagged_in_index"] == .number("20"))
        let controls = try #require(answer["controls"]?.intValue)
        #expect((10...20).contains(controls))
        #expect(figure(answer, 0, "recall") == 1)
        // Who paid the flagged ones may be a control, and is the only one with points.
        let share = 1 / Double(controls)
        let wrong = try #require(figure(answer, 0, "false_positive_rate"))
        #expect(wrong == 0 || abs(wrong - share) < 1e-9)
        let precision = try #require(figure(answer, 0, "precision"))
        #expect(abs(precision - 1 / (1 + wrong)) < 1e-9)
        #expect(abs(try #require(figure(answer, 0, "lift")) - 2 * precision) < 1e-9)
        let rare = try #require(figure(answer, 0, "0.001"))
        #expect(abs(rare - 0.001 / (0.001 + 0.999 * wrong)) < 1e-9)
        // A contact of a contact is no medium risk.
        #expect(figure(answer, 1, "recall") == 0)
        #expect(figure(answer, "contact_of_contact", "recall") == 1)
        #expect(figure(answer, "contact_of_contact", "false_positive_rate") == 0)
        #expect(figure(answer, "direct_contact", "false_positive_rate") == wrong)
        #expect(figure(answer, "indirect_taint", "recall") == 0)
        #expect(answer["incomplete"] == 0)
        #expect(answer["protocol"]?["hold_outs"] == .number("20"))
    }

    @Test func `no false positive among few controls is no proof of precision`() async throws {
        // Who pays the flagged ones is flagged, too: nobody else has to do with them.
        let answer = try await evaluation(othersPaidBy: 1, withPayer: [0])
        #expect(answer["flagged_in_index"] == .number("21"))
        let controls = try #require(answer["controls"]?.doubleValue)
        #expect(figure(answer, 0, "recall") == 1)
        #expect(figure(answer, 0, "false_positive_rate") == 0)
        #expect(figure(answer, 0, "false_positive_rate", "low") == 0)
        let most = try #require(figure(answer, 0, "false_positive_rate", "high"))
        #expect(abs(most - (1 - pow(0.025, 1 / controls))) < 1e-9)
        #expect(figure(answer, 0, "0.001") == 1)
        #expect(figure(answer, 0, "0.001", "high") == 1)
        let least = try #require(figure(answer, 0, "0.001", "low"))
        #expect((0.001..<0.01).contains(least))
    }

    @Test func `the bounds of a precision are those of its rates, of which neither is sure`()
        async throws
    {
        let answer = try await evaluation(othersPaidBy: 1)
        let controls = try #require(answer["controls"]?.doubleValue)
        let wrong = try #require(figure(answer, 0, "false_positive_rate"))
        for (name, share) in [("precision", 0.5), ("0.001", 0.001), ("0.01", 0.01), ("0.1", 0.1)] {
            let low = try #require(figure(answer, 0, name, "low"))
            let value = try #require(figure(answer, 0, name))
            let high = try #require(figure(answer, 0, name, "high"))
            #expect(low < value && value <= high)
            // All of 20 were found, and one or none of the controls.
            let recall = pow(0.0125, 1.0 / 20)
            let mostWrong =
                wrong == 0
                ? 1 - pow(0.0125, 1 / controls)
                : BinomialBounds(hits: 1, cases: controls, confidence: 0.975).high
            let worst = recall * share / (recall * share + mostWrong * (1 - share))
            #expect(abs(low - worst) < 1e-9, "\(name)")
        }
        #expect(try #require(figure(answer, 0, "0.001", "low")) < 0.01)
    }

    @Test func `without controls nothing is said of false positives`() async throws {
        let test = try fixture(labels: [0] + Array(100..<112))
        try await test.produce(
            (100..<112).map { Step(deed: .transfer, sender: 0, recipient: $0, amount: 1) })
        let answer = try test.get("/api/analytics/risk/evaluation")
        #expect(answer["controls"]?.intValue == 0)
        let rates = try #require(answer["thresholds"]?.arrayValue?[0])
        #expect(rates["recall"]?["value"]?.doubleValue != nil)
        for name in ["false_positive_rate", "precision", "lift"] {
            #expect(rates[name]?.isNull == true, "\(name)")
        }
        #expect(rates["precision_by_prevalence"]?["0.001"]?.isNull == true)
    }

    @Test func `an evaluation finds nothing where the flags tell nothing`() async throws {
        let answer = try await evaluation(othersPaidBy: 0)
        #expect(figure(answer, 0, "recall") == 1)
        #expect(figure(answer, 0, "false_positive_rate") == 1)
        #expect(figure(answer, 0, "lift") == 1)
        #expect(abs(try #require(figure(answer, 0, "0.01")) - 0.01) < 1e-9)
    }

    @Test func `an evaluation needs a list with addresses of the chain`() async throws {
        let without = try AnalyticsFixture()
        try await without.produce([])
        #expect(throws: RESTError.self) { try without.get("/api/analytics/risk/evaluation") }
        let few = try fixture(labels: Array(100..<109))
        try await few.produce(
            (100..<109).map { Step(deed: .transfer, sender: 0, recipient: $0, amount: 1) })
        #expect(throws: RESTError.self) { try few.get("/api/analytics/risk/evaluation") }
    }
}
