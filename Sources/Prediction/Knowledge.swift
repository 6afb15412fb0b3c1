import Chain
import EthereumTypes
import Primitives
import Storage

/// What the plugin knows now.
///
/// Each part is brought forward in a copy, so that nobody waits for it. A copy is taken back only if
/// the models are still those that it was made with: one that was made before new models came would
/// bring the old ones back.
package struct Knowledge: Sendable {
    /// How the training of models on the own chain stands.
    enum Training: Sendable, Hashable {
        case never
        case running(share: Double)
        /// - refusals: why models are missing.
        /// - unwritten: why models are in memory alone.
        case ended(at: BlockNumber, refusals: [String], unwritten: [String])
    }

    /// Blocks between two earlier stories that are kept: a reorganisation of a devnet's test is short.
    private static let checkpointStep: BlockNumber = 64

    /// How often the models have been replaced.
    package private(set) var generation = 0
    /// Answers bring this part forward, too.
    package private(set) var chain: ChainTracker
    /// The block that all parts were last brought forward to.
    private(set) var kept: BlockReference?
    /// The same at earlier blocks, the newest last: where to go on when blocks leave the chain.
    private var earlier: [ChainTracker] = []
    package private(set) var slots: SlotTracker
    var curves: InclusionCurves?
    var training = Training.never

    package init(models: ChainModels) {
        chain = ChainTracker(models: models)
        slots = SlotTracker(models: models)
    }

    /// The newest story that a view goes on with; if there is none, the one of another chain.
    func story(followedBy view: ChainView) throws(ChainError) -> ChainTracker {
        for tracker in [chain] + earlier.reversed() where try tracker.isFollowed(by: view) {
            return tracker
        }
        return chain
    }

    /// Takes copies back that were brought forward.
    ///
    /// - Parameter generation: that of the knowledge that they were copied from.
    /// - Returns: whether they were taken: not if there are other models now.
    package mutating func keep(
        _ chain: ChainTracker, _ slots: SlotTracker, of generation: Int
    ) -> Bool {
        guard generation == self.generation else { return false }
        self.chain = chain
        kept = chain.position
        self.slots = slots
        let number = chain.position?.number ?? 0
        earlier.removeAll { $0.position.map { $0.number > number } ?? true }
        let last = earlier.last?.position?.number
        if last.map({ number - $0 >= Self.checkpointStep }) ?? true {
            earlier.append(chain)
            if earlier.count > 2 { earlier.removeFirst() }
        }
        return true
    }

    /// Takes a copy back that an answer has brought forward, unless somebody was faster or there are
    /// other models now.
    package mutating func keep(
        _ chain: ChainTracker, insteadOf before: BlockReference?, of generation: Int
    ) {
        guard generation == self.generation, self.chain.position == before else { return }
        self.chain = chain
    }

    /// Begins anew with what was made with new models.
    package mutating func replace(_ chain: ChainTracker, _ slots: SlotTracker) {
        generation += 1
        // Earlier stories were told with the old models.
        earlier = []
        _ = keep(chain, slots, of: generation)
    }
}
