import Foundation
import Prediction
import Testing

@Suite struct ActivityTests {
    /// Ten-minute steps of a chain that is busy by day, and less so at weekends.
    private func days(_ count: Int, seed: UInt64, noise share: Double = 0.1) -> [ActivityStep] {
        var noise = Noise(seed: seed)
        return (0..<(count * 144)).map { slot in
            let time = UInt64(slot + 1) * 600
            let day = (slot / 144) % 7
            let level =
                (1.2 + sin(Double(slot) / 144 * 2 * .pi)) * (day >= 5 ? 0.4 : 1) * 500
                * exp(share * noise.normal())
            return ActivityStep(end: time, transactions: level.rounded(), gasUsed: level * 60_000)
        }
    }

    private static var quick: TreeParameters {
        var parameters = ActivityModel.usualParameters
        parameters.rounds = 40
        parameters.learningRate = 0.15
        return parameters
    }

    @Test func `the week is heard where the week decides, and its intervals hold`() throws {
        var forecaster = ActivityForecaster(scale: .tenMinutes)
        let steps = days(49, seed: 1)
        var hits = 0
        var counted = 0
        for (index, step) in steps.enumerated() {
            forecaster.advance(step, isServed: index >= 288)
            guard index >= 2_000, index + 6 < steps.count,
                let forecast = forecaster.forecasts().first
            else { continue }
            #expect(forecast.quantity == .transactions)
            let outcome = steps[(index + 1)...(index + 6)].reduce(0) { $0 + $1.transactions }
            counted += 1
            hits += outcome >= forecast.low && outcome <= forecast.high ?? .infinity ? 1 : 0
        }
        #expect(abs(Double(hits) / Double(counted) - 0.8) < 0.03)
        for forecast in forecaster.forecasts() {
            #expect(forecast.source == .rule(.lastWeek))
            #expect(abs((forecast.coverage ?? 0) - 0.8) < 0.03)
            #expect(forecast.skill == nil)
        }
    }

    @Test func `a model that sees more than the rules wins`() throws {
        // The next blocks follow from whether the last one was odd, which no rule looks at.
        var noise = Noise(seed: 2)
        var high = false
        let blocks = (0..<4_000).map { index -> ActivityStep in
            high = noise.uniform() < (high ? 0.1 : 0.9)
            let count = (high ? 150 : 50) + 10 * noise.normal()
            return ActivityStep(
                end: UInt64(index) * 12, transactions: max(0, count.rounded()),
                gasUsed: max(0, count) * 50_000)
        }
        let model = try ActivityModel.train([.blocks: blocks], parameters: Self.quick)
        let next = try #require(
            model.parts.first { $0.quantity == .transactions && $0.horizon == 1 })
        #expect(next.record.hasWon)
        #expect(next.record.skill > 0.3)
        #expect(next.record.pinballSkill > 0.3)
        #expect(abs(next.record.coverage - 0.8) < 0.03)
    }

    @Test func `noise is no skill, and rules answer`() throws {
        for seed in 10..<12 as Range<UInt64> {
            var noise = Noise(seed: seed)
            let blocks = (0..<2_000).map { index in
                ActivityStep(
                    end: UInt64(index) * 12,
                    transactions: (100 * exp(0.3 * noise.normal())).rounded(),
                    gasUsed: 21_000 * 100 * exp(0.3 * noise.normal()))
            }
            let model = try ActivityModel.train([.blocks: blocks], parameters: Self.quick)
            #expect(model.parts.count == 6)
            #expect(model.parts.allSatisfy { !$0.record.hasWon })
            // Not the spread that a point does not have: the rules have intervals, too. Over many
            // blocks, whose sums overlap, trees learn the noise and are worse than the rules.
            for part in model.parts {
                let skill = part.record.pinballSkill
                #expect(skill < 0.03, "\(part.name), seed \(seed)")
                if part.horizon == 1 { #expect(skill > -0.15, "\(part.name), seed \(seed)") }
            }
        }
    }

    @Test func `a chain on which nothing happens has nothing to learn`() throws {
        let still = (0..<1_500).map { index in
            ActivityStep(end: UInt64(index) * 12, transactions: 0, gasUsed: 0)
        }
        #expect(try ActivityModel.train([.blocks: still], parameters: Self.quick).parts.isEmpty)
        var forecaster = ActivityForecaster(scale: .blocks)
        for step in still { forecaster.advance(step, isServed: true) }
        for forecast in forecaster.forecasts() {
            #expect(forecast.middle == 0)
            #expect(forecast.high == 0)
        }
        #expect(throws: LearningError.self) {
            try ActivityModel.train([.blocks: Array(still.prefix(900))], parameters: Self.quick)
        }
    }

    @Test func `the same steps give the same model, and its file gives it back`() throws {
        let steps: [ActivityScale: [ActivityStep]] = [.tenMinutes: days(14, seed: 3, noise: 0.5)]
        let model = try ActivityModel.train(steps, parameters: Self.quick)
        #expect(try ActivityModel.train(steps, parameters: Self.quick) == model)
        let read = try JSONDecoder().decode(ActivityModel.self, from: JSONEncoder().encode(model))
        #expect(read == model)
    }

    @Test func `blocks are summed up in ten minutes, with the empty ones between them`() {
        let blocks = [600, 700, 1_300, 3_000, 3_001].map { time in
            ActivityStep(end: time, transactions: 2, gasUsed: 100)
        }
        let slots = ActivityStep.tenMinutes(of: blocks)
        #expect(slots.map(\.end) == [1_200, 1_800, 2_400, 3_000])
        #expect(slots.map(\.transactions) == [4, 2, 0, 0])
        #expect(slots.map(\.gasUsed) == [200, 100, 0, 0])
        #expect(ActivityStep.tenMinutes(of: []).isEmpty)
    }
}
