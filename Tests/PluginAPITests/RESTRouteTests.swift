import Chain
import PluginAPI
import Primitives
import RPC
import TestSupport
import Testing

@Suite struct RESTRouteTests {
    private let route = RESTRoute(
        .get, "/api/x/{address}", "A test.", role: .reader,
        RESTParameter<Address>.path("address", "Whose."),
        RESTParameter<UInt64>.query("days", "How long.", default: 30, in: 1...366),
        RESTParameter<UInt256?>.query("amount", "How much.")
    ) { context, address, days, amount -> String in
        "\(context.view.number) \(address.w2) \(days) \(amount.map { "\($0)" } ?? "-")"
    }

    private func answer(_ path: String, _ query: [String: String] = [:]) throws -> String? {
        let test = try PluginFixture(try TemporaryDirectory(), plugins: [])
        guard let values = route.match(path) else { return nil }
        let context = RESTContext(view: test.chain.head.view, deadline: .now + .seconds(1))
        let answer = try route.answer(RESTArguments(path: values, query: query), in: context)
        guard case .whole(let bytes) = answer.content else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private let address = "0x0000000000000000000000000000000000000007"

    @Test func `arguments are read by their types, and defaults stand in`() throws {
        #expect(try answer("/api/x/\(address)") == "\"0 7 30 -\"")
        #expect(
            try answer("/api/x/\(address)", ["days": "366", "amount": "12"]) == "\"0 7 366 12\"")
        #expect(try answer("/api/y/\(address)") == nil)
        #expect(try answer("/api/x/\(address)/z") == nil)
    }

    @Test(
        arguments: [
            ("0x07", [:]),
            ("0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", [:]),
            ("0x0000000000000000000000000000000000000007", ["days": "0"]),
            ("0x0000000000000000000000000000000000000007", ["days": "367"]),
            ("0x0000000000000000000000000000000000000007", ["days": "+1"]),
            ("0x0000000000000000000000000000000000000007", ["days": ""]),
            ("0x0000000000000000000000000000000000000007", ["days": "99999999999999999999"]),
            ("0x0000000000000000000000000000000000000007", ["amount": "-1"]),
            ("0x0000000000000000000000000000000000000007", ["amount": "1e3"]),
            ("0x0000000000000000000000000000000000000007", ["nonsense": "1"]),
        ] as [(String, [String: String])])
    func `a wrong argument is a problem with status 400`(
        address: String, query: [String: String]
    ) {
        #expect {
            try answer("/api/x/\(address)", query)
        } throws: { ($0 as? RESTError)?.status == 400 }
    }

    @Test func `a description tells what the OpenAPI document needs`() {
        #expect(route.parameters.map(\.name) == ["address", "days", "amount"])
        #expect(route.parameters.map(\.isRequired) == [true, false, false])
        #expect(route.parameters[1].schema["maximum"] == .number("366"))
    }

    @Test func `a command is awaited, and what it throws is the caller's or the node's`()
        async throws
    {
        let test = try PluginFixture(try TemporaryDirectory(), plugins: [])
        let context = RESTContext(view: test.chain.head.view, deadline: .now + .seconds(1))
        let command = RESTRoute.command(
            .post, "/do", "A test.", role: .writer,
            RESTParameter<UInt64>.body("count", "How often.")
        ) { context, count -> String in
            await Task.yield()
            guard count < 3 else {
                throw RPCError(code: RPCErrorCode.internalError, message: "secret")
            }
            return "\(context.view.number) \(count)"
        }
        #expect(command.cost == .command)
        #expect(command.cache == .none)
        let answer = try await command.answer(
            command: RESTArguments(body: Bytes("2".utf8)), in: context)
        guard case .whole(let bytes) = answer.content else { return }
        #expect(String(decoding: bytes, as: UTF8.self) == "\"0 2\"")
        for (body, status) in [("x", 400), ("", 400), ("-0", 400), ("+1", 400), ("3", 500)] {
            await #expect {
                try await command.answer(
                    command: RESTArguments(body: Bytes(body.utf8)), in: context)
            } throws: { ($0 as? RESTError)?.status == status }
        }
        // It is not for threads that wait for nothing.
        #expect(throws: RESTError.self) {
            try command.answer(RESTArguments(body: Bytes("2".utf8)), in: context)
        }
    }

    @Test func `a body where none is taken is refused`() throws {
        let test = try PluginFixture(try TemporaryDirectory(), plugins: [])
        let context = RESTContext(view: test.chain.head.view, deadline: .now + .seconds(1))
        let values = try #require(route.match("/api/x/\(address)"))
        #expect(throws: RESTError.self) {
            try route.answer(RESTArguments(path: values, body: [1]), in: context)
        }
    }
}
