import NIOCore
import NIOHTTP1
import NIOPosix
import Primitives
import Storage
import Synchronization

/// The gateway of a node that does what a test says, over real connections.
final class FakeNode: Sendable {
    struct Request: Sendable {
        var method: String
        var target: String
        var headers: HTTPHeaders
        var body: Bytes
    }

    /// What it does with a request.
    enum Reaction: Sendable {
        case answer(Int, String, headers: [(String, String)] = [])
        /// Ends the connection: the request has arrived, and is never answered.
        case close
        /// Never does anything.
        case hang
        /// Sends parts and then nothing more, with the connection open.
        case stream([String])
        /// Promises more than it sends, and ends the connection.
        case breakOff(String)
        /// Promises more than it sends, with the connection open.
        case stall(String)
    }

    struct State: Sendable {
        var number: UInt64 = 10
        var instance: UInt64 = 1
        var isReady = true
        /// Whether a connection outlives its answer.
        var keepsConnections = true
        var genesisHash = FakeNode.hash(7)
        /// What it does when it is asked whether it is ready; `nil`: it says so.
        var readiness: Reaction?
        var operations: [String: String] = FakeNode.operations
        /// What is done with everything but the questions of a monitor.
        var react: @Sendable (Request) -> Reaction = { _ in .answer(200, "{}") }
        /// What the stream of events says after the state, for the cursor that it is asked for.
        var events: @Sendable (String?) -> Reaction = { _ in .stream([]) }
        var seen: [Request] = []
    }

    let state = Mutex(State())
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel = Mutex<(any Channel)?>(nil)
    private let children = Mutex<[ObjectIdentifier: any Channel]>([:])
    private let boundPort = Mutex(0)

    static let operations = [
        "GET /api/balance/{address}": operation("reader", "instant", "view", true),
        "GET /api/transaction/{hash}": operation("reader", "execution", "none", true),
        "POST /api/transaction": operation("writer", "command", "none", false),
    ]

    static func operation(
        _ role: String, _ cost: String, _ cache: String, _ isIdempotent: Bool
    ) -> String {
        #"{"x-apus-role":"\#(role)","x-apus-cost":"\#(cost)","x-apus-cache":"\#(cache)","#
            + #""x-apus-idempotent":\#(isIdempotent),"responses":{}}"#
    }

    /// A node that answers at once.
    init(_ change: (inout State) -> Void = { _ in }) async throws {
        state.withLock { change(&$0) }
        try await start()
    }

    var port: Int { boundPort.withLock { $0 } }
    var url: String { "http://127.0.0.1:\(port)" }

    /// Requests that are none of a monitor's.
    var requests: [Request] { state.withLock { $0.seen } }

    func tag(_ state: State) -> String {
        let instance = String(state.instance, radix: 16)
        return String(repeating: "0", count: 16 - instance.count) + instance
            + ".\(state.number).\(state.number).\(Self.hash(state.number))"
    }

    static func hash(_ number: UInt64) -> Hash256 { Hash256(UInt256(number)) }

    /// Listens, again on the same port if it did before.
    func start() async throws {
        let bound = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    children.withLock { $0[ObjectIdentifier(channel)] = channel }
                    channel.closeFuture.whenComplete { [self] _ in
                        children.withLock { $0[ObjectIdentifier(channel)] = nil }
                    }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(self))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        channel.withLock { $0 = bound }
        boundPort.withLock { $0 = bound.localAddress?.port ?? 0 }
    }

    /// Ends as a killed process does: nobody listens, and every connection breaks.
    func kill() async throws {
        try await channel.withLock { $0 }?.close().get()
        for child in children.withLock({ $0.values }) { try? await child.close().get() }
    }

    func end() async throws {
        try? await kill()
        try await group.shutdownGracefully()
    }

    fileprivate func reaction(to request: Request) -> Reaction {
        let snapshot = state.withLock { $0 }
        switch request.target {
        case "/readyz":
            if let readiness = snapshot.readiness { return readiness }
            let head =
                #"{"number":\#(snapshot.number),"hash":"\#(Self.hash(snapshot.number))"}"#
            return snapshot.isReady
                ? .answer(
                    200,
                    #"{"status":"ready","reasons":[],"chain_id":7,"#
                        + #""genesis_hash":"\#(snapshot.genesisHash)","head":\#(head)}"#)
                : .answer(503, #"{"status":"not ready","reasons":["tired"],"head":null}"#)
        case "/openapi.json":
            var paths: [String: [String]] = [:]
            for (name, operation) in snapshot.operations.sorted(by: { $0.key < $1.key }) {
                let words = name.split(separator: " ")
                paths[String(words[1]), default: []].append(
                    "\"\(words[0].lowercased())\":\(operation)")
            }
            let text = paths.sorted { $0.key < $1.key }
                .map { "\"\($0.key)\":{\($0.value.joined(separator: ","))}" }
            return .answer(
                200, #"{"openapi":"3.1.0","paths":{\#(text.joined(separator: ","))}}"#)
        case "/api/events/blocks":
            let cursor = request.headers.first(name: "Last-Event-ID")
            guard case .stream(let parts) = snapshot.events(cursor) else {
                return snapshot.events(cursor)
            }
            return .stream(["event: state\ndata: \(tag(snapshot))\n\n"] + parts)
        default:
            state.withLock { $0.seen.append(request) }
            return snapshot.react(request)
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let node: FakeNode
        private var request = Request(method: "", target: "", headers: [:], body: [])

        init(_ node: FakeNode) {
            self.node = node
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                request = Request(
                    method: head.method.rawValue, target: head.uri, headers: head.headers, body: [])
            case .body(let part): request.body += part.readableBytesView
            case .end: react(node.reaction(to: request), context)
            }
        }

        private func react(_ reaction: Reaction, _ context: ChannelHandlerContext) {
            switch reaction {
            case .answer(let status, let body, let headers):
                var fields: HTTPHeaders = [
                    "Content-Type": "application/json", "Content-Length": "\(body.utf8.count)",
                    "Apus-State": node.state.withLock { node.tag($0) },
                ]
                for (name, value) in headers { fields.replaceOrAdd(name: name, value: value) }
                if !node.state.withLock({ $0.keepsConnections }) {
                    fields.replaceOrAdd(name: "Connection", value: "close")
                }
                write(status, fields, body, context)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            case .close: context.close(promise: nil)
            case .hang: break
            case .stream(let parts):
                write(200, ["Content-Type": "text/event-stream"], parts.joined(), context)
                context.flush()
            case .breakOff(let body):
                promiseMore(than: body, context)
                context.close(promise: nil)
            case .stall(let body): promiseMore(than: body, context)
            }
        }

        private func promiseMore(than body: String, _ context: ChannelHandlerContext) {
            write(200, ["Content-Length": "\(body.utf8.count + 100)"], body, context)
            context.flush()
        }

        private func write(
            _ status: Int, _ headers: HTTPHeaders, _ body: String, _ context: ChannelHandlerContext
        ) {
            let head = HTTPResponseHead(
                version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(
                wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        }
    }
}
