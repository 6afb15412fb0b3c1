public import Primitives

/// The `config` object of geth's genesis files, and of Besu's.
///
/// Sections about a consensus of proof of authority say who makes the blocks, which this node knows
/// from elsewhere: they are left aside, and the chain has proof of stake's blocks from block 1 on.
/// `transactionGasCap` is this node's own; other nodes keep EIP-7825's cap.
extension ChainConfig {
    /// Reads the `config` object of a genesis file.
    public init(json: JSONValue) throws(GenesisError) {
        try self.init(field: JSONField(path: "config", value: json))
    }

    /// Forks that begin at a block, by key. Two keys stand for Spurious Dragon.
    private static let blockKeys: [(key: String, fork: Fork)] = [
        ("homesteadBlock", .homestead), ("daoForkBlock", .dao),
        ("eip150Block", .tangerineWhistle), ("eip158Block", .spuriousDragon),
        ("byzantiumBlock", .byzantium), ("constantinopleBlock", .constantinople),
        ("petersburgBlock", .petersburg), ("istanbulBlock", .istanbul),
        ("muirGlacierBlock", .muirGlacier), ("berlinBlock", .berlin), ("londonBlock", .london),
        ("arrowGlacierBlock", .arrowGlacier), ("grayGlacierBlock", .grayGlacier),
    ]

    /// Besu's names of what geth calls otherwise.
    private static let otherNames = [
        "constantinopleFixBlock": "petersburgBlock", "mergeNetSplitBlock": "mergeNetsplitBlock",
    ]

    /// Sections of a consensus of proof of authority: geth's Clique, and those of Besu.
    static let authoritySections = ["clique", "qbft", "ibft2", "ibft"]

    /// Members that change what blocks are valid in a way that this node does not have.
    private static let refusedKeys = [
        "zeroBaseFee", "fixedBaseFee", "contractSizeLimit", "evmStackSize", "ecCurve",
    ]

    /// Forks that begin at a timestamp, by key.
    private static let timeKeys: [(key: String, fork: Fork)] = [
        ("shanghaiTime", .shanghai), ("cancunTime", .cancun), ("pragueTime", .prague),
        ("osakaTime", .osaka), ("bpo1Time", .bpo1), ("bpo2Time", .bpo2), ("bpo3Time", .bpo3),
        ("bpo4Time", .bpo4), ("bpo5Time", .bpo5),
    ]

    init(field given: JSONField) throws(GenesisError) {
        let field = try Self.withUsualNames(given)
        var activations: [Fork: ForkActivation] = [:]
        for (key, fork) in Self.blockKeys {
            if let number = try field.optional(key)?.uint64() { activations[fork] = .block(number) }
        }
        for (key, fork) in Self.timeKeys {
            if let time = try field.optional(key)?.uint64() { activations[fork] = .timestamp(time) }
        }
        if let difficulty = try field.optional("terminalTotalDifficulty")?.uint256() {
            activations[.paris] = .totalDifficulty(difficulty)
        } else if try Self.hasAuthority(field) {
            activations[.paris] = .totalDifficulty(.zero)
        }
        // geth: no Petersburg block means that it begins with Constantinople.
        if activations[.petersburg] == nil {
            activations[.petersburg] = activations[.constantinople]
        }
        try Self.checkUnknownForks(field)
        try Self.checkReplayProtection(field, &activations)
        try Self.checkOrder(activations, field.path)
        self.init(
            chainId: try field.required("chainId").uint64(),
            activations: activations,
            blobSchedule: try Self.blobSchedule(field),
            depositContractAddress: try field.optional("depositContractAddress")?.address()
                ?? .zero,
            daoForkSupport: try field.optional("daoForkSupport")?.bool() ?? false,
            mergeNetsplitBlock: try field.optional("mergeNetsplitBlock")?.uint64(),
            transactionGasCap: try field.optional("transactionGasCap")?.uint64())
    }

    /// A fork that this node does not know would silently fork it off: refuse it.
    private static func checkUnknownForks(_ field: JSONField) throws(GenesisError) {
        let known = Set(
            (blockKeys + timeKeys).map(\.key) + ["eip155Block", "mergeNetsplitBlock"])
        for (key, member) in try field.members()
        where (key.hasSuffix("Block") || key.hasSuffix("Time")) && !known.contains(key) {
            throw .unsupported(path: member.path, reason: "this fork is not known")
        }
        for key in refusedKeys {
            guard let member = try field.optional(key), member.value != false,
                member.value != "secp256k1"
            else { continue }
            throw .unsupported(path: member.path, reason: "this rule is not known")
        }
    }

    private static func hasAuthority(_ field: JSONField) throws(GenesisError) -> Bool {
        for key in authoritySections where try field.optional(key) != nil { return true }
        return false
    }

    /// The same object with geth's names instead of Besu's.
    private static func withUsualNames(_ field: JSONField) throws(GenesisError) -> JSONField {
        var object = JSONObject()
        for (key, member) in try field.members() {
            let name = otherNames[key] ?? key
            // Where both are given, the usual name counts.
            if name != key, try field.optional(name) != nil { continue }
            object[name] = member.value
        }
        return JSONField(path: field.path, value: .object(object))
    }

    /// EIP-155 and EIP-158 are one fork here.
    private static func checkReplayProtection(
        _ field: JSONField, _ activations: inout [Fork: ForkActivation]
    ) throws(GenesisError) {
        guard let protection = try field.optional("eip155Block") else { return }
        let activation = ForkActivation.block(try protection.uint64())
        if let other = activations[.spuriousDragon], other != activation {
            throw .unsupported(
                path: protection.path, reason: "must be the same block as eip158Block")
        }
        activations[.spuriousDragon] = activation
    }

    /// A later fork must not begin before an earlier one, and timestamps need a merge.
    private static func checkOrder(
        _ activations: [Fork: ForkActivation], _ path: String
    ) throws(GenesisError) {
        for keys in [blockKeys, timeKeys] {
            var previous: (key: String, start: UInt64)?
            for (key, fork) in keys {
                let start: UInt64
                switch activations[fork] {
                case .block(let number): start = number
                case .timestamp(let time): start = time
                case .totalDifficulty, nil: continue
                }
                if let previous, start < previous.start {
                    throw .unsupported(
                        path: "\(path).\(key)", reason: "must not be before \(previous.key)")
                }
                previous = (key, start)
            }
        }
        if activations[.paris] == nil,
            timeKeys.contains(where: { activations[$0.fork] != nil })
        {
            throw .missing(path: "\(path).terminalTotalDifficulty")
        }
    }

    private static func blobSchedule(
        _ field: JSONField
    ) throws(GenesisError) -> [Fork: BlobParameters] {
        guard let field = try field.optional("blobSchedule") else {
            return BlobParameters.mainnetSchedule
        }
        var schedule: [Fork: BlobParameters] = [:]
        for (key, entry) in try field.members() {
            guard let fork = Fork(name: key), fork >= .cancun else {
                throw .unsupported(path: entry.path, reason: "this fork has no blobs")
            }
            let parameters = BlobParameters(
                target: try entry.required("target").uint64(),
                max: try entry.required("max").uint64(),
                baseFeeUpdateFraction: try entry.required("baseFeeUpdateFraction").uint64())
            guard parameters.baseFeeUpdateFraction > 0 else {
                throw try entry.required("baseFeeUpdateFraction").invalid("above zero")
            }
            guard parameters.target <= parameters.max else {
                throw try entry.required("target").invalid("at most max")
            }
            schedule[fork] = parameters
        }
        return schedule
    }

    /// The object that reads as this value.
    public var json: JSONValue {
        var object: JSONObject = ["chainId": .number(String(chainId))]
        for (key, fork) in Self.blockKeys {
            guard let number = blockNumber(of: fork) else { continue }
            object[key] = .number(String(number))
            if fork == .spuriousDragon { object["eip155Block"] = .number(String(number)) }
            if fork == .dao { object["daoForkSupport"] = .bool(daoForkSupport) }
        }
        if daoForkSupport { object["daoForkSupport"] = .bool(true) }
        if let mergeNetsplitBlock {
            object["mergeNetsplitBlock"] = .number(String(mergeNetsplitBlock))
        }
        for (key, fork) in Self.timeKeys {
            if let time = timestamp(of: fork) { object[key] = .number(String(time)) }
        }
        if let terminalTotalDifficulty {
            object["terminalTotalDifficulty"] = .number(terminalTotalDifficulty.description)
        }
        object["depositContractAddress"] = .string(depositContractAddress.description)
        if let transactionGasCap {
            object["transactionGasCap"] = .number(String(transactionGasCap))
        }
        var schedule = JSONObject()
        for (fork, parameters) in blobSchedule.sorted(by: { $0.key < $1.key }) {
            schedule[fork.name.lowercased()] = [
                "target": .number(String(parameters.target)),
                "max": .number(String(parameters.max)),
                "baseFeeUpdateFraction": .number(String(parameters.baseFeeUpdateFraction)),
            ]
        }
        object["blobSchedule"] = .object(schedule)
        return .object(object)
    }
}
