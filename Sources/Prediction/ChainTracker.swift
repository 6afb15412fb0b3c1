import Chain
import EthereumTypes
import Primitives
import Storage

/// The forecasts of a chain at its head.
///
/// What it knows is a function of the model and the chain alone: it begins at a block that follows
/// from the head's number, takes in every block since, and begins anew where that block changes or
/// blocks have left the chain. So a node says the same before a restart and after it.
package struct ChainTracker: Sendable {
    /// How often the beginning moves, in blocks.
    private static let epoch: BlockNumber = 4_096
    /// Blocks that are taken in while someone waits for an answer.
    private static let followed: BlockNumber = 256
    /// Blocks at the beginning whose forecasts calibrate, and are not counted as coverage.
    private static let unserved: BlockNumber = 512

    /// The block that it speaks of.
    private(set) var position: BlockReference?
    /// The forecasts.
    private(set) var forecaster: FeeForecaster
    /// The activity of the next blocks.
    private(set) var activity = ActivityForecaster(scale: .blocks)
    /// How often the base fee fell since the beginning.
    private(set) var falls = FallHistory()
    /// The tips of the last blocks, in tiers.
    private(set) var tiers: [TipTier] = []
    /// How many blocks the tiers rest on.
    var tipBlocks: Int { tips.blocks }

    /// What was learned.
    package let models: ChainModels

    private var tips = TipHistory()
    private var start: BlockNumber?

    package init(models: ChainModels) {
        self.models = models
        forecaster = FeeForecaster(model: models.fees)
    }

    /// Takes in what has happened up to a view's head; begins anew where it must.
    mutating func advance(to view: ChainView) throws(ChainError) {
        let begin = Self.beginning(for: view.number)
        let isFollowed = try isFollowed(by: view)
        if start != begin || !isFollowed {
            self = ChainTracker(models: models)
            start = begin
        }
        try takeIn(upTo: view)
    }

    /// The same, if that is a matter of a few blocks: for whoever waits for an answer.
    ///
    /// - Returns: whether it was done.
    mutating func goOn(to view: ChainView) throws(ChainError) -> Bool {
        guard let position, try isFollowed(by: view), view.number - position.number <= Self.followed
        else {
            return false
        }
        try takeIn(upTo: view)
        return true
    }

    /// One to two epochs back: enough blocks to have measured the coverage on.
    private static func beginning(for number: BlockNumber) -> BlockNumber {
        max(number / epoch, 1) * epoch - epoch
    }

    /// Whether a view has the block that this speaks of.
    func isFollowed(by view: ChainView) throws(ChainError) -> Bool {
        guard let position else { return true }
        guard position.number <= view.number else { return false }
        return try view.canonicalHash(position.number) == position.hash
    }

    private mutating func takeIn(upTo view: ChainView) throws(ChainError) {
        let begin = start ?? Self.beginning(for: view.number)
        var next = position.map { $0.number + 1 } ?? begin
        while next <= view.number {
            guard let stored = try view.block(next) else { throw .unknownBlock(next) }
            if next + UInt64(TipHistory.window) > view.number {
                tips.advance(stored.block, receipts: try view.receipts(next) ?? [])
            }
            let isServed = next >= begin + Self.unserved
            if let block = FeeBlock(stored.block.header) {
                forecaster.advance(
                    block, model: isSeen(next, view) ? nil : models.fees, isServed: isServed)
                falls.advance(block, forecaster.features)
            }
            let step = ActivityStep(stored.block)
            activity.advance(
                step, isServed: isServed,
                trees: models.activityTrees(.blocks, after: step.end, of: view))
            position = BlockReference(number: next, hash: stored.hash)
            next += 1
        }
        tiers = tips.tiers()
    }

    /// Whether the model was trained on a block: what it says there measures nothing.
    private func isSeen(_ number: BlockNumber, _ view: ChainView) -> Bool {
        guard let model = models.fees, model.chain == view.genesisHash.description else {
            return false
        }
        return number <= model.trainedTo
    }
}

/// What was learned of a chain: each part perhaps missing.
package struct ChainModels: Sendable {
    package var fees: FeeModel?
    package var activity: ActivityModel?

    package init() {}

    /// The head when a node last trained one of them.
    var trainedAt: BlockNumber? {
        [fees?.trainedAt, activity?.trainedAt].compactMap(\.self).max()
    }

    /// The trees for steps of a chain that they have not seen.
    func activityTrees(
        _ scale: ActivityScale, after end: Timestamp, of view: ChainView
    ) -> (ActivityQuantity, Int) -> [TreeEnsemble]? {
        guard let activity else { return { _, _ in nil } }
        return activity.trees(scale, after: end, of: view.genesisHash.description)
    }
}

extension ActivityStep {
    /// A block as a step.
    init(_ block: Block) {
        self.init(
            end: block.header.timestamp, transactions: Double(block.transactions.count),
            gasUsed: Double(block.header.gasUsed))
    }
}
