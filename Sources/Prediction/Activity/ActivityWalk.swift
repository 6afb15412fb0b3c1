/// The walk through the steps that says what an activity model is worth: see ``ActivityModel``.
struct ActivityWalk {
    private static let cuts = [0.4, 0.7, 1]

    private(set) var parts: [ActivityModel.Part] = []

    /// A quantity over a horizon.
    private struct Goal: Hashable {
        let quantity: ActivityQuantity
        let horizon: Int
    }

    init(
        _ steps: [ActivityStep], _ scale: ActivityScale, _ parameters: TreeParameters,
        progress: (Double) -> Bool
    ) throws(LearningError) {
        let cuts = Self.cuts.map { Int(Double(steps.count) * $0) }
        let goals = ActivityQuantity.allCases.flatMap { quantity in
            scale.horizons.map { Goal(quantity: quantity, horizon: $0) }
        }
        var series = ActivitySeries(scale: scale)
        var rows: [Goal: FeatureMatrix] = [:]
        for goal in goals {
            rows[goal] = FeatureMatrix(columns: ActivitySeries.features(of: scale).count)
        }
        var sums: [Goal: [Float]] = [:]
        var origins: [Goal: [Float]] = [:]
        for step in steps {
            series.advance(step)
            for goal in goals {
                rows[goal]?.append(series.row(goal.quantity, horizon: goal.horizon))
                origins[goal, default: []].append(
                    Float(series.origin(goal.quantity, horizon: goal.horizon)))
                sums[goal, default: []].append(
                    Float(series.sum(goal.quantity, steps: goal.horizon)?.squareRoot() ?? .nan))
            }
        }

        // Trees for each stretch; a quantity that never moves has none.
        let rounds =
            Double((cuts.count - 1) * goals.count * ActivityModel.levels.count)
            * Double(parameters.rounds)
        var done = 0.0
        var trees: [[Goal: [TreeEnsemble]]] = []
        for cut in cuts.dropLast() {
            var learned: [Goal: [TreeEnsemble]] = [:]
            for goal in goals {
                guard let rows = rows[goal], let sums = sums[goal], let origins = origins[goal]
                else { continue }
                // The last `horizon` rows have outcomes in the next stretch; the first have no past.
                let known = scale.spans[1]..<(cut - goal.horizon)
                let targets = known.map { sums[$0 + goal.horizon] - origins[$0] }
                do throws(LearningError) {
                    var quantiles: [TreeEnsemble] = []
                    for level in ActivityModel.levels {
                        quantiles.append(
                            try trainTrees(
                                rows.rows(known), targets, loss: .quantile(level),
                                parameters: parameters,
                                shouldContinue: {
                                    done += 1
                                    return progress(0.9 * done / rounds)
                                }))
                    }
                    learned[goal] = quantiles
                } catch .constantTarget {
                    continue
                }
            }
            trees.append(learned)
        }

        var forecaster = ActivityForecaster(scale: scale)
        var records = Dictionary(uniqueKeysWithValues: goals.map { ($0, ActivityRecord()) })
        for (index, step) in steps.enumerated() {
            let stretch = index < cuts[0] ? nil : index < cuts[1] ? trees[0] : trees[1]
            forecaster.advance(step, isServed: index >= cuts[0]) { quantity, horizon in
                stretch?[Goal(quantity: quantity, horizon: horizon)]
            }
            guard stretch != nil else { continue }
            for goal in goals where index + goal.horizon < steps.count {
                guard let sum = sums[goal]?[index + goal.horizon],
                    let calls = forecaster.calls(goal.quantity, horizon: goal.horizon)
                else { continue }
                records[goal]?.add(calls, outcome: Double(sum) - calls.origin)
            }
        }
        guard progress(1) else { throw .cancelled }
        for goal in goals {
            guard let quantiles = trees[1][goal],
                let record = records[goal]?.record(horizon: goal.horizon)
            else { continue }
            parts.append(
                ActivityModel.Part(
                    scale: scale, quantity: goal.quantity, horizon: goal.horizon, record: record,
                    seenTo: steps[cuts[1] - 1].end, quantiles: quantiles))
        }
    }
}

/// What is gathered about one forecast.
private struct ActivityRecord {
    private var errors: [Double] = []
    private var ruleErrors = [[Double]](repeating: [], count: ActivityRule.allCases.count)
    /// The losses of the model's quantiles and of each rule's, over the outcomes of which both spoke.
    private var pinball = [(model: Double, rule: Double)](
        repeating: (0, 0), count: ActivityRule.allCases.count)
    private var hits = 0
    private var servedHits = 0
    private var width = 0.0

    mutating func add(_ calls: ForecastTrack.Calls, outcome: Double) {
        guard let model = calls.calls[0], let served = calls.calls[calls.served],
            model.high.isFinite
        else { return }
        errors.append((outcome - model.middle).magnitude)
        let modelPinball = model.pinball(outcome)
        for (index, call) in calls.calls.dropFirst().enumerated() {
            // A rule whose past is not there is as bad as knowing nothing.
            let miss = call.map { (outcome - $0.middle).magnitude } ?? outcome.magnitude
            ruleErrors[index].append(miss)
            guard let call, call.high.isFinite else { continue }
            pinball[index].model += modelPinball
            pinball[index].rule += call.pinball(outcome)
        }
        hits += (model.low...model.high).contains(outcome) ? 1 : 0
        servedHits += (served.low...served.high).contains(outcome) ? 1 : 0
        width += model.high - model.low
    }

    func record(horizon: Int) -> ActivityModel.Record? {
        guard !errors.isEmpty else { return nil }
        let count = Double(errors.count)
        let sums = ruleErrors.map { $0.reduce(0, +) }
        guard let best = sums.indices.min(by: { sums[$0] < sums[$1] }) else { return nil }
        let interval = Scores.skillInterval(
            errors, over: ruleErrors[best], block: max(50, 2 * horizon))
        return ActivityModel.Record(
            outcomes: errors.count, rule: ActivityRule.allCases[best],
            ruleError: sums[best] / count, error: errors.reduce(0, +) / count,
            skill: Scores.skill(errors, over: ruleErrors[best]) ?? 0,
            skillLow: interval?.lowerBound, skillHigh: interval?.upperBound,
            pinballSkill: pinball[best].rule > 0
                ? 1 - pinball[best].model / pinball[best].rule : 0,
            coverage: Double(hits) / count, servedCoverage: Double(servedHits) / count,
            width: width / count)
    }
}

extension ForecastTrack.Call {
    /// The loss of the three quantiles, as they are corrected.
    fileprivate func pinball(_ outcome: Double) -> Double {
        zip(ActivityModel.levels, [low, middle, high]).reduce(0) {
            $0 + Scores.pinball(outcome, $1.1, level: $1.0)
        }
    }
}
