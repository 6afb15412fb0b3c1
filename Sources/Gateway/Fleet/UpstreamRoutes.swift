import PluginAPI
import Primitives
import RPC

/// The table of routes that a node's gateway serves, read from its OpenAPI document.
///
/// The document comes from another process, so nothing in it is trusted to be right: what is not
/// understood is an error, and a route without a rule for who may call it is no route.
package struct UpstreamRoutes: Sendable {
    /// Why a document has no table of routes.
    package enum Malformed: Error, Hashable, Sendable, CustomStringConvertible {
        case noJSON(String)
        case noVersion
        case noPaths
        case tooManyRoutes
        case wrongPath(String)
        case wrongOperation(String, String)

        /// One line for the log.
        package var description: String {
            switch self {
            case .noJSON(let reason): "it is not JSON: \(reason)"
            case .noVersion: "it does not say that it is OpenAPI 3"
            case .noPaths: "it has no paths"
            case .tooManyRoutes: "it has more than \(UpstreamRoutes.maximum) routes"
            case .wrongPath(let path): "\(path) is no path"
            case .wrongOperation(let route, let reason): "\(route) \(reason)"
            }
        }
    }

    /// More is a mistake.
    package static let maximum = 1000

    /// The routes, in the order of the document.
    package private(set) var routes: [GatewayRoute]

    /// Reads a document.
    package init(parsing text: Bytes) throws(Malformed) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: text)
        } catch {
            throw .noJSON("\(error)")
        }
        guard let version = value["openapi"]?.stringValue, version.hasPrefix("3.") else {
            throw .noVersion
        }
        guard let paths = value["paths"]?.objectValue else { throw .noPaths }
        var routes: [GatewayRoute] = []
        for (path, item) in zip(paths.keys, paths.values) {
            guard path.hasPrefix("/"), path.utf8.count <= 512, let operations = item.objectValue
            else { throw .wrongPath(path) }
            for (name, operation) in zip(operations.keys, operations.values) {
                guard let method = RESTRoute.Method(rawValue: name.uppercased()) else { continue }
                routes.append(try Self.route(method, path, operation))
                guard routes.count <= Self.maximum else { throw .tooManyRoutes }
            }
        }
        self.routes = routes
    }

    private static func route(
        _ method: RESTRoute.Method, _ path: String, _ operation: JSONValue
    ) throws(Malformed) -> GatewayRoute {
        let name = "\(method.rawValue) \(path)"
        guard let role = operation["x-apus-role"]?.stringValue, TokenText.isName(role) else {
            throw .wrongOperation(name, "does not say who may call it (x-apus-role)")
        }
        guard
            let cost = operation["x-apus-cost"]?.stringValue.flatMap({
                RPCMethod.Cost(rawValue: $0)
            })
        else { throw .wrongOperation(name, "does not say what it costs (x-apus-cost)") }
        guard
            let cache = operation["x-apus-cache"]?.stringValue.flatMap({ RESTCache(rawValue: $0) })
        else { throw .wrongOperation(name, "does not say if it may be kept (x-apus-cache)") }
        return GatewayRoute(
            method: method, path: path, role: RESTRole(role), cost: cost, cache: cache,
            isIdempotent: operation["x-apus-idempotent"]?.boolValue ?? (method == .get),
            takesBody: operation["requestBody"] != nil, operation: operation)
    }

    /// The routes that all of several nodes serve alike, so that any of them may be asked: in the
    /// order of the first.
    package static func common(_ tables: [UpstreamRoutes]) -> [GatewayRoute] {
        guard let first = tables.first else { return [] }
        let others = tables.dropFirst().map { table in
            Dictionary(table.routes.map { ($0.name, $0) }) { first, _ in first }
        }
        return first.routes.filter { route in
            others.allSatisfy { other in other[route.name].map { $0.isAlike(route) } ?? false }
        }
    }
}

extension GatewayRoute {
    /// Whether it is the same for all that a gateway does with it.
    fileprivate func isAlike(_ other: GatewayRoute) -> Bool {
        role == other.role && cost == other.cost && cache == other.cache
            && isIdempotent == other.isIdempotent && takesBody == other.takesBody
    }
}
