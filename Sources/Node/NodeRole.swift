import BlockProduction
public import Chain
import Foundation
public import Primitives

/// Who makes the blocks of a node's chain.
public enum NodeRole: Sendable {
    /// Nobody: the node serves what is there.
    case passive
    /// The node, at an interval, without seals.
    case producer(period: Duration)
    /// The node, with the seal of a key.
    case sealer(SealerRole)
    /// A consensus client, over the Engine API.
    case engine(EngineRole)
    /// Another node, which this one replicates.
    case follower(FollowerRole)
}

extension NodeRole {
    /// The time between the blocks of the chain, as far as this node makes them all by a clock.
    var period: Duration? {
        switch self {
        case .producer(let period): period
        case .sealer(let role): role.makesEmptyBlocks ? role.period : nil
        case .passive, .engine, .follower: nil
        }
    }
}

/// A node that makes and seals the blocks of a private chain.
public struct SealerRole: Sendable {
    /// Time between blocks, or the least time where there are only blocks with transactions.
    public var period: Duration
    /// Whether blocks without transactions are made.
    public var makesEmptyBlocks: Bool
    /// The file with the private key; made if it is not there.
    public var keyFile: String
    /// What the headers carry, 32 bytes at most.
    public var extraData: Bytes
}

/// A node that a consensus client drives.
public struct EngineRole: Sendable {
    /// The address of the Engine API's port.
    public var host: String
    /// The port; 0 picks a free one.
    public var port: Int
    /// The file with the shared secret; made if it is not there.
    public var secretFile: String
    /// What the headers of blocks from here carry, 32 bytes at most.
    public var extraData: Bytes
}

/// A node that replicates another one.
public struct FollowerRole: Sendable {
    /// The JSON-RPC address of the other node.
    public var upstream: String
    /// Who may seal blocks; if nobody is named, seals are not looked at.
    public var sealers: [Address]
    /// Whether blocks before the merge must prove work: not where sealers vouch for them.
    public var seal: SealRule
}

extension NodeRole {
    /// Reads who makes the blocks.
    ///
    /// - Throws: `StartupError` for a value that does not parse, a setting without the role that it
    ///   belongs to, and more than one role.
    init(
        from settings: inout Settings, blockTime: Duration?, dataDirectory: String
    ) throws(StartupError) {
        let isSealer = try settings.flag("sealer")
        let isEngine = try settings.flag("engine")
        let upstream = settings.text("follow")
        let period = try settings.value("period", expecting: "a number of seconds, at least 1") {
            NodeSettings.seconds($0)
        }
        let emptyBlocks = try settings.value("empty-blocks", expecting: "true or false") {
            Bool($0)
        }
        let keyFile = settings.text("sealer-key")
        let extraData =
            try settings.value("extra-data", expecting: "at most 32 bytes, as text or 0x…") {
                text -> Bytes? in
                let bytes = text.hasPrefix("0x") ? Hex.decode(text) : Bytes(text.utf8)
                return bytes.flatMap { $0.count <= 32 ? $0 : nil }
            }
        let engineHost = settings.text("engine-host")
        let enginePort = try settings.integer("engine-port", in: 0...65535)
        let secretFile = settings.text("engine-jwt-secret")
        let sealers = try settings.value("sealers", expecting: "addresses, separated by commas") {
            text -> [Address]? in
            let names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            let addresses = names.compactMap { Address(hex: $0) }
            return addresses.count == names.count && !names.isEmpty ? addresses : nil
        }

        let isUnsealed = try settings.flag("unsealed")

        let chosen = [
            isSealer ? "--sealer" : nil, isEngine ? "--engine" : nil,
            upstream == nil ? nil : "--follow",
        ].compactMap(\.self)
        guard chosen.count <= 1 else {
            throw StartupError(
                .usage,
                "\(chosen.joined(separator: " and ")) do not go together: each says who makes the "
                    + "blocks")
        }
        try Self.require(
            isSealer, "--sealer",
            for: [
                ("period", period != nil),
                ("empty-blocks", emptyBlocks != nil), ("sealer-key", keyFile != nil),
            ])
        try Self.require(
            isEngine, "--engine",
            for: [
                ("engine-host", engineHost != nil),
                ("engine-port", enginePort != nil), ("engine-jwt-secret", secretFile != nil),
            ])
        try Self.require(
            upstream != nil, "--follow",
            for: [("sealers", sealers != nil), ("unsealed", isUnsealed)])
        try Self.require(
            isSealer || isEngine, "--sealer or --engine", for: [("extra-data", extraData != nil)])

        if isSealer {
            guard period == nil || blockTime == nil else {
                throw StartupError(.usage, "--period and --block-time mean the same; give one")
            }
            let period = period ?? blockTime ?? .seconds(2)
            try Self.requireWholeSecond(period, blockTime == nil ? "--period" : "--block-time")
            self = .sealer(
                SealerRole(
                    period: period,
                    makesEmptyBlocks: emptyBlocks ?? true,
                    keyFile: keyFile ?? dataDirectory + "/sealer.key",
                    extraData: extraData ?? []))
        } else if isEngine {
            try Self.refuse(blockTime, with: "--engine")
            self = .engine(
                EngineRole(
                    host: engineHost ?? "127.0.0.1", port: Int(enginePort ?? 8551),
                    secretFile: secretFile ?? dataDirectory + "/jwt.hex",
                    extraData: extraData ?? []))
        } else if let upstream {
            try Self.refuse(blockTime, with: "--follow")
            guard upstream.hasPrefix("http://") || upstream.hasPrefix("https://") else {
                throw StartupError(
                    .configuration,
                    "--follow: '\(upstream)' is not the http or https address of a node"
                )
            }
            self = .follower(
                FollowerRole(
                    upstream: upstream, sealers: sealers ?? [],
                    seal: isUnsealed || sealers != nil ? .unchecked : .proofOfWork))
        } else if let blockTime {
            try Self.requireWholeSecond(blockTime, "--block-time")
            self = .producer(period: blockTime)
        } else {
            self = .passive
        }
    }

    private static func require(
        _ isChosen: Bool, _ role: String, for given: [(name: String, isGiven: Bool)]
    ) throws(StartupError) {
        guard !isChosen, let name = given.first(where: \.isGiven)?.name else { return }
        throw StartupError(.usage, "--\(name) needs \(role)")
    }

    /// A block is at least a second later than its parent, so blocks that come faster would run ahead
    /// of the clock, further with each one.
    private static func requireWholeSecond(
        _ period: Duration, _ name: String
    ) throws(StartupError) {
        guard period < .seconds(1) else { return }
        throw StartupError(
            .configuration,
            "\(name): \(period / .seconds(1)) is too short, the least is 1 second: blocks that come "
                + "faster have timestamps that run ahead of the clock")
    }

    private static func refuse(_ blockTime: Duration?, with role: String) throws(StartupError) {
        guard blockTime != nil else { return }
        throw StartupError(
            .usage, "--block-time does not go with \(role): the blocks come from elsewhere")
    }
}
