import Primitives

/// How often some addresses are found, and how often as many drawn from them again and again would be:
/// the bootstrap of Efron (1979). The addresses are drawn, each with all its times: those of one tell
/// little new of each other.
package struct ResampledShares {
    /// Samples that are drawn.
    package static let samples = 1_000

    /// The share of all times; `nil` if there were none.
    package let share: Double?
    /// The share in each sample.
    package let resampled: [Double]

    /// - Parameters:
    ///   - cases: of each address, how often it was found of the times that it could be.
    ///   - seed: the samples are those of it, so that two criteria of the same addresses have the same.
    package init(_ cases: [(found: Int, times: Int)], seed: UInt64) {
        let cases = cases.filter { $0.times > 0 }
        guard !cases.isEmpty else {
            share = nil
            resampled = []
            return
        }
        func ratio(_ found: Int, _ times: Int) -> Double { Double(found) / Double(times) }
        share = ratio(cases.reduce(0) { $0 + $1.found }, cases.reduce(0) { $0 + $1.times })
        var random = SplitMix(seed: seed)
        resampled = (0..<Self.samples).map { _ in
            var (found, times) = (0, 0)
            for _ in cases {
                let drawn = cases[Int.random(in: cases.indices, using: &random)]
                found += drawn.found
                times += drawn.times
            }
            return ratio(found, times)
        }
    }

    /// Whether samples tell how sure the share is: if all addresses were always found, or none ever,
    /// they are all the same.
    package var isInformative: Bool { share != nil && share != 0 && share != 1 }

    /// The middle part of some values that were computed from samples.
    package static func interval(
        _ values: [Double], confidence: Double
    ) -> (low: Double, high: Double)? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let tail = (1 - confidence) / 2
        let last = Double(sorted.count - 1)
        return (sorted[Int(tail * last)], sorted[Int(((1 - tail) * last).rounded(.up))])
    }
}
