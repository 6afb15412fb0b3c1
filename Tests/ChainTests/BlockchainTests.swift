import Chain
import Cryptography
import EthereumTypes
import Execution
import Primitives
import Storage
import TestSupport
import Testing

@Suite struct BlockchainTests {
    @Test func `a produced block is the head with all its facts`() async throws {
        let test = try TestChain()
        let genesisHead = test.chain.head
        let committed = try await test.produce(value: 5)
        let head = test.chain.head
        #expect(head.number == 1)
        #expect(head.hash == committed.hash)
        #expect(head.header.parentHash == genesisHead.hash)
        let view = head.view
        #expect(try view.block(1) == committed.stored)
        #expect(try view.block(hash: head.hash) == committed.stored)
        #expect(try view.receipts(1) == committed.receipts)
        #expect(try view.canonicalHash(0) == genesisHead.hash)
        #expect(try view.number(of: head.hash) == 1)
        #expect(committed.receipts.map(\.succeeded) == [true, true])
        for (index, hash) in committed.stored.transactionHashes.enumerated() {
            #expect(try view.transactionLocation(hash)?.index == index)
        }
        #expect(try view.state.account(TestChain.receiver)?.balance == 5)
        #expect(try test.count() == 1)
        let logs = try view.logs(
            matching: LogFilter(addresses: [TestChain.counter]), in: 0...1, limit: .none)
        #expect(logs.map(\.transactionIndex) == [1])
        _ = try view.verifyState()
    }

    @Test func `whatever changes about the head makes another generation of it`() async throws {
        let test = try TestChain()
        var generations = [test.chain.head.generation]
        try await test.produce()
        generations.append(test.chain.head.generation)
        try await test.chain.setOverrides([.balance(TestChain.receiver, 5)])
        generations.append(test.chain.head.generation)
        try await test.chain.rollback(to: 1)
        generations.append(test.chain.head.generation)
        try await test.chain.rollback(to: 0)
        generations.append(test.chain.head.generation)
        #expect(generations == [0, 1, 2, 3, 4])
        #expect(test.chain.head.number == 0)
    }

    @Test func `an old view and old states stay as they were`() async throws {
        let test = try TestChain()
        var views = [test.chain.head.view]
        for _ in 0..<5 { views.append(try await test.produce().head.view) }
        for (number, view) in views.enumerated() {
            #expect(try view.state.storage(TestChain.counter, 0) == UInt256(UInt64(number)))
            for earlier in 0...number {
                let state = try view.state(at: BlockNumber(earlier))
                #expect(try state.storage(TestChain.counter, 0) == UInt256(UInt64(earlier)))
            }
            let later = BlockNumber(number + 1)
            #expect(throws: ChainError.self) { try view.state(at: later) }
            #expect(try view.block(later) == nil)
        }
    }

    @Test func `another chain imports the same blocks to the same database`() async throws {
        let test = try TestChain()
        let other = try TestChain()
        for _ in 0..<4 {
            let block = try await test.produce().block
            let head = try await other.chain.importBlock(block)
            #expect(head.hash == test.chain.head.hash)
        }
        let mine = try contents(of: test.chain.database)
        let theirs = try contents(of: other.chain.database)
        for family in Family.allCases { #expect(mine[family] == theirs[family], "\(family.name)") }
    }

    @Test func `blocks that cannot follow the head are told apart`() async throws {
        let test = try TestChain()
        let other = try TestChain()
        let first = try await test.produce().block
        let second = try await test.produce().block
        await #expect {
            try await test.chain.importBlock(second)
        } throws: { error in
            if case .alreadyKnown(second.hash()) = error as? ChainError { true } else { false }
        }
        await #expect {
            try await other.chain.importBlock(second)
        } throws: { error in
            if case .unknownParent(first.hash()) = error as? ChainError { true } else { false }
        }
        let sibling = try await other.produce(value: 77).block
        let built = try TestChain.build(on: other.chain.head, [])
        await #expect {
            try await test.chain.produce { (_) throws(ChainError) in built }
        } throws: { error in
            if case .notChildOfHead(sibling.hash(), second.hash()) = error as? ChainError {
                true
            } else {
                false
            }
        }
        #expect(test.chain.head.number == 2)
    }

    @Test func `a block with a wrong state root or signature is refused and leaves no trace`()
        async throws
    {
        let test = try TestChain()
        let other = try TestChain()
        let good = try await test.produce().block
        let before = try contents(of: other.chain.database)

        var wrongRoot = good
        wrongRoot.header.stateRoot = .zero
        await #expect {
            try await other.chain.importBlock(wrongRoot)
        } throws: { error in
            if case .invalidBlock(.stateRoot(have: .zero, want: good.header.stateRoot)) =
                error as? ChainError
            {
                true
            } else {
                false
            }
        }
        var unsigned = good
        unsigned.transactions[1].signature = .none
        await #expect {
            try await other.chain.importBlock(unsigned)
        } throws: { error in
            if case .invalidSignature(transaction: 1) = error as? ChainError {
                true
            } else {
                false
            }
        }
        #expect(try contents(of: other.chain.database) == before)
        try await other.chain.importBlock(good)
    }

    @Test func `a transaction read alone is the one of its block`() async throws {
        let test = try TestChain()
        let transactions = try (0..<40 as Range<Nonce>).map {
            try TestChain.transaction(
                nonce: $0, to: $0 % 3 == 0 ? TestChain.counter : TestChain.receiver,
                data: Bytes(repeating: 1, count: Int($0)))
        }
        _ = try await test.chain.produce { (head) throws(ChainError) in
            try TestChain.build(on: head, transactions)
        }
        let view = test.chain.head.view
        let block = try #require(try view.block(1))
        let receipts = try #require(try view.receipts(1))
        var (gas, logs): (Gas, Int) = (0, 0)
        for index in 0..<40 {
            let location = TransactionLocation(blockNumber: 1, index: index)
            let alone = try #require(try view.transaction(at: location))
            #expect(alone.transaction == block.block.transactions[index])
            #expect(alone.hash == block.transactionHashes[index])
            #expect(alone.sender == block.senders[index])
            #expect(alone.header == block.block.header && alone.blockHash == block.hash)
            #expect(alone.index == index)
            let byHash = try #require(try view.transaction(at: index, inBlock: block.hash))
            #expect(byHash.transaction == alone.transaction)
            let receipt = try #require(try view.receipt(at: location))
            #expect(receipt.receipt == receipts[index])
            #expect(receipt.gasUsed == receipts[index].cumulativeGasUsed - gas)
            #expect(receipt.firstLogIndex == logs)
            (gas, logs) = (receipts[index].cumulativeGasUsed, logs + receipts[index].logs.count)
        }
        #expect(logs == 14)
        for (number, index) in [(1, 40), (1, -1), (1, .max), (0, 0), (2, 0)] {
            let location = TransactionLocation(blockNumber: BlockNumber(number), index: index)
            #expect(try view.transaction(at: location)?.hash == nil)
            #expect(try view.receipt(at: location)?.receipt == nil)
        }
        #expect(try view.transaction(at: 0, inBlock: .zero)?.hash == nil)
    }

    @Test func `senders of many transactions are recovered in order`() async throws {
        let test = try TestChain()
        let transactions = try (0..<100 as Range<Nonce>).map {
            try TestChain.transaction(nonce: $0)
        }
        let built = try TestChain.build(on: test.chain.head, transactions)
        let recovered = try await RecoveredBlock.recovering(
            built.block, config: test.chain.config)
        #expect(recovered.senders == built.senders)
        #expect(recovered.senders.count == 100)
    }

    @Test func `the seal is part of the hash`() async throws {
        let test = try TestChain()
        let committed = try #require(
            try await test.chain.produce(seal: { $0.extraData = [1, 2, 3] }) {
                (head) throws(ChainError) in try TestChain.build(on: head, [])
            })
        #expect(committed.block.header.extraData == [1, 2, 3])
        #expect(committed.hash == committed.block.header.hash())
        let nothing = try await test.chain.produce { (_) throws(ChainError) in nil }
        #expect(nothing == nil)
        #expect(test.chain.head.number == 1)
    }

    @Test func `many callers at once get one order`() async throws {
        let test = try TestChain()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    _ = try await test.chain.produce { (head) throws(ChainError) in
                        try TestChain.build(on: head, [])
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(test.chain.head.number == 20)
    }

    @Test func `a block can be executed again on what it was executed on`() async throws {
        let test = try TestChain()
        try await test.produce()
        try await test.chain.setOverrides([.storage(TestChain.counter, slot: 0, value: 50)])
        let second = try await test.produce()
        try await test.produce()
        let view = test.chain.head.view
        let outcome = try executeBlock(
            second.block, senders: second.stored.senders, on: try view.parentBlock(of: 2),
            config: view.config)
        #expect(outcome.receipts == second.receipts)
        #expect(outcome.diff.accounts[TestChain.counter]?.value(of: 0) == 51)
        #expect(throws: ChainError.self) { try view.parentBlock(of: 4) }
        #expect(throws: ChainError.self) { try view.parentBlock(of: 0) }
    }

    @Test func `a committed block gives the same logs as the store`() async throws {
        let test = try TestChain()
        let committed = try await test.produce()
        let filter = LogFilter(topics: [[Hash256(UInt256(0xaa))]])
        let logs = committed.logs(matching: filter)
        #expect(logs.count == 1)
        #expect(try committed.head.view.logs(matching: filter, inBlock: committed.hash) == logs)
        #expect(try committed.head.view.logs(matching: filter, inBlock: .zero) == nil)
    }

    // MARK: - Rollback and overrides

    @Test func `a rollback leaves a chain that never saw the blocks`() async throws {
        let test = try TestChain()
        var before = [try contents(of: test.chain.database)]
        for _ in 0..<6 {
            try await test.produce()
            before.append(try contents(of: test.chain.database))
        }
        for target in [5, 3, 0] as [BlockNumber] {
            let head = try await test.chain.rollback(to: target)
            #expect(head.number == target)
            let after = try contents(of: test.chain.database)
            for family in Family.allCases {
                #expect(after[family] == before[Int(target)][family], "\(family.name)")
            }
            _ = try head.view.verifyState()
        }
        try await test.produce()
        #expect(try test.count() == 1)
        await #expect(throws: ChainError.self) { try await test.chain.rollback(to: 2) }
    }

    @Test func `an override is seen at once, enters the next block, and goes with it`()
        async throws
    {
        let test = try TestChain()
        let chain = test.chain
        let rich = Address(w0: 0xee, w1: 0, w2: 0)
        try await chain.setOverrides([.balance(rich, 99)])
        try await chain.setOverrides([
            .storage(TestChain.counter, slot: 0, value: 41), .code(rich, [0xfe]),
        ])
        let view = chain.head.view
        #expect(view.number == 0)
        #expect(view.pendingOverrides.count == 3)
        #expect(try view.state.account(rich)?.balance == 99)
        #expect(try view.state.code(keccak256([0xfe])) == [0xfe])
        #expect(try test.count() == 41)
        #expect(try view.state(at: 0).account(rich)?.balance == 99)

        let committed = try await test.produce()
        #expect(chain.head.view.pendingOverrides == [])
        #expect(try chain.head.view.overrides(before: 1).count == 3)
        #expect(try test.count() == 42)
        #expect(try chain.head.view.state(at: 0).account(rich) == nil)
        _ = try chain.head.view.verifyState()

        // The block alone is not valid elsewhere; with the overrides it is.
        let other = try TestChain()
        await #expect(throws: ChainError.self) {
            try await other.chain.importBlock(committed.block)
        }
        try await other.chain.setOverrides(try chain.head.view.overrides(before: 1))
        try await other.chain.importBlock(committed.block)
        #expect(
            try contents(of: other.chain.database)[.accountTrie]
                == contents(of: chain.database)[.accountTrie])

        try await chain.rollback(to: 0)
        #expect(try chain.head.view.state.account(rich) == nil)
        #expect(try test.count() == 0)
        #expect(chain.head.view.pendingOverrides == [])
        #expect(try contents(of: chain.database)[.overrides] == nil)
    }

    @Test func `a snapshot with pending overrides is restored by a rollback`() async throws {
        let test = try TestChain()
        let chain = test.chain
        try await test.produce()
        let rich = Address(w0: 0xee, w1: 0, w2: 0)
        try await chain.setOverrides([.balance(rich, 1)])
        let pending = chain.head.view.pendingOverrides
        let before = try contents(of: chain.database)
        try await chain.setOverrides([.balance(rich, 2), .nonce(rich, 5)])
        try await test.produce()
        try await test.produce()
        try await chain.rollback(to: 1, overrides: pending, items: ["clock": [7]])
        #expect(try chain.head.view.state.account(rich) == Account(balance: 1))
        #expect(try chain.items.value("clock") == [7])
        try chain.items.set(["clock": nil])
        #expect(try contents(of: chain.database) == before)
        // To the head itself: only what is pending changes.
        try await chain.setOverrides([.balance(rich, 3)])
        try await chain.rollback(to: 1, overrides: pending)
        #expect(try chain.head.view.state.account(rich)?.balance == 1)
        #expect(try contents(of: chain.database) == before)
    }

    @Test func `listings show what is pending`() async throws {
        let test = try TestChain()
        let rich = Address(w0: 0xee, w1: 0, w2: 0)
        try await test.chain.setOverrides([
            .balance(rich, 9), .storage(TestChain.counter, slot: 7, value: 0),
            .storage(TestChain.counter, slot: 8, value: 8),
        ])
        var accounts: [Address: Account] = [:]
        try test.chain.head.view.forEachAccount { entry in
            accounts[entry.address] = entry.account
            return true
        }
        #expect(accounts.count == 3)
        #expect(accounts[rich]?.balance == 9)
        var slots: [UInt256: UInt256] = [:]
        try test.chain.head.view.forEachSlot(of: TestChain.counter) { entry in
            slots[entry.slot] = entry.value
            return true
        }
        #expect(slots == [8: 8])
    }

    // MARK: - Events

    @Test func `events come in order`() async throws {
        let test = try TestChain()
        let events = test.chain.events()
        try await test.produce()
        try await test.produce()
        try await test.chain.rollback(to: 0)
        try await test.chain.setOverrides([.nonce(TestChain.receiver, 3)])
        try await test.chain.shutDown()
        var seen: [String] = []
        for await event in events {
            switch event {
            case .committed(let block): seen.append("committed \(block.block.header.number)")
            case .reverted(let reversion):
                let count = try reversion.before.receipts(2)?.count
                seen.append("reverted \(reversion.blocks) of \(count ?? 0)")
            case .overridden(let head): seen.append("overridden \(head.number)")
            }
        }
        #expect(seen == ["committed 1", "committed 2", "reverted 1...2 of 2", "overridden 0"])
    }

    @Test func `who falls behind sees the end and does not hold up the chain`() async throws {
        let test = try TestChain()
        let slow = test.chain.events(limit: 2)
        let fast = test.chain.events()
        for _ in 0..<5 { try await test.produce() }
        try await test.chain.shutDown()
        var slowCount = 0
        for await _ in slow { slowCount += 1 }
        var fastCount = 0
        for await _ in fast { fastCount += 1 }
        #expect(slowCount == 2)
        #expect(fastCount == 5)
    }

    // MARK: - History

    @Test func `history is pruned to what is retained`() async throws {
        let test = try TestChain(
            options: ChainOptions(
                sync: .interval(milliseconds: 50), history: .blocks(3)))
        for _ in 0..<8 { try await test.produce() }
        let view = test.chain.head.view
        #expect(view.oldestState == 5)
        #expect(try view.state(at: 5).storage(TestChain.counter, 0) == 5)
        #expect {
            try view.state(at: 4)
        } throws: { error in
            if case .stateUnavailable(4, oldest: 5) = error as? ChainError { true } else { false }
        }
        await #expect(throws: ChainError.self) { try await test.chain.rollback(to: 4) }
        try await test.chain.rollback(to: 5)
        #expect(try test.count() == 5)
        #expect(try test.chain.head.view.block(2) != nil)
    }

    @Test func `a proof holds against the header of its block`() async throws {
        let test = try TestChain()
        for _ in 0..<4 { try await test.produce() }
        let view = test.chain.head.view
        for number in 0...4 as ClosedRange<BlockNumber> {
            let proof = try view.proof(of: TestChain.counter, slots: [0, 7, 9], at: number)
            #expect(proof.storageProofs.map(\.value) == [UInt256(number), 7, 0])
            let root = try #require(try view.header(number)?.stateRoot)
            #expect(keccak256(try #require(proof.accountProof.first)) == root)
        }
    }

    @Test func `after shutting down the chain can be read but not extended`() async throws {
        let test = try TestChain()
        try await test.produce()
        try await test.chain.shutDown()
        await #expect {
            try await test.produce()
        } throws: { error in
            if case .readOnly = error as? ChainError { true } else { false }
        }
        #expect(try test.count() == 1)
        #expect(test.chain.readOnlyReason != nil)
    }

    @Test func `a disk with less room than the reserve takes no block, and nothing is broken`()
        async throws
    {
        let test = try TestChain(diskReserve: .max)
        await #expect {
            try await test.produce()
        } throws: { error in
            if case .storage(.lowDisk) = error as? ChainError { true } else { false }
        }
        #expect(throws: StorageError.self) {
            try test.chain.pool.apply(put: [(hash: .zero, value: [1])], remove: [])
        }
        try test.chain.pool.apply(put: [], remove: [.zero])
        #expect(try test.count() == 0)
        #expect(test.chain.readOnlyReason == nil)
    }
}
