import Foundation
import Gateway
import Primitives
import RPC
import TestSupport
import Testing

/// The one admission of REST and JSON-RPC, as a listener of JSON-RPC sees it.
@Suite struct AdmissionTests {
    private func listener(_ test: GatewayFixture) -> RPCListener {
        var listener = RPCListener(host: "127.0.0.1", port: 0, http: .all, webSocket: .all)
        test.admission.admit(to: &listener)
        return listener
    }

    private func caller(
        _ listener: RPCListener, _ authorization: String?, address: String = "10.0.0.9",
        forwardedFor: [String] = []
    ) throws -> RPCCaller {
        let authorize = try #require(listener.authorize)
        return try authorize(
            RPCCredentials(
                authorization: authorization, address: address, forwardedFor: forwardedFor)
        ).get()
    }

    @Test func `a token is worth what its role is given, until it ends`() async throws {
        let test = try await GatewayFixture(plugins: [])
        let listener = listener(test)
        let reader = try caller(listener, try test.bearer("reader"))
        #expect(reader.access.permits("eth_call"))
        #expect(!reader.access.permits("eth_sendRawTransaction"))
        #expect(try caller(listener, try test.bearer("admin")).access == .all)
        #expect(throws: RPCRefusal.self) { try caller(listener, nil) }
        #expect(throws: RPCRefusal.self) { try caller(listener, try test.bearer("reader") + "x") }
        #expect(reader.isAdmitted?() == true)
        test.clock.advance(by: 3_600 + 30)
        #expect(reader.isAdmitted?() == false)
    }

    @Test func `who needs no token gets what goes with the open routes, for as long as he likes`()
        async throws
    {
        let test = try await GatewayFixture(plugins: []) { $0.anonymous = [.reader] }
        let nobody = try caller(listener(test), nil)
        #expect(nobody.access.permits("eth_call"))
        #expect(!nobody.access.permits("eth_sendRawTransaction"))
        #expect(nobody.isAdmitted == nil)
    }

    @Test func `a service has one rate for REST and JSON-RPC`() async throws {
        let test = try await GatewayFixture(plugins: []) { $0.serviceRate = 10 }
        let listener = listener(test)
        let one = try test.bearer("reader", service: "one")
        let limit = try #require(try caller(listener, one).limit)
        // Twenty units at once: a message costs what its methods do, and at least one.
        #expect(limit([.execution, .instant]) == nil)
        #expect(await test.send("/api/balance/\(FixedKeys.bob.address)", token: one).status == 200)
        for _ in 0..<8 { #expect(limit([]) == nil) }
        #expect(limit([]) == 1)
        #expect(await test.send("/api/balance/\(FixedKeys.bob.address)", token: one).status == 429)
        let other = try caller(listener, try test.bearer("reader", service: "two"))
        #expect(other.limit?([.execution, .execution]) == nil)
        #expect(other.limit?([.instant]) == 1)
    }

    @Test func `wrong tokens, and calls without one, are limited by where they come from`()
        async throws
    {
        let test = try await GatewayFixture(plugins: []) {
            $0.addressRate = 1
            $0.anonymous = [.reader]
            $0.trustedProxies = ["10.0.0.1"]
        }
        let listener = listener(test)
        let refused = try #require(listener.refused)
        let proxied = RPCCredentials(
            authorization: "Bearer x", address: "10.0.0.1", forwardedFor: ["10.0.0.2"])
        #expect(refused(proxied, RPCRefusal("bad")) == nil)
        #expect(refused(proxied, RPCRefusal("bad")) == nil)
        #expect(refused(proxied, RPCRefusal("bad")) == 1)
        let same = try caller(
            listener, nil, address: "10.0.0.1", forwardedFor: ["10.0.0.2"])
        #expect(same.limit?([.instant]) == 1)
        #expect(try caller(listener, nil, address: "10.0.0.3").limit?([.instant]) == nil)
    }

    @Test func `each call with a token and each refused one is written down`() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/audit.log"
        let test = try await GatewayFixture(plugins: []) {
            $0.audit = .file(path)
            $0.anonymous = [.reader]
        }
        let listener = listener(test)
        let token = try test.bearer("reader", service: "dashboard")
        let known = try caller(listener, token)
        known.observe?("eth_call", nil)
        known.observe?("eth_call", RPCError(code: 3, message: "execution reverted"))
        known.observe?(nil, RPCError(code: -32_601, message: "the method evil does not exist"))
        let nobody = try caller(listener, nil)
        // What anybody may call is not worth a line.
        nobody.observe?("eth_call", nil)
        nobody.observe?("evm_mine", RPCError(code: -32_601, message: "the method evil"))
        _ = listener.refused?(
            RPCCredentials(authorization: token + "x", address: "10.0.0.8"), RPCRefusal("bad"))
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = try text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
        #expect(lines.map { $0["status"]?.intValue } == [200, 200, 200, 200, 401])
        #expect(lines.map { $0["code"]?.intValue } == [nil, 3, -32_601, -32_601, nil])
        #expect(
            lines.map { $0["route"]?.stringValue } == [
                "JSON-RPC eth_call", "JSON-RPC eth_call", "JSON-RPC unknown", "JSON-RPC evm_mine",
                "JSON-RPC",
            ])
        let unavailable: JSONValue = "there is no such method for this caller"
        #expect(lines.map { $0["reason"] } == [nil, nil, unavailable, unavailable, "bad"])
        #expect(lines[0]["service"] == "dashboard")
        #expect(lines[0]["roles"] == ["reader"])
        #expect(lines[0]["key_id"] == "test")
        #expect(lines[0]["client"] == "10.0.0.9")
        #expect(lines[3]["service"] == nil)
        for secret in [token, "evil"] { #expect(!text.contains(secret)) }
    }
}
