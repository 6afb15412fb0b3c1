import Foundation

/// The running summary of the blocks so far that fee models look at, brought forward in constant time
/// a block.
///
/// Fees are logarithms, and differences to the next base fee, which is known exactly: so a model
/// learned at one price level is good at another.
package struct FeeFeatures: Sendable, Hashable {
    /// Spans, in blocks, of the exponential means.
    private static let spans = [4, 16, 64, 256]
    private static let lags = 8
    /// How many blocks the plain mean and the volatility look back.
    private static let longWindow = 256

    /// What the values of ``row()`` are, in order.
    static let names: [String] =
        (0..<lags).map { "fullness_lag\($0)" } + spans.map { "fullness_mean\($0)" }
        + spans.map { "fee_over_mean\($0)" } + ["fee_step", "fee_change4", "fee_change8"]
        + ["fullness_spread16", "fullness_spread64", "full_share16", "empty_share16"]
        + ["interval", "interval_mean16", "hour_sine", "hour_cosine"]

    private var blocks = 0
    private var timestamp = 0.0
    private var interval = 0.0
    private var intervalMean = 0.0
    /// The fullness of the last blocks, newest last.
    private var fullness: [Double] = []
    /// The logarithms of the last base fees, newest last.
    private var fees: [Double] = []
    private var fullnessMeans = [Double](repeating: 1, count: spans.count)
    private var feeMeans = [Double](repeating: 0, count: spans.count)
    private var feeSum = 0.0

    /// The logarithm of the next base fee, which all forecasts are relative to.
    private(set) var next = 0.0

    /// Whether enough blocks were seen for the long means to say something.
    var isWarm: Bool { blocks >= Self.longWindow }

    /// Takes the next block in.
    mutating func advance(_ block: FeeBlock) {
        let fee = block.logFee
        let full = block.fullness
        let time = Double(block.timestamp)
        interval = blocks == 0 ? 0 : max(time - timestamp, 0)
        timestamp = time
        for (index, span) in Self.spans.enumerated() {
            let weight = blocks == 0 ? 1 : 2 / Double(span + 1)
            fullnessMeans[index] += weight * (full - fullnessMeans[index])
            feeMeans[index] += weight * (fee - feeMeans[index])
        }
        intervalMean += (blocks < 2 ? 1 : 2.0 / 17) * (interval - intervalMean)
        fullness.append(full)
        if fullness.count > 64 { fullness.removeFirst() }
        fees.append(fee)
        feeSum += fee
        if fees.count > Self.longWindow { feeSum -= fees.removeFirst() }
        next = block.nextFee.logarithm
        blocks += 1
    }

    /// The features after the last block, in the order of ``names``.
    func row() -> [Float] {
        precondition(!fees.isEmpty, "A block was taken in.")
        var row: [Double] = []
        row.reserveCapacity(Self.names.count)
        for lag in 0..<Self.lags {
            row.append(lag < fullness.count ? fullness[fullness.count - 1 - lag] : .nan)
        }
        row += fullnessMeans
        row += feeMeans.map { next - $0 }
        row.append(next - fees[fees.count - 1])
        for back in [4, 8] {
            row.append(fees.count > back ? next - fees[fees.count - 1 - back] : .nan)
        }
        row.append(spread(of: fullness.suffix(16)))
        row.append(spread(of: fullness))
        let recent = fullness.suffix(16)
        row.append(Double(recent.count { $0 > 1.95 }) / Double(recent.count))
        row.append(Double(recent.count { $0 < 0.05 }) / Double(recent.count))
        row.append(interval)
        row.append(intervalMean)
        let angle = timestamp.truncatingRemainder(dividingBy: 86_400) / 86_400 * 2 * .pi
        row.append(sin(angle))
        row.append(cos(angle))
        return row.map(Float.init)
    }

    /// The next fee over its exponential mean of 16 blocks, as a logarithm.
    var feeOverMean16: Double { next - feeMeans[1] }
    /// The next fee over its exponential mean of 64 blocks, as a logarithm.
    var feeOverMean64: Double { next - feeMeans[2] }
    /// The exponential mean of the fullness of 4 blocks.
    var fullnessMean4: Double { fullnessMeans[0] }

    /// What a rule without a model says the base fee will be, relative to the next one.
    func forecast(_ baseline: FeeBaseline) -> Double {
        switch baseline {
        case .nextFee: 0
        case .lastFee: fees[fees.count - 1] - next
        case .mean16: feeMeans[1] - next
        case .mean256: feeSum / Double(fees.count) - next
        }
    }

    private func spread(of values: some Collection<Double>) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
            .squareRoot()
    }
}

/// The rules that a model must beat to be heard.
public enum FeeBaseline: String, Sendable, Hashable, Codable, CaseIterable {
    /// The fee stays what the next block's is.
    case nextFee = "next fee"
    /// The fee stays what the last block's was.
    case lastFee = "last fee"
    /// The exponential mean of the last 16 blocks.
    case mean16 = "mean of 16"
    /// The mean of the last 256 blocks.
    case mean256 = "mean of 256"
}
