import Cryptography
import EthereumTypes
import Primitives
import State
import TestSupport
import Testing

@Suite
struct JournaledStateTests {
    static let alice = Address(lowBytesOf: UInt256(0xa11ce as UInt64))
    static let bob = Address(lowBytesOf: UInt256(0xb0b as UInt64))
    static let ripemd160 = Address(lowBytesOf: UInt256(3 as UInt64))

    let alice = Self.alice
    let bob = Self.bob

    private func state(_ accounts: [Address: FixedState.Entry] = [:]) -> JournaledState {
        let state = JournaledState(reader: FixedState(accounts))
        state.beginTransaction()
        return state
    }

    @Test func `a revert takes back every kind of change`() {
        let state = state([alice: .init(nonce: 7, balance: 100, code: [1], storage: [1: 11])])
        let account = state.index(of: alice)
        let slot = state.slot(account, 1)
        let checkpoint = state.checkpoint()
        state.setBalance(alice, 5)
        state.setNonce(alice, 8)
        state.setCode(alice, [2, 3])
        state.setStorage(alice, 1, 12)
        state.setStorage(alice, 2, 13)
        state.setTransientValue(account, 1, 14)
        state.warm(account)
        state.warm(slot)
        state.markCreated(account)
        state.selfDestruct(account)
        state.addRefund(4800)
        state.append(Log(address: alice, topics: [], data: []))
        state.setBalance(bob, 1)
        state.revert(to: checkpoint)

        #expect(state.balance(alice) == 100)
        #expect(state.nonce(alice) == 7)
        #expect(state.code(alice) == [1])
        #expect(state.codeHash(alice) == keccak256([1] as Bytes))
        #expect(state.storage(alice, 1) == 11)
        #expect(state.storage(alice, 2) == 0)
        #expect(state.transientValue(account, 1) == 0)
        #expect(state.warm(account))
        #expect(state.warm(slot))
        #expect(!state.wasCreated(account))
        #expect(state.selfDestruct(account))
        #expect(state.refund == 0)
        #expect(state.logs.isEmpty)
        #expect(!state.exists(bob))
    }

    @Test func `a revert goes back to its checkpoint and no further`() {
        let state = state()
        state.setStorage(alice, 1, 1)
        state.append(Log(address: alice, topics: [], data: [1]))
        let outer = state.checkpoint()
        state.setStorage(alice, 1, 2)
        let inner = state.checkpoint()
        state.setStorage(alice, 1, 3)
        state.append(Log(address: alice, topics: [], data: [2]))
        state.revert(to: inner)
        #expect(state.storage(alice, 1) == 2)
        #expect(state.logs.count == 1)
        state.revert(to: outer)
        #expect(state.storage(alice, 1) == 1)
    }

    @Test func `warmth, original values and transient storage end with the transaction`() {
        let state = state([alice: .init(balance: 1, storage: [1: 11])])
        let account = state.index(of: alice)
        let slot = state.slot(account, 1)
        state.warm(account)
        state.warm(slot)
        state.setValue(slot, 12)
        state.setTransientValue(account, 5, 6)
        #expect(state.originalValue(slot) == 11)
        state.finishTransaction(emptyAccounts: .deleteTouched)

        state.beginTransaction()
        #expect(state.warm(account))
        #expect(!state.warm(account))
        #expect(state.warm(slot))
        #expect(state.originalValue(slot) == 12)
        #expect(state.transientValue(account, 5) == 0)
    }

    @Test func `the original value survives a revert of the first change`() {
        let state = state([alice: .init(balance: 1, storage: [1: 11])])
        let slot = state.slot(state.index(of: alice), 1)
        let checkpoint = state.checkpoint()
        state.setValue(slot, 12)
        state.revert(to: checkpoint)
        state.setValue(slot, 13)
        state.setValue(slot, 14)
        #expect(state.originalValue(slot) == 11)
        #expect(state.value(slot) == 14)
    }

    @Test func `a touched empty account is deleted where the rule says so`() {
        for rule in [EmptyAccountRule.keep, .deleteTouched] {
            let state = state([alice: .init(), bob: .init()])
            state.touch(alice)
            state.finishTransaction(emptyAccounts: rule)
            #expect(state.exists(alice) == (rule == .keep))
            #expect(state.exists(bob), "It was not touched.")
            let diff = state.takeDiff()
            #expect(diff.accounts[alice]?.before == (rule == .keep ? nil : .empty))
            #expect(diff.accounts[bob] == nil)
        }
    }

    @Test func `a reverted touch does not delete, except that of account three`() {
        let state = state([alice: .init(), Self.ripemd160: .init()])
        let checkpoint = state.checkpoint()
        state.touch(alice)
        state.touch(Self.ripemd160)
        state.revert(to: checkpoint)
        state.finishTransaction(emptyAccounts: .deleteTouched)
        #expect(state.exists(alice))
        #expect(!state.exists(Self.ripemd160))
    }

    @Test func `a destroyed account loses everything at the end, also its storage`() {
        let state = state([alice: .init(nonce: 1, balance: 9, code: [1], storage: [1: 11, 2: 22])])
        state.setStorage(alice, 1, 12)
        state.selfDestruct(state.index(of: alice))
        #expect(state.storage(alice, 2) == 22, "It is there until the end.")
        state.finishTransaction(emptyAccounts: .deleteTouched)
        #expect(!state.exists(alice))
        #expect(state.storage(alice, 1) == 0)
        #expect(state.storage(alice, 2) == 0)

        // It is made again in the next transaction of the block.
        state.beginTransaction()
        state.setNonce(alice, 1)
        state.setStorage(alice, 2, 5)
        #expect(state.originalValue(state.slot(state.index(of: alice), 2)) == 0)
        state.finishTransaction(emptyAccounts: .deleteTouched)
        let change = state.takeDiff().accounts[alice]
        #expect(change?.storageWasCleared == true)
        #expect(change?.storage == [StorageChange(slot: 2, before: 22, after: 5)])
        #expect(change?.after == Account(nonce: 1))
    }

    @Test func `a diff has what changed since the last one and nothing else`() {
        let state = state([
            alice: .init(nonce: 1, balance: 9, storage: [1: 11, 2: 22]), bob: .init(balance: 1),
        ])
        state.setStorage(alice, 1, 12)
        state.setStorage(alice, 2, 23)
        state.setBalance(bob, 2)
        state.finishTransaction(emptyAccounts: .deleteTouched)
        state.beginTransaction()
        state.setStorage(alice, 2, 22)
        state.setBalance(bob, 1)
        state.finishTransaction(emptyAccounts: .deleteTouched)
        var diff = state.takeDiff()
        #expect(diff.accounts.count == 1)
        #expect(
            diff.accounts[alice]?.storage == [StorageChange(slot: 1, before: 11, after: 12)])

        state.beginTransaction()
        state.setStorage(alice, 1, 11)
        state.setCode(bob, [0xfe])
        state.finishTransaction(emptyAccounts: .deleteTouched)
        let second = state.takeDiff()
        #expect(second.accounts[alice]?.storage == [StorageChange(slot: 1, before: 12, after: 11)])
        #expect(second.code == [keccak256([0xfe] as Bytes): [0xfe]])

        diff.merge(second)
        #expect(diff.accounts[alice]?.storage == [])
        #expect(diff.accounts[bob]?.before == Account(balance: 1))
        #expect(state.takeDiff().isEmpty)
    }

    @Test func `an overlay reads as the state that the diff leads to`() throws {
        let base = FixedState([
            alice: .init(nonce: 1, balance: 9, storage: [1: 11, 2: 22]), bob: .init(balance: 1),
        ])
        let state = JournaledState(reader: base)
        state.beginTransaction()
        state.setStorage(alice, 1, 0)
        state.setStorage(alice, 3, 33)
        state.setCode(alice, [1, 2])
        state.selfDestruct(state.index(of: bob))
        state.finishTransaction(emptyAccounts: .deleteTouched)
        let overlay = StateOverlay(base: base, diff: state.takeDiff())
        #expect(try overlay.storage(alice, 1) == 0)
        #expect(try overlay.storage(alice, 2) == 22)
        #expect(try overlay.storage(alice, 3) == 33)
        #expect(try overlay.storage(bob, 1) == 0)
        #expect(try overlay.account(bob) == nil)
        let hash = try #require(try overlay.account(alice)).codeHash
        #expect(try overlay.code(hash) == [1, 2])
    }

    @Test func `code on an overlay reads the first slots that an account got there`() {
        let base = FixedState([alice: .init(balance: 9)])
        var diff = StateDiff()
        diff.accounts[alice] = AccountChange(
            before: Account(balance: 9), after: Account(balance: 9),
            storage: [StorageChange(slot: 1, before: 0, after: 11)])
        let state = JournaledState(reader: StateOverlay(base: base, diff: diff))
        state.beginTransaction()
        #expect(state.storage(alice, 1) == 11)
        #expect(state.storage(alice, 2) == 0)
    }

    @Test func `a failed read counts as nothing and is kept`() {
        var reader = FixedState([alice: .init(balance: 5)])
        reader.failure = StateReadError(message: "the disk is gone")
        let state = JournaledState(reader: reader)
        #expect(state.balance(alice) == 0)
        #expect(state.readError?.message == "the disk is gone")
    }

    @Test func `thousands of accounts and slots are found again`() {
        let state = state()
        for number in 1...3000 as ClosedRange<UInt64> {
            let address = Address(lowBytesOf: UInt256(number))
            state.setBalance(address, UInt256(number))
            state.setStorage(address, UInt256(number), UInt256(number * 2))
            state.setStorage(alice, UInt256(number), UInt256(number * 3))
        }
        for number in 1...3000 as ClosedRange<UInt64> {
            let address = Address(lowBytesOf: UInt256(number))
            #expect(state.balance(address) == UInt256(number))
            #expect(state.storage(address, UInt256(number)) == UInt256(number * 2))
            #expect(state.storage(alice, UInt256(number)) == UInt256(number * 3))
        }
    }
}
