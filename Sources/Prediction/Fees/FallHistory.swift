import Foundation

/// How often the base fee fell so far, so soon, after moments like the present one.
///
/// A moment is what three figures say of it: the next fee over its means of 16 and 64 blocks, and how
/// full the last blocks were. The probability of a fall is its share among the moments of the past that
/// are nearest in these, each measured by its spread. Nothing is trained; on blocks of the main
/// network that was as good as boosted trees.
package struct FallHistory: Sendable {
    /// A fall to a share of the next fee, within so many blocks.
    package struct Fall: Sendable, Hashable {
        package let share: Double
        package let blocks: Int

        package init(share: Double, blocks: Int) {
            self.share = share
            self.blocks = blocks
        }
    }

    /// What can be said about a fall.
    package struct Outlook: Sendable, Hashable {
        /// Its share of all moments of the past.
        package let frequency: Double
        /// Its share of those like the present one; `nil` while there are too few to choose from.
        package let likeNow: Double?
        /// How many moments there were.
        package let moments: Int
    }

    /// Falls whose probabilities are scored as the outcomes arrive.
    static let scoredFalls = [Fall(share: 0.9, blocks: 10), Fall(share: 0.8, blocks: 50)]
    /// Every so many blocks they are: the outcomes of neighbours are nearly the same.
    private static let scoringStep = 16
    /// Moments that are like the present one.
    private static let neighbours = 400
    /// Moments of the past that are looked at, at most; half as many at least, once there are.
    private static let window = 16_384
    /// Fewer moments give no frequency.
    private static let leastMoments = 30
    /// Fewer moments leave no choice of those like the present one.
    private static let leastForLikeness = 1_024

    /// The logarithm of the base fee of each block, oldest first.
    private var fees: [Double] = []
    /// The figures of the moment after each block; `nil` before the long means say something.
    private var moments: [SIMD3<Double>?] = []
    private var waiting: [(place: Int, fall: Int, forecast: Double, frequency: Double)] = []
    /// In the order of ``scoredFalls``.
    package private(set) var records: [ProbabilityRecord]

    /// - Parameter outcomes: how many of them the records remember.
    package init(outcomes: Int = 512) {
        records = Self.scoredFalls.map { _ in ProbabilityRecord(capacity: outcomes) }
    }

    /// Scores anew from here on.
    mutating func forgetRecords() {
        records = records.map { ProbabilityRecord(capacity: $0.capacity) }
        waiting = []
    }

    /// Takes the next block in.
    ///
    /// - Parameter features: the summary of the blocks so far, with this one.
    package mutating func advance(_ block: FeeBlock, _ features: FeeFeatures) {
        fees.append(block.logFee)
        moments.append(features.isWarm ? features.moment : nil)
        settle()
        if fees.count == Self.window {
            let gone = Self.window / 2
            fees.removeFirst(gone)
            moments.removeFirst(gone)
            for index in waiting.indices { waiting[index].place -= gone }
        }
        guard block.number % UInt64(Self.scoringStep) == 0 else { return }
        for (index, fall) in Self.scoredFalls.enumerated() {
            guard let outlook = outlook(of: fall), let forecast = outlook.likeNow else { continue }
            waiting.append((fees.count - 1, index, forecast, outlook.frequency))
        }
    }

    private mutating func settle() {
        waiting.removeAll { entry in
            let fall = Self.scoredFalls[entry.fall]
            guard entry.place + fall.blocks < fees.count else { return false }
            let span = fees[(entry.place + 1)...(entry.place + fall.blocks)]
            let lowest = span.min() ?? 0
            records[entry.fall].append(
                forecast: entry.forecast, reference: entry.frequency,
                happened: lowest - fees[entry.place + 1] <= log(fall.share))
            return true
        }
    }

    /// What can be said about a fall after the last block; `nil` if too little is known.
    package func outlook(of fall: Fall) -> Outlook? {
        // Block i's next fee is that of block i + 1; the wait counts the blocks from that one on.
        let count = fees.count - fall.blocks
        guard count >= Self.leastMoments, fall.blocks >= 1, fall.share > 0 else { return nil }
        let happened = falls(fall)
        let frequency = Double(happened.count { $0 }) / Double(happened.count)
        return Outlook(
            frequency: frequency, likeNow: likeNow(happened, frequency), moments: happened.count)
    }

    /// Whether it fell so far after each block but the last ones, by a sliding minimum.
    private func falls(_ fall: Fall) -> [Bool] {
        let limit = log(fall.share)
        var happened: [Bool] = []
        happened.reserveCapacity(fees.count)
        var minima: [Int] = []
        var first = 0
        for index in fees.indices {
            while minima.count > first, fees[minima[minima.count - 1]] >= fees[index] {
                minima.removeLast()
            }
            minima.append(index)
            let start = index - fall.blocks + 1
            guard start >= 1 else { continue }
            while minima[first] < start { first += 1 }
            happened.append(fees[minima[first]] - fees[start] <= limit)
        }
        return happened
    }

    /// The share of those moments that are like the last one, drawn a little to that of all.
    private func likeNow(_ happened: [Bool], _ frequency: Double) -> Double? {
        guard let now = moments[moments.count - 1] else { return nil }
        var sum = SIMD3<Double>.zero
        var squares = SIMD3<Double>.zero
        var known = 0.0
        for moment in moments[..<happened.count] {
            guard let moment else { continue }
            sum += moment
            squares += moment * moment
            known += 1
        }
        guard known >= Double(Self.leastForLikeness) else { return nil }
        let mean = sum / known
        let variance = (squares / known - mean * mean).clamped(
            lowerBound: SIMD3(repeating: 1e-18), upperBound: SIMD3(repeating: .infinity))
        var near: [(distance: Double, happened: Bool)] = []
        near.reserveCapacity(happened.count)
        for (moment, happened) in zip(moments, happened) {
            guard let moment else { continue }
            let apart = moment - now
            near.append(((apart * apart / variance).sum(), happened))
        }
        let wanted = min(Self.neighbours, near.count / 4)
        let limit = near.map(\.distance).sorted()[wanted - 1]
        var hits = 0.0
        var counted = 0.0
        for entry in near where entry.distance <= limit {
            hits += entry.happened ? 1 : 0
            counted += 1
        }
        return (hits + 2 * frequency) / (counted + 2)
    }
}

extension FeeFeatures {
    /// What ``FallHistory`` compares moments by.
    fileprivate var moment: SIMD3<Double> {
        SIMD3(feeOverMean16, feeOverMean64, fullnessMean4)
    }
}
