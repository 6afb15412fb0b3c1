import Synchronization

/// The figures of the node and its plugins, in memory, for whoever shows them.
///
/// What can grow is bounded by construction: each metric declares the values that its label may
/// have, and everything else counts as `other`. Names follow Prometheus' conventions: base units,
/// `_total` for what only grows.
public final class MetricsRegistry: Sendable {
    /// More than that is a mistake.
    static let limit = 512

    private let metrics = Mutex<[any Metric]>([])

    /// An empty registry.
    public init() {}

    /// A figure that only grows.
    public func counter(_ name: String, _ help: String, label: MetricLabel? = nil) -> Counter {
        register(Counter(MetricHeader(name, help, label)))
    }

    /// A figure that only grows, for each combination of the values of some labels.
    public func counter(_ name: String, _ help: String, labels: [MetricLabel]) -> Counter {
        register(Counter(MetricHeader(name, help, labels)))
    }

    /// A figure that goes up and down.
    public func gauge(_ name: String, _ help: String, label: MetricLabel? = nil) -> Gauge {
        register(Gauge(MetricHeader(name, help, label)))
    }

    /// A figure that only grows and is read when someone looks.
    public func counter(
        _ name: String, _ help: String, reading read: @escaping @Sendable () -> Double
    ) {
        _ = register(ReadMetric(MetricHeader(name, help, nil), .counter, read))
    }

    /// A figure that is read when someone looks.
    public func gauge(
        _ name: String, _ help: String, reading read: @escaping @Sendable () -> Double
    ) {
        _ = register(ReadMetric(MetricHeader(name, help, nil), .gauge, read))
    }

    /// How often a figure was in which range.
    ///
    /// - Parameter bounds: the upper ends of the ranges, ascending; one more is without end.
    public func histogram(
        _ name: String, _ help: String, bounds: [Double], label: MetricLabel? = nil
    ) -> Histogram {
        register(Histogram(MetricHeader(name, help, label), bounds: bounds))
    }

    /// All figures as they are, in the order of the names.
    public func snapshot() -> [MetricFamily] {
        metrics.withLock { $0 }.map { $0.family }.sorted { $0.name < $1.name }
    }

    private func register<M: Metric>(_ metric: M) -> M {
        metrics.withLock { metrics in
            precondition(metrics.count < Self.limit, "More than \(Self.limit) metrics.")
            precondition(
                !metrics.contains { $0.header.name == metric.header.name },
                "The metric \(metric.header.name) is declared twice.")
            metrics.append(metric)
        }
        return metric
    }
}

/// A label with all values that it may have.
public struct MetricLabel: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// Its values; any other counts as `other`.
    public let values: [String]
    let positions: [String: Int]

    /// The most values of a label.
    public static let limit = 64

    /// A label.
    public init(_ name: String, _ values: [String]) {
        precondition(values.count <= Self.limit, "A label has at most \(Self.limit) values.")
        self.name = name
        self.values = values
        positions = Dictionary(
            values.enumerated().map { ($0.element, $0.offset) },
            uniquingKeysWith: { first, _ in first })
    }
}

/// The figures under one name.
public struct MetricFamily: Sendable, Hashable {
    /// What kind of figure it is, in Prometheus' words.
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// One figure.
    public struct Sample: Sendable, Hashable {
        /// What follows the name: empty, or `_bucket`, `_sum` and `_count` of a histogram.
        public let suffix: String
        /// Labels with their values.
        public let labels: [String: String]
        /// The figure.
        public let value: Double
    }

    /// The name.
    public let name: String
    /// One sentence.
    public let help: String
    /// What kind it is.
    public let kind: Kind
    /// The figures.
    public let samples: [Sample]
}

struct MetricHeader: Sendable {
    let name: String
    let help: String
    let labels: [MetricLabel]

    init(_ name: String, _ help: String, _ label: MetricLabel?) {
        self.init(name, help, label.map { [$0] } ?? [])
    }

    init(_ name: String, _ help: String, _ labels: [MetricLabel]) {
        precondition(
            name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            } && name.hasPrefix("apus_"), "A metric's name begins with apus_ and is lower-case.")
        self.name = name
        self.help = help
        self.labels = labels
        precondition(count <= 8_192, "The metric \(name) has too many series.")
    }

    /// How many series there are: for each label one for each value and one for all others.
    var count: Int { labels.reduce(1) { $0 * ($1.values.count + 1) } }

    /// Where the series of these values is: their places are the digits of a number.
    func index(_ values: [String?]) -> Int {
        var index = 0
        for (place, label) in labels.enumerated() {
            let value = place < values.count ? values[place] : nil
            index = index * (label.values.count + 1)
            index += value.flatMap { label.positions[$0] } ?? label.values.count
        }
        return index
    }

    func labels(_ index: Int) -> [String: String] {
        var result: [String: String] = [:]
        var rest = index
        for label in labels.reversed() {
            let (quotient, place) = rest.quotientAndRemainder(dividingBy: label.values.count + 1)
            result[label.name] = place < label.values.count ? label.values[place] : "other"
            rest = quotient
        }
        return result
    }

    /// Whether a series is shown although nothing was counted in it: one of a declared value. Of
    /// combinations only those that occur.
    func isShownEmpty(_ index: Int) -> Bool {
        labels.isEmpty || labels.count == 1 && index < labels[0].values.count
    }

    /// The series that are worth showing.
    func samples(_ values: [Double]) -> [MetricFamily.Sample] {
        values.enumerated().compactMap { index, value in
            if value == 0, !isShownEmpty(index) { return nil }
            return MetricFamily.Sample(suffix: "", labels: labels(index), value: value)
        }
    }
}

protocol Metric: Sendable {
    var header: MetricHeader { get }
    var family: MetricFamily { get }
}

/// A figure that only grows.
public final class Counter: Metric {
    let header: MetricHeader
    private let values: Mutex<[Double]>

    init(_ header: MetricHeader) {
        self.header = header
        values = Mutex(Array(repeating: 0, count: header.count))
    }

    /// Adds to it.
    ///
    /// - Parameter value: of the label.
    public func add(_ amount: Double = 1, _ value: String? = nil) {
        add(amount, [value])
    }

    /// Adds to it.
    ///
    /// - Parameter labels: a value of each label, in their order.
    public func add(_ amount: Double = 1, _ labels: [String?]) {
        let index = header.index(labels)
        values.withLock { $0[index] += amount }
    }

    var family: MetricFamily {
        MetricFamily(
            name: header.name, help: header.help, kind: .counter,
            samples: header.samples(values.withLock { $0 }))
    }
}

/// A figure that goes up and down.
public final class Gauge: Metric {
    let header: MetricHeader
    private let values: Mutex<[Double]>

    init(_ header: MetricHeader) {
        self.header = header
        values = Mutex(Array(repeating: 0, count: header.count))
    }

    /// Sets it.
    ///
    /// - Parameter value: of the label.
    public func set(_ amount: Double, _ value: String? = nil) {
        let index = header.index([value])
        values.withLock { $0[index] = amount }
    }

    var family: MetricFamily {
        MetricFamily(
            name: header.name, help: header.help, kind: .gauge,
            samples: header.samples(values.withLock { $0 }))
    }
}

/// A figure that is read when someone looks.
final class ReadMetric: Metric {
    let header: MetricHeader
    private let kind: MetricFamily.Kind
    private let read: @Sendable () -> Double

    init(
        _ header: MetricHeader, _ kind: MetricFamily.Kind, _ read: @escaping @Sendable () -> Double
    ) {
        self.header = header
        self.kind = kind
        self.read = read
    }

    var family: MetricFamily {
        MetricFamily(
            name: header.name, help: header.help, kind: kind, samples: header.samples([read()]))
    }
}

/// How often a figure was in which range.
public final class Histogram: Metric {
    let header: MetricHeader
    private let bounds: [Double]
    /// For each series the counts of the ranges, and the sum.
    private let series: Mutex<[(counts: [Double], sum: Double)]>

    init(_ header: MetricHeader, bounds: [Double]) {
        self.header = header
        self.bounds = bounds
        series = Mutex(
            Array(
                repeating: (Array(repeating: 0, count: bounds.count + 1), 0), count: header.count))
    }

    /// Counts one figure.
    ///
    /// - Parameter value: of the label.
    public func observe(_ figure: Double, _ value: String? = nil) {
        let index = header.index([value])
        let range = bounds.firstIndex { figure <= $0 } ?? bounds.count
        series.withLock { series in
            series[index].counts[range] += 1
            series[index].sum += figure
        }
    }

    var family: MetricFamily {
        var samples: [MetricFamily.Sample] = []
        for (index, entry) in series.withLock({ $0 }).enumerated() {
            let total = entry.counts.reduce(0, +)
            if total == 0, !header.isShownEmpty(index) { continue }
            let labels = header.labels(index)
            var sum = 0.0
            for (bound, count) in zip(bounds.map { "\($0)" } + ["+Inf"], entry.counts) {
                sum += count
                samples.append(
                    MetricFamily.Sample(
                        suffix: "_bucket", labels: labels.merging(["le": bound]) { $1 },
                        value: sum))
            }
            samples.append(
                MetricFamily.Sample(suffix: "_sum", labels: labels, value: entry.sum))
            samples.append(MetricFamily.Sample(suffix: "_count", labels: labels, value: total))
        }
        return MetricFamily(
            name: header.name, help: header.help, kind: .histogram, samples: samples)
    }
}
