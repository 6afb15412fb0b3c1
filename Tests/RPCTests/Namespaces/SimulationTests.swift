import EthereumTypes
import Primitives
import Testing

import RPC

/// `eth_simulateV1`, where the recorded calls of execution-apis do not tell.
@Suite struct SimulationTests {
    private static let contract = Address(w0: 0, w1: 0, w2: 0xaa)

    private func simulate(
        _ block: String, on node: TestNode, validation: Bool = false
    ) async throws -> JSONValue {
        try await node.call(
            "eth_simulateV1",
            #"[{"blockStateCalls":[\#(block)],"validation":\#(validation)},"latest"]"#)
    }

    @Test func `a call that pays nothing sees the base fee that was asked for`() async throws {
        let node = try TestNode.devnet()
        // Returns BASEFEE.
        let state = #""stateOverrides":{"\#(Self.contract)":{"code":"0x485f5260205ff3"}}"#
        for (overrides, fee) in [("{}", UInt256.zero), (#"{"baseFeePerGas":"0xa"}"#, 10)] {
            let result = try await simulate(
                #"{"blockOverrides":\#(overrides),\#(state),"calls":[{"to":"\#(Self.contract)"}]}"#,
                on: node)
            #expect(result[0]?["baseFeePerGas"]?.stringValue == fee.hexQuantity)
            let call = result[0]?["calls"]?[0]
            #expect(call?["status"] == "0x1")
            #expect(call?["returnData"]?.stringValue == "\(Hash256(fee))")
        }
    }

    @Test func `the coinbase gets nothing from a call that pays nothing`() async throws {
        let node = try TestNode.devnet()
        // Returns the balance of the coinbase, in a second call of the block.
        let coinbase = Address(w0: 0, w1: 0, w2: 0xcb)
        let state = #""stateOverrides":{"\#(Self.contract)":{"code":"0x41315f5260205ff3"}}"#
        let result = try await simulate(
            #"{"blockOverrides":{"baseFeePerGas":"0xa","feeRecipient":"\#(coinbase)"},\#(state),"#
                + #""calls":[{"to":"\#(Self.contract)"},{"to":"\#(Self.contract)"}]}"#, on: node)
        #expect(result[0]?["calls"]?[1]?["returnData"]?.stringValue == "\(Hash256.zero)")
    }

    @Test func `with validation a call pays the base fee`() async throws {
        let node = try TestNode.devnet()
        let error = try await node.failure(
            "eth_simulateV1",
            #"[{"blockStateCalls":[{"calls":[{"from":"\#(TestNode.alice.address)","#
                + #""to":"\#(Self.contract)"}]}],"validation":true},"latest"]"#)
        #expect(error.code == -38_012)
    }

    @Test func `a call with more gas than its block has left is told how much there is`()
        async throws
    {
        let node = try TestNode.devnet()
        let error = try await node.failure(
            "eth_simulateV1",
            #"[{"blockStateCalls":[{"blockOverrides":{"gasLimit":"0x7530"},"calls":["#
                + #"{"to":"\#(Self.contract)"},{"to":"\#(Self.contract)","gas":"0x5208"}]}]},"latest"]"#
        )
        #expect(error.code == -38_015)
        #expect(error.message == "block gas limit reached: remaining: 9000, required: 21000")
    }

    @Test func `a failing precompile says why`() async throws {
        let node = try TestNode.devnet()
        let result = try await simulate(
            #"{"calls":[{"to":"0x0000000000000000000000000000000000000008","data":"0x01"}]}"#,
            on: node)
        #expect(
            result[0]?["calls"]?[0]?["error"]?["message"] == "bad elliptic curve pairing size")
    }

    /// A genesis block has a difficulty on many networks that began with proof of stake.
    @Test func `blocks on a genesis block with a difficulty have the rules of their forks`()
        async throws
    {
        var genesis = TestNode.genesis()
        genesis.difficulty = 1
        let node = try TestNode.follower(genesis: genesis)
        let block = try await simulate(#"{"calls":[]}"#, on: node)[0]
        #expect(block?["difficulty"] == "0x0")
        #expect(block?["excessBlobGas"] == "0x0")
        #expect(block?["withdrawals"] == [])
    }
}
