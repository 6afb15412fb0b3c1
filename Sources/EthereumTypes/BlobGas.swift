public import Primitives

/// The market of blob gas: EIP-4844, its parameters by fork (EIP-7691, EIP-7840, EIP-7892) and the
/// reserve price of EIP-7918.

/// How many blobs a block may and should carry, and how fast their price moves.
public struct BlobParameters: Hashable, Sendable {
    /// Blobs a block at which the price stays.
    public var target: UInt64
    /// Blobs a block at most.
    public var max: UInt64
    /// `BLOB_BASE_FEE_UPDATE_FRACTION`: the larger, the slower the price moves. Not zero.
    public var baseFeeUpdateFraction: UInt64

    /// Parameters of a chain.
    public init(target: UInt64, max: UInt64, baseFeeUpdateFraction: UInt64) {
        self.target = target
        self.max = max
        self.baseFeeUpdateFraction = baseFeeUpdateFraction
    }

    /// Gas of one blob: `GAS_PER_BLOB` of EIP-4844.
    public static let gasPerBlob: Gas = 1 << 17
    /// Wei a unit of blob gas costs at least: `MIN_BASE_FEE_PER_BLOB_GAS` of EIP-4844.
    public static let minimumBaseFee: Wei = .one
    /// Execution gas that a blob must at least be worth: `BLOB_BASE_COST` of EIP-7918.
    public static let baseCost: Gas = 1 << 13
    /// Blobs a transaction may carry from Osaka on (EIP-7594).
    public static let maxPerTransaction = 6

    /// EIP-4844.
    public static let cancun = BlobParameters(
        target: 3, max: 6, baseFeeUpdateFraction: 3_338_477)
    /// EIP-7691.
    public static let prague = BlobParameters(
        target: 6, max: 9, baseFeeUpdateFraction: 5_007_716)
    /// Osaka itself changes no blob parameter.
    public static let osaka = prague
    /// The first step after Osaka on mainnet (EIP-7892).
    public static let bpo1 = BlobParameters(
        target: 10, max: 15, baseFeeUpdateFraction: 8_346_193)
    /// The second step after Osaka on mainnet (EIP-7892).
    public static let bpo2 = BlobParameters(
        target: 14, max: 21, baseFeeUpdateFraction: 11_684_671)

    /// Mainnet's parameters by fork.
    public static let mainnetSchedule: [Fork: BlobParameters] = [
        .cancun: cancun, .prague: prague, .osaka: osaka, .bpo1: bpo1, .bpo2: bpo2,
    ]

    /// Blob gas a block at most uses.
    public var maxGas: Gas { Self.gas(ofBlobs: max) }
    /// Blob gas a block at which the price stays.
    public var targetGas: Gas { Self.gas(ofBlobs: target) }

    private static func gas(ofBlobs count: UInt64) -> Gas {
        let (gas, overflow) = count.multipliedReportingOverflow(by: gasPerBlob)
        return overflow ? .max : gas
    }
}

/// The blob gas that the chain is above its target, for the child of a block: `excess_blob_gas`.
///
/// EIP-4844 `calc_excess_blob_gas`, from Osaka on with EIP-7918. A parent before Cancun counts as
/// one without blobs.
///
/// - Parameters:
///   - parameters: those in force at the child's fork.
///   - fork: the child's fork.
public func excessBlobGas(
    parent: Header, parameters: BlobParameters, fork: Fork
) -> Gas {
    let parentExcess = parent.excessBlobGas ?? 0
    let parentUsed = parent.blobGasUsed ?? 0
    let excess = saturatingSum(parentExcess, parentUsed)
    guard excess >= parameters.targetGas else { return 0 }

    if fork >= .osaka, parameters.max > 0, let baseFee = parent.baseFeePerGas {
        let reservePrice = saturatingProduct(baseFee, BlobParameters.baseCost)
        let blobPrice = saturatingProduct(
            blobBaseFee(excessBlobGas: parentExcess, parameters: parameters),
            BlobParameters.gasPerBlob)
        if reservePrice > blobPrice {
            // parentUsed * (max - target) / max, without overflow for any header.
            let room = parameters.max - min(parameters.target, parameters.max)
            let product = parentUsed.multipliedFullWidth(by: room)
            guard product.high < parameters.max else { return .max }
            let scaled = parameters.max.dividingFullWidth(product).quotient
            return saturatingSum(parentExcess, scaled)
        }
    }
    return excess - parameters.targetGas
}

/// Wei per unit of blob gas: EIP-4844 `get_base_fee_per_blob_gas`.
///
/// - Returns: the fee, or the largest word where it would not fit one.
public func blobBaseFee(excessBlobGas: Gas, parameters: BlobParameters) -> Wei {
    fakeExponential(
        factor: 1, numerator: excessBlobGas, denominator: parameters.baseFeeUpdateFraction)
}

/// `factor * e ** (numerator / denominator)` by Taylor expansion: EIP-4844 `fake_exponential`.
///
/// - Returns: the value, or the largest word where it would not fit one (also for a denominator of
///   zero).
public func fakeExponential(factor: UInt64, numerator: UInt64, denominator: UInt64) -> UInt256 {
    guard factor > 0 else { return .zero }
    // e ** 178 > 2 ** 256: no need to sum up what cannot be represented. This also bounds the
    // number of terms, and with it the width of the sum, to a few hundred bits.
    guard denominator > 0, numerator / denominator < 178 else { return .max }
    var term = WideInteger(factor)
    term.multiply(by: denominator)
    var sum = WideInteger(0)
    var index: UInt64 = 1
    while !term.isZero {
        sum.add(term)
        // Two floors one after the other are the floor of the whole division.
        term.multiply(by: numerator)
        term.divide(by: denominator)
        term.divide(by: index)
        index += 1
    }
    sum.divide(by: denominator)
    return sum.asUInt256 ?? .max
}

/// An unsigned integer of any width, as far as ``fakeExponential(factor:numerator:denominator:)``
/// needs one. Runs once a block.
private struct WideInteger {
    /// Little-endian, without zeros at the high end.
    private var limbs: [UInt64]

    init(_ value: UInt64) { limbs = value == 0 ? [] : [value] }

    var isZero: Bool { limbs.isEmpty }

    var asUInt256: UInt256? {
        guard limbs.count <= 4 else { return nil }
        func limb(_ index: Int) -> UInt64 { index < limbs.count ? limbs[index] : 0 }
        return UInt256(l0: limb(0), l1: limb(1), l2: limb(2), l3: limb(3))
    }

    mutating func multiply(by factor: UInt64) {
        var carry: UInt64 = 0
        for index in limbs.indices {
            let product = limbs[index].multipliedFullWidth(by: factor)
            let (low, overflow) = product.low.addingReportingOverflow(carry)
            limbs[index] = low
            carry = product.high &+ (overflow ? 1 : 0)
        }
        if carry > 0 { limbs.append(carry) }
        trim()
    }

    /// - Precondition: `divisor` is not zero.
    mutating func divide(by divisor: UInt64) {
        var remainder: UInt64 = 0
        for index in limbs.indices.reversed() {
            (limbs[index], remainder) = divisor.dividingFullWidth((remainder, limbs[index]))
        }
        trim()
    }

    mutating func add(_ other: WideInteger) {
        var carry: UInt64 = 0
        for index in 0..<max(limbs.count, other.limbs.count) {
            if index == limbs.count { limbs.append(0) }
            let right = index < other.limbs.count ? other.limbs[index] : 0
            let (partial, first) = limbs[index].addingReportingOverflow(right)
            let (total, second) = partial.addingReportingOverflow(carry)
            limbs[index] = total
            carry = (first ? 1 : 0) &+ (second ? 1 : 0)
        }
        if carry > 0 { limbs.append(carry) }
    }

    private mutating func trim() {
        while limbs.last == 0 { limbs.removeLast() }
    }
}

private func saturatingProduct(_ left: UInt256, _ right: UInt64) -> UInt256 {
    let (product, overflow) = left.multipliedReportingOverflow(by: UInt256(right))
    return overflow ? .max : product
}
