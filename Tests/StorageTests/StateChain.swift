import Cryptography
import EthereumTypes
import Primitives
import State
import Storage
import TestSupport
import Testing
import Trie

/// An account as a dictionary would hold it.
struct ModelAccount: Equatable {
    var nonce: Nonce
    var balance: Wei
    var code: Bytes
    var storage: [UInt256: UInt256]

    var account: Account {
        Account(
            nonce: nonce, balance: balance, storageRoot: storageRoot, codeHash: keccak256(code))
    }

    var storageRoot: Hash256 {
        let leaves = storage.map { (keccak256($0), FlatSlot(slot: $0, value: $1).trieValue) }
        var trie = MerkleTrie(entries: Dictionary(uniqueKeysWithValues: leaves))
        return trie.commit().root
    }
}

typealias Model = [Address: ModelAccount]

func stateRoot(of model: Model) -> Hash256 {
    let leaves = model.map { (keccak256($0), $1.account.encoded()) }
    var trie = MerkleTrie(entries: Dictionary(uniqueKeysWithValues: leaves))
    return trie.commit().root
}

/// Every key and value of every family.
func contents(of database: Database) throws -> [Family: [Bytes: Bytes]] {
    let snapshot = database.snapshot()
    var all: [Family: [Bytes: Bytes]] = [:]
    for family in Family.allCases {
        try snapshot.forEach(family, prefix: []) { key, value in
            all[family, default: [:]][key] = value
            return true
        }
    }
    return all
}

/// A chain of random state changes in a database, with a model of the state after each block.
final class StateChain {
    let database: Database
    private(set) var models: [Model]
    private(set) var headers: [Header] = []
    private var random: SeededRandom
    /// A small world, so that accounts and slots are changed, removed and made again often.
    static let addresses =
        (0..<12 as Range<UInt32>).map {
            Address(w0: UInt64($0) &* 0x9e37_79b9_7f4a_7c15, w1: 7, w2: $0)
        } + neighbours
    /// Some whose hashes begin with the same five nibbles or more, so that the trie is deep there.
    private static let neighbours: [Address] = {
        let all = (0..<20_000 as Range<UInt32>).map { Address(w0: 0, w1: 8, w2: $0) }
        let groups = Dictionary(grouping: zip(all, keccak256(addresses: all))) { _, hash in
            NibblePath(hash).prefix(5)
        }
        let crowded = groups.filter { $1.count > 1 }.sorted { $0.key < $1.key }
        return crowded.prefix(3).flatMap { $1.map(\.0) }
    }()
    static let slots = (0..<10 as Range<UInt64>).map { UInt256($0 < 5 ? $0 : $0 << 50) }

    init(_ database: Database, random: SeededRandom) throws {
        self.database = database
        self.random = random
        let address = Self.addresses[0]
        models = [
            [
                address: ModelAccount(
                    nonce: 1, balance: 1000, code: [0xfe], storage: [1: 1, 2: 2])
            ]
        ]
        let alloc = [
            address: GenesisAccount(
                balance: 1000, nonce: 1, code: [0xfe], storage: [1: 1, 2: 2, 3: 0])
        ]
        try append(StateDiff(alloc: alloc), receipts: [])
        var batch = WriteBatch(for: database)
        WorldState.setOldestState(0, in: &batch)
        try database.write(batch, durability: .buffered)
    }

    var head: BlockNumber { BlockNumber(headers.count - 1) }
    var world: WorldState { WorldState(database.snapshot()) }

    /// Adds a block with random changes.
    func extend(receipts: [Receipt] = []) throws {
        var model = models[models.count - 1]
        let diff = Self.change(&model, &random)
        models.append(model)
        try append(diff, receipts: receipts)
    }

    /// Undoes blocks down to one.
    func rollBack(to number: BlockNumber) throws {
        let snapshot = database.snapshot()
        let blocks = (number + 1)...head
        var batch = WriteBatch(for: database)
        try WorldState(snapshot).undo(
            blocks, root: headers[Int(head)].stateRoot,
            earlierRoot: headers[Int(number)].stateRoot, in: &batch)
        let newHead = BlockReference(number: number, hash: headers[Int(number)].hash())
        try BlockStore(snapshot).remove(blocks, newHead: newHead, from: &batch)
        try database.write(batch, durability: .buffered)
        models.removeLast(models.count - Int(number) - 1)
        headers.removeLast(headers.count - Int(number) - 1)
    }

    func prune(before wanted: BlockNumber, limit: Int) throws {
        var batch = WriteBatch(for: database)
        try world.pruneHistory(before: wanted, limit: limit, in: &batch)
        try database.write(batch, durability: .buffered)
    }

    private func append(_ diff: StateDiff, receipts: [Receipt]) throws {
        let snapshot = database.snapshot()
        let number = BlockNumber(headers.count)
        var batch = WriteBatch(for: database)
        let root = try WorldState(snapshot).apply(
            diff, of: number == 0 ? nil : number,
            parentRoot: headers.last?.stateRoot ?? .emptyTrieRoot, to: &batch)
        #expect(root == stateRoot(of: models[Int(number)]))
        let header = Header(
            parentHash: headers.last?.hash() ?? .zero, coinbase: .zero, stateRoot: root,
            number: number, gasLimit: 1, timestamp: number)
        headers.append(header)
        let transactions = receipts.indices.map { index in
            Transaction.legacy(
                chainId: 1, nonce: Nonce(index), gasPrice: UInt256(number), gasLimit: 1, to: nil,
                value: 0,
                data: [])
        }
        let block = Block(header: header, transactions: transactions)
        try BlockStore(snapshot).write(
            StoredBlock(
                hash: header.hash(), block: block,
                senders: transactions.map { _ in Self.addresses[0] },
                transactionHashes: transactions.map { $0.hash() }, totalDifficulty: .zero),
            receipts: receipts, to: &batch)
        try database.write(batch, durability: .buffered)
    }

    /// Changes a state at random.
    static func change(_ model: inout Model, _ random: inout SeededRandom) -> StateDiff {
        var diff = StateDiff()
        for address in addresses where Int.random(in: 0..<4, using: &random) == 0 {
            let before = model[address]
            var after = before ?? ModelAccount(nonce: 0, balance: 0, code: [], storage: [:])
            let isCleared = before != nil && Int.random(in: 0..<5, using: &random) == 0
            if isCleared { after = ModelAccount(nonce: 1, balance: 0, code: [], storage: [:]) }
            after.balance = UInt256(UInt64.random(in: 0..<1_000_000, using: &random))
            if Bool.random(using: &random) { after.nonce += 1 }
            if Int.random(in: 0..<3, using: &random) == 0 {
                after.code = [UInt8.random(in: 1...8, using: &random)]
                diff.code[keccak256(after.code)] = after.code
            }
            var storage: [StorageChange] = []
            for slot in slots where Int.random(in: 0..<3, using: &random) == 0 {
                let old = after.storage[slot] ?? 0
                let new = UInt256(UInt64.random(in: 0..<4, using: &random))
                after.storage[slot] = new.isZero ? nil : new
                if old != new {
                    storage.append(StorageChange(slot: slot, before: old, after: new))
                }
            }
            storage.sort { $0.slot < $1.slot }
            var account = Account(
                nonce: after.nonce, balance: after.balance,
                storageRoot: before?.account.storageRoot ?? .emptyTrieRoot,
                codeHash: keccak256(after.code))
            if isCleared { account.storageRoot = .emptyTrieRoot }
            if Int.random(in: 0..<5, using: &random) == 0 {
                model[address] = nil
                guard before != nil else { continue }
                diff.accounts[address] = AccountChange(
                    before: before?.account, after: nil, storageWasCleared: true)
            } else {
                model[address] = after
                diff.accounts[address] = AccountChange(
                    before: before?.account, after: account, storageWasCleared: isCleared,
                    storage: storage)
            }
        }
        return diff
    }
}
