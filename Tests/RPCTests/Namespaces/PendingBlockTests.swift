import BlockProduction
import EthereumTypes
import Execution
import Primitives
import Synchronization
import Testing

import RPC

/// The block that comes next, on a devnet and on nodes whose blocks come from elsewhere.
@Suite struct PendingBlockTests {
    /// A clock that only the test moves.
    private final class Clock: Sendable {
        let time = Mutex<Timestamp>(5_000)
    }

    private func follower(
        _ clock: Clock = Clock(), limits: RPCLimits = RPCLimits()
    ) throws -> TestNode {
        let genesis = TestNode.genesis()
        return try TestNode.follower(genesis: genesis, limits: limits) { services in
            services.nextBlock = NextBlock(
                gasLimit: nil, config: genesis.config, now: { clock.time.withLock { $0 } })
        }
    }

    private static let balance = #"["\#(TestNode.receiver)", "pending"]"#

    @Test(arguments: [true, false])
    func `it has what waits in the pool`(isDevnet: Bool) async throws {
        let node = try isDevnet ? TestNode.devnet(mode: .manual) : follower()
        try node.pool.add(TestNode.transfer(nonce: 0, value: 7))
        let block = try await node.call("eth_getBlockByNumber", #"["pending", false]"#)
        #expect(block["number"] == "0x1")
        #expect(block["hash"] == .null)
        #expect(block["miner"] == .null)
        #expect(block["parentHash"]?.stringValue == "\(node.blockchain.head.hash)")
        #expect(
            block["transactions"] == [.string("\(TestNode.transfer(nonce: 0, value: 7).hash())")])
        #expect(try await node.call("eth_getBalance", Self.balance) == "0x7")
        let header = try await node.call("eth_getHeaderByNumber", #"["pending"]"#)
        #expect(header["gasUsed"] == "0x5208")
        #expect(header["nonce"] == .null)
        #expect(
            try await node.call("eth_getUncleCountByBlockNumber", #"["pending"]"#) == "0x0")
        let receipts = try await node.call("eth_getBlockReceipts", #"["pending"]"#)
        #expect(receipts[0]?["gasUsed"] == "0x5208")
    }

    @Test(arguments: [true, false])
    func `the fee history ends with it`(isDevnet: Bool) async throws {
        let node = try isDevnet ? TestNode.devnet(mode: .manual) : follower()
        try node.pool.add(TestNode.transfer(nonce: 0))
        let history = try await node.call("eth_feeHistory", #"["0x5", "pending", [50]]"#)
        #expect(history["oldestBlock"] == "0x0")
        #expect(history["baseFeePerGas"]?.arrayValue?.count == 3)
        #expect(history["reward"] == [["0x0"], ["0x3b9aca00"]])
        let last = try await node.call("eth_feeHistory", #"["0x1", "pending"]"#)
        #expect(last["oldestBlock"] == "0x1")
        #expect(last["gasUsedRatio"]?.arrayValue?.count == 1)
    }

    @Test func `without one the fee history is a block shorter`() async throws {
        let node = try TestNode.follower(genesis: TestNode.genesis())
        let history = try await node.call("eth_feeHistory", #"["0x2", "pending"]"#)
        #expect(history["oldestBlock"] == "0x0")
        #expect(history["gasUsedRatio"]?.arrayValue?.count == 1)
        #expect(try await node.call("eth_getBlockByNumber", #"["pending", false]"#) == .null)
    }

    @Test func `it is kept until the pool changes or it is too old`() async throws {
        let clock = Clock()
        var limits = RPCLimits()
        limits.pendingSeconds = 3
        let node = try follower(clock, limits: limits)
        func timestamp(at time: Timestamp) async throws -> JSONValue? {
            clock.time.withLock { $0 = time }
            return try await node.call("eth_getHeaderByNumber", #"["pending"]"#)["timestamp"]
        }
        #expect(try await timestamp(at: 0x2000) == "0x2000")
        #expect(try await timestamp(at: 0x2002) == "0x2000")
        #expect(try await timestamp(at: 0x2003) == "0x2003")
        try node.pool.add(TestNode.transfer(nonce: 0))
        #expect(try await timestamp(at: 0x2004) == "0x2004")
        #expect(try await node.call("eth_getBalance", Self.balance) == "0x1")
        #expect(throws: (any Error).self) {
            try node.pool.add(TestNode.transfer(nonce: 0))
        }
        #expect(try await timestamp(at: 0x2005) == "0x2004")
    }

    @Test func `calls at it see its number and its state`() async throws {
        let node = try follower()
        // A contract that returns NUMBER.
        let deploy = TestNode.transfer(
            nonce: 0, to: nil,
            data: [0x68, 0x43, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x00, 0x00]
                + [0x5f, 0x52, 0x60, 0x08, 0x60, 0x17, 0xf3], gasLimit: 100_000)
        try node.pool.add(deploy)
        let receipt = try await node.call("eth_getBlockReceipts", #"["pending"]"#)[0]
        let contract = try #require(receipt?["contractAddress"]?.stringValue)
        #expect(receipt?["status"] == "0x1")
        let word = "0x" + String(repeating: "0", count: 63) + "1"
        #expect(
            try await node.call("eth_call", #"[{"to":"\#(contract)"}, "pending"]"#).stringValue
                == word)
        #expect(try await node.call("eth_call", #"[{"to":"\#(contract)"}, "latest"]"#) == "0x")
    }
}
