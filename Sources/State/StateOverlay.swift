/// A state with changes on top.

import Cryptography
public import EthereumTypes
public import Primitives

/// The state that results when a diff is applied to another state, without applying it: for calls on
/// a block being built, for side chains, for what-if overrides.
public struct StateOverlay: StateReader {
    /// The state below.
    public let base: any StateReader

    /// The changes.
    public var diff: StateDiff

    /// The state that a diff makes of another.
    public init(base: any StateReader, diff: StateDiff) {
        self.base = base
        self.diff = diff
    }

    /// The account after the changes.
    ///
    /// Its storage root is only good for telling whether there is storage: that of an account which
    /// got its first slots by the changes is not known, and zero.
    public func account(_ address: Address) throws(StateReadError) -> Account? {
        guard let change = diff.accounts[address] else { return try base.account(address) }
        guard var account = change.after else { return nil }
        if account.storageRoot == .emptyTrieRoot,
            change.storage.contains(where: { !$0.after.isZero })
        {
            account.storageRoot = .zero
        }
        return account
    }

    /// The slot after the changes.
    public func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        if let value = diff.accounts[address]?.value(of: slot) { return value }
        return try base.storage(address, slot)
    }

    /// Code that the changes brought, or that of the state below.
    public func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        if let code = diff.code[hash] { return code }
        return try base.code(hash)
    }

    /// As the state below.
    public func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        try base.blockHash(number)
    }
}
