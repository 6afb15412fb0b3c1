//  Whether a header may follow its parent: EELS `validate_header` of every fork, and the terminal
//  total difficulty of EIP-3675.

public import EthereumTypes
public import Primitives

/// Bounds of header fields.
private enum HeaderLimit {
    static let extraData = 32
    static let minGasLimit: Gas = 5_000
    static let maxGasLimit = Gas(Int64.max)
    /// The gas limit moves by less than one part in this many a block.
    static let gasLimitAdjustment: Gas = 1_024
}

/// Checks everything that a header and its parent tell about each other. What the header commits to
/// (body, receipts, state) is checked by `executeBlock`.
public func validateHeader(
    _ header: Header, parent: ParentBlock, config: ChainConfig
) throws(InvalidBlock) {
    let hash = parent.header.hash()
    guard header.parentHash == hash else {
        throw .parentHash(have: header.parentHash, want: hash)
    }
    try validateMergeTransition(header, parent: parent, config: config)
    try validateHeader(
        header, parent: parent.header, at: config.fork(of: header), config: config)
}

/// The part of the checks that holds for ommers as well.
///
/// - Parameter fork: whose rules the header must follow. Not what the header's own difficulty says:
///   an ommer without difficulty would then be one after the merge, which needs no work.
func validateHeader(
    _ header: Header, parent: Header, at fork: Fork, config: ChainConfig
) throws(InvalidBlock) {
    let (number, overflow) = parent.number.addingReportingOverflow(1)
    guard header.number == number, !overflow else {
        throw .number(have: header.number, want: number)
    }
    guard header.timestamp > parent.timestamp else {
        throw .timestamp(have: header.timestamp, parent: parent.timestamp)
    }
    guard header.extraData.count <= HeaderLimit.extraData else {
        throw .extraDataTooLong(size: header.extraData.count)
    }
    guard header.gasUsed <= header.gasLimit else {
        throw .gasUsedAboveLimit(gasUsed: header.gasUsed, gasLimit: header.gasLimit)
    }
    try validateDAOExtraData(header, config: config)
    try validateFields(header, at: fork)
    try validateGasLimit(header, parent: parent, at: fork)
    try validateBaseFee(header, parent: parent, at: fork)
    try validateBlobGas(header, parent: parent, at: fork, config: config)
    if fork >= .paris {
        guard header.nonce == 0 else { throw .nonceNotZero }
        guard header.ommersHash == .emptyOmmers else {
            throw .ommersHash(have: header.ommersHash, want: .emptyOmmers)
        }
    } else {
        let difficulty = calculateBlockDifficulty(
            number: header.number, timestamp: header.timestamp,
            parentTimestamp: parent.timestamp, parentDifficulty: parent.difficulty,
            parentHasOmmers: parent.ommersHash != .emptyOmmers, at: fork)
        guard header.difficulty == difficulty else {
            throw .difficulty(have: header.difficulty, want: difficulty)
        }
    }
}

/// The gas limit of a valid child that is nearest to a target.
///
/// - Parameters:
///   - target: `nil` keeps the parent's, which London's first block doubles.
///   - fork: the child's.
public func nextGasLimit(parent: Header, target: Gas?, at fork: Fork) -> Gas {
    let before = gasLimitBefore(parent: parent, at: fork)
    let step = max(before / HeaderLimit.gasLimitAdjustment, 1) - 1
    let bounded = min(max(target ?? before, HeaderLimit.minGasLimit), HeaderLimit.maxGasLimit)
    if bounded > before { return bounded - before > step ? before + step : bounded }
    return before - bounded > step ? before - step : bounded
}

/// What the gas limit of a child is compared with: its parent's, but with London's first block it
/// doubles, for the elasticity of EIP-1559.
private func gasLimitBefore(parent: Header, at fork: Fork) -> Gas {
    guard fork >= .london, parent.baseFeePerGas == nil else { return parent.gasLimit }
    let (doubled, overflow) = parent.gasLimit
        .multipliedReportingOverflow(by: BaseFee.elasticityMultiplier)
    return overflow ? .max : doubled
}

/// Proof of work ends with the first block whose total difficulty reaches the terminal one.
private func validateMergeTransition(
    _ header: Header, parent: ParentBlock, config: ChainConfig
) throws(InvalidBlock) {
    let isMerged = config.isMerged(after: parent)
    guard header.difficulty.isZero == isMerged else {
        // On a chain that never had proof of work, only the difficulty is wrong.
        if isMerged, config.terminalTotalDifficulty?.isZero == true {
            throw .difficulty(have: header.difficulty, want: .zero)
        }
        throw .mergeTransition
    }
}

/// EIP-779: the fork block and the nine after it carry the mark; on a chain that refuses the fork,
/// none of them does.
private func validateDAOExtraData(
    _ header: Header, config: ChainConfig
) throws(InvalidBlock) {
    guard DAOFork.marks(header.number, config: config) else { return }
    guard (header.extraData == DAOFork.extraData) == config.daoForkSupport else {
        throw .daoExtraData
    }
}

/// Each field is there from its fork on, and not before.
private func validateFields(_ header: Header, at fork: Fork) throws(InvalidBlock) {
    let presence: [(field: HeaderField, isPresent: Bool, from: Fork)] = [
        (.baseFeePerGas, header.baseFeePerGas != nil, .london),
        (.withdrawalsRoot, header.withdrawalsRoot != nil, .shanghai),
        (.blobGasUsed, header.blobGasUsed != nil, .cancun),
        (.excessBlobGas, header.excessBlobGas != nil, .cancun),
        (.parentBeaconBlockRoot, header.parentBeaconBlockRoot != nil, .cancun),
        (.requestsHash, header.requestsHash != nil, .prague),
    ]
    for entry in presence where entry.isPresent != (fork >= entry.from) {
        throw .headerField(entry.field)
    }
}

/// EELS `check_gas_limit`.
private func validateGasLimit(
    _ header: Header, parent: Header, at fork: Fork
) throws(InvalidBlock) {
    let before = gasLimitBefore(parent: parent, at: fork)
    let change = header.gasLimit > before ? header.gasLimit - before : before - header.gasLimit
    guard change < before / HeaderLimit.gasLimitAdjustment,
        header.gasLimit >= HeaderLimit.minGasLimit, header.gasLimit <= HeaderLimit.maxGasLimit
    else { throw .gasLimit(have: header.gasLimit, parent: before) }
}

private func validateBaseFee(
    _ header: Header, parent: Header, at fork: Fork
) throws(InvalidBlock) {
    guard fork >= .london, let baseFee = header.baseFeePerGas else { return }
    let want = nextBaseFee(parent: parent)
    guard baseFee == want else { throw .baseFee(have: baseFee, want: want) }
}

private func validateBlobGas(
    _ header: Header, parent: Header, at fork: Fork, config: ChainConfig
) throws(InvalidBlock) {
    guard let parameters = config.blobParameters(at: fork), let used = header.blobGasUsed,
        let excess = header.excessBlobGas
    else { return }
    guard used <= parameters.maxGas else {
        throw .blobGasAboveLimit(have: used, max: parameters.maxGas)
    }
    let want = excessBlobGas(parent: parent, parameters: parameters, fork: fork)
    guard excess == want else { throw .excessBlobGas(have: excess, want: want) }
}
