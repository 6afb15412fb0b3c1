import EVM
import EthereumTypes
import Primitives
import Testing

import RPC

@Suite struct OtterscanTests {
    @Test func `a block is shown with what it issued and what was paid`() async throws {
        let node = try TestNode.devnet(mode: .manual)
        for nonce in 0..<3 as Range<UInt64> {
            try await node.send(TestNode.transfer(nonce: nonce, data: [1, 2, 3, 4, 5, 6]))
        }
        _ = try await node.call("evm_mine")
        #expect(try await node.call("ots_getApiLevel") == 8)
        // Otterscan sends bare numbers.
        let details = try await node.call("ots_getBlockDetails", "[1]")
        #expect(details["block"]?["transactionCount"] == 3)
        #expect(details["block"]?["transactions"] == nil)
        #expect(details["block"]?["logsBloom"] == .null)
        #expect(details["issuance"]?["issuance"] == "0x0")
        let receipts = try await node.call("eth_getBlockReceipts", #"["0x1"]"#).arrayValue ?? []
        let fees = receipts.reduce(UInt256.zero) { sum, receipt in
            func value(_ name: String) -> UInt256 {
                receipt[name]?.stringValue.flatMap { UInt256(hex: $0) } ?? .zero
            }
            return sum &+ value("gasUsed") &* value("effectiveGasPrice")
        }
        #expect(details["totalFees"]?.stringValue == fees.hexQuantity)
        let hash = details["block"]?["hash"]?.stringValue ?? ""
        #expect(try await node.call("ots_getBlockDetailsByHash", #"["\#(hash)"]"#) == details)
        let header = try await node.call("erigon_getHeaderByNumber", "[1]")
        #expect(header["hash"]?.stringValue == hash)

        // Page 0 is the end of the block.
        let page = try await node.call("ots_getBlockTransactions", "[1, 0, 2]")
        #expect(
            page["fullblock"]?["transactions"]?.arrayValue?.map { $0["nonce"] } == ["0x1", "0x2"])
        #expect(page["fullblock"]?["transactions"]?[0]?["input"] == "0x01020304")
        #expect(page["receipts"]?.arrayValue?.count == 2)
        #expect(page["receipts"]?[0]?["logs"] == .null)
        let last = try await node.call("ots_getBlockTransactions", "[1, 1, 2]")
        #expect(last["fullblock"]?["transactions"]?.arrayValue?.map { $0["nonce"] } == ["0x0"])
        let beyond = try await node.call("ots_getBlockTransactions", "[1, 7, 2]")
        #expect(beyond["fullblock"]?["transactions"] == [])
    }

    @Test func `senders and creators are found in the history`() async throws {
        let node = try TestNode.devnet()
        var hashes: [String] = []
        for nonce in 0..<8 as Range<UInt64> {
            hashes.append(try await node.send(TestNode.transfer(nonce: nonce)))
        }
        // Init code that returns one byte of code.
        let creation = try await node.send(
            TestNode.transfer(
                nonce: 8, value: 0, to: nil, data: [0x60, 0x01, 0x5f, 0xf3], gasLimit: 100_000))
        for nonce in 9..<12 as Range<UInt64> {
            hashes.append(try await node.send(TestNode.transfer(nonce: nonce)))
        }
        let alice = TestNode.alice.address
        for nonce in 0..<8 {
            let found = try await node.call(
                "ots_getTransactionBySenderAndNonce", #"["\#(alice)", \#(nonce)]"#)
            #expect(found.stringValue == hashes[nonce])
        }
        #expect(
            try await node.call("ots_getTransactionBySenderAndNonce", #"["\#(alice)", 12]"#)
                == .null)
        let contract = contractAddress(creator: alice, nonce: 8)
        let creator = try await node.call("ots_getContractCreator", #"["\#(contract)"]"#)
        #expect(creator["hash"]?.stringValue == creation)
        #expect(creator["creator"]?.stringValue == alice.description)
        #expect(try await node.call("ots_hasCode", #"["\#(contract)", "latest"]"#) == true)
        #expect(try await node.call("ots_hasCode", #"["\#(contract)", 8]"#) == false)
        for address in [alice, TestNode.reader] {
            #expect(
                try await node.call("ots_getContractCreator", #"["\#(address)"]"#) == .null)
        }
    }

    @Test func `a transaction is taken apart`() async throws {
        let node = try TestNode.devnet()
        let caller = Address(w0: 0xe0, w1: 0, w2: 0x77)
        // Creates an empty contract, and sends 3 wei to the receiver.
        let code =
            "0x5f5f5ff0505f5f5f5f600373\(TestNode.receiver.description.dropFirst(2))5af100"
        _ = try await node.call("anvil_setCode", #"["\#(caller)", "\#(code)"]"#)
        let hash = try await node.send(
            TestNode.transfer(nonce: 0, value: 3, to: caller, gasLimit: 200_000))
        let operations = try await node.call("ots_getInternalOperations", #"["\#(hash)"]"#)
        #expect(operations.arrayValue?.map { $0["type"] } == [2, 0])
        #expect(operations[1]?["to"]?.stringValue == TestNode.receiver.description)
        #expect(operations[1]?["value"] == "0x3")
        let trace = try await node.call("ots_traceTransaction", #"["\#(hash)"]"#)
        #expect(trace.arrayValue?.map { $0["type"] } == ["CALL", "CREATE", "CALL"])
        #expect(trace.arrayValue?.map { $0["depth"] } == [0, 1, 1])
        let reverted = try await node.send(
            TestNode.transfer(nonce: 1, value: 0, to: TestNode.reverter, data: [0xab, 0xcd]))
        #expect(
            try await node.call("ots_getTransactionError", #"["\#(reverted)"]"#) == "0xabcd")
        #expect(try await node.call("ots_getTransactionError", #"["\#(hash)"]"#) == "0x")
    }
}
