import Cryptography
import EthereumTypes
public import Primitives
public import State

/// One change that a devnet's user makes to the state outside any transaction.
///
/// Overrides are kept in order. Those made since the head are *pending*: the latest state shows
/// them, and the next block is built on them, records them under its number and takes them into
/// its state root. So the block can be undone, exported and executed again.
public enum PreBlockOverride: Hashable, Sendable {
    /// The account gets this balance.
    case balance(Address, Wei)
    /// The account gets this nonce.
    case nonce(Address, Nonce)
    /// The account gets this code.
    case code(Address, Bytes)
    /// The slot of the account's storage gets this value.
    case storage(Address, slot: UInt256, value: UInt256)

    /// Whose account is changed.
    public var address: Address {
        switch self {
        case .balance(let address, _), .nonce(let address, _), .code(let address, _),
            .storage(let address, _, _):
            address
        }
    }
}

extension StateDiff {
    /// What overrides change in a state, the later over the earlier.
    ///
    /// An account that ends empty (EIP-161) and without storage does not exist.
    public init(
        applying overrides: [PreBlockOverride], to state: some StateReader
    ) throws(StateReadError) {
        self.init()
        var before: [Address: Account] = [:]
        var after: [Address: Account] = [:]
        var slots: [Address: [UInt256: UInt256]] = [:]
        for override in overrides {
            let address = override.address
            if after[address] == nil {
                before[address] = try state.account(address)
                after[address] = before[address] ?? .empty
            }
            switch override {
            case .balance(_, let balance): after[address]?.balance = balance
            case .nonce(_, let nonce): after[address]?.nonce = nonce
            case .code(_, let bytes):
                let hash = keccak256(bytes)
                after[address]?.codeHash = hash
                if !bytes.isEmpty { code[hash] = bytes }
            case .storage(_, let slot, let value): slots[address, default: [:]][slot] = value
            }
        }
        for (address, account) in after {
            var changes: [StorageChange] = []
            for (slot, value) in (slots[address] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let old = try state.storage(address, slot)
                if old != value {
                    changes.append(StorageChange(slot: slot, before: old, after: value))
                }
            }
            let hasStorage =
                account.storageRoot != .emptyTrieRoot || changes.contains { !$0.after.isZero }
            let result = account.isEmpty && !hasStorage ? nil : account
            guard before[address] != result || !changes.isEmpty else { continue }
            accounts[address] = AccountChange(
                before: before[address], after: result, storage: changes)
        }
    }
}

extension BlockStore {
    /// The overrides that belong before a block: for the one after the head, the pending ones.
    public func overrides(
        before number: BlockNumber
    ) throws(StorageError) -> [PreBlockOverride] {
        var overrides: [PreBlockOverride] = []
        try snapshot.forEach(.overrides, prefix: Key.number(number)) {
            (_, value) throws(StorageError) in
            overrides += try decoding("overrides of block \(number)") { () throws(RLPError) in
                try [PreBlockOverride](encoded: value)
            }
            return true
        }
        return overrides
    }

    /// Adds overrides before a block, after so many earlier ones.
    public func addOverrides(
        _ overrides: [PreBlockOverride], before number: BlockNumber, after count: Int,
        to batch: inout WriteBatch
    ) {
        guard !overrides.isEmpty else { return }
        var key = Key.number(number)
        key.append(bigEndian: UInt32(truncatingIfNeeded: count))
        batch.put(.overrides, key, overrides.encoded)
    }

    /// Removes the overrides before a block and before all later ones.
    public func removeOverrides(
        from number: BlockNumber, in batch: inout WriteBatch
    ) throws(StorageError) {
        var keys: [Bytes] = []
        do {
            let cursor = snapshot.cursor(.overrides)
            try cursor.seek(Key.number(number))
            while cursor.isValid {
                keys.append(cursor.key)
                try cursor.advance()
            }
        }
        for key in keys { batch.delete(.overrides, key) }
    }
}

extension [PreBlockOverride] {
    /// A value of `overrides`, what one call changed: RLP of a list of [kind, address, …], where kind is 0 for a balance,
    /// 1 for a nonce, 2 for code, and 3 for a slot and its value.
    public var encoded: Bytes {
        var encoder = RLPEncoder()
        encoder.list { items in
            for override in self {
                items.list { fields in
                    switch override {
                    case .balance(let address, let balance):
                        fields.append(0 as UInt64)
                        fields.append(address)
                        fields.append(balance)
                    case .nonce(let address, let nonce):
                        fields.append(1 as UInt64)
                        fields.append(address)
                        fields.append(nonce)
                    case .code(let address, let code):
                        fields.append(2 as UInt64)
                        fields.append(address)
                        fields.append(code)
                    case .storage(let address, let slot, let value):
                        fields.append(3 as UInt64)
                        fields.append(address)
                        fields.append(slot)
                        fields.append(value)
                    }
                }
            }
        }
        return encoder.bytes
    }

    /// Reads what ``encoded`` gives.
    public init(encoded: Bytes) throws(RLPError) {
        self.init()
        var decoder = RLPDecoder(encoded)
        var items = try decoder.list()
        try decoder.finish()
        while !items.isAtEnd {
            var fields = try items.list()
            let kind = try fields.uint64()
            let address = try fields.address()
            switch kind {
            case 0: append(.balance(address, try fields.uint256()))
            case 1: append(.nonce(address, try fields.uint64()))
            case 2: append(.code(address, Bytes(try fields.bytes())))
            case 3:
                append(
                    .storage(address, slot: try fields.uint256(), value: try fields.uint256()))
            default: throw .invalidFlag
            }
            try fields.finish()
        }
    }
}
