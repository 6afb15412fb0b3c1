/// Several sources forecast one quantity some steps ahead, each is scored as the outcomes arrive, and
/// the best is heard.
///
/// Source 0 is a model, if there is one; the others are rules that need none. Each has its own
/// conformal interval. The model is heard only while its mean error over the last outcomes is smaller
/// than that of the best rule.
struct ForecastTrack: Sendable, Hashable {
    /// What a source says before any correction; of a rule, all three are the same.
    struct Raw {
        let low: Double
        let middle: Double
        let high: Double

        init(point: Double) {
            (low, middle, high) = (point, point, point)
        }

        /// Three quantiles, in order or not.
        init(quantiles: [Double]) {
            let ordered = quantiles.sorted()
            (low, middle, high) = (ordered[0], ordered[1], ordered[2])
        }
    }

    /// What a source says: its interval as it is, and with its correction.
    struct Call: Sendable, Hashable {
        /// The middle before the bounds.
        let unbounded: Double
        let middle: Double
        let rawLow: Double
        let rawHigh: Double
        let low: Double
        let high: Double
    }

    /// What all sources say.
    struct Calls: Sendable, Hashable {
        /// The step after which they say it.
        let step: UInt64
        /// What the calls are relative to.
        let origin: Double
        /// In the order of the sources; `nil` of one that has nothing to say.
        let calls: [Call?]
        /// The source that is heard.
        let served: Int
    }

    private struct Source: Sendable, Hashable {
        var errors: Ring
        var conformal = Conformal(target: ForecastTrack.target)
    }

    /// The share of outcomes that an interval is to hold.
    static let target = 0.8
    /// Fewer outcomes than this say nothing about skill.
    private static let leastOutcomes = 100

    /// How many steps ahead.
    let horizon: Int
    private let mayHearModel: Bool
    private var sources: [Source]
    /// Forecasts whose outcome is not known yet, the oldest first.
    private var waiting: [Calls] = []
    private var servedHits = Ring(capacity: 1_000)

    /// - Parameters:
    ///   - rules: how many there are.
    ///   - mayHearModel: `false` if the model is only measured.
    init(horizon: Int, rules: Int, mayHearModel: Bool) {
        precondition(horizon >= 1 && rules >= 1, "A track looks ahead, and has a rule.")
        self.horizon = horizon
        self.mayHearModel = mayHearModel
        // More for long horizons, whose outcomes overlap.
        let window = max(1_000, 16 * horizon)
        sources = Array(repeating: Source(errors: Ring(capacity: window)), count: rules + 1)
    }

    /// One minus the model's mean error over that of the best rule; `nil` while that is not known.
    var skill: Double? {
        guard sources[0].errors.count >= Self.leastOutcomes, let own = sources[0].errors.mean,
            let best = sources[1...].compactMap(\.errors.mean).min(), best > 0
        else { return nil }
        return 1 - own / best
    }

    /// The share of outcomes that the served intervals held.
    var servedCoverage: Double? { servedHits.mean }

    /// What the sources said after the last step.
    var last: Calls? { waiting.last }

    /// The share of the last outcomes that the intervals of a source held, and how many those are.
    func coverage(of source: Int) -> (share: Double?, outcomes: Int) {
        (sources[source].conformal.coverage, sources[source].conformal.outcomes)
    }

    /// Scores what was said about the step that is there now.
    ///
    /// - Parameters:
    ///   - value: the outcome, absolute.
    ///   - isServed: `false` if nobody saw the forecast: it calibrates, but is not counted as coverage.
    mutating func settle(_ step: UInt64, value: Double, isServed: Bool) {
        while let first = waiting.first, first.step + UInt64(horizon) <= step {
            waiting.removeFirst()
            guard first.step + UInt64(horizon) == step else { continue }
            let outcome = value - first.origin
            for (index, call) in first.calls.enumerated() {
                guard let call else { continue }
                sources[index].errors.append((outcome - call.middle).magnitude)
                if isServed {
                    sources[index].conformal.observe(
                        outcome, raw: call.rawLow...call.rawHigh, served: call.low...call.high)
                } else {
                    sources[index].conformal.calibrate(
                        outcome, low: call.rawLow, high: call.rawHigh)
                }
            }
            if isServed, let call = first.calls[first.served] {
                servedHits.append((call.low...call.high).contains(outcome) ? 1 : 0)
            }
        }
    }

    /// Takes in what the sources say after a step.
    ///
    /// - Parameters:
    ///   - origin: what outcomes are measured from.
    ///   - bounds: what is possible, relative to the origin.
    mutating func predict(
        after step: UInt64, origin: Double, _ raw: [Raw?], within bounds: ClosedRange<Double>
    ) {
        precondition(raw.count == sources.count, "Each source says something or nothing.")
        func clipped(_ value: Double) -> Double {
            min(max(value, bounds.lowerBound), bounds.upperBound)
        }
        let calls = zip(sources, raw).map { source, raw -> Call? in
            guard let raw else { return nil }
            let (low, middle, high) = (clipped(raw.low), clipped(raw.middle), clipped(raw.high))
            guard let margin = source.conformal.margin else {
                return Call(
                    unbounded: raw.middle, middle: middle, rawLow: low, rawHigh: high,
                    low: bounds.lowerBound, high: bounds.upperBound)
            }
            // A negative margin narrows, at most to the middle.
            return Call(
                unbounded: raw.middle, middle: middle, rawLow: low, rawHigh: high,
                low: min(clipped(low - margin), middle), high: max(clipped(high + margin), middle))
        }
        waiting.append(Calls(step: step, origin: origin, calls: calls, served: choice(calls)))
    }

    /// The source to be heard now, of those that say something.
    private func choice(_ calls: [Call?]) -> Int {
        if mayHearModel, calls[0] != nil, let skill, skill > 0 { return 0 }
        let means = sources.map { $0.errors.mean ?? 0 }
        return (1..<sources.count).filter { calls[$0] != nil }
            .min { means[$0] < means[$1] } ?? 1
    }
}
