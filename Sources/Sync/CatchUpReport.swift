public import Logging
public import Primitives

/// How far a replica that was absent has come: every few seconds, with the rate and the time that
/// is left.
public struct CatchUpReport {
    private let from: BlockNumber
    private let start: ContinuousClock.Instant
    private var last: ContinuousClock.Instant

    /// - Parameters:
    ///   - number: the replica's head at first.
    ///   - start: when it began to catch up.
    public init(from number: BlockNumber, at start: ContinuousClock.Instant) {
        from = number
        self.start = start
        last = start
    }

    private static let interval: Duration = .seconds(5)

    /// What is to be said about it now; `nil` if it is not yet time.
    ///
    /// - Parameters:
    ///   - number: the replica's head.
    ///   - target: the upstream's head, as it says.
    public mutating func facts(
        _ number: BlockNumber, of target: BlockNumber, at now: ContinuousClock.Instant
    ) -> Logger.Metadata? {
        guard now - last >= Self.interval, number > from else { return nil }
        last = now
        let rate = Double(number - from) / max((now - start) / .seconds(1), 0.001)
        let left = Double(target - min(target, number)) / max(rate, 0.001)
        return [
            "block.number": "\(number)", "block.target": "\(target)",
            "blocksPerSecond": "\(Int(rate))", "secondsLeft": "\(Int(min(left, 1e9)))",
        ]
    }
}
