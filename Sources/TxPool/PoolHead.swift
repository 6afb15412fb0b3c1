public import EthereumTypes
import Execution
public import Primitives
public import State

/// What the pool knows about the chain: the head, the state after it and the block that comes next.
public struct PoolHead: Sendable {
    /// The rules of the chain.
    public let config: ChainConfig
    /// The head's header.
    public let header: Header
    /// The state that the next block is built on.
    public let state: any StateReader & Sendable
    /// The fork that the next block will follow.
    public let fork: Fork
    /// The gas limit of the next block.
    public let gasLimit: Gas
    /// The base fee of the next block; `nil` before London.
    public let baseFee: Wei?
    /// The price of blob gas in the next block.
    public let blobBaseFee: Wei

    /// - Parameters:
    ///   - now: the time at which the next block would be made now.
    ///   - overrides: what the next block's producer was told about it.
    public init(
        header: Header, config: ChainConfig, state: any StateReader & Sendable, now: Timestamp,
        overrides: NextBlockOverrides = NextBlockOverrides()
    ) {
        self.config = config
        self.header = header
        self.state = state
        // The merge is done where the head says so, or where it has reached the terminal
        // difficulty all alone, as the genesis of a network for tests does.
        let isMerged =
            header.isPostMerge
            || config.terminalTotalDifficulty.map { header.difficulty >= $0 } ?? false
        fork = config.fork(
            number: header.number &+ 1, timestamp: max(now, header.timestamp),
            isPostMerge: isMerged)
        gasLimit = overrides.gasLimit ?? nextGasLimit(parent: header, target: nil, at: fork)
        baseFee = fork >= .london ? overrides.baseFeePerGas ?? nextBaseFee(parent: header) : nil
        if let parameters = config.blobParameters(at: fork) {
            let excess = excessBlobGas(parent: header, parameters: parameters, fork: fork)
            blobBaseFee = EthereumTypes.blobBaseFee(
                excessBlobGas: excess, parameters: parameters)
        } else {
            blobBaseFee = .zero
        }
    }
}

/// What whoever makes the next block was told about it, beside what follows from its parent.
public struct NextBlockOverrides: Hashable, Sendable {
    /// The gas limit, if it is not the parent's.
    public var gasLimit: Gas?
    /// The base fee, if it is not what follows from the parent.
    public var baseFeePerGas: Wei?

    /// Nothing but what is given.
    public init(gasLimit: Gas? = nil, baseFeePerGas: Wei? = nil) {
        self.gasLimit = gasLimit
        self.baseFeePerGas = baseFeePerGas
    }
}
