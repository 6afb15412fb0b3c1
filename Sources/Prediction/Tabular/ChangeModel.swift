import Cryptography
import Foundation
import Primitives

/// A model of how much a quantity will change, trained by the operator from a table of the past.
///
/// The model is judged before it is heard. It walks forward through the table: trained on what came
/// before, it forecasts a stretch it has not seen, with a gap of the horizon between the two, and so
/// on to the end. What these forecasts were worth, against "no change" and against the mean change,
/// stands in the file and in every answer. The trees that answer are trained last, on all rows.
public struct ChangeModel: Sendable, Hashable, Codable {
    /// What the trees are grown by.
    public enum Algorithm: String, Sendable, Hashable, Codable, CaseIterable {
        case forest = "random forest"
        case boosting = "gradient boosting"

        var parameters: TreeParameters {
            switch self {
            case .forest: .forest
            case .boosting:
                {
                    var parameters = TreeParameters()
                    parameters.rounds = 120
                    parameters.learningRate = 0.05
                    parameters.maxDepth = 3
                    parameters.minLeaf = 20
                    return parameters
                }()
            }
        }
    }

    /// The rules that need no model.
    public enum Baseline: String, Sendable, Hashable, Codable {
        case noChange = "no change"
        case meanChange = "mean change"
    }

    /// A feature, and where its values lay in training.
    public struct Feature: Sendable, Hashable, Codable {
        /// Its column's name.
        public let name: String
        /// The lowest value in training.
        public let lowest: Double
        /// The highest value in training.
        public let highest: Double
        /// How often a tree asks for it, of those of the middle and of both ends.
        public internal(set) var splits: Int

        var range: ClosedRange<Double> { lowest...max(lowest, highest) }
    }

    /// What the walk forward measured.
    public struct Record: Sendable, Hashable, Codable {
        /// How many outcomes were forecast without having been seen.
        public let outcomes: Int
        /// The label of the first of them.
        public let from: String
        /// The label of the last of them.
        public let to: String
        /// The better of the rules.
        public let baseline: Baseline
        /// The mean squared error of the better rule.
        public let baselineError: Double
        /// The model's mean squared error.
        public let error: Double
        /// One minus their ratio.
        public let skill: Double
        /// The lower end of the skill's 95 % interval, by block bootstrap.
        public let skillLow: Double
        /// The upper end of the skill's 95 % interval.
        public let skillHigh: Double
        /// The share of outcomes that the intervals held.
        public let coverage: Double
        /// The share that they were made for.
        public let target: Double
    }

    /// The form of the file.
    static let currentVersion = 2
    /// The share of outcomes that an interval is to hold.
    static let target = 0.8

    let version: Int
    /// The column whose change is forecast.
    public let targetColumn: String
    /// How many rows ahead.
    public let horizon: Int
    /// The features, in the order of the trees.
    public internal(set) var features: [Feature]
    /// How many rows it learned from.
    public let rows: Int
    /// The label of the first row.
    public let from: String
    /// The label of the last row.
    public let to: String
    /// Keccak-256 of the rows, in hexadecimal.
    public let dataHash: String
    /// What the middle was learned by.
    public let algorithm: Algorithm
    /// What the walk forward measured.
    public let record: Record
    /// By how much the learned interval is widened on both sides.
    let margin: Double
    /// The width of the interval that knows nothing but the changes of the past.
    let usualWidth: Double
    let middle: TreeEnsemble
    let low: TreeEnsemble
    let high: TreeEnsemble

    /// Whether this version of Apus can use it.
    public var isUsable: Bool {
        version == Self.currentVersion && horizon > 0 && margin.isFinite && usualWidth > 0
            && [middle, low, high].allSatisfy { $0.features == features.count }
    }

    /// What is asked of a training.
    public struct Request: Sendable {
        /// The column whose change is forecast.
        public var targetColumn: String
        /// How many rows ahead.
        public var horizon: Int
        /// The columns to learn from; all if empty. The target column may be one.
        public var features: [String]

        /// A request to learn from all columns.
        public init(targetColumn: String, horizon: Int, features: [String] = []) {
            self.targetColumn = targetColumn
            self.horizon = horizon
            self.features = features
        }
    }

    /// Why a table cannot be learned from.
    public enum TrainingError: Error, Sendable, Hashable, CustomStringConvertible {
        /// There is no column of this name.
        case unknownColumn(String)
        /// The horizon is not between 1 and a tenth of the rows.
        case invalidHorizon(Int, rows: Int)
        /// The rows give no model.
        case learning(LearningError)

        /// One sentence for a person.
        public var description: String {
            switch self {
            case .unknownColumn(let name): "there is no column named \(name)"
            case .invalidHorizon(let horizon, let rows):
                "a horizon of \(horizon) rows is not between 1 and a tenth of the \(rows) rows"
            case .learning(let error): error.description
            }
        }
    }

    /// Trains and measures.
    ///
    /// - Parameter progress: told the share that is done; `false` ends the training.
    public static func train(
        _ table: CSVTable, _ request: Request, progress: (Double) -> Bool = { _ in true }
    ) throws(TrainingError) -> ChangeModel {
        let set = try ChangeSet(table, request)
        do {
            let walk = try WalkForward(set, progress: { progress($0 * 0.8) })
            return try finish(set, walk, request) { progress(0.8 + 0.2 * $0) }
        } catch {
            throw .learning(error)
        }
    }

    private static func finish(
        _ set: ChangeSet, _ walk: WalkForward, _ request: Request, progress: (Double) -> Bool
    ) throws(LearningError) -> ChangeModel {
        let trees = try ChangeTrees(
            set.features, set.changes, algorithm: walk.algorithm, progress: progress)
        let ordered = set.changes.map(Double.init).sorted()
        let splits = [trees.middle, trees.low, trees.high].map(\.splitCounts)
        let features = set.names.indices.map { column in
            let values = set.column(column).filter { !$0.isNaN }
            return Feature(
                name: set.names[column], lowest: values.min() ?? 0, highest: values.max() ?? 0,
                splits: splits.reduce(0) { $0 + $1[column] })
        }
        return ChangeModel(
            version: currentVersion, targetColumn: request.targetColumn, horizon: request.horizon,
            features: features, rows: set.changes.count, from: set.labels[0],
            to: set.labels[set.labels.count - 1], dataHash: set.dataHash,
            algorithm: walk.algorithm, record: walk.record(labels: set.labels),
            margin: walk.margin,
            usualWidth: max(ordered.quantile(0.9) - ordered.quantile(0.1), .leastNormalMagnitude),
            middle: trees.middle, low: trees.low, high: trees.high)
    }
}

/// The rows of a table that can be learned from: those whose outcome is known.
struct ChangeSet {
    let names: [String]
    let features: FeatureMatrix
    /// The target's relative change over the horizon.
    let changes: [Float]
    let labels: [String]
    let horizon: Int

    init(
        _ table: CSVTable, _ request: ChangeModel.Request
    ) throws(ChangeModel.TrainingError) {
        guard let target = table.column(request.targetColumn) else {
            throw .unknownColumn(request.targetColumn)
        }
        guard request.horizon >= 1, request.horizon <= table.rows / 10 else {
            throw .invalidHorizon(request.horizon, rows: table.rows)
        }
        let names = request.features.isEmpty ? table.columns : request.features
        var columns: [[Double]] = []
        for name in names {
            guard let column = table.column(name) else { throw .unknownColumn(name) }
            columns.append(column)
        }
        var features = FeatureMatrix(columns: names.count)
        var changes: [Float] = []
        var labels: [String] = []
        for row in 0..<(table.rows - request.horizon) {
            let change = Float(target[row + request.horizon] / target[row] - 1)
            // Also no number: where the target is missing, or was 0.
            guard change.magnitude <= largestTarget else { continue }
            features.append(columns.map { Float($0[row]) })
            changes.append(change)
            labels.append(table.labels?[row] ?? "row \(row + 1)")
        }
        self.names = names
        self.features = features
        self.changes = changes
        self.labels = labels
        horizon = request.horizon
    }

    func column(_ index: Int) -> [Double] {
        (0..<features.rows).map { Double(features[$0].dropFirst(index).first ?? .nan) }
    }

    /// Keccak-256 of what is learned from, in hexadecimal.
    var dataHash: String {
        var bytes = Bytes()
        bytes.reserveCapacity((features.values.count + changes.count) * 4)
        for value in features.values + changes {
            for shift in stride(from: 24, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
            }
        }
        return keccak256(bytes).description
    }
}

/// The three ensembles of a model.
struct ChangeTrees {
    let middle: TreeEnsemble
    let low: TreeEnsemble
    let high: TreeEnsemble

    init(
        _ features: FeatureMatrix, _ changes: [Float], algorithm: ChangeModel.Algorithm,
        progress: (Double) -> Bool = { _ in true }
    ) throws(LearningError) {
        let quantiles = ChangeModel.Algorithm.boosting.parameters
        let level = (1 - ChangeModel.target) / 2
        middle = try trainTrees(
            features, changes, loss: .mean, parameters: algorithm.parameters,
            shouldContinue: { progress(1.0 / 3) })
        low = try trainTrees(
            features, changes, loss: .quantile(level), parameters: quantiles,
            shouldContinue: { progress(2.0 / 3) })
        high = try trainTrees(
            features, changes, loss: .quantile(1 - level), parameters: quantiles,
            shouldContinue: { progress(1) })
    }
}
