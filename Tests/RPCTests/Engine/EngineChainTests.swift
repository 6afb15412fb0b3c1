import EthereumTypes
import Foundation
import Primitives
import TestSupport
import Testing

/// The chains that clients are tested with, brought to their heads by a consensus client's calls.
@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct EngineChainTests {
    private func node(of name: String) throws -> TestNode {
        try TestNode.engine(
            genesis: Genesis(json: Fixtures.bytes(Fixtures.file(name, "genesis.json"))))
    }

    /// Makes the call that a file holds.
    private func call(_ request: JSONValue, on node: TestNode) async throws -> JSONValue {
        let method = try #require(request["method"]?.stringValue)
        let params = try #require(request["params"]?.arrayValue)
        return try await node.call(
            method, JSONValue.array(params.map(Self.hexadecimal)).description)
    }

    /// The file has execution requests as Go writes bytes: in base 64.
    private static func hexadecimal(_ parameter: JSONValue) -> JSONValue {
        guard let items = parameter.arrayValue else { return parameter }
        return .array(
            items.map { item in
                guard let text = item.stringValue, !text.hasPrefix("0x"),
                    let bytes = Data(base64Encoded: text)
                else { return item }
                return .string(Hex.encode(bytes))
            })
    }

    private func choose(_ name: String, on node: TestNode) async throws {
        let request = try Fixtures.json(Fixtures.file(name, "headfcu.json"))
        let answer = try await call(request, on: node)
        #expect(answer["payloadStatus"]?["status"] == "VALID", "\(answer)")
        let choice = try #require(request["params"]?[0])
        #expect(node.blockchain.head.hash.description == choice["headBlockHash"]?.stringValue)
        for (tag, name) in [("latest", "head"), ("safe", "safe"), ("finalized", "finalized")] {
            let block = try await node.call("eth_getBlockByNumber", "[\"\(tag)\",false]")
            #expect(block["hash"] == choice["\(name)BlockHash"], "\(tag)")
        }
    }

    @Test func `every payload of a chain of three forks is valid`() async throws {
        let node = try node(of: "chain-ethtest")
        let requests = try #require(
            Fixtures.json(Fixtures.file("chain-ethtest", "newpayload.json")).arrayValue)
        for request in requests where request["params"]?[0]?["blockNumber"] != "0x0" {
            let status = try await call(request, on: node)
            try #require(status["status"] == "VALID", "\(request["id"] ?? .null): \(status)")
        }
        try await choose("chain-ethtest", on: node)
    }

    @Test(arguments: ["chain-rpc-compat", "chain-sync"])
    func `a fork choice makes the end of an imported chain the head`(name: String) async throws {
        let node = try node(of: name)
        var decoder = RLPDecoder(try Fixtures.bytes(Fixtures.file(name, "chain.rlp")))
        while !decoder.isAtEnd {
            let block = try decoder.block()
            if block.header.number > 0 { try await node.blockchain.importBlock(block) }
        }
        try await choose(name, on: node)
    }
}
