import EthereumTypes
import Primitives

/// What was paid above the base fee in the last blocks, and what would have been enough.
///
/// What the tiers rest on while the pool's own record is short: it knows who got in, and nothing of
/// those who waited.
struct TipHistory: Sendable {
    /// Blocks that the figures rest on.
    static let window = 100
    /// The shares of gas, by ascending tip, at which the tiers stand.
    private static let shares = [("slow", 0.25), ("standard", 0.5), ("fast", 0.9)]
    /// A block with more transactions is summed up by so many of them.
    private static let pointsPerBlock = 16

    private struct Paid: Sendable {
        let tip: Wei
        let gas: Gas
    }

    /// A block: the tips of its transactions with their gas, and the least that got in.
    private struct Entry: Sendable {
        let paid: [Paid]
        /// What a transaction had to pay to be in it: nothing if there was room left.
        let needed: Wei
    }

    private var entries: [Entry] = []

    /// How many blocks are in it.
    var blocks: Int { entries.count }

    /// Takes the next block in.
    mutating func advance(_ block: Block, receipts: [Receipt]) {
        let header = block.header
        var paid: [Paid] = []
        var before: Gas = 0
        for (transaction, receipt) in zip(block.transactions, receipts) {
            let gas = receipt.cumulativeGasUsed - min(before, receipt.cumulativeGasUsed)
            before = receipt.cumulativeGasUsed
            guard let tip = transaction.effectiveTip(baseFee: header.baseFeePerGas) else {
                continue
            }
            paid.append(Paid(tip: tip, gas: gas))
        }
        paid.sort { $0.tip < $1.tip }
        // A block that a plain transfer would still have fitted in turned nobody away.
        let hasRoom = header.gasLimit - min(header.gasUsed, header.gasLimit) >= 21_000
        let needed = hasRoom ? .zero : paid.first?.tip ?? .zero
        entries.append(Entry(paid: Self.summary(of: paid), needed: needed))
        if entries.count > Self.window { entries.removeFirst() }
    }

    /// Of a block with many transactions, those at equal shares of its gas.
    private static func summary(of paid: [Paid]) -> [Paid] {
        guard paid.count > pointsPerBlock else { return paid }
        let gas = paid.reduce(Gas(0)) { $0 + $1.gas }
        var points: [Paid] = []
        var sum: Gas = 0
        var taken: Gas = 0
        for entry in paid {
            sum += entry.gas
            let due = gas / Gas(pointsPerBlock) * Gas(points.count + 1)
            guard sum >= due, sum > taken else { continue }
            points.append(Paid(tip: entry.tip, gas: sum - taken))
            taken = sum
        }
        return points
    }

    /// The tiers; a tip of zero where nobody pays one.
    func tiers() -> [TipTier] {
        let paid = entries.flatMap(\.paid).sorted { $0.tip < $1.tip }
        let gas = paid.reduce(0.0) { $0 + Double($1.gas) }
        return Self.shares.map { name, share in
            var sum = 0.0
            let tip =
                paid.first {
                    sum += Double($0.gas)
                    return sum >= share * gas
                }?.tip ?? .zero
            return TipTier(
                name: name, target: nil, measured: nil, tip: tip,
                inclusion: TipTier.waits.map { inclusion(tip, within: $0) })
        }
    }

    /// The share of the last blocks from which so many blocks, the next one first, had at least one
    /// that took this tip; `nil` while there are not as many blocks.
    private func inclusion(_ tip: Wei, within blocks: Int) -> Double? {
        guard entries.count >= blocks else { return nil }
        let starts = 0...(entries.count - blocks)
        let included = starts.count { start in
            entries[start..<(start + blocks)].contains { tip >= $0.needed }
        }
        return Double(included) / Double(starts.count)
    }
}

/// A tip to offer.
struct TipTier: Sendable, Hashable {
    /// How many blocks a transaction may wait, of which the frequency is measured.
    static let waits = [1, 3, 6]

    let name: String
    /// The share of transactions that the tip was chosen to get in; `nil` if it was not chosen so.
    let target: Double?
    /// The share that such a tip got in within the blocks that it was chosen for.
    let measured: Double?
    /// Wei a gas.
    let tip: Wei
    /// For each of ``waits``, how often such a tip is in within so many blocks; `nil` if not known.
    let inclusion: [Double?]
}
