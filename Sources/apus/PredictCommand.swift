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
            let table = try readTable(file)
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
        discussion: "Columns in order: block number, time, gas used, gas limit, base fee in wei.")

    @Argument(help: "The CSV file.")
    var file: String

    @Option(help: "The folder to keep the model in, as fees.json.")
    var out: String

    func run() async throws {
        await runToEnd(on: file) {
            let blocks = try readBlocks(file)
            var progress = ProgressLine("training")
            let model = try FeeModel.train(blocks[...], progress: { progress.show($0) })
            progress.end()
            let path = ModelFiles(directory: out).fees
            try ModelFiles.write(model, to: path)
            print("\(path): blocks \(model.trainedFrom) to \(model.trainedTo)")
        }
    }
}

/// `apus predict backtest`: what base-fee forecasts would have been worth.
struct BacktestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Measure base-fee forecasts on the last part of a CSV file of blocks.",
        discussion: """
            Trains on the first half, calibrates on the next 15 % and measures on the rest, block by
            block, as a running node would. Columns in order: block number, time, gas used, gas
            limit, base fee in wei.
            """)

    @Argument(help: "The CSV file.")
    var file: String

    @Option(help: "Blocks ahead, separated by commas.")
    var horizons: String = "2,3,5,10,25,50,300"

    @Option(help: "Draw the table as an SVG file, too.")
    var svg: String?

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func run() async throws {
        await runToEnd(on: file) {
            let blocks = try readBlocks(file)
            let horizons = horizons.split(separator: ",").compactMap { Int($0) }
            guard !horizons.isEmpty, horizons.allSatisfy({ (2...1_000).contains($0) }) else {
                throw StartupError(.usage, "--horizons are numbers from 2 to 1000")
            }
            var progress = ProgressLine("backtest")
            let report = try FeeBacktest.run(
                blocks, horizons: horizons, progress: { progress.show($0) })
            progress.end()
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            } else {
                print(report.table)
            }
            if let svg {
                try Data(report.drawing.utf8).write(to: URL(fileURLWithPath: svg))
            }
        }
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

private func readTable(_ file: String) throws -> CSVTable {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
        throw StartupError(.noInput, "cannot read \(file)")
    }
    return try CSVTable(text)
}

/// Blocks from a table without labels.
private func readBlocks(_ file: String) throws -> [FeeBlock] {
    let table = try readTable(file)
    let columns = table.columns.prefix(5).compactMap { table.column($0) }
    guard columns.count == 5 else {
        throw StartupError(
            .data, "\(file) has not the five columns: number, time, gas used, gas limit, base fee")
    }
    var blocks: [FeeBlock] = []
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
    }
    return blocks
}
