/// What a base-fee model would have said, and how good it would have been.
///
/// Walks forward only: trained on the first half, calibrated on the next 15 %, tested on the rest, by
/// the very code that forecasts on a running node. The last blocks of each part, whose outcomes lie
/// in the next, are not learned from.
public struct FeeBacktest: Sendable, Hashable, Codable {
    /// The figures of one horizon.
    public struct Row: Sendable, Hashable, Codable {
        /// How many blocks ahead.
        public let horizon: Int
        /// How many outcomes were counted.
        public let outcomes: Int
        /// The rule with the smallest mean absolute error (of the fee's logarithm), as it stands.
        public let bestBaseline: FeeBaseline
        /// The mean absolute error of the best rule.
        public let baselineError: Double
        /// The model's mean absolute error.
        public let modelError: Double
        /// One minus their ratio.
        public let skill: Double
        /// The lower end of the skill's 95 % interval, by block bootstrap.
        public let skillLow: Double?
        /// The upper end of the skill's 95 % interval.
        public let skillHigh: Double?
        /// The skill over the best rule when the rules, too, are held within the protocol's bounds.
        public let skillOverBounded: Double
        /// One minus the mean pinball loss of the model's quantiles over that of the quantiles of the
        /// training outcomes.
        public let pinballSkill: Double
        /// The share of outcomes in the model's interval as learned.
        public let rawCoverage: Double
        /// The share of outcomes in the model's interval as corrected.
        public let coverage: Double
        /// The smallest coverage in 1,000 outcomes in a row.
        public let worstCoverage: Double?
        /// The mean width of the corrected interval, in logarithms.
        public let width: Double
        /// How often the model was heard rather than a rule.
        public let modelShare: Double
        /// The share of outcomes in the intervals that were served, whichever source was heard.
        public let servedCoverage: Double
    }

    /// The figures of the probability that the fee falls so far.
    public struct FallRow: Sendable, Hashable, Codable {
        /// The share of the next fee that it falls to.
        public let share: Double
        /// Within how many blocks.
        public let blocks: Int
        /// How many outcomes were counted.
        public let outcomes: Int
        /// One minus the Brier score over that of the frequency so far.
        public let skill: Double
        /// The lower end of the skill's 95 % interval, by block bootstrap.
        public let skillLow: Double?
        /// The upper end of the skill's 95 % interval.
        public let skillHigh: Double?
        /// How far the probabilities were from what came, over ten classes.
        public let calibrationError: Double
    }

    /// The first block that was tested.
    public let testedFrom: UInt64
    /// The last block that was tested.
    public let testedTo: UInt64
    /// The figures of each horizon.
    public let rows: [Row]
    /// The figures of falls.
    public let falls: [FallRow]

    /// Trains and tests.
    ///
    /// - Parameters:
    ///   - blocks: without a gap.
    ///   - progress: the share that is done; `false` ends it.
    /// - Throws: `LearningError`.
    public static func run(
        _ blocks: [FeeBlock], horizons: [Int] = FeeModel.usualHorizons,
        parameters: TreeParameters = TreeParameters(), progress: (Double) -> Bool = { _ in true }
    ) throws(LearningError) -> FeeBacktest {
        let trained = blocks.count / 2
        let calibrated = trained + blocks.count * 15 / 100
        let model = try FeeModel.train(
            blocks[..<trained], horizons: horizons, parameters: parameters,
            progress: { progress($0 * 0.7) })
        var forecaster = FeeForecaster(model: model)
        var falls = FallHistory(outcomes: blocks.count)
        var records = horizons.map { FeeRecord(horizon: $0, blocks: blocks[..<trained]) }
        for index in blocks.indices {
            // The trees saw the first part: what they say of it is no measure of anything.
            let isUnseen = index >= trained
            forecaster.advance(
                blocks[index], model: isUnseen ? model : nil, isServed: index >= calibrated)
            if index == calibrated { falls.forgetRecords() }
            falls.advance(blocks[index], forecaster.features)
            guard index >= calibrated else { continue }
            for slot in records.indices where index + records[slot].horizon < blocks.count {
                guard let calls = forecaster.calls(horizon: records[slot].horizon) else { continue }
                records[slot].add(
                    calls, outcome: blocks[index + records[slot].horizon].logFee - calls.origin)
            }
            if index % 256 == 0 {
                let share = Double(index - calibrated) / Double(blocks.count - calibrated)
                guard progress(0.7 + 0.3 * share) else { throw .cancelled }
            }
        }
        return FeeBacktest(
            testedFrom: blocks[calibrated].number, testedTo: blocks[blocks.count - 1].number,
            rows: records.compactMap(\.row),
            falls: zip(FallHistory.scoredFalls, falls.records).compactMap(FallRow.init))
    }
}

extension FeeBacktest.FallRow {
    init?(_ fall: FallHistory.Fall, _ record: ProbabilityRecord) {
        guard let skill = record.skill, let error = record.calibrationError else { return nil }
        let errors = record.errors
        let interval = Scores.skillInterval(
            errors.forecast, over: errors.reference, block: 20)
        self.init(
            share: fall.share, blocks: fall.blocks, outcomes: record.count, skill: skill,
            skillLow: interval?.lowerBound, skillHigh: interval?.upperBound,
            calibrationError: error)
    }
}

/// What is gathered about one horizon.
private struct FeeRecord {
    let horizon: Int
    /// Quantiles of the outcomes in training: what one would say without looking.
    private let climatology: [Double]
    private var errors: [Double] = []
    private var baselineErrors = [[Double]](repeating: [], count: FeeBaseline.allCases.count)
    private var boundedErrors = [Double](repeating: 0, count: FeeBaseline.allCases.count)
    private var pinball = 0.0
    private var climatologyPinball = 0.0
    private var rawHits = 0
    private var hits: [Bool] = []
    private var servedHits = 0
    private var width = 0.0
    private var heard = 0

    init(horizon: Int, blocks: ArraySlice<FeeBlock>) {
        self.horizon = horizon
        var outcomes: [Double] = []
        for index in blocks.indices.dropLast(horizon) {
            outcomes.append(blocks[index + horizon].logFee - blocks[index + 1].logFee)
        }
        outcomes.sort()
        climatology = outcomes.isEmpty ? [0, 0, 0] : FeeModel.levels.map(outcomes.quantile)
    }

    mutating func add(_ calls: ForecastTrack.Calls, outcome: Double) {
        guard let model = calls.calls[0], let served = calls.calls[calls.served] else { return }
        errors.append((outcome - model.middle).magnitude)
        for (index, call) in calls.calls.dropFirst().compactMap(\.self).enumerated() {
            baselineErrors[index].append((outcome - call.unbounded).magnitude)
            boundedErrors[index] += (outcome - call.middle).magnitude
        }
        for (level, (own, plain)) in zip(
            FeeModel.levels, zip([model.rawLow, model.middle, model.rawHigh], climatology))
        {
            pinball += Scores.pinball(outcome, own, level: level)
            climatologyPinball += Scores.pinball(outcome, plain, level: level)
        }
        rawHits += (model.rawLow...model.rawHigh).contains(outcome) ? 1 : 0
        hits.append((model.low...model.high).contains(outcome))
        servedHits += (served.low...served.high).contains(outcome) ? 1 : 0
        width += model.high - model.low
        heard += calls.served == 0 ? 1 : 0
    }

    var row: FeeBacktest.Row? {
        guard !errors.isEmpty else { return nil }
        let count = Double(errors.count)
        let means = baselineErrors.map { $0.reduce(0, +) / count }
        guard let best = means.indices.min(by: { means[$0] < means[$1] }) else { return nil }
        let interval = Scores.skillInterval(
            errors, over: baselineErrors[best], block: max(100, 2 * horizon))
        let error = errors.reduce(0, +)
        let bounded = boundedErrors.min() ?? 0
        return FeeBacktest.Row(
            horizon: horizon, outcomes: errors.count, bestBaseline: FeeBaseline.allCases[best],
            baselineError: means[best], modelError: error / count,
            skill: Scores.skill(errors, over: baselineErrors[best]) ?? 0,
            skillLow: interval?.lowerBound, skillHigh: interval?.upperBound,
            skillOverBounded: bounded > 0 ? 1 - error / bounded : 0,
            pinballSkill: climatologyPinball > 0 ? 1 - pinball / climatologyPinball : 0,
            rawCoverage: Double(rawHits) / count,
            coverage: Double(hits.count { $0 }) / count,
            worstCoverage: Scores.worstCoverage(hits, window: 1_000), width: width / count,
            modelShare: Double(heard) / count, servedCoverage: Double(servedHits) / count)
    }
}
