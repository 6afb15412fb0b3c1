/// The same state by address, for callers outside the interpreter.

public import Primitives

extension JournaledState {
    /// See `exists(_:)`; the functions here find the account first.
    public func exists(_ address: Address) -> Bool { exists(index(of: address)) }

    public func isEmpty(_ address: Address) -> Bool { isEmpty(index(of: address)) }

    public func balance(_ address: Address) -> Wei { balance(index(of: address)) }

    public func nonce(_ address: Address) -> Nonce { nonce(index(of: address)) }

    public func code(_ address: Address) -> Bytes { code(index(of: address)) }

    public func codeHash(_ address: Address) -> Hash256 { codeHash(index(of: address)) }

    public func hasCode(_ address: Address) -> Bool { hasCode(index(of: address)) }

    public func ensureExists(_ address: Address) { ensureExists(index(of: address)) }

    public func touch(_ address: Address) { touch(index(of: address)) }

    public func setBalance(_ address: Address, _ balance: Wei) {
        setBalance(index(of: address), balance)
    }

    public func addBalance(_ address: Address, _ amount: Wei) {
        addBalance(index(of: address), amount)
    }

    public func subtractBalance(_ address: Address, _ amount: Wei) -> Bool {
        subtractBalance(index(of: address), amount)
    }

    public func setNonce(_ address: Address, _ nonce: Nonce) { setNonce(index(of: address), nonce) }

    public func setCode(_ address: Address, _ code: Bytes) { setCode(index(of: address), code) }

    @discardableResult
    public func warm(_ address: Address) -> Bool { warm(index(of: address)) }

    @discardableResult
    public func warm(_ address: Address, slot: UInt256) -> Bool {
        warm(self.slot(index(of: address), slot))
    }

    public func storage(_ address: Address, _ slot: UInt256) -> UInt256 {
        value(self.slot(index(of: address), slot))
    }

    public func setStorage(_ address: Address, _ slot: UInt256, _ value: UInt256) {
        setValue(self.slot(index(of: address), slot), value)
    }
}
