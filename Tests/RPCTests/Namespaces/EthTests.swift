import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

@Suite struct EthTests {
    @Test func `a transaction is found, read and receipted everywhere`() async throws {
        let node = try TestNode.devnet()
        let hash = try await node.send(TestNode.transfer(nonce: 0))
        let transaction = try await node.call("eth_getTransactionByHash", #"["\#(hash)"]"#)
        #expect(transaction["blockNumber"] == "0x1")
        #expect(transaction["from"]?.stringValue == TestNode.alice.address.description)
        let receipt = try await node.call("eth_getTransactionReceipt", #"["\#(hash)"]"#)
        #expect(receipt["status"] == "0x1")
        #expect(receipt["gasUsed"] == "0x5208")
        #expect(receipt["contractAddress"] == .null)
        let block = try await node.call("eth_getBlockByNumber", #"["latest", false]"#)
        #expect(block["transactions"] == [.string(hash)])
        #expect(try await node.call("eth_blockNumber") == "0x1")
        let blockHash = try #require(block["hash"]?.stringValue)
        for (method, first) in [
            ("eth_getTransactionByBlockNumberAndIndex", "0x1"),
            ("eth_getTransactionByBlockHashAndIndex", blockHash),
        ] {
            #expect(try await node.call(method, #"["\#(first)", "0x0"]"#) == transaction)
            #expect(try await node.call(method, #"["\#(first)", "0x1"]"#) == .null)
        }
        #expect(
            try await node.call("eth_getRawTransactionByHash", #"["\#(hash)"]"#).stringValue
                == Hex.encode(TestNode.transfer(nonce: 0).encoded()))
        let full = try await node.call("eth_getBlockByHash", #"["\#(blockHash)", true]"#)
        #expect(full["transactions"]?[0] == transaction)
    }

    @Test func `what can be proven is told, and an account is as its proof says`() async throws {
        let node = try TestNode.devnet()
        for nonce in 0..<2 as Range<Nonce> {
            try await node.send(TestNode.transfer(nonce: nonce))
        }
        let capabilities = try await node.call("eth_capabilities")
        for part in ["state", "stateproofs"] {
            #expect(capabilities[part]?["oldestBlock"] == "0x0")
        }
        let alice = TestNode.alice.address
        for block in ["0x0", "0x1", "0x2", "latest"] {
            let account = try await node.call("eth_getAccount", #"["\#(alice)", "\#(block)"]"#)
            let proof = try await node.call("eth_getProof", #"["\#(alice)", [], "\#(block)"]"#)
            for (member, proven) in [
                ("balance", "balance"), ("nonce", "nonce"), ("codeHash", "codeHash"),
                ("storageRoot", "storageHash"),
            ] {
                #expect(account[member] == proof[proven])
            }
        }
    }

    @Test func `state is read at any block`() async throws {
        let node = try TestNode.devnet()
        try await node.send(TestNode.transfer(nonce: 0, value: 5))
        try await node.send(TestNode.transfer(nonce: 1, value: 6))
        let address = TestNode.receiver
        for (block, balance) in [
            (#""latest""#, "0xb"), (#""0x1""#, "0x5"), (#""earliest""#, "0x0"), ("1", "0x5"),
            (#"{"blockNumber":"0x1"}"#, "0x5"), (#""pending""#, "0xb"), (#""safe""#, "0xb"),
            (#""finalized""#, "0xb"),
        ] {
            let result = try await node.call("eth_getBalance", #"["\#(address)", \#(block)]"#)
            #expect(result == .string(balance), "\(block)")
        }
        #expect(try await node.call("eth_getBalance", #"["\#(address)"]"#) == "0xb")
        let hash = try await node.call("eth_getBlockByNumber", #"["0x1", false]"#)["hash"]
        for reference in [
            "\(hash ?? .null)", #"{"blockHash":\#(hash ?? .null),"requireCanonical":true}"#,
        ] {
            #expect(
                try await node.call("eth_getBalance", #"["\#(address)", \#(reference)]"#) == "0x5")
        }
        let future = try await node.failure("eth_getBalance", #"["\#(address)", "0x9"]"#)
        #expect(future.code == -32_000)
        #expect(future.message == "header not found")
        #expect(
            try await node.call("eth_getStorageAt", #"["\#(TestNode.reader)", "0x0", "latest"]"#)
                == .string("0x" + String(repeating: "0", count: 63) + "7"))
        #expect(
            try await node.call(
                "eth_getTransactionCount", #"["\#(TestNode.alice.address)", "0x1"]"#)
                == "0x1")
        #expect(try await node.call("eth_getCode", #"["\#(address)", "latest"]"#) == "0x")
    }

    @Test func `what does not exist is null`() async throws {
        let node = try TestNode.devnet()
        let hash = Hash256.zero
        for (method, params) in [
            ("eth_getBlockByNumber", #"["0x5", false]"#),
            ("eth_getBlockByHash", #"["\#(hash)", false]"#),
            ("eth_getTransactionByHash", #"["\#(hash)"]"#),
            ("eth_getTransactionReceipt", #"["\#(hash)"]"#),
            ("eth_getBlockReceipts", #"["0x5"]"#),
            ("eth_getUncleByBlockNumberAndIndex", #"["0x0", "0x0"]"#),
            ("eth_getUncleCountByBlockNumber", #"["0x5"]"#),
            ("eth_getHeaderByNumber", #"["0x5"]"#), ("eth_getHeaderByHash", #"["\#(hash)"]"#),
        ] {
            #expect(try await node.call(method, params) == .null, "\(method)")
        }
        #expect(try await node.call("eth_getUncleCountByBlockNumber", #"["0x0"]"#) == "0x0")
    }

    // MARK: Calls

    @Test func `a call answers, and its state and block can be overridden`() async throws {
        let node = try TestNode.devnet()
        let call = #"{"to":"\#(TestNode.reader)"}"#
        let word = { (digits: String) in
            JSONValue.string("0x" + String(repeating: "0", count: 64 - digits.count) + digits)
        }
        #expect(try await node.call("eth_call", "[\(call)]") == word("7"))
        let slot = "0x" + String(repeating: "0", count: 64)
        let changed = #"{"\#(TestNode.reader)":{"stateDiff":{"\#(slot)":"\#(slot.dropLast())9"}}}"#
        #expect(try await node.call("eth_call", #"[\#(call), "latest", \#(changed)]"#) == word("9"))
        // An account that had neither code nor storage.
        let fresh =
            #"{"\#(TestNode.receiver)":{"code":"0x5f545f5260205ff3","#
            + #""stateDiff":{"\#(slot)":"\#(slot.dropLast())8"}}}"#
        #expect(
            try await node.call(
                "eth_call", #"[{"to":"\#(TestNode.receiver)"}, "latest", \#(fresh)]"#) == word("8"))
        // NUMBER, returned.
        let code = #"{"\#(TestNode.reader)":{"code":"0x435f5260205ff3"}}"#
        #expect(
            try await node.call("eth_call", #"[\#(call), "latest", \#(code), {"number":"0x123"}]"#)
                == word("123"))
        #expect(try await node.call("eth_call", "[\(call)]") == word("7"))
    }

    @Test(arguments: [
        ("0x", "execution reverted"),
        // Error("no")
        (
            "0x08c379a0" + String(repeating: "0", count: 62) + "20"
                + String(repeating: "0", count: 63)
                + "2" + "6e6f" + String(repeating: "0", count: 60), "execution reverted: no"
        ),
        // Panic(0x11)
        (
            "0x4e487b71" + String(repeating: "0", count: 62) + "11",
            "execution reverted: arithmetic underflow or overflow"
        ),
        // A length beyond the data.
        ("0x08c379a0" + String(repeating: "f", count: 128), "execution reverted"),
        (
            "0x08c379a0" + String(repeating: "0", count: 62) + "20"
                + String(repeating: "f", count: 64),
            "execution reverted"
        ),
        ("0x12345678", "execution reverted"),
    ]) func `a revert has code 3, its reason and its data`(
        data: String, message: String
    ) async throws {
        let node = try TestNode.devnet()
        for method in ["eth_call", "eth_estimateGas"] {
            let error = try await node.failure(
                method, #"[{"to":"\#(TestNode.reverter)","data":"\#(data)"}]"#)
            #expect(error.code == 3)
            #expect(error.message == message)
            #expect(error.data == .string(data))
        }
    }

    @Test(arguments: [
        ("0xfe", "invalid opcode: INVALID"), ("0x5f56", "invalid jump destination"),
        ("0x0c", "invalid opcode: opcode 0xc not defined"),
    ]) func `another failure has geth's words`(code: String, message: String) async throws {
        let node = try TestNode.devnet()
        let error = try await node.failure(
            "eth_call",
            #"[{"to":"\#(TestNode.reader)"}, "latest", {"\#(TestNode.reader)":{"code":"\#(code)"}}]"#
        )
        #expect(error.code == -32_000)
        #expect(error.message == message)
    }

    @Test(arguments: [
        (#"{"data":"0x01","input":"0x02"}"#, -32_602, #"both "data" and "input" are set"#),
        (#"{"gasPrice":"0x1","maxFeePerGas":"0x1"}"#, -32_000, "both gasPrice and"),
        (
            #"{"maxFeePerGas":"0x1","maxPriorityFeePerGas":"0x2"}"#, -32_000,
            "err: max priority fee per gas higher than max fee per gas: address "
                + "0x0000000000000000000000000000000000000000, maxPriorityFeePerGas: 2, "
                + "maxFeePerGas: 1 (supplied gas 50000000)"
        ),
        (
            #"{"to":"0x0000000000000000000000000000000000000008","data":"0x01"}"#, -32_000,
            "bad elliptic curve pairing size"
        ),
        (#"{"chainId":"0x5"}"#, -32_000, "chainId does not match node's (have=5, want=31337)"),
        (
            #"{"gas":"100"}"#, -32_602,
            "invalid argument 0: json: cannot unmarshal hex string without 0x prefix into Go struct "
                + "field TransactionArgs.gas of type hexutil.Uint64"
        ),
        ("[]", -32_602, "invalid argument 0: json: cannot unmarshal array into Go value of type"),
        (
            #"{"from":"0x00000000000000000000000000000000000000aa","value":"0x1"}"#, -32_000,
            "err: insufficient funds for gas * price + value"
        ),
        (
            #"{"to":"0x00000000000000000000000000000000000000aa","gas":"0x1"}"#, -32_000,
            "err: intrinsic gas too low: have 1, want 21000 (supplied gas 1)"
        ),
    ]) func `a call that cannot be made is refused`(
        request: String, code: Int, message: String
    ) async throws {
        let node = try TestNode.devnet()
        let error = try await node.failure("eth_call", "[\(request)]")
        #expect(error.code == code)
        #expect(error.message.contains(message), "\(error.message)")
    }

    @Test(arguments: [
        (
            #""latest",{"0x00000000000000000000000000000000000000aa":{"state":{},"stateDiff":{}}}"#,
            "account 0x00000000000000000000000000000000000000AA has both 'state' and 'stateDiff'"
        ),
        (
            #""latest",{},{"beaconRoot":"0x\#(String(repeating: "0", count: 64))"}"#,
            #"block override "beaconRoot" is not supported for this RPC method"#
        ),
        (
            #""latest",{},{"withdrawals":[]}"#,
            #"block override "withdrawals" is not supported for this RPC method"#
        ),
    ]) func `overrides that make no sense are refused`(
        parameters: String, message: String
    ) async throws {
        let node = try TestNode.devnet()
        for method in ["eth_call", "eth_estimateGas"] {
            let error = try await node.failure(
                method, #"[{"to":"\#(TestNode.receiver)"},\#(parameters)]"#)
            #expect(error.code == -32_000)
            #expect(error.message == message)
        }
    }

    @Test func `gas is estimated, or it is said why not`() async throws {
        let node = try TestNode.devnet()
        let alice = TestNode.alice.address
        #expect(
            try await node.call(
                "eth_estimateGas", #"[{"from":"\#(alice)","to":"\#(TestNode.receiver)"}]"#)
                == "0x5208")
        let poor = try await node.failure(
            "eth_estimateGas",
            #"[{"from":"\#(TestNode.receiver)","to":"\#(alice)","value":"0x1"}]"#)
        #expect(
            poor.message
                == "failed with 30000000 gas: insufficient funds for gas * price + value: address "
                + "\(TestNode.receiver.checksummed) have 0 want 1")
        let precompile = try await node.failure(
            "eth_estimateGas",
            #"[{"to":"0x0000000000000000000000000000000000000008","data":"0x01"}]"#)
        #expect(precompile.message == "bad elliptic curve pairing size")
        let tight = try await node.failure(
            "eth_estimateGas",
            #"[{"to":"\#(TestNode.emitter)","data":"0x01","gas":"0x5300"}]"#)
        #expect(tight.message.hasPrefix("gas required exceeds allowance"))
    }

    // MARK: Fees

    @Test func `the fee history has one base fee more than blocks`() async throws {
        let node = try TestNode.devnet()
        for nonce in 0..<Nonce(3) { try await node.send(TestNode.transfer(nonce: nonce)) }
        let history = try await node.call("eth_feeHistory", #"["0x2", "latest", [0, 50, 100]]"#)
        #expect(history["oldestBlock"] == "0x2")
        #expect(history["baseFeePerGas"]?.arrayValue?.count == 3)
        #expect(history["gasUsedRatio"]?.arrayValue?.count == 2)
        #expect(history["reward"]?[0] == ["0x3b9aca00", "0x3b9aca00", "0x3b9aca00"])
        #expect(
            try await node.call("eth_feeHistory", #"[10, "latest"]"#)["oldestBlock"] == "0x0")
        #expect(
            try await node.call("eth_feeHistory", #"["0x0", "latest", []]"#)["gasUsedRatio"] == [])
        for (params, message) in [
            (#"["0x1", "latest", [101]]"#, "invalid reward percentile: 101.000000"),
            (
                #"["0x1", "latest", [5, 4]]"#,
                "invalid reward percentile: #0:5.000000 >= #1:4.000000"
            ),
            (#"["0x1", "0x64"]"#, "request beyond head block: requested 100, head 3"),
        ] {
            #expect(try await node.failure("eth_feeHistory", params).message == message)
        }
    }

    @Test func `prices follow the next block`() async throws {
        let node = try TestNode.devnet()
        #expect(try await node.call("eth_maxPriorityFeePerGas") == "0x3b9aca00")
        let base = try await node.call("eth_baseFee").stringValue.flatMap { UInt256(hex: $0) }
        let price = try await node.call("eth_gasPrice").stringValue.flatMap { UInt256(hex: $0) }
        #expect(price == base.map { $0 + 1_000_000_000 })
        #expect(try await node.call("eth_blobBaseFee") == "0x1")
    }

    // MARK: Logs

    @Test func `logs are found by range, block, address and topic`() async throws {
        let node = try TestNode.devnet()
        let topic = "0x" + String(repeating: "0", count: 62) + "2a"
        for nonce in 0..<Nonce(3) {
            try await node.send(
                TestNode.transfer(
                    nonce: nonce, value: 0, to: TestNode.emitter,
                    data: nonce == 1 ? Hex.decode(topic) ?? [] : []))
        }
        let all = try await node.call("eth_getLogs", #"[{"fromBlock":"earliest"}]"#)
        #expect(all.arrayValue?.compactMap { $0["blockNumber"] } == ["0x1", "0x2", "0x3"])
        #expect(all[0]?["removed"] == false)
        for filter in [
            #"{"fromBlock":"0x0","topics":["\#(topic)"]}"#, #"{"fromBlock":"0x2","toBlock":"0x2"}"#,
            #"{"fromBlock":"0x0","address":["\#(TestNode.emitter)"],"topics":[["\#(topic)"]]}"#,
            #"{"blockHash":\#(all[1]?["blockHash"] ?? .null)}"#,
        ] {
            #expect(try await node.call("eth_getLogs", "[\(filter)]") == .array([all[1] ?? .null]))
        }
        #expect(
            try await node.call(
                "eth_getLogs", #"[{"fromBlock":"0x0","address":"\#(TestNode.reader)"}]"#) == [])
        for (filter, code, message) in [
            (#"{"fromBlock":"0x2","toBlock":"0x1"}"#, -32_602, "invalid block range params"),
            (#"{"toBlock":"0x9"}"#, -32_602, "block range extends beyond current head block"),
            (#"{"blockHash":"\#(Hash256.zero)"}"#, -32_000, "unknown block"),
            (
                #"{"topics":[null,null,null,null,null]}"#, -32_602,
                "invalid argument 0: exceed max topics"
            ),
        ] {
            let error = try await node.failure("eth_getLogs", "[\(filter)]")
            #expect(error.code == code)
            #expect(error.message == message)
        }
    }

    @Test func `more logs than allowed are an error, not a heavy answer`() async throws {
        var limits = RPCLimits()
        limits.logs = 2
        for (count, isFine) in [(2, true), (3, false), (60, false)] {
            let node = try TestNode.devnet(limits: limits)
            for nonce in 0..<Nonce(count) {
                try await node.send(TestNode.transfer(nonce: nonce, value: 0, to: TestNode.emitter))
            }
            let id = try await node.call("eth_newFilter", #"[{"fromBlock":"0x0"}]"#)
            for answer in [
                try await node.answer("eth_getLogs", #"[{"fromBlock":"0x0"}]"#),
                try await node.answer("eth_getFilterLogs", "[\(id)]"),
            ] {
                #expect((answer["result"]?.arrayValue?.count == count) == isFine, "\(count)")
                #expect((answer["error"]?["code"] == -32_005) == !isFine, "\(count)")
            }
        }
    }

    @Test func `logs of more bytes than allowed are an error too`() async throws {
        var limits = RPCLimits()
        // The address and one topic of two logs.
        limits.logBytes = 2 * (20 + 32)
        for (count, isFine) in [(2, true), (3, false), (60, false)] {
            let node = try TestNode.devnet(limits: limits)
            for nonce in 0..<Nonce(count) {
                try await node.send(TestNode.transfer(nonce: nonce, value: 0, to: TestNode.emitter))
            }
            let answer = try await node.answer("eth_getLogs", #"[{"fromBlock":"0x0"}]"#)
            #expect((answer["result"]?.arrayValue?.count == count) == isFine, "\(count)")
            #expect((answer["error"]?["code"] == -32_005) == !isFine, "\(count)")
        }
    }

    // MARK: Small namespaces

    @Test func `clients learn where they are`() async throws {
        let node = try TestNode.devnet()
        #expect(try await node.call("eth_chainId") == "0x7a69")
        #expect(try await node.call("net_version") == "31337")
        #expect(try await node.call("net_listening") == true)
        #expect(try await node.call("net_peerCount") == "0x0")
        #expect(try await node.call("web3_clientVersion") == "Apus/test")
        #expect(
            try await node.call("web3_sha3", #"["0x68656c6c6f20776f726c64"]"#)
                == "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad")
        #expect(try await node.call("eth_syncing") == false)
        #expect(try await node.call("eth_mining") == true)
        #expect(try await node.call("eth_accounts").arrayValue?.count == 2)
        let modules = try await node.call("rpc_modules")
        for name in ["eth", "net", "web3", "txpool", "rpc", "evm", "anvil", "hardhat"] {
            #expect(modules[name] == "1.0")
        }
    }

    @Test func `a node without a devnet has no cheats`() async throws {
        let node = try TestNode.follower(genesis: TestNode.genesis())
        for method in ["evm_mine", "anvil_setBalance", "hardhat_mine"] {
            #expect(try await node.failure(method).code == -32_601)
        }
    }
}
