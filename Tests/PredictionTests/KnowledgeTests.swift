import Prediction
import Testing

@Suite struct KnowledgeTests {
    /// Models that differ from none, and took no time to learn.
    private func models() throws -> ChainModels {
        let still = (0..<1_000).map { index in
            ActivityStep(end: UInt64(index) * 12, transactions: 0, gasUsed: 0)
        }
        var models = ChainModels()
        models.activity = try ActivityModel.train([.blocks: still])
        return models
    }

    @Test func `a copy from before new models does not bring the old ones back`() throws {
        var known = Knowledge(models: ChainModels())
        let copy = known
        let new = try models()
        known.replace(ChainTracker(models: new), SlotTracker(models: new))

        let isKept = known.keep(copy.chain, copy.slots, of: copy.generation)
        #expect(!isKept)
        #expect(known.chain.models.activity == new.activity)
        #expect(known.slots.models.activity == new.activity)
        // Both stand before the first block: only the generation tells.
        known.keep(copy.chain, insteadOf: nil, of: copy.generation)
        #expect(known.chain.models.activity == new.activity)
    }

    @Test func `a copy of what is known now is taken back`() throws {
        var known = Knowledge(models: ChainModels())
        let new = try models()
        known.replace(ChainTracker(models: new), SlotTracker(models: new))
        let copy = known
        let isKept = known.keep(copy.chain, copy.slots, of: copy.generation)
        #expect(isKept)
        #expect(known.generation == copy.generation)
    }
}
