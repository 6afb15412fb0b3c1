import Analytics
import Foundation
import Testing

@Suite struct BinomialBoundsTests {
    /// Quantiles of the beta distribution by scipy 1: `beta.ppf(t, h, n - h + 1)` and
    /// `beta.ppf(1 - t, h + 1, n - h)`, where t is half of what the confidence leaves.
    private static let known: [(Double, Double, Double, Double, Double)] = [
        (0, 10, 0.95, 0.000000000000, 0.308497107819),
        (10, 10, 0.95, 0.691502892181, 1.000000000000),
        (1, 10, 0.95, 0.002528578544, 0.445016117028),
        (5, 10, 0.95, 0.187086028447, 0.812913971553),
        (0, 20, 0.975, 0.000000000000, 0.196759679705),
        (3, 2000, 0.95, 0.000309442949, 0.004377320105),
        (999.5, 2000, 0.95, 0.477600923934, 0.521899810001),
        (0.35, 20, 0.95, 0.000000936757, 0.198691866079),
        (1999, 2000, 0.975, 0.996813825684, 0.999993710629),
    ]

    @Test(arguments: known)
    func `bounds are those of the beta distribution`(
        hits: Double, cases: Double, confidence: Double, low: Double, high: Double
    ) {
        let bounds = BinomialBounds(hits: hits, cases: cases, confidence: confidence)
        #expect(abs(bounds.low - low) < 1e-10)
        #expect(abs(bounds.high - high) < 1e-10)
    }

    @Test(arguments: [1, 5, 20, 100, 2_000] as [Double])
    func `none of some cases is bounded by the rule of three and by half of the rest`(
        cases: Double
    ) {
        let bounds = BinomialBounds(hits: 0, cases: cases, confidence: 0.95)
        #expect(bounds.low == 0)
        #expect(abs(bounds.high - (1 - pow(0.025, 1 / cases))) < 1e-12)
        if cases >= 20 { #expect((3 / cases...4 / cases).contains(bounds.high)) }
    }
}
