import Chain
import EthereumTypes
import PluginAPI
import Primitives

/// What training on a node's own chain reads, and what it leaves.
struct ModelTraining {
    /// The most blocks that are read.
    private static let blocks: BlockNumber = 50_000
    /// The share of the blocks that a fee model sees; what comes after tells what it is worth.
    private static let seenShare = 0.7

    /// The models; those that could not be learned are missing.
    private(set) var models = ChainModels()
    /// Why a model is missing.
    private(set) var refusals: [String] = []

    /// Reads, learns and measures.
    ///
    /// - Parameter progress: the share that is done; `false` ends it.
    /// - Throws: `LearningError.cancelled`, or what reading throws.
    init(_ view: PluginView, progress: (Double) -> Bool) throws {
        let chain = view.chain
        let first = chain.number - min(chain.number, Self.blocks)
        var fees: [FeeBlock] = []
        var steps: [ActivityStep] = []
        for number in first...chain.number {
            guard let stored = try chain.block(number) else { continue }
            if let block = FeeBlock(stored.block.header) { fees.append(block) }
            steps.append(ActivityStep(stored.block))
            if number % 256 == 0 {
                let share = Double(number - first) / Double(chain.number - first + 1)
                guard progress(0.1 * share) else { throw LearningError.cancelled }
            }
        }
        let hash = chain.genesisHash.description
        let seen = Int(Double(fees.count) * Self.seenShare)
        models.fees = try learn("fees") { () throws(LearningError) in
            try FeeModel.train(
                fees[..<seen], chain: hash, progress: { progress(0.1 + 0.6 * $0) })
        }
        let slots = try Self.slots(view)
        models.activity = try learn("activity") { () throws(LearningError) in
            try ActivityModel.train(
                [.blocks: steps, .tenMinutes: slots], chain: hash,
                progress: { progress(0.7 + 0.3 * $0) })
        }
        models.fees?.trainedAt = chain.number
        models.activity?.trainedAt = chain.number
    }

    private mutating func learn<Model>(
        _ what: String, _ train: () throws(LearningError) -> Model
    ) throws(LearningError) -> Model? {
        do {
            return try train()
        } catch .cancelled {
            throw .cancelled
        } catch {
            refusals.append("\(what): \(error)")
            return nil
        }
    }

    /// The whole slots of the last weeks.
    private static func slots(_ view: PluginView) throws -> [ActivityStep] {
        guard let block = try view.asOf, let header = try view.chain.header(block.number) else {
            return []
        }
        let present = header.timestamp / SlotTable.seconds
        let entries = try SlotTable.entries(
            present - min(present, SlotTable.remembered)..<present, in: view)
        guard let first = entries.first?.slot else { return [] }
        var steps: [ActivityStep] = []
        for entry in entries {
            // Slots without an entry had no block.
            while UInt64(steps.count) < entry.slot - first {
                steps.append(SlotTable.step(first + UInt64(steps.count), 0, 0))
            }
            steps.append(SlotTable.step(entry.slot, entry.transactions, entry.gasUsed))
        }
        return steps
    }
}
