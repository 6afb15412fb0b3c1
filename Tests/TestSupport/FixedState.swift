// A world state in a dictionary.

import Cryptography
public import EthereumTypes
public import Primitives
public import State

/// A state that tests write down.
public struct FixedState: StateReader, Sendable {
    /// One account of it.
    public struct Entry: Sendable {
        /// Transactions sent.
        public var nonce: Nonce
        /// In wei.
        public var balance: Wei
        /// Its code, empty by default.
        public var code: Bytes
        /// Its slots that are not zero.
        public var storage: [UInt256: UInt256]

        /// An entry, empty by default.
        public init(
            nonce: Nonce = 0, balance: Wei = .zero, code: Bytes = [],
            storage: [UInt256: UInt256] = [:]
        ) {
            self.nonce = nonce
            self.balance = balance
            self.code = code
            self.storage = storage
        }
    }

    /// All accounts by address.
    public var accounts: [Address: Entry]

    /// Any read fails with this, if it is set.
    public var failure: StateReadError?
    /// Accounts of which any read fails.
    public var unreadable: Set<Address> = []

    /// A state of these accounts.
    public init(_ accounts: [Address: Entry] = [:]) {
        self.accounts = accounts
    }

    /// The accounts of a fixture's `pre` or `post`; nil if they are malformed.
    public init?(fixture: JSONValue?) {
        accounts = [:]
        guard let object = fixture?.objectValue else { return nil }
        for (key, value) in object {
            guard let address = Address(hex: key),
                let nonce = value["nonce"]?.stringValue.flatMap(UInt256.init(hex:)),
                let balance = value["balance"]?.stringValue.flatMap(UInt256.init(hex:)),
                let code = value["code"]?.stringValue.flatMap({ Hex.decode($0) }),
                let storage = value["storage"]?.objectValue
            else { return nil }
            var entry = Entry(nonce: nonce.l0, balance: balance, code: code)
            for (slot, word) in storage {
                guard let slot = UInt256(hex: slot),
                    let word = word.stringValue.flatMap(UInt256.init(hex:))
                else { return nil }
                entry.storage[slot] = word
            }
            accounts[address] = entry
        }
    }

    /// The account; it has storage if a slot is not zero.
    public func account(_ address: Address) throws(StateReadError) -> Account? {
        try check(address)
        guard let entry = accounts[address] else { return nil }
        // Any root but the empty one says that there is storage.
        return Account(
            nonce: entry.nonce, balance: entry.balance,
            storageRoot: entry.storage.values.allSatisfy(\.isZero) ? .emptyTrieRoot : .zero,
            codeHash: keccak256(entry.code))
    }

    /// The slot's value.
    public func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        try check(address)
        return accounts[address]?.storage[slot] ?? .zero
    }

    private func check(_ address: Address) throws(StateReadError) {
        if let failure { throw failure }
        guard unreadable.contains(address) else { return }
        throw StateReadError(message: "The account \(address) cannot be read.")
    }

    /// The code of the account that has this hash.
    public func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        if let failure { throw failure }
        for entry in accounts.values where keccak256(entry.code) == hash { return entry.code }
        throw StateReadError(message: "There is no code \(hash).")
    }

    /// The hash of the number's decimal text, as the official state tests define it.
    public func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        if let failure { throw failure }
        return keccak256(Bytes(String(number).utf8))
    }
}
