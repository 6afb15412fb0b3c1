import Foundation
import Primitives
import RPC
import TestSupport
import Testing

/// The documentation of the methods is the table's.
@Suite struct MethodReferenceTests {
    private static let page = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/rpc.md")

    @Test func `the page is what the table says`() async throws {
        let node = try TestNode.devnet()
        let text = MethodReference.markdown(node.rpc.dispatcher.table, RPCLimits())
        if ProcessInfo.processInfo.environment["APUS_WRITE_DOCS"] != nil {
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
        }
        let kept = try String(contentsOf: Self.page, encoding: .utf8)
        let lines = (kept: kept.split(separator: "\n"), made: text.split(separator: "\n"))
        let stale = Set(lines.kept).symmetricDifference(lines.made)
        #expect(kept == text, "docs/rpc.md is stale: run 'make docs': \(stale.sorted())")
    }

    @Test func `every limit is described`() {
        let described = Set(RPCLimits().reference.map(\.name))
        #expect(Set(Mirror(reflecting: RPCLimits()).children.compactMap(\.label)) == described)
    }

    @Test func `every result has a form`() async throws {
        let node = try TestNode.devnet()
        let document = try await node.call("rpc_discover")
        let methods = try #require(document["methods"]?.arrayValue)
        #expect(methods.count > 240)
        for method in methods {
            let schema = method["result"]?["schema"] ?? .null
            #expect(!Self.isVague(schema), "\(method["name"] ?? .null): \(schema)")
        }
    }

    private static func isVague(_ schema: JSONValue) -> Bool {
        if let alternatives = schema["oneOf"]?.arrayValue {
            return alternatives.contains(where: isVague)
        }
        if schema["anyOf"] != nil { return false }
        switch schema["type"]?.stringValue {
        case "object":
            return schema["properties"] == nil && schema["additionalProperties"] == nil
                && schema["title"] != nil
        case "array": return schema["items"] == nil || schema["items"] == [:]
        case nil: return true
        default: return false
        }
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `every method of the specification is there`() async throws {
        try #require(!Specification.results.isEmpty)
        let node = try TestNode.devnet()
        let served = Set(node.rpc.dispatcher.table.methods.flatMap { [$0.name] + $0.aliases })
        // The Engine API has a port of its own.
        let missing = Specification.results.keys.filter { name in
            !name.hasPrefix("engine_") && !served.contains(name)
        }
        #expect(missing.sorted() == [])
    }
}
