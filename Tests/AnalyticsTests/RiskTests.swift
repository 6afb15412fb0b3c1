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
    private func evaluation(othersPaidBy other: Int) async throws -> JSONValue {
        let all = Array(100..<140)
        let test = try fixture(labels: all.filter { $0 % 2 == 0 })
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

    private func figure(_ answer: JSONValue, _ threshold: Int, _ name: String) -> Double? {
        let rates = answer["thresholds"]?.arrayValue?[threshold]
        let figure = rates?[name] ?? rates?["precision_by_prevalence"]?[name]
        guard case .number(let text)? = figure?["value"] else { return nil }
        return Double(text)
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
