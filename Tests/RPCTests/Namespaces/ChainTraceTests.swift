import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

@Suite struct ChainTraceTests {
    /// Block 1 with a transaction, 2 and 3 without, 4 with two, 5 without.
    private func node(limits: RPCLimits = RPCLimits()) async throws -> TestNode {
        let node = try TestNode.devnet(mode: .manual, limits: limits)
        try await node.send(TestNode.transfer(nonce: 0))
        _ = try await node.call("anvil_mine", "[3]")
        try await node.send(TestNode.transfer(nonce: 1))
        try await node.send(TestNode.transfer(nonce: 2, value: 0, to: TestNode.emitter))
        _ = try await node.call("anvil_mine", "[2]")
        return node
    }

    private func subscribe(
        _ node: TestNode, _ params: String, as session: RPCSession
    ) async throws -> JSONValue {
        try await node.call("debug_subscribe", #"["traceChain", \#(params)]"#, as: session)
    }

    @Test func `each block after the first is traced, and the last though it is empty`()
        async throws
    {
        let node = try await node()
        let listener = Listener()
        let answer = try await subscribe(
            node, #""0x0", "0x5", {"tracer":"callTracer"}"#, as: listener.session())
        #expect(answer["result"]?.stringValue?.hasPrefix("0x") == true)
        let results = try await listener.results(3)
        #expect(results.compactMap { $0["block"] } == ["0x1", "0x4", "0x5"])
        for result in results {
            let traces = try await node.call(
                "debug_traceBlockByNumber",
                #"[\#(result["block"] ?? .null), {"tracer":"callTracer"}]"#)
            #expect(result["traces"] == traces)
            let block = try await node.call(
                "eth_getBlockByNumber", "[\(result["block"] ?? .null), false]")
            #expect(result["hash"] == block["hash"])
        }
    }

    @Test func `a block is traced when the client has taken the one before it`() async throws {
        let node = try await node()
        let listener = Listener(holds: true)
        _ = try await subscribe(node, #""0x0", "latest""#, as: listener.session())
        #expect(try await listener.results(1).map { $0["block"] } == ["0x1"])
        // Nothing is made meanwhile: a mined block would be announced by now.
        let heads = Listener()
        _ = try await node.call("eth_subscribe", #"["newHeads"]"#, as: heads.session())
        _ = try await node.call("evm_mine")
        #expect(try await heads.results(1).count == 1)
        #expect(listener.count == 0)
        listener.release()
        #expect(try await listener.results(1).map { $0["block"] } == ["0x4"])
    }

    @Test func `a transaction that takes too long says so, and the next block is traced`()
        async throws
    {
        let node = try await node()
        let listener = Listener()
        _ = try await subscribe(
            node, #""0x0", "0x5", {"timeout":"0s"}"#, as: listener.session())
        let results = try await listener.results(3)
        #expect(results[0]["traces"]?[0]?["error"] == "execution timeout")
        // What comes after it in its block is left out.
        #expect(results[1]["traces"]?.arrayValue?.count == 1)
        #expect(results[2]["traces"] == [])
    }

    @Test func `ranges, topics and tracers are checked`() async throws {
        let node = try await node()
        let session = Listener().session()
        func message(_ params: String) async throws -> String? {
            try await node.call("debug_subscribe", "[\(params)]", as: session)["error"]?["message"]?
                .stringValue
        }
        #expect(
            try await message(#""traceChain", "0x2", "0x2""#)
                == "end block (#2) needs to come after start block (#2)")
        #expect(try await message(#""traceChain", "0x0", "0x99""#) == "block #153 not found")
        #expect(
            try await message(#""traceChain", "0x0""#)
                == "missing value for required argument 2")
        #expect(
            try await message(#""weather", "0x0", "0x1""#)
                == "no \"weather\" subscription in debug namespace")
        #expect(
            try await message(#""traceChain", "0x0", "0x1", {"tracer":"x"}"#)?
                .contains("not defined") == true)
        #expect(
            try await node.failure("debug_subscribe", #"["traceChain", "0x0", "0x1"]"#).message
                == "notifications not supported")
    }

    @Test func `so many run at a time and no more, and one makes room when its work has ended`()
        async throws
    {
        var limits = RPCLimits()
        limits.chainTraces = 2
        let node = try await node(limits: limits)
        let listener = Listener(holds: true)
        let session = listener.session()
        let first = try await subscribe(node, #""0x0", "0x5""#, as: session)
        let second = try await subscribe(node, #""0x0", "0x5""#, as: session)
        #expect(first["error"] == nil && second["error"] == nil)
        #expect(try await listener.results(2).count == 2)
        for _ in 0..<40 {
            // No connection has more of it than another.
            for session in [session, Listener(holds: true).session()] {
                let refused = try await subscribe(node, #""0x0", "0x5""#, as: session)
                #expect(refused["error"]?["code"] == -32_005)
            }
        }
        let other = try await node.call(
            "debug_unsubscribe", "[\(first["result"] ?? .null)]", as: Listener().session())
        #expect(other["error"]?["message"] == "subscription not found")
        let ended = try await node.call(
            "debug_unsubscribe", "[\(first["result"] ?? .null)]", as: session)
        #expect(ended["result"] == true)
        // Its first block still waits to be taken.
        let early = try await subscribe(node, #""0x0", "0x5""#, as: session)
        #expect(early["error"]?["code"] == -32_005)
        var answer = JSONValue.null
        let end = ContinuousClock.now + .seconds(30)
        repeat {
            listener.release()
            try await Task.sleep(for: .milliseconds(1))
            answer = try await subscribe(node, #""0x0", "0x5""#, as: session)
        } while answer["error"] != nil && .now < end
        #expect(answer["error"] == nil)
    }

    @Test func `one that finds no room counts for no connection`() async throws {
        var limits = RPCLimits()
        limits.chainTraces = 1
        limits.subscriptionsPerConnection = 1
        let node = try await node(limits: limits)
        let listener = Listener(holds: true)
        _ = try await subscribe(node, #""0x0", "0x5""#, as: listener.session())
        #expect(try await listener.results(1).count == 1)
        let session = Listener().session()
        let refused = try await subscribe(node, #""0x0", "0x5""#, as: session)
        #expect(refused["error"]?["code"] == -32_005)
        let other = try await node.call("eth_subscribe", #"["newHeads"]"#, as: session)
        #expect(other["error"] == nil)
    }

    @Test func `one that has told all makes room by itself`() async throws {
        var limits = RPCLimits()
        limits.chainTraces = 1
        let node = try await node(limits: limits)
        let listener = Listener()
        let session = listener.session()
        _ = try await subscribe(node, #""0x0", "0x5""#, as: session)
        #expect(try await listener.results(3).count == 3)
        var answer = JSONValue.null
        let end = ContinuousClock.now + .seconds(30)
        repeat {
            try await Task.sleep(for: .milliseconds(1))
            answer = try await subscribe(node, #""0x0", "0x5""#, as: session)
        } while answer["error"] != nil && .now < end
        #expect(answer["error"] == nil)
    }

    @Test func `a trace beyond its bytes is an error in its place`() async throws {
        var limits = RPCLimits()
        limits.traceBytes = 400
        let node = try await node(limits: limits)
        let listener = Listener()
        _ = try await subscribe(node, #""0x3", "0x4""#, as: listener.session())
        let traces = try #require(try await listener.results(1).first?["traces"]?.arrayValue)
        #expect(traces.first?["result"] != nil)
        #expect(traces.last?["error"]?.stringValue?.contains("larger") == true)
    }
}
