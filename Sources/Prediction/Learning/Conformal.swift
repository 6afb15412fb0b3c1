/// Turns a raw interval into one whose coverage is measured: conformalised quantile regression
/// (Romano, Patterson, Candès 2019) on a sliding window, with the adaptive correction of Gibbs and
/// Candès (2021).
///
/// Each outcome leaves a score: how far it lay outside the raw interval, negative inside. The next
/// interval is widened by the quantile of the last scores at the wanted level; the level itself moves
/// a little up after each miss and down after each hit, so that the share of hits stays at the target
/// even while the series changes its nature.
public struct Conformal: Sendable, Hashable {
    /// The share of outcomes that the interval is to hold.
    public let target: Double
    /// How many scores are kept.
    public let window: Int
    /// How fast the level moves.
    public let rate: Double

    /// One minus the level in use now.
    private var miss: Double
    private var scores: Ring
    private var hits: Ring

    /// No scores yet.
    public init(target: Double, window: Int = 1_000, rate: Double = 0.005) {
        self.target = target
        self.window = window
        self.rate = rate
        miss = 1 - target
        scores = Ring(capacity: window)
        hits = Ring(capacity: window)
    }

    /// By how much to widen the raw interval now, on both sides; it may be negative. `nil` while
    /// there are too few scores, or if no width is enough: take the widest interval that can be.
    public var margin: Double? {
        guard scores.count >= 30 else { return nil }
        let level = (1 - miss) * (1 + 1 / Double(scores.count))
        guard level < 1 else { return nil }
        guard level > 0 else { return scores.quantile(0) }
        return scores.quantile(level)
    }

    /// The measured share of the last outcomes that the served intervals held; `nil` without any.
    public var coverage: Double? { hits.mean }

    /// How many outcomes `coverage` rests on.
    public var outcomes: Int { hits.count }

    /// Learns an outcome of the past, for which no interval was served.
    public mutating func calibrate(_ outcome: Double, low: Double, high: Double) {
        scores.append(max(low - outcome, outcome - high))
    }

    /// Learns an outcome.
    ///
    /// - Parameters:
    ///   - raw: the interval before the correction.
    ///   - served: the interval that was given out.
    public mutating func observe(
        _ outcome: Double, raw: ClosedRange<Double>, served: ClosedRange<Double>
    ) {
        let isHit = served.contains(outcome)
        scores.append(max(raw.lowerBound - outcome, outcome - raw.upperBound))
        hits.append(isHit ? 1 : 0)
        miss = min(max(miss + rate * ((1 - target) - (isHit ? 0 : 1)), 0), 1)
    }
}
