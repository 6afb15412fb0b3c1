import Cryptography
import EthereumTypes
import Primitives
import State
import Storage
import TestSupport
import Testing
import Trie

@Suite struct WorldStateTests {
    let directory: TemporaryDirectory
    let database: Database
    let random = SeededRandom(seed: 1)

    init() throws {
        directory = try TemporaryDirectory()
        database = try Database(
            DatabaseOptions(path: directory.path + "/chain", cacheBytes: 8 << 20))
    }

    private func chain(blocks: Int) throws -> StateChain {
        let chain = try StateChain(database, random: random)
        for _ in 0..<blocks { try chain.extend() }
        return chain
    }

    private func expect(_ state: WorldState, is model: Model) throws {
        for address in StateChain.addresses {
            #expect(try state.account(address) == model[address]?.account)
            for slot in StateChain.slots + [12345] {
                #expect(
                    try state.storage(address, slot) == model[address]?.storage[slot] ?? .zero)
            }
            if let account = model[address] {
                #expect(try state.code(account.account.codeHash) == account.code)
            }
        }
    }

    @Test func `every block's state can be read, and the tries are those of its values`() throws {
        let chain = try chain(blocks: 60)
        let snapshot = database.snapshot()
        for (number, model) in chain.models.enumerated() {
            try expect(WorldState(snapshot, at: .after(BlockNumber(number))), is: model)
        }
        try expect(WorldState(snapshot), is: chain.models[60])
        let root = try #require(chain.headers.last).stateRoot
        let verified = try WorldState(snapshot).verify(root: root)
        #expect(verified.accounts == chain.models[60].count)
        #expect(verified.slots == chain.models[60].values.reduce(0) { $0 + $1.storage.count })
    }

    @Test func `a state near the head is read from what the blocks since changed`() throws {
        let chain = try StateChain(database, random: random)
        for head in 1...60 as ClosedRange<BlockNumber> {
            try chain.extend()
            let snapshot = database.snapshot()
            for number in head - min(head, 6)..<head {
                let state = try WorldState(snapshot, after: number, head: head)
                try expect(state, is: chain.models[Int(number)])
            }
        }
    }

    @Test func `a state before many changes is read from the histories`() throws {
        let chain = try StateChain(database, random: random)
        // So many code hashes are as long a record as is never gone through.
        var keys = ChangedKeys()
        keys.code = Array(repeating: .zero, count: 3_000)
        try chain.extend()
        try chain.extend()
        var batch = WriteBatch(for: database)
        batch.put(.changes, Key.number(2), keys.bytes)
        try database.write(batch, durability: .buffered)
        let state = try WorldState(database.snapshot(), after: 1, head: 2)
        try expect(state, is: chain.models[1])
    }

    @Test(arguments: 0..<12) func `damaged changes are corruption`(kind: Int) throws {
        _ = try chain(blocks: 1)
        let record = try #require(try database.snapshot().value(.changes, Key.number(1)))
        let damaged: Bytes? =
            switch kind {
            case 0: nil
            case 1: []
            case 2: [0, 0]
            case 3: Bytes(repeating: 0xff, count: 64)
            default: Bytes(record.dropLast(kind - 3))
            }
        var batch = WriteBatch(for: database)
        if let damaged {
            batch.put(.changes, Key.number(1), damaged)
        } else {
            batch.delete(.changes, Key.number(1))
        }
        try database.write(batch, durability: .buffered)
        let unknown = Address(w0: 1, w1: 2, w2: 3)
        #expect(throws: (any Error).self) {
            _ = try WorldState(database.snapshot(), after: 0, head: 1).account(unknown)
        }
    }

    @Test func `undoing blocks leaves a database that never saw them`() throws {
        let chain = try StateChain(database, random: random)
        var before = [try contents(of: database)]
        for number in 1...40 {
            try chain.extend(receipts: [receipt(number), receipt(number * 7)])
            before.append(try contents(of: database))
        }
        for target in [39, 38, 30, 29, 11, 10, 0] {
            try chain.rollBack(to: BlockNumber(target))
            let after = try contents(of: database)
            for family in Family.allCases {
                #expect(after[family] == before[target][family], "\(family.name) at \(target)")
            }
        }
        // And it goes on from there.
        for _ in 0..<5 { try chain.extend() }
        try expect(chain.world, is: chain.models[5])
        _ = try chain.world.verify(root: chain.headers[5].stateRoot)
    }

    private func receipt(_ seed: Int) -> Receipt {
        let address = StateChain.addresses[seed % 3]
        let log = Log(
            address: address, topics: [Hash256(UInt256(UInt64(seed % 5)))], data: [UInt8(seed % 9)])
        return Receipt(
            type: .legacy, outcome: .status(true), cumulativeGasUsed: Gas(seed), logs: [log])
    }

    /// Without a limit the changed keys are gathered block by block, with a low one the histories
    /// are gone through.
    @Test(arguments: [.max, StateChain.addresses.count])
    func `proofs of every block hold against its root`(limit: Int) throws {
        let chain = try chain(blocks: 25)
        let slots = [StateChain.slots[1], StateChain.slots[7], 999]
        for (number, model) in chain.models.enumerated() {
            let root = chain.headers[number].stateRoot
            for address in StateChain.addresses {
                let proof = try chain.world.proof(
                    of: address, slots: slots, at: BlockNumber(number), head: chain.head,
                    headRoot: chain.headers[25].stateRoot, limit: limit)
                #expect(proof.account == model[address]?.account)
                let leaf = try MerkleTrie.verifyProof(
                    root: root, key: keccak256(address), proof: proof.accountProof)
                #expect(leaf == model[address]?.account.encoded())
                for storage in proof.storageProofs {
                    let value = model[address]?.storage[storage.slot] ?? .zero
                    #expect(storage.value == value)
                    let leaf = try MerkleTrie.verifyProof(
                        root: proof.account?.storageRoot ?? .emptyTrieRoot,
                        key: keccak256(storage.slot), proof: storage.proof)
                    #expect(
                        leaf == (value.isZero ? nil : FlatSlot(slot: 0, value: value).trieValue))
                }
            }
        }
    }

    @Test func `a proof beyond the limit of changes is refused`() throws {
        let chain = try chain(blocks: 10)
        #expect(throws: StorageError.tooManyChanges(limit: 3)) {
            try chain.world.proof(
                of: StateChain.addresses[0], slots: [], at: 0, head: 10,
                headRoot: chain.headers[10].stateRoot, limit: 3)
        }
    }

    @Test func `an account that changes in every block is proven however long ago`() throws {
        let chain = try chain(blocks: 200)
        // So few keys are not gathered from three blocks.
        for number in [0, 1, 100, 199] {
            let proof = try chain.world.proof(
                of: StateChain.addresses[0], slots: StateChain.slots, at: BlockNumber(number),
                head: 200, headRoot: chain.headers[200].stateRoot,
                limit: StateChain.addresses.count)
            #expect(proof.account == chain.models[number][StateChain.addresses[0]]?.account)
        }
    }

    @Test(arguments: [0, 1, 5, 30, 100, 10_000])
    func `from the oldest proof on all can be made within the limit`(limit: Int) throws {
        let chain = try chain(blocks: 12)
        let world = chain.world
        let oldest = try world.oldestProof(head: 12, limit: limit)
        for number in oldest...12 {
            for address in StateChain.addresses {
                _ = try world.proof(
                    of: address, slots: StateChain.slots, at: number, head: 12,
                    headRoot: chain.headers[12].stateRoot, limit: limit)
            }
        }
        if limit == 0 { #expect(oldest == 12) }
        if limit == 10_000 { #expect(oldest == 0) }
        try chain.prune(before: 3, limit: .max)
        #expect(try chain.world.oldestProof(head: 12, limit: .max) == 3)
    }

    @Test func `roots after an earlier block are those of its state`() throws {
        let chain = try chain(blocks: 25)
        var random = random
        for number in 0..<25 {
            var model = chain.models[number]
            var expected: [Hash256] = []
            let diffs = (0..<3).map { _ in
                let diff = StateChain.change(&model, &random)
                expected.append(stateRoot(of: model))
                return diff
            }
            for limit in [Int.max, StateChain.addresses.count] {
                let roots = try chain.world.roots(
                    applying: diffs, after: BlockNumber(number), head: 25,
                    headRoot: chain.headers[25].stateRoot, limit: limit)
                #expect(roots == expected, "block \(number)")
            }
        }
    }

    @Test func `history that belongs to no retained block is found`() throws {
        let chain = try chain(blocks: 10)
        try chain.world.verifyHistory(head: 10)
        let all = try contents(of: database)
        try chain.prune(before: 4, limit: .max)
        try chain.world.verifyHistory(head: 10)
        for family in [Family.changes, .accountHistory, .storageHistory] {
            let pruned = try #require(
                all[family]?.first { UInt64(bigEndian: $0.key.suffix(8)) == 2 })
            var batch = WriteBatch(for: database)
            batch.put(family, pruned.key, pruned.value)
            try database.write(batch, durability: .buffered)
            #expect(throws: StorageError.self) { try chain.world.verifyHistory(head: 10) }
            batch = WriteBatch(for: database)
            batch.delete(family, pruned.key)
            try database.write(batch, durability: .buffered)
        }
        try chain.world.verifyHistory(head: 10)
        #expect(throws: StorageError.self) { try chain.world.verifyHistory(head: 11) }
    }

    @Test func `pruning removes what older states need and nothing else`() throws {
        let chain = try chain(blocks: 30)
        try chain.prune(before: 20, limit: .max)
        #expect(try chain.world.oldestState() == 20)
        for number in 20...30 {
            let state = WorldState(database.snapshot(), at: .after(BlockNumber(number)))
            try expect(state, is: chain.models[number])
        }
        let left = try contents(of: database)
        for family in [Family.accountHistory, .storageHistory, .changes] {
            for key in left[family, default: [:]].keys {
                #expect(try #require(UInt64(bigEndian: key.suffix(8))) > 20)
            }
        }
        _ = try chain.world.verify(root: chain.headers[30].stateRoot)
        try chain.rollBack(to: 20)
        try expect(chain.world, is: chain.models[20])
    }

    @Test func `pruning takes steps of a bounded size`() throws {
        let chain = try chain(blocks: 30)
        try chain.prune(before: 20, limit: 1)
        let first = try chain.world.oldestState()
        #expect((1..<20).contains(first))
        for _ in 0..<20 { try chain.prune(before: 20, limit: 1) }
        #expect(try chain.world.oldestState() == 20)
        try chain.prune(before: 10, limit: .max)
        #expect(try chain.world.oldestState() == 20)
    }

    @Test func `a listing gives every account and slot`() throws {
        let chain = try chain(blocks: 20)
        var listed: [Address: Account] = [:]
        try chain.world.forEachAccount { entry in
            #expect(keccak256(entry.address) == entry.addressHash)
            listed[entry.address] = entry.account
            return true
        }
        let model = chain.models[20]
        #expect(listed == model.mapValues(\.account))
        for (address, account) in model {
            var slots: [UInt256: UInt256] = [:]
            try chain.world.forEachSlot(of: keccak256(address)) { entry in
                slots[entry.slot] = entry.value
                return true
            }
            #expect(slots == account.storage)
        }
    }

    @Test(arguments: [Family.accounts, .storage, .accountTrie, .storageTrie])
    func `verification finds a missing, a different and a foreign entry`(family: Family) throws {
        let chain = try chain(blocks: 10)
        let root = chain.headers[10].stateRoot
        let entries = try contents(of: database)[family, default: [:]]
        let (key, value) = try #require(entries.min { $0.key.lexicographicallyPrecedes($1.key) })
        func expectFound(_ change: (inout WriteBatch) -> Void) throws {
            var batch = WriteBatch(for: database)
            change(&batch)
            try database.write(batch, durability: .buffered)
            #expect(throws: StorageError.self) { try chain.world.verify(root: root) }
        }
        try expectFound { $0.delete(family, key) }
        var different = value
        different[different.count - 1] ^= 1
        try expectFound { $0.put(family, key, different) }
        try expectFound { batch in
            batch.put(family, key, value)
            batch.put(family, Bytes(repeating: 0xee, count: key.count), value)
        }
    }

    @Test func `verification looks at the trie nodes among the accounts`() throws {
        let chain = try chain(blocks: 20)
        let root = chain.headers[20].stateRoot
        let nodes = try contents(of: database)[.accounts, default: [:]].filter {
            $0.key.count != 32
        }
        let (key, node) = try #require(nodes.min { $0.key.lexicographicallyPrecedes($1.key) })
        #expect(try #require(NibblePath(storageKey: key)).count >= 5)
        var different = node
        different[different.count - 1] ^= 1
        let foreign = NibblePath(Hash256(UInt256(1))).prefix(20).storageKey
        for (key, value) in [(key, nil), (key, different), (foreign, node)] as [(Bytes, Bytes?)] {
            var batch = WriteBatch(for: database)
            if let value { batch.put(.accounts, key, value) } else { batch.delete(.accounts, key) }
            try database.write(batch, durability: .buffered)
            #expect(throws: StorageError.self) { try chain.world.verify(root: root) }
            var back = WriteBatch(for: database)
            back.delete(.accounts, foreign)
            for (key, node) in nodes { back.put(.accounts, key, node) }
            try database.write(back, durability: .buffered)
            #expect(try chain.world.verify(root: root).accounts > 0)
        }
    }

    @Test func `a missing trie node is an error, not another root`() throws {
        let chain = try chain(blocks: 5)
        var batch = WriteBatch(for: database)
        for key in try contents(of: database)[.accountTrie, default: [:]].keys {
            batch.delete(.accountTrie, key)
        }
        try database.write(batch, durability: .buffered)
        let address = StateChain.addresses[0]
        let diff = StateDiff(alloc: [
            address: GenesisAccount(balance: 7, nonce: 0, code: [], storage: [:])
        ])
        // The next block has the nodes in memory still; a trial reads them.
        #expect(throws: StorageError.self) {
            try chain.world.root(applying: diff, parentRoot: chain.headers[5].stateRoot)
        }
    }

    @Test func `a block that is thrown away leaves the next one right`() throws {
        let chain = try StateChain(database, random: random)
        var random = random
        for _ in 0..<20 {
            let head = Int(chain.head)
            var model = chain.models[head]
            let diff = StateChain.change(&model, &random)
            var batch = WriteBatch(for: database)
            let root = try chain.world.apply(
                diff, of: chain.head + 1, parentRoot: chain.headers[head].stateRoot, to: &batch)
            #expect(root == stateRoot(of: model))
            // It is not written. The chain checks each of its own roots.
            try chain.extend()
            if head % 5 == 4 { try chain.rollBack(to: chain.head - 2) }
        }
    }
}
