/// What execution changed.
///
/// A diff lists each changed account with its value before and after, and its changed slots. It is
/// the only thing that leaves execution towards the disk; applied to the state before, it gives the
/// state after, and read backwards it is the undo record of a block.

public import EthereumTypes
public import Primitives

/// One changed storage slot.
public struct StorageChange: Hashable, Sendable {
    /// The slot's key, not hashed.
    public let slot: UInt256
    /// Its value before.
    public let before: UInt256
    /// Its value after.
    public let after: UInt256

    /// The change of a slot.
    public init(slot: UInt256, before: UInt256, after: UInt256) {
        self.slot = slot
        self.before = before
        self.after = after
    }
}

/// What happened to one account.
public struct AccountChange: Hashable, Sendable {
    /// The account before, or nil if it did not exist.
    public var before: Account?

    /// The account after, or nil if it does not exist any more. Its `storageRoot` is the one before
    /// (or that of an empty trie if the storage was cleared): whoever keeps the trie computes the new one.
    public var after: Account?

    /// All storage of before was wiped (the account was destroyed, and perhaps made again). Then
    /// `storage` lists the slots that hold a value now, and every other slot is zero.
    public var storageWasCleared: Bool

    /// The changed slots in ascending order.
    public var storage: [StorageChange]

    /// The change of an account.
    public init(
        before: Account?, after: Account?, storageWasCleared: Bool = false,
        storage: [StorageChange] = []
    ) {
        self.before = before
        self.after = after
        self.storageWasCleared = storageWasCleared
        self.storage = storage
    }

    /// The value of a slot if this change decides it, or nil if the state before still does.
    /// O(log n) in the number of changed slots.
    public func value(of slot: UInt256) -> UInt256? {
        if let index = storage.firstIndex(atOrAbove: slot), storage[index].slot == slot {
            return storage[index].after
        }
        return storageWasCleared || after == nil ? .zero : nil
    }

    /// This change followed by a later one of the same account.
    mutating func merge(_ later: AccountChange) {
        after = later.after
        if later.storageWasCleared {
            storageWasCleared = true
            storage = later.storage.map { change in
                guard let index = storage.firstIndex(atOrAbove: change.slot),
                    storage[index].slot == change.slot
                else { return change }
                return StorageChange(
                    slot: change.slot, before: storage[index].before, after: change.after)
            }
        } else {
            storage = Self.merged(storage, later.storage)
            if storageWasCleared { storage.removeAll { $0.after.isZero } }
        }
        if storageWasCleared, after != nil { after?.storageRoot = .emptyTrieRoot }
    }

    /// Two ascending lists as one; where both have a slot, the first tells before, the second after.
    private static func merged(
        _ first: [StorageChange], _ second: [StorageChange]
    ) -> [StorageChange] {
        var result: [StorageChange] = []
        result.reserveCapacity(first.count + second.count)
        var i = 0
        var j = 0
        while i < first.count || j < second.count {
            if j == second.count || (i < first.count && first[i].slot < second[j].slot) {
                result.append(first[i])
                i += 1
            } else if i == first.count || second[j].slot < first[i].slot {
                result.append(second[j])
                j += 1
            } else {
                let change = StorageChange(
                    slot: first[i].slot, before: first[i].before, after: second[j].after)
                if change.before != change.after { result.append(change) }
                i += 1
                j += 1
            }
        }
        return result
    }
}

extension [StorageChange] {
    /// The first index whose slot is at or above the given one (the list ascends), nil if there is none.
    fileprivate func firstIndex(atOrAbove slot: UInt256) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].slot < slot { low = middle + 1 } else { high = middle }
        }
        return low < count ? low : nil
    }
}

/// The changes of a transaction, a block or a run of blocks.
public struct StateDiff: Hashable, Sendable {
    /// The changed accounts.
    public var accounts: [Address: AccountChange]

    /// Code that accounts came to hold, by hash.
    public var code: [Hash256: Bytes]

    /// A diff of these changes; of none by default.
    public init(accounts: [Address: AccountChange] = [:], code: [Hash256: Bytes] = [:]) {
        self.accounts = accounts
        self.code = code
    }

    /// True if nothing changed.
    public var isEmpty: Bool { accounts.isEmpty && code.isEmpty }

    /// Appends the changes of what came next.
    public mutating func merge(_ later: StateDiff) {
        // As most often, where nothing was changed by hand before a block.
        guard !isEmpty else {
            self = later
            return
        }
        for (address, change) in later.accounts {
            if accounts[address] == nil {
                accounts[address] = change
            } else {
                accounts[address]?.merge(change)
            }
        }
        code.merge(later.code) { _, new in new }
    }
}
