import PluginAPI
public import Primitives
import RPC

/// The OpenAPI 3.1 document of a gateway, made from the routes.
///
/// What OpenAPI has no word for stands under names of our own: the role that a caller needs
/// (`x-apus-role`), where the work is done (`x-apus-cost`), what an answer follows from
/// (`x-apus-cache`), whether asking twice does no harm (`x-apus-idempotent`), and what the value of a
/// parameter adds to the cost of a request (`x-apus-units`). A gateway before several nodes learns
/// all that it must know from this document.
public enum OpenAPI {
    /// The document.
    ///
    /// - Parameter version: of the program.
    public static func document(_ routes: [GatewayRoute], version: String) -> JSONValue {
        var paths = JSONObject()
        for route in routes {
            let method = route.method.rawValue.lowercased()
            var item = paths[route.path]?.objectValue ?? JSONObject()
            if item[method] == nil { item[method] = route.operation }
            paths[route.path] = .object(item)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Apus", "version": .string(version),
                "summary": "An Ethereum node: its chain, analytics and forecasts over REST.",
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "paths": .object(paths),
            "components": [
                "schemas": ["Problem": problem],
                "securitySchemes": [
                    "token": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"]
                ],
            ],
            "security": [["token": []], [:]],
        ]
    }

    /// The operation of a declared route.
    static func operation(_ route: RESTRoute) -> JSONValue {
        var content = JSONObject()
        for type in route.mediaTypes {
            content[type] = route.answerSchema.map { ["schema": $0] } ?? ["schema": [:]]
        }
        return operation(
            method: route.method, path: route.path, summary: route.summary, role: route.role,
            cost: route.cost, cache: route.cache, isIdempotent: route.cost != .command,
            parameters: route.parameters, content: .object(content))
    }

    static func operation(
        method: RESTRoute.Method, path: String, summary: String, role: RESTRole,
        cost: RPCMethod.Cost, cache: RESTCache, isIdempotent: Bool,
        parameters: [RESTParameterDescription], content: JSONValue
    ) -> JSONValue {
        var operation: JSONObject = [
            "operationId": .string(identifier(method, path)), "summary": .string(summary),
            "tags": [.string(tag(of: path))],
        ]
        let listed = parameters.filter { $0.place != .body }.map { parameter -> JSONValue in
            var entry: JSONObject = [
                "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
                "description": .string(parameter.summary),
                "required": .bool(parameter.isRequired || parameter.place == .path),
                "schema": parameter.schema,
            ]
            if parameter.units > 0 { entry["x-apus-units"] = .number("\(parameter.units)") }
            return .object(entry)
        }
        if !listed.isEmpty { operation["parameters"] = .array(listed) }
        if let body = parameters.first(where: { $0.place == .body }) {
            operation["requestBody"] = [
                "description": .string(body.summary), "required": .bool(body.isRequired),
                "content": ["application/json": ["schema": body.schema]],
            ]
        }
        operation["responses"] = [
            "200": ["description": "The answer.", "content": content],
            "default": [
                "description": "A problem (RFC 9457).",
                "content": [
                    "application/problem+json": [
                        "schema": ["$ref": "#/components/schemas/Problem"]
                    ]
                ],
            ],
        ]
        operation["x-apus-role"] = .string(role.description)
        operation["x-apus-cost"] = .string(cost.rawValue)
        operation["x-apus-cache"] = .string(cache.rawValue)
        operation["x-apus-idempotent"] = .bool(isIdempotent)
        return .object(operation)
    }

    /// `getApiBalanceAddress`: letters and digits, as generators of clients want it.
    private static func identifier(_ method: RESTRoute.Method, _ path: String) -> String {
        let words = path.split { !$0.isLetter && !$0.isNumber }
        return method.rawValue.lowercased()
            + words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// `analytics` of `/api/analytics/{address}`.
    private static func tag(of path: String) -> String {
        let words = path.split(separator: "/").filter { !$0.hasPrefix("{") }.map(String.init)
        let word = words.first == "api" ? words.dropFirst().first : words.first
        return word ?? "gateway"
    }

    private static let problem: JSONValue = [
        "type": "object", "required": ["type", "title", "status", "request_id"],
        "properties": [
            "type": ["type": "string"], "title": ["type": "string"],
            "status": ["type": "integer"], "detail": ["type": "string"],
            "request_id": ["type": "string"],
        ],
    ]
}
