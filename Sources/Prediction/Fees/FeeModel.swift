public import Primitives

/// What was learned about one horizon: three quantiles of the logarithm of the base fee that many
/// blocks ahead over the next one.
struct HorizonModel: Sendable, Hashable, Codable {
    /// How many blocks ahead; the next block is 1.
    let horizon: Int
    /// The quantiles' trees, in the order of ``FeeModel/levels``.
    let quantiles: [TreeEnsemble]
}

/// A base-fee model: what was learned, from which blocks, and how.
///
/// It is a value in a file. Who has it, and the same blocks, gets the same forecasts.
public struct FeeModel: Sendable, Hashable, Codable {
    /// The quantiles that are learned: an 80 % interval and the median.
    static let levels = [0.1, 0.5, 0.9]
    /// The form of the file.
    static let currentVersion = 1

    /// The horizons that fees are forecast for, unless others are wanted.
    public static let usualHorizons = [2, 3, 5, 10, 25, 50]

    /// The longest horizon at which a model is heard. Farther ahead none has beaten the mean of the
    /// last blocks on data that it had not seen, and outcomes come too slowly to tell luck from skill.
    public static let longestHorizon = 50

    let version: Int
    /// The names of the features in order: a model is only good for the features it was trained on.
    let features: [String]
    let parameters: TreeParameters
    /// The hash of block 0 of the chain it learned from; `nil` if that is not known.
    let chain: String?
    /// The head when a node trained it on its own chain.
    var trainedAt: BlockNumber?
    /// The first block that it learned from.
    public let trainedFrom: BlockNumber
    /// The last block that it learned from.
    public let trainedTo: BlockNumber
    /// Keccak-256 of the blocks' numbers, in hexadecimal: what exactly it was trained on.
    public let dataHash: String
    let models: [HorizonModel]

    /// The horizons it knows.
    public var horizons: [Int] { models.map(\.horizon) }

    /// Whether this version of Apus can use it.
    var isUsable: Bool {
        version == Self.currentVersion && features == FeeFeatures.names
            && models.allSatisfy { model in
                (2...1_000).contains(model.horizon) && model.quantiles.count == Self.levels.count
                    && model.quantiles.allSatisfy { $0.features == features.count }
            }
    }

    /// Learns from blocks.
    ///
    /// - Parameters:
    ///   - blocks: without a gap.
    ///   - chain: the hash of block 0, to know later which blocks the model has seen.
    ///   - progress: told the share that is done after each boosting round; `false` ends the training.
    /// - Throws: `tooFewRows` if there are fewer than 1,000 blocks after the warm-up, `constantTarget`
    ///   if the fee never moves.
    public static func train(
        _ blocks: ArraySlice<FeeBlock>, horizons: [Int] = usualHorizons,
        parameters: TreeParameters = TreeParameters(), chain: String? = nil,
        progress: (Double) -> Bool = { _ in true }
    ) throws(LearningError) -> FeeModel {
        guard let first = blocks.first, let last = blocks.last else {
            throw .tooFewRows(have: 0, need: leastRows)
        }
        var models: [HorizonModel] = []
        let rounds = Double(horizons.count * levels.count * parameters.rounds)
        var done = 0.0
        for horizon in horizons {
            precondition(horizon >= 2, "The next fee needs no model.")
            let (features, targets) = trainingSet(blocks, horizon: horizon)
            guard features.rows >= leastRows else {
                throw .tooFewRows(have: features.rows, need: leastRows)
            }
            var quantiles: [TreeEnsemble] = []
            for level in levels {
                quantiles.append(
                    try trainTrees(
                        features, targets, loss: .quantile(level), parameters: parameters,
                        shouldContinue: {
                            done += 1
                            return progress(done / rounds)
                        }))
            }
            models.append(HorizonModel(horizon: horizon, quantiles: quantiles))
        }
        return FeeModel(
            version: currentVersion, features: FeeFeatures.names, parameters: parameters,
            chain: chain, trainedAt: nil, trainedFrom: first.number, trainedTo: last.number,
            dataHash: dataHash(of: blocks),
            models: models)
    }

    private static let leastRows = 1_000

    /// The features after each block, and what came of the base fee `horizon` blocks later.
    private static func trainingSet(
        _ blocks: ArraySlice<FeeBlock>, horizon: Int
    ) -> (FeatureMatrix, [Float]) {
        var features = FeatureMatrix(columns: FeeFeatures.names.count)
        var targets: [Float] = []
        var running = FeeFeatures()
        for index in blocks.indices {
            running.advance(blocks[index])
            guard running.isWarm, index + horizon < blocks.endIndex else { continue }
            features.append(running.row())
            targets.append(Float(blocks[index + horizon].logFee - running.next))
        }
        return (features, targets)
    }
}
