public import Primitives

/// The base fee of EIP-1559.
public enum BaseFee {
    /// Wei per gas in a chain's first block with a base fee: `INITIAL_BASE_FEE`.
    public static let initial: Wei = 1_000_000_000
    /// The base fee moves by at most one part in this many a block: `BASE_FEE_MAX_CHANGE_DENOMINATOR`.
    public static let maxChangeDenominator: UInt64 = 8
    /// Gas limit over gas target: `ELASTICITY_MULTIPLIER`.
    public static let elasticityMultiplier: UInt64 = 2
}

/// The base fee that the child of a block must have: EIP-1559 and EELS `calculate_base_fee_per_gas`.
///
/// - Returns: the initial base fee if the parent has none (it is before London).
public func nextBaseFee(parent: Header) -> Wei {
    guard let baseFee = parent.baseFeePerGas else { return BaseFee.initial }
    return nextBaseFee(
        baseFeePerGas: baseFee, gasUsed: parent.gasUsed, gasLimit: parent.gasLimit)
}

/// The base fee that the child of a block with these numbers must have.
public func nextBaseFee(baseFeePerGas baseFee: Wei, gasUsed: Gas, gasLimit: Gas) -> Wei {
    let target = gasLimit / BaseFee.elasticityMultiplier
    guard target > 0, gasUsed != target else { return baseFee }

    if gasUsed > target {
        let delta = max(scaledDelta(baseFee, gasUsed - target, target), .one)
        let (sum, overflow) = baseFee.addingReportingOverflow(delta)
        return overflow ? .max : sum
    }
    let delta = scaledDelta(baseFee, target - gasUsed, target)
    return delta < baseFee ? baseFee &- delta : .zero
}

/// ⌊⌊baseFee · gasDelta / target⌋ / 8⌋ without a product of more than 256 bits:
/// with baseFee = q · target + r, the inner quotient is q · gasDelta + ⌊r · gasDelta / target⌋.
private func scaledDelta(_ baseFee: Wei, _ gasDelta: Gas, _ target: Gas) -> Wei {
    let (quotient, remainder) = baseFee.quotientAndRemainder(dividingBy: UInt256(target))
    let small = (remainder &* UInt256(gasDelta)).divided(by: UInt256(target))
    let (large, productOverflow) = quotient.multipliedReportingOverflow(by: UInt256(gasDelta))
    let (sum, sumOverflow) = large.addingReportingOverflow(small)
    let scaled = productOverflow || sumOverflow ? .max : sum
    return scaled.divided(by: UInt256(BaseFee.maxChangeDenominator))
}
