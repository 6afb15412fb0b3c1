import Foundation

/// Bounds of a share that was measured on independent cases, by Clopper and Pearson (1934): they hold
/// the true share at least as often as they say, also where none or all of few cases were hits.
///
/// A case may count for a part: as a hit in so many of its trials. Its variance is at most that of a
/// case that is a hit or not, so the bounds are rather too wide than too narrow.
package struct BinomialBounds {
    package let low: Double
    package let high: Double

    /// - Parameters:
    ///   - hits: from zero to `cases`, not necessarily whole.
    ///   - cases: above zero.
    ///   - confidence: how often the bounds are to hold the true share; each may fail half as often
    ///     as both.
    package init(hits: Double, cases: Double, confidence: Double) {
        precondition(cases > 0 && hits >= 0 && hits <= cases, "Hits are among the cases.")
        let tail = (1 - confidence) / 2
        low = hits > 0 ? Self.betaQuantile(tail, hits, cases - hits + 1) : 0
        high = hits < cases ? Self.betaQuantile(1 - tail, hits + 1, cases - hits) : 1
    }

    /// Where the regularised incomplete beta function reaches a value: by halves, it grows.
    private static func betaQuantile(_ value: Double, _ a: Double, _ b: Double) -> Double {
        var (low, high) = (0.0, 1.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if regularisedBeta(middle, a, b) < value { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }

    /// I_x(a, b). The fraction converges fast below the mean; above it, the other side is computed.
    private static func regularisedBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        x < (a + 1) / (a + b + 2) ? lowerTail(x, a, b) : 1 - lowerTail(1 - x, b, a)
    }

    /// I_x(a, b), by the continued fraction of Abramowitz and Stegun 26.5.8, evaluated from its front
    /// (Lentz).
    private static func lowerTail(_ x: Double, _ a: Double, _ b: Double) -> Double {
        guard x > 0 else { return 0 }
        let logBeta: Double = lgamma(a) + lgamma(b) - lgamma(a + b)
        let logPowers: Double = a * log(x) + b * log(1 - x)
        func nonZero(_ value: Double) -> Double { value.magnitude < 1e-300 ? 1e-300 : value }
        var numerator = 1.0
        let first: Double = (a + b) * x / (a + 1)
        var denominator = 1 / nonZero(1 - first)
        var fraction = denominator
        for step in 1..<1_000 {
            let m = Double(step)
            let at: Double = a + 2 * m
            let even: Double = m * (b - m) * x / ((at - 1) * at)
            let odd: Double = -(a + m) * (a + b + m) * x / (at * (at + 1))
            var change = 1.0
            for term in [even, odd] {
                denominator = 1 / nonZero(1 + term * denominator)
                numerator = nonZero(1 + term / numerator)
                change = numerator * denominator
                fraction *= change
            }
            if (change - 1).magnitude < 1e-14 { break }
        }
        return exp(logPowers - logBeta) * fraction / a
    }
}
