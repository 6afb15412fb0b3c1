import Foundation
import Prediction
import Primitives
import Testing

@Suite struct FeeForecasterTests {
    /// A chain whose demand swings around the target, and whose fees follow the formula.
    static func blocks(_ count: Int, seed: UInt64 = 1, empty: Bool = false) -> [FeeBlock] {
        var noise = Noise(seed: seed)
        var blocks = [
            FeeBlock(
                number: 100, timestamp: 1_700_000_000, gasUsed: 15_000_000, gasLimit: 30_000_000,
                baseFeePerGas: 20_000_000_000)
        ]
        var demand = 0.0
        for _ in 1..<count {
            let last = blocks[blocks.count - 1]
            demand = 0.9 * demand + 0.4 * noise.normal()
            let share = empty ? 0 : min(max(0.5 + 0.25 * demand, 0), 1)
            blocks.append(
                FeeBlock(
                    number: last.number + 1, timestamp: last.timestamp + 12,
                    gasUsed: UInt64(share * 30_000_000), gasLimit: 30_000_000,
                    baseFeePerGas: last.nextFee))
        }
        return blocks
    }

    private static var quick: TreeParameters {
        var parameters = TreeParameters()
        parameters.rounds = 60
        parameters.learningRate = 0.2
        return parameters
    }

    @Test func `the next fee is the formula's and is called exact`() throws {
        var forecaster = FeeForecaster(model: nil)
        for block in Self.blocks(300) { forecaster.advance(block, model: nil) }
        let last = try #require(Self.blocks(300).last)
        let next = try #require(forecaster.forecasts().first)
        #expect(next.horizon == 1)
        #expect(next.source == .exact)
        #expect(next.middle == last.nextFee)
        #expect(next.coverage == nil)
    }

    @Test func `a model that has learned beats the rules and holds its coverage`() throws {
        let blocks = Self.blocks(9_000)
        let report = try FeeBacktest.run(blocks, horizons: [2, 5], parameters: Self.quick)
        for row in report.rows {
            #expect(row.skill > 0.05, "horizon \(row.horizon)")
            #expect(row.pinballSkill > 0.05, "horizon \(row.horizon)")
            #expect(abs(row.coverage - 0.8) < 0.03, "horizon \(row.horizon)")
            #expect(abs(row.servedCoverage - 0.8) < 0.03, "horizon \(row.horizon)")
            #expect(row.modelShare > 0.9, "horizon \(row.horizon)")
        }
    }

    @Test func `beyond the longest horizon a rule is heard`() throws {
        let report = try FeeBacktest.run(
            Self.blocks(6_000), horizons: [100], parameters: Self.quick)
        #expect(report.rows.map(\.modelShare) == [0])
    }

    @Test func `a model trained on another world is not heard for long`() throws {
        // Fees that only ever rise teach what is wrong here.
        let model = try FeeModel.train(
            Self.blocks(3_000, seed: 9)[...].map { block in
                FeeBlock(
                    number: block.number, timestamp: block.timestamp,
                    gasUsed: block.gasUsed,
                    gasLimit: block.gasLimit,
                    baseFeePerGas: 1_000_000_000 + UInt256(block.number * block.number * 1_000))
            }[...], horizons: [5], parameters: Self.quick)
        var forecaster = FeeForecaster(model: model)
        for block in Self.blocks(3_000, seed: 10) { forecaster.advance(block, model: model) }
        let forecast = try #require(forecaster.forecasts().last)
        #expect(forecast.horizon == 5)
        #expect(forecast.source != .model)
        #expect((forecast.skill ?? 1) <= 0)
    }

    @Test func `every forecast lies within what the protocol allows`() throws {
        let blocks = Self.blocks(2_500)
        let model = try FeeModel.train(blocks[...], horizons: [2, 10], parameters: Self.quick)
        var forecaster = FeeForecaster(model: model)
        for block in blocks {
            forecaster.advance(block, model: model)
            for forecast in forecaster.forecasts() {
                #expect(forecast.low <= forecast.middle && forecast.middle <= forecast.high)
                let steps = Double(forecast.horizon - 1)
                let next = Double(block.nextFee.description) ?? 0
                let low = Double(forecast.low.description) ?? 0
                let high = Double(forecast.high.description) ?? 0
                #expect(low >= next * pow(7.0 / 8, steps) * 0.999)
                #expect(high <= next * pow(9.0 / 8, steps) * 1.001)
            }
        }
    }

    @Test func `an idle chain at the lowest fee is forecast without harm`() {
        var forecaster = FeeForecaster(model: nil)
        for block in Self.blocks(3_000, empty: true) { forecaster.advance(block, model: nil) }
        for forecast in forecaster.forecasts() {
            #expect(forecast.low <= forecast.middle && forecast.middle <= forecast.high)
        }
    }

    @Test func `a model read from its file forecasts the same bits`() throws {
        let blocks = Self.blocks(3_000)
        let model = try FeeModel.train(blocks[..<2_000], horizons: [2, 5], parameters: Self.quick)
        let read = try JSONDecoder().decode(FeeModel.self, from: JSONEncoder().encode(model))
        #expect(read == model)
        var first = FeeForecaster(model: model)
        var second = FeeForecaster(model: read)
        for block in blocks {
            first.advance(block, model: model)
            second.advance(block, model: read)
            #expect(first.forecasts() == second.forecasts())
        }
        #expect(first == second)
    }
}
