public import PluginAPI
public import RPC

/// What roles are given for: routes and JSON-RPC methods. What nobody is given is refused.
public struct RolePolicy: Sendable {
    /// What a role of tokens is given.
    public struct Grant: Sendable, Hashable {
        /// The roles of routes that it may call.
        public var routes: Set<RESTRole>
        /// Namespaces and methods of JSON-RPC beyond those that belong to the roles.
        public var methods: Set<String>

        /// A grant.
        public init(routes: Set<RESTRole>, methods: Set<String> = []) {
            self.routes = routes
            self.methods = methods
        }
    }

    /// What the roles are given where the settings say nothing else.
    public static let standard: [String: Grant] = [
        "reader": Grant(routes: [.reader]),
        "writer": Grant(routes: [.reader, .writer]),
        "admin": Grant(routes: [.reader, .writer, .monitor, .probe, .admin]),
        "monitor": Grant(routes: [.monitor, .probe]),
        "probe": Grant(routes: [.probe]),
    ]

    private let grants: [String: Grant]
    private let methods: [RESTRole: Set<String>]

    /// - Parameters:
    ///   - grants: what each role is given, in place of the standard or beside it.
    ///   - methods: the JSON-RPC methods of the node.
    ///   - plugins: the namespaces of plugins.
    public init(grants: [String: Grant] = [:], methods: [RPCMethod] = [], plugins: [String] = []) {
        self.grants = Self.standard.merging(grants) { $1 }
        var byRole: [RESTRole: Set<String>] = [:]
        for method in methods {
            let role = Self.role(of: method, plugins: Set(plugins))
            byRole[role, default: []].formUnion([method.name] + method.aliases)
        }
        self.methods = byRole
    }

    /// The roles of routes that a role of tokens may call. One that the settings do not know is the
    /// role of routes of the same name: a plugin's own.
    public func routes(of role: String) -> Set<RESTRole> {
        grants[role]?.routes ?? (RESTRole.all.contains(RESTRole(role)) ? [] : [RESTRole(role)])
    }

    /// The roles of routes that a caller may call.
    public func routes(of roles: [String]) -> Set<RESTRole> {
        roles.reduce(into: []) { $0.formUnion(routes(of: $1)) }
    }

    /// Whether a caller of these roles may call the routes of a role.
    func permits(_ roles: [String], _ role: RESTRole) -> Bool {
        roles.contains { routes(of: $0).contains(role) }
    }

    /// The methods of JSON-RPC that a caller may call.
    public func methods(of roles: [String]) -> RPCAccess {
        guard case .namespaces(var names) = methods(ofRoutes: routes(of: roles)) else {
            return .all
        }
        for role in roles { names.formUnion(grants[role]?.methods ?? []) }
        return .namespaces(names)
    }

    /// The methods of JSON-RPC of somebody who may call the routes of these roles, with a token or
    /// without: those that do what such routes do.
    public func methods(ofRoutes routes: Set<RESTRole>) -> RPCAccess {
        if routes.contains(.admin) { return .all }
        return .namespaces(routes.reduce(into: []) { $0.formUnion(methods[$1] ?? []) })
    }

    /// Methods that sign with a key of the node, or go beyond what their namespace promises.
    private static let signing: Set<String> = [
        "eth_sign", "eth_signTransaction", "eth_signTypedData_v4", "personal_sign",
    ]
    private static let cheating: Set<String> = ["eth_sendUnsignedTransaction"]
    /// Commands, because they keep something for their caller, that only read.
    private static let watching: Set<String> = [
        "eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter",
        "eth_getFilterChanges",
    ]
    private static let open: Set<String> = [
        "eth", "net", "web3", "rpc", "ots", "erigon", "txpool", "apus", "personal",
    ]

    /// The role that a method needs: `reader` for what reads, `writer` for what sends or signs,
    /// `admin` for what traces, cheats or is about the node. A namespace that is not named here
    /// is for `admin`.
    private static func role(of method: RPCMethod, plugins: Set<String>) -> RESTRole {
        let namespace = RPCMethod.namespace(of: method.name)
        guard open.contains(namespace) || plugins.contains(namespace),
            !cheating.contains(method.name)
        else { return .admin }
        if watching.contains(method.name) { return .reader }
        return method.cost == .command || signing.contains(method.name) ? .writer : .reader
    }
}

extension RESTRole {
    /// The roles that the gateway itself knows.
    public static let all: [RESTRole] = [.reader, .writer, .monitor, .probe, .admin]
}
