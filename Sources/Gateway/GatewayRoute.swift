public import PluginAPI
public import Primitives
public import RPC

/// A route as the front knows it: what it needs to let a request in, and the operation of the
/// OpenAPI document.
public struct GatewayRoute: Sendable {
    /// The HTTP method.
    public let method: RESTRoute.Method
    /// The path, with parameters in braces.
    public let path: String
    /// Who may call it.
    public let role: RESTRole
    /// What answering costs.
    public let cost: RPCMethod.Cost
    /// What an answer follows from.
    public let cache: RESTCache
    /// Whether it can be asked again without harm: it changes nothing.
    public let isIdempotent: Bool
    /// Whether it takes a body.
    public let takesBody: Bool
    /// The operation of the OpenAPI document.
    public let operation: JSONValue
    /// The method and the path: what the route is called in logs and figures.
    public let name: String
    /// What values of parameters add to the cost of a request.
    private let additions: [Addition]

    private struct Addition: Sendable {
        let parameter: String
        let units: Double
        /// The largest number that the parameter takes.
        let most: Double
    }

    /// A route.
    public init(
        method: RESTRoute.Method, path: String, role: RESTRole, cost: RPCMethod.Cost,
        cache: RESTCache, isIdempotent: Bool, takesBody: Bool, operation: JSONValue
    ) {
        self.method = method
        self.path = path
        self.role = role
        self.cost = cost
        self.cache = cache
        self.isIdempotent = isIdempotent
        self.takesBody = takesBody
        self.operation = operation
        name = method.rawValue + " " + path
        additions = (operation["parameters"]?.arrayValue ?? []).compactMap { parameter in
            guard let name = parameter["name"]?.stringValue,
                let units = parameter["x-apus-units"]?.doubleValue, (0...1e6).contains(units)
            else { return nil }
            let most = parameter["schema"]?["maximum"]?.doubleValue ?? 1
            return Addition(parameter: name, units: units, most: most)
        }
    }

    /// A declared route.
    public init(_ route: RESTRoute) {
        self.init(
            method: route.method, path: route.path, role: route.role, cost: route.cost,
            cache: route.cache, isIdempotent: route.cost != .command,
            takesBody: route.parameters.contains { $0.place == .body },
            operation: OpenAPI.operation(route))
    }

    /// What a request with these values in its query takes out of its caller's bucket.
    func units(for query: [String: String]) -> Double {
        additions.reduce(Admission.units(cost)) { units, addition in
            guard let text = query[addition.parameter] else { return units }
            let count = text == "true" ? 1 : Double(UInt64(decimalDigits: text) ?? 0)
            return units + addition.units * min(count, addition.most)
        }
    }
}

/// The routes of a gateway, found by the segments of a path.
///
/// A segment that is written out wins over a parameter: `/api/analytics/network` is no account.
public final class RouteTable: Sendable {
    /// What a path leads to.
    public enum Match: Sendable {
        /// A route, and the values of the parameters in its path.
        case found(GatewayRoute, [String: String])
        /// Routes of other methods.
        case otherMethods([RESTRoute.Method])
        /// Nothing.
        case nothing
    }

    private struct Node: Sendable {
        var literals: [String: Node] = [:]
        var parameter: [Node] = []
        var routes: [(names: [String], route: GatewayRoute)] = []
    }

    /// The routes in their order.
    public let routes: [GatewayRoute]
    private let root: Node

    /// A table of these routes. Of two of the same method and form the first counts.
    public init(_ routes: [GatewayRoute]) {
        self.routes = routes
        var root = Node()
        for route in routes {
            let segments = route.path.split(separator: "/", omittingEmptySubsequences: false)
                .dropFirst().map(String.init)
            Self.insert(route, segments[...], [], into: &root)
        }
        self.root = root
    }

    private static func insert(
        _ route: GatewayRoute, _ segments: ArraySlice<String>, _ names: [String],
        into node: inout Node
    ) {
        guard let first = segments.first else {
            node.routes.append((names, route))
            return
        }
        if first.hasPrefix("{"), first.hasSuffix("}") {
            if node.parameter.isEmpty { node.parameter.append(Node()) }
            insert(
                route, segments.dropFirst(), names + [String(first.dropFirst().dropLast())],
                into: &node.parameter[0])
        } else {
            insert(route, segments.dropFirst(), names, into: &node.literals[first, default: Node()])
        }
    }

    /// What a path leads to, its segments decoded.
    public func match(_ method: RESTRoute.Method?, _ segments: [String]) -> Match {
        var found: Match = .nothing
        var values: [String] = []
        Self.search(root, method, segments[...], &values, &found)
        return found
    }

    /// As deep as a path has segments, which the front limits.
    private static func search(
        _ node: Node, _ method: RESTRoute.Method?, _ segments: ArraySlice<String>,
        _ values: inout [String], _ found: inout Match
    ) {
        guard let first = segments.first else {
            guard !node.routes.isEmpty else { return }
            if let entry = node.routes.first(where: { $0.route.method == method }) {
                let pairs = zip(entry.names, values)
                found = .found(entry.route, Dictionary(pairs, uniquingKeysWith: { $1 }))
            } else if case .nothing = found {
                found = .otherMethods(node.routes.map(\.route.method))
            }
            return
        }
        if let next = node.literals[first] {
            search(next, method, segments.dropFirst(), &values, &found)
            if case .found = found { return }
        }
        if let next = node.parameter.first {
            values.append(first)
            search(next, method, segments.dropFirst(), &values, &found)
            values.removeLast()
        }
    }
}
