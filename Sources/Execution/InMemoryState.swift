//  A whole world state in memory: genesis allocations and the pre-states of official tests.

import Cryptography
public import EthereumTypes
public import Primitives
public import State
import Trie

/// A world state that is small enough to be held as a value. Copies share what is equal.
public struct InMemoryState: StateReader, Sendable {
    private struct Entry: Sendable {
        var account: Account
        var storage: [UInt256: UInt256]
    }

    private var entries: [Address: Entry] = [:]
    private var codes: [Hash256: Bytes] = [:]

    /// The state that consists of these accounts.
    public init(accounts: [Address: GenesisAccount]) {
        for (address, given) in accounts {
            let storage = given.storage.filter { !$0.value.isZero }
            let codeHash = given.code.isEmpty ? .keccakEmpty : keccak256(given.code)
            if !given.code.isEmpty { codes[codeHash] = given.code }
            entries[address] = Entry(
                account: Account(
                    nonce: given.nonce, balance: given.balance,
                    storageRoot: storageRoot(of: storage), codeHash: codeHash),
                storage: storage)
        }
    }

    /// The state of a chain's block zero.
    public init(genesis: Genesis) { self.init(accounts: genesis.alloc) }

    /// The account at an address, or nil if there is none.
    public func account(_ address: Address) throws(StateReadError) -> Account? {
        entries[address]?.account
    }

    /// The value of a storage slot; zero if it is absent.
    public func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        entries[address]?.storage[slot] ?? .zero
    }

    /// The code with a hash that an account has.
    public func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        guard let code = codes[hash] else {
            throw StateReadError(message: "There is no code with the hash \(hash).")
        }
        return code
    }

    /// Nil: there is no chain behind the state.
    public func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? { nil }

    /// Makes the changes of a diff, and the storage roots that follow from them.
    public mutating func apply(_ diff: StateDiff) {
        codes.merge(diff.code) { old, _ in old }
        for (address, change) in diff.accounts {
            guard var account = change.after else {
                entries[address] = nil
                continue
            }
            var entry = entries[address] ?? Entry(account: .empty, storage: [:])
            if change.storageWasCleared { entry.storage = [:] }
            for slot in change.storage {
                entry.storage[slot.slot] = slot.after.isZero ? nil : slot.after
            }
            account.storageRoot = entry.account.storageRoot
            if change.storageWasCleared || !change.storage.isEmpty {
                account.storageRoot = storageRoot(of: entry.storage)
            }
            entry.account = account
            entries[address] = entry
        }
    }

    /// The root of the state trie.
    public func stateRoot() -> Hash256 {
        trieRoot(
            keys: keccak256(addresses: Array(entries.keys)),
            values: entries.values.map { $0.account.encoded() })
    }

    /// The accounts, as a genesis file lists them.
    public var accounts: [Address: GenesisAccount] {
        entries.mapValues { entry in
            GenesisAccount(
                balance: entry.account.balance, nonce: entry.account.nonce,
                code: codes[entry.account.codeHash] ?? [], storage: entry.storage)
        }
    }
}

extension Genesis {
    /// The root of the state that the allocations make.
    public func stateRoot() -> Hash256 { InMemoryState(genesis: self).stateRoot() }
}

/// The root of an account's storage trie.
private func storageRoot(of storage: [UInt256: UInt256]) -> Hash256 {
    guard !storage.isEmpty else { return .emptyTrieRoot }
    let values = storage.values.map { value in
        var encoder = RLPEncoder()
        encoder.append(value)
        return encoder.bytes
    }
    return trieRoot(keys: keccak256(slots: Array(storage.keys)), values: values)
}

/// The root of a trie of distinct keys.
private func trieRoot(keys: [Hash256], values: [Bytes]) -> Hash256 {
    var trie = MerkleTrie(entries: Dictionary(uniqueKeysWithValues: zip(keys, values)))
    return trie.commit().root
}
