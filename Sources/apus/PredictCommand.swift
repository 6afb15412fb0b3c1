import ArgumentParser
import EthereumTypes
import Foundation
import Node
import Prediction
import Primitives

/// `apus predict`: trains models and says what they are worth.
struct PredictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Train forecasting models, and measure them on data they have not seen.",
        subcommands: [
            TrainCommand.self, TrainFeesCommand.self, BacktestCommand.self,
        ])
}

/// `apus predict train`: a model of how much a column of a table will change.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model of how much a quantity will change, from a CSV file.",
        discussion: """
            The file has a header and one line a moment, oldest first; a first column named date or
            timestamp labels the lines. The model walks forward through the table to measure itself:
            what it prints is what it was worth on rows that it had not seen. A node answers by it
            with --set prediction.directory=FOLDER.
            """)

    @Argument(help: "The CSV file.")
    var file: String

    @Option(help: "The column whose relative change is forecast.")
    var target: String

    @Option(help: "How many rows ahead.")
    var horizon: Int = 1

    @Option(help: "The columns to learn from, separated by commas (default: all).")
    var features: String?

    @Option(help: "The folder to keep the model in, as change.json.")
    var out: String

    func run() async throws {
        await runToEnd(on: file) {
            let table = try CSVTable(readText(file))
            var progress = ProgressLine("training")
            let model = try ChangeModel.train(
                table,
                ChangeModel.Request(
                    targetColumn: target, horizon: horizon,
                    features: features?.split(separator: ",").map(String.init) ?? []),
                progress: { progress.show($0) })
            progress.end()
            let path = ModelFiles(directory: out).change
            try ModelFiles.write(model, to: path)
            let record = model.record
            print(
                """
                \(path): \(model.algorithm.rawValue), \(model.rows) rows, \(model.from) to \(model.to)
                unseen outcomes   \(record.outcomes), \(record.from) to \(record.to)
                best rule         \(record.baseline.rawValue)
                skill             \(percent(record.skill)), 95 % interval \(percent(record.skillLow)) to \(percent(record.skillHigh))
                coverage          \(percent(record.coverage)) of outcomes in the intervals, made for \(percent(record.target))
                """)
            if record.skillLow <= 0 {
                print("The model has not beaten the rule: every answer will be HOLD.")
            }
        }
    }
}

/// `apus predict train-fees`: a base-fee model from a table of blocks.
struct TrainFeesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train-fees",
        abstract: "Train a base-fee model from a CSV file of blocks without a gap.",
        discussion: """
            The columns of ethereum-etl, or in order: block number, time, gas used, gas limit, base fee
            in wei.
            """)

    @Argument(help: "The CSV file.")
    var file: String

    @Option(help: "The folder to keep the model in, as fees.json.")
    var out: String

    func run() async throws {
        await runToEnd(on: file) {
            let blocks = try BlockSeries(file: file).blocks
            var progress = ProgressLine("training")
            let model = try FeeModel.train(blocks[...], progress: { progress.show($0) })
            progress.end()
            let path = ModelFiles(directory: out).fees
            try ModelFiles.write(model, to: path)
            print("\(path): blocks \(model.trainedFrom) to \(model.trainedTo)")
        }
    }
}

/// `apus predict backtest`: what forecasts of fees and activity would have been worth.
struct BacktestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Measure forecasts of fees and activity on the last part of a chain.",
        discussion: """
            Fees: trains on the first half, calibrates on the next 15 % and measures on the rest, block
            by block, as a running node would. Activity: trains on 40 %, then on 70 %, and measures on
            what follows each. The blocks are those of a data folder that no node runs on, or of a CSV
            file: one with the columns of ethereum-etl, or with block number, time, gas used, gas
            limit and base fee in wei in its first columns (and then no activity, for it takes the
            number of transactions).

              apus predict backtest --datadir chain --svg worth.svg
              apus predict backtest blocks.csv --horizons 2,5,10
            """)

    @Argument(help: "The CSV file; without it, the chain of --datadir.")
    var file: String?

    @OptionGroup var store: StoreOptions

    @Option(help: "The last blocks of the data folder, at most.")
    var blocks: UInt64 = 50_000

    @Option(help: "Blocks ahead, separated by commas.")
    var horizons: String = "2,3,5,10,25,50,300"

    @Option(help: "Draw the table as an SVG file, too.")
    var svg: String?

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func run() async throws {
        await runToEnd(on: file ?? "the chain") {
            let horizons = horizons.split(separator: ",").compactMap { Int($0) }
            guard !horizons.isEmpty, horizons.allSatisfy({ (2...1_000).contains($0) }) else {
                throw StartupError(.usage, "--horizons are numbers from 2 to 1000")
            }
            let series =
                try file.map(BlockSeries.init(file:))
                ?? BlockSeries(last: blocks, of: store.settings())
            let worth = try measure(series, horizons)
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
                print(String(decoding: try encoder.encode(worth), as: UTF8.self))
            } else {
                print(worth.table)
            }
            if let svg {
                try Data(worth.drawing.utf8).write(to: URL(fileURLWithPath: svg))
            }
        }
    }

    /// What can be measured; if one half cannot, the other is, and the reason is told.
    private func measure(_ series: BlockSeries, _ horizons: [Int]) throws -> ChainWorth {
        var progress = ProgressLine("backtest")
        let share = series.steps == nil ? 1 : 0.7
        var failures: [LearningError] = []
        func unlessItFails<Worth>(
            _ measure: () throws(LearningError) -> Worth
        ) -> Worth? {
            do throws(LearningError) { return try measure() } catch {
                failures.append(error)
                return nil
            }
        }
        let fees = unlessItFails { () throws(LearningError) in
            try FeeBacktest.run(
                series.blocks, horizons: horizons, progress: { progress.show(share * $0) })
        }
        let activity = series.steps.flatMap { steps in
            unlessItFails { () throws(LearningError) in
                try ActivityModel.train(
                    [.blocks: steps, .tenMinutes: ActivityStep.tenMinutes(of: steps)],
                    progress: { progress.show(share + (1 - share) * $0) })
            }
        }
        progress.end()
        if fees == nil, activity == nil, let failure = failures.first { throw failure }
        for failure in failures {
            let what = fees == nil ? "fees" : "activity"
            FileHandle.standardError.write(Data("\(what) cannot be measured: \(failure)\n".utf8))
        }
        return ChainWorth(fees: fees, activity: activity)
    }
}

/// What forecasts of a chain were worth.
private struct ChainWorth: Encodable {
    let fees: FeeBacktest?
    let activity: ActivityModel?

    private enum CodingKeys: CodingKey { case fees, activity }

    private struct Activity: Encodable {
        let forecast: String
        let record: ActivityModel.Record
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(fees, forKey: .fees)
        let records = activity?.parts.map { Activity(forecast: $0.name, record: $0.record) }
        try container.encodeIfPresent(records, forKey: .activity)
    }

    var table: String {
        [fees?.table, activity?.table].compactMap(\.self).joined(separator: "\n\n")
    }

    var drawing: String {
        BacktestDrawing(
            title: fees.map { "Forecasts, blocks \($0.testedFrom) to \($0.testedTo)" }
                ?? "Forecasts",
            rows: (fees?.drawn ?? []) + (activity?.drawn ?? [])
        ).svg
    }
}

/// Runs a command's work on a file, and ends the process with the status that fits.
private func runToEnd(on file: String, _ work: () throws -> Void) async -> Never {
    await runToEnd {
        do {
            try work()
        } catch let error as CSVTable.Failure {
            throw StartupError(.data, "\(file): \(error)")
        } catch let error as ChangeModel.TrainingError {
            throw StartupError(.data, "\(file): \(error)")
        } catch let error as LearningError {
            throw StartupError(.data, "\(file): \(error)")
        }
    }
}

/// A line on standard error that counts to a hundred, if a person watches.
private struct ProgressLine {
    private let what: String
    private let isShown = isatty(2) == 1
    private var shown = -1

    init(_ what: String) { self.what = what }

    mutating func show(_ share: Double) -> Bool {
        let now = Int(share * 100)
        if isShown, now > shown {
            FileHandle.standardError.write(Data("\r\(what) \(now) %".utf8))
            shown = now
        }
        return true
    }

    func end() {
        if isShown { FileHandle.standardError.write(Data("\r\u{1b}[K".utf8)) }
    }
}

private func percent(_ share: Double) -> String {
    String(format: "%.1f %%", share * 100)
}

private func readText(_ file: String) throws -> String {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
        throw StartupError(.noInput, "cannot read \(file)")
    }
    return text
}

/// Blocks without a gap, with the activity in them where the source has it.
private struct BlockSeries {
    private(set) var blocks: [FeeBlock] = []
    private(set) var steps: [ActivityStep]?

    private static let names = [
        "number", "timestamp", "gas_used", "gas_limit", "base_fee_per_gas", "transaction_count",
    ]

    /// The last blocks of the chain in a data folder.
    init(last count: UInt64, of settings: NodeSettings) throws {
        var steps: [ActivityStep] = []
        try readBlocks(last: count, settings: settings) { block in
            if let fee = FeeBlock(block.header) { blocks.append(fee) }
            steps.append(
                ActivityStep(
                    end: block.header.timestamp, transactions: Double(block.transactions.count),
                    gasUsed: Double(block.header.gasUsed)))
        }
        self.steps = steps
    }

    /// The blocks of a CSV file, by the names of its columns or by their places.
    init(file: String) throws {
        let text = try readText(file)
        let header = CSVTable.header(of: text)
        let hasNames = Self.names.prefix(5).allSatisfy(header.contains)
        let wanted = hasNames ? Self.names.filter(header.contains) : Array(header.prefix(5))
        guard wanted.count >= 5 else {
            throw StartupError(
                .data,
                "\(file) has not the five columns: number, time, gas used, gas limit, base fee")
        }
        let table = try CSVTable(text, only: Set(wanted))
        let columns = wanted.compactMap { table.column($0) }
        if columns.count == 6 { steps = [] }
        for row in 0..<table.rows {
            let values = columns.map { UInt64(exactly: $0[row]) }
            guard let number = values[0], let time = values[1], let used = values[2],
                let limit = values[3], let fee = values[4]
            else { throw StartupError(.data, "\(file), line \(row + 2): not whole numbers") }
            if let last = blocks.last, number != last.number + 1 {
                throw StartupError(
                    .data, "\(file), line \(row + 2): block \(last.number + 1) is missing")
            }
            blocks.append(
                FeeBlock(
                    number: number, timestamp: time, gasUsed: used, gasLimit: limit,
                    baseFeePerGas: UInt256(fee)))
            if steps != nil, let count = values[5] {
                steps?.append(
                    ActivityStep(
                        end: time, transactions: Double(count), gasUsed: Double(used)))
            }
        }
    }
}
