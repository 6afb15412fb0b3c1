import Foundation
package import Primitives

/// What a pool's record says of tips: how often one is in a block within so many, and what tip is
/// for a wanted share.
///
/// The share at a tip is Kaplan and Meier's (1958) over the transactions with the nearest tips, a tenth
/// of all: those that left before a block took them count for as long as they waited. Over tips it
/// must not fall, so falls are levelled out (pool adjacent violators), and between two tips it
/// runs in a straight line.
package struct InclusionCurves: Sendable {
    /// A tip that gets a transaction in.
    package struct Choice: Sendable, Hashable {
        package let tip: Wei
        /// The share that is in, measured.
        package let share: Double
    }

    /// Transactions before anything is said, and blocks that they must have come between.
    static let leastOutcomes = 200
    static let leastBlocks: BlockNumber = 50
    /// The shares of transactions that the tiers are chosen for.
    static let targets = [("slow", 0.5), ("standard", 0.8), ("fast", 0.95)]

    /// By ascending tip.
    private let outcomes: [InclusionRecord.Outcome]
    /// How many transactions are near a tip.
    private let near: Int

    /// How many transactions it rests on.
    var count: Int { outcomes.count }
    /// How many blocks lie between the first of them and the last.
    let blocks: BlockNumber

    /// - Returns: `nil` if there are too few.
    package init?(_ outcomes: [InclusionRecord.Outcome]) {
        guard outcomes.count >= Self.leastOutcomes, let first = outcomes.map(\.arrival).min(),
            let last = outcomes.map(\.arrival).max(), last - first >= Self.leastBlocks
        else { return nil }
        self.outcomes = outcomes.sorted { $0.tip < $1.tip }
        near = max(Self.leastOutcomes / 2, outcomes.count / 10)
        blocks = last - first + 1
    }

    /// For each number of blocks from one on, the share of transactions with such a tip that are in.
    package func shares(tip: Double) -> [Double] {
        var low = 0
        var high = outcomes.count
        while low < high {
            let middle = (low + high) / 2
            if outcomes[middle].tip < tip { low = middle + 1 } else { high = middle }
        }
        // Those of the same tip, if they are many; else as many on both sides.
        var end = low
        while end < outcomes.count, outcomes[end].tip == tip { end += 1 }
        let missing = max(0, near - (end - low))
        let start = max(0, min(low - missing / 2, outcomes.count - near))
        var waits = Waits()
        for outcome in outcomes[start..<min(max(end, start + near), outcomes.count)] {
            waits.add(outcome)
        }
        return (1...InclusionRecord.longestWait).map { waits.share(within: $0) }
    }

    /// The least tip with which a share of transactions is in within so many blocks; where not even
    /// the highest tips are, those.
    package func choice(of share: Double, within blocks: Int) -> Choice {
        Self.choice(of: share, on: curve(within: blocks))
    }

    private static func choice(of share: Double, on curve: [(tip: Double, share: Double)]) -> Choice
    {
        guard let index = curve.firstIndex(where: { $0.share >= share }) else {
            return Choice(curve[curve.count - 1])
        }
        guard index > 0 else { return Choice(curve[0]) }
        let (low, high) = (curve[index - 1], curve[index])
        let part = (share - low.share) / (high.share - low.share)
        return Choice((tip: low.tip + part * (high.tip - low.tip), share: share))
    }

    /// The tiers, each with how often its tip is in.
    func tiers(within blocks: Int) -> [TipTier] {
        let curve = curve(within: blocks)
        return Self.targets.map { name, target in
            let choice = Self.choice(of: target, on: curve)
            let shares = shares(tip: choice.tip.doubleValue)
            return TipTier(
                name: name, target: target, measured: choice.share, tip: choice.tip,
                inclusion: TipTier.waits.map { shares[$0 - 1] })
        }
    }

    /// The share by tip, both ascending.
    private func curve(within blocks: Int) -> [(tip: Double, share: Double)] {
        var points: [(tip: Double, share: Double, weight: Double)] = []
        var waits = Waits()
        for outcome in outcomes[..<near] { waits.add(outcome) }
        let step = max(1, near / 16)
        var start = 0
        while true {
            let tip = outcomes[start + near / 2].tip
            points.append((tip, waits.share(within: blocks), 1))
            guard start + step + near <= outcomes.count else { break }
            for index in start..<(start + step) {
                waits.remove(outcomes[index])
                waits.add(outcomes[index + near])
            }
            start += step
        }
        // Pool what falls, and what has the same tip.
        var pooled: [(tip: Double, share: Double, weight: Double, last: Double)] = []
        for point in points {
            var block = (
                tip: point.tip, share: point.share, weight: point.weight, last: point.tip
            )
            while let before = pooled.last,
                before.share >= block.share || before.last == block.tip
            {
                pooled.removeLast()
                let weight = before.weight + block.weight
                block = (
                    tip: before.tip,
                    share: (before.share * before.weight + block.share * block.weight) / weight,
                    weight: weight, last: block.last
                )
            }
            pooled.append(block)
        }
        // A level stretch has its share from its first tip to its last.
        return pooled.flatMap { block in
            block.tip == block.last
                ? [(tip: block.tip, share: block.share)]
                : [(tip: block.tip, share: block.share), (tip: block.last, share: block.share)]
        }
    }
}

extension InclusionCurves.Choice {
    fileprivate init(_ point: (tip: Double, share: Double)) {
        // A wei more rather than one too few.
        self.init(tip: Wei(clamping: point.tip.rounded(.up)), share: point.share)
    }
}

/// How many of some transactions were waiting for their k-th block, and how many it took.
private struct Waits {
    private var ended = [Int](repeating: 0, count: InclusionRecord.longestWait + 1)
    private var included = [Int](repeating: 0, count: InclusionRecord.longestWait + 1)
    private var count = 0

    mutating func add(_ outcome: InclusionRecord.Outcome) {
        count += 1
        ended[outcome.wait] += 1
        if outcome.isIncluded { included[outcome.wait] += 1 }
    }

    mutating func remove(_ outcome: InclusionRecord.Outcome) {
        count -= 1
        ended[outcome.wait] -= 1
        if outcome.isIncluded { included[outcome.wait] -= 1 }
    }

    /// The share that is in within so many blocks, by the product of the shares that each block left.
    func share(within blocks: Int) -> Double {
        var atRisk = count
        var left = 1.0
        for wait in 1...blocks {
            guard atRisk > 0 else { break }
            left *= 1 - Double(included[wait]) / Double(atRisk)
            atRisk -= ended[wait]
        }
        return 1 - left
    }
}
