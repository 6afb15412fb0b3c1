import Cryptography
import EthereumTypes
import Primitives
import State
import Storage
import TestSupport
import Testing

@Suite struct PreBlockOverrideTests {
    /// A state of one account with one slot.
    struct OneAccount: StateReader {
        static let address = StateChain.addresses[0]
        static let root = Hash256(w0: 1, w1: 1, w2: 1, w3: 1)

        func account(_ address: Address) throws(StateReadError) -> Account? {
            address == Self.address
                ? Account(nonce: 1, balance: 5, storageRoot: Self.root) : nil
        }

        func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
            address == Self.address && slot == 1 ? 7 : 0
        }

        func code(_ hash: Hash256) throws(StateReadError) -> Bytes { [] }
        func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? { nil }
    }

    private let other = StateChain.addresses[1]

    private func diff(_ overrides: PreBlockOverride...) throws -> StateDiff {
        try StateDiff(applying: overrides, to: OneAccount())
    }

    @Test func `the later override wins, and others stay`() throws {
        let address = OneAccount.address
        let diff = try diff(
            .balance(address, 1), .nonce(address, 9), .balance(address, 2), .code(address, [1]),
            .storage(address, slot: 1, value: 8), .storage(address, slot: 1, value: 9))
        let change = try #require(diff.accounts[address])
        #expect(
            change.after
                == Account(
                    nonce: 9, balance: 2, storageRoot: OneAccount.root, codeHash: keccak256([1])))
        #expect(change.storage == [StorageChange(slot: 1, before: 7, after: 9)])
        #expect(!change.storageWasCleared)
        #expect(diff.code == [keccak256([1]): [1]])
    }

    @Test func `what changes nothing is no change`() throws {
        let address = OneAccount.address
        #expect(try diff().isEmpty)
        #expect(try diff(.balance(address, 5)).isEmpty)
        #expect(try diff(.storage(address, slot: 1, value: 7)).isEmpty)
        #expect(try diff(.balance(other, 0), .nonce(other, 0)).isEmpty)
    }

    @Test func `an account comes to be by a balance or by storage`() throws {
        let made = try diff(.balance(other, 1)).accounts[other]
        #expect(made?.before == nil)
        #expect(made?.after == Account(balance: 1))
        let stored = try diff(.storage(other, slot: 3, value: 1)).accounts[other]
        #expect(stored?.after == Account())
        #expect(stored?.storage == [StorageChange(slot: 3, before: 0, after: 1)])
    }

    @Test func `an account with storage does not go when it is emptied`() throws {
        let address = OneAccount.address
        let diff = try diff(.balance(address, 0), .nonce(address, 0))
        #expect(diff.accounts[address]?.after == Account(storageRoot: OneAccount.root))
    }

    @Test func `overrides are kept in the order of the calls and removed from a block on`() throws {
        let directory = try TemporaryDirectory()
        let database = try Database(DatabaseOptions(path: directory.path + "/chain"))
        var batch = WriteBatch(for: database)
        let store = BlockStore(database.snapshot())
        store.addOverrides([.nonce(other, 1), .nonce(other, 2)], before: 7, after: 0, to: &batch)
        store.addOverrides([.nonce(other, 3)], before: 7, after: 2, to: &batch)
        store.addOverrides([.nonce(other, 4)], before: 8, after: 0, to: &batch)
        try database.write(batch, durability: .buffered)
        let after = BlockStore(database.snapshot())
        #expect(
            try after.overrides(before: 7)
                == [.nonce(other, 1), .nonce(other, 2), .nonce(other, 3)])
        var removal = WriteBatch(for: database)
        try after.removeOverrides(from: 8, in: &removal)
        try database.write(removal, durability: .buffered)
        let last = BlockStore(database.snapshot())
        #expect(try last.overrides(before: 7).count == 3)
        #expect(try last.overrides(before: 8) == [])
    }
}
