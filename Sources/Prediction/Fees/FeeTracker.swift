import Chain
import EthereumTypes
import Foundation
import Primitives
import Storage

/// The forecasts of a chain at its head.
///
/// What it knows is a function of the model and the chain alone: it begins at a block that follows
/// from the head's number, takes in every block since, and begins anew where that block changes or
/// blocks have left the chain. So a node says the same before a restart and after it.
struct FeeTracker: Sendable {
    /// How often the beginning moves, in blocks.
    private static let epoch: BlockNumber = 4_096

    /// The block that it speaks of.
    private(set) var position: BlockReference?
    /// The forecasts.
    private(set) var forecaster: FeeForecaster
    /// The tips of the last blocks.
    private(set) var tips = TipHistory()
    /// The base fees since the beginning, as logarithms, oldest first.
    private(set) var fees: [Double] = []

    /// Whether there is a model beside the rules.
    var hasModel: Bool { model != nil }

    private let model: FeeModel?
    private var start: BlockNumber?

    init(model: FeeModel?) {
        self.model = model
        forecaster = FeeForecaster(model: model)
    }

    /// Takes in what has happened up to a view's head.
    mutating func advance(to view: ChainView) throws(ChainError) {
        // One to two epochs back: enough blocks to have measured the coverage on.
        let begin = max(view.number / Self.epoch, 1) * Self.epoch - Self.epoch
        var isCurrent = start == begin
        if isCurrent, let position {
            let canonical = try view.canonicalHash(position.number)
            isCurrent = position.number <= view.number && canonical == position.hash
        }
        if !isCurrent {
            self = FeeTracker(model: model)
            start = begin
        }
        var next = position.map { $0.number + 1 } ?? begin
        while next <= view.number {
            guard let stored = try view.block(next) else { throw .unknownBlock(next) }
            if next + UInt64(TipHistory.window) > view.number {
                tips.advance(stored.block, receipts: try view.receipts(next) ?? [])
            }
            if let block = FeeBlock(stored.block.header) {
                forecaster.advance(
                    block, model: isSeen(next, view) ? nil : model, isServed: next >= begin + 512)
                fees.append(block.logFee)
            }
            position = BlockReference(number: next, hash: stored.hash)
            next += 1
        }
    }

    /// Whether the model was trained on a block: what it says there measures nothing.
    private func isSeen(_ number: BlockNumber, _ view: ChainView) -> Bool {
        guard let model, model.chain == view.genesisHash.description else { return false }
        return number <= model.trainedTo
    }

    /// How often, since the beginning, the base fee fell to a share of the next one within so many
    /// blocks after it.
    ///
    /// - Returns: the share of the starts, and how many there were; `nil` if there are fewer than 30.
    func frequency(fallingTo ratio: Double, within blocks: Int) -> (share: Double, starts: Int)? {
        // Block i's next fee is that of block i + 1; the wait counts the blocks from that one on.
        let starts = fees.count - blocks
        guard starts >= 30, blocks >= 1, ratio > 0 else { return nil }
        let limit = log(ratio)
        var hits = 0
        // The last place so far at which a fee may satisfy a start, found by a sliding minimum.
        var minima: [Int] = []
        var first = 0
        for index in fees.indices {
            while minima.count > first, fees[minima[minima.count - 1]] >= fees[index] {
                minima.removeLast()
            }
            minima.append(index)
            let start = index - blocks + 1
            guard start >= 1 else { continue }
            while minima[first] < start { first += 1 }
            if fees[minima[first]] - fees[start] <= limit { hits += 1 }
        }
        return (Double(hits) / Double(starts), starts)
    }
}
