public import EthereumTypes
public import Primitives

/// An account, as a listing gives it.
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

/// A storage slot, as a listing gives it.
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
    /// Calls a function with the accounts of the state in the order of their addresses' hashes, until
    /// it returns `false`.
    public func forEachAccount(
        from start: Hash256 = .zero,
        _ body: (ListedAccount) throws(StorageError) -> Bool
    ) throws(StorageError) {
        try forEachValue(.accounts, prefix: [], from: Key.hash(start)) {
            (key, value) throws(StorageError) in
            guard let hash = Hash256(key) else { throw .corrupted("account key") }
            let record = try FlatAccount(value)
            return try body(
                ListedAccount(
                    addressHash: hash, address: record.address, account: record.account))
        }
    }

    /// Calls a function with the slots of an account in the order of their hashes, until it returns
    /// `false`.
    public func forEachSlot(
        of addressHash: Hash256, from start: Hash256 = .zero,
        _ body: (ListedSlot) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let prefix = Key.hash(addressHash)
        try forEachValue(.storage, prefix: prefix, from: Key.slot(addressHash, start)) {
            (key, value) throws(StorageError) in
            guard let hash = Hash256(key.dropFirst(32)) else { throw .corrupted("storage key") }
            let record = try FlatSlot(value)
            return try body(ListedSlot(slotHash: hash, slot: record.slot, value: record.value))
        }
    }

    /// Calls a function with the keys and values of `accounts` or `storage` at the moment, in order.
    ///
    /// A key that has a value at an earlier moment has one now or an entry in the history; both are
    /// gone through side by side.
    private func forEachValue(
        _ family: Family, prefix: Bytes, from start: Bytes,
        _ body: (Bytes, Bytes) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let latest = snapshot.cursor(family)
        try latest.seek(start)
        func latestKey() throws(StorageError) -> Bytes? {
            try latest.skip(toKeysOf: start.count)
            guard latest.isValid else { return nil }
            let key = latest.key
            return key.starts(with: prefix) ? key : nil
        }
        guard case .after = moment else {
            while let key = try latestKey() {
                guard try body(key, latest.value) else { return }
                try latest.advance()
            }
            return
        }
        let size = start.count
        let history = snapshot.cursor(family == .accounts ? .accountHistory : .storageHistory)
        try history.seek(start)
        func historyKey() -> Bytes? {
            guard history.isValid else { return nil }
            let key = Bytes(history.key.prefix(size))
            return key.starts(with: prefix) ? key : nil
        }
        while true {
            let now = try latestKey()
            let then = historyKey()
            let key: Bytes
            switch (now, then) {
            case (nil, nil): return
            case (let one?, nil), (nil, let one?): key = one
            case (let one?, let other?): key = one.lexicographicallyPrecedes(other) ? one : other
            }
            if let value = try flatValue(family, key) {
                guard try body(key, value) else { return }
            }
            if now == key { try latest.advance() }
            // Past the last entry of the key.
            if then == key {
                try history.seek(key + Bytes(repeating: 0xff, count: 9))
            }
        }
    }
}
