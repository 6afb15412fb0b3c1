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
public struct FeeForecaster: Sendable, Hashable, Codable {
    /// The share of outcomes that an interval is to hold.
    public static let target = 0.8

    private var features = FeeFeatures()
    private var last: FeeBlockState?
    private var tracks: [HorizonTrack]

    /// Forecasts with a model, or with rules alone if there is none.
    public init(model: FeeModel?, horizons: [Int] = FeeModel.usualHorizons) {
        tracks = (model?.horizons ?? horizons).map(HorizonTrack.init)
    }

    /// The number of the last block that was taken in.
    public var number: BlockNumber? { last?.number }

    /// Takes the next block in: scores the forecasts that were made for it, and makes new ones.
    ///
    /// - Parameter isServed: `false` while blocks of the past are taken in whose forecasts nobody
    ///   saw: they calibrate, but are not counted as coverage.
    public mutating func advance(_ block: FeeBlock, model: FeeModel?, isServed: Bool = true) {
        features.advance(block)
        last = FeeBlockState(block)
        guard features.isWarm else { return }
        let row = features.row()
        let fee = block.logFee
        for index in tracks.indices {
            tracks[index].settle(block.number, logFee: fee, isServed: isServed)
            let quantiles = model?.models.first { $0.horizon == tracks[index].horizon }?.quantiles
            tracks[index].predict(
                after: block, features: features,
                quantiles: quantiles?.map { Double($0.predict(row)) })
        }
    }

    /// The forecasts after the last block: the next fee, exact, and one for each horizon.
    public func forecasts() -> [FeeForecast] {
        guard let last else { return [] }
        let next = FeeForecast(
            horizon: 1, source: .exact, low: last.nextFee, middle: last.nextFee, high: last.nextFee,
            target: 1, coverage: nil, outcomes: 0, skill: nil)
        return [next]
            + tracks.compactMap { $0.forecast(next: last.nextFee, gasLimit: last.gasLimit) }
    }

    /// What all sources say about a horizon after the last block, for a backtest.
    func calls(horizon: Int) -> Calls? {
        tracks.first { $0.horizon == horizon }?.calls
    }

    /// What the sources say about one horizon, in logarithms relative to the next fee.
    struct Calls {
        let next: Double
        let model: Call?
        /// The rules in the order of `FeeBaseline`.
        let baselines: [Call]
        let served: Call
        let isModelServed: Bool
    }

    /// What one source says: its interval as it is, and with its correction.
    struct Call: Sendable, Hashable, Codable {
        /// The middle before the protocol's bounds.
        let unbounded: Double
        let middle: Double
        let rawLow: Double
        let rawHigh: Double
        let low: Double
        let high: Double
    }

    /// How each horizon has done so far.
    public var tracksByHorizon: [(horizon: Int, skill: Double?, coverage: Double?)] {
        tracks.map { ($0.horizon, $0.skill, $0.servedCoverage) }
    }
}

/// Of the last block, what forecasts start from.
private struct FeeBlockState: Sendable, Hashable, Codable {
    let number: BlockNumber
    let gasLimit: Gas
    /// The next base fee, in hexadecimal.
    private let next: String

    init(_ block: FeeBlock) {
        number = block.number
        gasLimit = block.gasLimit
        next = block.nextFee.hexQuantity
    }

    var nextFee: Wei { Wei(hex: next) ?? .zero }
}

/// One horizon: its waiting forecasts, the errors of each source, and which source is heard.
private struct HorizonTrack: Sendable, Hashable, Codable {
    /// A forecast whose outcome is not known yet. All are logarithms relative to the next fee.
    struct Waiting: Sendable, Hashable, Codable {
        let block: BlockNumber
        /// The logarithm of the next base fee then.
        let next: Double
        /// In the order of the sources; `nil` of the model if there is none.
        let calls: [Call?]
        /// The source that was served.
        let served: Int
    }

    typealias Call = FeeForecaster.Call

    /// A source and its record.
    struct Source: Sendable, Hashable, Codable {
        /// `nil` is the model.
        let baseline: FeeBaseline?
        var errors: Ring
        var conformal: Conformal
    }

    let horizon: Int
    private var sources: [Source]
    private var waiting: [Waiting] = []
    private var servedHits: Ring

    /// How many outcomes the choice between the sources rests on: more for long horizons, whose
    /// outcomes overlap.
    private static func window(_ horizon: Int) -> Int { max(1_000, 16 * horizon) }

    init(horizon: Int) {
        self.horizon = horizon
        let window = Self.window(horizon)
        sources = ([nil] + FeeBaseline.allCases.map { $0 }).map { baseline in
            Source(
                baseline: baseline, errors: Ring(capacity: window),
                conformal: Conformal(target: FeeForecaster.target))
        }
        servedHits = Ring(capacity: 1_000)
    }

    /// One minus the model's mean error over that of the best rule.
    var skill: Double? {
        guard sources[0].errors.count >= 100, let own = sources[0].errors.mean,
            let best = sources[1...].compactMap(\.errors.mean).min(), best > 0
        else { return nil }
        return 1 - own / best
    }

    /// The share of outcomes that the served intervals held.
    var servedCoverage: Double? { servedHits.mean }

    /// The source to be heard now.
    private func choice(hasModel: Bool) -> Int {
        if hasModel, horizon <= FeeModel.longestHorizon, let skill, skill > 0 { return 0 }
        let means = sources.map { $0.errors.mean ?? 0 }
        return (1..<sources.count).min { means[$0] < means[$1] } ?? 1
    }

    mutating func settle(_ block: BlockNumber, logFee: Double, isServed: Bool) {
        while let first = waiting.first, first.block + UInt64(horizon) <= block {
            waiting.removeFirst()
            guard first.block + UInt64(horizon) == block else { continue }
            let outcome = logFee - first.next
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

    mutating func predict(after block: FeeBlock, features: FeeFeatures, quantiles: [Double]?) {
        let bounds = FeeBounds.after(
            horizon - 1, from: block.nextFee, gasLimit: block.gasLimit)
        let lowest = log(max(bounds.low.doubleValue, 1)) - features.next
        let highest = log(max(bounds.high.doubleValue, 1)) - features.next
        func clipped(_ value: Double) -> Double { min(max(value, lowest), highest) }

        let calls = sources.map { source -> Call? in
            var low: Double
            var middle: Double
            var high: Double
            if let baseline = source.baseline {
                middle = features.forecast(baseline)
                (low, high) = (middle, middle)
            } else if let quantiles {
                let ordered = quantiles.sorted()
                (low, middle, high) = (ordered[0], ordered[1], ordered[2])
            } else {
                return nil
            }
            let unbounded = middle
            (low, middle, high) = (clipped(low), clipped(middle), clipped(high))
            guard let margin = source.conformal.margin else {
                return Call(
                    unbounded: unbounded, middle: middle, rawLow: low, rawHigh: high, low: lowest,
                    high: highest)
            }
            // A negative margin narrows, at most to the middle.
            return Call(
                unbounded: unbounded, middle: middle, rawLow: low, rawHigh: high,
                low: min(clipped(low - margin), middle), high: max(clipped(high + margin), middle))
        }
        waiting.append(
            Waiting(
                block: block.number, next: features.next, calls: calls,
                served: choice(hasModel: quantiles != nil)))
    }

    /// What the sources said after the last block.
    var calls: FeeForecaster.Calls? {
        guard let last = waiting.last, let served = last.calls[last.served] else { return nil }
        return FeeForecaster.Calls(
            next: last.next, model: last.calls[0], baselines: last.calls[1...].compactMap(\.self),
            served: served, isModelServed: last.served == 0)
    }

    /// The forecast that was made after the last block.
    func forecast(next: Wei, gasLimit: Gas) -> FeeForecast? {
        guard let last = waiting.last, let call = last.calls[last.served] else { return nil }
        let source = sources[last.served]
        let bounds = FeeBounds.after(horizon - 1, from: next, gasLimit: gasLimit)
        func wei(_ value: Double) -> Wei {
            let fee = Wei(clamping: (next.doubleValue * exp(value)).rounded())
            return min(max(fee, bounds.low), bounds.high)
        }
        return FeeForecast(
            horizon: horizon, source: source.baseline.map { .baseline($0) } ?? .model,
            low: wei(call.low), middle: wei(call.middle), high: wei(call.high),
            target: FeeForecaster.target, coverage: source.conformal.coverage,
            outcomes: source.conformal.outcomes, skill: skill)
    }
}
