import Cryptography
import EthereumTypes
import Execution
import Primitives
import State
import Testing

@Suite struct InMemoryStateTests {
    @Test func `no accounts have the root of an empty trie`() {
        #expect(InMemoryState(accounts: [:]).stateRoot() == .emptyTrieRoot)
    }

    @Test func `applying a diff gives the state that has its accounts`() {
        let address = Address(lowBytesOf: 1)
        let other = Address(lowBytesOf: 2)
        var state = InMemoryState(accounts: [
            address: GenesisAccount(balance: 1, code: [0x00], storage: [1: 2, 3: 4]),
            other: GenesisAccount(balance: 5),
        ])
        let journal = JournaledState(reader: state)
        journal.beginTransaction()
        journal.setBalance(address, 9)
        journal.setStorage(address, 1, .zero)
        journal.setStorage(address, 7, 8)
        journal.setBalance(other, .zero)
        journal.finishTransaction(emptyAccounts: .deleteTouched)
        state.apply(journal.takeDiff())

        let expected = InMemoryState(accounts: [
            address: GenesisAccount(balance: 9, code: [0x00], storage: [3: 4, 7: 8])
        ])
        #expect(state.accounts == expected.accounts)
        #expect(state.stateRoot() == expected.stateRoot())
    }

    @Test func `slots of zero are not there`() {
        let with = InMemoryState(accounts: [
            .zero: GenesisAccount(balance: 1, storage: [1: .zero])
        ])
        let without = InMemoryState(accounts: [.zero: GenesisAccount(balance: 1)])
        #expect(with.stateRoot() == without.stateRoot())
    }
}
