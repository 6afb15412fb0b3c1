import Primitives

/// One JSON-RPC method: its names, the types of its parameters and result, what it costs, and the
/// function that answers it.
///
/// A method is declared once, in the table of its namespace:
///
/// ```swift
/// RPCMethod("eth_getBalance", ["address", "block"], instant: getBalance)
/// ```
///
/// From these declarations come dispatch, argument errors, `rpc_modules`, `rpc_discover` and the
/// allow-lists of listeners.
public struct RPCMethod: Sendable {
    /// What answering costs, which decides where it is done.
    public enum Cost: String, Sendable {
        /// Answered from memory or with a few reads, right on the event loop.
        case instant
        /// Runs the EVM or reads much: on the pool of execution threads.
        case execution
        /// Changes the node, and waits for the one writer to do so.
        case command
    }

    /// How the method is run.
    enum Body: Sendable {
        case synchronous(
            @Sendable (RPCContext, RPCArguments, inout JSONWriter) throws -> Void)
        case asynchronous(
            @Sendable (RPCContext, RPCArguments) async throws -> any RPCResult)
    }

    /// The name under which the method is declared.
    public let name: String
    /// Other names under which it is called, such as `hardhat_mine` for `anvil_mine`.
    public let aliases: [String]
    /// What answering costs.
    public let cost: Cost
    let parameters: [RPCParameterDescription]
    let resultSchema: JSONValue
    let body: Body
    /// Whether a call is first tried on the event loop, where it takes no thread to wake.
    private(set) var isTried = false

    /// The part of a name before the first underscore.
    package static func namespace(of name: String) -> String {
        // Bytes, not characters: it is asked for each call whether its caller may.
        String(Substring(name.utf8.prefix { $0 != UInt8(ascii: "_") }))
    }

    /// A method that is answered at once.
    ///
    /// - Parameter schema: the form of the result, where its type does not say it.
    public init<each Parameter: RPCParameter, Result: RPCResult>(
        _ name: String, _ parameters: [String] = [], aliases: [String] = [],
        result schema: JSONValue? = nil,
        instant run: @escaping @Sendable (RPCContext, repeat each Parameter) throws -> Result
    ) {
        self.init(
            name, parameters, aliases: aliases, schema: schema, cost: .instant, run: run)
    }

    /// A method that takes time or much memory.
    public init<each Parameter: RPCParameter, Result: RPCResult>(
        _ name: String, _ parameters: [String] = [], aliases: [String] = [],
        result schema: JSONValue? = nil,
        execution run: @escaping @Sendable (RPCContext, repeat each Parameter) throws -> Result
    ) {
        self.init(
            name, parameters, aliases: aliases, schema: schema, cost: .execution, run: run)
    }

    /// The method, which mostly takes so little time that waking a thread for it would take longer.
    /// It must run what takes time by ``RPCContext/limited(_:)``.
    package func tried() -> RPCMethod {
        var method = self
        method.isTried = true
        return method
    }

    /// A method that changes the node.
    public init<each Parameter: RPCParameter, Result: RPCResult>(
        _ name: String, _ parameters: [String] = [], aliases: [String] = [],
        result schema: JSONValue? = nil,
        command run:
            @escaping @Sendable (RPCContext, repeat each Parameter) async throws -> Result
    ) {
        let descriptions = Self.describe(parameters, repeat (each Parameter).self)
        self.name = name
        self.aliases = aliases
        self.cost = .command
        self.parameters = descriptions
        resultSchema = schema ?? Result.schema
        body = .asynchronous { context, arguments in
            try arguments.check(against: descriptions)
            var cursor = ArgumentCursor(arguments: arguments, parameters: descriptions)
            let values = (repeat try cursor.next((each Parameter).self))
            return try await run(context, repeat each values)
        }
    }

    private init<each Parameter: RPCParameter, Result: RPCResult>(
        _ name: String, _ parameters: [String], aliases: [String], schema: JSONValue?,
        cost: Cost,
        run: @escaping @Sendable (RPCContext, repeat each Parameter) throws -> Result
    ) {
        let descriptions = Self.describe(parameters, repeat (each Parameter).self)
        self.name = name
        self.aliases = aliases
        self.cost = cost
        self.parameters = descriptions
        resultSchema = schema ?? Result.schema
        body = .synchronous { context, arguments, writer in
            try arguments.check(against: descriptions)
            var cursor = ArgumentCursor(arguments: arguments, parameters: descriptions)
            let values = (repeat try cursor.next((each Parameter).self))
            try run(context, repeat each values).write(to: &writer)
        }
    }

    private static func describe<each Parameter: RPCParameter>(
        _ names: [String], _ types: repeat (each Parameter).Type
    ) -> [RPCParameterDescription] {
        var descriptions: [RPCParameterDescription] = []
        for type in repeat each types {
            precondition(descriptions.count < names.count, "A parameter has no name.")
            descriptions.append(
                RPCParameterDescription(
                    name: names[descriptions.count], isRequired: isRequired(type),
                    schema: type.schema))
        }
        precondition(descriptions.count == names.count, "A name has no parameter.")
        return descriptions
    }

    private static func isRequired<Parameter: RPCParameter>(_: Parameter.Type) -> Bool {
        Parameter.absent == nil
    }
}

/// Hands out the arguments of a call one after another.
private struct ArgumentCursor {
    let arguments: RPCArguments
    let parameters: [RPCParameterDescription]
    var index = 0

    mutating func next<Parameter: RPCParameter>(
        _ type: Parameter.Type
    ) throws(RPCError) -> Parameter {
        defer { index += 1 }
        return try arguments.decode(type, at: index, named: parameters[index].name)
    }
}

/// What a method may know about the call beside its arguments.
public struct RPCContext: Sendable {
    /// The connection, if it can carry notifications: WebSocket or IPC.
    public let session: RPCSession?
    /// Which methods the caller may use.
    public let access: RPCAccess
    /// When the message that holds the call must be answered.
    public let deadline: ContinuousClock.Instant
    /// The limits of the server.
    public let limits: RPCLimits
    let pool: ExecutionPool
    /// What ends the call if it is only tried, on the event loop.
    var trials: CallTrials?

    /// Runs what takes time on an execution thread, for a command that has such a part.
    func execute<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        guard let result = await pool.run({ Result(catching: work) }) else { throw RPCError.busy }
        return try result.get()
    }
}

/// The methods that a listener, or a role behind it, may call.
public enum RPCAccess: Sendable, Hashable {
    /// Everything but the Engine API, which only its own port serves: whoever calls it chooses the
    /// chain.
    case all
    /// What is in these namespaces, and methods that are listed by their whole names.
    case namespaces(Set<String>)

    /// What the port of the Engine API serves: the namespace itself and the state beside it.
    public static let engine: RPCAccess = .namespaces(["engine", "eth"])

    /// What both allow.
    public func intersection(_ other: RPCAccess) -> RPCAccess {
        switch (self, other) {
        case (.all, .all): return .all
        case (.all, .namespaces(let names)), (.namespaces(let names), .all):
            return .namespaces(names.filter { RPCAccess.all.permits($0) })
        case (.namespaces(let names), .namespaces(let others)):
            return .namespaces(
                names.filter { other.permits($0) }.union(others.filter { permits($0) }))
        }
    }

    /// Whether a method of this name may be called.
    public func permits(_ name: String) -> Bool {
        switch self {
        case .all: RPCMethod.namespace(of: name) != "engine"
        case .namespaces(let names):
            names.contains(RPCMethod.namespace(of: name)) || names.contains(name)
        }
    }
}
