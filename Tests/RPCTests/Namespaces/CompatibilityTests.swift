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
@Suite(.enabled(if: Fixtures.has("rpc-compat"), Fixtures.hint)) struct CompatibilityTests {
    /// Not served by these namespaces.
    private static let absent: Set<String> = ["testing_buildBlockV1"]

    /// Begins on a block that is not the head, for which no state root is made.
    private static let earlierBlock: Set<String> = [
        "ethSimulate-empty-with-block-num-set-minusone.io"
    ]

    /// Moving a precompile, or putting code in its place, is not supported: the machine knows
    /// precompiles by their addresses.
    private static let movedPrecompiles: Set<String> = [
        "ethSimulate-move-ecrecover-and-call.io", "ethSimulate-move-ecrecover-twice-and-call.io",
        "ethSimulate-move-two-accounts-to-same-38023.io", "ethSimulate-override-ecrecover.io",
        "ethSimulate-override-sha256.io", "ethSimulate-use-as-many-features-as-possible.io",
    ]

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
            if Self.absent.contains(method) { continue }
            if Self.movedPrecompiles.union(Self.earlierBlock).contains(file.lastPathComponent) {
                continue
            }
            try await check(file, method, node)
            count += 1
        }
        #expect(count > 140)
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
                if isSpecificationOnly && !method.hasPrefix("debug_") {
                    #expect((answer["result"] == nil) == (expected["result"] == nil), "\(name)")
                } else {
                    #expect(answer == expected, "\(name)")
                }
            }
        }
    }
}
