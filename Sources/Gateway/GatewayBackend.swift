public import PluginAPI
public import Primitives
public import Storage

/// What stands behind the front of a gateway and knows the answers.
///
/// The front takes HTTP apart, lets callers in or not, counts and limits them, keeps copies of
/// answers and writes problems. A backend is asked only what is allowed and well-formed as far as
/// the routes say.
///
///     LocalBackend      the node in this process
///     UpstreamBackend   the gateways of other nodes
public protocol GatewayBackend: Sendable {
    /// The routes as they are now.
    var routes: RouteTable { get }

    /// Which chain it is; `nil` while nobody has said.
    var chain: ChainName? { get }

    /// Whether an answer comes over the network, so that even what is answered at once is worth a
    /// look for a copy.
    var isRemote: Bool { get }

    /// What answers of a kind may follow from at present, the best first: a copy that follows from
    /// any of these is as good as a new answer. None if a copy may be wrong at once.
    func tags(for cache: RESTCache) -> [StateTag]

    /// Answers.
    ///
    /// - Throws: `RESTError` for what the caller is told. Any other error is the gateway's own: it
    ///   is logged, and the caller learns the id of the request.
    func answer(_ request: GatewayRequest) async throws -> GatewayAnswer

    /// How the parts of what stands behind are.
    func health() async -> [ModuleHealth]

    /// Whether requests should be sent here.
    func readiness() async -> Readiness

    /// Whether it still moves at all.
    func isAlive() async -> Bool

    /// What happens to the chain, from after a cursor on; from now on without one.
    func events(after cursor: EventCursor?, for caller: GatewayCaller) async throws -> GatewayEvents
}

/// Gives what has happened since the last time it was called, waiting for it a few seconds at most:
/// nothing has then. `nil` ends it. Called by one caller at a time.
public typealias GatewayEvents = @Sendable () async throws -> [GatewayEvent]?

/// Who asks, as far as a backend hands it on.
public struct GatewayCaller: Sendable {
    /// The id by which logs know the request.
    public var id: String
    /// The credentials as they were sent. Never to be logged.
    public var authorization: String?
    /// The address that it comes from, if it has one.
    public var client: NetworkAddress?

    /// A caller.
    public init(id: String, authorization: String?, client: NetworkAddress?) {
        self.id = id
        self.authorization = authorization
        self.client = client
    }
}

/// A request that has come through the front.
public struct GatewayRequest: Sendable {
    /// The route that it is for.
    public var route: GatewayRoute
    /// The path and the query as they were sent.
    public var target: String
    /// What it asks for.
    public var arguments: RESTArguments
    /// The media type of the body.
    public var contentType: String?
    /// Who asks.
    public var caller: GatewayCaller
    /// When the answer must be there.
    public var deadline: ContinuousClock.Instant

    /// A request.
    public init(
        route: GatewayRoute, target: String, arguments: RESTArguments, contentType: String?,
        caller: GatewayCaller, deadline: ContinuousClock.Instant
    ) {
        self.route = route
        self.target = target
        self.arguments = arguments
        self.contentType = contentType
        self.caller = caller
        self.deadline = deadline
    }
}

/// An answer on its way to the front.
public struct GatewayAnswer: Sendable {
    /// What is in an answer.
    public enum Content: Sendable {
        /// All of it.
        case whole(Bytes)
        /// One part after another; `nil` ends it. An empty part says that there is nothing yet.
        case parts(@Sendable () async throws -> Bytes?)
    }

    /// The HTTP status.
    public var status: Int
    /// The media type.
    public var mediaType: String
    /// What is in it.
    public var content: Content
    /// The name under which a browser saves it.
    public var fileName: String?
    /// The state that it speaks of.
    public var state: StateTag?
    /// The entity tag, with its quotes. Only an answer that has one is ever kept or compared.
    public var entityTag: String?
    /// More headers, of a backend that has them from somebody else.
    public var headers: [(name: String, value: String)] = []

    /// An answer.
    public init(
        status: Int = 200, mediaType: String, content: Content, fileName: String? = nil,
        state: StateTag? = nil, entityTag: String? = nil
    ) {
        self.status = status
        self.mediaType = mediaType
        self.content = content
        self.fileName = fileName
        self.state = state
        self.entityTag = entityTag
    }
}

/// What tells one chain from all others.
public struct ChainName: Sendable, Hashable {
    /// The chain id. Private chains often have the same.
    public var id: UInt64
    /// The hash of the first block.
    public var genesisHash: Hash256

    /// The name of a chain.
    public init(id: UInt64, genesisHash: Hash256) {
        self.id = id
        self.genesisHash = genesisHash
    }
}

/// How a part is.
public struct ModuleHealth: Sendable, Hashable {
    /// What the part is called.
    public var name: String
    /// How it is.
    public var health: PluginHealth

    /// The health of a part.
    public init(_ name: String, _ health: PluginHealth) {
        self.name = name
        self.health = health
    }
}

/// Whether requests should be sent to a gateway.
public struct Readiness: Sendable, Hashable {
    /// Why not, each a sentence for a person; none if they should.
    public var reasons: [String]
    /// The block that it speaks of.
    public var head: BlockReference?

    /// The readiness for these reasons.
    public init(reasons: [String], head: BlockReference?) {
        self.reasons = reasons
        self.head = head
    }
}

/// A thing that followers of a chain are told.
public enum GatewayEvent: Sendable, Hashable {
    /// Something happened to the chain.
    case block(FeedEvent.Kind, BlockReference, parentHash: Hash256, cursor: EventCursor)
    /// Answers follow from this state now.
    case state(StateTag)
}

/// How far a follower of the events is.
///
/// The number in the order of all events is one node's own, and so is nothing to another node, or
/// to the same after its data was made anew. The block that was the head after the event says where
/// to go on in any case, also if it has left the chain.
public struct EventCursor: Sendable, Hashable, CustomStringConvertible {
    /// The number of the event on the node that told it; 0 if it has none.
    public var sequence: UInt64
    /// The head after the event.
    public var head: BlockReference

    /// A cursor.
    public init(sequence: UInt64, head: BlockReference) {
        self.sequence = sequence
        self.head = head
    }

    /// The text of `Last-Event-ID`.
    public var description: String { "\(sequence).\(head.number).\(head.hash)" }

    /// Reads the text.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let sequence = UInt64(decimalDigits: parts[0]),
            let number = UInt64(decimalDigits: parts[1]), parts[2].utf8.count == 66,
            let hash = Hash256(hex: String(parts[2]))
        else { return nil }
        self.init(sequence: sequence, head: BlockReference(number: number, hash: hash))
    }
}

extension FixedWidthInteger {
    /// A number of decimal digits alone, without a sign: also -0 is none.
    init?(decimalDigits text: some StringProtocol) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard text.utf8.allSatisfy({ digits.contains($0) }) else { return nil }
        self.init(text, radix: 10)
    }
}
