import Cryptography
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

    @Test func `a transaction is traced by any tracer of geth`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        try await node.send(TestNode.transfer(nonce: 0))
        let hash = try await node.send(
            TestNode.transfer(
                nonce: 1, value: 0, to: TestNode.emitter, data: [1, 2, 3, 4, 5], gasLimit: 80_000))
        _ = try await node.call("evm_mine")
        func trace(_ tracer: String, _ config: String = "{}") async throws -> JSONValue {
            try await node.call(
                "debug_traceTransaction",
                #"["\#(hash)", {"tracer":"\#(tracer)","tracerConfig":\#(config),"timeout":"10s"}]"#)
        }
        let flat = try await trace("flatCallTracer")
        #expect(flat[0]?["transactionHash"]?.stringValue == hash)
        #expect(flat[0]?["transactionPosition"] == 1)
        #expect(try await trace("4byteTracer") == ["0x01020304-1": 1])
        #expect(try await trace("noopTracer") == [:])
        #expect(try await trace("keccak256PreimageTracer") == [:])
        let operation = try await trace("erc7562Tracer", #"{"withLog":true}"#)
        #expect(operation["usedOpcodes"] == ["0x0": 1, "0x35": 1, "0xa1": 1])
        #expect(operation["logs"]?.arrayValue?.count == 1)
        #expect(
            try await trace("erc7562Tracer", #"{"ignoredOpcodes":["0x0","0x5f"]}"#)["usedOpcodes"]
                == ["0x35": 1, "0xa1": 1])
        let prestate = try await trace("prestateTracer")
        #expect(prestate[TestNode.emitter.description]?["code"] == "0x5f355f5fa100")
        #expect(prestate[TestNode.alice.address.description]?["nonce"] == 1)
        let difference = try await trace("prestateTracer", #"{"diffMode":true}"#)
        #expect(difference["post"]?[TestNode.alice.address.description]?["nonce"] == 2)
        #expect(difference["pre"]?[TestNode.emitter.description] == nil)
        let several = try await trace("muxTracer", #"{"4byteTracer":{},"flatCallTracer":null}"#)
        #expect(several["4byteTracer"] == ["0x01020304-1": 1])
        #expect(several["flatCallTracer"] == flat)

        let failure = try await node.failure(
            "debug_traceTransaction", #"["\#(hash)", {"timeout":"soon"}]"#)
        #expect(failure.message == "time: invalid duration \"soon\"")
        let unknown = try await node.failure(
            "debug_traceTransaction", #"["\#(hash)", {"tracer":"fastTracer"}]"#)
        #expect(unknown.message == "ReferenceError: fastTracer is not defined at <eval>:1:2(0)")
        let both = try await node.failure(
            "debug_traceTransaction",
            #"["\#(hash)", {"tracer":"prestateTracer","tracerConfig":{"diffMode":true,"#
                + #""includeEmpty":true}}]"#)
        #expect(both.message == "cannot use diffMode with includeEmpty")
    }

    @Test func `a call is traced in the middle of a block`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        for nonce in 0..<3 as Range<UInt64> { try await node.send(TestNode.transfer(nonce: nonce)) }
        _ = try await node.call("evm_mine")
        func balance(_ options: String) async throws -> JSONValue? {
            try await node.call(
                "debug_traceCall",
                #"[{"to":"\#(TestNode.receiver)"}, "0x1", {"tracer":"prestateTracer"\#(options)}]"#
            )[TestNode.receiver.description]?["balance"]
        }
        #expect(try await balance(#","txIndex":"0x0""#) == nil)
        #expect(try await balance(#","txIndex":"0x2""#) == "0x2")
        #expect(try await balance("") == "0x3")
        let beyond = try await node.failure(
            "debug_traceCall", #"[{}, "0x1", {"txIndex":"0x3"}]"#)
        #expect(beyond.message.hasPrefix("transaction index 3 out of range for block 0x"))
    }

    @Test func `a block is traced from its encoding`() async throws {
        let node = try TestNode.devnet()
        try await node.send(TestNode.transfer(nonce: 0, value: 0, to: TestNode.emitter))
        let raw = try await node.call("debug_getRawBlock", #"["0x1"]"#).stringValue ?? ""
        #expect(
            try await node.call("debug_traceBlock", #"["\#(raw)"]"#)
                == (try await node.call("debug_traceBlockByNumber", #"["0x1"]"#)))
        let junk = try await node.failure("debug_traceBlock", #"["0x01"]"#)
        #expect(junk.message.hasPrefix("could not decode block: "))
    }

    @Test func `the state is listed as it was`() async throws {
        let node = try TestNode.devnet()
        // SSTORE(calldataload(0), 1).
        let writer = Address(w0: 0xe0, w1: 0, w2: 0x55)
        _ = try await node.call("anvil_setCode", #"["\#(writer)", "0x60015f355500"]"#)
        for slot in 0..<3 as Range<UInt64> {
            try await node.send(
                TestNode.transfer(
                    nonce: slot, value: 0, to: writer, data: Hash256(UInt256(slot)).bytes))
        }
        func range(_ block: Int, _ index: Int, _ start: String, _ count: Int) async throws
            -> JSONValue
        {
            try await node.call(
                "debug_storageRangeAt",
                #"["0x\#(block)", \#(index), "\#(writer)", "\#(start)", \#(count)]"#)
        }
        #expect(try await range(1, 0, "0x", 10)["storage"]?.objectValue?.count == 0)
        #expect(try await range(2, 0, "0x", 10)["storage"]?.objectValue?.count == 1)
        let page = try await range(3, 0, "0x", 1)
        #expect(page["storage"]?.objectValue?.count == 1)
        let next = try #require(page["nextKey"]?.stringValue)
        let rest = try await range(3, 0, next, 10)
        #expect(rest["storage"]?.objectValue?.keys.first == next)
        #expect(rest["nextKey"] == .null)

        let dump = try await node.call("debug_dumpBlock", #"["0x2"]"#)
        let account = dump["accounts"]?[writer.checksummed]
        #expect(account?["storage"]?.objectValue?.count == 2)
        let pages = try await node.call(
            "debug_accountRange", #"["0x2", "0x", 2, true, true, false]"#)
        #expect(pages["accounts"]?.objectValue?.count == 2)
        #expect(pages["next"] != nil)

        let modified = try await node.call("debug_getModifiedAccountsByNumber", "[2]")
        #expect(modified.arrayValue?.contains(.string(writer.description)) == true)
        #expect(
            modified.arrayValue?.contains(.string(TestNode.bob.address.description)) == false)
        let backwards = try await node.failure("debug_getModifiedAccountsByNumber", "[2, 1]")
        #expect(
            backwards.message
                == "start block height (2) must be less than end block height (1)")
        let hash = keccak256(writer)
        #expect(
            try await node.call("debug_preimage", #"["\#(hash)"]"#).stringValue
                == writer.description)
        #expect(
            try await node.failure("debug_preimage", #"["\#(Hash256.zero)"]"#).message
                == "unknown preimage")
    }

    @Test func `the head is set back`() async throws {
        let node = try TestNode.devnet()
        for nonce in 0..<3 as Range<UInt64> { try await node.send(TestNode.transfer(nonce: nonce)) }
        _ = try await node.call("debug_setHead", #"["0x1"]"#)
        #expect(try await node.call("eth_blockNumber") == "0x1")
        #expect(try await node.failure("debug_setHead", #"["0x9"]"#).message.contains("not found"))
        #expect(try await node.call("debug_chainConfig")["chainId"] == 31_337)
        #expect((try await node.call("debug_memStats")["VmRSS"]?.uint64Value ?? 0) > 0)
        #expect(try await node.call("debug_getBadBlocks") == [])
    }
}
