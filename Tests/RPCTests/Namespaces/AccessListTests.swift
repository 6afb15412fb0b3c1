import EthereumTypes
import Primitives
import Testing

import RPC

/// `eth_createAccessList`.
@Suite struct AccessListTests {
    @Test func `a list holds the accounts that instructions name and the slots, sorted`()
        async throws
    {
        let node = try TestNode.follower(genesis: TestNode.genesis(at: .prague))
        let code = Hex.encode([
            0x60, 0x02, 0x54, 0x50,  // SLOAD of slot 2,
            0x60, 0x01, 0x54, 0x50,  // and of slot 1,
            0x60, 0xbb, 0x3b, 0x50,  // EXTCODESIZE of 0xbb,
            0x41, 0x31, 0x50,  // BALANCE of the coinbase,
            0x33, 0x31, 0x50,  // and of the sender,
            0x5f, 0x5f, 0x5f, 0xf0, 0x50,  // CREATE,
            0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0xaa, 0x5a, 0xf1,  // CALL of 0xaa.
        ])
        let delegating = Address(w0: 0, w1: 0, w2: 0xaa)
        let delegation = "0xef0100" + String(repeating: "0", count: 38) + "cc"
        let result = try await node.call(
            "eth_createAccessList",
            #"[{"from":"\#(TestNode.alice.address)","to":"\#(TestNode.reader)"},"latest","#
                + #"{"\#(TestNode.reader)":{"code":"\#(code)"},"#
                + #""\#(delegating)":{"code":"\#(delegation)"}}]"#)
        let expected: [(Address, [UInt256])] = [
            // Genesis has no other coinbase.
            (.zero, []), (delegating, []), (Address(w0: 0, w1: 0, w2: 0xbb), []),
            (TestNode.reader, [1, 2]),
        ]
        #expect(
            result["accessList"]
                == .array(
                    expected.map { address, slots in
                        [
                            "address": .string("\(address)"),
                            "storageKeys": .array(slots.map { .string("\(Hash256($0))") }),
                        ]
                    }))
        #expect(result["error"] == nil)
    }

    @Test func `a call that fails has its list, and says why`() async throws {
        let node = try TestNode.devnet()
        let result = try await node.call(
            "eth_createAccessList",
            #"[{"to":"\#(TestNode.reader)"},"latest",{"\#(TestNode.reader)":{"code":"0x5f54fe"}}]"#)
        #expect(result["error"] == "invalid opcode: INVALID")
        #expect(result["accessList"]?.arrayValue?.count == 1)
    }

    @Test func `a call that cannot be made is named by its hash`() async throws {
        let node = try TestNode.devnet()
        let poor = Address(w0: 0, w1: 0, w2: 0xaa)
        let error = try await node.failure(
            "eth_createAccessList",
            #"[{"from":"\#(poor)","to":"\#(TestNode.receiver)","value":"0x1"}]"#)
        let transaction = Transaction(
            type: .dynamicFee, chainId: TestNode.chainId, nonce: 0, maxPriorityFeePerGas: 0,
            maxFeePerGas: 0, gasLimit: 50_000_000, to: TestNode.receiver, value: 1, data: [])
        #expect(
            error.message
                == "failed to apply transaction: \(transaction.hash()) err: insufficient funds for "
                + "gas * price + value: address \(poor.checksummed) have 0 want 1")
    }

    @Test func `authorities are left out, and as many as the gas pays for are looked at`()
        async throws
    {
        let node = try TestNode.follower(genesis: TestNode.genesis(at: .prague))
        let word = "0x1"
        let authorization =
            #"{"chainId":"0x0","address":"\#(TestNode.receiver)","nonce":"0x0","yParity":"0x0","#
            + #""r":"\#(word)","s":"\#(word)"}"#
        let request = { (gas: String) in
            #"[{"from":"\#(TestNode.alice.address)","to":"\#(TestNode.reader)","gas":"\#(gas)","#
                + #""authorizationList":[\#(authorization),\#(authorization)]}]"#
        }
        let error = try await node.failure("eth_createAccessList", request("0xc34f"))
        #expect(error.message == "insufficient gas to process all authorizations")
        _ = try await node.call("eth_createAccessList", request("0x186a00"))
    }
}
