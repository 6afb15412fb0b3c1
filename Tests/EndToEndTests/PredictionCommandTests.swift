import Foundation
import Primitives
import Testing

/// `apus predict` on tables of blocks: what it measures, draws and leaves behind.
@Suite struct PredictionCommandTests {
    private static let columns =
        "number,timestamp,gas_used,gas_limit,base_fee_per_gas,transaction_count"

    /// Blocks whose demand swings, and is less where the fee is high; the fees follow EIP-1559.
    private static func blocks(_ count: Int) -> [String] {
        var state: UInt64 = 7
        func uniform() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 11) / 0x1p53 - 0.5
        }
        var fee = 20_000_000_000
        var demand = 0.0
        return (0..<count).map { number in
            demand = 0.9 * demand + 0.6 * uniform()
            let share = 0.5 + demand - 0.2 * log(Double(fee) / 20e9)
            let used = Int(min(max(share, 0), 1) * 30_000_000)
            defer { fee += fee * (used - 15_000_000) / 15_000_000 / 8 }
            return "\(number),\(1_700_000_000 + 12 * number),\(used),30000000,\(fee),"
                + "\(used / 50_000)"
        }
    }

    private let folder: TemporaryFolder
    private let file: String

    init() throws {
        folder = try TemporaryFolder()
        file = try folder.write(
            ([Self.columns] + Self.blocks(2_700)).joined(separator: "\n"), to: "blocks.csv")
    }

    @Test func `a backtest prints what fees and activity are worth, and draws it`() throws {
        let drawing = folder.path + "/worth.svg"
        let arguments = ["predict", "backtest", file, "--horizons", "2,5"]
        let table = try Daemon.run(arguments + ["--svg", drawing])
        #expect(table.status == 0, "\(table.error)")
        #expect(table.error.isEmpty)
        #expect(table.output.contains("blocks 1755 to 2699"), "\(table.output)")
        #expect(table.output.contains("activity; errors are of square roots"))
        for name in ["transactions, 1 blocks", "gas, 50 blocks"] {
            #expect(table.output.contains(name), "\(table.output)")
        }

        let svg = try String(contentsOfFile: drawing, encoding: .utf8)
        #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("Forecasts, blocks 1755 to 2699"))
        // A point of skill and one of coverage for each of two horizons and six activities; falls
        // have no intervals.
        #expect(svg.components(separatedBy: "<circle").count - 1 == 2 * 8 + 2)

        let json = try Daemon.run(arguments + ["--json"])
        let worth = try JSONValue(parsing: Bytes(json.output.utf8))
        let rows = try #require(worth["fees"]?["rows"]?.arrayValue)
        #expect(rows.map { $0["horizon"]?.intValue } == [2, 5])
        for row in rows {
            #expect(abs((row["coverage"]?.doubleValue ?? 0) - 0.8) < 0.05)
            #expect(row["outcomes"]?.intValue ?? 0 >= 940)
        }
        let activity = try #require(worth["activity"]?.arrayValue)
        #expect(activity.count == 6)
        #expect(activity.allSatisfy { $0["record"]?["pinballSkill"]?.doubleValue ?? 1 < 0.9 })
    }

    @Test func `a model of fees is the same each time, and a node takes it up`() throws {
        var models: [Data] = []
        for name in ["one", "two"] {
            let trained = try Daemon.run([
                "predict", "train-fees", file, "--out", folder.path + "/" + name,
            ])
            #expect(trained.status == 0, "\(trained.error)")
            #expect(trained.output.hasSuffix("/\(name)/fees.json: blocks 0 to 2699\n"))
            models.append(
                try Data(contentsOf: URL(filePath: "\(folder.path)/\(name)/fees.json")))
        }
        #expect(models[0] == models[1])
        let daemon = try Daemon([
            "dev", "--port", "0", "--set", "prediction.directory=\(folder.path)/one",
        ])
        let connection = try daemon.connect()
        _ = try connection.call("hardhat_mine", #"["0x140"]"#)
        let fees = try connection.call("prediction_fees")["base_fee"]?.arrayValue
        #expect(fees?.map { $0["blocks"]?.intValue }.prefix(7) == [1, 2, 3, 5, 10, 25, 50])
        #expect(daemon.stop() == 0)
    }

    @Test func `a table of blocks with a gap is refused with the block that is missing`() throws {
        var rows = Self.blocks(1_200)
        rows.remove(at: 700)
        let broken = try folder.write(
            ([Self.columns] + rows).joined(separator: "\n"), to: "broken.csv")
        for command in [["train-fees", broken, "--out", folder.path], ["backtest", broken]] {
            let result = try Daemon.run(["predict"] + command)
            #expect(result.status == 65)
            #expect(
                result.error.contains("broken.csv, line 702: block 700 is missing"),
                "\(result.error)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/fees.json"))
    }
}
