import BlockProduction
import Gateway
import PluginAPI
import Primitives
import RPC
import Testing

/// Who may do what: the whole table of roles, routes and methods, made from what is declared.
@Suite struct RoleTests {
    /// What each role of tokens is given, said once more and by hand: a change is meant.
    static let grants: [String: Set<RESTRole>] = [
        "reader": [.reader], "writer": [.reader, .writer],
        "admin": [.reader, .writer, .monitor, .probe, .admin], "monitor": [.monitor, .probe],
        "probe": [.probe], "stranger": [],
    ]

    /// A path that a route matches, whatever its parameters are.
    private static func target(of route: GatewayRoute) -> String {
        route.path.split(separator: "/", omittingEmptySubsequences: false).map { part in
            part.hasPrefix("{") ? "x" : String(part)
        }.joined(separator: "/")
    }

    @Test func `every role may call the routes that it is given, and is refused at all others`()
        async throws
    {
        let test = try await GatewayFixture()
        var cells = 0
        for route in test.gateway.routes {
            for (role, granted) in Self.grants {
                let reply = await test.send(
                    route.method.rawValue, Self.target(of: route), token: try test.bearer(role),
                    body: route.method == .post ? "{}" : nil)
                if granted.contains(route.role) {
                    #expect(
                        ![401, 403, 404, 405].contains(reply.status)
                            || route.path == "/health/{module}",
                        "\(role) may call \(route.name), and got \(reply.status)")
                } else {
                    #expect(reply.status == 403, "\(role) may not call \(route.name)")
                    #expect(
                        reply.header("WWW-Authenticate")?.contains("insufficient_scope") == true)
                }
                cells += 1
            }
            let nobody = await test.send(route.method.rawValue, Self.target(of: route))
            #expect(nobody.status == 401, "nobody may call \(route.name)")
            for other in RESTRoute.Method.allCases where other != route.method {
                let isThere = test.gateway.routes.contains {
                    $0.method == other && $0.path == route.path
                }
                let reply = await test.send(
                    other.rawValue, Self.target(of: route), token: try test.bearer("admin"))
                #expect((reply.status == 405) == !isThere, "\(other) \(route.path)")
                cells += 1
            }
        }
        #expect(cells > 150)
    }

    @Test func `anybody may what the settings say, and nothing else`() async throws {
        for role in RESTRole.all {
            let test = try await GatewayFixture { $0.anonymous = [role] }
            for route in test.gateway.routes {
                let reply = await test.send(
                    route.method.rawValue, Self.target(of: route),
                    body: route.method == .post ? "{}" : nil, peer: "10.0.0.1")
                #expect((reply.status == 401) == (route.role != role), "\(role) \(route.name)")
            }
        }
    }

    @Test func `every route has a role that the gateway knows, and its own name`() async throws {
        let test = try await GatewayFixture()
        let routes = test.gateway.routes
        #expect(Set(routes.map(\.name)).count == routes.count)
        #expect(Set(routes.map(\.role)) == Set(RESTRole.all))
        for path in [
            "/api/balance/{address}", "/api/transaction", "/api/transaction/{hash}",
            "/api/block/{id}", "/api/analytics/{address}", "/api/analytics/network",
            "/api/analytics/export/{table}", "/api/ai/predict", "/api/ai/fees", "/predict",
            "/analytics/{address}", "/balance/{address}", "/health", "/health/{module}", "/livez",
            "/readyz", "/metrics", "/api/events/blocks", "/openapi.json", "/",
        ] {
            #expect(routes.contains { $0.path == path }, "\(path) is missing")
        }
    }

    @Test func `every method of JSON-RPC is for the role that it needs`() async throws {
        let test = try await GatewayFixture()
        let methods = test.rpc.dispatcher.table.methods
        let policy = RolePolicy(methods: methods, plugins: test.plugins.names)
        let access = ["reader", "writer", "monitor", "probe", "stranger"].map {
            ($0, policy.methods(of: [$0]))
        }
        #expect(policy.methods(of: ["admin"]) == .all)
        var counts: [String: Int] = [:]
        for method in methods {
            let needed = MethodRoles.byName[method.name].map { RESTRole($0) }
            #expect(needed != nil, "nobody has thought about who may call \(method.name)")
            for name in [method.name] + method.aliases {
                for (role, access) in access {
                    let mayCall =
                        needed == .reader && ["reader", "writer"].contains(role)
                        || needed == .writer && role == "writer"
                    #expect(access.permits(name) == mayCall, "\(role) \(name)")
                    if mayCall { counts[role, default: 0] += 1 }
                }
            }
        }
        #expect(counts["reader"].map { $0 > 60 } == true)
        #expect(counts["monitor"] == nil)
    }

    @Test func `the settings give roles other things`() async throws {
        let grants = [
            "analyst": RolePolicy.Grant(
                routes: [.reader, .admin], methods: ["trace", "debug_traceTransaction"]),
            "writer": RolePolicy.Grant(routes: [.writer]),
        ]
        let test = try await GatewayFixture { $0.roles = grants }
        let policy = RolePolicy(grants: grants, methods: test.rpc.dispatcher.table.methods)
        #expect(policy.routes(of: ["analyst"]) == [.reader, .admin])
        #expect(policy.routes(of: ["writer"]) == [.writer])
        #expect(policy.routes(of: ["writer", "monitor"]) == [.writer, .monitor, .probe])
        let token = try test.bearer("writer")
        #expect(await test.send("/api/block/0", token: token).status == 403)
        let traces = RolePolicy(
            grants: [
                "tracer": RolePolicy.Grant(
                    routes: [], methods: ["trace", "debug_traceTransaction"])
            ], methods: test.rpc.dispatcher.table.methods
        ).methods(of: ["tracer"])
        #expect(traces.permits("trace_block"))
        #expect(traces.permits("debug_traceTransaction"))
        #expect(!traces.permits("debug_traceCall"))
        #expect(!traces.permits("eth_call"))
    }

    @Test func `who needs no token may call the methods that go with the open routes`()
        async throws
    {
        let test = try await GatewayFixture(plugins: [])
        let methods = test.rpc.dispatcher.table.methods
        // What tokens of the same names are given is not for everybody.
        let policy = RolePolicy(
            grants: [
                "reader": RolePolicy.Grant(routes: [.reader, .writer], methods: ["trace"]),
                "probe": RolePolicy.Grant(routes: [.admin]),
            ], methods: methods)
        #expect(policy.methods(ofRoutes: []) == .namespaces([]))
        #expect(policy.methods(ofRoutes: [.probe, .monitor]) == .namespaces([]))
        #expect(policy.methods(ofRoutes: [.admin]) == .all)
        let reading = policy.methods(ofRoutes: [.reader, .probe])
        let sending = policy.methods(ofRoutes: [.writer])
        for method in methods {
            let needed = MethodRoles.byName[method.name].map { RESTRole($0) }
            for name in [method.name] + method.aliases {
                #expect(reading.permits(name) == (needed == .reader), "\(name)")
                #expect(sending.permits(name) == (needed == .writer), "\(name)")
            }
        }
    }

    @Test func `a plugin's own role is for tokens that have it by name`() async throws {
        let test = try await GatewayFixture(plugins: [GuardedPlugin.self])
        #expect(await test.send("/guarded", token: try test.bearer("guard")).status == 200)
        for role in ["reader", "admin"] {
            #expect(await test.send("/guarded", token: try test.bearer(role)).status == 403)
        }
    }

    @Test func `access to JSON-RPC is what both the listener and the role allow`() {
        let reader = RPCAccess.namespaces(["eth_call", "net_version", "engine_x"])
        #expect(reader.intersection(.all) == .namespaces(["eth_call", "net_version"]))
        #expect(RPCAccess.all.intersection(reader) == .namespaces(["eth_call", "net_version"]))
        #expect(RPCAccess.all.intersection(.all) == .all)
        #expect(
            reader.intersection(.namespaces(["eth", "web3"])) == .namespaces(["eth_call"]))
        #expect(
            RPCAccess.namespaces(["eth"]).intersection(.namespaces(["eth_call", "net"]))
                == .namespaces(["eth_call"]))
        #expect(RPCAccess.engine.intersection(.engine) == .engine)
    }
}

/// Has a route for a role of its own.
final class GuardedPlugin: NodePlugin {
    static let manifest = PluginManifest(name: "guarded", summary: "Guards.")

    init(_: inout PluginConfiguration) throws(PluginError) {}

    func open(_: PluginHandle) throws -> PluginOffer {
        PluginOffer(routes: [
            RESTRoute(.get, "/guarded", "Is guarded.", role: RESTRole("guard")) { _ in "in" }
        ])
    }
}
