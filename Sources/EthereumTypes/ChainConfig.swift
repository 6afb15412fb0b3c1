public import Primitives

/// The identity of a chain and the schedule of its forks.
///
/// A chain can cross all forks: up to Gray Glacier they begin at a block number, Paris at a total
/// difficulty, later ones at a timestamp. Which fork a block belongs to is decided here and only
/// here; whether a block is after the merge is what its difficulty says (zero from then on,
/// EIP-3675).

/// When a fork begins.
public enum ForkActivation: Hashable, Sendable {
    /// From this block number on: forks before the merge.
    case block(BlockNumber)
    /// With the first block whose parent's total difficulty has reached this: Paris.
    case totalDifficulty(UInt256)
    /// From this timestamp on: forks after the merge.
    case timestamp(Timestamp)
}

/// The rules that a chain agreed on.
public struct ChainConfig: Hashable, Sendable {
    /// Replay protection (EIP-155) and the answer of `eth_chainId`.
    public var chainId: UInt64

    /// When each fork begins; a fork that is not listed never begins by itself, but its rules hold
    /// from the next later fork on.
    public private(set) var activations: [Fork: ForkActivation]

    /// Blob parameters by the fork that introduced them (EIP-7840); see ``blobParameters(at:)``.
    public var blobSchedule: [Fork: BlobParameters]

    /// The contract whose logs are the deposit requests of EIP-6110.
    public var depositContractAddress: Address

    /// Whether the chain made the DAO's irregular state change, or refused it.
    public var daoForkSupport: Bool

    /// Only part of the fork identifier of EIP-2124: no rule depends on it.
    public var mergeNetsplitBlock: BlockNumber?

    /// The most gas of one transaction from Osaka on, where the chain has another cap than EIP-7825's.
    public var transactionGasCap: Gas?

    /// The activations from the newest fork to the oldest: what ``fork(number:timestamp:isPostMerge:)``
    /// walks.
    private var newestFirst: [Step]

    private struct Step: Hashable, Sendable {
        let fork: Fork
        let activation: ForkActivation
    }

    /// A chain with this schedule.
    public init(
        chainId: UInt64,
        activations: [Fork: ForkActivation],
        blobSchedule: [Fork: BlobParameters] = BlobParameters.mainnetSchedule,
        depositContractAddress: Address = .zero,
        daoForkSupport: Bool = false,
        mergeNetsplitBlock: BlockNumber? = nil,
        transactionGasCap: Gas? = nil
    ) {
        self.chainId = chainId
        self.activations = activations
        self.blobSchedule = blobSchedule
        self.depositContractAddress = depositContractAddress
        self.daoForkSupport = daoForkSupport
        self.mergeNetsplitBlock = mergeNetsplitBlock
        self.transactionGasCap = transactionGasCap
        newestFirst = Self.sorted(activations)
    }

    /// The fork whose rules a block follows.
    ///
    /// - Parameter isPostMerge: whether the block's difficulty is zero. Forks that begin at a
    ///   timestamp hold only then.
    public func fork(
        number: BlockNumber, timestamp: Timestamp, isPostMerge: Bool
    ) -> Fork {
        for step in newestFirst {
            let isActive =
                switch step.activation {
                case .block(let first): number >= first
                case .totalDifficulty: isPostMerge
                case .timestamp(let first): isPostMerge && timestamp >= first
                }
            if isActive { return isPostMerge ? max(step.fork, .paris) : step.fork }
        }
        return isPostMerge ? .paris : .frontier
    }

    /// The fork whose rules the block of this header follows.
    public func fork(of header: Header) -> Fork {
        fork(
            number: header.number, timestamp: header.timestamp,
            isPostMerge: header.difficulty.isZero)
    }

    /// When a fork begins, if it is scheduled.
    public func activation(of fork: Fork) -> ForkActivation? { activations[fork] }

    /// Schedules a fork, or with `nil` takes it off the schedule.
    public mutating func setActivation(of fork: Fork, to activation: ForkActivation?) {
        activations[fork] = activation
        newestFirst = Self.sorted(activations)
    }

    /// The block number at which a fork begins, if it begins at one.
    public func blockNumber(of fork: Fork) -> BlockNumber? {
        guard case .block(let number) = activations[fork] else { return nil }
        return number
    }

    /// The timestamp at which a fork begins, if it begins at one.
    public func timestamp(of fork: Fork) -> Timestamp? {
        guard case .timestamp(let timestamp) = activations[fork] else { return nil }
        return timestamp
    }

    /// The total difficulty that ends proof of work; `nil` on a chain that never merges.
    public var terminalTotalDifficulty: UInt256? {
        guard case .totalDifficulty(let difficulty) = activations[.paris] else { return nil }
        return difficulty
    }

    /// The blob parameters in force at a fork: those of the newest scheduled entry up to it, or
    /// `nil` before Cancun.
    ///
    /// A chain without any entry of its own has mainnet's.
    public func blobParameters(at fork: Fork) -> BlobParameters? {
        guard fork >= .cancun else { return nil }
        let schedule = blobSchedule.isEmpty ? BlobParameters.mainnetSchedule : blobSchedule
        var newest: (fork: Fork, parameters: BlobParameters)?
        for (entry, parameters) in schedule where entry <= fork {
            if let newest, newest.fork > entry { continue }
            newest = (entry, parameters)
        }
        return newest?.parameters
    }

    /// A chain on which one fork holds from genesis on: devnets and tests.
    public static func single(_ fork: Fork, chainId: UInt64) -> ChainConfig {
        var activations: [Fork: ForkActivation] = [:]
        for earlier in Fork.allCases where earlier <= fork && earlier != .frontier {
            activations[earlier] =
                switch earlier {
                case ..<Fork.paris: .block(0)
                case .paris: .totalDifficulty(.zero)
                default: .timestamp(0)
                }
        }
        // The DAO fork is one chain's history, not a rule: no other chain schedules it.
        activations[.dao] = fork == .dao ? .block(0) : nil
        return ChainConfig(
            chainId: chainId, activations: activations, daoForkSupport: fork == .dao)
    }

    private static func sorted(_ activations: [Fork: ForkActivation]) -> [Step] {
        activations.map { Step(fork: $0.key, activation: $0.value) }.sorted { $0.fork > $1.fork }
    }
}
