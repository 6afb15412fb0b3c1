public import Chain
public import Primitives
public import RPC

/// One REST route: its path, the types of its parameters and of its answer, who may call it, and
/// the function that answers it.
///
/// As with `RPCMethod`, a route is declared once, and everything else follows from that: dispatch,
/// the check of each field, problem answers, roles, the OpenAPI document, cache and metrics. It
/// knows nothing of HTTP servers; the gateway serves it.
///
/// ```swift
/// RESTRoute(
///     .get, "/api/greeting/{address}", "A greeting.", role: .reader,
///     RESTParameter<Address>.path("address", "Who is greeted."),
///     RESTParameter<UInt64>.query("times", "How often.", default: 1)
/// ) { context, address, times in Greeting(address, times) }
/// ```
public struct RESTRoute: Sendable {
    /// The HTTP method.
    public enum Method: String, CaseIterable, Sendable {
        case get = "GET"
        case post = "POST"
    }

    /// The HTTP method.
    public let method: Method
    /// The path, with parameters in braces: each a whole segment.
    public let path: String
    /// One sentence.
    public let summary: String
    /// Who may call it.
    public let role: RESTRole
    /// What answering costs, which decides where it is done.
    public let cost: RPCMethod.Cost
    /// How long an answer stays right.
    public let cache: RESTCache
    /// The parameters, in their order.
    public let parameters: [RESTParameterDescription]
    /// The JSON schema of the answer; `nil` if it is no JSON.
    public let answerSchema: JSONValue?
    /// The media types that an answer may have.
    public let mediaTypes: [String]
    private let body: Body

    private enum Body: Sendable {
        case synchronous(@Sendable (RESTArguments, RESTContext) throws -> RESTAnswer)
        case asynchronous(@Sendable (RESTArguments, RESTContext) async throws -> RESTAnswer)
    }

    /// A route that answers with JSON.
    ///
    /// - Parameters:
    ///   - cost: `instant` for a few reads, `execution` for what takes more than about a
    ///     millisecond. What changes the node is declared with
    ///     ``command(_:_:_:role:_:answer:)``.
    ///   - cache: whether the answer follows from the view and the arguments alone.
    ///   - answer: gets what is asked in the order of the parameters. Throws `RESTError` for what
    ///     the caller can mend; `RPCError` and `ChainError` are translated.
    public init<each Value: RESTValue, Answer: RPCResult>(
        _ method: Method, _ path: String, _ summary: String, role: RESTRole,
        cost: RPCMethod.Cost = .instant, cache: RESTCache = .none,
        _ parameters: repeat RESTParameter<each Value>,
        answer: @escaping @Sendable (RESTContext, repeat each Value) throws -> Answer
    ) {
        let declared = (repeat each parameters)
        self.init(
            method, path, summary, role, cost, cache, Self.describe(repeat each parameters),
            schema: Answer.schema, mediaTypes: ["application/json"],
            .synchronous { arguments, context in
                let values = (repeat try arguments.read(each declared))
                return RESTAnswer(json: try answer(context, repeat each values))
            })
    }

    /// A route that changes the node, and waits until that is done. It may wait, but must not
    /// compute: it is answered on a task.
    public static func command<each Value: RESTValue, Answer: RPCResult>(
        _ method: Method, _ path: String, _ summary: String, role: RESTRole,
        _ parameters: repeat RESTParameter<each Value>,
        answer: @escaping @Sendable (RESTContext, repeat each Value) async throws -> Answer
    ) -> RESTRoute {
        let declared = (repeat each parameters)
        return RESTRoute(
            method, path, summary, role, .command, .none, Self.describe(repeat each parameters),
            schema: Answer.schema, mediaTypes: ["application/json"],
            .asynchronous { arguments, context in
                let values = (repeat try arguments.read(each declared))
                return RESTAnswer(json: try await answer(context, repeat each values))
            })
    }

    /// A route that answers with another media type, perhaps in parts.
    public init<each Value: RESTValue>(
        _ method: Method, _ path: String, _ summary: String, role: RESTRole,
        mediaTypes: [String], _ parameters: repeat RESTParameter<each Value>,
        download: @escaping @Sendable (RESTContext, repeat each Value) throws -> RESTAnswer
    ) {
        let declared = (repeat each parameters)
        self.init(
            method, path, summary, role, .execution, .none, Self.describe(repeat each parameters),
            schema: nil, mediaTypes: mediaTypes,
            .synchronous { arguments, context in
                try download(context, repeat try arguments.read(each declared))
            })
    }

    private init(
        _ method: Method, _ path: String, _ summary: String, _ role: RESTRole,
        _ cost: RPCMethod.Cost, _ cache: RESTCache, _ parameters: [RESTParameterDescription],
        schema: JSONValue?, mediaTypes: [String], _ body: Body
    ) {
        let inPath = path.split(separator: "/").filter { $0.hasPrefix("{") }
            .map { String($0.dropFirst().dropLast()) }
        precondition(
            inPath == parameters.filter { $0.place == .path }.map(\.name),
            "The parameters in the path \(path) are not those that are declared.")
        precondition(
            parameters.filter { $0.place == .body }.count <= (method == .get ? 0 : 1),
            "The route \(path) has a body too many.")
        self.method = method
        self.path = path
        self.summary = summary
        self.role = role
        self.cost = cost
        self.cache = cache
        self.parameters = parameters
        answerSchema = schema
        self.mediaTypes = mediaTypes
        self.body = body
    }

    private static func describe<each Value: RESTValue>(
        _ parameters: repeat RESTParameter<each Value>
    ) -> [RESTParameterDescription] {
        var descriptions: [RESTParameterDescription] = []
        for parameter in repeat each parameters { descriptions.append(parameter.description) }
        return descriptions
    }

    /// Checks the arguments and answers, on a thread that may compute.
    ///
    /// - Throws: `RESTError` for a wrong argument or anything that the route says is the caller's.
    ///   Any other error is the node's own, and its text is not for the caller.
    public func answer(_ arguments: RESTArguments, in context: RESTContext) throws -> RESTAnswer {
        guard case .synchronous(let body) = body else {
            throw RESTError.conflict("a command is not answered this way")
        }
        try refuseUnknown(arguments)
        do {
            return try body(arguments, context)
        } catch {
            throw Self.translate(error)
        }
    }

    /// The same for a route that changes the node.
    public func answer(
        command arguments: RESTArguments, in context: RESTContext
    ) async throws -> RESTAnswer {
        guard case .asynchronous(let body) = body else {
            return try answer(arguments, in: context)
        }
        try refuseUnknown(arguments)
        do {
            return try await body(arguments, context)
        } catch {
            throw Self.translate(error)
        }
    }

    private func refuseUnknown(_ arguments: RESTArguments) throws(RESTError) {
        for name in arguments.query.keys.sorted()
        where !parameters.contains(where: { $0.place == .query && $0.name == name }) {
            throw .badRequest("there is no parameter \"\(name)\"")
        }
        guard arguments.body.isEmpty || parameters.contains(where: { $0.place == .body }) else {
            throw .badRequest("the request has a body, and none is taken")
        }
    }

    private static func translate(_ error: any Error) -> any Error {
        if error is RESTError { return error }
        return RPCError(translating: error).map { RESTError($0) } ?? error
    }

    /// The values of the path's parameters, if a path is one of this route.
    public func match(_ path: String) -> [String: String]? {
        let pattern = self.path.split(separator: "/", omittingEmptySubsequences: false)
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        guard pattern.count == segments.count else { return nil }
        var values: [String: String] = [:]
        for (part, segment) in zip(pattern, segments) {
            if part.hasPrefix("{") {
                values[String(part.dropFirst().dropLast())] = String(segment)
            } else if part != segment {
                return nil
            }
        }
        return values
    }
}

/// What an answer follows from, and so how long a copy of it is as good as a new one.
public enum RESTCache: String, Sendable {
    /// From more than the chain: from the pool, from models, from the clock.
    case none
    /// From the view and the arguments alone.
    case view
    /// From the view, the arguments and the plugins' indexes, where they are level with the chain.
    case index
}

/// Who may call a route. What a role is given for is the operator's business; the gateway compares
/// names.
public struct RESTRole: Hashable, Sendable, CustomStringConvertible {
    /// The name, as a token has it.
    public let description: String

    /// A role of this name.
    public init(_ name: String) {
        description = name
    }

    /// Reads the chain, its indexes and forecasts.
    public static let reader = RESTRole("reader")
    /// Sends transactions.
    public static let writer = RESTRole("writer")
    /// Reads what is costly: exports.
    public static let admin = RESTRole("admin")
    /// Reads how the node is: health of the modules, metrics.
    public static let monitor = RESTRole("monitor")
    /// Asks whether the node is alive and ready, and what it offers.
    public static let probe = RESTRole("probe")
}

/// What a route may know about the request beside its arguments.
public struct RESTContext: Sendable {
    /// The chain at the head that the answer is about. The hash of that head tells caches whether
    /// the answer is still the same.
    public let view: ChainView
    /// When the answer must be there.
    public let deadline: ContinuousClock.Instant

    /// A context.
    public init(view: ChainView, deadline: ContinuousClock.Instant) {
        self.view = view
        self.deadline = deadline
    }
}

/// What a request has asked for, as text.
public struct RESTArguments: Sendable {
    /// Values of the path's parameters, percent-decoded.
    public var path: [String: String]
    /// Values of the query's, percent-decoded.
    public var query: [String: String]
    /// The body.
    public var body: Bytes

    /// Arguments.
    public init(path: [String: String] = [:], query: [String: String] = [:], body: Bytes = []) {
        self.path = path
        self.query = query
        self.body = body
    }

    func read<Value: RESTValue>(_ parameter: RESTParameter<Value>) throws(RESTError) -> Value {
        let text: String? =
            switch parameter.place {
            case .path: path[parameter.name]
            case .query: query[parameter.name]
            case .body: body.isEmpty ? nil : String(decoding: body, as: UTF8.self)
            }
        guard let text else {
            if let fallback = parameter.fallback ?? Value.whenMissing { return fallback }
            throw .badRequest("the parameter \"\(parameter.name)\" is missing")
        }
        do throws(RESTValueError) {
            let value = try Value.parse(text)
            if let range = parameter.range, let number = value as? UInt64, !range.contains(number) {
                throw RESTValueError("is not from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        } catch {
            throw .badRequest("the parameter \"\(parameter.name)\" \(error.reason)")
        }
    }
}

/// An answer on its way.
public struct RESTAnswer: Sendable {
    /// What is in the answer.
    public enum Content: Sendable {
        /// All of it.
        case whole(Bytes)
        /// One part after another, each made when the one before has been sent; `nil` ends it. An
        /// empty part says that there is nothing yet: what takes long is made in steps, between
        /// which others have their turn. Called on an execution thread, by one caller at a time.
        case parts(@Sendable () throws -> Bytes?)
    }

    /// The media type.
    public let mediaType: String
    /// What is in it.
    public let content: Content
    /// The name under which a browser saves it.
    public let fileName: String?

    init(json answer: some RPCResult) {
        var writer = JSONWriter(capacity: 512)
        answer.write(to: &writer)
        self.init(mediaType: "application/json", content: .whole(writer.bytes))
    }

    /// An answer.
    public init(mediaType: String, content: Content, fileName: String? = nil) {
        self.mediaType = mediaType
        self.content = content
        self.fileName = fileName
    }
}

/// What is wrong with a request: a problem of RFC 9457.
public struct RESTError: Error, Sendable, Hashable {
    /// The HTTP status.
    public let status: Int
    /// What kind of problem it is, in a few words, the same for all of its kind.
    public let title: String
    /// What is wrong with this one.
    public let detail: String

    /// A problem.
    public init(status: Int, title: String, detail: String) {
        self.status = status
        self.title = title
        self.detail = detail
    }

    /// An argument that cannot be used.
    public static func badRequest(_ detail: String) -> RESTError {
        RESTError(status: 400, title: "Invalid parameter", detail: detail)
    }

    /// What was asked for is not there.
    public static func notFound(_ detail: String) -> RESTError {
        RESTError(status: 404, title: "Not found", detail: detail)
    }

    /// Not in the state that the node is in.
    public static func conflict(_ detail: String) -> RESTError {
        RESTError(status: 409, title: "Not available", detail: detail)
    }

    /// A JSON-RPC error as a problem.
    init(_ error: RPCError) {
        let status =
            switch error.code {
            case RPCErrorCode.invalidParams: 400
            case RPCErrorCode.limitExceeded: 413
            case RPCErrorCode.timeout: 504
            case RPCErrorCode.internalError: 500
            default: 422
            }
        self.init(status: status, title: "Cannot be answered", detail: error.message)
    }
}
