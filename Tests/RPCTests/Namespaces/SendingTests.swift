import BlockProduction
import Cryptography
import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

@Suite struct SendingTests {
    @Test func `what the pool refuses is told in geth's words`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        let first = TestNode.transfer(nonce: 0)
        try await node.send(first)
        var poor = TestNode.transfer(from: TestNode.key(9), nonce: 0)
        let raw = { (transaction: Transaction) in #"["\#(Hex.encode(transaction.encoded()))"]"# }
        for (params, message) in [
            (raw(first), "already known"),
            (raw(TestNode.transfer(nonce: 0, value: 2)), "replacement transaction underpriced"),
            (raw(poor), "insufficient funds for gas * price + value"),
            (raw(TestNode.transfer(nonce: 0, gasLimit: 1)), "intrinsic gas too low"),
            (raw(TestNode.transfer(nonce: 0, gasLimit: 40_000_000)), "exceeds block gas limit"),
            (#"["0x"]"#, "typed transaction too short"), (#"["0x7f01"]"#, "transaction type not"),
            (#"["0x02c0"]"#, "rlp: "),
        ] {
            let error = try await node.failure("eth_sendRawTransaction", params)
            #expect(error.code == -32_000)
            #expect(error.message.hasPrefix(message), "\(error.message)")
        }
        poor.impersonate(TestNode.alice.address)
        #expect(
            try await node.failure("eth_sendRawTransaction", raw(poor)).message == "invalid sender")
        _ = try await node.call("evm_mine")
        #expect(
            try await node.failure(
                "eth_sendRawTransaction", raw(TestNode.transfer(nonce: 0, value: 3))
            )
            .message == "nonce too low: next nonce 1, tx nonce 0")
    }

    @Test func `a transaction is completed, signed and mined`() async throws {
        let node = try TestNode.devnet()
        let alice = TestNode.alice.address
        let hash = try await node.call(
            "eth_sendTransaction",
            #"[{"from":"\#(alice)","to":"\#(TestNode.receiver)","value":"0x10"}]"#)
        let transaction = try await node.call("eth_getTransactionByHash", "[\(hash)]")
        #expect(transaction["type"] == "0x2")
        #expect(transaction["gas"] == "0x5208")
        #expect(transaction["nonce"] == "0x0")
        #expect(transaction["from"]?.stringValue == alice.description)
        let legacy = try await node.call(
            "eth_sendTransaction",
            #"[{"from":"\#(alice)","to":"\#(TestNode.receiver)","gasPrice":"0x3b9aca00"}]"#)
        #expect(
            try await node.call("eth_getTransactionByHash", "[\(legacy)]")["type"] == "0x0")
        let unknown = try await node.failure(
            "eth_sendTransaction", #"[{"from":"\#(TestNode.receiver)","to":"\#(alice)"}]"#)
        #expect(unknown.message == "unknown account")
        for blob in [#""maxFeePerBlobGas":"0x1""#, #""blobVersionedHashes":[]"#] {
            let error = try await node.failure(
                "eth_sendTransaction",
                #"[{"from":"\#(alice)","to":"\#(TestNode.receiver)",\#(blob)}]"#)
            #expect(error.message == "signing blob transactions not supported")
        }
    }

    @Test(arguments: [MiningMode.automine, .manual])
    func `transactions that come at once get nonces of their own`(mode: MiningMode) async throws {
        let node = try TestNode.devnet(mode: mode)
        _ = try await node.call("anvil_impersonateAccount", #"["\#(TestNode.receiver)"]"#)
        _ = try await node.call(
            "anvil_setBalance", #"["\#(TestNode.receiver)", "0xde0b6b3a7640000"]"#)
        let senders = [TestNode.alice.address, TestNode.bob.address, TestNode.receiver]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for sender in senders {
                for index in 0..<50 {
                    let method =
                        index.isMultiple(of: 5)
                        ? "eth_sendUnsignedTransaction" : "eth_sendTransaction"
                    group.addTask {
                        _ = try await node.call(
                            method, #"[{"from":"\#(sender)","to":"\#(TestNode.emitter)"}]"#)
                    }
                }
            }
            try await group.waitForAll()
        }
        for sender in senders {
            #expect(
                try await node.call("eth_getTransactionCount", #"["\#(sender)", "pending"]"#)
                    == "0x32")
        }
    }

    @Test func `a transaction can be filled in and signed without being sent`() async throws {
        let node = try TestNode.devnet()
        let alice = TestNode.alice.address
        let filled = try await node.call(
            "eth_fillTransaction", #"[{"from":"\#(alice)","to":"\#(TestNode.receiver)"}]"#)
        #expect(filled["tx"]?["gas"] == "0x5208")
        #expect(filled["tx"]?["r"] == "0x0")
        let signed = try await node.call(
            "eth_signTransaction",
            #"[{"from":"\#(alice)","to":"\#(TestNode.receiver)","gas":"0x5208","nonce":"0x0","#
                + #""maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x1"}]"#)
        let raw = try #require(signed["raw"]?.stringValue.flatMap { Hex.decode($0) })
        #expect(try Transaction(encoded: raw).recoverSender() == alice)
        let incomplete = try await node.failure(
            "eth_signTransaction", #"[{"from":"\#(alice)","gas":"0x5208"}]"#)
        #expect(incomplete.message == "missing gasPrice or maxFeePerGas/maxPriorityFeePerGas")
        #expect(try await node.call("eth_blockNumber") == "0x0")
    }

    @Test func `messages and typed data are signed`() async throws {
        let node = try TestNode.devnet()
        let alice = TestNode.alice.address
        let signature = try await node.call("eth_sign", #"["\#(alice)", "0x6869"]"#)
        let bytes = try #require(signature.stringValue.flatMap { Hex.decode($0) })
        #expect(bytes.count == 65)
        #expect(bytes[64] == 27 || bytes[64] == 28)
        let recovered = Signature(
            yParity: bytes[64] == 28, r: UInt256(bigEndian: bytes[..<32]) ?? .zero,
            s: UInt256(bigEndian: bytes[32..<64]) ?? .zero)
        #expect(
            recoverAddress(hash: personalMessageHash([0x68, 0x69]), signature: recovered) == alice)
        let typed =
            #"{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"#
            + #""M":[{"name":"x","type":"uint256"}]},"primaryType":"M","#
            + #""domain":{"name":"D"},"message":{"x":1}}"#
        let direct = try await node.call("eth_signTypedData_v4", #"["\#(alice)", \#(typed)]"#)
        let quoted = try await node.call(
            "eth_signTypedData_v4", #"["\#(alice)", \#(JSONValue.string(typed))]"#)
        #expect(direct == quoted)
    }

    @Test func `a receipt can be waited for`() async throws {
        let node = try TestNode.devnet()
        let raw = Hex.encode(TestNode.transfer(nonce: 0).encoded())
        let receipt = try await node.call("eth_sendRawTransactionSync", #"["\#(raw)"]"#)
        #expect(receipt["status"] == "0x1")

        let slow = try TestNode.devnet(mode: .manual)
        let error = try await slow.failure("eth_sendRawTransactionSync", #"["\#(raw)", 50]"#)
        #expect(error.code == 4)
        #expect(error.data?.stringValue == "\(TestNode.transfer(nonce: 0).hash())")
        async let late = slow.call(
            "eth_sendRawTransactionSync",
            #"["\#(Hex.encode(TestNode.transfer(nonce: 1).encoded()))", 60000]"#)
        while try await slow.call("txpool_status", "[]")["pending"] != "0x2" {
            await Task.yield()
        }
        _ = try await slow.call("evm_mine")
        #expect(try await late["status"] == "0x1")
    }

    @Test func `the pool is listed by sender and nonce`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        try await node.send(TestNode.transfer(nonce: 0))
        try await node.send(TestNode.transfer(nonce: 2))
        #expect(try await node.call("txpool_status") == ["pending": "0x1", "queued": "0x1"])
        let sender = TestNode.alice.address.checksummed
        let content = try await node.call("txpool_content")
        #expect(content["pending"]?[sender]?["0"]?["blockHash"] == .null)
        #expect(content["queued"]?[sender]?["2"]?["nonce"] == "0x2")
        let from = try await node.call("txpool_contentFrom", #"["\#(TestNode.alice.address)"]"#)
        #expect(from["pending"]?["0"] == content["pending"]?[sender]?["0"])
        #expect(
            try await node.call("txpool_inspect")["pending"]?[sender]?["0"]?.stringValue
                == "\(TestNode.receiver.checksummed): 1 wei + 60000 gas × 10000000000 wei")
        #expect(
            try await node.call(
                "eth_getTransactionCount", #"["\#(TestNode.alice.address)", "pending"]"#) == "0x1")
        let pending = try await node.call("eth_getBlockByNumber", #"["pending", false]"#)
        #expect(pending["number"] == "0x1")
        #expect(pending["hash"] == .null)
        #expect(pending["transactions"]?.arrayValue?.count == 1)
        #expect(
            try await node.call("eth_getBalance", #"["\#(TestNode.receiver)", "pending"]"#) == "0x1"
        )
        #expect(
            try await node.call("eth_getBalance", #"["\#(TestNode.receiver)", "latest"]"#) == "0x0")
    }
}
