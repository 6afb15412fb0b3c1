import Foundation
import Logging
import NIOCore
import Primitives
import Testing

import RPC

@Suite struct IPCTests {
    private let none = #"{"jsonrpc":"2.0","id":1,"method":"test_none"}"#
    private let noneAnswer = #"{"jsonrpc":"2.0","id":1,"result":null}"#

    private func withSocket(
        limits: RPCLimits = RPCLimits(), _ body: (String, RawClient) async throws -> Void
    ) async throws {
        let path = NSTemporaryDirectory() + "apus-\(UInt32.random(in: 0...UInt32.max)).ipc"
        let server = RPCServer(
            dispatcher: TestMethods.dispatcher(limits: limits), eventLoops: 1,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, health: { .null })
        try await server.listen(unixSocket: path)
        let client = try await RawClient(unixSocket: path)
        do {
            try await body(path, client)
        } catch {
            try await server.stop()
            throw error
        }
        try await server.stop()
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    private func lines(_ client: RawClient, _ count: Int) async throws -> [String] {
        let bytes = try await client.receive { $0.count { $0 == 10 } >= count }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func `only the owner may open the socket`() async throws {
        try await withSocket { path, _ in
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test func `requests need no separator`() async throws {
        try await withSocket { _, client in
            try await client.send("\(none)\(none) \n [\(none)]")
            #expect(try await lines(client, 3) == [noneAnswer, noneAnswer, "[\(noneAnswer)]"])
        }
    }

    @Test func `a request may come byte by byte`() async throws {
        try await withSocket { _, client in
            for byte in none.utf8 { try await client.send([byte]) }
            #expect(try await lines(client, 1) == [noneAnswer])
        }
    }

    @Test func `nonsense is a parse error and the next request is answered`() async throws {
        try await withSocket { _, client in
            try await client.send("nonsense\n}\(none)")
            let answers = try await lines(client, 3)
            #expect(answers.prefix(2).allSatisfy { $0.contains("-32700") })
            #expect(answers.last == noneAnswer)
        }
    }

    @Test func `a request beyond the limit ends the connection`() async throws {
        var limits = RPCLimits()
        limits.messageBytes = 100
        for (count, isFine) in [(100, true), (101, false), (1_000_000, false)] {
            try await withSocket(limits: limits) { _, client in
                try await client.keepSending()
                let spaces = String(repeating: " ", count: count - none.utf8.count)
                try await client.send("{" + spaces + none.dropFirst())
                if isFine {
                    #expect(try await lines(client, 1) == [noneAnswer])
                } else {
                    #expect(try await client.waitUntilClosed(), "\(count)")
                    #expect(client.bytes.isEmpty)
                }
                try await client.close()
            }
        }
        // Also if the end of the request never comes.
        try await withSocket(limits: limits) { _, client in
            try await client.send("{" + String(repeating: " ", count: 100))
            #expect(try await client.waitUntilClosed())
        }
    }

    @Test func `notifications come over the socket`() async throws {
        try await withSocket { _, client in
            try await client.send(
                #"{"jsonrpc":"2.0","id":1,"method":"test_notify","params":[2,3]}"#)
            #expect(
                try await lines(client, 3)
                    == [#"{"jsonrpc":"2.0","id":1,"result":true}"#, "nnn", "nnn"])
        }
    }
}
