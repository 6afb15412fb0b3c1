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

    @Test func `the page has every method of the core and no others`() async throws {
        let node = try TestNode.devnet()
        let text = MethodReference.markdown(node.rpc.dispatcher.table, RPCLimits())
        if ProcessInfo.processInfo.environment["APUS_WRITE_DOCS"] != nil {
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
        }
        let kept = try String(contentsOf: Self.page, encoding: .utf8)
        let named = Set(kept.matches(of: #/`([a-z0-9]+_\w+)`/#).map { String($0.1) })
        let served = node.rpc.dispatcher.table.methods.flatMap { [$0.name] + $0.aliases }
        #expect(named == Set(served), "docs/rpc.md is stale: run 'make docs'")
    }

    @Test func `every limit is described`() {
        let described = Set(RPCLimits().reference.map(\.name))
        #expect(Set(Mirror(reflecting: RPCLimits()).children.compactMap(\.label)) == described)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `every method of the specification is there`() async throws {
        try #require(!Specification.results.isEmpty)
        let node = try TestNode.devnet()
        let served = Set(node.rpc.dispatcher.table.methods.flatMap { [$0.name] + $0.aliases })
        // The Engine API has a port of its own.
        let missing = Specification.results.keys.filter { name in
            !name.hasPrefix("engine_") && !name.hasPrefix("debug_") && !served.contains(name)
        }
        #expect(missing.sorted() == [])
    }
}
