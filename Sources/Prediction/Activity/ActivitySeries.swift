import EthereumTypes
import Foundation
import Primitives

/// What happened in a step: a block, or ten minutes.
public struct ActivityStep: Sendable, Hashable {
    /// When it ended, in seconds since 1970.
    public let end: Timestamp
    /// How many transactions there were.
    public let transactions: Double
    /// The gas that they used.
    public let gasUsed: Double

    /// A step by its numbers.
    public init(end: Timestamp, transactions: Double, gasUsed: Double) {
        self.end = end
        self.transactions = transactions
        self.gasUsed = gasUsed
    }
}

extension ActivityStep {
    /// Whole slots of ten minutes, from blocks without a gap: from the slot of the first block to that
    /// before the last block's. More than ten weeks are cut at the front.
    public static func tenMinutes(of blocks: [ActivityStep]) -> [ActivityStep] {
        let slots = blocks.map { $0.end / SlotTable.seconds }
        guard let first = slots.first, let last = slots.last, first <= last else { return [] }
        let begin = max(first, last - min(last, SlotTable.remembered))
        var steps = (begin..<last).map { SlotTable.step($0, 0, 0) }
        for (slot, block) in zip(slots, blocks) where slot >= begin && slot < last {
            let step = steps[Int(slot - begin)]
            steps[Int(slot - begin)] = ActivityStep(
                end: step.end, transactions: step.transactions + block.transactions,
                gasUsed: step.gasUsed + block.gasUsed)
        }
        return steps
    }
}

/// What is forecast.
public enum ActivityQuantity: String, Sendable, Hashable, Codable, CaseIterable {
    case transactions
    case gasUsed = "gas_used"

    func value(of step: ActivityStep) -> Double {
        switch self {
        case .transactions: step.transactions
        case .gasUsed: step.gasUsed
        }
    }
}

/// What a step is, and what forecasts by such steps look at.
public enum ActivityScale: String, Sendable, Hashable, Codable, CaseIterable {
    /// A step is a block.
    case blocks
    /// A step is ten minutes; the hour ahead is six.
    case tenMinutes = "ten minutes"

    /// How many steps are forecast together.
    public var horizons: [Int] {
        switch self {
        case .blocks: [1, 10, 50]
        case .tenMinutes: [6]
        }
    }

    /// Spans of the exponential means. The second is what forecasts are relative to.
    var spans: [Int] {
        switch self {
        case .blocks: [4, 16, 64, 256]
        case .tenMinutes: [3, 6, 18, 144]
        }
    }

    /// A day, in steps; `nil` where a day has no fixed number of them.
    var day: Int? {
        switch self {
        case .blocks: nil
        case .tenMinutes: 144
        }
    }
}

/// The rules that a model must beat to be heard.
public enum ActivityRule: String, Sendable, Hashable, Codable, CaseIterable {
    /// As in the steps just before.
    case last = "as just before"
    /// By the second exponential mean.
    case mean = "recent mean"
    /// By the longest exponential mean.
    case longMean = "long mean"
    /// As at the same time a day before.
    case yesterday = "as yesterday"
    /// As at the same time a week before.
    case lastWeek = "as last week"
    /// The mean of the same time on the last seven days.
    case usual = "usual for the time"
}

/// The running summary of the steps so far, brought forward in constant time a step.
///
/// Sums are looked at by their square roots: busy and quiet hours then err by similar amounts, and
/// nothing is still a number.
package struct ActivitySeries: Sendable, Hashable {
    private static let lags = 6

    let scale: ActivityScale
    /// How many steps there were.
    private(set) var count = 0
    private var end: Timestamp = 0
    /// For each quantity the sum of the first so many steps, from none.
    private var totals = Array(repeating: [0.0], count: ActivityQuantity.allCases.count)
    /// For each quantity the exponential means by span.
    private var means: [[Double]]

    init(scale: ActivityScale) {
        self.scale = scale
        means = Array(
            repeating: Array(repeating: 0, count: scale.spans.count),
            count: ActivityQuantity.allCases.count)
    }

    /// Names of the values of ``row(_:horizon:)``, in order.
    static func features(of scale: ActivityScale) -> [String] {
        (0..<lags).map { "lag\($0)" } + scale.spans.map { "mean\($0)" }
            + ActivityRule.allCases.map(\.rawValue)
            + ["hour_sine", "hour_cosine", "week_sine", "week_cosine"]
    }

    /// Takes the next step in.
    mutating func advance(_ step: ActivityStep) {
        for (index, quantity) in ActivityQuantity.allCases.enumerated() {
            let value = quantity.value(of: step)
            totals[index].append(totals[index][count] + value)
            for (place, span) in scale.spans.enumerated() {
                // The plain mean while there are fewer steps than the span.
                let weight = max(2 / Double(span + 1), 1 / Double(count + 1))
                means[index][place] += weight * (value - means[index][place])
            }
        }
        end = step.end
        count += 1
    }

    /// The sum of so many steps, the last of which lies `back` steps before the last one.
    func sum(_ quantity: ActivityQuantity, steps: Int, back: Int = 0) -> Double? {
        let last = count - back
        guard last <= count, last - steps >= 0 else { return nil }
        let totals = totals[quantity.index]
        return max(0, totals[last] - totals[last - steps])
    }

    /// What a rule says the next steps will bring; `nil` if its past is not there.
    func forecast(_ rule: ActivityRule, _ quantity: ActivityQuantity, horizon: Int) -> Double? {
        switch rule {
        case .last: return sum(quantity, steps: horizon)
        case .mean: return means[quantity.index][1] * Double(horizon)
        case .longMean:
            return means[quantity.index][scale.spans.count - 1] * Double(horizon)
        case .yesterday: return daysAgo(1, quantity, horizon)
        case .lastWeek: return daysAgo(7, quantity, horizon)
        case .usual:
            let days = (1...7).compactMap { daysAgo($0, quantity, horizon) }
            return days.count < 7 ? nil : days.reduce(0, +) / 7
        }
    }

    /// What forecasts are relative to: the root of what the second mean would bring.
    func origin(_ quantity: ActivityQuantity, horizon: Int) -> Double {
        max(0, means[quantity.index][1] * Double(horizon)).squareRoot()
    }

    /// The features after the last step.
    func row(_ quantity: ActivityQuantity, horizon: Int) -> [Float] {
        let origin = origin(quantity, horizon: horizon)
        func relative(_ sum: Double?) -> Double {
            sum.map { max(0, $0).squareRoot() - origin } ?? .nan
        }
        var row: [Double] = []
        for lag in 0..<Self.lags {
            row.append(
                relative(sum(quantity, steps: 1, back: lag).map { $0 * Double(horizon) }))
        }
        row += means[quantity.index].map { relative($0 * Double(horizon)) }
        row += ActivityRule.allCases.map {
            relative(forecast($0, quantity, horizon: horizon))
        }
        for period in [86_400.0, 604_800] {
            let angle = Double(end).truncatingRemainder(dividingBy: period) / period * 2 * .pi
            row += [sin(angle), cos(angle)]
        }
        return row.map(Float.init)
    }

    /// What the same steps brought so many days before.
    private func daysAgo(_ days: Int, _ quantity: ActivityQuantity, _ horizon: Int) -> Double? {
        guard let day = scale.day, day * days >= horizon else { return nil }
        return sum(quantity, steps: horizon, back: day * days - horizon)
    }
}

extension ActivityQuantity {
    fileprivate var index: Int {
        switch self {
        case .transactions: 0
        case .gasUsed: 1
        }
    }
}
