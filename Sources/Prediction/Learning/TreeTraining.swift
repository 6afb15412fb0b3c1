import CXGBoost

/// What a model's error is measured by in training.
public enum Loss: Sendable, Hashable {
    /// The mean: squared error.
    case mean
    /// A quantile, by the pinball gradient. The library's version (1.7) has none of its own.
    case quantile(Double)
}

extension Loss {
    /// What stands for the curvature of a quantile's loss, which has none: 1 for the median, and less
    /// for an outer one, whose gradient is small on one side, so that it gets there as fast.
    fileprivate static func curvature(of level: Float) -> Float { 4 * level * (1 - level) }

    /// The sum of curvatures in a leaf of so many cases.
    fileprivate func weight(ofCases cases: Double) -> Double {
        switch self {
        case .mean: cases
        case .quantile(let level): cases * Double(Self.curvature(of: Float(level)))
        }
    }
}

/// How trees are grown.
public struct TreeParameters: Sendable, Hashable, Codable {
    /// How many boosting rounds; 1 for a random forest.
    public var rounds = 200
    /// Trees a round; more than one makes a random forest of the round.
    public var treesPerRound = 1
    /// How much of a round's trees is added.
    public var learningRate = 0.08
    /// The most splits from root to leaf.
    public var maxDepth = 5
    /// The least cases in a leaf.
    public var minLeaf = 40.0
    /// The share of the cases that a tree sees.
    public var rowShare = 0.7
    /// The share of the features that a split looks at.
    public var featureShare = 0.7
    /// L2 regularisation of the leaves.
    public var lambda = 1.0
    /// Fixes everything that is random: the same data give the same model.
    public var seed = 7

    /// The usual parameters of boosting.
    public init() {}

    /// The usual parameters of a random forest.
    public static var forest: TreeParameters {
        var parameters = TreeParameters()
        parameters.rounds = 1
        parameters.treesPerRound = 100
        parameters.learningRate = 1
        parameters.maxDepth = 10
        parameters.minLeaf = 10
        parameters.rowShare = 0.63
        parameters.featureShare = 0.5
        parameters.lambda = 0
        return parameters
    }
}

/// The largest target that is learned from: sums of many, and their squares, are numbers.
let largestTarget: Float = 1e18

/// Trains trees with XGBoost on one thread, deterministically.
///
/// The targets are centred and scaled by their spread first, so that the steps of a pinball gradient,
/// which know only a direction, fit targets of any size.
///
/// - Parameters:
///   - shouldContinue: asked after each round; `false` ends the training with `cancelled`.
/// - Throws: `LearningError`.
public func trainTrees(
    _ features: FeatureMatrix, _ targets: [Float], loss: Loss, parameters: TreeParameters,
    shouldContinue: () -> Bool = { true }
) throws(LearningError) -> TreeEnsemble {
    precondition(features.rows == targets.count, "Each row has a target.")
    if let row = targets.firstIndex(where: { !($0.magnitude <= largestTarget) }) {
        throw .invalidTarget(row: row)
    }
    guard targets.count >= 2 * Int(parameters.minLeaf) else {
        throw .tooFewRows(have: targets.count, need: 2 * Int(parameters.minLeaf))
    }
    let ordered = targets.sorted()
    let start: Float =
        switch loss {
        case .mean: targets.reduce(0, +) / Float(targets.count)
        case .quantile(let level): ordered[Int(level * Double(ordered.count - 1))]
        }
    let deviation = targets.reduce(Float(0)) { $0 + ($1 - start).magnitude } / Float(targets.count)
    guard deviation > 0 else { throw .constantTarget }
    let scaled = targets.map { ($0 - start) / deviation }

    let booster = try Booster(features, targets: scaled, loss: loss, parameters: parameters)
    for round in 0..<parameters.rounds {
        switch loss {
        case .mean: try booster.update(round)
        case .quantile(let level): try booster.update(pinball: Float(level), targets: scaled)
        }
        guard shouldContinue() else { throw .cancelled }
    }
    return try TreeEnsemble(xgboost: booster.model(), features: features.columns)
        .rescaled(by: deviation, shift: start)
}

/// The owner of one XGBoost model in training and of its data.
private final class Booster {
    // SAFETY: both handles are made in `init`, used by this object alone, and freed in `deinit`.
    private var data: DMatrixHandle?
    private var handle: BoosterHandle?

    init(
        _ features: FeatureMatrix, targets: [Float], loss: Loss, parameters: TreeParameters
    ) throws(LearningError) {
        let rows = bst_ulong(features.rows)
        let columns = bst_ulong(features.columns)
        // The library copies the values.
        let status = unsafe features.values.withUnsafeBufferPointer {
            unsafe XGDMatrixCreateFromMat_omp($0.baseAddress, rows, columns, .nan, &data, 1)
        }
        try Self.check(status)
        try Self.check(unsafe XGDMatrixSetFloatInfo(data, "label", targets, rows))
        try Self.check(unsafe XGBoosterCreate(&data, 1, &handle))
        let settings = [
            ("verbosity", "0"), ("nthread", "1"), ("tree_method", "hist"),
            ("objective", "reg:squarederror"), ("base_score", "0"),
            ("seed", "\(parameters.seed)"), ("eta", "\(parameters.learningRate)"),
            ("max_depth", "\(parameters.maxDepth)"), ("subsample", "\(parameters.rowShare)"),
            ("min_child_weight", "\(loss.weight(ofCases: parameters.minLeaf))"),
            ("colsample_bynode", "\(parameters.featureShare)"),
            ("lambda", "\(parameters.lambda)"),
            ("num_parallel_tree", "\(parameters.treesPerRound)"),
        ]
        for (name, value) in settings {
            try Self.check(unsafe XGBoosterSetParam(handle, name, value))
        }
    }

    deinit {
        if let handle = unsafe handle { unsafe XGBoosterFree(handle) }
        if let data = unsafe data { unsafe XGDMatrixFree(data) }
    }

    /// A round towards the mean.
    func update(_ round: Int) throws(LearningError) {
        try Self.check(unsafe XGBoosterUpdateOneIter(handle, Int32(round), data))
    }

    /// A round towards a quantile: the gradient of the pinball loss, and a constant in place of its
    /// curvature, so that a leaf is the mean direction of its cases.
    func update(pinball level: Float, targets: [Float]) throws(LearningError) {
        var count: bst_ulong = 0
        var margins: UnsafePointer<Float>?
        // 1 asks for the sum of the trees. The memory is the library's until its next call.
        try Self.check(unsafe XGBoosterPredict(handle, data, 1, 0, 1, &count, &margins))
        guard let margins = unsafe margins, Int(count) == targets.count else {
            throw .library("it predicts \(count) values for \(targets.count) rows")
        }
        var gradients = [Float](repeating: 0, count: targets.count)
        var curvatures = [Float](
            repeating: Loss.curvature(of: level), count: targets.count)
        for row in targets.indices {
            gradients[row] = unsafe targets[row] > margins[row] ? -level : 1 - level
        }
        try Self.check(
            unsafe XGBoosterBoostOneIter(
                handle, data, &gradients, &curvatures, bst_ulong(targets.count)))
    }

    /// The model as JSON text.
    func model() throws(LearningError) -> [UInt8] {
        var length: bst_ulong = 0
        var text: UnsafePointer<CChar>?
        try Self.check(
            unsafe XGBoosterSaveModelToBuffer(handle, #"{"format":"json"}"#, &length, &text))
        guard let text = unsafe text else { throw .library("it saved no model") }
        return unsafe Array(UnsafeRawBufferPointer(start: text, count: Int(length)))
    }

    private static func check(_ status: Int32) throws(LearningError) {
        guard status != 0 else { return }
        throw .library(unsafe String(cString: XGBGetLastError()))
    }
}
