public import HTTPTypes
public import Primitives

/// A request as it comes from the network, before anything about it is known.
public struct IncomingRequest: Sendable {
    /// The method, the target, the host and the headers.
    public var head: HTTPRequest
    /// The address of the peer.
    public var peer: NetworkAddress?
    /// Reads the body, up to so many bytes; `nil` if there are more. Called only if there is one.
    public var body: @Sendable (_ limit: Int) async throws -> Bytes?

    /// A request.
    public init(
        head: HTTPRequest, peer: NetworkAddress?,
        body: @escaping @Sendable (_ limit: Int) async throws -> Bytes? = { _ in [] }
    ) {
        self.head = head
        self.peer = peer
        self.body = body
    }

    /// Whether the headers announce a body.
    var hasBody: Bool {
        let fields = head.headerFields
        return fields.contains(.transferEncoding)
            || fields.contains(.contentLength) && fields[.contentLength] != "0"
    }
}

/// An answer as it goes to the network.
public struct OutgoingResponse: Sendable {
    /// The status and the headers.
    public var head: HTTPResponse
    /// The body; of an answer to `HEAD` nothing of it is sent.
    public var content: GatewayAnswer.Content

    init(_ status: Int, _ content: GatewayAnswer.Content, mediaType: String? = nil) {
        head = HTTPResponse(status: HTTPResponse.Status(code: status))
        self.content = content
        // As many as an answer usually has.
        head.headerFields.reserveCapacity(10)
        if let mediaType { add(.contentType, mediaType) }
    }

    /// Adds a header that it does not have yet, which is cheaper than to set it.
    mutating func add(_ name: HTTPField.Name, _ value: String) {
        head.headerFields.append(HTTPField(name: name, value: value))
    }
}

extension HTTPField.Name {
    /// The id of a request.
    static let requestId = named("X-Request-ID")
    /// The state that an answer speaks of.
    static let apusState = named("Apus-State")
    /// Whom a proxy calls for.
    static let forwardedFor = named("X-Forwarded-For")
    /// The same, as RFC 7239 has it.
    static let forwarded = named("Forwarded")
    /// Where a stream of events goes on.
    static let lastEventId = named("Last-Event-ID")
    /// Tells proxies to hand parts on as they come.
    static let proxyBuffering = named("X-Accel-Buffering")
    /// A second host; the first is the request's authority.
    static let hostHeader = named("Host")

    private static func named(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else {
            preconditionFailure("\(name) is no name of a header.")
        }
        return field
    }
}
