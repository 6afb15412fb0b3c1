import Foundation
import Prediction
import Testing

@Suite struct ChangeModelTests {
    /// Prices whose next change is, for a share `signal` of its variance, the sum of two features.
    private func rows(_ count: Int, signal: Double, seed: UInt64) throws -> [[String]] {
        var noise = Noise(seed: seed)
        var price = 100.0
        var push = 0.0
        return (0..<count).map { row in
            price *= exp(
                0.02 * (signal.squareRoot() * push + (1 - signal).squareRoot() * noise.normal()))
            let features = (0..<3).map { _ in noise.normal() }
            push = (features[0] + features[1]) / 2.0.squareRoot()
            return ["day \(row)", "\(price)"] + features.map { "\($0)" }
        }
    }

    private func table(rows: Int, signal: Double, seed: UInt64) throws -> CSVTable {
        try table(self.rows(rows, signal: signal, seed: seed))
    }

    private func table(_ rows: [[String]]) throws -> CSVTable {
        let lines = [["date", "price", "first", "second", "third"]] + rows
        return try CSVTable(lines.map { $0.joined(separator: ",") }.joined(separator: "\n"))
    }

    private let request = ChangeModel.Request(
        targetColumn: "price", horizon: 1, features: ["first", "second", "third"])

    @Test(arguments: [3, 13] as [UInt64])
    func `a planted signal is found and its coverage holds`(seed: UInt64) throws {
        let model = try ChangeModel.train(
            try table(rows: 2_400, signal: 0.3, seed: seed), request)
        #expect(model.record.skill > 0.2)
        #expect(model.record.skillLow > 0)
        #expect(abs(model.record.coverage - 0.8) <= 0.03)
        let up = model.forecast(["first": 2, "second": 2, "third": 0])
        #expect(try #require(up.change) > 0.01)
        #expect(Set(up.featuresUsed).isSuperset(of: ["first", "second"]))
    }

    /// Whatever a table of noise makes of the walk forward: some models seem to have skill.
    @Test func `noise is held in at least 99 of 100 calls`() async throws {
        let tables = 300
        let callsEach = 20
        let found = try await withThrowingTaskGroup { group in
            for seed in 0..<UInt64(tables) {
                group.addTask {
                    let model = try ChangeModel.train(
                        try table(rows: 160, signal: 0, seed: 1_000 + seed), request)
                    var noise = Noise(seed: 9_000 + seed)
                    var held = 0
                    for _ in 0..<callsEach {
                        // Anywhere in the ranges: a call is not held because of what it asks.
                        let features = model.features.map { feature in
                            let width = feature.highest - feature.lowest
                            return (feature.name, feature.lowest + noise.uniform() * width)
                        }
                        let forecast = model.forecast(Dictionary(uniqueKeysWithValues: features))
                        #expect(forecast.outOfRange.isEmpty)
                        held += forecast.recommendation == .hold ? 1 : 0
                    }
                    return (held: held, hasSkill: model.record.skillLow > 0)
                }
            }
            return try await group.reduce(into: (held: 0, skilful: 0)) { sum, one in
                sum.held += one.held
                sum.skilful += one.hasSkill ? 1 : 0
            }
        }
        #expect(
            Double(found.held) >= 0.99 * Double(tables * callsEach),
            "\(found.skilful) models seem to have skill")
    }

    @Test(arguments: [41, 42] as [UInt64])
    func `a shuffled target shows no skill`(seed: UInt64) throws {
        let lines = try rows(900, signal: 0.5, seed: seed)
        // The prices of one table beside the features of another: nothing of it fits together.
        let others = try rows(900, signal: 0.5, seed: seed + 1_000)
        let shuffled = zip(lines, others).map { own, other in
            [own[0], own[1]] + other[2...]
        }
        let model = try ChangeModel.train(try table(shuffled), request)
        #expect(model.record.skillLow <= 0)
        #expect(model.record.skill < 0.02)
    }

    @Test func `the ten features of the interface go in, and only those with splits come out`()
        throws
    {
        let names = [
            "price_change_1h", "price_change_24h", "volume_change", "market_cap_change",
            "network_activity", "gas_price", "active_addresses", "tvl", "sentiment_score",
            "institutional_flow",
        ]
        var noise = Noise(seed: 17)
        var price = 100.0
        var push = 0.0
        var lines = [(["date", "price"] + names).joined(separator: ",")]
        for row in 0..<1_200 {
            price *= exp(0.02 * (0.8 * push + 0.6 * noise.normal()))
            var values = names.map { _ in noise.normal() }
            push = values[2]
            // A column that never changes cannot be split.
            values[9] = 1
            lines.append(
                (["day \(row)", "\(price)"] + values.map { "\($0)" }).joined(separator: ","))
        }
        let model = try ChangeModel.train(
            try CSVTable(lines.joined(separator: "\n")),
            ChangeModel.Request(targetColumn: "price", horizon: 1, features: names))
        let given = Dictionary(uniqueKeysWithValues: names.map { ($0, 0.5) })
        let forecast = model.forecast(given.filter { $0.key != "tvl" })
        #expect(forecast.featuresUsed.first == "volume_change")
        #expect(!forecast.featuresUsed.contains("institutional_flow"))
        #expect(forecast.missing == ["tvl"])
        let split = model.features.filter { $0.splits > 0 }.map(\.name)
        #expect(Set(forecast.featuresUsed) == Set(split).subtracting(["tvl"]))
        // A column that no tree asks for may be missing, and take any value.
        let whole = model.forecast(given.filter { $0.key != "institutional_flow" })
        #expect(whole.missing == ["institutional_flow"])
        #expect(whole.confidence == model.record.coverage)
        #expect(model.forecast(given.merging(["institutional_flow": 7]) { $1 }).confidence != nil)
    }

    @Test(
        arguments: [
            [:], ["second": 2], ["first": 2, "third": 0], ["first": 2, "second": .nan, "third": 0],
            ["price": 100],
        ] as [[String: Double]])
    func `nothing is forecast without what the trees ask for`(_ given: [String: Double]) throws {
        let model = try strong()
        let forecast = model.forecast(given)
        #expect(forecast.recommendation == .hold)
        #expect(forecast.reason.contains("are missing"))
        #expect(forecast.change == nil && forecast.interval == nil && forecast.confidence == nil)
        #expect(forecast.riskLevel == .high)
    }

    @Test(
        arguments: [["first": 99], ["second": -99], ["first": 99, "second": 99]]
            as [[String: Double]])
    func `nothing is bought or sold where nothing was measured`(_ strange: [String: Double]) throws
    {
        let model = try strong()
        let usual: [String: Double] = ["first": 2, "second": 2, "third": 0]
        #expect(model.forecast(usual).recommendation == .buy)
        #expect(model.forecast(usual).confidence == model.record.coverage)
        let forecast = model.forecast(usual.merging(strange) { $1 })
        #expect(forecast.recommendation == .hold)
        #expect(forecast.reason.contains(strange.keys.sorted().joined(separator: ", ")))
        #expect(Set(forecast.outOfRange) == Set(strange.keys))
        #expect(forecast.confidence == nil)
        #expect(forecast.change != nil && forecast.interval != nil)
        #expect(forecast.riskLevel == .high)
    }

    @Test func `the ends of a range are inside it`() throws {
        // 0.7 and -0.7 are nearer to zero as the numbers that trees compare.
        var rows = try rows(800, signal: 0.95, seed: 5)
        for row in rows.indices {
            rows[row][2] = "\(max(-0.7, min(0.7, Double(rows[row][2]) ?? 0)))"
        }
        let model = try ChangeModel.train(try table(rows), request)
        for end in [0.7, -0.7] {
            let forecast = model.forecast(["first": end, "second": 0, "third": 0])
            #expect(forecast.outOfRange.isEmpty)
        }
        #expect(model.forecast(["first": 0.7001]).outOfRange == ["first"])
    }

    private func strong() throws -> ChangeModel {
        try ChangeModel.train(try table(rows: 1_000, signal: 0.95, seed: 5), request)
    }

    @Test func `buying or selling takes an interval without zero and a skill beyond chance`() throws
    {
        for (seed, signal) in [(51, 0.1), (52, 0.3), (53, 0.9)] {
            let model = try ChangeModel.train(
                try table(rows: 700, signal: signal, seed: UInt64(seed)), request)
            var noise = Noise(seed: UInt64(seed) + 500)
            for _ in 0..<200 {
                let forecast = model.forecast([
                    "first": 2 * noise.normal(), "second": 2 * noise.normal(), "third": 0,
                ])
                let interval = try #require(forecast.interval)
                switch forecast.recommendation {
                case .buy: #expect(interval.lowerBound > 0 && model.record.skillLow > 0)
                case .sell: #expect(interval.upperBound < 0 && model.record.skillLow > 0)
                case .hold:
                    #expect(
                        model.record.skillLow <= 0 || interval.contains(0)
                            || !forecast.outOfRange.isEmpty)
                }
            }
        }
    }

    @Test func `a strong signal is bought and sold`() throws {
        let model = try ChangeModel.train(try table(rows: 2_400, signal: 0.95, seed: 5), request)
        #expect(
            model.forecast(["first": 2, "second": 2, "third": 0]).recommendation == .buy)
        #expect(
            model.forecast(["first": -2, "second": -2, "third": 0]).recommendation == .sell)
        #expect(
            model.forecast(["first": 0, "second": 0, "third": 0]).recommendation == .hold)
    }

    @Test func `missing, strange and unknown features are reported`() throws {
        let model = try ChangeModel.train(try table(rows: 1_200, signal: 0.3, seed: 6), request)
        let forecast = model.forecast(["first": 99, "second": .nan, "volume": 1])
        #expect(forecast.missing == ["second", "third"])
        #expect(forecast.outOfRange == ["first"])
        #expect(forecast.unknown == ["volume"])
        #expect(forecast.featuresUsed.allSatisfy { $0 == "first" })
    }

    @Test func `changes too large to reckon with are left out`() throws {
        var rows = try rows(800, signal: 0.3, seed: 6)
        // Fifteen changes of which the sum is no number.
        for row in stride(from: 100, to: 130, by: 2) {
            rows[row][1] = "1e-19"
            rows[row + 1][1] = "1e19"
        }
        let model = try ChangeModel.train(try table(rows), request)
        #expect(model.rows == 799 - 15)
        let forecast = model.forecast(["first": 1, "second": 1, "third": 1e300])
        let interval = try #require(forecast.interval)
        #expect(try #require(forecast.change).isFinite)
        #expect(interval.lowerBound.isFinite && interval.upperBound.isFinite)
    }

    @Test func `a model read from its file answers the same`() throws {
        let model = try ChangeModel.train(try table(rows: 1_200, signal: 0.3, seed: 7), request)
        let again = try ChangeModel.train(try table(rows: 1_200, signal: 0.3, seed: 7), request)
        #expect(model == again)
        let read = try JSONDecoder().decode(ChangeModel.self, from: JSONEncoder().encode(model))
        #expect(read == model)
        #expect(read.isUsable)
        let features = ["first": 0.5, "second": -1.25]
        #expect(read.forecast(features) == model.forecast(features))
    }

    @Test func `too few outcomes for an interval of the skill are held, and it is said`() throws {
        var long = request
        long.horizon = 60
        let model = try ChangeModel.train(try table(rows: 600, signal: 0.95, seed: 9), long)
        let forecast = model.forecast(["first": 2, "second": 2, "third": 0])
        #expect(forecast.recommendation == .hold)
        #expect(forecast.reason.contains("too few outcomes"))
    }

    @Test func `a table that cannot be learned from is refused with its reason`() throws {
        let table = try table(rows: 300, signal: 0, seed: 8)
        #expect(throws: ChangeModel.TrainingError.unknownColumn("cost")) {
            try ChangeModel.train(table, ChangeModel.Request(targetColumn: "cost", horizon: 1))
        }
        #expect(throws: ChangeModel.TrainingError.invalidHorizon(31, rows: 300)) {
            try ChangeModel.train(table, ChangeModel.Request(targetColumn: "price", horizon: 31))
        }
        let short = try self.table(rows: 100, signal: 0, seed: 8)
        #expect(throws: ChangeModel.TrainingError.self) {
            try ChangeModel.train(short, request)
        }
    }
}

@Suite struct CSVTableTests {
    @Test func `numbers, labels, quotes and gaps are read`() throws {
        let table = try CSVTable(
            "date,a,\"b,c\"\r\n2024-01-01,1.5,\"2\"\r\n\r\n2024-01-02,,NaN\r\n")
        #expect(table.columns == ["a", "b,c"])
        #expect(table.labels == ["2024-01-01", "2024-01-02"])
        #expect(table.rows == 2)
        #expect(table.column("a")?.first == 1.5)
        #expect(table.column("a")?.last?.isNaN == true)
        #expect(table.column("b,c")?.first == 2)
        #expect(table.column("d") == nil)
    }

    @Test func `columns that nobody wants may hold anything`() throws {
        let text = "hash,number,timestamp\n0xab,1,10\n0xcd,2,20\n"
        #expect(CSVTable.header(of: text) == ["hash", "number", "timestamp"])
        let table = try CSVTable(text, only: ["timestamp", "number"])
        #expect(table.columns == ["number", "timestamp"])
        #expect(table.column("timestamp") == [10, 20])
    }

    @Test func `a broken table says what and where`() {
        #expect(throws: CSVTable.Failure.empty) { try CSVTable("") }
        #expect(throws: CSVTable.Failure.empty) { try CSVTable("a,b\n") }
        #expect(throws: CSVTable.Failure.invalidHeader("a")) { try CSVTable("a,a\n1,2\n") }
        #expect(throws: CSVTable.Failure.raggedLine(line: 3, cells: 1, columns: 2)) {
            try CSVTable("a,b\n1,2\n3\n")
        }
        #expect(throws: CSVTable.Failure.invalidNumber(line: 2, column: "b", text: "x")) {
            try CSVTable("a,b\n1,x\n")
        }
        #expect(throws: CSVTable.Failure.invalidQuotes(line: 2)) { try CSVTable("a,b\n1,\"2\n") }
        #expect(throws: CSVTable.Failure.invalidQuotes(line: 2)) { try CSVTable("a,b\n1,\"2\"3\n") }
    }
}
