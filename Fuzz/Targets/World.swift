import Cryptography
import EthereumTypes
import Primitives
import State

/// A small world: a sender, and contracts with a little ether and storage.
struct World: StateReader {
    static let sender = Address(lowBytesOf: 0x5e4de4)
    static let contract = Address(lowBytesOf: 0xc0de)
    static let callee = Address(lowBytesOf: 0xca11ee)

    private var accounts: [Address: Account] = [:]
    private var codes: [Hash256: Bytes] = [:]

    /// Not the root of any storage; it only says that there is some.
    private static let someStorage = keccak256(utf8: "storage")

    init(contracts: [Address: Bytes]) {
        accounts[Self.sender] = Account(
            nonce: 1, balance: 1_000_000, storageRoot: .emptyTrieRoot, codeHash: .keccakEmpty)
        for (address, code) in contracts {
            let hash = code.isEmpty ? .keccakEmpty : keccak256(code)
            codes[hash] = code
            accounts[address] = Account(
                nonce: 1, balance: 1_000, storageRoot: Self.someStorage, codeHash: hash)
        }
    }

    func account(_ address: Address) throws(StateReadError) -> Account? { accounts[address] }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        slot < 4 && accounts[address]?.storageRoot == Self.someStorage ? slot : .zero
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes { codes[hash] ?? [] }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        keccak256(UInt256(number))
    }
}
