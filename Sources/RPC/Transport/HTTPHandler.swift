import NIOCore
import NIOHTTP1
import NIOWebSocket
import Primitives

/// JSON-RPC over HTTP/1.1: one POST, one message.
///
/// The pipelining handler before this one hands over one request at a time, so answers keep the order
/// of the requests. The rules for content types and methods are geth's.
final class HTTPHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        /// The body of a call is being read.
        case reading(HTTPRequestHead, RPCCaller, origin: String?, ByteBuffer)
        /// The request was answered by its head; what is left of it is dropped.
        case discarding
        /// The call is being worked on.
        case working
        /// The answer is being sent, the last piece of it since then.
        case sending(since: NIODeadline)
        /// The last answer was given, and the connection is being closed.
        case closed
    }

    private let dispatcher: RPCDispatcher
    private let access: HTTPAccess
    private let refused: (@Sendable (RPCCredentials, RPCRefusal) -> Int?)?
    private let servesCalls: Bool
    private let health: @Sendable () -> JSONValue
    private let maxBodyBytes: Int
    private let pieceBytes: Int
    private let idleTime: TimeAmount
    private var state = State.idle
    /// The `Host` header of this connection that was let through last.
    private var trustedHost: String?
    private var isQuiescing = false

    init(
        dispatcher: RPCDispatcher, listener: RPCListener,
        health: @escaping @Sendable () -> JSONValue
    ) {
        self.dispatcher = dispatcher
        access = HTTPAccess(listener: listener, access: listener.http ?? .namespaces([]))
        refused = listener.refused
        servesCalls = listener.http != nil
        self.health = health
        maxBodyBytes = dispatcher.limits.messageBytes
        pieceBytes = dispatcher.limits.answerPieceBytes
        idleTime = .seconds(dispatcher.limits.idleSeconds)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): receive(head, context)
        case .body(let part): receive(part, context)
        case .end: receiveEnd(context)
        }
    }

    private func receive(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if case .closed = state { return }
        switch access.decide(head, from: context.remoteAddress, trusting: &trustedHost) {
        case .refused(let status, let reason):
            refuse(status, reason, head, context)
        case .unauthorized(let credentials, let refusal):
            if let seconds = refused?(credentials, refusal) {
                refuse(
                    .tooManyRequests, "too many requests", head, context,
                    [("Retry-After", String(seconds))])
            } else {
                refuse(.unauthorized, "missing or invalid token", head, context)
            }
        case .granted(let granted, let origin):
            switch head.method {
            case .POST: receiveCall(head, granted, origin, context)
            case .GET: answerGet(head, origin, context)
            case .OPTIONS: answerPreflight(head, origin, context)
            default:
                refuse(
                    .methodNotAllowed, "method not allowed", head, context,
                    [
                        ("Allow", "GET, POST, OPTIONS")
                    ])
            }
        }
    }

    private func receiveCall(
        _ head: HTTPRequestHead, _ granted: RPCCaller, _ origin: String?,
        _ context: ChannelHandlerContext
    ) {
        guard servesCalls else {
            return refuse(.notFound, "this port serves WebSocket only", head, context)
        }
        guard Self.isJSON(head.headers.first(name: "content-type")) else {
            return refuse(
                .unsupportedMediaType,
                "invalid content type, only application/json is supported", head, context)
        }
        guard !head.headers.contains(name: "content-encoding") else {
            return refuse(.unsupportedMediaType, "content encoding not supported", head, context)
        }
        let length = head.headers.first(name: "content-length").flatMap { Int($0) }
        if let length, length > maxBodyBytes {
            return refuse(.payloadTooLarge, "content length too large", head, context)
        }
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
            let head = HTTPResponseHead(version: head.version, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        }
        state = .reading(head, granted, origin: origin, ByteBuffer())
    }

    private func receive(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
        guard case .reading(let head, let granted, let origin, var body) = state else { return }
        guard body.readableBytes + part.readableBytes <= maxBodyBytes else {
            return refuse(.payloadTooLarge, "request body too large", head, context)
        }
        state = .idle
        if body.readableBytes == 0 { body = part } else { body.writeImmutableBuffer(part) }
        state = .reading(head, granted, origin: origin, body)
    }

    private func receiveEnd(_ context: ChannelHandlerContext) {
        switch state {
        case .idle, .working, .sending, .closed: break
        case .discarding: state = .idle
        case .reading(let head, let granted, let origin, let body):
            state = .working
            call(head, granted, origin, body, context)
        }
    }

    private func call(
        _ head: HTTPRequestHead, _ granted: RPCCaller, _ origin: String?, _ body: ByteBuffer,
        _ context: ChannelHandlerContext
    ) {
        let text = Bytes(body.readableBytesView)
        let reply = dispatcher.reply(
            to: text, session: nil, caller: granted, on: context.eventLoop)
        switch reply {
        case .now(let answer): respond(head, origin, answer, context)
        case .later(let future), .subscribing(let future):
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            future.whenComplete { result in
                let (handler, context) = bound.value
                switch result {
                case .success(let answer): handler.respond(head, origin, answer, context)
                // Only when the server stops and its threads are gone.
                case .failure: context.close(promise: nil)
                }
            }
        }
    }

    private func respond(
        _ head: HTTPRequestHead, _ origin: String?, _ answer: RPCAnswer?,
        _ context: ChannelHandlerContext
    ) {
        state = .idle
        guard let answer else {
            return write(.noContent, nil, head, context, Self.originHeaders(origin))
        }
        let headers = [("Content-Type", "application/json")] + Self.originHeaders(origin)
        guard answer.text.count > pieceBytes else {
            return write(.ok, ByteBuffer(bytes: answer.text), head, context, headers)
        }
        let keepsAlive = writeHead(.ok, bodyBytes: answer.text.count, head, context, headers)
        send(OutgoingText(answer.text, room: answer.room), keepsAlive: keepsAlive, context)
    }

    /// Sends the rest of an answer, a piece whenever the socket has taken the one before.
    private func send(
        _ text: OutgoingText, keepsAlive: Bool, _ context: ChannelHandlerContext
    ) {
        var rest = text
        let piece = rest.next(atMost: pieceBytes)
        let body = wrapOutboundOut(.body(.byteBuffer(piece.bytes)))
        guard !piece.isLast else {
            state = keepsAlive ? .idle : .closed
            context.write(body, promise: nil)
            return writeEnd(keepsAlive: keepsAlive, context)
        }
        state = .sending(since: .now())
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context, rest), eventLoop: context.eventLoop)
        promise.futureResult.whenSuccess {
            let (handler, context, rest) = bound.value
            handler.send(rest, keepsAlive: keepsAlive, context)
        }
        context.writeAndFlush(body, promise: promise)
    }

    private func answerGet(
        _ head: HTTPRequestHead, _ origin: String?, _ context: ChannelHandlerContext
    ) {
        state = .discarding
        let path = head.uri.prefix { $0 != "?" }
        switch path {
        case "/health":
            write(
                .ok, ByteBuffer(bytes: health().encoded()), head, context,
                [("Content-Type", "application/json")] + Self.originHeaders(origin))
        case "/":
            let text = """
                This is the JSON-RPC endpoint of an Apus node.
                POST a request with Content-Type: application/json, or open a WebSocket.
                GET /health tells how the node is; the method rpc_discover lists what it can do.

                """
            write(
                .ok, ByteBuffer(string: text), head, context,
                [("Content-Type", "text/plain; charset=utf-8")] + Self.originHeaders(origin))
        default:
            write(
                .notFound, ByteBuffer(string: "not found\n"), head, context,
                [("Content-Type", "text/plain; charset=utf-8")])
        }
    }

    /// Answers the question of a browser whether a page may call (Fetch standard, CORS preflight).
    private func answerPreflight(
        _ head: HTTPRequestHead, _ origin: String?, _ context: ChannelHandlerContext
    ) {
        state = .discarding
        write(
            .noContent, nil, head, context,
            [
                ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
                ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
                ("Access-Control-Max-Age", "86400"), ("Allow", "GET, POST, OPTIONS"),
            ] + Self.originHeaders(origin))
    }

    /// Answers with an error by the head alone and drops the rest of the request.
    ///
    /// The connection is closed if a body follows, since it is not worth reading.
    private func refuse(
        _ status: HTTPResponseStatus, _ reason: String, _ head: HTTPRequestHead,
        _ context: ChannelHandlerContext, _ headers: [(String, String)] = []
    ) {
        state = .discarding
        var head = head
        let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        if length > 0 || head.headers.contains(name: "transfer-encoding") {
            head.headers.replaceOrAdd(name: "Connection", value: "close")
        }
        write(
            status, ByteBuffer(string: reason + "\n"), head, context,
            [("Content-Type", "text/plain; charset=utf-8")] + headers)
    }

    private func write(
        _ status: HTTPResponseStatus, _ body: ByteBuffer?, _ request: HTTPRequestHead,
        _ context: ChannelHandlerContext, _ headers: [(String, String)]
    ) {
        let keepsAlive = writeHead(
            status, bodyBytes: body?.readableBytes, request, context, headers)
        // Writing the end of an answer may bring the next request.
        if !keepsAlive { state = .closed }
        if let body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        writeEnd(keepsAlive: keepsAlive, context)
    }

    private func writeEnd(keepsAlive: Bool, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if !keepsAlive { context.close(promise: nil) }
    }

    /// - Returns: whether the connection stays open after the answer.
    private func writeHead(
        _ status: HTTPResponseStatus, bodyBytes: Int?, _ request: HTTPRequestHead,
        _ context: ChannelHandlerContext, _ headers: [(String, String)]
    ) -> Bool {
        let keepsAlive = request.isKeepAlive && !isQuiescing
        var head = HTTPResponseHead(version: request.version, status: status)
        head.headers.reserveCapacity(headers.count + 2)
        for (name, value) in headers { head.headers.add(name: name, value: value) }
        if let bodyBytes {
            head.headers.add(name: "Content-Length", value: String(bodyBytes))
        }
        if !keepsAlive {
            head.headers.add(name: "Connection", value: "close")
        } else if request.version == .http1_0 {
            head.headers.add(name: "Connection", value: "keep-alive")
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        return keepsAlive
    }

    private static func originHeaders(_ origin: String?) -> [(String, String)] {
        origin.map { [("Access-Control-Allow-Origin", $0), ("Vary", "Origin")] } ?? []
    }

    /// geth's list of content types.
    private static func isJSON(_ contentType: String?) -> Bool {
        guard let contentType else { return false }
        // Bytes, not characters: for each request, to find where those end took longer than a short call.
        let space = UInt8(ascii: " ")
        var media = contentType.utf8.prefix { $0 != UInt8(ascii: ";") }.drop { $0 == space }
        while media.last == space { media.removeLast() }
        return ["application/json", "application/json-rpc", "application/jsonrequest"]
            .contains(Substring(media).lowercased())
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is IdleStateHandler.IdleStateEvent:
            switch state {
            case .working: return
            // The client reads, if slowly.
            case .sending(let since) where NIODeadline.now() - since < idleTime: return
            case .idle, .reading, .discarding, .sending, .closed: context.close(promise: nil)
            }
        case is ChannelShouldQuiesceEvent:
            isQuiescing = true
            context.fireUserInboundEventTriggered(event)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A refused upgrade is reported here before its request is replayed as plain HTTP.
        if error is NIOWebSocketUpgradeError { return }
        if case HTTPServerUpgradeErrors.invalidHTTPOrdering = error { return }
        context.close(promise: nil)
    }
}
