// Everything on disk: the column families, and the layout of every key and value.
//
// Numbers in keys are big-endian, so that iteration goes by number. `‖` joins, a number in
// brackets counts bytes; `hash(address)` and `hash(slot)` are their Keccak-256 hashes.
//
//   family            key                                        value
//   ────────────────  ─────────────────────────────────────────  ──────────────────────────────────
//   meta              item name                                  see `MetaItem`
//   headers           number[8] ‖ block hash[32]                 total difficulty[32] ‖ RLP header
//   bodies            number[8] ‖ block hash[32]                 RLP, see `StoredBody`
//   receipts          number[8] ‖ block hash[32]                 RLP, see `StoredReceipts`
//   canonical         number[8]                                  block hash[32]
//   numbers           block hash[32]                             number[8]
//   transactions      transaction hash[32]                       number[8] ‖ index[4], see
//                                                                `StoredLocations`
//   accounts          hash(address)[32]                          address[20] ‖ RLP, see `FlatAccount`
//                     path in `Family.deepPaths`                 RLP node of the account trie, no leaf
//   storage           hash(address)[32] ‖ hash(slot)[32]         see `FlatSlot`
//   code              code hash[32]                              code
//   account_trie      any other path                             RLP node, no leaf
//   storage_trie      hash(address)[32] ‖ path                   RLP node, no leaf
//   account_history   key of `accounts` ‖ number[8]              value before that block; none: empty
//   storage_history   key of `storage` ‖ number[8]               value before that block; none: empty
//   changes           number[8]                                  what the block changed: `ChangedKeys`
//   log_index         kind[1] ‖ address or topic ‖ section[8]    blocks of the section: `LogSection`
//   overrides         number[8] ‖ count of earlier ones[4]       RLP of what was changed by hand
//                                                                before that block
//   side_blocks       kind[1] ‖ block hash, or number ‖ hash      blocks beside the chain: `SideKey`
//   pool              transaction hash[32]                       the transaction pool's own
//
// A path is its nibbles, two a byte, a last odd one in the high half, and then their count[1]. The
// leaves of the tries are the values of `accounts` and `storage`: see `StoredTrie`. The deep nodes of the
// account trie lie among the accounts, close before those below them: over a large state, who has read an
// account has brought them into memory with it. Their keys are shorter than those of accounts.
//
// State, trie and history describe the canonical chain up to the head that `meta` names. A block
// is written by one batch that moves the head with it.

import Primitives
import Trie

/// A column family of the core schema.
public enum Family: Int, CaseIterable, Sendable {
    case meta, headers, bodies, receipts, canonical, numbers, transactions
    case accounts, storage, code, accountTrie, storageTrie
    case accountHistory, storageHistory, changes, logIndex, overrides, sideBlocks, pool

    /// The name on disk.
    public var name: String {
        switch self {
        case .meta: "meta"
        case .headers: "headers"
        case .bodies: "bodies"
        case .receipts: "receipts"
        case .canonical: "canonical"
        case .numbers: "numbers"
        case .transactions: "transactions"
        case .accounts: "accounts"
        case .storage: "storage"
        case .code: "code"
        case .accountTrie: "account_trie"
        case .storageTrie: "storage_trie"
        case .accountHistory: "account_history"
        case .storageHistory: "storage_history"
        case .changes: "changes"
        case .logIndex: "log_index"
        case .overrides: "overrides"
        case .sideBlocks: "side_blocks"
        case .pool: "pool"
        }
    }

    /// How a family is read, which decides its filters, blocks and compression.
    enum Access {
        /// By whole keys: a filter over them, small blocks.
        case point
        /// Large values in the order of the blocks: large blocks, compressed well when old.
        case bulk
        /// By the first entry at or after a key with the same first bytes: a filter over these.
        case prefix(Int)
    }

    var access: Access {
        switch self {
        case .meta, .canonical, .numbers, .transactions, .accounts, .storage, .code, .accountTrie,
            .storageTrie, .logIndex, .overrides, .sideBlocks, .pool:
            .point
        case .headers, .bodies, .receipts, .changes: .bulk
        case .accountHistory: .prefix(32)
        case .storageHistory: .prefix(64)
        }
    }

    /// Whether it is read wherever a block's transactions happen to go.
    var holdsState: Bool {
        switch self {
        case .accounts, .storage, .accountTrie, .storageTrie: true
        default: false
        }
    }

    /// Whether what is looked for is there: the last level needs no filters, which are nine tenths of
    /// all.
    var isAlwaysFound: Bool {
        switch self {
        case .accountTrie, .storageTrie, .code: true
        default: false
        }
    }

    /// The lengths of the paths whose nodes of the account trie lie in `accounts`. The levels above are in
    /// memory mostly, see `KeptTrie`; a longer path would have a key as long as that of an account.
    static let deepPaths = 5...60

    /// Where the node at a position is, of the trie that this family is of.
    func holding(_ path: NibblePath) -> Family {
        self == .accountTrie && Self.deepPaths.contains(path.count) ? .accounts : self
    }

    /// Whether keys and values are mostly hashes, in which there is nothing to compress.
    var holdsHashes: Bool { self == .accounts || self == .accountTrie || self == .storageTrie }

    var index: Int { rawValue }
}

/// The items of the `meta` family.
package enum MetaItem: String {
    /// number[8]: the version of the layout, see `Layout`.
    case schema
    /// Where a migration to the version goes on; only while one is under way.
    case migration
    /// The hash of block 0[32].
    case genesis
    /// The chain's configuration, JSON in geth's format.
    case config
    /// number[8] ‖ hash[32] of the head.
    case head
    /// number[8]: the first block whose state can be read.
    case oldestState = "oldest_state"
    /// number[8] ‖ hash[32] of the block that the consensus layer holds for safe, if it has said so.
    case safe
    /// number[8] ‖ hash[32] of the last block that is final, if the consensus layer has said so.
    case finalized
    /// Random bytes[32] made with the database: tells one devnet from another.
    case instance

    package var key: Bytes { Bytes(rawValue.utf8) }

    /// Keys of ``ItemStore`` begin with this, so that they cannot meet one of the above.
    static let itemPrefix = Bytes("item.".utf8)
}

/// The keys of the families, as the table above draws them.
package enum Key {
    package static func number(_ number: BlockNumber) -> Bytes {
        Bytes(bigEndian: number)
    }

    package static func block(_ number: BlockNumber, _ hash: Hash256) -> Bytes {
        build(40) { key in
            key.append(bigEndian: number)
            key.append(hash)
        }
    }

    static func hash(_ hash: Hash256) -> Bytes {
        build(32) { $0.append(hash) }
    }

    package static func slot(_ address: Hash256, _ slot: Hash256) -> Bytes {
        build(64) { key in
            key.append(address)
            key.append(slot)
        }
    }

    /// The key of a value's history entry.
    package static func history(_ flatKey: Bytes, _ number: BlockNumber) -> Bytes {
        build(flatKey.count + 8) { key in
            key.append(contentsOf: flatKey)
            key.append(bigEndian: number)
        }
    }

    private static func build(_ count: Int, _ body: (inout Bytes) -> Void) -> Bytes {
        var key = Bytes()
        key.reserveCapacity(count)
        body(&key)
        return key
    }
}

extension Array where Element == UInt8 {
    package init(bigEndian number: UInt64) {
        self.init()
        reserveCapacity(8)
        append(bigEndian: number)
    }

    mutating func append(bigEndian number: UInt64) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    mutating func append(bigEndian number: UInt32) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    mutating func append(_ hash: Hash256) {
        append(bigEndian: hash.w0)
        append(bigEndian: hash.w1)
        append(bigEndian: hash.w2)
        append(bigEndian: hash.w3)
    }

    mutating func append(_ address: Address) {
        append(bigEndian: address.w0)
        append(bigEndian: address.w1)
        append(bigEndian: address.w2)
    }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number in exactly as many big-endian bytes as the type has.
    package init?(bigEndian bytes: some Collection<UInt8>) {
        guard bytes.count == Self.bitWidth / 8 else { return nil }
        self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
    }
}
