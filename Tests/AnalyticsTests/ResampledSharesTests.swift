import Analytics
import Primitives
import Testing

@Suite struct ResampledSharesTests {
    @Test func `the share is that of all times, and one seed gives one answer`() {
        let cases = [(found: 3, times: 4), (found: 0, times: 2), (found: 1, times: 2)]
        let shares = ResampledShares(cases, seed: 7)
        #expect(shares.share == 0.5)
        #expect(shares.resampled.count == ResampledShares.samples)
        #expect(shares.resampled == ResampledShares(cases, seed: 7).resampled)
        #expect(shares.resampled != ResampledShares(cases, seed: 8).resampled)
        // Nothing but what can be drawn from these three, one of which counts for two.
        #expect(shares.resampled.allSatisfy { (0...0.75).contains($0) })
        #expect(shares.resampled.contains(0) && shares.resampled.contains(0.75))
    }

    /// The interval of one address's share, times 20, is as wide as the addresses differ: not as all the
    /// times together would be if they were independent.
    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func `addresses are drawn, not times`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        // Each is always found or never: the times of one say the same.
        let cases = (0..<100).map { _ in
            (found: Double.random(in: 0..<1, using: &random) < 0.3 ? 20 : 0, times: 20)
        }
        let shares = ResampledShares(cases, seed: seed)
        let share = try #require(shares.share)
        let (low, high) = try #require(
            ResampledShares.interval(shares.resampled, confidence: 0.95))
        // Of the mean of a hundred: 1.96 of its standard errors each way.
        let error = (share * (1 - share) / 100).squareRoot()
        #expect(abs(low - (share - 1.96 * error)) < 0.5 * error)
        #expect(abs(high - (share + 1.96 * error)) < 0.5 * error)
    }

    @Test func `the interval holds the true share as often as it says`() throws {
        var held = 0
        for seed in 0..<400 as Range<UInt64> {
            var random = SplitMix(seed: 1_000 + seed)
            let cases = (0..<80).map { _ in
                let own = Double.random(in: 0..<0.6, using: &random)
                return (
                    found: (0..<20).count { _ in Double.random(in: 0..<1, using: &random) < own },
                    times: 20
                )
            }
            let (low, high) = try #require(
                ResampledShares.interval(
                    ResampledShares(cases, seed: seed).resampled, confidence: 0.95))
            if (low...high).contains(0.3) { held += 1 }
        }
        // 380 of 400 are meant; its own standard error is 4.4.
        #expect((365...395).contains(held))
    }

    @Test func `what is always or never found tells nothing by samples`() {
        let never = ResampledShares([(found: 0, times: 5), (found: 0, times: 9)], seed: 1)
        #expect(!never.isInformative)
        #expect(!ResampledShares([(found: 5, times: 5)], seed: 1).isInformative)
        #expect(ResampledShares([(found: 4, times: 5)], seed: 1).isInformative)
        let none = ResampledShares([(found: 0, times: 0)], seed: 1)
        #expect(none.share == nil && !none.isInformative && none.resampled.isEmpty)
        #expect(ResampledShares.interval(none.resampled, confidence: 0.95) == nil)
    }
}
