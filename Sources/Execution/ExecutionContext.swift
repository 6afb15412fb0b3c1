//  Where transactions run: the rules of a fork and the fields of a block, taken from a header.

public import EVM
public import EthereumTypes
public import Primitives
import State

/// The rules and the block that transactions are executed under.
public struct ExecutionContext: Sendable {
    /// The chain.
    public var config: ChainConfig
    /// The fork whose rules hold.
    public var fork: Fork
    /// The limits and prices of blobs; nil before Cancun.
    public var blobParameters: BlobParameters?
    /// What code can learn about the block.
    public var block: BlockEnvironment
    /// Ends what runs in this context, for who cannot wait; then messages halt as `cancelled`.
    public var cancellation: Cancellation?
    /// Whether a block without the contracts of EIP-7002 and EIP-7251 is invalid. In a state test,
    /// whose state has none, it is not.
    public var requiresSystemContracts = true
    /// When code is decoded; the official tests run with each.
    package var decoding = Decoding.whenHot
    /// Precompiles that a simulation has moved; nil: all are in their places.
    public var movedPrecompiles: MovedPrecompiles?

    /// The context of a block by the rules of a fork.
    public init(config: ChainConfig, fork: Fork, block: BlockEnvironment) {
        self.config = config
        self.fork = fork
        self.block = block
        blobParameters = config.blobParameters(at: fork)
    }

    /// The context of the block that `header` describes.
    public init(header: Header, config: ChainConfig) {
        self.init(header: header, config: config, fork: config.fork(of: header))
    }

    /// The context of the block that `header` describes, by the rules of a fork.
    public init(header: Header, config: ChainConfig, fork: Fork) {
        let block = BlockEnvironment(
            coinbase: header.coinbase,
            number: header.number,
            timestamp: header.timestamp,
            gasLimit: header.gasLimit,
            baseFeePerGas: header.baseFeePerGas ?? .zero,
            difficulty: fork >= .paris ? .zero : header.difficulty,
            prevRandao: header.prevRandao,
            blobBaseFee: Self.blobBaseFee(of: header, config.blobParameters(at: fork)),
            chainId: UInt256(config.chainId))
        self.init(config: config, fork: fork, block: block)
    }

    /// The most blob gas that the block may hold.
    public var maxBlobGas: Gas {
        blobParameters?.maxGas ?? 0
    }

    /// The base fee that transactions pay; nil before London.
    public var baseFeePerGas: Wei? { fork >= .london ? block.baseFeePerGas : nil }

    /// What becomes of empty accounts that a transaction touches (EIP-161).
    var emptyAccounts: EmptyAccountRule { fork >= .spuriousDragon ? .deleteTouched : .keep }

    private static func blobBaseFee(of header: Header, _ parameters: BlobParameters?) -> Wei {
        guard let parameters, let excess = header.excessBlobGas else { return .zero }
        return EthereumTypes.blobBaseFee(excessBlobGas: excess, parameters: parameters)
    }
}
