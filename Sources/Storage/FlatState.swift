import Cryptography
import EthereumTypes
import Primitives

// The values of the flat state. They carry the address and the slot that their keys hide behind a
// hash, so that the state can be listed and dumped.

/// A value of `accounts`: address[20] ‖ RLP [nonce, balance, storage root, code hash], where an
/// empty string stands for the root of an empty trie and the hash of empty code.
package struct FlatAccount: Equatable {
    var address: Address
    var account: Account

    package init(_ address: Address, _ account: Account) {
        self.address = address
        self.account = account
    }

    package init(_ bytes: Bytes) throws(StorageError) {
        guard bytes.count > 20, let address = Address(bytes[..<20]) else {
            throw .corrupted("account value of \(bytes.count) bytes")
        }
        self.address = address
        account = try decoding("account of \(address)") { () throws(RLPError) in
            var decoder = RLPDecoder(bytes[20...])
            var fields = try decoder.list()
            try decoder.finish()
            let account = Account(
                nonce: try fields.uint64(), balance: try fields.uint256(),
                storageRoot: try fields.hash(ifEmpty: .emptyTrieRoot),
                codeHash: try fields.hash(ifEmpty: .keccakEmpty))
            try fields.finish()
            return account
        }
    }

    package var bytes: Bytes {
        var bytes = Bytes()
        bytes.reserveCapacity(56)
        bytes.append(address)
        var encoder = RLPEncoder(after: bytes)
        encoder.list { fields in
            fields.append(account.nonce)
            fields.append(account.balance)
            fields.append(account.storageRoot, emptyIf: .emptyTrieRoot)
            fields.append(account.codeHash, emptyIf: .keccakEmpty)
        }
        return encoder.bytes
    }
}

/// A value of `storage`: count[1] of the slot's bytes ‖ slot ‖ value, both without leading zeros.
package struct FlatSlot: Equatable {
    var slot: UInt256
    var value: UInt256

    package init(slot: UInt256, value: UInt256) {
        self.slot = slot
        self.value = value
    }

    package init(_ bytes: Bytes) throws(StorageError) {
        guard let count = bytes.first.map(Int.init), bytes.count > 1 + count,
            let slot = UInt256(bigEndian: bytes[1..<(1 + count)]),
            let value = UInt256(bigEndian: bytes[(1 + count)...])
        else {
            throw .corrupted("storage value of \(bytes.count) bytes")
        }
        self.slot = slot
        self.value = value
    }

    package var bytes: Bytes {
        let slot = slot.minimalBytes
        return [UInt8(truncatingIfNeeded: slot.count)] + slot + value.minimalBytes
    }

    /// The value of the slot's leaf in the storage trie.
    package var trieValue: Bytes {
        var encoder = RLPEncoder()
        encoder.append(value)
        return encoder.bytes
    }
}

/// The value of `changes`: which keys a block changed, so that it can be undone. The previous
/// values are in the histories.
///
///     count[4] ‖ code hash[32]…       code that was not in the database before the block
///     hash(address)[32] ‖ count[4] ‖ hash(slot)[32]…      for each changed account
package struct ChangedKeys: Equatable {
    package var code: [Hash256] = []
    package var accounts: [(address: Hash256, slots: [Hash256])] = []

    package init() {}

    package init(_ bytes: Bytes) throws(StorageError) {
        var rest = bytes[...]
        func take(_ count: Int) throws(StorageError) -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw .corrupted("changed keys end early") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func takeHash() throws(StorageError) -> Hash256 {
            guard let hash = Hash256(try take(32)) else { throw .corrupted("changed keys") }
            return hash
        }
        func takeHashes() throws(StorageError) -> [Hash256] {
            guard let count = UInt32(bigEndian: try take(4)), Int(count) <= rest.count / 32 else {
                throw .corrupted("changed keys have a wrong count")
            }
            var hashes: [Hash256] = []
            hashes.reserveCapacity(Int(count))
            for _ in 0..<count { hashes.append(try takeHash()) }
            return hashes
        }
        code = try takeHashes()
        while !rest.isEmpty {
            accounts.append((try takeHash(), try takeHashes()))
        }
    }

    package var bytes: Bytes {
        var bytes = Bytes()
        func append(_ hashes: [Hash256]) {
            bytes.append(bigEndian: UInt32(truncatingIfNeeded: hashes.count))
            for hash in hashes { bytes.append(hash) }
        }
        append(code)
        for account in accounts {
            bytes.append(account.address)
            append(account.slots)
        }
        return bytes
    }

    /// How many keys of the flat state the block changed.
    package var count: Int {
        accounts.reduce(0) { $0 + 1 + $1.slots.count }
    }

    /// Whether a record has a key of `accounts` or `storage`. Nothing but the record's accounts is gone
    /// through.
    static func contains(_ key: Bytes, in record: Bytes) throws(StorageError) -> Bool {
        let (account, slot) = (key.prefix(32), key.dropFirst(32))
        /// Where the entries end that a count stands before.
        func end(ofEntriesAt start: Int) throws(StorageError) -> Int {
            guard let count = UInt32(bigEndian: record[start...].prefix(4)),
                Int(count) <= (record.count - start - 4) / 32
            else { throw .corrupted("changed keys have a wrong count") }
            return start + 4 + 32 * Int(count)
        }
        var place = try end(ofEntriesAt: 0)
        while place < record.count {
            guard record.count - place >= 36 else { throw .corrupted("changed keys end early") }
            let slots = try end(ofEntriesAt: place + 32)
            if record[place..<(place + 32)].elementsEqual(account) {
                return slot.isEmpty
                    || stride(from: place + 36, to: slots, by: 32).contains {
                        record[$0..<($0 + 32)].elementsEqual(slot)
                    }
            }
            place = slots
        }
        return false
    }

    package static func == (left: ChangedKeys, right: ChangedKeys) -> Bool {
        left.bytes == right.bytes
    }
}

extension RLPEncoder {
    mutating func append(_ hash: Hash256, emptyIf usual: Hash256) {
        if hash == usual { append(Bytes()) } else { append(hash) }
    }
}

extension RLPDecoder {
    mutating func hash(ifEmpty usual: Hash256) throws(RLPError) -> Hash256 {
        guard nextIsEmptyString else { return try hash() }
        _ = try bytes()
        return usual
    }
}

/// Decodes what this program wrote: a failure means that the database is corrupt.
func decoding<Value, Failure: Error>(
    _ what: @autoclosure () -> String, _ body: () throws(Failure) -> Value
) throws(StorageError) -> Value {
    do {
        return try body()
    } catch {
        throw .corrupted("\(what()): \(error)")
    }
}
