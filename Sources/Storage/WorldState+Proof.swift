import Cryptography
public import EthereumTypes
public import Primitives
import State
import Trie

extension WorldState {
    /// Proves an account and some of its slots against the state root of a block.
    ///
    /// For an earlier block the account trie, and the account's storage trie, are brought back by the
    /// keys that changed since, in bounded memory. The cost is proportional to how many different
    /// keys of these tries changed.
    ///
    /// - Parameters:
    ///   - block: the block, the head or a retained one before it.
    ///   - limit: how many changed keys are gone through, see ``EarlierKeys``.
    /// - Throws: `tooManyChanges` beyond the limit.
    public func proof(
        of address: Address, slots: [UInt256], at block: BlockNumber,
        head: BlockNumber, headRoot: Hash256, limit: Int
    ) throws(StorageError) -> AccountProof {
        let hash = keccak256(address)
        let slotHashes = slots.map { keccak256($0) }
        let state = WorldState(snapshot, at: block < head ? .after(block) : .latest)
        let record = try state.flatValue(.accounts, Key.hash(hash))
        let account = try record.map { (bytes) throws(StorageError) in
            try FlatAccount(bytes).account
        }
        var accounts = accountTrie(root: headRoot)
        var storage = try storageTrie(ofLatest: hash)
        if block < head {
            let earlier = try EarlierKeys(
                changedAfter: block, through: head, in: snapshot,
                slotsOf: slots.isEmpty ? [] : [hash], limit: limit)
            accounts = try earlier.accountTrie(latest: headRoot, for: [hash]).trie
            if !slots.isEmpty {
                let rewound = try earlier.storageTrie(of: hash, for: slotHashes)
                guard rewound.root == account?.storageRoot ?? .emptyTrieRoot else {
                    throw .corrupted(
                        "the storage history of \(address) does not lead to its root at \(block)")
                }
                storage = rewound.trie
            }
        }
        var storageProofs: [StorageProof] = []
        for (slot, slotHash) in zip(slots, slotHashes) {
            let value = try state.flatValue(.storage, Key.slot(hash, slotHash))
            storageProofs.append(
                StorageProof(
                    slot: slot,
                    value: try value.map { (bytes) throws(StorageError) in
                        try FlatSlot(bytes).value
                    } ?? .zero,
                    proof: try storage.nodes(proving: slotHash)))
        }
        return AccountProof(
            address: address, account: account, accountProof: try accounts.nodes(proving: hash),
            storageProofs: storageProofs)
    }
}

/// A proof of an account and of slots of its storage: EIP-1186.
public struct AccountProof: Hashable, Sendable {
    /// Whose account.
    public var address: Address
    /// The account, or `nil` if the proof is one that there is none.
    public var account: Account?
    /// The nodes of the account trie from the root towards the account.
    public var accountProof: [Bytes]
    /// A proof for each slot that was asked for.
    public var storageProofs: [StorageProof]
}

/// A proof of a storage slot: EIP-1186.
public struct StorageProof: Hashable, Sendable {
    /// The slot.
    public var slot: UInt256
    /// Its value.
    public var value: UInt256
    /// The nodes of the account's storage trie from the root towards the slot.
    public var proof: [Bytes]
}

extension MerkleTrie {
    /// The proof for a key.
    fileprivate mutating func nodes(proving key: Hash256) throws(StorageError) -> [Bytes] {
        try decoding("trie") { () throws(TrieError) in try proof(for: key) }
    }
}
