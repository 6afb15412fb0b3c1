public import Cryptography
public import Primitives

/// A signed instruction of an account, in one of the five forms of EIP-2718.
///
/// One struct holds all forms: a field that a form lacks has its neutral value (no access list, no
/// blobs, no authorizations), and a form with a single gas price has it in both fee fields.

/// The first byte of a typed transaction; zero stands for the form without one.
public enum TransactionType: UInt8, CaseIterable, Hashable, Sendable {
    case legacy = 0
    /// EIP-2930.
    case accessList = 1
    /// EIP-1559.
    case dynamicFee = 2
    /// EIP-4844.
    case blob = 3
    /// EIP-7702.
    case setCode = 4

    /// The fork with which the type came.
    public var firstFork: Fork {
        switch self {
        case .legacy: .frontier
        case .accessList: .berlin
        case .dynamicFee: .london
        case .blob: .cancun
        case .setCode: .prague
        }
    }

    /// Whether the type has two fee caps rather than one gas price.
    public var hasFeeCaps: Bool {
        switch self {
        case .legacy, .accessList: false
        case .dynamicFee, .blob, .setCode: true
        }
    }

    /// Whether the type can create a contract, that is, may have no recipient.
    public var canCreate: Bool {
        switch self {
        case .legacy, .accessList, .dynamicFee: true
        case .blob, .setCode: false
        }
    }
}

/// A transaction of any type.
public struct Transaction: Hashable, Sendable {
    /// Which of the forms it has.
    public var type: TransactionType
    /// `nil`: a legacy transaction that is valid on every chain (before EIP-155).
    public var chainId: UInt64?
    /// The sender's number of transactions before this one.
    public var nonce: Nonce
    /// Wei per gas for the coinbase, at most.
    public var maxPriorityFeePerGas: Wei
    /// Wei per gas in all, at most.
    public var maxFeePerGas: Wei
    /// Gas that it may use (`gas` in JSON).
    public var gasLimit: Gas
    /// `nil`: the transaction creates a contract.
    public var to: Address?
    /// Wei for the recipient.
    public var value: Wei
    /// Call data or init code (`input` in JSON).
    public var data: Bytes
    /// EIP-2930.
    public var accessList: AccessList
    /// Wei per blob gas, at most (EIP-4844).
    public var maxFeePerBlobGas: Wei
    /// What the blobs are known by (EIP-4844).
    public var blobVersionedHashes: [Hash256]
    /// EIP-7702.
    public var authorizationList: [Authorization]
    /// The sender's, over ``signingHash()``.
    public var signature: Signature

    /// A transaction of these parts; those of other types keep their neutral value.
    public init(
        type: TransactionType,
        chainId: UInt64?,
        nonce: Nonce,
        maxPriorityFeePerGas: Wei,
        maxFeePerGas: Wei,
        gasLimit: Gas,
        to: Address?,
        value: Wei = .zero,
        data: Bytes = [],
        accessList: AccessList = [],
        maxFeePerBlobGas: Wei = .zero,
        blobVersionedHashes: [Hash256] = [],
        authorizationList: [Authorization] = [],
        signature: Signature = .none
    ) {
        self.type = type
        self.chainId = chainId
        self.nonce = nonce
        self.maxPriorityFeePerGas = maxPriorityFeePerGas
        self.maxFeePerGas = maxFeePerGas
        self.gasLimit = gasLimit
        self.to = to
        self.value = value
        self.data = data
        self.accessList = accessList
        self.maxFeePerBlobGas = maxFeePerBlobGas
        self.blobVersionedHashes = blobVersionedHashes
        self.authorizationList = authorizationList
        self.signature = signature
    }

    /// A legacy transaction.
    public static func legacy(
        chainId: UInt64?, nonce: Nonce, gasPrice: Wei, gasLimit: Gas, to: Address?,
        value: Wei = .zero, data: Bytes = []
    ) -> Transaction {
        Transaction(
            type: .legacy, chainId: chainId, nonce: nonce, maxPriorityFeePerGas: gasPrice,
            maxFeePerGas: gasPrice, gasLimit: gasLimit, to: to, value: value, data: data)
    }

    /// Whether the transaction creates a contract.
    public var isCreation: Bool { to == nil }

    /// The price that a form with a single one has.
    public var gasPrice: Wei { maxFeePerGas }

    /// Wei that a unit of gas costs in a block: EIP-1559 `effective_gas_price`.
    ///
    /// - Parameter baseFee: the block's, `nil` before London.
    public func effectiveGasPrice(baseFee: Wei?) -> Wei {
        guard let baseFee else { return maxFeePerGas }
        let (sum, overflow) = baseFee.addingReportingOverflow(maxPriorityFeePerGas)
        return overflow ? maxFeePerGas : min(maxFeePerGas, sum)
    }

    /// Wei of the effective gas price that go to the block's coinbase.
    ///
    /// - Returns: `nil` if the fee cap does not cover the base fee.
    public func effectiveTip(baseFee: Wei?) -> Wei? {
        let baseFee = baseFee ?? .zero
        guard maxFeePerGas >= baseFee else { return nil }
        return min(maxPriorityFeePerGas, maxFeePerGas &- baseFee)
    }

    /// Gas of the transaction's blobs.
    public var blobGas: Gas {
        let count = UInt64(blobVersionedHashes.count)
        let (gas, overflow) = count.multipliedReportingOverflow(by: BlobParameters.gasPerBlob)
        return overflow ? .max : gas
    }

    /// What the sender must own: gas at the fee caps, and the value. Yellow Paper 6.2 (v₀).
    ///
    /// - Returns: `nil` if it is more than 256 bits.
    public func maximumCost() -> Wei? {
        let (gas, overflow1) = UInt256(gasLimit).multipliedReportingOverflow(by: maxFeePerGas)
        let (blobs, overflow2) = UInt256(blobGas).multipliedReportingOverflow(by: maxFeePerBlobGas)
        let (fees, overflow3) = gas.addingReportingOverflow(blobs)
        let (total, overflow4) = fees.addingReportingOverflow(value)
        return overflow1 || overflow2 || overflow3 || overflow4 ? nil : total
    }
}

extension Signature {
    /// The signature of a transaction that is not signed yet.
    public static let none = Signature(yParity: false, r: .zero, s: .zero)
}
