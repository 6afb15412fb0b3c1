import Synchronization

/// Lets each key have so many units of cost a second, with some in advance.
///
/// A key is a service of a token, or an address. Each has a bucket that fills at the rate and
/// holds two seconds' worth; a request takes its cost out, or is told when to come again. The table
/// is bounded: full buckets are forgotten, since a new one is full, and when all the others are too
/// many, newcomers share one bucket.
package final class RateLimiter<Key: Hashable & Sendable>: Sendable {
    private struct Bucket {
        var units: Double
        var updated: ContinuousClock.Instant
    }

    private struct State {
        var buckets: [Key: Bucket] = [:]
        var shared: Bucket?
    }

    private let rate: Double
    private let limit: Int
    private let state = Mutex(State())

    /// The most keys of a table: about 2 MB.
    package static var defaultLimit: Int { 16_384 }

    /// - Parameters:
    ///   - rate: units a second.
    ///   - limit: keys that are told apart.
    package init(rate: UInt64, limit: Int = RateLimiter.defaultLimit) {
        self.rate = Double(rate)
        self.limit = limit
    }

    private var capacity: Double { rate * 2 }

    /// How many keys have a bucket.
    package var count: Int { state.withLock { $0.buckets.count } }

    /// Takes units for a key.
    ///
    /// - Returns: `nil` if it has them, or the seconds after which it will.
    package func take(_ cost: Double, for key: Key, at now: ContinuousClock.Instant) -> Int? {
        state.withLock { state in
            if state.buckets[key] == nil, state.buckets.count >= limit {
                state.buckets = state.buckets.filter { filled($0.value, at: now) < capacity }
                if state.buckets.count >= limit {
                    var bucket = state.shared ?? Bucket(units: capacity, updated: now)
                    defer { state.shared = bucket }
                    return take(cost, from: &bucket, at: now)
                }
            }
            var bucket = state.buckets[key] ?? Bucket(units: capacity, updated: now)
            defer { state.buckets[key] = bucket }
            return take(cost, from: &bucket, at: now)
        }
    }

    private func take(
        _ cost: Double, from bucket: inout Bucket, at now: ContinuousClock.Instant
    ) -> Int? {
        bucket.units = filled(bucket, at: now)
        bucket.updated = max(bucket.updated, now)
        // A request that costs more than a bucket holds is let in when the bucket is full.
        let needed = min(cost, capacity)
        if bucket.units >= needed {
            bucket.units -= cost
            return nil
        }
        return max(1, Int(((needed - bucket.units) / rate).rounded(.up)))
    }

    private func filled(_ bucket: Bucket, at now: ContinuousClock.Instant) -> Double {
        let (seconds, attoseconds) = (now - bucket.updated).components
        let elapsed = max(0, Double(seconds) + Double(attoseconds) * 1e-18)
        return min(capacity, bucket.units + elapsed * rate)
    }
}
