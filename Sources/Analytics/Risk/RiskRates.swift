import Primitives

/// What a threshold or a rule of ``RiskEvaluation`` is worth: how many flagged addresses it finds, how
/// many others, and what that makes of those that it finds.
struct RiskRates {
    /// How often the bounds of a figure are to hold what it would be for all addresses.
    static let confidence = 0.95
    /// Shares of flagged addresses in a population.
    static let prevalences: [(name: String, share: Double)] = [
        ("0.001", 0.001), ("0.01", 0.01), ("0.1", 0.1),
    ]

    /// A figure between its bounds.
    struct Figure {
        let value: Double
        let low: Double
        let high: Double
        /// Whether the bounds are those of the resampled figure; if not, they come from exact ones.
        let isResampled: Bool

        static func / (figure: Figure, divisor: Double) -> Figure {
            Figure(
                value: figure.value / divisor, low: figure.low / divisor,
                high: figure.high / divisor, isResampled: figure.isResampled)
        }
    }

    /// One group of addresses by one criterion.
    private struct Group {
        let shares: ResampledShares
        let cases: Double

        init(_ outcomes: [RiskEvaluation.Outcome], _ criterion: Int, seed: UInt64) {
            shares = ResampledShares(
                outcomes.map { ($0.found[criterion], $0.times) }, seed: seed)
            cases = Double(outcomes.count { $0.times > 0 })
        }

        /// The bounds where samples tell nothing: the addresses are the cases.
        func exact(confidence: Double) -> BinomialBounds? {
            shares.share.map {
                BinomialBounds(hits: $0 * cases, cases: cases, confidence: confidence)
            }
        }

        var figure: Figure? {
            guard let share = shares.share else { return nil }
            if shares.isInformative,
                let (low, high) = ResampledShares.interval(
                    shares.resampled, confidence: confidence)
            {
                return Figure(value: share, low: low, high: high, isResampled: true)
            }
            return exact(confidence: confidence).map {
                Figure(value: share, low: $0.low, high: $0.high, isResampled: false)
            }
        }
    }

    private let flagged: Group
    private let controls: Group

    /// - Parameter criterion: its place among ``RiskEvaluation/Outcome/found``.
    init(
        _ flagged: [RiskEvaluation.Outcome], _ controls: [RiskEvaluation.Outcome],
        _ criterion: Int, seed: UInt64
    ) {
        self.flagged = Group(flagged, criterion, seed: seed)
        // Other samples than those of the flagged: the two groups have nothing to do with each other.
        self.controls = Group(controls, criterion, seed: ~seed)
    }

    /// The share of the times that a hidden flagged address was found.
    var recall: Figure? { flagged.figure }

    /// The same of addresses without a flag; `nil` if there are none.
    var falsePositives: Figure? { controls.figure }

    /// The share of flagged ones among those found, where so many of all are flagged; `nil` if none is
    /// found.
    ///
    /// Where samples of both rates tell something, it is resampled with them. Where not, it lies between
    /// what the worst and the best exact bounds of both make of it; these are left half as often, so
    /// that what is made of both keeps its own.
    func precision(at prevalence: Double) -> Figure? {
        func precision(_ recall: Double, _ falsePositives: Double) -> Double? {
            let (hits, misses) = (recall * prevalence, falsePositives * (1 - prevalence))
            return hits + misses > 0 ? hits / (hits + misses) : nil
        }
        guard let recall = flagged.shares.share, let wrong = controls.shares.share,
            let value = precision(recall, wrong)
        else { return nil }
        if flagged.shares.isInformative, controls.shares.isInformative,
            let (low, high) = ResampledShares.interval(
                zip(flagged.shares.resampled, controls.shares.resampled).compactMap(precision),
                confidence: Self.confidence)
        {
            return Figure(value: value, low: low, high: high, isResampled: true)
        }
        let each = 1 - (1 - Self.confidence) / 2
        guard let found = flagged.exact(confidence: each),
            let foundWrongly = controls.exact(confidence: each)
        else { return nil }
        return Figure(
            value: value, low: precision(found.low, foundWrongly.high) ?? 0,
            high: precision(found.high, foundWrongly.low) ?? 1, isResampled: false)
    }

    func write(to writer: inout JSONWriter) {
        Self.write("recall", recall, to: &writer)
        Self.write("false_positive_rate", falsePositives, to: &writer)
        // One control for each flagged address: half of them are flagged.
        let precision = precision(at: 0.5)
        Self.write("precision", precision, to: &writer)
        Self.write("lift", precision.map { $0 / 0.5 }, to: &writer)
        writer.key("precision_by_prevalence")
        writer.object { writer in
            for prevalence in Self.prevalences {
                Self.write(
                    prevalence.name, self.precision(at: prevalence.share), to: &writer)
            }
        }
    }

    private static func write(_ name: String, _ figure: Figure?, to writer: inout JSONWriter) {
        writer.key(name)
        guard let figure else { return writer.null() }
        writer.object { writer in
            writer.key("value")
            writer.number(figure.value)
            writer.key("low")
            writer.number(figure.low)
            writer.key("high")
            writer.number(figure.high)
            writer.key("bounds")
            writer.string(figure.isResampled ? "bootstrap" : "clopper_pearson")
        }
    }
}
