import Chain
import EthereumTypes
import Primitives
import Testing

/// What RPC tells of branches, finality and blocks that were refused.
@Suite struct BranchTests {
    private func blocks(_ count: Int) async throws -> [Block] {
        let node = try TestNode.devnet(mode: .manual)
        for nonce in 0..<Nonce(count) {
            try await node.send(TestNode.transfer(nonce: nonce))
            _ = try await node.call("evm_mine")
        }
        return try (1...BlockNumber(count)).map { number in
            try #require(try node.blockchain.head.view.block(number)).block
        }
    }

    @Test func `a block that was refused is told with its reason`() async throws {
        let node = try TestNode.follower(genesis: TestNode.genesis())
        var bad = try await blocks(1)[0]
        bad.header.gasUsed += 1
        await #expect(throws: ChainError.self) { try await node.blockchain.importBlock(bad) }
        let told = try await node.call("debug_getBadBlocks")
        #expect(told.arrayValue?.count == 1)
        #expect(told[0]?["hash"]?.stringValue == bad.hash().description)
        #expect(told[0]?["block"]?["number"] == "0x1")
        #expect(told[0]?["block"]?["transactions"]?.arrayValue?.count == 1)
        #expect(told[0]?["rlp"]?.stringValue == Hex.encode(bad.encoded()))
        #expect(told[0]?["reason"]?.stringValue?.contains("gasUsed") == true)
    }

    @Test func `safe and finalized are the head until somebody says otherwise`() async throws {
        let node = try TestNode.follower(genesis: TestNode.genesis())
        for block in try await blocks(3) { try await node.blockchain.importBlock(block) }
        func number(_ tag: String) async throws -> JSONValue? {
            try await node.call("eth_getBlockByNumber", #"["\#(tag)",false]"#)["number"]
        }
        #expect(try await number("safe") == "0x3")
        #expect(try await number("finalized") == "0x3")
        let view = node.blockchain.head.view
        try await node.blockchain.setFinality(
            safe: try view.canonicalHash(2), finalized: try view.canonicalHash(1))
        #expect(try await number("safe") == "0x2")
        #expect(try await number("finalized") == "0x1")
    }

    @Test func `a block beside the chain is found by its hash and has no state`() async throws {
        let node = try TestNode.follower(genesis: TestNode.genesis())
        let block = try await blocks(1)[0]
        try await node.blockchain.insertBlock(block)
        let hash = block.hash()
        #expect(
            try await node.call("eth_getBlockByHash", #"["\#(hash)",false]"#)["number"] == "0x1")
        let failure = try await node.failure(
            "eth_getBalance",
            #"["\#(TestNode.receiver)",{"blockHash":"\#(hash)","requireCanonical":true}]"#)
        #expect(failure.message == "hash is not currently canonical")
        #expect(
            try await node.call(
                "eth_getTransactionReceipt", #"["\#(block.transactions[0].hash())"]"#) == .null)
    }

    @Test func `transactions of a losing branch are in the pool again`() async throws {
        let node = try TestNode.follower(genesis: TestNode.genesis())
        let chain = node.blockchain
        let following = Task { [pool = node.pool] in await pool.follow(chain) { 2_000 } }
        defer { following.cancel() }
        let losing = try await blocks(2)
        // The winner has the first transaction as well, but not the second.
        let first = try await blocks(1)[0]
        let rival = try TestNode.devnet(mode: .manual)
        try await rival.send(TestNode.transfer(nonce: 0))
        _ = try await rival.call("evm_setNextBlockTimestamp", "[5000]")
        _ = try await rival.call("evm_mine")
        let winner = try #require(try rival.blockchain.head.view.block(1)).block
        #expect(winner.hash() != first.hash())
        for block in losing { try await chain.importBlock(block) }
        let lost = losing[1].transactions[0].hash()
        try await chain.importBlock(winner)
        for _ in 0..<3_000 where node.pool.transaction(lost) == nil {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(node.pool.transaction(lost) != nil)
        #expect(node.pool.transaction(losing[0].transactions[0].hash()) == nil)
    }
}
