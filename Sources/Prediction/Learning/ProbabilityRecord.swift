/// What forecast probabilities of an event were worth, over the last outcomes.
package struct ProbabilityRecord: Sendable, Hashable {
    private struct Outcome: Sendable, Hashable {
        let forecast: Double
        let reference: Double
        let happened: Double
    }

    let capacity: Int
    private var outcomes: [Outcome] = []
    private var next = 0

    init(capacity: Int) {
        precondition(capacity > 0, "A record holds something.")
        self.capacity = capacity
    }

    /// How many outcomes it rests on.
    package var count: Int { outcomes.count }

    /// Takes an outcome in.
    ///
    /// - Parameters:
    ///   - forecast: the probability that was given.
    ///   - reference: what one would say without looking.
    mutating func append(forecast: Double, reference: Double, happened: Bool) {
        let outcome = Outcome(
            forecast: forecast, reference: reference, happened: happened ? 1 : 0)
        if outcomes.count < capacity {
            outcomes.append(outcome)
        } else {
            outcomes[next] = outcome
            next = (next + 1) % capacity
        }
    }

    /// The squared errors of the forecasts, and of the reference.
    var errors: (forecast: [Double], reference: [Double]) {
        (
            outcomes.map { ($0.forecast - $0.happened) * ($0.forecast - $0.happened) },
            outcomes.map { ($0.reference - $0.happened) * ($0.reference - $0.happened) }
        )
    }

    /// One minus the Brier score over that of the reference; `nil` without outcomes.
    package var skill: Double? {
        let errors = errors
        return Scores.skill(errors.forecast, over: errors.reference)
    }

    /// How far the forecasts are from what came, on average over ten classes of probability: the
    /// expected calibration error. `nil` without outcomes.
    package var calibrationError: Double? {
        guard !outcomes.isEmpty else { return nil }
        var classes = Array(repeating: (forecast: 0.0, happened: 0.0), count: 10)
        for outcome in outcomes {
            let index = min(max(Int(outcome.forecast * 10), 0), 9)
            classes[index].forecast += outcome.forecast
            classes[index].happened += outcome.happened
        }
        return classes.reduce(0) { $0 + ($1.forecast - $1.happened).magnitude }
            / Double(outcomes.count)
    }
}
