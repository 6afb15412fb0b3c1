/// What the journal keeps in memory of accounts, slots and changes.
///
/// All records are plain words without references, so that arenas may move them and an undo entry is
/// a copy of the old value. What holds for one transaction only (warm, created, destroyed, original
/// value) carries the number of its transaction, its *epoch*: nothing needs to be reset between two.

import EthereumTypes
import Primitives

/// An account that was looked at.
struct AccountRecord: BitwiseCopyable {
    let address: Address

    /// What the account is now; all zero if it does not exist.
    var balance: UInt256
    var nonce: Nonce
    var codeHash: Hash256
    var exists: Bool

    /// It is in `dirtyAccounts`.
    var isDirty = false

    /// Index of the code, or -1 if it was not loaded yet.
    var codeIndex: Int32 = -1

    /// What the interpreter made of the code; see `JournaledState.attach`.
    var attachment: UnsafeRawPointer?

    /// The transaction in which the address is warm (EIP-2929).
    var warmEpoch: UInt32 = 0

    /// The transaction that created the account.
    var createdEpoch: UInt32 = 0

    /// The transaction that destroys the account at its end.
    var destroyedEpoch: UInt32 = 0

    /// The transaction that touched the account (EIP-161).
    var touchedEpoch: UInt32 = 0

    /// How often the storage was wiped. A slot with an older generation is zero.
    var generation: UInt32 = 0

    /// The generation when the last diff was taken.
    var takenGeneration: UInt32 = 0

    /// What the account was in the reader, or when the last diff was taken.
    var existedBefore: Bool
    var balanceBefore: UInt256
    var nonceBefore: Nonce
    var codeHashBefore: Hash256
    var storageRoot: Hash256

    init(address: Address, account: Account?) {
        self.address = address
        exists = account != nil
        existedBefore = exists
        balance = account?.balance ?? .zero
        nonce = account?.nonce ?? 0
        codeHash = account?.codeHash ?? .keccakEmpty
        storageRoot = account?.storageRoot ?? .emptyTrieRoot
        balanceBefore = balance
        nonceBefore = nonce
        codeHashBefore = codeHash
    }

    /// Empty as EIP-161 defines it; a missing account is empty too.
    @inline(always)
    var isEmpty: Bool { nonce == 0 && balance.isZero && codeHash == .keccakEmpty }

    var accountBefore: Account? {
        guard existedBefore else { return nil }
        return Account(
            nonce: nonceBefore, balance: balanceBefore, storageRoot: storageRoot,
            codeHash: codeHashBefore)
    }

    var accountAfter: Account? {
        guard exists else { return nil }
        return Account(
            nonce: nonce, balance: balance,
            storageRoot: generation == takenGeneration ? storageRoot : .emptyTrieRoot,
            codeHash: codeHash)
    }
}

/// A storage slot that was looked at.
struct SlotRecord: BitwiseCopyable {
    let slot: UInt256
    let account: Int32

    /// The transaction in which the slot is warm (EIP-2929).
    var warmEpoch: UInt32 = 0

    /// The transaction that `original` belongs to; in any other the original value is the current one.
    var originalEpoch: UInt32 = 0

    /// The generation of the account's storage that `current` belongs to.
    var generation: UInt32 = 0

    /// The values are there. A slot in an access list is warm before anybody asks for its value.
    var isLoaded = false

    /// It is in `dirtySlots`.
    var isDirty = false

    var current = UInt256.zero
    var original = UInt256.zero

    /// The value in the reader, or when the last diff was taken.
    var before = UInt256.zero
}

/// A slot of transient storage (EIP-1153).
struct TransientRecord: BitwiseCopyable {
    let slot: UInt256
    let account: Int32
    var value: UInt256
}

/// How to take one change back: `value` is what stood in the field of record `index` before.
struct UndoEntry: BitwiseCopyable {
    enum Kind: UInt32 {
        case balance, nonce, code, existence, storage, transient
        case warmAccount, warmSlot, created, destroyed, touched
    }

    let kind: Kind
    let index: Int32
    let value: UInt256
}
