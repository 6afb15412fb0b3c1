import EthereumTypes
import Foundation
import Primitives
import TestSupport
import Testing

import RPC

/// The request and response pairs of execution-apis, on the chain that they were recorded with.
///
/// A line that begins with `>>` is sent, and the answer must be the line that begins with `<<`, member
/// for member in the same order. Where the file says `speconly`, only the kind of answer counts.
@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint)) struct CompatibilityTests {
    @Test func `every recorded call gets its recorded answer`() async throws {
        let genesis = try Genesis(json: Fixtures.bytes(Fixtures.file("rpc-compat", "genesis.json")))
        let node = try TestNode.follower(genesis: genesis)
        var blocks = RLPDecoder(try Fixtures.bytes(Fixtures.file("rpc-compat", "chain.rlp")))
        while !blocks.isAtEnd { try await node.blockchain.importBlock(try blocks.block()) }
        node.pool.setHead(.init(node.blockchain.head, now: node.blockchain.head.header.timestamp))
        #expect(node.blockchain.head.number == 54)

        var count = 0
        for file in try Fixtures.files("rpc-compat", extension: "io") {
            let method = file.deletingLastPathComponent().lastPathComponent
            try await check(file, method, node)
            count += 1
        }
        #expect(count >= 168)
    }

    private func check(_ file: URL, _ method: String, _ node: TestNode) async throws {
        let name = "\(method)/\(file.lastPathComponent)"
        let text = String(decoding: try Fixtures.bytes(file), as: UTF8.self)
        let isSpecificationOnly = text.contains("speconly")
        var request: String?
        for line in text.split(separator: "\n") {
            if line.hasPrefix(">> ") {
                request = String(line.dropFirst(3))
            } else if line.hasPrefix("<< "), let sent = request {
                let expected = try JSONValue(parsing: String(line.dropFirst(3)))
                let bytes = try #require(await node.rpc.dispatcher.answer(to: Bytes(sent.utf8)))
                let answer = try JSONValue(parsing: bytes)
                let called = try JSONValue(parsing: sent)["method"]?.stringValue ?? ""
                if isSpecificationOnly, let result = answer["result"],
                    let fault = Specification.fault(in: result, of: called)
                {
                    Issue.record("\(name): \(fault)")
                }
                if isSpecificationOnly {
                    #expect((answer["result"] == nil) == (expected["result"] == nil), "\(name)")
                } else if let difference = Self.difference(answer, expected, at: "$") {
                    Issue.record("\(name): \(difference)")
                }
            }
        }
    }

    /// The first place where two values differ.
    private static func difference(
        _ have: JSONValue, _ want: JSONValue, at path: String
    ) -> String? {
        switch (have, want) {
        case (.object(let left), .object(let right)) where Array(left.keys) == Array(right.keys):
            for key in left.keys {
                if let left = left[key], let right = right[key],
                    let difference = difference(left, right, at: "\(path).\(key)")
                {
                    return difference
                }
            }
            return nil
        case (.object(let left), .object(let right)):
            return "\(path): members \(Array(left.keys)), not \(Array(right.keys))"
        case (.array(let left), .array(let right)) where left.count == right.count:
            for index in left.indices {
                if let difference = difference(left[index], right[index], at: "\(path)[\(index)]") {
                    return difference
                }
            }
            return nil
        default: return have == want ? nil : "\(path): \(have), not \(want)"
        }
    }
}
