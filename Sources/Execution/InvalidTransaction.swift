//  Why a transaction cannot be executed. The cases carry the facts; the texts that RPC clients
//  match on are made from them in `RPC/ErrorCodes.swift`.

public import EthereumTypes
public import Primitives
public import State

/// Why a transaction is refused before any of its code runs. It then leaves no trace in the state.
public enum InvalidTransaction: Error, Hashable, Sendable {
    /// The fork does not know this type of transaction (EIP-2718).
    case typeNotSupported(TransactionType, fork: Fork)
    /// The transaction is signed for another chain (EIP-155).
    case wrongChainId(transaction: UInt64, chain: UInt64)
    /// No sender can be recovered from the signature, or its `s` is in the upper half (EIP-2).
    case invalidSignature

    /// The nonce was used before.
    case nonceTooLow(account: Nonce, transaction: Nonce)
    /// Transactions with lower nonces are missing.
    case nonceTooHigh(account: Nonce, transaction: Nonce)
    /// The nonce cannot be incremented (EIP-2681).
    case nonceOverflow

    /// The sender has code that is not a delegation (EIP-3607, EIP-7702).
    case senderNotEOA(codeSize: Int)
    /// The gas limit is above what one transaction may use (EIP-7825).
    case gasAboveCap(have: Gas, cap: Gas)
    /// The gas limit is above what is left in the block.
    case gasLimitExceedsBlock(have: Gas, available: Gas)
    /// The gas limit does not cover the intrinsic cost.
    case intrinsicGasTooLow(have: Gas, want: Gas)
    /// The gas limit does not cover the price of the data (EIP-7623).
    case floorDataGas(have: Gas, want: Gas)
    /// Creation code is too long (EIP-3860).
    case initCodeTooLarge(size: Int, max: Int)

    /// `maxFeePerGas` (or `gasPrice`) is below the block's base fee (EIP-1559).
    case feeCapBelowBaseFee(feeCap: Wei, baseFee: Wei)
    /// `maxPriorityFeePerGas` is above `maxFeePerGas` (EIP-1559).
    case priorityFeeAboveFeeCap(priorityFee: Wei, feeCap: Wei)
    /// The balance does not cover all gas at the highest price, the blobs and the value.
    case insufficientFunds(have: Wei, want: Wei)
    /// The balance that the transaction asks for does not fit into 256 bits.
    case costOverflow

    /// Transactions with blobs or authorizations cannot create a contract (EIP-4844, EIP-7702).
    case creationNotAllowed(TransactionType)
    /// A blob transaction without blobs (EIP-4844).
    case noBlobs
    /// More blobs than one transaction may carry (EIP-7594).
    case tooManyBlobs(have: Int, max: Int)
    /// A blob's hash has an unknown version (EIP-4844).
    case invalidBlobHashVersion(index: Int)
    /// `maxFeePerBlobGas` is below the block's blob base fee (EIP-4844).
    case blobFeeCapBelowBlobBaseFee(feeCap: Wei, blobBaseFee: Wei)
    /// The blobs do not fit into what is left of the block's blob gas (EIP-4844).
    case blobGasExceedsBlock(have: Gas, available: Gas)

    /// A set-code transaction without authorizations (EIP-7702).
    case emptyAuthorizationList
}

/// Why a transaction gave no outcome.
public enum TransactionError: Error, Sendable {
    /// The transaction cannot be executed on this state.
    case invalid(InvalidTransaction)
    /// The state could not be read: nothing is said about the transaction.
    case stateRead(StateReadError)
}
