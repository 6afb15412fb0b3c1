import Foundation
import Primitives
import Testing

import RPC

/// What changes a devnet's chain as a whole, and its tokens.
@Suite struct DevnetChainTests {
    private func number(_ node: TestNode) async throws -> JSONValue {
        try await node.call("eth_blockNumber")
    }

    @Test func `a reset goes back to genesis and takes snapshots, pool and time with it`()
        async throws
    {
        let node = try TestNode.devnet(mode: .manual)
        _ = try await node.call("evm_mine")
        _ = try await node.call("evm_snapshot")
        try await node.send(TestNode.transfer(nonce: 0))
        _ = try await node.call("evm_increaseTime", "[1000]")
        let instance = try await node.call("anvil_metadata")["instanceId"]
        #expect(try await node.call("anvil_reset") == .null)
        let next = try await node.call("anvil_metadata")["instanceId"]
        #expect(next != instance)
        #expect(try await number(node) == "0x0")
        #expect(try await node.call("txpool_status")["pending"] == "0x0")
        #expect(try await node.call("evm_revert", #"["0x0"]"#) == false)
        #expect(try await node.call("hardhat_reset") == true)
    }

    @Test func `a reset to a copy of another chain is refused`() async throws {
        let node = try TestNode.devnet()
        let params = #"[{"forking":{"jsonRpcUrl":"http://localhost:1"}}]"#
        #expect(try await node.failure("anvil_reset", params).code == -32_602)
        #expect(
            try await node.failure("anvil_setRpcUrl", #"["http://localhost:1"]"#).code == -32_602)
    }

    @Test func `a reorganisation replaces blocks and takes the transactions that are given`()
        async throws
    {
        let node = try TestNode.devnet()
        for nonce in 0..<3 { try await node.send(TestNode.transfer(nonce: UInt64(nonce))) }
        let before = try await node.call("eth_getBlockByNumber", #"["latest", false]"#)
        let request =
            #"{"from":"\#(TestNode.bob.address)","to":"\#(TestNode.receiver)","value":"0x9"}"#
        let raw = Hex.encode(TestNode.transfer(nonce: 1, value: 5).encoded())
        _ = try await node.call("anvil_reorg", #"[2, [["\#(raw)", 0], [\#(request), 1]]]"#)
        let after = try await node.call("eth_getBlockByNumber", #"["latest", false]"#)
        #expect(after["number"] == before["number"])
        #expect(after["hash"] != before["hash"])
        // One from the block that stayed, five and nine from the new ones.
        let balance = try await node.call("eth_getBalance", #"["\#(TestNode.receiver)"]"#)
        #expect(balance == "0xf")
        #expect(try await node.failure("anvil_reorg", "[99]").code == -32_602)
        #expect(
            try await node.failure("anvil_reorg", #"[1, [["\#(raw)", 1]]]"#).code == -32_602)
    }

    @Test func `a dumped state can be laid over another chain`() async throws {
        let one = try TestNode.devnet()
        _ = try await one.call(
            "anvil_setBalance", #"["0x00000000000000000000000000000000000000a1", "0x7"]"#)
        _ = try await one.call(
            "anvil_setStorageAt",
            #"["\#(TestNode.reader)", "0x0", "0x000000000000000000000000000000000000000000000000000000000000002a"]"#
        )
        let dump = try await one.call("anvil_dumpState")
        let text = try #require(dump.stringValue)
        #expect(text.hasPrefix("0x1f8b"))
        let other = try TestNode.devnet()
        #expect(try await other.call("anvil_loadState", #"["\#(text)"]"#) == true)
        let balance = try await other.call(
            "eth_getBalance", #"["0x00000000000000000000000000000000000000a1"]"#)
        #expect(balance == "0x7")
        let word = try await other.call("eth_getStorageAt", #"["\#(TestNode.reader)", "0x0"]"#)
        #expect(word.stringValue?.hasSuffix("2a") == true)
    }

    @Test func `a state that python compressed is read`() async throws {
        let node = try TestNode.devnet()
        // gzip of an account with nonce 3 and balance 0x10.
        let text =
            "0x1f8b0800000000000203ab564a4c4ece2fcd2b2956b252a85632a830200a241a8195e7e5e725a7"
            + "0259c63a0a4a49893989101ed014430325a050727e0a940fe21597e41725a68304aa6b6b6b810279"
            + "f92560e9c4a46485c18c956a01d4faf05226010000"
        #expect(try await node.call("anvil_loadState", #"["\#(text)"]"#) == true)
        let balance = try await node.call(
            "eth_getBalance", #"["0x00000000000000000000000000000000000000a2"]"#)
        #expect(balance == "0x10")
        #expect(try await node.failure("anvil_loadState", #"["0x1f8b"]"#).code == -32_602)
        #expect(try await node.failure("anvil_loadState", #"["0x00"]"#).code == -32_602)
    }

    @Test func `a token's balance is set in the slot that it answers from`() async throws {
        let node = try TestNode.devnet()
        let token = "0x00000000000000000000000000000000000000c0"
        // SLOAD 5, MSTORE, RETURN.
        _ = try await node.call("anvil_setCode", #"["\#(token)", "0x6005545f5260205ff3"]"#)
        _ = try await node.call(
            "anvil_dealERC20", #"["\#(TestNode.bob.address)", "\#(token)", "0x1234"]"#)
        let balance = try await node.call("eth_call", #"[{"to":"\#(token)"}]"#)
        #expect(balance.stringValue?.hasSuffix("1234") == true)
        let empty = #"["\#(TestNode.bob.address)", "\#(TestNode.receiver)", "0x1"]"#
        #expect(try await node.failure("anvil_dealERC20", empty).code == -32_000)
    }

    @Test func `what is set for miners is in the next block`() async throws {
        let node = try TestNode.devnet()
        #expect(try await node.call("miner_setExtra", #"["apus"]"#) == true)
        #expect(try await node.call("miner_setGasLimit", #"["0x1312d00"]"#) == true)
        _ = try await node.call("evm_mine")
        let block = try await node.call("eth_getBlockByNumber", #"["latest", false]"#)
        #expect(block["extraData"] == "0x61707573")
        #expect(block["gasLimit"] == "0x1312d00")
        let long = String(repeating: "x", count: 33)
        #expect(try await node.failure("miner_setExtra", #"["\#(long)"]"#).code == -32_000)
    }

    @Test func `the rules of the chain are told by fork`() async throws {
        let node = try TestNode.devnet()
        let configuration = try await node.call("eth_config")
        #expect(configuration["current"]?["chainId"] == "0x7a69")
        #expect(configuration["current"]?["precompiles"]?["ECREC"] != nil)
        #expect(configuration["next"] == .null)
        #expect(configuration["last"] == .null)
    }

    @Test func `a precompile can be moved for a call`() async throws {
        let node = try TestNode.devnet()
        let target = "0x0000000000000000000000000000000000123456"
        let identity = "0x0000000000000000000000000000000000000004"
        let moved = try await node.call(
            "eth_call",
            #"[{"to":"\#(target)","data":"0x1234"},"latest",{"\#(identity)":{"movePrecompileToAddress":"\#(target)"}}]"#
        )
        #expect(moved == "0x1234")
        let left = try await node.call(
            "eth_call",
            #"[{"to":"\#(identity)","data":"0x1234"},"latest",{"\#(identity)":{"movePrecompileToAddress":"\#(target)"}}]"#
        )
        #expect(left == "0x")
    }

    @Test func `a transaction is found by its sender and nonce`() async throws {
        let node = try TestNode.devnet()
        var hashes: [String] = []
        for nonce in 0..<4 {
            hashes.append(try await node.send(TestNode.transfer(nonce: UInt64(nonce))))
        }
        for nonce in 0..<4 {
            let found = try await node.call(
                "eth_getTransactionBySenderAndNonce",
                #"["\#(TestNode.alice.address)", "0x\#(nonce)"]"#)
            #expect(found["hash"]?.stringValue == hashes[nonce])
        }
        let none = try await node.call(
            "eth_getTransactionBySenderAndNonce", #"["\#(TestNode.alice.address)", "0x9"]"#)
        #expect(none == .null)
    }
}
