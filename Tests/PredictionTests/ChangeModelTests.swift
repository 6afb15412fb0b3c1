import Foundation
import Prediction
import Testing

@Suite struct ChangeModelTests {
    /// Prices whose next change is, for a share `signal` of its variance, the sum of two features.
    private func table(rows: Int, signal: Double, seed: UInt64) throws -> CSVTable {
        var noise = Noise(seed: seed)
        var price = 100.0
        var push = 0.0
        var lines = ["date,price,first,second,third"]
        for row in 0..<rows {
            price *= exp(
                0.02 * (signal.squareRoot() * push + (1 - signal).squareRoot() * noise.normal()))
            let features = (0..<3).map { _ in noise.normal() }
            push = (features[0] + features[1]) / 2.0.squareRoot()
            lines.append(
                "day \(row),\(price)," + features.map { "\($0)" }.joined(separator: ","))
        }
        return try CSVTable(lines.joined(separator: "\n"))
    }

    private let request = ChangeModel.Request(
        targetColumn: "price", horizon: 1, features: ["first", "second", "third"])

    @Test func `a planted signal is found and its coverage holds`() throws {
        let model = try ChangeModel.train(try table(rows: 2_400, signal: 0.3, seed: 3), request)
        #expect(model.record.skill > 0.2)
        #expect(model.record.skillLow > 0)
        #expect(abs(model.record.coverage - 0.8) <= 0.03)
        let up = model.forecast(["first": 2, "second": 2, "third": 0])
        #expect(up.change > 0.01)
        #expect(Set(up.featuresUsed.prefix(2)) == ["first", "second"])
    }

    @Test func `noise is held in every call`() throws {
        let model = try ChangeModel.train(try table(rows: 2_400, signal: 0, seed: 4), request)
        #expect(model.record.skillLow <= 0)
        var noise = Noise(seed: 11)
        for _ in 0..<1_000 {
            let forecast = model.forecast([
                "first": 2 * noise.normal(), "second": 2 * noise.normal(), "third": noise.normal(),
            ])
            #expect(forecast.recommendation == .hold)
            #expect(forecast.reason.contains("has not beaten"))
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
