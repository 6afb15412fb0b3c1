/// An answer of a ``ChangeModel``.
public struct ChangeForecast: Sendable, Hashable {
    /// What to do, as far as the model can tell.
    public enum Recommendation: String, Sendable, Hashable {
        case buy = "BUY"
        case sell = "SELL"
        case hold = "HOLD"
    }

    /// How wide the interval is, against that of someone who knows only the changes of the past.
    public enum RiskLevel: String, Sendable, Hashable {
        /// Under four fifths of it.
        case low = "LOW"
        /// Up to six fifths.
        case medium = "MEDIUM"
        case high = "HIGH"
    }

    /// The relative change over the horizon: 0.01 is one per cent up.
    public let change: Double
    /// The lower end of the interval.
    public let low: Double
    /// The upper end of the interval.
    public let high: Double
    /// What to do.
    public let recommendation: Recommendation
    /// Why.
    public let reason: String
    /// How wide the interval is.
    public let riskLevel: RiskLevel
    /// The features that a tree asks for, the most used first, of those that were given.
    public let featuresUsed: [String]
    /// Features of the model that were not given. They are left missing, not filled in.
    public let missing: [String]
    /// Given features whose value lies outside of all that was learned from.
    public let outOfRange: [String]
    /// Given names that the model does not know.
    public let unknown: [String]
}

extension ChangeModel {
    /// Forecasts from the features of a moment.
    ///
    /// A `BUY` or `SELL` needs both an interval that excludes no change and a model that has beaten
    /// the rules: the lower end of its skill's interval lies above zero.
    public func forecast(_ given: [String: Double]) -> ChangeForecast {
        let row = features.map { Float(given[$0.name] ?? .nan) }
        let middle = Double(self.middle.predict(row))
        let ends = [Double(low.predict(row)), Double(high.predict(row))]
        let interval = (min(ends[0], ends[1], middle)...max(ends[0], ends[1], middle))
            .widened(by: margin, around: middle)
        let (recommendation, reason) = judge(interval)
        let relativeWidth = (interval.upperBound - interval.lowerBound) / usualWidth
        let present = features.filter { given[$0.name]?.isFinite == true }
        let names = Set(features.map(\.name))
        return ChangeForecast(
            change: middle, low: interval.lowerBound, high: interval.upperBound,
            recommendation: recommendation, reason: reason,
            riskLevel: relativeWidth < 0.8 ? .low : relativeWidth <= 1.2 ? .medium : .high,
            featuresUsed: present.filter { $0.splits > 0 }
                .sorted { ($1.splits, $0.name) < ($0.splits, $1.name) }.map(\.name),
            missing: features.map(\.name).filter { given[$0]?.isFinite != true },
            outOfRange: present.filter { feature in
                given[feature.name].map { $0 < feature.lowest || $0 > feature.highest } ?? false
            }.map(\.name),
            unknown: given.keys.filter { !names.contains($0) }.sorted())
    }

    private func judge(
        _ interval: ClosedRange<Double>
    ) -> (ChangeForecast.Recommendation, String) {
        guard record.skillLow > 0 else {
            return (
                .hold,
                "the model has not beaten \"\(record.baseline.rawValue)\" on unseen data: "
                    + (record.skillLow > -.greatestFiniteMagnitude
                        ? "the interval of its skill is \(record.skillLow) to \(record.skillHigh)"
                        : "there are too few outcomes for an interval of its skill")
            )
        }
        if interval.lowerBound > 0 {
            return (.buy, "the whole interval lies above no change, and the model has skill")
        }
        if interval.upperBound < 0 {
            return (.sell, "the whole interval lies below no change, and the model has skill")
        }
        return (.hold, "the interval includes no change")
    }
}
