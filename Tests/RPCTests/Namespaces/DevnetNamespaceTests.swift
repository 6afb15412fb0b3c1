import EthereumTypes
import Primitives
import TestSupport
import Testing

import RPC

@Suite struct DevnetNamespaceTests {
    @Test(
        arguments: [
            ("[]", 1), (#"["0x1000"]"#, 1), ("[5000]", 1), (#"[{"blocks":3}]"#, 3),
            (#"[{"timestamp":6000,"blocks":"0x2"}]"#, 2), (#"[{"blocks":0}]"#, 0),
        ] as [(String, UInt64)]) func `evm_mine takes every shape`(
            params: String, blocks: UInt64
        ) async throws
    {
        let node = try TestNode.devnet()
        #expect(try await node.call("evm_mine", params) == "0x0")
        #expect(node.blockchain.head.number == blocks)
    }

    @Test func `mining many blocks spaces them`() async throws {
        let node = try TestNode.devnet()
        #expect(try await node.call("anvil_mine", #"["0x3", 60]"#) == .null)
        #expect(try await node.call("hardhat_mine", #"["0x2"]"#) == true)
        #expect(node.blockchain.head.number == 5)
        let times = try (1...3).map { try node.blockchain.head.view.header($0)?.timestamp ?? 0 }
        #expect(times[1] - times[0] == 60)
        #expect(times[2] - times[1] == 60)
        #expect(try await node.failure("anvil_mine", "[1000000000]").code == -32_602)
    }

    @Test(arguments: [("anvil_mine", 2_060), ("hardhat_mine", 2_000)] as [(String, Timestamp)])
    func `the first of many blocks is as in each tool`(
        method: String, first: Timestamp
    ) async throws {
        let node = try TestNode.devnet()
        _ = try await node.call(method, #"["0x2", 60]"#)
        let times = try (1...2).map { try node.blockchain.head.view.header($0)?.timestamp }
        #expect(times == [first, first + 60])
    }

    @Test func `the clock obeys`() async throws {
        let node = try TestNode.devnet()
        #expect(try await node.call("evm_setNextBlockTimestamp", "[9000]") == .null)
        _ = try await node.call("evm_mine")
        #expect(node.blockchain.head.header.timestamp == 9_000)
        let past = try await node.failure("evm_setNextBlockTimestamp", "[5]")
        #expect(
            past.message == "timestamp 5 is lower than or equal to previous block's timestamp 9000")
        #expect(try await node.call("evm_increaseTime", #"["0x64"]"#).intValue == 7_100)
        _ = try await node.call("evm_mine")
        #expect(node.blockchain.head.header.timestamp == 9_100)
        _ = try await node.call("evm_setTime", "[20000000000]")
        _ = try await node.call("evm_mine")
        #expect(node.blockchain.head.header.timestamp == 20_000_000_000)
        #expect(
            try await node.failure("evm_increaseTime", #"["0xffffffffffffffffff"]"#).code == -32_602
        )
    }

    @Test func `a snapshot brings back what was`() async throws {
        let node = try TestNode.devnet()
        let id = try await node.call("evm_snapshot")
        try await node.send(TestNode.transfer(nonce: 0))
        #expect(try await node.call("evm_revert", "[\(id)]") == true)
        #expect(try await node.call("eth_blockNumber") == "0x0")
        #expect(
            try await node.call("eth_getBalance", #"["\#(TestNode.receiver)", "latest"]"#) == "0x0")
        #expect(try await node.call("evm_revert", "[\(id)]") == false)
        #expect(try await node.call("evm_revert", #"["0x99"]"#) == false)
    }

    @Test(arguments: ["anvil_", "hardhat_"])
    func `accounts are changed by hand`(prefix: String) async throws {
        let node = try TestNode.devnet()
        let address = TestNode.receiver
        let done: JSONValue = prefix == "anvil_" ? .null : true
        #expect(try await node.call(prefix + "setBalance", #"["\#(address)", "0x64"]"#) == done)
        #expect(try await node.call("eth_getBalance", #"["\#(address)"]"#) == "0x64")
        #expect(try await node.call(prefix + "setNonce", #"["\#(address)", 7]"#) == done)
        #expect(try await node.call("eth_getTransactionCount", #"["\#(address)"]"#) == "0x7")
        #expect(try await node.call(prefix + "setCode", #"["\#(address)", "0x5f5ff3"]"#) == done)
        #expect(try await node.call("eth_getCode", #"["\#(address)"]"#) == "0x5f5ff3")
        let word = "0x" + String(repeating: "0", count: 63) + "5"
        #expect(
            try await node.call(prefix + "setStorageAt", #"["\#(address)", "0x1", "\#(word)"]"#)
                == true)
        #expect(
            try await node.call("eth_getStorageAt", #"["\#(address)", "0x1"]"#).stringValue == word)
        #expect(try await node.call("anvil_addBalance", #"["\#(address)", 1]"#) == .null)
        #expect(try await node.call("eth_getBalance", #"["\#(address)"]"#) == "0x65")
    }

    @Test func `code sees the first slot that is set by hand`() async throws {
        let node = try TestNode.devnet()
        let address = TestNode.receiver
        let word = "0x" + String(repeating: "0", count: 63) + "5"
        _ = try await node.call("anvil_setCode", #"["\#(address)", "0x5f545f5260205ff3"]"#)
        _ = try await node.call("anvil_setStorageAt", #"["\#(address)", "0x0", "\#(word)"]"#)
        for _ in 0..<2 {
            #expect(
                try await node.call("eth_call", #"[{"to":"\#(address)"}]"#).stringValue == word)
            _ = try await node.call("evm_mine")
        }
    }

    @Test func `an impersonated account sends without a key`() async throws {
        let node = try TestNode.devnet()
        let address = TestNode.receiver
        _ = try await node.call("anvil_setBalance", #"["\#(address)", "0xde0b6b3a7640000"]"#)
        let request = #"[{"from":"\#(address)","to":"\#(TestNode.emitter)","value":"0x1"}]"#
        #expect(try await node.failure("eth_sendTransaction", request).message == "unknown account")
        let own = try #require(try await node.call("eth_accounts").arrayValue)
        #expect(try await node.call("hardhat_impersonateAccount", #"["\#(address)"]"#) == true)
        _ = try await node.call(
            "anvil_impersonateAccount", #"["\#(TestNode.alice.address)"]"#)
        #expect(
            try await node.call("eth_accounts").arrayValue == own + [.string("\(address)")])
        let hash = try await node.call("eth_sendTransaction", request)
        #expect(
            try await node.call("eth_getTransactionReceipt", "[\(hash)]")["status"] == "0x1")
        #expect(
            try await node.call("hardhat_stopImpersonatingAccount", #"["\#(address)"]"#) == true)
        #expect(try await node.failure("eth_sendTransaction", request).message == "unknown account")
        #expect(try await node.call("anvil_autoImpersonateAccount", "[true]") == .null)
        _ = try await node.call("eth_sendTransaction", request)
    }

    @Test func `blocks wait for automining`() async throws {
        let node = try TestNode.devnet()
        #expect(try await node.call("anvil_getAutomine") == true)
        #expect(try await node.call("evm_setAutomine", "[false]") == true)
        #expect(try await node.call("hardhat_getAutomine") == false)
        let hash = try await node.send(TestNode.transfer(nonce: 0))
        #expect(try await node.call("eth_blockNumber") == "0x0")
        #expect(try await node.call("anvil_dropTransaction", #"["\#(hash)"]"#).stringValue == hash)
        #expect(try await node.call("anvil_dropTransaction", #"["\#(hash)"]"#) == .null)
        try await node.send(TestNode.transfer(nonce: 0))
        _ = try await node.call("evm_setAutomine", "[true]")
        #expect(try await node.call("eth_blockNumber") == "0x1")
        #expect(try await node.call("anvil_getIntervalMining") == .null)
        _ = try await node.call("evm_setIntervalMining", "[3600]")
        #expect(try await node.call("anvil_getIntervalMining") == 3600)
        _ = try await node.call("evm_setIntervalMining", "[0]")
        #expect(try await node.call("anvil_getIntervalMining") == .null)
    }

    @Test func `the next block is as it was asked for`() async throws {
        let node = try TestNode.devnet()
        _ = try await node.call("anvil_setNextBlockBaseFeePerGas", #"["0x7"]"#)
        #expect(try await node.call("eth_baseFee") == "0x7")
        _ = try await node.call("hardhat_setCoinbase", #"["\#(TestNode.receiver)"]"#)
        let random = "0x" + String(repeating: "ab", count: 32)
        #expect(try await node.call("hardhat_setPrevRandao", #"["\#(random)"]"#) == true)
        #expect(try await node.call("evm_setBlockGasLimit", #"["0x1c9c380"]"#) == true)
        _ = try await node.call("evm_mine")
        let block = try await node.call("eth_getBlockByNumber", #"["latest", false]"#)
        #expect(block["baseFeePerGas"] == "0x7")
        #expect(block["miner"]?.stringValue == TestNode.receiver.description)
        #expect(block["mixHash"]?.stringValue == random)
        #expect(block["gasLimit"] == "0x1c9c380")
        #expect(try await node.call("eth_coinbase").stringValue == TestNode.receiver.description)
    }

    @Test func `tools learn what node it is`() async throws {
        let node = try TestNode.devnet()
        _ = try await node.call("evm_snapshot")
        let info = try await node.call("anvil_nodeInfo")
        #expect(info["currentBlockNumber"] == "0x0")
        #expect(info["environment"]?["chainId"] == 31337)
        #expect(info["hardFork"] == "Cancun")
        for method in ["anvil_metadata", "hardhat_metadata"] {
            let metadata = try await node.call(method)
            #expect(metadata["chainId"] == 31337)
            #expect(metadata["clientVersion"] == "Apus/test")
            #expect(metadata["snapshots"]?.objectValue?.count == 1)
            #expect(metadata["instanceId"]?.stringValue?.count == 66)
        }
    }
}
