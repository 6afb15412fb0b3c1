import Prediction
import Testing

@Suite struct FallHistoryTests {
    private func history(_ blocks: [FeeBlock]) -> FallHistory {
        var history = FallHistory()
        var forecaster = FeeForecaster(model: nil, horizons: [2])
        for block in blocks {
            forecaster.advance(block, model: nil)
            history.advance(block, forecaster.features)
        }
        return history
    }

    @Test func `probabilities of a fall are calibrated and beat its frequency`() throws {
        let history = history(FeeForecasterTests.blocks(9_000, seed: 21))
        for record in history.records {
            #expect(record.count > 400)
            #expect(try #require(record.skill) > 0.03)
            #expect(try #require(record.calibrationError) < 0.06)
        }
    }

    @Test func `a frequency is a count of the past`() throws {
        let blocks = FeeForecasterTests.blocks(600, seed: 22)
        let fall = FallHistory.Fall(share: 0.95, blocks: 5)
        let outlook = try #require(history(blocks).outlook(of: fall))
        var hits = 0
        let starts = 1...(blocks.count - 5)
        for start in starts {
            let next = Double(blocks[start].baseFeePerGas.description) ?? 0
            let span = blocks[start..<(start + 5)].map { Double($0.baseFeePerGas.description) ?? 0 }
            hits += (span.min() ?? 0) <= 0.95 * next ? 1 : 0
        }
        #expect(outlook.moments == starts.count)
        #expect(abs(outlook.frequency - Double(hits) / Double(starts.count)) < 1e-9)
        // Too few moments to choose from.
        #expect(outlook.likeNow == nil)
    }

    @Test func `nothing is said on too few blocks`() {
        let history = history(FeeForecasterTests.blocks(40, seed: 23))
        #expect(history.outlook(of: FallHistory.Fall(share: 0.9, blocks: 20)) == nil)
        #expect(history.outlook(of: FallHistory.Fall(share: 0.9, blocks: 5)) != nil)
    }
}
