public import EthereumTypes
public import Primitives

/// What a block says about fees.
public struct FeeBlock: Sendable, Hashable {
    /// The number of the block.
    public let number: BlockNumber
    /// When it was made, in seconds since 1970.
    public let timestamp: Timestamp
    /// The gas that its transactions used.
    public let gasUsed: Gas
    /// The most gas that they could have used.
    public let gasLimit: Gas
    /// The base fee in wei.
    public let baseFeePerGas: Wei

    /// A block by its numbers.
    public init(
        number: BlockNumber, timestamp: Timestamp, gasUsed: Gas, gasLimit: Gas, baseFeePerGas: Wei
    ) {
        self.number = number
        self.timestamp = timestamp
        self.gasUsed = gasUsed
        self.gasLimit = gasLimit
        self.baseFeePerGas = baseFeePerGas
    }

    /// A block of the chain; `nil` before the London fork, which brought the base fee.
    public init?(_ header: Header) {
        guard let baseFee = header.baseFeePerGas else { return nil }
        self.init(
            number: header.number, timestamp: header.timestamp, gasUsed: header.gasUsed,
            gasLimit: header.gasLimit, baseFeePerGas: baseFee)
    }

    /// The base fee of the next block: exact, by the formula of EIP-1559.
    public var nextFee: Wei {
        nextBaseFee(baseFeePerGas: baseFeePerGas, gasUsed: gasUsed, gasLimit: gasLimit)
    }

    /// The gas used over the target: 1 leaves the base fee as it is, 2 is a full block.
    var fullness: Double {
        let target = gasLimit / BaseFee.elasticityMultiplier
        return target == 0 ? 1 : Double(gasUsed) / Double(target)
    }
}

/// What the protocol allows the base fee to become.
enum FeeBounds {
    /// The lowest and the highest base fee so many blocks later: all of them empty, or all full.
    ///
    /// - Parameters:
    ///   - fee: the base fee to begin with.
    ///   - gasLimit: of the blocks; only rounding depends on it.
    static func after(_ steps: Int, from fee: Wei, gasLimit: Gas) -> (low: Wei, high: Wei) {
        var low = fee
        var high = fee
        let full = gasLimit / BaseFee.elasticityMultiplier * BaseFee.elasticityMultiplier
        for _ in 0..<steps {
            low = nextBaseFee(baseFeePerGas: low, gasUsed: 0, gasLimit: gasLimit)
            high = nextBaseFee(baseFeePerGas: high, gasUsed: full, gasLimit: gasLimit)
        }
        return (low, high)
    }
}
