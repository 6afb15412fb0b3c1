import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

@Suite struct DebugTests {
    @Test func `a transaction is traced as it was executed in its block`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        try await node.send(TestNode.transfer(nonce: 0))
        let hash = try await node.send(
            TestNode.transfer(nonce: 1, value: 0, to: TestNode.emitter, data: [1, 2, 3]))
        _ = try await node.call("evm_mine")
        let trace = try await node.call("debug_traceTransaction", #"["\#(hash)"]"#)
        let receipt = try await node.call("eth_getTransactionReceipt", #"["\#(hash)"]"#)
        #expect(trace["failed"] == false)
        #expect(
            trace["gas"]?.uint64Value
                == receipt["gasUsed"]?.stringValue.flatMap { UInt256(hex: $0)?.asUInt64 })
        #expect(
            trace["structLogs"]?.arrayValue?.compactMap { $0["op"]?.stringValue }
                == ["PUSH0", "CALLDATALOAD", "PUSH0", "PUSH0", "LOG1", "STOP"])
        let block = try await node.call("debug_traceBlockByNumber", #"["0x1"]"#)
        #expect(block.arrayValue?.count == 2)
        #expect(block[1]?["result"] == trace)
    }

    @Test func `calls are traced as a tree`() async throws {
        let node = try TestNode.devnet()
        // Calls the address in the call data: CALL(gas, calldataload(0), 0, 0, 0, 0, 0).
        let code = "0x5f5f5f5f5f5f355af100"
        let target = String(repeating: "0", count: 24) + TestNode.reverter.description.dropFirst(2)
        let trace = try await node.call(
            "debug_traceCall",
            #"[{"to":"\#(TestNode.receiver)","data":"0x\#(target)"}, "latest", {"tracer":"#
                + #""callTracer","stateOverrides":{"\#(TestNode.receiver)":{"code":"\#(code)"}}}]"#)
        #expect(trace["type"] == "CALL")
        #expect(trace["error"] == nil)
        #expect(trace["calls"]?[0]?["to"]?.stringValue == TestNode.reverter.description)
        #expect(trace["calls"]?[0]?["error"] == "execution reverted")
        #expect(trace["calls"]?[0]?["from"]?.stringValue == TestNode.receiver.description)
        let top = try await node.call(
            "debug_traceCall",
            #"[{"to":"\#(TestNode.emitter)"}, "latest", {"tracer":"callTracer","#
                + #""tracerConfig":{"onlyTopCall":true,"withLog":true}}]"#)
        #expect(top["calls"] == nil)
        #expect(top["logs"]?[0]?["address"]?.stringValue == TestNode.emitter.description)
        #expect(top["logs"]?[0]?["position"] == "0x0")
    }

    @Test func `a trace beyond the limit is an error, not a part of it`() async throws {
        var limits = RPCLimits()
        limits.traceBytes = 300
        let node = try TestNode.devnet(limits: limits)
        let call = #"{"to":"\#(TestNode.emitter)"}"#
        #expect(try await node.failure("debug_traceCall", #"[\#(call), "latest"]"#).code == -32_003)
        _ = try await node.call("debug_traceCall", #"[\#(call), "latest", {"limit":1}]"#)
    }

    @Test func `what cannot be traced is told`() async throws {
        let node = try TestNode.devnet()
        for (method, params, message) in [
            ("debug_traceTransaction", #"["\#(Hash256.zero)"]"#, "transaction not found"),
            ("debug_traceBlockByNumber", #"["0x0"]"#, "genesis is not traceable"),
            ("debug_traceBlockByNumber", #"["0x5"]"#, "block #5 not found"),
            ("debug_traceBlockByHash", #"["\#(Hash256.zero)"]"#, "block \(Hash256.zero) not found"),
            (
                "debug_traceCall", #"[{}, "latest", {"tracer":"{}"}]"#,
                "JavaScript tracers are not supported"
            ),
            ("debug_getRawBlock", #"["0x5"]"#, "block #5 not found"),
        ] {
            #expect(try await node.failure(method, params).message == message)
        }
    }
}
