//  Why a block is refused.

public import Primitives
public import State

/// Why a block is not a valid child of its parent.
public enum InvalidBlock: Error, Hashable, Sendable {
    // The header against its parent.
    case parentHash(have: Hash256, want: Hash256)
    case number(have: BlockNumber, want: BlockNumber)
    case timestamp(have: Timestamp, parent: Timestamp)
    case extraDataTooLong(size: Int)
    /// The blocks around the DAO fork must, or must not, carry its mark (EIP-779).
    case daoExtraData
    case gasLimit(have: Gas, parent: Gas)
    case gasUsedAboveLimit(gasUsed: Gas, gasLimit: Gas)
    case difficulty(have: UInt256, want: UInt256)
    /// The seal does not prove what the chain demands: before the merge, the work that the
    /// difficulty asks for.
    case seal
    /// A block with proof of stake before the terminal total difficulty is reached, or one with
    /// proof of work afterwards (EIP-3675).
    case mergeTransition
    /// A block after the merge has a nonce other than zero.
    case nonceNotZero
    /// A field that the fork demands is missing, or one that it does not know is there.
    case headerField(HeaderField)
    case baseFee(have: Wei, want: Wei)
    case excessBlobGas(have: Gas, want: Gas)
    case blobGasAboveLimit(have: Gas, max: Gas)

    // The body against the header.
    /// The encoded block is too long (EIP-7934).
    case blockTooLarge(size: Int, max: Int)
    case transactionsRoot(have: Hash256, want: Hash256)
    case withdrawalsRoot(have: Hash256, want: Hash256)
    /// Withdrawals are missing in a block of a fork that has them, or present in one that has not.
    case withdrawalsPresence
    case ommersHash(have: Hash256, want: Hash256)
    case ommer(index: Int, InvalidOmmer)
    case tooManyOmmers(Int)
    /// The number of senders is not the number of transactions.
    case senderCount(have: Int, want: Int)

    // The outcome against the header.
    case transaction(index: Int, InvalidTransaction)
    case gasUsed(have: Gas, want: Gas)
    case blobGasUsed(have: Gas, want: Gas)
    case logsBloom
    case receiptsRoot(have: Hash256, want: Hash256)
    case stateRoot(have: Hash256, want: Hash256)
    case requestsHash(have: Hash256, want: Hash256)
    /// A log of the deposit contract is not laid out as EIP-6110 demands.
    case depositEventLayout
    /// A system contract that the fork relies on has no code.
    case systemContractMissing(Address)
    /// The call of a system contract failed.
    case systemCallFailed(Address)
}

/// The header fields that came with later forks, in their order.
public enum HeaderField: Hashable, Sendable {
    case baseFeePerGas, withdrawalsRoot, blobGasUsed, excessBlobGas, parentBeaconBlockRoot,
        requestsHash
}

/// Why a header may not be an ommer of the block.
public indirect enum InvalidOmmer: Hashable, Sendable {
    /// The same ommer twice in one block, or in one of its recent ancestors.
    case duplicate
    /// The ommer is an ancestor of the block.
    case isAncestor
    /// The ommer's parent is no recent ancestor: the ommer is too old or of another chain.
    case parentNotAncestor
    /// The ommer is a child of the block's own parent.
    case isSibling
    case header(InvalidBlock)
}

/// Why a block gave no outcome.
public enum BlockExecutionError: Error, Sendable {
    /// The block is not valid.
    case invalid(InvalidBlock)
    /// The state could not be read: nothing is said about the block.
    case stateRead(StateReadError)
}
