/// The same state by address, for callers outside the interpreter.

public import Primitives

extension JournaledState {
    /// Whether the account exists. All functions here find the account first.
    public func exists(_ address: Address) -> Bool { exists(index(of: address)) }

    /// Whether the account is empty (EIP-161) or missing.
    public func isEmpty(_ address: Address) -> Bool { isEmpty(index(of: address)) }

    /// The balance, zero if there is no account.
    public func balance(_ address: Address) -> Wei { balance(index(of: address)) }

    /// The nonce, zero if there is no account.
    public func nonce(_ address: Address) -> Nonce { nonce(index(of: address)) }

    /// The code.
    public func code(_ address: Address) -> Bytes { code(index(of: address)) }

    /// The hash of the code; that of no code if there is no account.
    public func codeHash(_ address: Address) -> Hash256 { codeHash(index(of: address)) }

    /// Whether there is code.
    public func hasCode(_ address: Address) -> Bool { hasCode(index(of: address)) }

    /// Makes the account exist.
    public func ensureExists(_ address: Address) { ensureExists(index(of: address)) }

    /// Touches the account (EIP-161).
    public func touch(_ address: Address) { touch(index(of: address)) }

    /// Sets the balance; the account exists afterwards.
    public func setBalance(_ address: Address, _ balance: Wei) {
        setBalance(index(of: address), balance)
    }

    /// Adds to the balance; the account exists afterwards.
    public func addBalance(_ address: Address, _ amount: Wei) {
        addBalance(index(of: address), amount)
    }

    /// Takes from the balance; false, and nothing is changed, if it is too low.
    public func subtractBalance(_ address: Address, _ amount: Wei) -> Bool {
        subtractBalance(index(of: address), amount)
    }

    /// Sets the nonce; the account exists afterwards.
    public func setNonce(_ address: Address, _ nonce: Nonce) { setNonce(index(of: address), nonce) }

    /// Sets the code; the account exists afterwards.
    public func setCode(_ address: Address, _ code: Bytes) { setCode(index(of: address), code) }

    /// Makes the address warm; true if it was cold.
    @discardableResult
    public func warm(_ address: Address) -> Bool { warm(index(of: address)) }

    /// Makes the slot warm; true if it was cold.
    @discardableResult
    public func warm(_ address: Address, slot: UInt256) -> Bool {
        warm(self.slot(index(of: address), slot))
    }

    /// The value of a slot.
    public func storage(_ address: Address, _ slot: UInt256) -> UInt256 {
        value(self.slot(index(of: address), slot))
    }

    /// Sets the value of a slot.
    public func setStorage(_ address: Address, _ slot: UInt256, _ value: UInt256) {
        setValue(self.slot(index(of: address), slot), value)
    }
}
