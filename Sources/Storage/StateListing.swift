public import EthereumTypes
public import Primitives

/// An account of the latest state, as a listing gives it.
public struct ListedAccount: Hashable, Sendable {
    /// The key that the listing is ordered by.
    public var addressHash: Hash256
    /// Whose account it is.
    public var address: Address
    /// The account.
    public var account: Account

    /// An entry of a listing.
    public init(addressHash: Hash256, address: Address, account: Account) {
        self.addressHash = addressHash
        self.address = address
        self.account = account
    }
}

/// A storage slot of the latest state, as a listing gives it.
public struct ListedSlot: Hashable, Sendable {
    /// The key that the listing is ordered by.
    public var slotHash: Hash256
    /// The slot.
    public var slot: UInt256
    /// Its value, never zero.
    public var value: UInt256

    /// An entry of a listing.
    public init(slotHash: Hash256, slot: UInt256, value: UInt256) {
        self.slotHash = slotHash
        self.slot = slot
        self.value = value
    }
}

extension WorldState {
    /// Calls a function with accounts of the latest state in the order of their addresses' hashes,
    /// until it returns `false`.
    public func forEachAccount(
        from start: Hash256 = .zero,
        _ body: (ListedAccount) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let cursor = snapshot.cursor(.accounts)
        try cursor.seek(Key.hash(start))
        while cursor.isValid {
            guard let hash = Hash256(cursor.key) else { throw .corrupted("account key") }
            let record = try FlatAccount(cursor.value)
            let listed = ListedAccount(
                addressHash: hash, address: record.address, account: record.account)
            guard try body(listed) else { return }
            try cursor.advance()
        }
    }

    /// Calls a function with the accounts as they were after an earlier block, in the order of
    /// their addresses' hashes, until it returns `false`. Reads all accounts and their history.
    ///
    /// - Parameter number: a retained block.
    public func forEachAccount(
        after number: BlockNumber, _ body: (ListedAccount) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let latest = snapshot.cursor(.accounts)
        let history = snapshot.cursor(.accountHistory)
        try latest.seek([])
        try history.seek([])
        while latest.isValid || history.isValid {
            let latestKey = latest.isValid ? latest.key : nil
            let historyKey = history.isValid ? Bytes(history.key.prefix(32)) : nil
            guard
                let key = [latestKey, historyKey].compactMap(\.self).min(by: {
                    $0.lexicographicallyPrecedes($1)
                }), let hash = Hash256(key)
            else { throw .corrupted("account key") }
            var value = latestKey == key ? latest.value : []
            if historyKey == key {
                try history.seek(Key.history(key, number + 1))
                if history.isValid, history.key.starts(with: key) { value = history.value }
                // Whatever else the history has of this account comes before this.
                try history.seek(Key.history(key, .max) + [0])
            }
            if latestKey == key { try latest.advance() }
            guard !value.isEmpty else { continue }
            let record = try FlatAccount(value)
            let listed = ListedAccount(
                addressHash: hash, address: record.address, account: record.account)
            guard try body(listed) else { return }
        }
    }

    /// Calls a function with the slots of an account in the latest state in the order of their
    /// hashes, until it returns `false`.
    public func forEachSlot(
        of addressHash: Hash256, from start: Hash256 = .zero,
        _ body: (ListedSlot) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let prefix = Key.hash(addressHash)
        let cursor = snapshot.cursor(.storage)
        try cursor.seek(Key.slot(addressHash, start))
        while cursor.isValid {
            let key = cursor.key
            guard key.starts(with: prefix) else { return }
            guard let hash = Hash256(key.dropFirst(32)) else { throw .corrupted("storage key") }
            let record = try FlatSlot(cursor.value)
            guard
                try body(ListedSlot(slotHash: hash, slot: record.slot, value: record.value))
            else { return }
            try cursor.advance()
        }
    }
}
