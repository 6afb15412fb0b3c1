/// A state with changes on top.

public import EthereumTypes
public import Primitives

/// The state that results when a diff is applied to another state, without applying it: for calls on
/// a block being built, for side chains, for what-if overrides.
public struct StateOverlay: StateReader {
    /// The state below.
    public let base: any StateReader

    /// The changes.
    public var diff: StateDiff

    public init(base: any StateReader, diff: StateDiff) {
        self.base = base
        self.diff = diff
    }

    public func account(_ address: Address) throws(StateReadError) -> Account? {
        if let change = diff.accounts[address] { return change.after }
        return try base.account(address)
    }

    public func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        if let value = diff.accounts[address]?.value(of: slot) { return value }
        return try base.storage(address, slot)
    }

    public func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        if let code = diff.code[hash] { return code }
        return try base.code(hash)
    }

    public func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        try base.blockHash(number)
    }
}
