import RPC
import Testing

/// Calls whose code does not end get an answer all the same.
@Suite(.timeLimit(.minutes(1))) struct TimeLimitTests {
    /// JUMPDEST, PUSH0, JUMP, at an address without a contract; and so much gas that it takes years.
    private static let call =
        #"{"to":"0x00000000000000000000000000000000000000ff","gas":"0xfffffffffffff"}"#
    private static let overrides =
        #"{"0x00000000000000000000000000000000000000ff":{"code":"0x5b5f56"}}"#

    private func node() throws -> TestNode {
        var limits = RPCLimits()
        limits.callTime = .milliseconds(50)
        limits.callGas = 1 << 60
        return try .devnet(limits: limits)
    }

    @Test(arguments: ["eth_call", "eth_estimateGas", "eth_createAccessList"])
    func `a call is aborted when its time is up`(method: String) async throws {
        let failure = try await node().failure(
            method, "[\(Self.call), \"latest\", \(Self.overrides)]")
        #expect(failure.code == -32_000)
        #expect(failure.message == "execution aborted (timeout = 50ms)")
    }

    @Test(arguments: ["callTracer", "prestateTracer", ""])
    func `a trace is aborted when its time is up`(tracer: String) async throws {
        let failure = try await node().failure(
            "debug_traceCall",
            """
            [\(Self.call), "latest", {"tracer":"\(tracer)","timeout":"30ms","limit":10,
            "stateOverrides":\(Self.overrides)}]
            """)
        #expect(failure.message == "execution timeout")
    }

    @Test func `the next call is answered as ever`() async throws {
        let node = try node()
        _ = try await node.failure("eth_call", "[\(Self.call), \"latest\", \(Self.overrides)]")
        #expect(try await node.call("eth_call", "[\(Self.call), \"latest\"]").stringValue == "0x")
    }

    @Test(arguments: [
        ("trace_transaction", #"["HASH"]"#), ("trace_get", #"["HASH", [0]]"#),
        ("trace_block", #"["latest"]"#), ("trace_filter", "[{}]"),
        ("trace_replayTransaction", #"["HASH", ["trace"]]"#),
        ("trace_replayBlockTransactions", #"["latest", ["vmTrace"]]"#),
        ("ots_traceTransaction", #"["HASH"]"#), ("ots_getInternalOperations", #"["HASH"]"#),
        ("ots_getTransactionError", #"["HASH"]"#),
        ("debug_traceTransaction", #"["HASH"]"#), ("debug_traceBlockByNumber", #"["latest"]"#),
        ("debug_intermediateRoots", #"["BLOCK"]"#),
    ])
    func `a replay of the chain ends when its time is up`(
        method: String, params: String
    ) async throws {
        var limits = RPCLimits()
        limits.traceTime = .zero
        let node = try TestNode.devnet(limits: limits)
        let hash = try await node.send(TestNode.transfer(nonce: 0))
        let receipt = try await node.call("eth_getTransactionReceipt", #"["\#(hash)"]"#)
        let failure = try await node.failure(
            method,
            params.replacing("HASH", with: hash)
                .replacing("BLOCK", with: receipt["blockHash"]?.stringValue ?? ""))
        #expect(failure.message == "execution timeout")
    }

    @Test(arguments: [
        ("trace_transaction", #"["HASH"]"#), ("trace_block", #"["latest"]"#),
        ("trace_filter", "[{}]"), ("trace_replayTransaction", #"["HASH", ["trace"]]"#),
        ("trace_replayBlockTransactions", #"["latest", ["trace", "stateDiff"]]"#),
        ("trace_call", #"[{"to":"\#(TestNode.emitter)"}, ["trace", "stateDiff"]]"#),
        ("trace_callMany", #"[[[{"to":"\#(TestNode.emitter)"}, ["trace"]]]]"#),
        ("ots_traceTransaction", #"["HASH"]"#), ("ots_getInternalOperations", #"["HASH"]"#),
        ("debug_traceTransaction", #"["HASH", {"tracer": "callTracer"}]"#),
        ("debug_traceBlockByNumber", #"["latest", {"tracer": "callTracer"}]"#),
    ])
    func `a trace with more bytes than allowed is an error`(
        method: String, params: String
    ) async throws {
        var limits = RPCLimits()
        limits.traceBytes = 40
        let node = try TestNode.devnet(limits: limits)
        let hash = try await node.send(TestNode.transfer(nonce: 0))
        let failure = try await node.failure(method, params.replacing("HASH", with: hash))
        #expect(failure.code == -32_003)
        #expect(failure.message.hasPrefix("the trace is larger than the node's limit"))
    }
}
