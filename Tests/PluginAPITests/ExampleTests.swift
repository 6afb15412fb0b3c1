import Chain
import LargestTransfer
import PluginAPI
import Primitives
import TestSupport
import Testing

@Suite struct ExampleTests {
    @Test func `the example of the guide does what it says`() async throws {
        let test = try PluginFixture(
            try TemporaryDirectory(), plugins: [LargestTransfer.self],
            settings: ["largest": ["least": "3"]])
        func largest() throws -> String {
            let route = try #require(test.host.routes.first)
            let address = FixedKeys.alice.address.checksummed
            let values = try #require(route.match("/api/largest/\(address)"))
            let answer = try route.answer(
                RESTArguments(path: values),
                in: RESTContext(view: test.chain.head.view, deadline: .now + .seconds(1)))
            guard case .whole(let bytes) = answer.content else { return "" }
            return String(decoding: bytes, as: UTF8.self)
        }
        for value in [2, 5, 4, 9] as [UInt256] { try await test.produce(1, value: value) }
        #expect(try largest() == "\"9\"")
        try await test.chain.rollback(to: 3)
        #expect(try largest() == "\"5\"")
        try await test.chain.rollback(to: 1)
        #expect(try largest() == "\"0\"")
        #expect(test.host.methods.contains { $0.name == "largest_get" })
        let samples = test.host.metrics.snapshot().first { $0.name == "apus_largest_records_total" }
        #expect(samples?.samples.first?.value == 2)
    }
}
