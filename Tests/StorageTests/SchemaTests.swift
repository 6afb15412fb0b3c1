import EthereumTypes
import Primitives
import Storage
import Testing

@Suite struct SchemaTests {
    let address = Address(w0: 0x0102_0304_0506_0708, w1: 9, w2: 10)
    let hash = Hash256(w0: 1, w1: 2, w2: 3, w3: 4)

    @Test func `keys have the drawn lengths and sort by number`() {
        #expect(Key.number(258) == [0, 0, 0, 0, 0, 0, 1, 2])
        #expect(Key.block(1, hash) == Key.number(1) + hash.bytes)
        #expect(Key.slot(hash, hash) == hash.bytes + hash.bytes)
        #expect(Key.history([7], 258) == [7] + Key.number(258))
        #expect(LogTerm.address(address).key(section: 1) == [0] + address.bytes + Key.number(1))
        #expect(
            LogTerm.topic(hash, position: 3).key(section: 1) == [4] + hash.bytes + Key.number(1))
        #expect(Key.number(255).lexicographicallyPrecedes(Key.number(256)))
    }

    @Test func `families have distinct names`() {
        #expect(Set(Family.allCases.map(\.name)).count == Family.allCases.count)
    }

    @Test(arguments: [
        Account(),
        Account(nonce: 5, balance: .max, storageRoot: .zero, codeHash: .zero),
        Account(nonce: .max, balance: 1),
    ])
    func `an account survives`(account: Account) throws {
        let record = FlatAccount(address, account)
        #expect(try FlatAccount(record.bytes) == record)
    }

    @Test(arguments: [0, 1, 256, UInt256.max] as [UInt256], [1, 255, UInt256.max] as [UInt256])
    func `a slot survives`(slot: UInt256, value: UInt256) throws {
        let record = FlatSlot(slot: slot, value: value)
        #expect(try FlatSlot(record.bytes) == record)
    }

    @Test func `changed keys survive`() throws {
        var keys = ChangedKeys()
        #expect(try ChangedKeys(keys.bytes) == keys)
        keys.code = [hash]
        keys.accounts = [(hash, []), (.zero, [hash, .zero])]
        #expect(try ChangedKeys(keys.bytes) == keys)
        #expect(keys.count == 4)
    }

    @Test func `receipts survive`() throws {
        let log = Log(address: address, topics: [hash, .zero], data: [1, 2, 3])
        let receipts = [
            Receipt(
                type: .legacy, outcome: .postState(hash), cumulativeGasUsed: 21_000, logs: []),
            Receipt(
                type: .setCode, outcome: .status(true), cumulativeGasUsed: .max, logs: [log, log]),
            Receipt(type: .blob, outcome: .status(false), cumulativeGasUsed: 0, logs: []),
        ]
        #expect(try StoredReceipts(StoredReceipts(receipts).bytes).receipts == receipts)
    }

    @Test func `overrides survive`() throws {
        let overrides: [PreBlockOverride] = [
            .balance(address, .max), .nonce(address, 7), .code(address, [0x60, 0]),
            .storage(address, slot: 1, value: .zero), .code(address, []),
        ]
        #expect(try [PreBlockOverride](encoded: overrides.encoded) == overrides)
    }

    /// What can be cut off a value without its being noticed would be read as something else.
    @Test func `a value that is cut short or not one at all is corrupt`() throws {
        let account = FlatAccount(
            address, Account(nonce: 5, balance: .max, storageRoot: .zero, codeHash: .zero)
        ).bytes
        for count in 0..<account.count {
            #expect(throws: StorageError.self) { try FlatAccount(Bytes(account[..<count])) }
        }
        #expect(throws: StorageError.self) { try FlatAccount(account + [0]) }

        var keys = ChangedKeys()
        keys.code = [hash]
        keys.accounts = [(.zero, [hash])]
        for count in 0..<keys.bytes.count where count != 36 {
            #expect(throws: StorageError.self) { try ChangedKeys(Bytes(keys.bytes[..<count])) }
        }
        #expect(throws: StorageError.self) { try ChangedKeys([0xff, 0xff, 0xff, 0xff]) }

        let receipts = StoredReceipts([
            Receipt(type: .legacy, outcome: .status(true), cumulativeGasUsed: 1, logs: [])
        ]).bytes
        for count in 0..<receipts.count {
            #expect(throws: StorageError.self) { try StoredReceipts(Bytes(receipts[..<count])) }
        }
        for bytes in [[], [0], [1, 1], [40, 1], [0] + Bytes(repeating: 1, count: 33)] as [Bytes] {
            #expect(throws: StorageError.self) { try FlatSlot(bytes) }
        }
        for bytes in [[], [0, 0, 0], [0, 0, 0, 1], [0xff, 0xff, 0xff, 0xff, 1]] as [Bytes] {
            #expect(throws: StorageError.self) { try StoredBody(bytes) }
        }
        for bytes in [[1], [4, 0], Bytes(repeating: 0, count: 130)] as [Bytes] {
            #expect(throws: StorageError.self) { try LogSection(bytes) }
        }
        #expect(throws: RLPError.self) { try [PreBlockOverride](encoded: [0xc2, 0xc1, 0x09]) }
    }
}
