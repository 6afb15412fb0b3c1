public import EthereumTypes
public import Execution
public import Primitives
public import State
public import Storage

/// Why the chain could not be read or extended.
public enum ChainError: Error, Sendable {
    /// The store failed.
    case storage(StorageError)
    /// A state that execution read could not be read.
    case stateRead(StateReadError)
    /// The block breaks a rule of the protocol.
    case invalidBlock(InvalidBlock)
    /// The signature of the transaction with this index does not give a sender.
    case invalidSignature(transaction: Int)
    /// The block builds on one that was found invalid.
    ///
    /// - Parameters:
    ///   - ancestor: the invalid block.
    ///   - lastValid: the block that this one builds on.
    case invalidAncestor(Hash256, lastValid: Hash256)
    /// The block's parent is not in the store.
    case unknownParent(Hash256)
    /// A block was made here on another block than the head.
    case notChildOfHead(parent: Hash256, head: Hash256)
    /// The block is in the chain already.
    case alreadyKnown(Hash256)
    /// No block of the chain has this number.
    case unknownBlock(BlockNumber)
    /// No block, in the chain or beside it, has this hash.
    case unknownHash(Hash256)
    /// The block is known, but it is not in the chain.
    case notCanonical(Hash256)
    /// The state after this block is no longer retained.
    case stateUnavailable(BlockNumber, oldest: BlockNumber)
    /// The branch has as many blocks as are kept beside the chain: one of them has to be made the
    /// head before it can grow.
    case branchTooLong(limit: Int)
    /// Too much changed since this block to prove what was in its state.
    ///
    /// - Parameter oldest: the first block from which on everything can be proven.
    case proofUnavailable(BlockNumber, oldest: BlockNumber)
    /// More logs match than were allowed.
    case tooManyLogs(limit: Int)
    /// The logs that match have more bytes than were allowed.
    case logsTooLarge(limit: Int)
    /// More changes lie between a block and the head than were allowed.
    case tooManyChanges(limit: Int)
    /// The database belongs to a chain with another genesis block.
    case genesisMismatch(stored: Hash256, given: Hash256)
    /// The given configuration has other rules for blocks that the chain has already.
    case configConflict(ConfigConflict)
    /// The given configuration has another chain id.
    case chainIdMismatch(stored: UInt64, given: UInt64)
    /// The database has no genesis block, and none was given.
    case notInitialised
    /// Nothing is written any more: an earlier write failed, or the chain was shut down.
    case readOnly(reason: String)
    /// What takes part in the commit has failed and does not let the chain go on.
    case participantFailed(String)
}

/// What a configuration changes of the rules of blocks that a chain has already.
public enum ConfigConflict: Hashable, Sendable {
    /// When this fork begins.
    case activation(Fork)
    /// The blob parameters of this fork.
    case blobSchedule(Fork)
    /// Where deposits are made, which counts from Prague on.
    case depositContractAddress
    /// Whether the DAO's irregular state change is made.
    case daoForkSupport
}

extension ConfigConflict: CustomStringConvertible {
    /// What the configuration does.
    public var description: String {
        switch self {
        case .activation(let fork):
            "starts \(fork.name) elsewhere, but the chain is past that point"
        case .blobSchedule(let fork):
            "changes the blob schedule of \(fork.name), but the chain has blocks of that fork"
        case .depositContractAddress:
            "changes the deposit contract's address, but the chain has blocks of Prague"
        case .daoForkSupport: "changes daoForkSupport, but the chain is past the DAO fork"
        }
    }
}

extension ChainError {
    /// A store's failure as the chain's.
    init(_ error: StorageError) {
        switch error {
        case .tooManyLogs(let limit): self = .tooManyLogs(limit: limit)
        case .logsTooLarge(let limit): self = .logsTooLarge(limit: limit)
        case .tooManyChanges(let limit): self = .tooManyChanges(limit: limit)
        case .foreignDirectory, .locked, .newerSchema, .corrupted, .diskFull, .lowDisk,
            .inputOutput, .refused:
            self = .storage(error)
        }
    }

    /// A failed execution as the chain's error, for who builds blocks.
    public init(_ error: BlockExecutionError) {
        switch error {
        case .invalid(let reason): self = .invalidBlock(reason)
        case .stateRead(let failure): self = .stateRead(failure)
        }
    }
}

extension ChainError: CustomStringConvertible {
    /// One sentence for the log and the terminal.
    public var description: String {
        switch self {
        case .storage(let error): error.description
        case .stateRead(let error): error.description
        case .invalidBlock(let reason): "the block is invalid: \(reason)"
        case .invalidSignature(let index): "the signature of transaction \(index) is invalid"
        case .invalidAncestor(let hash, _): "the block builds on the invalid block \(hash)"
        case .unknownParent(let hash): "the parent \(hash) is unknown"
        case .notChildOfHead(let parent, let head):
            "the parent \(parent) is not the head \(head)"
        case .alreadyKnown(let hash): "block \(hash) is already known"
        case .unknownBlock(let number): "there is no block \(number)"
        case .unknownHash(let hash): "there is no block \(hash)"
        case .notCanonical(let hash): "block \(hash) is not in the chain"
        case .stateUnavailable(let number, let oldest):
            "the state of block \(number) is not available, the oldest retained is \(oldest)"
        case .proofUnavailable(let number, let oldest):
            "too much changed since block \(number) for a proof, all are made from \(oldest) on"
        case .branchTooLong(let limit): "the branch has \(limit) blocks, and no more are kept"
        case .tooManyLogs(let limit): "more than \(limit) logs match"
        case .logsTooLarge(let limit): "the logs that match have more than \(limit) bytes"
        case .tooManyChanges(let limit):
            "more than \(limit) keys changed between that block and the head"
        case .genesisMismatch(let stored, let given):
            "the database has genesis \(stored), the configuration has \(given)"
        case .configConflict(let conflict): "the configuration \(conflict)"
        case .chainIdMismatch(let stored, let given):
            "the database has chain id \(stored), the configuration has \(given)"
        case .notInitialised: "the database is empty and no genesis was given"
        case .readOnly(let reason): "the chain is read-only: \(reason)"
        case .participantFailed(let reason): reason
        }
    }
}

/// Runs a read or write of the store.
func storing<Value>(
    _ body: () throws(StorageError) -> Value
) throws(ChainError) -> Value {
    do {
        return try body()
    } catch {
        throw ChainError(error)
    }
}
