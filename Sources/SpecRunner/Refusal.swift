//  Why transactions and blocks are refused, in the words of the official fixtures.

public import Execution

/// Why the node refused a transaction or a block of a fixture.
public enum Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are not a transaction or block.
    case undecodable(String)
    case transaction(InvalidTransaction)
    case block(InvalidBlock)
    /// The block's parent is not known.
    case unknownParent
    /// The block's hash is not the one that was claimed.
    case blockHash
    /// The node itself failed: no fixture expects this.
    case failed(String)

    /// The reason with its facts.
    public var description: String {
        switch self {
        case .undecodable(let reason): "undecodable: \(reason)"
        case .transaction(let reason): "\(reason)"
        case .block(let reason): "\(reason)"
        case .unknownParent: "unknown parent"
        case .blockHash: "another block hash"
        case .failed(let reason): "failed: \(reason)"
        }
    }

    /// Whether this is a refusal that the fixture expects, where it may give no reason: then any is,
    /// but not that the node itself failed.
    public func isExpected(by expectation: String?) -> Bool {
        if case .failed = self { return false }
        return expectation.map { satisfies($0) } ?? true
    }

    /// Whether this is a refusal that the fixture expects.
    ///
    /// - Parameter expectation: one or more names of exceptions, joined by `|`.
    public func satisfies(_ expectation: String) -> Bool {
        let kinds = kinds
        return expectation.split(separator: "|").contains { name in
            !kinds.isDisjoint(with: ExceptionName.kinds(of: String(name)))
        }
    }

    /// The kinds of exceptions that this refusal can stand for.
    private var kinds: Set<ExceptionName> {
        switch self {
        case .undecodable: [.undecodable]
        case .transaction(let reason): ExceptionName.kinds(of: reason)
        case .block(.transaction(_, let reason)): ExceptionName.kinds(of: reason)
        case .block(let reason): ExceptionName.kinds(of: reason)
        case .unknownParent: [.parent]
        case .blockHash: [.blockHash]
        case .failed: []
        }
    }
}

/// What a fixture's exceptions boil down to.
enum ExceptionName {
    case undecodable
    // Transactions.
    case type, chainId, signature, nonceLow, nonceHigh, nonceMax, senderCode, gasCap, blockGas
    case intrinsicGas, floorGas, initCode, feeCap, priorityFee, funds, creation, noBlobs
    case blobCount, blobVersion, blobFeeCap, blobGas, authorizations
    // Blocks.
    case parent, number, timestamp, extraData, daoExtraData, gasLimit, gasUsed, difficulty, seal
    case merge, fields, baseFee, excessBlobGas, blobGasUsed, size, transactionsRoot
    case blockHash, withdrawals, ommers, bloom, receiptsRoot, stateRoot, requests, depositLayout
    case systemContract, systemCall

    static func kinds(of reason: InvalidTransaction) -> Set<ExceptionName> {
        switch reason {
        case .typeNotSupported: [.type]
        case .wrongChainId: [.chainId]
        case .invalidSignature: [.signature]
        case .nonceTooLow: [.nonceLow]
        case .nonceTooHigh: [.nonceHigh]
        case .nonceOverflow: [.nonceMax]
        case .senderNotEOA: [.senderCode]
        case .gasAboveCap: [.gasCap]
        case .gasLimitExceedsBlock: [.blockGas]
        case .intrinsicGasTooLow: [.intrinsicGas]
        case .floorDataGas: [.floorGas]
        case .initCodeTooLarge: [.initCode]
        case .feeCapBelowBaseFee: [.feeCap]
        case .priorityFeeAboveFeeCap: [.priorityFee]
        case .insufficientFunds, .costOverflow: [.funds]
        case .creationNotAllowed: [.creation]
        case .noBlobs: [.noBlobs]
        case .tooManyBlobs: [.blobCount]
        case .invalidBlobHashVersion: [.blobVersion]
        case .blobFeeCapBelowBlobBaseFee: [.blobFeeCap]
        case .blobGasExceedsBlock: [.blobGas]
        case .emptyAuthorizationList: [.authorizations]
        }
    }

    static func kinds(of reason: InvalidBlock) -> Set<ExceptionName> {
        switch reason {
        case .parentHash: [.parent]
        case .number: [.number]
        case .timestamp: [.timestamp]
        case .extraDataTooLong: [.extraData]
        case .daoExtraData: [.daoExtraData]
        case .gasLimit: [.gasLimit]
        case .gasUsedAboveLimit, .gasUsed: [.gasUsed]
        case .difficulty: [.difficulty]
        case .seal: [.seal]
        case .mergeTransition: [.merge]
        case .nonceNotZero: [.seal]
        case .headerField: [.fields]
        case .baseFee: [.baseFee]
        case .excessBlobGas: [.excessBlobGas]
        case .blobGasAboveLimit: [.blobGasUsed, .blobGas, .blobCount]
        case .blobGasUsed: [.blobGasUsed]
        case .blockTooLarge: [.size]
        case .transactionsRoot: [.transactionsRoot]
        case .withdrawalsRoot, .withdrawalsPresence: [.withdrawals]
        case .ommer(_, .header(let reason)): kinds(of: reason).union([.ommers])
        case .ommersHash, .ommer, .tooManyOmmers: [.ommers]
        case .senderCount: [.signature]
        case .transaction(_, let reason): kinds(of: reason)
        case .logsBloom: [.bloom]
        case .receiptsRoot: [.receiptsRoot]
        case .stateRoot: [.stateRoot]
        case .requestsHash: [.requests]
        case .depositEventLayout: [.depositLayout]
        case .systemContractMissing: [.systemContract]
        case .systemCallFailed: [.systemCall]
        }
    }

    /// The kinds that a name in a fixture stands for, of either generation of names.
    static func kinds(of name: String) -> Set<ExceptionName> { table[name] ?? [] }

    private static let table: [String: Set<ExceptionName>] = [
        // Transactions, generated from the execution specs.
        "TransactionException.TYPE_NOT_SUPPORTED": [.type, .undecodable],
        "TransactionException.TYPE_3_TX_PRE_FORK": [.type],
        "TransactionException.TYPE_4_TX_PRE_FORK": [.type],
        "TransactionException.INVALID_CHAINID": [.chainId],
        "TransactionException.INVALID_SIGNATURE_VRS": [.signature],
        "TransactionException.NONCE_MISMATCH_TOO_LOW": [.nonceLow],
        "TransactionException.NONCE_MISMATCH_TOO_HIGH": [.nonceHigh],
        "TransactionException.NONCE_IS_MAX": [.nonceMax],
        "TransactionException.SENDER_NOT_EOA": [.senderCode],
        "TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM": [.gasCap],
        "TransactionException.GAS_ALLOWANCE_EXCEEDED": [.blockGas],
        "TransactionException.INTRINSIC_GAS_TOO_LOW": [.intrinsicGas],
        "TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST": [.floorGas],
        "TransactionException.INITCODE_SIZE_EXCEEDED": [.initCode],
        "TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS": [.feeCap],
        "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS": [.priorityFee],
        "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS": [.funds],
        "TransactionException.TYPE_3_TX_CONTRACT_CREATION": [.creation, .undecodable],
        "TransactionException.TYPE_4_TX_CONTRACT_CREATION": [.creation, .undecodable],
        "TransactionException.TYPE_3_TX_ZERO_BLOBS": [.noBlobs],
        "TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED": [.blobCount, .blobGas],
        "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED": [.blobGas],
        "TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH": [.blobVersion],
        "TransactionException.TYPE_3_TX_WITH_FULL_BLOBS": [.undecodable],
        "TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS": [.blobFeeCap],
        "TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST": [.authorizations],
        // Transactions, older names.
        "TR_TypeNotSupported": [.type],
        "TR_NonceTooLow": [.nonceLow],
        "TR_NonceHasMaxValue": [.nonceMax],
        "SenderNotEOA": [.senderCode],
        "SenderNotEOAorNoCASH": [.senderCode, .funds],
        "TR_GasLimitReached": [.blockGas],
        "IntrinsicGas": [.intrinsicGas],
        "TR_IntrinsicGas": [.intrinsicGas],
        "TR_InitCodeLimitExceeded": [.initCode],
        "TR_FeeCapLessThanBlocks": [.feeCap],
        "TR_FeeCapLessThanBlocksORNoFunds": [.feeCap, .funds],
        "TR_FeeCapLessThanBlocksORGasLimitReached": [.feeCap, .blockGas],
        "TR_TipGtFeeCap": [.priorityFee],
        "TR_NoFunds": [.funds],
        "TR_NoFundsX": [.funds],
        "TR_NoFundsOrGas": [.funds, .intrinsicGas, .blockGas],
        "TR_EMPTYBLOB": [.noBlobs],
        "TR_BLOBLIST_OVERSIZE": [.blobCount, .blobGas],
        "TR_RLP_WRONGVALUE": [.undecodable],
        // Blocks, generated from the execution specs.
        "BlockException.RLP_STRUCTURES_ENCODING": [.undecodable],
        "BlockException.INCORRECT_BLOCK_FORMAT": [.fields, .withdrawals, .undecodable],
        "BlockException.INVALID_BLOCK_HASH": [.blockHash],
        "BlockException.INVALID_GASLIMIT": [.gasLimit],
        "BlockException.INCORRECT_EXCESS_BLOB_GAS": [.excessBlobGas],
        "BlockException.INCORRECT_BLOB_GAS_USED": [.blobGasUsed],
        "BlockException.BLOB_GAS_USED_ABOVE_LIMIT": [.blobGasUsed, .blobGas],
        "BlockException.INVALID_WITHDRAWALS_ROOT": [.withdrawals],
        "BlockException.INVALID_REQUESTS": [.requests],
        "BlockException.INVALID_DEPOSIT_EVENT_LAYOUT": [.depositLayout],
        "BlockException.SYSTEM_CONTRACT_EMPTY": [.systemContract],
        "BlockException.SYSTEM_CONTRACT_CALL_FAILED": [.systemCall],
        "BlockException.RLP_BLOCK_LIMIT_EXCEEDED": [.size],
        // Blocks, older names.
        "INPUT_UNMARSHAL_ERROR": [.undecodable],
        "INPUT_UNMARSHAL_ADDRESS_ERROR": [.undecodable],
        "RLP_ExpectedAsList": [.undecodable, .withdrawals],
        "UnknownParent": [.parent],
        "UnknownParent2": [.parent],
        "InvalidNumber": [.number, .parent],
        "InvalidTimestamp": [.timestamp, .difficulty],
        "InvalidTimestampOlderParent": [.timestamp],
        "ExtraDataTooBig": [.extraData],
        "ExtraDataIncorrectDAO": [.daoExtraData],
        "InvalidGasLimit": [.gasLimit],
        "InvalidGasLimit2": [.gasLimit, .gasUsed],
        "InvalidGasUsed": [.gasUsed],
        "TooMuchGasUsed": [.gasUsed, .blockGas],
        "BlockGasLimitReached": [.blockGas, .gasUsed],
        "InvalidDifficulty": [.difficulty, .merge],
        "InvalidBlockNonce": [.seal],
        "PostParisDifficultyIsNot0": [.difficulty, .merge],
        "3675PreParis1559BlockRejected": [.difficulty, .merge, .ommers],
        "3675PoSBlockRejected": [.merge, .difficulty],
        "3675PoWBlockRejected": [.merge, .difficulty],
        "1559BlockImportImpossible_BaseFeeWrong": [.baseFee],
        "LegacyBlockImportImpossible2": [.fields],
        "ShanghaiBlockImportImpossible": [.fields, .withdrawals],
        "ParisBlockImportImpossible": [.fields, .withdrawals],
        "PostParisUncleHashIsNotEmpty": [.ommers],
        "InvalidTransactionsRoot": [.transactionsRoot],
        "InvalidReceiptsStateRoot": [.receiptsRoot, .gasUsed],
        "InvalidStateRoot": [.stateRoot, .receiptsRoot, .gasUsed],
        "UncleInChain": [.ommers],
        "UncleIsAncestor": [.ommers],
        "UncleIsBrother": [.ommers],
        "UncleTooOld": [.ommers],
        "UncleParentIsNotAncestor": [.ommers],
        "InvalidUncleParentHash": [.ommers],
        "TooManyUncles": [.ommers],
    ]
}
