extension JSONWriter {
    /// Writes a quantity as the JSON-RPC of Ethereum spells it: `"0x0"`, `"0x1f"`.
    public mutating func hexQuantity(_ value: UInt256) {
        beginHex()
        let limbs = [value.l3, value.l2, value.l1, value.l0]
        let first = limbs.firstIndex { $0 != 0 } ?? 3
        appendHexQuantity(limbs[first])
        for limb in limbs[(first + 1)...] { appendHexWord(limb) }
        endHex()
    }

    /// Writes all 64 digits of a word, as for a storage value.
    public mutating func hexWord(_ value: UInt256) {
        beginHex()
        appendHexWord(value.l3)
        appendHexWord(value.l2)
        appendHexWord(value.l1)
        appendHexWord(value.l0)
        endHex()
    }

    /// Writes all 64 digits of a hash.
    public mutating func hash(_ hash: Hash256) {
        beginHex()
        appendHexWord(hash.w0)
        appendHexWord(hash.w1)
        appendHexWord(hash.w2)
        appendHexWord(hash.w3)
        endHex()
    }

    /// Writes the forty digits of an address, in lower case.
    public mutating func address(_ address: Address) {
        beginHex()
        appendHexWord(address.w0)
        appendHexWord(address.w1)
        for shift in stride(from: 24 as UInt32, through: 0, by: -8) {
            appendHexByte(UInt8(truncatingIfNeeded: address.w2 &>> shift))
        }
        endHex()
    }
}
