import Primitives

/// How much is to come of a quantity, with an interval whose coverage is measured.
public struct ActivityForecast: Sendable, Hashable {
    /// Where a forecast comes from.
    public enum Source: Sendable, Hashable {
        /// The trained model.
        case model
        /// A rule that needs no model, because none beats it.
        case rule(ActivityRule)
    }

    /// What is forecast.
    public let quantity: ActivityQuantity
    /// Over how many steps.
    public let horizon: Int
    /// Where it comes from.
    public let source: Source
    /// The lower end of the interval.
    public let low: Double
    /// The middle: as likely too low as too high.
    public let middle: Double
    /// The upper end of the interval; `nil` while too little is known for one.
    public let high: Double?
    /// The share of the last outcomes that the intervals of this source held; `nil` without any.
    public let coverage: Double?
    /// How many outcomes `coverage` rests on.
    public let outcomes: Int
    /// How much smaller the model's error was than that of the best rule, over the last outcomes.
    public let skill: Double?
}

/// Forecasts the activity after each step, and measures itself as the outcomes arrive.
///
/// A value, like ``FeeForecaster``: the same steps and model lead to the same forecasts.
package struct ActivityForecaster: Sendable {
    package private(set) var series: ActivitySeries
    /// In the order of the quantities, and within one of the horizons.
    private var tracks: [(quantity: ActivityQuantity, track: ForecastTrack)]

    package init(scale: ActivityScale) {
        series = ActivitySeries(scale: scale)
        tracks = ActivityQuantity.allCases.flatMap { quantity in
            scale.horizons.map { horizon in
                (
                    quantity,
                    ForecastTrack(
                        horizon: horizon, rules: ActivityRule.allCases.count, mayHearModel: true)
                )
            }
        }
    }

    /// Takes the next step in.
    ///
    /// - Parameters:
    ///   - trees: the quantiles' trees for a quantity and a horizon, if there is a model.
    ///   - isServed: `false` while steps of the past are taken in whose forecasts nobody saw.
    package mutating func advance(
        _ step: ActivityStep, isServed: Bool,
        trees: (ActivityQuantity, Int) -> [TreeEnsemble]? = { _, _ in nil }
    ) {
        series.advance(step)
        let number = UInt64(series.count)
        for index in tracks.indices {
            let quantity = tracks[index].quantity
            let horizon = tracks[index].track.horizon
            guard let sum = series.sum(quantity, steps: horizon) else { continue }
            tracks[index].track.settle(number, value: sum.squareRoot(), isServed: isServed)
            let origin = series.origin(quantity, horizon: horizon)
            let rules = ActivityRule.allCases.map { rule in
                series.forecast(rule, quantity, horizon: horizon).map {
                    ForecastTrack.Raw(point: $0.squareRoot() - origin)
                }
            }
            let model = trees(quantity, horizon).map { trees in
                let row = series.row(quantity, horizon: horizon)
                return ForecastTrack.Raw(quantiles: trees.map { Double($0.predict(row)) })
            }
            tracks[index].track.predict(
                after: number, origin: origin, [model] + rules, within: -origin...(.infinity))
        }
    }

    /// The forecasts after the last step.
    package func forecasts() -> [ActivityForecast] {
        tracks.compactMap { quantity, track in
            guard let last = track.last, let call = last.calls[last.served] else { return nil }
            func amount(_ root: Double) -> Double {
                let root = max(0, root + last.origin)
                return root * root
            }
            let coverage = track.coverage(of: last.served)
            return ActivityForecast(
                quantity: quantity, horizon: track.horizon,
                source: last.served == 0
                    ? .model : .rule(ActivityRule.allCases[last.served - 1]),
                low: amount(call.low), middle: amount(call.middle),
                high: call.high.isFinite ? amount(call.high) : nil, coverage: coverage.share,
                outcomes: coverage.outcomes, skill: track.skill)
        }
    }

    /// What all sources say, for a backtest: roots relative to the origin.
    func calls(_ quantity: ActivityQuantity, horizon: Int) -> ForecastTrack.Calls? {
        tracks.first { $0.quantity == quantity && $0.track.horizon == horizon }?.track.last
    }

    /// How each forecast has done so far.
    var scores: [(quantity: ActivityQuantity, horizon: Int, skill: Double?, coverage: Double?)] {
        tracks.map { ($0.quantity, $0.track.horizon, $0.track.skill, $0.track.servedCoverage) }
    }
}
