import Primitives

/// How good forecasts were, always against the best that needs no model.
public enum Scores {
    /// The pinball loss of a forecast quantile.
    public static func pinball(_ outcome: Double, _ forecast: Double, level: Double) -> Double {
        outcome >= forecast ? level * (outcome - forecast) : (1 - level) * (forecast - outcome)
    }

    /// One minus the ratio of mean errors: 0 is as good as the baseline, 1 perfect, below 0 worse.
    public static func skill(_ errors: [Double], over baseline: [Double]) -> Double? {
        let reference = baseline.reduce(0, +)
        guard errors.count == baseline.count, reference > 0 else { return nil }
        return 1 - errors.reduce(0, +) / reference
    }

    /// A 95 % interval of the skill by resampling blocks of neighbouring outcomes, which keeps their
    /// dependence (Künsch 1989).
    ///
    /// - Parameters:
    ///   - block: outcomes that stay together; at least the horizon.
    ///   - seed: fixes the resampling.
    public static func skillInterval(
        _ errors: [Double], over baseline: [Double], block: Int, samples: Int = 1_000,
        seed: UInt64 = 1
    ) -> ClosedRange<Double>? {
        let count = errors.count
        guard count == baseline.count, count >= 2 * block, block > 0 else { return nil }
        var random = SplitMix(seed: seed)
        // Sums over any stretch in constant time.
        let own = runningSums(errors)
        let reference = runningSums(baseline)
        var skills: [Double] = []
        skills.reserveCapacity(samples)
        for _ in 0..<samples {
            var error = 0.0
            var base = 0.0
            for _ in 0..<((count + block - 1) / block) {
                let start = Int(random.next() % UInt64(count - block + 1))
                error += own[start + block] - own[start]
                base += reference[start + block] - reference[start]
            }
            if base > 0 { skills.append(1 - error / base) }
        }
        guard !skills.isEmpty else { return nil }
        skills.sort()
        return skills.quantile(0.025)...skills.quantile(0.975)
    }

    /// The smallest share of hits in any stretch of `window` outcomes.
    public static func worstCoverage(_ hits: [Bool], window: Int) -> Double? {
        guard hits.count >= window, window > 0 else { return nil }
        var inside = hits[..<window].count { $0 }
        var worst = inside
        for index in window..<hits.count {
            inside += (hits[index] ? 1 : 0) - (hits[index - window] ? 1 : 0)
            worst = min(worst, inside)
        }
        return Double(worst) / Double(window)
    }

    private static func runningSums(_ values: [Double]) -> [Double] {
        var sums = [0.0]
        sums.reserveCapacity(values.count + 1)
        var sum = 0.0
        for value in values {
            sum += value
            sums.append(sum)
        }
        return sums
    }
}
