import Chain
import Cryptography
import EthereumTypes
import Execution
import Foundation
import Primitives
import State
import Storage
import TestSupport
import Testing

/// What a database holds of the chain itself: everything but blocks beside it.
func chainContents(of database: Database) throws -> [Family: [Bytes: Bytes]] {
    var all = try contents(of: database)
    all[.sideBlocks] = nil
    return all
}

func expectSame(
    _ mine: [Family: [Bytes: Bytes]], _ theirs: [Family: [Bytes: Bytes]], _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    for family in Family.allCases {
        #expect(
            mine[family] == theirs[family], "\(family.name), \(what)",
            sourceLocation: sourceLocation)
    }
}

@Suite struct BranchTests {
    /// Two chains with three blocks in common.
    private func pair(
        _ options: ChainOptions = ChainOptions(sync: .interval(milliseconds: 50))
    ) async throws -> (TestChain, TestChain) {
        let first = try TestChain(options: options)
        let second = try TestChain(options: options)
        for _ in 0..<3 {
            let block = try await first.produce().block
            try await second.chain.importBlock(block)
        }
        return (first, second)
    }

    private func isRefused(
        _ chain: Blockchain, _ block: Block, _ isRight: (ChainError) -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        await #expect(sourceLocation: sourceLocation) {
            try await chain.importBlock(block)
        } throws: { error in
            (error as? ChainError).map(isRight) ?? false
        }
    }

    // MARK: - Reorganisations

    @Test(arguments: [1, 2, 3, 17, 64, 128])
    func `a reorganisation leaves a database that never saw the losing branch`(depth: Int)
        async throws
    {
        let (winner, test) = try await pair()
        let chain = test.chain
        for index in 0..<depth { try await test.produce(value: UInt256(UInt64(index + 1))) }
        let losing = chain.head
        let before = try chainContents(of: chain.database)
        for index in 0..<depth {
            let block = try await winner.produce(value: UInt256(UInt64(index + 1000))).block
            let inserted = try await chain.insertBlock(block)
            #expect(!inserted.isCanonical)
            #expect(inserted.hash == winner.chain.head.hash)
        }
        #expect(chain.head.hash == losing.hash)
        expectSame(try chainContents(of: chain.database), before, "inserted only")

        let head = try await chain.setHead(winner.chain.head.hash)
        #expect(head.hash == winner.chain.head.hash)
        expectSame(
            try chainContents(of: chain.database), try chainContents(of: winner.chain.database),
            "depth \(depth)")
        _ = try head.view.verifyState()
        // Beside the chain is now the losing branch, and it alone.
        #expect(try chain.head.view.block(hash: losing.hash)?.hash == losing.hash)
        #expect(try chain.head.view.number(of: losing.hash) == losing.number)
        #expect(try !chain.head.view.isCanonical(losing.hash))
        #expect(try contents(of: chain.database)[.sideBlocks]?.count == 3 * depth)

        try await chain.setHead(losing.hash)
        expectSame(try chainContents(of: chain.database), before, "and back")
        _ = try chain.head.view.verifyState()
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `any choice among the blocks of a random tree is as if it were the only branch`(
        seed: UInt64
    ) async throws {
        var random = SeededRandom(seed: seed)
        let maker = try TestChain()
        let test = try TestChain()
        // A block and the index of its parent; the first stands for the genesis block.
        var nodes: [(block: Block?, parent: Int)] = [(nil, 0)]
        func path(to index: Int) -> [Block] {
            guard let block = nodes[index].block else { return [] }
            return path(to: nodes[index].parent) + [block]
        }
        for step in 0..<36 {
            let parent =
                Bool.random(using: &random) ? nodes.count - 1 : random.index(below: nodes.count)
            try await maker.chain.setHead(
                nodes[parent].block?.hash() ?? maker.chain.genesisHash)
            let block = try await maker.produceAnything(&random)
            try await test.chain.insertBlock(block)
            nodes.append((block, parent))
            guard random.index(below: 3) == 0 else { continue }
            let chosen = random.index(below: nodes.count)
            let blocks = path(to: chosen)
            let head = try await test.chain.setHead(
                blocks.last?.hash() ?? test.chain.genesisHash)
            #expect(head.number == BlockNumber(blocks.count))
            let only = try TestChain()
            for block in blocks { try await only.chain.importBlock(block) }
            expectSame(
                try chainContents(of: test.chain.database),
                try chainContents(of: only.chain.database), "seed \(random.seed), step \(step)")
            _ = try head.view.verifyState()
        }
        // Every block is in the chain or beside it.
        for node in nodes.dropFirst() {
            let hash = try #require(node.block?.hash())
            #expect(try test.chain.head.view.block(hash: hash)?.block == node.block)
        }
    }

    @Test func `a block that is inserted and then chosen is executed once`() async throws {
        let (winner, test) = try await pair()
        let executed = await test.chain.executedBlocks
        // As a consensus layer does it: block by block on the head.
        for _ in 0..<3 {
            let block = try await winner.produce().block
            try await test.chain.insertBlock(block)
            try await test.chain.insertBlock(block)
            try await test.chain.setHead(block.hash())
        }
        #expect(await test.chain.executedBlocks == executed + 3)
        // A branch, and back again: nothing of both is executed a second time.
        let losing = test.chain.head.hash
        try await winner.chain.rollback(to: 3)
        for value in 7..<10 as Range<UInt64> {
            try await test.chain.insertBlock(try await winner.produce(value: UInt256(value)).block)
        }
        try await test.chain.setHead(winner.chain.head.hash)
        try await test.chain.setHead(losing)
        #expect(await test.chain.executedBlocks == executed + 6)
    }

    @Test func `the events of a reorganisation are one undoing and each new block`() async throws {
        let (winner, test) = try await pair()
        for _ in 0..<2 { try await test.produce(value: 9) }
        let events = test.chain.events()
        for _ in 0..<3 { try await test.chain.insertBlock(try await winner.produce().block) }
        try await test.chain.setHead(winner.chain.head.hash)
        try await test.chain.shutDown()
        var seen: [String] = []
        for await event in events {
            switch event {
            case .committed(let block):
                seen.append("+\(block.stored.number) of \(block.head.number)")
                #expect(block.receipts.count == 2)
            case .reverted(let reversion):
                seen.append("-\(reversion.blocks) to \(reversion.head.number)")
                #expect(reversion.isReplacement)
                #expect(try reversion.before.block(5)?.block.transactions.count == 2)
            case .overridden: seen.append("overridden")
            }
        }
        #expect(seen == ["-4...5 to 6", "+4 of 6", "+5 of 6", "+6 of 6"])
    }

    @Test func `an ancestor can be the head again, and what was undone is kept`() async throws {
        let test = try TestChain()
        for _ in 0..<4 { try await test.produce() }
        let tip = test.chain.head
        let hash = try #require(try tip.view.canonicalHash(2))
        let all = try chainContents(of: test.chain.database)
        #expect(try await test.chain.setHead(hash).number == 2)
        #expect(try test.count() == 2)
        #expect(try await test.chain.setHead(tip.hash).number == 4)
        expectSame(try chainContents(of: test.chain.database), all, "forth and back")
        #expect(try contents(of: test.chain.database)[.sideBlocks] == nil)
    }

    @Test func `branches outlast a restart`() async throws {
        let (winner, test) = try await pair()
        for _ in 0..<2 { try await test.produce(value: 9) }
        for _ in 0..<3 { try await test.chain.insertBlock(try await winner.produce().block) }
        try await test.chain.shutDown()
        let directory = test.directory
        let target = winner.chain.head.hash
        func reopened() async throws -> Blockchain {
            try await OpeningTests.reopen(directory)
        }
        _ = consume test
        let chain = try await reopened()
        #expect(chain.head.number == 5)
        try await chain.setHead(target)
        expectSame(
            try chainContents(of: chain.database),
            try chainContents(of: winner.chain.database), "after a restart")
    }

    @Test func `a branch that begins before the retained history is refused`() async throws {
        let (winner, test) = try await pair(
            ChainOptions(sync: .interval(milliseconds: 50), history: .blocks(2)))
        let block = try await winner.produce().block
        for _ in 0..<4 { try await test.produce(value: 9) }
        try await isRefused(test.chain, block) {
            if case .stateUnavailable(3, oldest: 5) = $0 { true } else { false }
        }
        #expect(test.chain.head.number == 7)
    }

    // MARK: - Fork choice

    @Test func `before the merge the heaviest branch is the chain, and of two the first`()
        async throws
    {
        func genesis() throws -> Genesis {
            var genesis = try TestChain.genesis(.single(.berlin, chainId: 1337))
            genesis.difficulty = 1_000_000
            genesis.baseFeePerGas = nil
            return genesis
        }
        let first = try TestChain(genesis: try genesis())
        let second = try TestChain(genesis: try genesis())
        let test = try TestChain(genesis: try genesis())
        let one = try await first.produce(value: 1).block
        let other = try await second.produce(value: 2).block
        try await test.chain.importBlock(one)
        #expect(try await test.chain.importBlock(other).hash == one.hash())
        #expect(test.chain.head.hash == one.hash())
        #expect(test.chain.head.totalDifficulty == first.chain.head.totalDifficulty)
        let heavier = try await second.produce(value: 3).block
        #expect(try await test.chain.importBlock(heavier).hash == heavier.hash())
        #expect(test.chain.head.totalDifficulty == second.chain.head.totalDifficulty)
        expectSame(
            try chainContents(of: test.chain.database),
            try chainContents(of: second.chain.database), "the heavier branch")
    }

    @Test func `work does not undo a block after the merge`() async throws {
        var config = ChainConfig.single(.berlin, chainId: 1337)
        config.setActivation(of: .paris, to: .totalDifficulty(1_000_001))
        var genesis = try TestChain.genesis(config)
        genesis.difficulty = 1_000_000
        genesis.baseFeePerGas = nil
        let merged = try TestChain(genesis: genesis)
        let heavier = try TestChain(genesis: genesis)
        let test = try TestChain(genesis: genesis)
        // A late block has less difficulty.
        let last = try #require(
            try await merged.chain.produce { head throws(ChainError) in
                try TestChain.build(on: head, [], after: 100)
            })
        let next = try await merged.produce()
        let rival = try await heavier.produce()
        #expect(!rival.block.header.isPostMerge && next.block.header.isPostMerge)
        #expect(rival.head.totalDifficulty > last.head.totalDifficulty)

        try await test.chain.importBlock(last.block)
        try await test.chain.importBlock(next.block)
        #expect(try await test.chain.importBlock(rival.block).hash == next.head.hash)
        #expect(test.chain.head.hash == next.head.hash)
        // A block after the merge is chosen wherever it stands.
        let other = try await heavier.produce()
        #expect(try await test.chain.importBlock(other.block).hash == other.head.hash)
    }

    @Test func `after the merge an imported block becomes the head`() async throws {
        let (winner, test) = try await pair()
        try await test.produce(value: 9)
        try await test.produce(value: 9)
        let block = try await winner.produce().block
        #expect(try await test.chain.importBlock(block).hash == block.hash())
        #expect(test.chain.head.number == 4)
        try await isRefused(test.chain, block) {
            if case .alreadyKnown(block.hash()) = $0 { true } else { false }
        }
    }

    @Test func `what is safe and final is remembered until it is undone`() async throws {
        let test = try TestChain()
        for _ in 0..<4 { try await test.produce() }
        let view = test.chain.head.view
        let two = try #require(try view.canonicalHash(2))
        let three = try #require(try view.canonicalHash(3))
        #expect(view.safe == nil && view.finalized == nil)
        try await test.chain.setFinality(safe: three, finalized: two)
        #expect(test.chain.head.view.safe == BlockReference(number: 3, hash: three))
        #expect(test.chain.head.view.finalized == BlockReference(number: 2, hash: two))
        try await test.chain.setFinality(safe: nil, finalized: nil)
        #expect(test.chain.head.view.safe?.number == 3)
        await #expect {
            try await test.chain.setFinality(safe: .zero, finalized: nil)
        } throws: { error in
            if case .unknownHash(.zero) = error as? ChainError { true } else { false }
        }
        try await test.chain.setHead(two)
        #expect(test.chain.head.view.safe == nil)
        #expect(test.chain.head.view.finalized?.number == 2)
        await #expect {
            try await test.chain.setFinality(safe: three, finalized: nil)
        } throws: { error in
            if case .notCanonical(three) = error as? ChainError { true } else { false }
        }
        try await test.chain.rollback(to: 1)
        #expect(test.chain.head.view.finalized == nil)
    }

    @Test func `a branch that was there before knows what became safe since`() async throws {
        let (winner, test) = try await pair()
        for _ in 0..<2 { try await test.produce(value: 9) }
        // Kept in memory as it would be committed, over a chain without a safe block.
        for _ in 0..<2 { try await test.chain.insertBlock(try await winner.produce().block) }
        try await test.chain.setFinality(safe: test.chain.head.hash, finalized: nil)
        #expect(test.chain.head.view.safe?.number == 5)
        try await test.chain.setHead(winner.chain.head.hash)
        #expect(test.chain.head.view.safe == nil)
    }

    @Test func `blocks beside what is final are dropped with all that builds on them`()
        async throws
    {
        let (winner, test) = try await pair()
        for _ in 0..<2 { try await test.produce(value: 9) }
        let fork = test.chain.head.hash
        for _ in 0..<4 { try await test.chain.insertBlock(try await winner.produce().block) }
        // One more on the chain, and one beside it that builds on what becomes final.
        try await test.produce(value: 9)
        let kept = test.chain.head.hash
        try await test.chain.setHead(fork)
        #expect(try contents(of: test.chain.database)[.sideBlocks]?.count == 3 * 5)
        try await test.chain.setFinality(
            safe: nil, finalized: try test.chain.head.view.canonicalHash(4))
        let view = test.chain.head.view
        #expect(try contents(of: test.chain.database)[.sideBlocks]?.count == 3)
        #expect(try view.number(of: kept) == 6)
        #expect(try view.number(of: winner.chain.head.hash) == nil)
        await #expect(throws: ChainError.self) {
            try await test.chain.setHead(winner.chain.head.hash)
        }
        let next = try await winner.produce().block
        await #expect {
            try await test.chain.insertBlock(next)
        } throws: { error in
            guard case .unknownParent(let parent) = error as? ChainError else { return false }
            return parent == next.header.parentHash
        }
        #expect(try await test.chain.setHead(kept).number == 6)
        #expect(try contents(of: test.chain.database)[.sideBlocks] == nil)
    }

    // MARK: - By hand

    @Test func `what was changed by hand goes with the block that it was pending for`()
        async throws
    {
        let test = try TestChain()
        try await test.produce()
        try await test.chain.setOverrides([.storage(TestChain.counter, slot: 0, value: 50)])
        try await test.produce()
        let first = test.chain.head
        let before = try chainContents(of: test.chain.database)
        #expect(try test.count() == 51)
        try await test.chain.setHead(try #require(try first.view.canonicalHash(1)))
        #expect(try test.count() == 1)
        #expect(test.chain.head.view.pendingOverrides == [])
        // Pending on a head that is undone: dropped with it.
        try await test.produce(value: 7)
        try await test.chain.setOverrides([.storage(TestChain.counter, slot: 0, value: 90)])
        #expect(try test.count() == 90)
        try await test.chain.setHead(first.hash)
        #expect(try test.count() == 51)
        #expect(test.chain.head.view.pendingOverrides == [])
        expectSame(try chainContents(of: test.chain.database), before, "with overrides")
        _ = try test.chain.head.view.verifyState()
    }

    @Test(arguments: [false, true])
    func `a transaction that was sent twice is found in its first block when the second is undone`(
        byBranch: Bool
    ) async throws {
        let test = try TestChain()
        let sent = try await test.produce()
        let hash = sent.stored.transactionHashes[0]
        let before = try chainContents(of: test.chain.database)
        func location() throws -> BlockNumber? {
            try test.chain.head.view.transactionLocation(hash)?.blockNumber
        }
        for _ in 0..<2 {
            try await test.chain.setOverrides([.nonce(try test.sender, 0)])
            let again = try await test.produce()
            #expect(again.stored.transactionHashes[0] == hash)
        }
        #expect(try location() == 3)
        let scratch = try TemporaryDirectory()
        let verified = try await ChainVerification(
            of: test.chain.head.view, blocks: 0...3,
            scratch: Database(DatabaseOptions(path: scratch.path, cacheBytes: 8 << 20))
        ).run()
        #expect(verified.transactions == 6)
        if byBranch {
            try await test.chain.setHead(sent.stored.hash)
        } else {
            try await test.chain.rollback(to: 2)
            #expect(try location() == 2)
            try await test.chain.rollback(to: 1)
        }
        #expect(try location() == 1)
        expectSame(try chainContents(of: test.chain.database), before, "undone")
    }

    // MARK: - Invalid blocks

    @Test func `an invalid block is remembered, and what builds on it refused`() async throws {
        let (source, test) = try await pair()
        let good = try await source.produce().block
        let next = try await source.produce().block
        var bad = good
        bad.header.stateRoot = .zero
        for _ in 0..<2 {
            try await isRefused(test.chain, bad) {
                if case .invalidBlock(.stateRoot(have: .zero, _)) = $0 { true } else { false }
            }
        }
        var child = next
        child.header.parentHash = bad.hash()
        var grandchild = next
        grandchild.header.parentHash = child.hash()
        let badHash = bad.hash()
        let lastValid = test.chain.head.hash
        for block in [child, grandchild, child] {
            try await isRefused(test.chain, block) {
                if case .invalidAncestor(badHash, lastValid) = $0 { true } else { false }
            }
        }
        #expect(test.chain.badBlocks.map(\.hash) == [grandchild.hash(), child.hash(), badHash])
        #expect(test.chain.badBlocks.last?.block == bad)
        #expect(await test.chain.executedBlocks == 4)
        try await test.chain.importBlock(good)
        try await test.chain.importBlock(next)
        #expect(test.chain.head.hash == source.chain.head.hash)
    }

    @Test func `a wrong body says nothing about the block that the header belongs to`()
        async throws
    {
        let (source, test) = try await pair()
        let good = try await source.produce().block
        var without = good
        without.transactions.removeLast()
        var withdrawn = good
        withdrawn.withdrawals = [
            Withdrawal(index: 1, validatorIndex: 1, address: .zero, amount: 1)
        ]
        var forged = good
        forged.transactions[0].signature = .none
        for wrong in [without, withdrawn, forged] {
            #expect(wrong.hash() == good.hash())
            await #expect(throws: ChainError.self) { try await test.chain.insertBlock(wrong) }
        }
        #expect(test.chain.badBlocks.isEmpty)
        try await test.chain.importBlock(good)
    }

    @Test func `what is known of an invalid block outlasts its body`() async throws {
        let (source, test) = try await pair()
        let good = try await source.produce().block
        var first: Block?
        for index in 0..<(ChainLimits.badBlocks + 5) {
            var bad = good
            bad.header.gasUsed = Gas(index)
            first = first ?? bad
            await #expect(throws: ChainError.self) { try await test.chain.insertBlock(bad) }
        }
        let bad = try #require(first)
        #expect(!test.chain.badBlocks.contains { $0.hash == bad.hash() })
        #expect(test.chain.invalidity(of: bad.hash())?.lastValid == test.chain.head.hash)
        #expect(test.chain.invalidity(of: good.hash()) == nil)
        // What builds on it can be refused unseen.
        var child = good
        child.header.parentHash = bad.hash()
        test.chain.refuseDescendant(child, child.hash())
        #expect(test.chain.invalidity(of: child.hash())?.lastValid == test.chain.head.hash)
        test.chain.refuseDescendant(good, good.hash())
        #expect(test.chain.invalidity(of: good.hash()) == nil)
    }

    @Test func `only so many invalid blocks are kept`() async throws {
        let (source, test) = try await pair()
        let good = try await source.produce().block
        for index in 0..<(ChainLimits.badBlocks + 5) {
            var bad = good
            bad.header.gasUsed = Gas(index)
            await #expect(throws: ChainError.self) { try await test.chain.importBlock(bad) }
        }
        #expect(test.chain.badBlocks.count == ChainLimits.badBlocks)
        #expect(test.chain.badBlocks.first?.block.header.gasUsed == Gas(ChainLimits.badBlocks + 4))
    }
}

extension TestChain {
    /// Runtime code that counts its calls in slot 0, and destroys itself if it is given data.
    private static let mortal =
        Hex.decode("0x36600e57600160005401600055005b33ff") ?? []

    /// Sets slot 1, and leaves `mortal`.
    private static let mortalInit =
        (Hex.decode("0x600260015570") ?? []) + mortal + (Hex.decode("0x6000526011600ff3") ?? [])

    /// Produces a block with some random transactions: transfers, creations, calls, destructions.
    func produceAnything(_ random: inout SeededRandom) async throws -> Block {
        let nonce = try chain.head.view.state.account(sender)?.nonce ?? 0
        var contracts: [Address] = []
        try chain.head.view.forEachAccount { entry in
            if entry.account.codeHash != .keccakEmpty { contracts.append(entry.address) }
            return true
        }
        var transactions: [RecoveredTransaction] = []
        for offset in 0..<Nonce(random.index(below: 5)) {
            let nonce = nonce + offset
            switch random.index(below: 4) {
            case 0:
                let to = Address(w0: UInt64(random.index(below: 6)), w1: 0xaa, w2: 0)
                transactions.append(try Self.transaction(nonce: nonce, to: to))
            case 1:
                transactions.append(
                    try Self.transaction(nonce: nonce, to: nil, value: 0, data: Self.mortalInit))
            default:
                let to = contracts[random.index(below: contracts.count)]
                let data: Bytes = random.index(below: 3) == 0 ? [1] : []
                transactions.append(
                    try Self.transaction(nonce: nonce, to: to, value: 0, data: data))
            }
        }
        let value = random.index(below: 256)
        let committed = try await chain.produce(seal: { $0.extraData = [UInt8(value)] }) {
            [transactions] (head) throws(ChainError) in try Self.build(on: head, transactions)
        }
        return try #require(committed).block
    }
}
