import PluginAPI

/// The plugin's figures: how good its forecasts were, renewed as the outcomes arrive. A figure that is
/// not known is not a number.
final class PredictionMetrics: Sendable {
    let trainingShare: Gauge
    let unwritten: Counter
    private let feeSkill: Gauge
    private let feeCoverage: Gauge
    private let fallSkill: Gauge
    private let fallError: Gauge
    private let activitySkill: Gauge
    private let activityCoverage: Gauge
    private let outcomes: Gauge
    private let watched: Gauge
    private let trainings: Counter

    private static let horizons = FeeModel.usualHorizons.map { "\($0)" }
    private static let falls = FallHistory.scoredFalls.map(\.label)
    private static let activities = ActivityQuantity.allCases.flatMap { quantity in
        ActivityScale.allCases.flatMap { scale in
            scale.horizons.map { label(scale, quantity, $0) }
        }
    }

    init(_ metrics: MetricsRegistry) {
        func gauge(_ name: String, _ help: String, _ label: String, _ values: [String]) -> Gauge {
            let gauge = metrics.gauge(
                "apus_prediction_" + name, help, label: MetricLabel(label, values))
            for value in values { gauge.set(.nan, value) }
            return gauge
        }
        feeSkill = gauge(
            "fee_skill_ratio", "One minus the model's error over that of the best rule.", "blocks",
            Self.horizons)
        feeCoverage = gauge(
            "fee_interval_coverage_ratio",
            "Share of the last base fees that the served intervals held, made for 0.8.", "blocks",
            Self.horizons)
        fallSkill = gauge(
            "fall_skill_ratio",
            "One minus the Brier score of a falling fee's probability over that of its frequency.",
            "fall", Self.falls)
        fallError = gauge(
            "fall_calibration_error_ratio",
            "How far a falling fee's probability was from its share, over ten classes.", "fall",
            Self.falls)
        activitySkill = gauge(
            "activity_skill_ratio", "One minus the model's error over that of the best rule.",
            "forecast", Self.activities)
        activityCoverage = gauge(
            "activity_interval_coverage_ratio",
            "Share of the last outcomes that the served intervals held, made for 0.8.", "forecast",
            Self.activities)
        outcomes = metrics.gauge(
            "apus_prediction_inclusion_outcomes", "Waits for a block that are remembered.")
        watched = metrics.gauge(
            "apus_prediction_inclusion_watched", "Transactions whose wait is watched.")
        trainingShare = metrics.gauge(
            "apus_prediction_training_progress_ratio", "Share of the last training that is done.")
        unwritten = metrics.counter(
            "apus_prediction_model_write_failures_total",
            "Models whose file could not be written, and that are in memory alone.",
            label: MetricLabel("model", ["fees", "activity"]))
        trainings = metrics.counter(
            "apus_prediction_trainings_total", "Models that were trained, and that were not.",
            label: MetricLabel("model", ["fees", "activity", "refused"]))
    }

    func show(_ chain: ChainTracker, _ slots: SlotTracker) {
        for track in chain.forecaster.tracksByHorizon {
            feeSkill.set(track.skill ?? .nan, "\(track.horizon)")
            feeCoverage.set(track.coverage ?? .nan, "\(track.horizon)")
        }
        for (fall, record) in zip(FallHistory.scoredFalls, chain.falls.records) {
            fallSkill.set(record.skill ?? .nan, fall.label)
            fallError.set(record.calibrationError ?? .nan, fall.label)
        }
        for forecaster in [chain.activity, slots.forecaster] {
            for score in forecaster.scores {
                let label = Self.label(forecaster.series.scale, score.quantity, score.horizon)
                activitySkill.set(score.skill ?? .nan, label)
                activityCoverage.set(score.coverage ?? .nan, label)
            }
        }
    }

    func show(_ record: InclusionRecord) {
        outcomes.set(Double(record.count))
        watched.set(Double(record.watched))
    }

    func countTraining(_ training: ModelTraining) {
        if training.models.fees != nil { trainings.add(1, "fees") }
        if training.models.activity != nil { trainings.add(1, "activity") }
        trainings.add(Double(training.refusals.count), "refused")
    }

    private static func label(
        _ scale: ActivityScale, _ quantity: ActivityQuantity, _ horizon: Int
    ) -> String {
        switch scale {
        case .blocks: "\(quantity.rawValue)_\(horizon)_blocks"
        case .tenMinutes: "\(quantity.rawValue)_hour"
        }
    }
}

extension FallHistory.Fall {
    /// Such as `0.9_in_10`.
    fileprivate var label: String { "\(share)_in_\(blocks)" }
}
