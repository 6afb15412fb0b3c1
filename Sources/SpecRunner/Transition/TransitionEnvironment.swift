//  The block of a state transition, as `env` describes it: some fields are given, others follow from
//  those of the parent.

import EthereumTypes
import Execution
public import Primitives

/// The block that transactions are applied in.
public struct TransitionEnvironment: Sendable {
    struct Ommer: Sendable {
        let coinbase: Address
        /// How many blocks before this one it is.
        let age: UInt64
    }

    let coinbase: Address
    let gasLimit: Gas
    let number: BlockNumber
    let timestamp: Timestamp
    let difficulty: UInt256?
    let prevRandao: Hash256?
    let baseFeePerGas: Wei?
    let excessBlobGas: Gas?
    let parentBeaconBlockRoot: Hash256?
    /// Nil if the input has none at all.
    let blockHashes: [BlockNumber: Hash256]?
    let ommers: [Ommer]
    let withdrawals: [Withdrawal]?

    // The parent's, for what is to be computed.
    let parentDifficulty: UInt256?
    let parentTimestamp: Timestamp
    let parentOmmersHash: Hash256?
    let parentBaseFeePerGas: Wei?
    let parentGasUsed: Gas
    let parentGasLimit: Gas
    let parentExcessBlobGas: Gas?
    let parentBlobGasUsed: Gas?

    /// Reads `env`.
    public init(_ env: JSONValue) throws(TransitionError) {
        self = try TransitionError.reading("env") { () throws(FixtureError) in
            try TransitionEnvironment(fields: env)
        }
    }

    private init(fields env: JSONValue) throws(FixtureError) {
        coinbase = try env.present("currentCoinbase").looseAddress()
        gasLimit = try env.present("currentGasLimit").looseUInt64()
        number = try env.present("currentNumber").looseUInt64()
        timestamp = try env.present("currentTimestamp").looseUInt64()
        difficulty = try env.ifPresent("currentDifficulty")?.looseWord()
        prevRandao = try (env.ifPresent("currentRandom")?.looseWord()).map { Hash256($0) }
        baseFeePerGas = try env.ifPresent("currentBaseFee")?.looseWord()
        excessBlobGas = try env.ifPresent("currentExcessBlobGas")?.looseUInt64()
        parentBeaconBlockRoot = try env.ifPresent("parentBeaconBlockRoot")?.looseHash()
        parentDifficulty = try env.ifPresent("parentDifficulty")?.looseWord()
        parentTimestamp = try env.ifPresent("parentTimestamp")?.looseUInt64() ?? 0
        parentOmmersHash = try env.ifPresent("parentUncleHash")?.looseHash()
        parentBaseFeePerGas = try env.ifPresent("parentBaseFee")?.looseWord()
        parentGasUsed = try env.ifPresent("parentGasUsed")?.looseUInt64() ?? 0
        parentGasLimit = try env.ifPresent("parentGasLimit")?.looseUInt64() ?? 0
        parentExcessBlobGas = try env.ifPresent("parentExcessBlobGas")?.looseUInt64()
        parentBlobGasUsed = try env.ifPresent("parentBlobGasUsed")?.looseUInt64()
        blockHashes = try Self.blockHashes(env.ifPresent("blockHashes"))
        var ommers: [Ommer] = []
        for ommer in env.ifPresent("ommers")?.arrayValue ?? [] {
            ommers.append(
                Ommer(
                    coinbase: try ommer.present("address").looseAddress(),
                    age: try ommer.present("delta").looseUInt64()))
        }
        self.ommers = ommers
        withdrawals = try Self.withdrawals(env.ifPresent("withdrawals"))
    }

    private static func blockHashes(
        _ value: JSONValue?
    ) throws(FixtureError) -> [BlockNumber: Hash256]? {
        guard let object = value?.objectValue else { return nil }
        var hashes: [BlockNumber: Hash256] = [:]
        for (key, value) in object {
            guard let number = UInt256(fixture: key)?.asUInt64 else {
                throw FixtureError("blockHashes: \(key) is not a block number")
            }
            hashes[number] = try value.looseHash()
        }
        return hashes
    }

    private static func withdrawals(
        _ value: JSONValue?
    ) throws(FixtureError) -> [Withdrawal]? {
        guard let list = value?.arrayValue else { return nil }
        var withdrawals: [Withdrawal] = []
        for item in list {
            withdrawals.append(
                Withdrawal(
                    index: try item.present("index").looseUInt64(),
                    validatorIndex: try item.present("validatorIndex").looseUInt64(),
                    address: try item.present("address").looseAddress(),
                    amount: try item.present("amount").looseUInt64()))
        }
        return withdrawals
    }

    // MARK: What follows from the rules

    /// The hash of the block before; nil if the input does not name it.
    var parentHash: Hash256? { blockHashes?[number &- 1] }

    /// The fork that the block follows.
    func fork(of config: ChainConfig) -> Fork {
        let terminalTotalDifficulty = config.terminalTotalDifficulty
        let isPostMerge =
            terminalTotalDifficulty == .zero
            || (terminalTotalDifficulty != nil && prevRandao != nil)
        return config.fork(number: number, timestamp: timestamp, isPostMerge: isPostMerge)
    }

    /// The header that the block would have before its transactions, with what was not given computed
    /// from the parent.
    ///
    /// - Throws: `configuration` if the fork needs a field that is neither given nor can be computed.
    func header(at fork: Fork, config: ChainConfig) throws(TransitionError) -> Header {
        var header = Header(
            parentHash: parentHash ?? .zero, coinbase: coinbase, stateRoot: .zero,
            difficulty: try difficulty(at: fork), number: number, gasLimit: gasLimit,
            timestamp: timestamp)
        if fork >= .london { header.baseFeePerGas = try baseFee() }
        if let prevRandao, fork >= .paris { header.prevRandao = prevRandao }
        if fork >= .shanghai, withdrawals == nil {
            throw TransitionError(
                .configuration, "Shanghai config but missing 'withdrawals' in env section")
        }
        if let parameters = config.blobParameters(at: fork) {
            guard let root = parentBeaconBlockRoot else {
                throw TransitionError(
                    .configuration, "post-cancun env requires parentBeaconBlockRoot to be set")
            }
            header.parentBeaconBlockRoot = root
            header.excessBlobGas = excessBlobGas(at: fork, parameters)
        }
        return header
    }

    private func baseFee() throws(TransitionError) -> Wei {
        if let baseFeePerGas { return baseFeePerGas }
        guard let parentBaseFeePerGas, number > 0 else {
            throw TransitionError(
                .configuration,
                "EIP-1559 config but missing 'parentBaseFee' in env section")
        }
        return nextBaseFee(parent: parent(baseFeePerGas: parentBaseFeePerGas))
    }

    private func difficulty(at fork: Fork) throws(TransitionError) -> UInt256 {
        if fork >= .paris {
            guard prevRandao != nil else {
                throw TransitionError(
                    .configuration, "post-merge requires currentRandom to be defined in env")
            }
            guard difficulty ?? .zero == .zero else {
                throw TransitionError(
                    .configuration, "post-merge difficulty must be zero (or omitted) in env")
            }
            return .zero
        }
        if let difficulty { return difficulty }
        guard let parentDifficulty else {
            throw TransitionError(
                .configuration,
                "currentDifficulty was not provided, and cannot be calculated due to missing "
                    + "parentDifficulty")
        }
        guard number > 0 else {
            throw TransitionError(
                .configuration, "currentDifficulty needs to be provided for block number 0")
        }
        guard timestamp > parentTimestamp else {
            throw TransitionError(
                .configuration,
                "currentDifficulty cannot be calculated -- currentTime (\(timestamp)) needs to be "
                    + "after parent time (\(parentTimestamp))")
        }
        let ommersHash = parentOmmersHash ?? .zero
        return calculateBlockDifficulty(
            number: number, timestamp: timestamp, parentTimestamp: parentTimestamp,
            parentDifficulty: parentDifficulty,
            parentHasOmmers: ommersHash != .zero && ommersHash != .emptyOmmers, at: fork)
    }

    private func excessBlobGas(at fork: Fork, _ parameters: BlobParameters) -> Gas? {
        if let excessBlobGas { return excessBlobGas }
        guard let parentExcessBlobGas, let parentBlobGasUsed else { return nil }
        var parent = parent(baseFeePerGas: parentBaseFeePerGas)
        parent.excessBlobGas = parentExcessBlobGas
        parent.blobGasUsed = parentBlobGasUsed
        return EthereumTypes.excessBlobGas(parent: parent, parameters: parameters, fork: fork)
    }

    private func parent(baseFeePerGas: Wei?) -> Header {
        Header(
            parentHash: .zero, coinbase: .zero, stateRoot: .zero, number: number &- 1,
            gasLimit: parentGasLimit, gasUsed: parentGasUsed, timestamp: parentTimestamp,
            baseFeePerGas: baseFeePerGas)
    }

    /// Who is paid, given the reward of a block; the shares are those of proof of work.
    func rewards(_ reward: Wei) -> [BlockReward] {
        let share = reward >> UInt64(5)
        var rewards: [BlockReward] = []
        for ommer in ommers {
            let eighths = ommer.age < 8 ? 8 - ommer.age : 0
            rewards.append(
                BlockReward(
                    recipient: ommer.coinbase,
                    amount: (UInt256(eighths) &* reward) >> UInt64(3)))
        }
        let inclusion = share &* UInt256(ommers.count)
        rewards.append(BlockReward(recipient: coinbase, amount: reward &+ inclusion))
        return rewards
    }
}

// MARK: - Values as geth's tools write them

extension JSONValue {
    /// A member that is neither missing nor null.
    func ifPresent(_ key: String) -> JSONValue? {
        guard let value = self[key], !value.isNull else { return nil }
        return value
    }

    func present(_ key: String) throws(FixtureError) -> JSONValue {
        guard let value = ifPresent(key) else { throw FixtureError("\(key) is missing") }
        return value
    }

    /// A number, or a string with a decimal or hexadecimal one; the empty string is zero.
    func looseWord() throws(FixtureError) -> UInt256 {
        let word: UInt256? =
            switch self {
            case .number(let text): UInt256(decimal: text)
            case .string(let text): text.isEmpty || text == "0x" ? .zero : UInt256(fixture: text)
            case .null, .bool, .array, .object: nil
            }
        guard let word else { throw FixtureError("not a number of 256 bits: \(excerpt)") }
        return word
    }

    func looseUInt64() throws(FixtureError) -> UInt64 {
        guard let value = try looseWord().asUInt64 else {
            throw FixtureError("more than 64 bits: \(excerpt)")
        }
        return value
    }

    /// Forty digits, with or without `0x`.
    func looseAddress() throws(FixtureError) -> Address {
        guard let bytes = stringValue.flatMap({ Hex.decode($0) }), let address = Address(bytes)
        else { throw FixtureError("not an address: \(excerpt)") }
        return address
    }

    func looseHash() throws(FixtureError) -> Hash256 {
        guard let bytes = stringValue.flatMap({ Hex.decode($0) }), let hash = Hash256(bytes) else {
            throw FixtureError("not a hash: \(excerpt)")
        }
        return hash
    }

    func looseBytes() throws(FixtureError) -> Bytes {
        guard let bytes = stringValue.flatMap({ Hex.decode($0) }) else {
            throw FixtureError("not hexadecimal bytes: \(excerpt)")
        }
        return bytes
    }

    /// The start of the value, for an error.
    private var excerpt: String { String(description.prefix(80)) }
}
