import Foundation

/// Tells a person at a terminal how far a long work is: a line on standard error every other second.
public final class ProgressReport {
    private let start: ContinuousClock.Instant
    private var last: ContinuousClock.Instant
    private let interval: Duration

    /// A report with a line after each interval.
    ///
    /// - Parameter start: when the work began.
    public init(every interval: Duration = .seconds(2), since start: ContinuousClock.Instant = .now)
    {
        self.interval = interval
        self.start = start
        last = start
    }

    /// Seconds since the work began, never zero.
    var seconds: Double {
        max(1e-6, (ContinuousClock.now - start) / .seconds(1))
    }

    /// Writes the line that `text` gives, if it is time for one.
    ///
    /// - Parameter fraction: how much of the work is done, 0 to 1.
    public func show(fraction: Double, _ text: () -> String) {
        if let line = line(fraction: fraction, at: .now, text) { printErrorLine(line) }
    }

    /// The line, if it is time for one.
    package func line(
        fraction: Double, at now: ContinuousClock.Instant, _ text: () -> String
    ) -> String? {
        guard now - last >= interval else { return nil }
        last = now
        let spent = (now - start) / .seconds(1)
        let left = fraction > 0 ? max(spent / fraction - spent, 0) : 0
        let percent = (fraction * 100).formatted(.number.precision(.fractionLength(1)))
        return "\(text()), \(percent) %, \(Self.time(left)) left"
    }

    /// So many of something a second, for a person.
    package func rate(_ count: UInt64) -> String {
        let rate = Double(count) / seconds
        return rate.formatted(.number.precision(.fractionLength(rate < 10 ? 1 : 0)))
    }

    /// Millions of gas a second, for a person.
    package func gasRate(_ gas: UInt64) -> String {
        (Double(gas) / 1e6 / seconds).formatted(.number.precision(.fractionLength(1)))
    }

    /// A time in the largest units that tell something.
    package static func time(_ seconds: Double) -> String {
        if seconds < 10 {
            return "\(seconds.formatted(.number.precision(.fractionLength(1)))) s"
        }
        let whole = Int(min(seconds, 1e9).rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}

/// Writes a line to standard error at once.
func printErrorLine(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
}
