import Compression
import Foundation
import Primitives
import TestSupport
import Testing

import RPC

/// A limit on what one call may ask for.
struct CallLimit: Sendable, CustomTestStringConvertible {
    let method: String
    let set: @Sendable (inout RPCLimits) -> Void
    /// What may just be asked for.
    let most: Int
    /// What is told who asks for more.
    let refusal: String
    /// The parameters of a call that asks for so much.
    let params: @Sendable (Int) -> String

    init(
        _ method: String, _ most: Int, _ refusal: String,
        _ set: @escaping @Sendable (inout RPCLimits) -> Void,
        params: @escaping @Sendable (Int) -> String
    ) {
        self.method = method
        self.set = set
        self.most = most
        self.refusal = refusal
        self.params = params
    }

    var testDescription: String { method }

    private static func list(_ count: Int, _ element: (Int) -> String) -> String {
        "[" + (0..<count).map(element).joined(separator: ",") + "]"
    }

    private static func address(_ index: Int) -> String {
        #""0x\#(String(repeating: "0", count: 32))\#(String(0x1000_0000 + index, radix: 16))""#
    }

    private static func word(_ index: Int) -> String { #""\#(Hash256(UInt256(index)))""# }

    /// A chain of ten blocks is there.
    static let all: [CallLimit] = [
        CallLimit(
            "eth_getLogs", 3, "exceed max addresses or topics", { $0.logFilterAlternatives = 3 }
        ) { #"[{"address":\#(list($0, address))}]"# },
        CallLimit(
            "eth_newFilter", 3, "exceed max addresses or topics", { $0.logFilterAlternatives = 3 }
        ) { #"[{"topics":[null,\#(list($0, word))]}]"# },
        CallLimit("trace_filter", 3, "exceed max", { $0.logFilterAlternatives = 3 }) {
            #"[{"toAddress":\#(list($0, address))}]"#
        },
        CallLimit("eth_getLogs", 3, "exceed maximum block range: 3", { $0.logBlocks = 3 }) {
            #"[{"fromBlock":"0x0","toBlock":"0x\#(String(min($0, 11) - 1, radix: 16))"}]"#
        },
        CallLimit(
            "trace_filter", 3, "limited to 3 blocks", { $0.traceFilterBlocks = 3 }
        ) { #"[{"fromBlock":"0x1","toBlock":"0x\#(String(min($0, 10), radix: 16))"}]"# },
        CallLimit("eth_simulateV1", 2, "too many blocks", { $0.simulatedBlocks = 2 }) {
            #"[{"blockStateCalls":\#(list($0) { _ in "{}" })}]"#
        },
        CallLimit(
            "eth_simulateV1", 2, "too many calls in block: ", { $0.simulatedBlockCalls = 2 }
        ) { #"[{"blockStateCalls":[{"calls":\#(list($0) { _ in "{}" })}]}]"# },
        CallLimit(
            "eth_simulateV1", 2, "too many calls: 3 > 2",
            {
                $0.simulatedCalls = 2
                $0.simulatedBlocks = 1_000
            }
        ) { #"[{"blockStateCalls":\#(list($0) { _ in #"{"calls":[{}]}"# })}]"# },
        CallLimit(
            "eth_feeHistory", 2, "over the query limit 2", { $0.feeHistoryPercentiles = 2 }
        ) { #"["0x1","latest",\#(list($0) { "\(Double($0) / 1000)" })]"# },
        CallLimit("eth_getProof", 2, "too many keys (max 2)", { $0.proofKeys = 2 }) {
            "[\(address(0)), \(list($0, word)), \"latest\"]"
        },
        CallLimit("eth_getStorageValues", 2, "too many slots (max 2)", { $0.proofKeys = 2 }) {
            "[{\(address(0)):\(list($0, word))}]"
        },
        CallLimit("anvil_mine", 2, "too many blocks (max 2)", { $0.minedBlocks = 2 }) { "[\($0)]" },
        CallLimit("hardhat_mine", 2, "too many blocks (max 2)", { $0.minedBlocks = 2 }) {
            #"["0x\#(String($0, radix: 16))"]"#
        },
        CallLimit("evm_mine", 2, "too many blocks (max 2)", { $0.minedBlocks = 2 }) {
            #"[{"blocks":\#($0)}]"#
        },
        CallLimit("anvil_reorg", 2, "beyond the chain or the limit", { $0.reorgBlocks = 2 }) {
            "[\($0), []]"
        },
        CallLimit(
            "ots_searchTransactionsBefore", 4, "page size must be 1 to 4", { $0.searchResults = 4 }
        ) { "[\(address(0)), 0, \($0)]" },
        CallLimit(
            "ots_searchTransactionsAfter", 4, "page size must be 1 to 4", { $0.searchResults = 4 }
        ) { "[\(address(0)), 0, \($0)]" },
    ]
}

/// Every limit of `RPCLimits`: what is just within it works, and what is just or far beyond it does
/// not, or is cut down. Those of connections and messages stand with their transports.
@Suite(.serialized) struct LimitTests {
    @Test(arguments: CallLimit.all)
    func `a call may ask for so much and no more`(limit: CallLimit) async throws {
        var limits = RPCLimits()
        limit.set(&limits)
        let node = try TestNode.devnet(limits: limits)
        for _ in 0..<10 { _ = try await node.call("evm_mine") }
        for (count, isFine) in [
            (limit.most, true), (limit.most + 1, false), (limit.most + 400, false),
        ] {
            let answer = try await node.answer(limit.method, limit.params(count))
            let message = answer["error"]?["message"]?.stringValue ?? ""
            #expect(message.contains(limit.refusal) == !isFine, "\(count): \(answer)")
        }
    }

    @Test func `every limit is tested`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        var texts = ""
        for path in FileManager.default.enumerator(atPath: folder.path)?.allObjects ?? [] {
            guard let path = path as? String, path.hasSuffix("Tests.swift") else { continue }
            texts += try String(
                contentsOf: folder.appending(path: path), encoding: .utf8)
        }
        for name in Mirror(reflecting: RPCLimits()).children.compactMap(\.label) {
            #expect(
                texts.contains("limits.\(name)") || texts.contains("$0.\(name) ="),
                "no test sets \(name)")
        }
    }

    // MARK: What is cut down

    @Test func `a call has so much gas, whatever it asks for`() async throws {
        var limits = RPCLimits()
        limits.callGas = 100_000
        let node = try TestNode.devnet(limits: limits)
        // GAS, and return it.
        func gas(_ asked: UInt64) async throws -> UInt256 {
            let result = try await node.call(
                "eth_call",
                #"""
                [{"to":"0x00000000000000000000000000000000000000aa","gas":"\#(UInt256(asked).hexQuantity)"},
                 "latest", {"0x00000000000000000000000000000000000000aa":{"code":"0x5a5f5260205ff3"}}]
                """#)
            return try #require(result.stringValue.flatMap { UInt256(hex: $0) })
        }
        let atLimit = try await gas(100_000)
        #expect(try await gas(99_999) == atLimit - 1)
        #expect(try await gas(100_001) == atLimit)
        #expect(try await gas(1 << 60) == atLimit)
    }

    @Test func `a fee history has so many blocks, whatever it is asked for`() async throws {
        var limits = RPCLimits()
        limits.feeHistoryBlocks = 3
        let node = try TestNode.devnet(limits: limits)
        for _ in 0..<5 { _ = try await node.call("evm_mine") }
        for (asked, given) in [(2, 2), (3, 3), (4, 3), (100_000, 3)] {
            let history = try await node.call(
                "eth_feeHistory", #"["0x\#(String(asked, radix: 16))","latest",[]]"#)
            #expect(history["gasUsedRatio"]?.arrayValue?.count == given, "\(asked)")
        }
    }

    @Test func `a listing has so many slots and says where to go on`() async throws {
        var limits = RPCLimits()
        limits.listedSlots = 3
        let node = try TestNode.devnet(limits: limits)
        for slot in 0..<5 {
            _ = try await node.call(
                "anvil_setStorageAt", #"["\#(TestNode.emitter)","0x\#(slot)","0x1"]"#)
        }
        _ = try await node.call("anvil_mine", "[2]")
        for (asked, given) in [(2, 2), (3, 3), (4, 3), (100_000, 3)] {
            let range = try await node.call(
                "debug_storageRangeAt", #"["latest",0,"\#(TestNode.emitter)","0x00",\#(asked)]"#)
            #expect(range["storage"]?.objectValue?.keys.count == given, "\(asked)")
            #expect(range["nextKey"] != .null)
        }
    }

    /// The text of a result, on a chain of one block with one transaction.
    private func trace(
        _ method: String, _ params: String, limit: Int
    ) async throws -> Result<Int, RPCError> {
        var limits = RPCLimits()
        limits.traceBytes = limit
        let node = try TestNode.devnet(limits: limits)
        // What is kept of a call is reckoned a little larger than it is, but for its input.
        let hash = try await node.send(
            TestNode.transfer(
                nonce: 0, value: 0, to: TestNode.emitter, data: Bytes(repeating: 1, count: 2_000),
                gasLimit: 200_000))
        let text =
            #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":"#
            + params.replacing("HASH", with: hash) + "}"
        let answer = try #require(await node.rpc.dispatcher.answer(to: Bytes(text.utf8)))
        if let error = try JSONValue(parsing: answer)["error"] {
            return .failure(
                RPCError(
                    code: error["code"]?.intValue ?? 0, message: error["message"]?.stringValue ?? ""
                ))
        }
        return .success(answer.count - #"{"jsonrpc":"2.0","id":1,"result":}"#.utf8.count)
    }

    @Test(arguments: [
        ("debug_traceTransaction", #"["HASH"]"#),
        ("debug_traceTransaction", #"["HASH", {"tracer":"callTracer"}]"#),
        ("debug_traceTransaction", #"["HASH", {"tracer":"flatCallTracer"}]"#),
        (
            "debug_traceTransaction",
            #"["HASH", {"tracer":"muxTracer","tracerConfig":{"callTracer":{},"4byteTracer":{}}}]"#
        ),
        ("trace_transaction", #"["HASH"]"#), ("trace_block", #"["latest"]"#),
        ("trace_replayTransaction", #"["HASH", ["trace", "vmTrace", "stateDiff"]]"#),
        ("trace_replayBlockTransactions", #"["latest", ["trace", "stateDiff"]]"#),
        ("debug_traceBlockByNumber", #"["latest", {"tracer":"callTracer"}]"#),
    ])
    func `a trace has so many bytes and no more`(method: String, params: String) async throws {
        let size = try await trace(method, params, limit: 1 << 20).get()
        #expect(size > 100)
        #expect(try await trace(method, params, limit: size).get() == size)
        for limit in [size - 1, size / 10] {
            guard case .failure(let error) = try await trace(method, params, limit: limit) else {
                Issue.record("\(method)\(params) has more than \(limit) bytes")
                continue
            }
            #expect(error.code == -32_003)
        }
    }

    // MARK: State dumps

    @Test func `a state dump has so many bytes and no more, written and read`() async throws {
        let whole = try await TestNode.devnet().call("anvil_dumpState").stringValue
        let file = try #require(whole.flatMap { Hex.decode($0.dropFirst(2)) })
        let size = try Gzip.unwrap(file, limit: 1 << 20).count
        for (limit, isFine) in [(size, true), (size - 1, false), (10, false)] {
            var limits = RPCLimits()
            limits.stateDumpBytes = limit
            let node = try TestNode.devnet(limits: limits)
            let answer = try await node.answer("anvil_dumpState")
            #expect((answer["error"]?["code"] == -32_003) == !isFine, "\(limit)")
            let loaded = try await node.answer("anvil_loadState", #"["\#(whole ?? "")"]"#)
            #expect((loaded["error"]?["code"] == -32_602) == !isFine, "\(limit)")
        }
    }

    // MARK: Threads

    @Test func `so many calls run and wait, and the next is told that the node is busy`()
        async throws
    {
        for (threads, queue, callers, busy) in [
            (2, 1, 3, 0), (2, 0, 3, 1), (1, 1, 3, 1), (1, 0, 3, 2), (1, 1, 60, 58),
        ] {
            var limits = RPCLimits()
            limits.executionThreads = threads
            limits.executionQueue = queue
            limits.callTime = .seconds(1)
            limits.callGas = 1 << 60
            let node = try TestNode.devnet(limits: limits)
            let call = #"""
                [{"to":"0x00000000000000000000000000000000000000ff","gas":"0xfffffffffffff"},
                 "latest", {"0x00000000000000000000000000000000000000ff":{"code":"0x5b5f56"}}]
                """#
            let codes = await withTaskGroup(of: Int?.self) { group in
                for _ in 0..<callers {
                    group.addTask {
                        try? await node.answer("eth_call", call)["error"]?["code"]?.intValue
                    }
                }
                return await group.reduce(into: [Int?]()) { $0.append($1) }
            }
            #expect(codes.count { $0 == -32_005 } == busy, "\(threads) and \(queue): \(codes)")
        }
    }

    // MARK: Messages

    @Test func `a message is nested so deep and no deeper`() async throws {
        var limits = RPCLimits()
        limits.jsonDepth = 10
        let dispatcher = TestMethods.dispatcher(limits: limits)
        // The request and its parameters are two levels.
        for (depth, isFine) in [(8, true), (9, false), (100_000, false)] {
            let nested =
                String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let text = #"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[\#(nested)]}"#
            let answer = try #require(await dispatcher.answer(to: Bytes(text.utf8)))
            #expect(
                (try JSONValue(parsing: answer)["error"]?["code"] == -32_700) == !isFine,
                "\(depth)")
        }
    }

    @Test func `a batch has so many members and no more`() async throws {
        var limits = RPCLimits()
        limits.batchCount = 3
        let dispatcher = TestMethods.dispatcher(limits: limits)
        let call = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#
        for (count, isFine) in [(3, true), (4, false), (10_000, false)] {
            let text = "[" + Array(repeating: call, count: count).joined(separator: ",") + "]"
            let answer = try #require(await dispatcher.answer(to: Bytes(text.utf8)))
            let members = try JSONValue(parsing: answer).arrayValue
            #expect(members?.count == (isFine ? 3 : 1), "\(count)")
            #expect((members?.first?["error"]?["code"] == -32_600) == !isFine, "\(count)")
        }
    }

    // MARK: Subscriptions and filters

    @Test func `a connection has so many subscriptions and no more`() async throws {
        var limits = RPCLimits()
        limits.subscriptionsPerConnection = 3
        let node = try TestNode.devnet(limits: limits)
        let session = Listener().session()
        var ids: [JSONValue] = []
        for index in 0..<50 {
            let answer = try await node.call("eth_subscribe", #"["newHeads"]"#, as: session)
            #expect((answer["error"]?["code"] == -32_005) == (index >= 3), "\(index)")
            if let id = answer["result"] { ids.append(id) }
        }
        // The traces of a chain count as well, and who ends one has room for another.
        _ = try await node.call("evm_mine")
        let params = #"["traceChain", "0x0", "0x1"]"#
        #expect(
            try await node.call("debug_subscribe", params, as: session)["error"]?["code"]
                == -32_005)
        _ = try await node.call("eth_unsubscribe", "[\(ids[0])]", as: session)
        #expect(try await node.call("debug_subscribe", params, as: session)["error"] == nil)
    }

    @Test func `there are so many filters and no more`() async throws {
        var limits = RPCLimits()
        limits.filters = 3
        let node = try TestNode.devnet(limits: limits)
        for index in 0..<50 {
            let answer = try await node.answer("eth_newBlockFilter")
            #expect((answer["error"]?["code"] == -32_005) == (index >= 3), "\(index)")
        }
    }

    @Test func `a filter keeps so many entries, and is gone with one more`() async throws {
        var limits = RPCLimits()
        limits.filterEntries = 3
        let node = try TestNode.devnet(limits: limits)
        for (count, isFine) in [(3, true), (4, false), (40, false)] {
            let filter = try await node.call("eth_newBlockFilter")
            _ = try await node.call("anvil_mine", "[\(count)]")
            let answer = try await node.answer("eth_getFilterChanges", "[\(filter)]")
            #expect((answer["result"]?.arrayValue?.count == count) == isFine, "\(count)")
            #expect((answer["error"]?["message"] == "filter not found") == !isFine, "\(count)")
        }
    }

    @Test func `a filter keeps so many bytes, and is gone with one more`() async throws {
        var limits = RPCLimits()
        // Three hashes with their quotes.
        limits.filterBytes = 3 * 68
        let node = try TestNode.devnet(limits: limits)
        for (count, isFine) in [(3, true), (4, false), (40, false)] {
            let filter = try await node.call("eth_newBlockFilter")
            // What was taken makes room again.
            for _ in 0..<2 {
                _ = try await node.call("anvil_mine", "[\(count)]")
                let answer = try await node.answer("eth_getFilterChanges", "[\(filter)]")
                #expect((answer["result"]?.arrayValue?.count == count) == isFine, "\(count)")
                #expect((answer["error"]?["message"] == "filter not found") == !isFine, "\(count)")
            }
        }
    }

    // MARK: Connections

    @Test func `there are so many connections and no more`() async throws {
        var limits = RPCLimits()
        limits.connections = 3
        try await withServer(limits: limits) { server, port in
            var clients: [RawClient] = []
            for index in 0..<40 {
                let client = try await RawClient(port: port)
                if index < 3 {
                    #expect(
                        try await client.post(#"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#)
                            .status == 200)
                    clients.append(client)
                } else {
                    #expect(try await client.waitUntilClosed(), "\(index)")
                }
            }
            #expect(server.connectionCount == 3)
            for client in clients { try await client.close() }
        }
    }

    @Test func `a silent HTTP connection is closed`() async throws {
        var limits = RPCLimits()
        limits.idleSeconds = 1
        try await withServer(limits: limits) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `a silent WebSocket is asked twice whether it is there`() async throws {
        var limits = RPCLimits()
        limits.pingSeconds = 1
        try await withServer(limits: limits) { _, port in
            let client = try await RawClient(port: port)
            #expect(try await client.upgrade().status == 101)
            #expect(try await client.waitUntilClosed())
            #expect(Frame.parse(client.bytes).map(\.opcode).prefix(2) == [9, 9])
        }
    }

    @Test func `open calls have some time when the server stops`() async throws {
        for (seconds, isAnswered, work) in [(Int64(30), true, UInt64(1_001)), (0, false, 20_000)] {
            var limits = RPCLimits()
            limits.shutdownSeconds = seconds
            let server = RPCServer(
                dispatcher: TestMethods.dispatcher(limits: limits), eventLoops: 1,
                logger: TestNode.quiet, health: { .null })
            let port = try await server.listen(
                RPCListener(host: "127.0.0.1", port: 0, http: .all, webSocket: nil))
            let client = try await RawClient(port: port)
            let text = #"{"jsonrpc":"2.0","id":1,"method":"test_work","params":[\#(work)]}"#
            try await client.send(
                "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(text.utf8.count)\r\n\r\n\(text)")
            let end = ContinuousClock.now + .seconds(30)
            while !TestMethods.began.withLock({ $0.contains(work) }), .now < end {
                try await Task.sleep(for: .milliseconds(1))
            }
            try await server.stop()
            #expect(try await client.waitUntilClosed())
            #expect(client.text.contains("worked") == isAnswered)
        }
    }
}
