import Cryptography
import Primitives

/// An activity model: for each quantity and horizon three quantiles, and what they were worth on the
/// chain's own past.
///
/// The walk forward goes in two stretches: trees that saw the first 40 % of the steps forecast up to
/// 70 %, and trees that saw those forecast the rest. Where the lower end of the skill's 95 % interval
/// is not above zero, the model has not won, and is never heard. The trees of the second stretch are
/// those that are kept, so that what came after them goes on measuring them.
public struct ActivityModel: Sendable, Hashable, Codable {
    /// What was learned of one quantity over one horizon.
    public struct Part: Sendable, Hashable, Codable {
        /// What a step is.
        public let scale: ActivityScale
        /// What is forecast.
        public let quantity: ActivityQuantity
        /// Over how many steps.
        public let horizon: Int
        /// What the walk forward measured.
        public let record: Record
        /// When the last step that the trees saw ended.
        let seenTo: Timestamp
        let quantiles: [TreeEnsemble]
    }

    /// What the walk forward measured. Errors are mean absolute errors of square roots.
    public struct Record: Sendable, Hashable, Codable {
        /// How many outcomes were forecast without having been seen.
        public let outcomes: Int
        /// The best of the rules.
        public let rule: ActivityRule
        /// The error of the best rule.
        public let ruleError: Double
        /// The model's error.
        public let error: Double
        /// One minus their ratio.
        public let skill: Double
        /// The lower end of the skill's 95 % interval, by block bootstrap; `nil` with too few
        /// outcomes for one.
        public let skillLow: Double?
        /// The upper end.
        public let skillHigh: Double?
        /// One minus the mean pinball loss of the model's quantiles over that of the best rule's:
        /// the middle and the ends of the interval, both as corrected by what they missed.
        public let pinballSkill: Double
        /// The share of outcomes in the model's corrected intervals.
        public let coverage: Double
        /// The share of outcomes in the intervals of the source that was heard.
        public let servedCoverage: Double
        /// The mean width of the model's intervals, of square roots.
        public let width: Double

        /// Whether the model beats the rules beyond chance.
        public var hasWon: Bool { (skillLow ?? 0) > 0 }
    }

    /// The form of the file.
    static let currentVersion = 1
    /// The quantiles that are learned.
    static let levels = [0.1, 0.5, 0.9]
    /// Fewer steps than this teach nothing.
    static let leastSteps = 1_000

    let version: Int
    /// The hash of block 0 of the chain it learned from.
    let chain: String?
    /// The head when a node trained it on its own chain.
    var trainedAt: BlockNumber?
    /// Keccak-256 of the steps' numbers, in hexadecimal.
    public let dataHash: String
    /// What was learned.
    public let parts: [Part]

    /// Whether this version of Apus can use it.
    var isUsable: Bool {
        version == Self.currentVersion
            && parts.allSatisfy { part in
                part.scale.horizons.contains(part.horizon)
                    && part.quantiles.count == Self.levels.count
                    && part.quantiles.allSatisfy {
                        $0.features == ActivitySeries.features(of: part.scale).count
                    }
            }
    }

    /// The part for a forecast.
    func part(_ scale: ActivityScale, _ quantity: ActivityQuantity, _ horizon: Int) -> Part? {
        parts.first { $0.scale == scale && $0.quantity == quantity && $0.horizon == horizon }
    }

    /// In words, for how many forecasts it has won.
    var verdict: String {
        let won = parts.count { $0.record.hasWon }
        return won == 0 ? "no skill: rules answer" : "has skill in \(won) of \(parts.count)"
    }

    /// The trees of the forecasts that have won, for steps that they have not seen.
    func trees(
        _ scale: ActivityScale, after end: Timestamp, of chain: String
    ) -> (ActivityQuantity, Int) -> [TreeEnsemble]? {
        { quantity, horizon in
            guard let part = part(scale, quantity, horizon), part.record.hasWon,
                chain != self.chain || end > part.seenTo
            else { return nil }
            return part.quantiles
        }
    }

    /// How trees are grown for activity.
    public static var usualParameters: TreeParameters {
        var parameters = TreeParameters()
        parameters.rounds = 100
        parameters.maxDepth = 4
        return parameters
    }

    /// Learns and measures.
    ///
    /// - Parameters:
    ///   - steps: by scale, each without a gap; a scale with fewer than 1,000 is left out.
    ///   - chain: the hash of block 0, to know later what the model has seen.
    ///   - progress: the share that is done; `false` ends it.
    /// - Throws: `tooFewRows` if no scale has enough steps.
    public static func train(
        _ steps: [ActivityScale: [ActivityStep]], chain: String? = nil,
        parameters: TreeParameters = usualParameters,
        progress: (Double) -> Bool = { _ in true }
    ) throws(LearningError) -> ActivityModel {
        let scales = ActivityScale.allCases.filter { steps[$0]?.count ?? 0 >= leastSteps }
        guard !scales.isEmpty else {
            throw .tooFewRows(have: steps.values.map(\.count).max() ?? 0, need: leastSteps)
        }
        var parts: [Part] = []
        for (index, scale) in scales.enumerated() {
            let steps = steps[scale] ?? []
            let walk = try ActivityWalk(steps, scale, parameters) {
                progress((Double(index) + $0) / Double(scales.count))
            }
            parts += walk.parts
        }
        return ActivityModel(
            version: currentVersion, chain: chain, trainedAt: nil,
            dataHash: dataHash(of: scales.flatMap { steps[$0] ?? [] }), parts: parts)
    }

    private static func dataHash(of steps: [ActivityStep]) -> String {
        var bytes = Bytes()
        bytes.reserveCapacity(steps.count * 24)
        for step in steps {
            for number in [step.end, step.transactions.bitPattern, step.gasUsed.bitPattern] {
                bytes += Bytes(bigEndian: number)
            }
        }
        return keccak256(bytes).description
    }
}
