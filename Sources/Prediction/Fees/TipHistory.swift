import EthereumTypes
import Primitives

/// What was paid above the base fee in the last blocks, and what would have been enough.
struct TipHistory: Sendable {
    /// Blocks that the figures rest on.
    static let window = 100
    /// The shares of gas, by ascending tip, at which the tiers stand.
    static let tiers = [("slow", 0.25), ("standard", 0.5), ("fast", 0.9)]
    /// How many blocks a transaction may wait, of which the frequency is measured.
    static let waits = [1, 3, 6]

    /// A block: the tips of its transactions with their gas, and the least that got in.
    private struct Entry: Sendable {
        let tips: [(tip: UInt256, gas: Gas)]
        /// What a transaction had to pay to be in it: nothing if there was room left.
        let needed: UInt256
    }

    /// A tip to offer.
    struct Tier: Sendable, Hashable {
        let name: String
        /// Wei a gas.
        let tip: UInt256
        /// For each of `waits`: the share of the last blocks from which so many blocks, the next one
        /// first, had at least one that took this tip; `nil` while it is not known.
        let inclusion: [Double?]
    }

    private var entries: [Entry] = []

    /// How many blocks are in it.
    var blocks: Int { entries.count }

    /// Takes the next block in.
    mutating func advance(_ block: Block, receipts: [Receipt]) {
        let header = block.header
        var tips: [(tip: UInt256, gas: Gas)] = []
        var before: Gas = 0
        for (transaction, receipt) in zip(block.transactions, receipts) {
            let gas = receipt.cumulativeGasUsed - min(before, receipt.cumulativeGasUsed)
            before = receipt.cumulativeGasUsed
            guard let tip = transaction.effectiveTip(baseFee: header.baseFeePerGas) else {
                continue
            }
            tips.append((tip, gas))
        }
        tips.sort { $0.tip < $1.tip }
        // A block that a plain transfer would still have fitted in turned nobody away.
        let hasRoom = header.gasLimit - min(header.gasUsed, header.gasLimit) >= 21_000
        entries.append(Entry(tips: tips, needed: hasRoom ? .zero : tips.first?.tip ?? .zero))
        if entries.count > Self.window { entries.removeFirst() }
    }

    /// The tiers; a tip of zero where nobody pays one.
    func tiers() -> [Tier] {
        let paid = entries.flatMap(\.tips).sorted { $0.tip < $1.tip }
        let gas = paid.reduce(0.0) { $0 + Double($1.gas) }
        return Self.tiers.map { name, share in
            var sum = 0.0
            let tip =
                paid.first {
                    sum += Double($0.gas)
                    return sum >= share * gas
                }?.tip ?? .zero
            return Tier(name: name, tip: tip, inclusion: Self.waits.map { inclusion(tip, $0) })
        }
    }

    /// `nil` while there are not as many blocks.
    private func inclusion(_ tip: UInt256, _ blocks: Int) -> Double? {
        guard entries.count >= blocks else { return nil }
        let starts = 0...(entries.count - blocks)
        let included = starts.count { start in
            entries[start..<(start + blocks)].contains { tip >= $0.needed }
        }
        return Double(included) / Double(starts.count)
    }
}
