/// Reading the world state.
///
/// A `StateReader` is one fixed state: the head of the chain, a retained block, a fixture. It answers
/// for accounts, storage slots, code and the hashes of earlier blocks, and it never changes. Whatever
/// execution does lies in a `JournaledState` above it and comes out as a `StateDiff`.

public import EthereumTypes
public import Primitives

/// The state behind a reader could not be read: an I/O error, corrupt data, a missing value.
///
/// It says nothing about a transaction. `JournaledState` keeps the first one and the caller must look
/// at it before it lets a result out.
public struct StateReadError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed, in one sentence.
    public let message: String

    /// An error with its sentence.
    public init(message: String) {
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}

/// A read-only world state.
public protocol StateReader {
    /// The account at an address, or nil if there is none.
    ///
    /// Execution looks at `storageRoot` only to tell whether the account has storage (EIP-7610).
    func account(_ address: Address) throws(StateReadError) -> Account?

    /// The value of a storage slot; zero if it was never set.
    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256

    /// The code with a hash. The hash of empty code is never asked for.
    func code(_ hash: Hash256) throws(StateReadError) -> Bytes

    /// The hash of a canonical block at or below this state's, or nil if it is unknown.
    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256?
}
