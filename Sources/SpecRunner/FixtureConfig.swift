//  The chains that fixtures run on.

import EthereumTypes
import Primitives

extension ChainConfig {
    /// The rules of one fork from genesis on, with the chain id and blob schedule of the fixture's
    /// `config`.
    init(fixture config: JSONValue?, fork: Fork) throws(FixtureError) {
        self = .single(fork, chainId: 1)
        try apply(fixture: config)
    }

    /// The chain that the name of a network stands for: a fork from genesis on, or a transition from
    /// one to the next.
    init(fixture config: JSONValue?, network: String) throws(FixtureError) {
        if let fork = Fork(name: network) {
            self = .single(fork, chainId: 1)
        } else {
            self = try Self.transition(network)
        }
        try apply(fixture: config)
    }

    private mutating func apply(fixture config: JSONValue?) throws(FixtureError) {
        // The deposit contract of mainnet, whatever the chain.
        depositContractAddress = ChainConfig.mainnet.depositContractAddress
        guard let config else { return }
        for key in ["chainid", "chainId"] where config[key] != nil {
            chainId = try config.uint64(key)
        }
        for (name, value) in config["blobSchedule"]?.objectValue ?? [:] {
            guard let fork = Fork(name: name) else {
                throw FixtureError("unknown fork \(name) in the blob schedule")
            }
            blobSchedule[fork] = BlobParameters(
                target: try value.uint64("target"), max: try value.uint64("max"),
                baseFeeUpdateFraction: try value.uint64("baseFeeUpdateFraction"))
        }
    }

    /// `AToBAtN`: the rules of A, and those of B from block N, timestamp N or total difficulty N on.
    private static func transition(_ network: String) throws(FixtureError) -> ChainConfig {
        func fail() -> FixtureError { FixtureError("unknown network \(network)") }
        guard let middle = network.firstRange(of: "To"),
            let end = network.firstRange(of: "At")
        else { throw fail() }
        guard middle.upperBound <= end.lowerBound,
            let before = Fork(name: String(network[..<middle.lowerBound])),
            let after = Fork(name: String(network[middle.upperBound..<end.lowerBound]))
        else { throw fail() }
        let point = network[end.upperBound...]
        let activation: ForkActivation
        if point.hasPrefix("Time") {
            let text = point.dropFirst(4)
            let number =
                text.hasSuffix("k") ? UInt64(text.dropLast()).map { $0 * 1000 } : UInt64(text)
            guard let number else { throw fail() }
            activation = .timestamp(number)
        } else if point.hasPrefix("Diff") {
            guard let difficulty = UInt256(hex: "0x" + point.dropFirst(4)) else { throw fail() }
            activation = .totalDifficulty(difficulty)
        } else {
            guard let number = BlockNumber(point) else { throw fail() }
            activation = .block(number)
        }
        var config = ChainConfig.single(before, chainId: 1)
        for fork in Fork.allCases where fork > before && fork <= after {
            // The DAO fork is one chain's history: only its own test has it.
            if fork == .dao, after != .dao { continue }
            config.setActivation(of: fork, to: activation)
        }
        config.daoForkSupport = after == .dao
        return config
    }
}
