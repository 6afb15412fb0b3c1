/// The walk through a table that says what a model is worth.
///
/// The first 40 % only train. The rest falls into six stretches; for each, trees are trained on all
/// rows before it but for the last `horizon` ones, whose outcomes lie inside it. On the first two
/// stretches the better algorithm is chosen; the other four are the measure, so that the choice
/// does not flatter it.
struct WalkForward {
    private static let stretches = 6
    private static let choosing = 2
    /// Fewer outcomes than this in the measured part say nothing.
    private static let leastOutcomes = 60

    let algorithm: ChangeModel.Algorithm
    private var conformal = Conformal(target: ChangeModel.target)
    /// Forecasts whose outcome is not known yet: it only corrects the intervals `horizon` rows later.
    private var waiting:
        [(outcome: Double, raw: ClosedRange<Double>, served: ClosedRange<Double>)] = []
    private var firstRow = 0
    private var lastRow = 0
    private var errors: [Double] = []
    private var noChangeErrors: [Double] = []
    private var meanChangeErrors: [Double] = []
    private var hits = 0
    private var counted = 0
    private let horizon: Int

    init(_ set: ChangeSet, progress: (Double) -> Bool) throws(LearningError) {
        let rows = set.changes.count
        let start = rows * 4 / 10
        horizon = set.horizon
        guard (rows - start) * 4 / Self.stretches >= Self.leastOutcomes, start > set.horizon else {
            throw .tooFewRows(have: rows, need: Self.leastOutcomes * Self.stretches / 4 * 10 / 6)
        }
        let ends = (0...Self.stretches).map { start + (rows - start) * $0 / Self.stretches }

        var chosen: (error: Double, algorithm: ChangeModel.Algorithm)?
        for candidate in ChangeModel.Algorithm.allCases {
            var error = 0.0
            for index in 0..<Self.choosing {
                let trees = try trainTrees(
                    set.features.rows(0..<(ends[index] - set.horizon)),
                    Array(set.changes[..<(ends[index] - set.horizon)]), loss: .mean,
                    parameters: candidate.parameters)
                for row in ends[index]..<ends[index + 1] {
                    let miss = Double(set.changes[row] - trees.predict(set.features[row]))
                    error += miss * miss
                }
            }
            if error < chosen?.error ?? .infinity { chosen = (error, candidate) }
        }
        algorithm = chosen?.algorithm ?? .boosting
        guard progress(0.3) else { throw .cancelled }

        for index in 0..<Self.stretches {
            let known = ends[index] - set.horizon
            let trees = try ChangeTrees(
                set.features.rows(0..<known), Array(set.changes[..<known]), algorithm: algorithm)
            let mean = set.changes[..<known].reduce(0) { $0 + Double($1) } / Double(known)
            walk(
                set, ends[index]..<ends[index + 1], trees, mean: mean,
                isMeasured: index >= Self.choosing)
            guard progress(0.3 + 0.7 * Double(index + 1) / Double(Self.stretches)) else {
                throw .cancelled
            }
        }
        for due in waiting { conformal.observe(due.outcome, raw: due.raw, served: due.served) }
        waiting = []
        lastRow = rows - 1
        firstRow = ends[Self.choosing]
    }

    /// By how much the intervals of the last trees are to be widened. Before anything is known, by
    /// nothing.
    var margin: Double { conformal.margin ?? 0 }

    private mutating func walk(
        _ set: ChangeSet, _ rows: Range<Int>, _ trees: ChangeTrees, mean: Double, isMeasured: Bool
    ) {
        for row in rows {
            let features = set.features[row]
            let outcome = Double(set.changes[row])
            let middle = Double(trees.middle.predict(features))
            let ends = [Double(trees.low.predict(features)), Double(trees.high.predict(features))]
            let raw = min(ends[0], ends[1], middle)...max(ends[0], ends[1], middle)
            let served = raw.widened(by: margin, around: middle)
            waiting.append((outcome, raw, served))
            if waiting.count > set.horizon {
                let due = waiting.removeFirst()
                conformal.observe(due.outcome, raw: due.raw, served: due.served)
            }
            guard isMeasured else { continue }
            errors.append((outcome - middle) * (outcome - middle))
            noChangeErrors.append(outcome * outcome)
            meanChangeErrors.append((outcome - mean) * (outcome - mean))
            hits += served.contains(outcome) ? 1 : 0
            counted += 1
        }
    }

    /// What was measured.
    func record(labels: [String]) -> ChangeModel.Record {
        let noChange = noChangeErrors.reduce(0, +)
        let meanChange = meanChangeErrors.reduce(0, +)
        let (baseline, reference) =
            noChange <= meanChange
            ? (ChangeModel.Baseline.noChange, noChangeErrors)
            : (.meanChange, meanChangeErrors)
        let count = Double(counted)
        let skill = Scores.skill(errors, over: reference) ?? 0
        let interval =
            Scores.skillInterval(errors, over: reference, block: max(10, 2 * horizon))
            ?? -Double.greatestFiniteMagnitude...skill
        return ChangeModel.Record(
            outcomes: counted, from: labels[firstRow], to: labels[lastRow], baseline: baseline,
            baselineError: min(noChange, meanChange) / count,
            error: errors.reduce(0, +) / count, skill: skill, skillLow: interval.lowerBound,
            skillHigh: interval.upperBound, coverage: Double(hits) / count,
            target: ChangeModel.target)
    }
}

extension ClosedRange<Double> {
    /// The interval with a margin on both sides; a negative one narrows it, at most to a point.
    func widened(by margin: Double, around point: Double) -> ClosedRange<Double> {
        Swift.min(lowerBound - margin, point)...Swift.max(upperBound + margin, point)
    }
}
