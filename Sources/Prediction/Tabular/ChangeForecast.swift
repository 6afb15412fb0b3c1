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

    /// The relative change over the horizon: 0.01 is one per cent up. `nil` if a feature that a tree
    /// asks for is missing.
    public let change: Double?
    /// The interval of the change; `nil` if a feature that a tree asks for is missing.
    public let interval: ClosedRange<Double>?
    /// The measured coverage of the interval; `nil` if a feature that a tree asks for is missing or
    /// out of range, for which nothing was measured.
    public let confidence: Double?
    /// What to do.
    public let recommendation: Recommendation
    /// Why.
    public let reason: String
    /// How wide the interval is; high if nothing was measured for such features.
    public let riskLevel: RiskLevel
    /// The features that a tree asks for, the most used first, of those that were given.
    public let featuresUsed: [String]
    /// Features of the model that were not given. They are not filled in.
    public let missing: [String]
    /// Given features whose value lies outside of all that was learned from.
    public let outOfRange: [String]
    /// Given names that the model does not know.
    public let unknown: [String]
}

extension ChangeModel {
    /// Forecasts from the features of a moment.
    ///
    /// A `BUY` or `SELL` needs three things: all features that a tree asks for, each within the range
    /// that it was learned from; an interval that excludes no change; and a model that has beaten the
    /// rules, so that the lower end of its skill's interval lies above zero.
    ///
    /// A tree has to send a missing value somewhere. Where training had no gaps it never learned
    /// where, so that nothing is forecast without it. Beyond the last split a tree says the same for
    /// every value: that is a forecast, but one whose error was not measured.
    public func forecast(_ given: [String: Double]) -> ChangeForecast {
        let numbers = given.filter { $0.value.isFinite }
        let names = Set(features.map(\.name))
        let missing = features.filter { numbers[$0.name] == nil }
        let outOfRange = features.filter { feature in
            // The ranges are those of the numbers that trees compare.
            numbers[feature.name].map { !feature.range.contains(Double(Float($0))) } ?? false
        }
        let isWhole = missing.allSatisfy { $0.splits == 0 }
        let isMeasured = isWhole && outOfRange.allSatisfy { $0.splits == 0 }
        let said = isWhole ? say(numbers) : nil
        let (recommendation, reason) = judge(
            said?.interval, missing: missing, outOfRange: outOfRange)
        return ChangeForecast(
            change: said?.middle, interval: said?.interval,
            confidence: isMeasured ? record.coverage : nil,
            recommendation: recommendation, reason: reason,
            riskLevel: isMeasured ? riskLevel(said?.interval) : .high,
            featuresUsed: features.filter { $0.splits > 0 && numbers[$0.name] != nil }
                .sorted { ($1.splits, $0.name) < ($0.splits, $1.name) }.map(\.name),
            missing: missing.map(\.name), outOfRange: outOfRange.map(\.name),
            unknown: given.keys.filter { !names.contains($0) }.sorted())
    }

    /// What the trees say. A feature that none asks for may be missing.
    private func say(_ given: [String: Double]) -> (middle: Double, interval: ClosedRange<Double>) {
        let row = features.map { Float(given[$0.name] ?? .nan) }
        let middle = Double(self.middle.predict(row))
        let ends = [Double(low.predict(row)), Double(high.predict(row))]
        return (
            middle,
            (min(ends[0], ends[1], middle)...max(ends[0], ends[1], middle))
                .widened(by: margin, around: middle)
        )
    }

    private func riskLevel(_ interval: ClosedRange<Double>?) -> ChangeForecast.RiskLevel {
        guard let interval else { return .high }
        let relativeWidth = (interval.upperBound - interval.lowerBound) / usualWidth
        return relativeWidth < 0.8 ? .low : relativeWidth <= 1.2 ? .medium : .high
    }

    private func judge(
        _ interval: ClosedRange<Double>?, missing: [Feature], outOfRange: [Feature]
    ) -> (ChangeForecast.Recommendation, String) {
        func names(_ features: [Feature]) -> String {
            features.filter { $0.splits > 0 }.map(\.name).joined(separator: ", ")
        }
        guard record.skillLow > 0 else {
            return (
                .hold,
                "the model has not beaten \"\(record.baseline.rawValue)\" on unseen data: "
                    + (record.skillLow > -.greatestFiniteMagnitude
                        ? "the interval of its skill is \(record.skillLow) to \(record.skillHigh)"
                        : "there are too few outcomes for an interval of its skill")
            )
        }
        guard let interval else {
            return (.hold, "features that the model looks at are missing: \(names(missing))")
        }
        guard names(outOfRange).isEmpty else {
            return (
                .hold,
                "nothing was measured where features lie outside of all that was learned from: "
                    + names(outOfRange)
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
