public import Primitives

/// A payment from the consensus layer to an account: EIP-4895.
public struct Withdrawal: Hashable, Sendable {
    /// Counts all withdrawals of the chain.
    public var index: UInt64
    /// The validator whose money it is.
    public var validatorIndex: UInt64
    /// Who is paid.
    public var address: Address
    /// In gwei (10⁹ wei).
    public var amount: UInt64

    /// A withdrawal of these parts.
    public init(index: UInt64, validatorIndex: UInt64, address: Address, amount: UInt64) {
        self.index = index
        self.validatorIndex = validatorIndex
        self.address = address
        self.amount = amount
    }

    /// The amount in wei.
    public var amountInWei: Wei { UInt256(amount) &* UInt256(1_000_000_000) }

    /// The value of the withdrawal's leaf in its trie.
    public func encoded() -> Bytes {
        var encoder = RLPEncoder()
        encoder.append(self)
        return encoder.bytes
    }
}

extension RLPEncoder {
    mutating func append(_ withdrawal: Withdrawal) {
        list { list in
            list.append(withdrawal.index)
            list.append(withdrawal.validatorIndex)
            list.append(withdrawal.address)
            list.append(withdrawal.amount)
        }
    }
}

extension RLPDecoder {
    mutating func withdrawal() throws(RLPError) -> Withdrawal {
        var list = try list()
        let withdrawal = Withdrawal(
            index: try list.uint64(), validatorIndex: try list.uint64(),
            address: try list.address(), amount: try list.uint64())
        try list.finish()
        return withdrawal
    }
}
