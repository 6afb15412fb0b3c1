import Foundation
public import Primitives

/// A base fee to come, with an interval whose coverage is measured.
public struct FeeForecast: Sendable, Hashable {
    /// Where a forecast comes from.
    public enum Source: Sendable, Hashable {
        /// The protocol's formula: not a forecast at all.
        case exact
        /// The trained model.
        case model
        /// A rule that needs no model, because the model does not beat it.
        case baseline(FeeBaseline)
    }

    /// How many blocks after the last one; the next block is 1.
    public let horizon: Int
    /// Where it comes from.
    public let source: Source
    /// The lower end of the interval, in wei.
    public let low: Wei
    /// The middle, in wei: as likely too low as too high.
    public let middle: Wei
    /// The upper end of the interval, in wei.
    public let high: Wei
    /// The share of outcomes that the interval is to hold.
    public let target: Double
    /// The share of the last outcomes that the intervals of this source held; `nil` without any.
    public let coverage: Double?
    /// How many outcomes `coverage` rests on.
    public let outcomes: Int
    /// How much smaller the model's error was than that of the best rule, over the last outcomes:
    /// 0 is no better; `nil` without a model or outcomes.
    public let skill: Double?
}

/// Forecasts the base fee after each block, and measures itself as the outcomes arrive.
///
/// A value: the same model and the same blocks lead to the same forecasts, so a restart, or a
/// backtest, repeats what a running node said.
public struct FeeForecaster: Sendable, Hashable {
    /// The running summary of the blocks so far.
    package private(set) var features = FeeFeatures()
    /// The last block that was taken in.
    private(set) var last: FeeBlock?
    private var tracks: [ForecastTrack]

    /// Forecasts with a model, or with rules alone if there is none.
    public init(model: FeeModel?, horizons: [Int] = FeeModel.usualHorizons) {
        tracks = (model?.horizons ?? horizons).map { horizon in
            ForecastTrack(
                horizon: horizon, rules: FeeBaseline.allCases.count,
                mayHearModel: horizon <= FeeModel.longestHorizon)
        }
    }

    /// Takes the next block in: scores the forecasts that were made for it, and makes new ones.
    ///
    /// - Parameter isServed: `false` while blocks of the past are taken in whose forecasts nobody
    ///   saw: they calibrate, but are not counted as coverage.
    public mutating func advance(_ block: FeeBlock, model: FeeModel?, isServed: Bool = true) {
        features.advance(block)
        last = block
        guard features.isWarm else { return }
        let row = features.row()
        let fee = block.logFee
        for index in tracks.indices {
            let horizon = tracks[index].horizon
            tracks[index].settle(block.number, value: fee, isServed: isServed)
            let quantiles = model?.models.first { $0.horizon == horizon }?.quantiles
            let learned = quantiles.map { quantiles in
                ForecastTrack.Raw(quantiles: quantiles.map { Double($0.predict(row)) })
            }
            let rules = FeeBaseline.allCases.map { rule -> ForecastTrack.Raw? in
                ForecastTrack.Raw(point: features.forecast(rule))
            }
            let bounds = FeeBounds.after(
                horizon - 1, from: block.nextFee, gasLimit: block.gasLimit)
            tracks[index].predict(
                after: block.number, origin: features.next, [learned] + rules,
                within: (bounds.low.logarithm - features.next)...(bounds.high.logarithm
                    - features.next))
        }
    }

    /// The forecasts after the last block: the next fee, exact, and one for each horizon.
    public func forecasts() -> [FeeForecast] {
        guard let last else { return [] }
        let fee = last.nextFee
        let next = FeeForecast(
            horizon: 1, source: .exact, low: fee, middle: fee, high: fee, target: 1, coverage: nil,
            outcomes: 0, skill: nil)
        return [next] + tracks.compactMap { Self.forecast($0, next: fee, gasLimit: last.gasLimit) }
    }

    private static func forecast(
        _ track: ForecastTrack, next: Wei, gasLimit: Gas
    ) -> FeeForecast? {
        guard let last = track.last, let call = last.calls[last.served] else { return nil }
        let bounds = FeeBounds.after(track.horizon - 1, from: next, gasLimit: gasLimit)
        func wei(_ value: Double) -> Wei {
            let fee = Wei(clamping: (next.doubleValue * exp(value)).rounded())
            return min(max(fee, bounds.low), bounds.high)
        }
        let coverage = track.coverage(of: last.served)
        return FeeForecast(
            horizon: track.horizon,
            source: last.served == 0 ? .model : .baseline(FeeBaseline.allCases[last.served - 1]),
            low: wei(call.low), middle: wei(call.middle), high: wei(call.high),
            target: ForecastTrack.target, coverage: coverage.share, outcomes: coverage.outcomes,
            skill: track.skill)
    }

    /// What all sources say about a horizon after the last block, in logarithms relative to the next
    /// fee: the model, and the rules in the order of `FeeBaseline`. For a backtest.
    func calls(horizon: Int) -> ForecastTrack.Calls? {
        tracks.first { $0.horizon == horizon }?.last
    }

    /// How each horizon has done so far.
    public var tracksByHorizon: [(horizon: Int, skill: Double?, coverage: Double?)] {
        tracks.map { ($0.horizon, $0.skill, $0.servedCoverage) }
    }
}
