import Analytics
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

    private func fixture(labels: [Int]) throws -> AnalyticsFixture {
        let list = directory.path + "/labels.csv"
        let lines = labels.map { "\(AnalyticsFixture.recipient($0).checksummed),mixer" }
        try (["address,label"] + lines).joined(separator: "\n").write(
            toFile: list, atomically: true, encoding: .utf8)
        return try AnalyticsFixture(section: ["labels": list])
    }

    private func points(_ index: Int, _ test: AnalyticsFixture) throws -> Double {
        let address = AnalyticsFixture.recipient(index).checksummed
        guard case .number(let text)? = try test.get("/api/analytics/\(address)")["risk_score"],
            let points = Double(text)
        else { throw TestFailure("no points of \(address)") }
        return points
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
