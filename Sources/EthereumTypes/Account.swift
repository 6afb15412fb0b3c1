public import Cryptography
public import Primitives

/// An account of the world state: Yellow Paper 4.1.
public struct Account: Hashable, Sendable {
    /// Transactions sent, or contracts created by a contract's code.
    public var nonce: Nonce
    /// What the account owns.
    public var balance: Wei
    /// The root of the account's storage trie.
    public var storageRoot: Hash256
    /// The hash of the account's code.
    public var codeHash: Hash256

    /// An account; every field has the value of an account that does not exist.
    public init(
        nonce: Nonce = 0,
        balance: Wei = .zero,
        storageRoot: Hash256 = .emptyTrieRoot,
        codeHash: Hash256 = .keccakEmpty
    ) {
        self.nonce = nonce
        self.balance = balance
        self.storageRoot = storageRoot
        self.codeHash = codeHash
    }

    /// No nonce, no balance, no code, no storage.
    public static let empty = Account()

    /// Empty in the sense of EIP-161: storage does not count.
    public var isEmpty: Bool { nonce == 0 && balance.isZero && !hasCode }

    /// Whether the account is a contract, or delegates to one (EIP-7702).
    public var hasCode: Bool { codeHash != .keccakEmpty }

    /// The value of the account's leaf in the state trie.
    public func encoded() -> Bytes {
        var encoder = RLPEncoder()
        encoder.reserveCapacity(Self.usualBytes)
        encoder.list { list in
            list.append(nonce)
            list.append(balance)
            list.append(storageRoot)
            list.append(codeHash)
        }
        return encoder.bytes
    }

    /// More than what the encoding of an account takes as long as there is less ether than 2^80 wei.
    private static let usualBytes = 96

    /// Reads what ``encoded()`` writes.
    public init(encoded: Bytes) throws(RLPError) {
        var decoder = RLPDecoder(encoded)
        var list = try decoder.list()
        try decoder.finish()
        nonce = try list.uint64()
        balance = try list.uint256()
        storageRoot = try list.hash()
        codeHash = try list.hash()
        try list.finish()
    }
}
