public import Primitives

/// The time of a devnet: one rule for the timestamp of the next block.
///
/// 1. the timestamp that was set for the next block, once;
/// 2. else, with a block interval, the parent's timestamp and the interval, whatever time it is;
/// 3. else the wall clock and the offset.
///
/// In every case the timestamp is above the parent's (or, where timestamps may repeat, not below):
/// if the rule gives less, it is the parent's and one second (or the parent's).
///
/// Time travel is the offset: to increase the time adds to it, to set the time makes the clock show
/// that time now, and after a block whose timestamp was set the clock goes on from there. A chain
/// that makes blocks faster than one a second runs ahead of the clock and waits for it later; the
/// offset does not change by that. Going back to a snapshot restores the offset and both settings;
/// the wall clock goes on.
public struct DevnetClock: Hashable, Sendable {
    /// Seconds that the clock is ahead of the wall clock.
    public private(set) var offset: Int64 = 0
    /// Seconds between blocks, if they do not follow the wall clock.
    public var interval: UInt64?
    /// The timestamp of the next block alone.
    public var nextTimestamp: Timestamp?

    /// A clock that shows the wall clock's time.
    public init() {}

    init(offset: Int64, interval: UInt64?, nextTimestamp: Timestamp?) {
        self.offset = offset
        self.interval = interval
        self.nextTimestamp = nextTimestamp
    }

    /// What the clock shows.
    public func time(now: Timestamp) -> Timestamp {
        if offset < 0 {
            let (time, underflow) = now.subtractingReportingOverflow(offset.magnitude)
            return underflow ? 0 : time
        }
        return saturatingSum(now, offset.magnitude)
    }

    /// The timestamp of a block after the parent's.
    public func timestamp(
        after parent: Timestamp, now: Timestamp, repeats: TimestampRepetition
    ) -> Timestamp {
        let earliest =
            switch repeats {
            case .never: saturatingSum(parent, 1)
            case .allowed: parent
            }
        if let nextTimestamp { return max(nextTimestamp, earliest) }
        if let interval { return max(saturatingSum(parent, interval), earliest) }
        return max(time(now: now), earliest)
    }

    /// Moves the clock forward or back.
    public mutating func increase(by seconds: Int64) {
        let (sum, overflow) = offset.addingReportingOverflow(seconds)
        offset = overflow ? (seconds < 0 ? .min : .max) : sum
    }

    /// Makes the clock show a time.
    public mutating func set(to time: Timestamp, now: Timestamp) {
        if time >= now {
            offset = Int64(clamping: time - now)
        } else {
            offset = -Int64(clamping: now - time)
        }
    }

    /// Notes that a block has a timestamp: one that was set for it is used up, and the clock goes
    /// on from it.
    mutating func blockMade(at timestamp: Timestamp, using used: DevnetClock, now: Timestamp) {
        guard let exact = used.nextTimestamp else { return }
        if nextTimestamp == exact { nextTimestamp = nil }
        set(to: timestamp, now: now)
    }

    /// Makes the clock show at least a time.
    mutating func catchUp(to time: Timestamp, now: Timestamp) {
        if self.time(now: now) < time { set(to: time, now: now) }
    }
}

/// Whether a block may have its parent's timestamp.
public enum TimestampRepetition: Hashable, Sendable {
    /// As on every other chain.
    case never
    /// A devnet's wish for several blocks a second; no other node would follow.
    case allowed
}
