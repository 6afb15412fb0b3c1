import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

@Suite struct TraceTests {
    /// Calls its call data's address with 3 wei, after it has created an empty contract.
    private static let caller = Address(w0: 0xe0, w1: 0, w2: 0x77)

    /// A devnet with a block: a transfer, a call that calls and creates, and a revert.
    private func busyNode() async throws -> (node: TestNode, hashes: [String]) {
        let node = try TestNode.devnet(mode: .manual)
        let code = "0x5f5f5ff0505f5f5f5f60035f355af15000"
        _ = try await node.call("anvil_setCode", #"["\#(Self.caller)", "\#(code)"]"#)
        let target = Bytes(repeating: 0, count: 12) + TestNode.emitter.bytes
        var hashes: [String] = []
        hashes.append(try await node.send(TestNode.transfer(nonce: 0, value: 9)))
        hashes.append(
            try await node.send(
                TestNode.transfer(
                    nonce: 1, value: 3, to: Self.caller, data: target, gasLimit: 200_000)))
        hashes.append(
            try await node.send(
                TestNode.transfer(nonce: 2, value: 0, to: TestNode.reverter, data: [0xab])))
        _ = try await node.call("evm_mine")
        return (node, hashes)
    }

    @Test func `a block's traces are its transactions' one after the other`() async throws {
        let (node, hashes) = try await busyNode()
        let traces = try await node.call("trace_block", #"["0x1"]"#).arrayValue ?? []
        #expect(
            traces.map { $0["transactionHash"]?.stringValue } == [
                hashes[0], hashes[1], hashes[1], hashes[1], hashes[2],
            ])
        #expect(
            traces.map { $0["type"]?.stringValue } == ["call", "call", "create", "call", "call"])
        #expect(traces[1]["subtraces"] == 2)
        #expect(traces[2]["traceAddress"] == [0])
        #expect(traces[2]["action"]?["creationMethod"] == "create")
        #expect(traces[3]["traceAddress"] == [1])
        #expect(traces[3]["action"]?["value"] == "0x3")
        #expect(traces[3]["action"]?["to"]?.stringValue == TestNode.emitter.description)
        #expect(traces[4]["error"] == "Reverted")
        #expect(traces[4]["result"]?["output"] == "0xab")
        #expect(try await node.call("trace_block", #"["0x0"]"#) == [])
        #expect(try await node.call("trace_block", #"["0x9"]"#) == .null)

        let one = try await node.call("trace_transaction", #"["\#(hashes[1])"]"#)
        #expect(one.arrayValue.map { Array($0) } == Array(traces[1...3]))
        #expect(try await node.call("trace_get", #"["\#(hashes[1])", ["0x1"]]"#) == traces[3])
        #expect(try await node.call("trace_get", #"["\#(hashes[1])", ["0x5"]]"#) == .null)
        #expect(try await node.call("trace_transaction", #"["\#(Hash256.zero)"]"#) == .null)
    }

    @Test func `a filter finds actions by who and on whom`() async throws {
        let (node, hashes) = try await busyNode()
        let alice = TestNode.alice.address
        func count(_ filter: String) async throws -> Int {
            try await node.call("trace_filter", "[{\(filter)}]").arrayValue?.count ?? -1
        }
        #expect(try await count("") == 5)
        #expect(try await count(#""fromAddress":["\#(alice)"]"#) == 3)
        #expect(try await count(#""toAddress":["\#(TestNode.emitter)"]"#) == 1)
        let both = #""fromAddress":["\#(alice)"],"toAddress":["\#(TestNode.emitter)"]"#
        #expect(try await count(both) == 4)
        #expect(try await count(both + #","mode":"intersection""#) == 0)
        #expect(try await count(#""fromBlock":"0x1","toBlock":"0x1","after":1,"count":3"#) == 3)
        #expect(try await count(#""fromBlock":"0x2""#) == 0)
        let first = try await node.call("trace_filter", #"[{"after":4}]"#)
        #expect(first[0]?["transactionHash"]?.stringValue == hashes[2])
    }

    @Test func `a filter over too many blocks is refused`() async throws {
        var limits = RPCLimits()
        limits.traceFilterBlocks = 2
        let node = try TestNode.devnet(mode: .manual, limits: limits)
        _ = try await node.call("anvil_mine", #"["0x4"]"#)
        _ = try await node.call("trace_filter", #"[{"fromBlock":"0x3"}]"#)
        let refused = try await node.failure("trace_filter", #"[{"fromBlock":"0x1"}]"#)
        #expect(refused.code == -32_602)
        #expect(refused.message == "Block range too large; currently limited to 2 blocks")
    }

    @Test func `a replay shows what the state was and became`() async throws {
        let (node, hashes) = try await busyNode()
        let replay = try await node.call(
            "trace_replayTransaction", #"["\#(hashes[0])", ["stateDiff"]]"#)
        #expect(replay["trace"] == [])
        #expect(replay["vmTrace"] == .null)
        let diff = replay["stateDiff"]
        let receiver = TestNode.receiver.description
        #expect(diff?[receiver]?["balance"] == ["+": "0x9"])
        #expect(diff?[receiver]?["nonce"] == ["+": "0x0"])
        let alice = TestNode.alice.address.description
        #expect(diff?[alice]?["nonce"] == ["*": ["from": "0x0", "to": "0x1"]])
        #expect(diff?[alice]?["code"] == "=")

        let created = try await node.call(
            "trace_replayTransaction", #"["\#(hashes[1])", ["stateDiff"]]"#)
        // An empty contract has nonce 1 and no code.
        let nonces = created["stateDiff"]?.objectValue?.values.compactMap { $0["nonce"]?["+"] }
        #expect(nonces == ["0x1"])
        let caller = created["stateDiff"]?[Self.caller.description]
        #expect(caller?["nonce"] == ["*": ["from": "0x0", "to": "0x1"]])
        #expect(caller?["balance"] == "=")
    }

    @Test func `the instructions of a call stand inside of the one that made it`() async throws {
        let (node, hashes) = try await busyNode()
        let replay = try await node.call(
            "trace_replayTransaction", #"["\#(hashes[1])", ["vmTrace"]]"#)
        let trace = try #require(replay["vmTrace"])
        #expect(trace["code"] == "0x5f5f5ff0505f5f5f5f60035f355af15000")
        let ops = try #require(trace["ops"]?.arrayValue)
        #expect(ops.count == 16)
        #expect(ops[0]["op"] == "PUSH0")
        #expect(ops[0]["ex"]?["push"] == ["0x0"])
        #expect(ops[3]["op"] == "CREATE")
        #expect(ops[3]["sub"] == ["code": "0x", "ops": []])
        #expect(ops[3]["ex"]?["push"]?.arrayValue?.count == 1)
        let call = try #require(ops.first { $0["op"] == "CALL" })
        #expect(call["sub"]?["code"] == "0x5f355f5fa100")
        #expect(call["sub"]?["ops"]?.arrayValue?.count == 6)
        #expect(call["ex"]?["push"] == ["0x1"])
        #expect(ops[15]["op"] == "STOP")
        #expect(ops[15]["sub"] == .null)
    }

    @Test func `calls are traced, each after those before it`() async throws {
        let node = try TestNode.devnet()
        let call =
            #"{"from":"\#(TestNode.alice.address)","to":"\#(TestNode.receiver)","value":"0x5"}"#
        let one = try await node.call("trace_call", #"[\#(call), ["trace","stateDiff"]]"#)
        #expect(one["trace"]?[0]?["action"]?["value"] == "0x5")
        #expect(one["trace"]?[0]?["blockHash"] == nil)
        #expect(one["output"] == "0x")
        let many = try await node.call(
            "trace_callMany", #"[[[\#(call), ["stateDiff"]], [\#(call), ["stateDiff"]]]]"#)
        let receiver = TestNode.receiver.description
        #expect(many[0]?["stateDiff"]?[receiver]?["balance"] == ["+": "0x5"])
        #expect(
            many[1]?["stateDiff"]?[receiver]?["balance"] == ["*": ["from": "0x5", "to": "0xa"]])
        let raw = Hex.encode(TestNode.transfer(nonce: 0, value: 2).encoded())
        let traced = try await node.call("trace_rawTransaction", #"["\#(raw)", ["trace"]]"#)
        #expect(traced["trace"]?[0]?["result"]?["gasUsed"] == "0x5208")
        #expect(
            try await node.failure("trace_call", #"[\#(call), ["traces"]]"#).code == -32_602)
    }
}
