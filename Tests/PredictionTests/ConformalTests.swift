import Prediction
import Testing

@Suite struct ConformalTests {
    /// Feeds outcomes with a changing spread to an interval that is far too narrow.
    private func run(
        _ conformal: inout Conformal, outcomes: Int, spread: (Int) -> Double
    ) -> [Bool] {
        var noise = Noise(seed: 3)
        var hits: [Bool] = []
        for index in 0..<outcomes {
            let raw = -0.1...0.1
            let margin = conformal.margin ?? 100
            let served = (raw.lowerBound - margin)...(raw.upperBound + margin)
            let outcome = noise.normal() * spread(index)
            hits.append(served.contains(outcome))
            conformal.observe(outcome, raw: raw, served: served)
        }
        return hits
    }

    @Test func `the coverage of a too narrow interval becomes the one wanted`() {
        var conformal = Conformal(target: 0.8)
        let hits = run(&conformal, outcomes: 5_000) { _ in 1 }
        let share = Double(hits.dropFirst(500).count { $0 }) / 4_500
        #expect(abs(share - 0.8) < 0.02)
        #expect(abs((conformal.coverage ?? 0) - 0.8) < 0.03)
    }

    @Test func `it stays so when the series becomes wilder`() {
        var conformal = Conformal(target: 0.8)
        let hits = run(&conformal, outcomes: 6_000) { 1 + Double($0) / 1_000 }
        let share = Double(hits.dropFirst(500).count { $0 }) / 5_500
        #expect(abs(share - 0.8) < 0.02)
        #expect((Scores.worstCoverage(hits, window: 1_000) ?? 0) > 0.75)
    }

    @Test func `without outcomes there is no margin and no coverage`() {
        let conformal = Conformal(target: 0.8)
        #expect(conformal.margin == nil)
        #expect(conformal.coverage == nil)
    }

    @Test func `the skill of a better forecast lies in its own interval`() throws {
        var noise = Noise(seed: 8)
        let baseline = (0..<2_000).map { _ in abs(noise.normal()) }
        let errors = baseline.map { $0 * 0.8 }
        let skill = try #require(Scores.skill(errors, over: baseline))
        #expect(abs(skill - 0.2) < 1e-9)
        let interval = try #require(Scores.skillInterval(errors, over: baseline, block: 20))
        #expect(interval.lowerBound > 0.199 && interval.upperBound < 0.201)
        let none = try #require(
            Scores.skillInterval(
                baseline, over: baseline.map { _ in abs(noise.normal()) }, block: 20))
        #expect(none.contains(0))
    }
}
