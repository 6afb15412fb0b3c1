public import Cryptography
public import Primitives

/// Who sent a transaction.
extension Transaction {
    /// The sender that the signature proves, by the rules of a fork.
    ///
    /// - Returns: `nil` if the signature is not valid there: a high s from Homestead on (EIP-2), a
    ///   chain id in a legacy transaction before Spurious Dragon (EIP-155).
    public func recoverSender(at fork: Fork) -> Address? {
        if type == .legacy, chainId != nil, fork < .spuriousDragon { return nil }
        if fork >= .homestead, !signature.hasLowS { return nil }
        guard signature.isInRange else { return nil }
        return recoverAddress(hash: signingHash(), signature: signature)
    }

    /// The sender that the signature proves, by today's rules.
    public func recoverSender() -> Address? { recoverSender(at: .osaka) }

    /// Signs the transaction, for the chain that its ``chainId`` says.
    public mutating func sign(with key: PrivateKey) {
        signature = key.sign(signingHash())
    }

    /// The transaction, signed.
    public func signed(with key: PrivateKey) -> Transaction {
        var transaction = self
        transaction.sign(with: key)
        return transaction
    }

    /// Marks the transaction as sent by an account whose key nobody has: a devnet's impersonation.
    ///
    /// The mark is a signature with r = the address and s = 0. No key can make it, and
    /// ``recoverSender(at:)`` refuses it; only who is told to looks for it.
    public mutating func impersonate(_ sender: Address) {
        signature = Signature(yParity: false, r: sender.uint256, s: .zero)
    }

    /// The sender that ``impersonate(_:)`` noted, or `nil` for any other signature.
    public var impersonatedSender: Address? {
        guard signature.s.isZero, !signature.yParity, signature.r.bitWidth <= 160 else {
            return nil
        }
        return Address(lowBytesOf: signature.r)
    }
}

/// A transaction with its hash and its sender, which are costly to compute and needed often.
public struct RecoveredTransaction: Hashable, Sendable {
    /// The transaction itself.
    public let transaction: Transaction
    /// Its hash.
    public let hash: Hash256
    /// Who pays for it.
    public let sender: Address

    /// - Parameter sender: known to be the sender, by recovery or by impersonation.
    public init(_ transaction: Transaction, sender: Address) {
        self.transaction = transaction
        self.hash = transaction.hash()
        self.sender = sender
    }

    /// - Parameter hash: the transaction's, known already.
    public init(_ transaction: Transaction, hash: Hash256, sender: Address) {
        self.transaction = transaction
        self.hash = hash
        self.sender = sender
    }

    /// Recovers the sender by today's rules.
    ///
    /// - Returns: `nil` if the signature is not valid.
    public init?(recovering transaction: Transaction) {
        self.init(recovering: transaction, at: .osaka)
    }

    /// Recovers the sender by the rules of a fork.
    ///
    /// - Returns: `nil` if the signature is not valid there.
    public init?(recovering transaction: Transaction, at fork: Fork) {
        guard let sender = transaction.recoverSender(at: fork) else { return nil }
        self.init(transaction, sender: sender)
    }

    /// Equal hashes are equal transactions.
    public static func == (lhs: RecoveredTransaction, rhs: RecoveredTransaction) -> Bool {
        lhs.hash == rhs.hash && lhs.sender == rhs.sender
    }

    /// Hashes the hash.
    public func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
