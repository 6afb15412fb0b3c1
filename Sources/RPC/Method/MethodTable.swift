import Primitives

/// All methods of the node, by name. A method that is not in the table does not exist.
public struct MethodTable: Sendable {
    /// The methods in the order in which they were declared.
    public let methods: [RPCMethod]
    private let byName: [String: RPCMethod]

    /// Builds the table and adds the `rpc` namespace, which describes it.
    ///
    /// Two declarations of one name are a mistake of the programmer and trap.
    public init(_ declared: [RPCMethod], version: String) {
        var methods = declared
        let names = Self.names(declared) + ["rpc_modules", "rpc_discover"]
        methods.append(
            RPCMethod(
                "rpc_modules",
                result: Schema.map(Schema.text),
                instant: { context -> JSONValue in
                    Self.modules(names, context.access)
                }))
        let described = methods
        methods.append(
            RPCMethod(
                "rpc_discover",
                result: Schema.document,
                instant: { context -> JSONValue in
                    OpenRPCDocument.make(described, version: version, access: context.access)
                }))
        var byName: [String: RPCMethod] = [:]
        for method in methods {
            for name in [method.name] + method.aliases {
                precondition(byName[name] == nil, "The method \(name) is declared twice.")
                byName[name] = method
            }
        }
        self.methods = methods
        self.byName = byName
    }

    subscript(name: String) -> RPCMethod? { byName[name] }

    /// The first of these names that is neither a namespace nor a method.
    public func unknown(among names: [String]) -> String? {
        let namespaces = Set(byName.keys.map(RPCMethod.namespace))
        return names.first { byName[$0] == nil && !namespaces.contains($0) }
    }

    private static func names(_ methods: [RPCMethod]) -> [String] {
        methods.flatMap { [$0.name] + $0.aliases }
    }

    /// `rpc_modules` of geth: every namespace that the caller may use, with its version.
    private static func modules(_ names: [String], _ access: RPCAccess) -> JSONValue {
        let namespaces = Set(names.lazy.filter { access.permits($0) }.map(RPCMethod.namespace))
        return .object(JSONObject(namespaces.sorted().map { (key: $0, value: "1.0") }))
    }
}

/// The OpenRPC description of the method table (spec.open-rpc.org, version 1.2.6).
enum OpenRPCDocument {
    static func make(_ methods: [RPCMethod], version: String, access: RPCAccess) -> JSONValue {
        var entries: [JSONValue] = []
        for method in methods {
            for name in [method.name] + method.aliases where access.permits(name) {
                entries.append(entry(method, name: name))
            }
        }
        return [
            "openrpc": "1.2.6",
            "info": ["title": "Apus JSON-RPC", "version": .string(version)],
            "methods": .array(entries),
        ]
    }

    private static func entry(_ method: RPCMethod, name: String) -> JSONValue {
        let parameters = method.parameters.map { parameter -> JSONValue in
            [
                "name": .string(parameter.name), "required": .bool(parameter.isRequired),
                "schema": parameter.schema,
            ]
        }
        var entry: JSONObject = [
            "name": .string(name), "paramStructure": "either", "params": .array(parameters),
            "result": ["name": "result", "schema": method.resultSchema],
            "x-cost": .string(method.cost.rawValue),
        ]
        if name != method.name { entry["x-alias-of"] = .string(method.name) }
        return .object(entry)
    }
}
