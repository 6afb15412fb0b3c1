import Gateway
import Primitives
import Testing

@Suite struct UpstreamRoutesTests {
    static func operation(
        role: String = #""reader""#, cost: String = "instant", cache: String = "view",
        more: String = ""
    ) -> String {
        #"{"summary":"s","x-apus-role":\#(role),"x-apus-cost":"\#(cost)","x-apus-cache":"\#(cache)"\#(more)}"#
    }

    static func document(_ paths: String) -> Bytes {
        Bytes(#"{"openapi":"3.1.0","info":{"title":"Apus"},"paths":{\#(paths)}}"#.utf8)
    }

    @Test func `each operation is a route`() throws {
        let other = Self.operation(
            role: #""writer""#, cost: "command", cache: "none", more: #","requestBody":{}"#)
        let table = try UpstreamRoutes(
            parsing: Self.document(
                #""/api/a/{x}":{"get":\#(Self.operation())},"/api/b":{"post":\#(other)}"#))
        try #require(table.routes.count == 2)
        let first = table.routes[0]
        #expect(first.name == "GET /api/a/{x}")
        #expect(first.role == .reader)
        #expect(first.cost == .instant && first.cache == .view && first.isIdempotent)
        #expect(!first.takesBody)
        #expect(first.operation["summary"] == "s")
        let second = table.routes[1]
        #expect(second.name == "POST /api/b")
        #expect(second.role == .writer)
        #expect(second.cost == .command && second.cache == .none && !second.isIdempotent)
        #expect(second.takesBody)
    }

    @Test func `a POST that changes nothing may say so`() throws {
        let operation = Self.operation(more: #","x-apus-idempotent":true"#)
        let table = try UpstreamRoutes(
            parsing: Self.document(#""/a":{"post":\#(operation)}"#))
        #expect(table.routes.first?.isIdempotent == true)
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"openapi":"2.0","paths":{}}"#, #"{"openapi":"3.1.0"}"#,
        #"{"openapi":"3.1.0","paths":{"a":{}}}"#, #"{"openapi":"3.1.0","paths":{"/a":1}}"#,
        #"{"openapi":"3.1.0","paths":{"/a":{"get":{}}}}"#,
        #"{"openapi":"3.1.0","paths":{"/a":{"get":\#(operation(role: "null"))}}}"#,
        #"{"openapi":"3.1.0","paths":{"/a":{"get":\#(operation(role: #""a b""#))}}}"#,
        #"{"openapi":"3.1.0","paths":{"/a":{"get":\#(operation(cost: "cheap"))}}}"#,
        #"{"openapi":"3.1.0","paths":{"/a":{"get":\#(operation(cache: "yes"))}}}"#,
    ])
    func `a document that is not understood is an error`(text: String) {
        #expect(throws: UpstreamRoutes.Malformed.self) {
            try UpstreamRoutes(parsing: Bytes(text.utf8))
        }
    }

    @Test func `a document of too many routes is an error`() {
        let paths = (0...UpstreamRoutes.maximum).map { #""/a\#($0)":{"get":\#(Self.operation())}"# }
        #expect(throws: UpstreamRoutes.Malformed.tooManyRoutes) {
            try UpstreamRoutes(parsing: Self.document(paths.joined(separator: ",")))
        }
    }

    @Test func `only routes that all nodes serve alike are served`() throws {
        let one = try UpstreamRoutes(
            parsing: Self.document(
                #""/same":{"get":\#(Self.operation())},"/only":{"get":\#(Self.operation())},"#
                    + #""/role":{"get":\#(Self.operation())}"#))
        let two = try UpstreamRoutes(
            parsing: Self.document(
                #""/role":{"get":\#(Self.operation(role: #""admin""#))},"#
                    + #""/same":{"get":\#(Self.operation())},"/other":{"get":\#(Self.operation())}"#
            ))
        #expect(UpstreamRoutes.common([one, two]).map(\.path) == ["/same"])
        #expect(UpstreamRoutes.common([one]).map(\.path) == ["/same", "/only", "/role"])
        #expect(UpstreamRoutes.common([]).isEmpty)
    }
}
