import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

/// Methods that other nodes than geth have.
@Suite struct PeerMethodTests {
    private let counter = "0x00000000000000000000000000000000000000c0"
    /// Adds one to slot 0 and returns it.
    private let counterCode = "0x5f54600101805f555f5260205ff3"
    /// Returns the number of the block.
    private let numberCode = "0x435f5260205ff3"

    private func word(_ value: Int) -> JSONValue {
        .string(Hash256(UInt256(value)).description)
    }

    // MARK: Bundles

    @Test func `calls of bundles find what those before them did`() async throws {
        let node = try TestNode.devnet()
        let call = #"{"to":"\#(counter)"}"#
        let results = try await node.call(
            "eth_callMany",
            #"""
            [[{"transactions":[\#(call),\#(call)]},{"transactions":[\#(call)]}], {},
             {"\#(counter)":{"code":"\#(counterCode)"}}]
            """#)
        #expect(results == [[["value": word(1)], ["value": word(2)]], [["value": word(3)]]])
    }

    @Test func `a call that fails is an error in its place and the next one runs`() async throws {
        let node = try TestNode.devnet()
        let results = try await node.call(
            "eth_callMany",
            #"""
            [[{"transactions":[{"to":"\#(TestNode.reverter)"},
              {"from":"\#(TestNode.receiver)","to":"\#(TestNode.receiver)","value":"0x1"},
              {"to":"\#(TestNode.reader)"}]}]]
            """#)
        #expect(results[0]?[0]?["error"] == "execution reverted")
        #expect(results[0]?[1]?["error"]?.stringValue?.contains("insufficient funds") == true)
        #expect(results[0]?[2] == ["value": word(7)])
    }

    @Test func `each bundle is a block after the one before, or the one that it says`()
        async throws
    {
        let node = try TestNode.devnet()
        _ = try await node.call("anvil_mine", "[4]")
        let call = #"{"to":"\#(counter)"}"#
        let results = try await node.call(
            "eth_callMany",
            #"""
            [[{"transactions":[\#(call)]},{"transactions":[\#(call)]},
              {"transactions":[\#(call)],"blockOverride":{"number":"0x64"}}],
             {"blockNumber":"0x3"}, {"\#(counter)":{"code":"\#(numberCode)"}}]
            """#)
        #expect(
            results == [[["value": word(3)]], [["value": word(4)]], [["value": word(100)]]])
    }

    @Test func `bundles run before any transaction of a block`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        _ = try await node.call("anvil_setCode", #"["\#(counter)", "\#(counterCode)"]"#)
        let target = try #require(Address(hex: counter))
        for nonce in 0..<Nonce(3) {
            try await node.send(TestNode.transfer(nonce: nonce, value: 0, to: target))
        }
        _ = try await node.call("evm_mine")
        for (index, value) in [("0", 1), ("1", 2), ("3", 4), ("-1", 4), ("null", 4)] {
            let results = try await node.call(
                "eth_callMany",
                #"""
                [[{"transactions":[{"to":"\#(counter)"}]}],
                 {"blockNumber":"latest","transactionIndex":\#(index)}]
                """#)
            #expect(results == [[["value": word(value)]]], "\(index)")
        }
        let failure = try await node.failure(
            "eth_callMany",
            #"[[{"transactions":[]}], {"blockNumber":"latest","transactionIndex":4}]"#)
        #expect(failure.message.contains("out of range"))
    }

    @Test func `bundles are traced like calls`() async throws {
        let node = try TestNode.devnet()
        let call = #"{"to":"\#(counter)"}"#
        let results = try await node.call(
            "debug_traceCallMany",
            #"""
            [[{"transactions":[\#(call)]},{"transactions":[\#(call)]}], {},
             {"tracer":"callTracer","stateOverrides":{"\#(counter)":{"code":"\#(counterCode)"}}}]
            """#)
        #expect(results[0]?[0]?["output"] == word(1))
        #expect(results[1]?[0]?["output"] == word(2))
    }

    // MARK: Gas by instruction

    @Test(arguments: [
        // A log.
        ("0x5f355f5fa100", 0),
        // A call with all gas, and one that hands over a value: its stipend is nobody's.
        ("0x5f5f5f5f5f7300000000000000e00000000000000000000000015af15000", 0),
        ("0x5f5f5f5f60017300000000000000e00000000000000000000000015af15000", -2_300),
        // A call that reverts, a static call, a delegate call.
        ("0x5f5f5f5f5f7300000000000000e00000000000000000000000025af15000", 0),
        ("0x5f5f5f5f7300000000000000e00000000000000000000000035afa5000", 0),
        ("0x5f5f5f5f7300000000000000e00000000000000000000000035af45000", 0),
        // A precompile, which has no instructions.
        ("0x5f5f5f5f5f60045af15000", 15),
        // A creation whose code returns at once, and one that stores.
        ("0x5f5f5ff05000", 0), ("0x6460015f55005f526005601b5ff05000", 0),
    ])
    func `the gas of the instructions is that of the transaction`(
        code: String, others: Int
    ) async throws {
        let node = try TestNode.devnet()
        _ = try await node.call("anvil_setCode", #"["\#(counter)", "\#(code)"]"#)
        _ = try await node.call("anvil_setBalance", #"["\#(counter)", "0x10"]"#)
        let target = try #require(Address(hex: counter))
        let hash = try await node.send(
            TestNode.transfer(
                nonce: 0, value: 0, to: target, gasLimit: 200_000))
        let receipt = try await node.call("eth_getTransactionReceipt", #"["\#(hash)"]"#)
        let gas = try #require(receipt["gasUsed"]?.stringValue.flatMap { UInt256(hex: $0) })
        let result = try await node.call("trace_transactionOpcodeGas", #"["\#(hash)"]"#)
        let total = (result["opcodeGas"]?.arrayValue ?? [])
            .reduce(0) { $0 + ($1["gasUsed"]?.intValue ?? 0) }
        #expect(UInt256(UInt64(total + 21_000 + others)) == gas, "\(result)")
        let block = try await node.call("trace_blockOpcodeGas", #"["latest"]"#)
        #expect(block["transactions"] == [result])
    }

    // MARK: Accounts, codes and transactions

    @Test func `an account is shown as a transaction left it`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        for nonce in 0..<Nonce(2) { try await node.send(TestNode.transfer(nonce: nonce)) }
        _ = try await node.call("evm_mine")
        for (index, balance) in [(0, "0x1"), (1, "0x2")] {
            let account = try await node.call(
                "debug_accountAt", #"["latest", \#(index), "\#(TestNode.receiver)"]"#)
            #expect(account["balance"] == .string(balance))
            #expect(account["code"] == "0x")
        }
        let contract = try await node.call(
            "debug_accountInfoAt", #"["latest", 0, "\#(TestNode.emitter)"]"#)
        #expect(contract["code"] == "0x5f355f5fa100")
        let code = try await node.call(
            "debug_codeByHash", "[\(contract["codehash"] ?? .null)]")
        #expect(code == contract["code"])
        #expect(
            try await node.call(
                "debug_accountAt", #"["latest", 1, "0x00000000000000000000000000000000000000ff"]"#)
                == .null)
        let failure = try await node.failure(
            "debug_accountAt", #"["latest", 2, "\#(TestNode.receiver)"]"#)
        #expect(failure.message.contains("out of range"))
    }

    @Test func `the transactions of a block come as they were signed`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        var sent: [JSONValue] = []
        for nonce in 0..<Nonce(2) {
            let transaction = TestNode.transfer(nonce: nonce)
            try await node.send(transaction)
            sent.append(.string(Hex.encode(transaction.encoded())))
        }
        _ = try await node.call("evm_mine")
        #expect(try await node.call("debug_getRawTransactions", #"["latest"]"#) == .array(sent))
    }

    @Test func `the nearest block with a state is found`() async throws {
        let node = try TestNode.devnet()
        _ = try await node.call("anvil_mine", "[3]")
        #expect(try await node.call("debug_getAccessibleState", #"["0x2", "0x0"]"#) == "0x2")
        #expect(try await node.call("debug_getAccessibleState", #"["0x9", "0x0"]"#) == "0x3")
        #expect(
            try await node.failure("debug_getAccessibleState", #"["0x9", "0x7"]"#).message
                == "no state found")
        #expect(
            try await node.failure("debug_getAccessibleState", #"["0x1", "0x1"]"#).message
                == "from and to needs to be different")
    }

    @Test func `a signed message tells its signer`() async throws {
        let node = try TestNode.devnet()
        let signature = try await node.call(
            "personal_sign", #"["0x1234", "\#(TestNode.alice.address)"]"#)
        #expect(
            try await node.call("personal_ecRecover", #"["0x1234", \#(signature)]"#)
                == .string(TestNode.alice.address.description))
        #expect(
            try await node.failure("personal_ecRecover", #"["0x1234", "0x00"]"#).message
                == "signature must be 65 bytes long")
    }

    // MARK: Sending

    @Test func `a transaction with conditions is sent if they hold`() async throws {
        let node = try TestNode.devnet()
        let held = #"""
            {"blockNumberMin":"0x0","blockNumberMax":"0x5","timestampMin":1,
             "knownAccounts":{"\#(TestNode.reader)":{"0x0":"0x7"},
              "\#(TestNode.receiver)":
                "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"}}
            """#
        let encoded = Hex.encode(TestNode.transfer(nonce: 0).encoded())
        for (conditions, reason) in [
            (#"{"blockNumberMin":"0x1"}"#, "the block is 0"),
            (#"{"timestampMax":"0x1"}"#, "the time is 1000"),
            (#"{"knownAccounts":{"\#(TestNode.reader)":{"0x0":"0x8"}}}"#, "slot 0x0"),
            (
                #"{"knownAccounts":{"\#(TestNode.reader)":"\#(Hash256(UInt256(1)))"}}"#,
                "the storage root"
            ),
        ] {
            let failure = try await node.failure(
                "eth_sendRawTransactionConditional", #"["\#(encoded)", \#(conditions)]"#)
            #expect(failure.code == -32_003)
            #expect(failure.message.contains(reason), "\(failure.message)")
        }
        let hash = try await node.call(
            "eth_sendRawTransactionConditional", #"["\#(encoded)", \#(held)]"#)
        #expect(
            try await node.call("eth_getTransactionReceipt", "[\(hash)]")["status"] == "0x1")
    }

    @Test func `conditions cost so much and no more`() async throws {
        var limits = RPCLimits()
        limits.conditionCost = 4
        let node = try TestNode.devnet(limits: limits)
        for (count, isFine) in [(2, true), (3, false), (300, false)] {
            let slots = (0..<count).map { #""0x1\#(String($0, radix: 16))":"0x0""# }
            let encoded = Hex.encode(TestNode.transfer(nonce: 0).encoded())
            let answer = try await node.answer(
                "eth_sendRawTransactionConditional",
                #"["\#(encoded)", {"knownAccounts":{"\#(TestNode.emitter)":{\#(slots.joined(separator: ","))}}}]"#
            )
            #expect((answer["error"]?["code"] == -32_005) == !isFine, "\(count)")
        }
    }

    // MARK: Mining

    @Test func `mined blocks come with what their transactions returned`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        // Error("no")
        let reason =
            "08c379a0" + "20".leftPadded + "02".leftPadded + "6e6f"
            + String(repeating: "0", count: 60)
        try await node.send(
            TestNode.transfer(
                nonce: 0, value: 0, to: TestNode.reverter, data: try #require(Hex.decode(reason))))
        try await node.send(TestNode.transfer(nonce: 1, value: 0, to: TestNode.reader))
        let blocks = try await node.call("anvil_mine_detailed", #"[{"blocks":2}]"#)
        #expect(blocks.arrayValue?.count == 2)
        let transactions = blocks[0]?["transactions"]
        #expect(transactions?[0]?["revertReason"] == "no")
        #expect(transactions?[0]?["output"] == .string("0x" + reason))
        #expect(transactions?[1]?["output"] == word(7))
        #expect(transactions?[1]?["revertReason"] == nil)
        let block = try await node.call("eth_getBlockByNumber", #"["0x1", true]"#)
        #expect(blocks[0]?["hash"] == block["hash"])
        #expect(transactions?[0]?["hash"] == block["transactions"]?[0]?["hash"])
    }

    @Test func `so many blocks are mined with details and no more`() async throws {
        var limits = RPCLimits()
        limits.detailedBlocks = 2
        let node = try TestNode.devnet(limits: limits)
        #expect(
            try await node.call("evm_mine_detailed", #"[{"blocks":2}]"#).arrayValue?.count == 2)
        for count in [3, 1_000_000] {
            let failure = try await node.failure("evm_mine_detailed", #"[{"blocks":\#(count)}]"#)
            #expect(failure.message.contains("max 2"))
        }
        #expect(node.blockchain.head.number == 2)
    }
}

extension String {
    /// Digits as a word of 64.
    fileprivate var leftPadded: String { String(repeating: "0", count: 64 - count) + self }
}
