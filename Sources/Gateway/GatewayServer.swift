import HTTPTypes
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOPosix
import Primitives
import RPC
import Synchronization

/// Serves a gateway on a port of its own, by Hummingbird.
///
/// `stop` is graceful: nothing new is accepted, streams end, requests that are being worked on are
/// answered, and what has not ended after `GatewayLimits.shutdownSeconds` is cut off.
public final class GatewayServer: Sendable {
    private let gateway: Gateway
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let running = Mutex<Running?>(nil)

    private struct Running {
        var server: Task<Void, any Error>
        /// Writes to the copies that several gateways share.
        var shared: Task<Void, Never>
        var shutDown: @Sendable () async throws -> Void
    }

    /// A server of a gateway.
    ///
    /// - Parameter eventLoops: threads for the network.
    public init(_ gateway: Gateway, eventLoops: Int) {
        self.gateway = gateway
        logger = gateway.logger
        group = MultiThreadedEventLoopGroup(numberOfThreads: eventLoops)
    }

    /// Begins to serve. If it throws, it may be called again.
    ///
    /// - Parameter port: another port than that of the options.
    /// - Returns: the port that was bound.
    /// - Throws: if the certificate cannot be read or the address cannot be had.
    public func start(port: Int? = nil) async throws -> Int {
        var options = gateway.options
        if let port { options.port = port }
        var configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ProblemHandler()],
            idleTimeout: .seconds(Int64(options.limits.idleSeconds)))
        configuration.httpDecoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: options.limits.headerBytes,
            maxHeaderListSize: options.limits.headerBytes,
            maxHeaderFieldCount: options.limits.headers)
        let channel = LingeringChannel(
            base: HTTP1Channel(
                responder: { [gateway] request, writer, channel in
                    try await Self.serve(request, writer, channel, gateway)
                }, configuration: configuration))
        guard let certificate = options.certificate else { return try await run(channel, options) }
        return try await run(
            TLSChannel(channel, tlsConfiguration: try certificate.configuration()), options)
    }

    private func run<Child: ServerChildChannel>(
        _ channel: Child, _ options: GatewayOptions
    ) async throws -> Int {
        // Hummingbird says at `info` what the gateway says itself.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let server = Server(
            childChannelSetup: channel,
            configuration: ServerConfiguration(
                address: .hostname(options.host, port: options.port), backlog: 1_024,
                availableConnectionsDelegate: MaximumAvailableConnections(
                    options.limits.connections, logger: quiet)),
            onServerRunning: { channel in
                port.yield(channel.localAddress?.port ?? 0)
                port.finish()
            }, eventLoopGroup: group, logger: quiet)
        let task = Task {
            // Ends the wait for the port if there is none to come.
            defer { port.finish() }
            try await server.run()
        }
        for await bound in ports {
            let shared = Task { [gateway] in if let shared = gateway.shared { await shared.run() } }
            running.withLock {
                $0 = Running(server: task, shared: shared) {
                    try await server.shutdownGracefully()
                }
            }
            logger.notice(
                "serving REST",
                metadata: [
                    "rest.host": "\(options.host)", "rest.port": "\(bound)",
                    "rest.tls": "\(options.certificate != nil)",
                ])
            return bound
        }
        try await task.value
        throw GatewayError("the server ended before it began")
    }

    /// Stops serving and frees the threads. To be called once.
    public func stop() async {
        gateway.load.stop()
        if let running = running.withLock({ $0 }) {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { try? await running.shutDown() }
                group.addTask { [limits = gateway.options.limits] in
                    try? await Task.sleep(for: .seconds(limits.shutdownSeconds))
                    // The tasks of the connections end with the server's, and close them.
                    running.server.cancel()
                }
                await group.next()
                group.cancelAll()
            }
            running.server.cancel()
            _ = await running.server.result
            running.shared.cancel()
            await running.shared.value
        }
        try? await group.shutdownGracefully()
    }

    // MARK: - Requests

    private static func serve(
        _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel,
        _ gateway: Gateway
    ) async throws {
        var incoming = IncomingRequest(
            head: request.head, peer: channel.remoteAddress.flatMap { NetworkAddress($0) })
        // A body that does not come in time takes its connection with it. Most requests have none,
        // and are spared the way to the loop's thread.
        var body: BodyReader?
        if incoming.hasBody {
            if request.headers[.expect]?.lowercased() == "100-continue" {
                try await writer.writeInformationalHead(HTTPResponse(status: .continue))
            }
            let timeout = channel.eventLoop.scheduleTask(
                in: .seconds(Int64(gateway.options.limits.requestSeconds))
            ) { channel.close(promise: nil) }
            let reader = BodyReader(request.body, timeout: timeout)
            incoming.body = { limit in try await reader.read(limit) }
            body = reader
        }
        let response = await gateway.respond(to: incoming)
        body?.timeout.cancel()
        var head = response.head
        // What is left of a large body is not worth waiting for.
        let isLast = body.map { !$0.isRead && Self.hasLargeBody(request) } ?? false
        if isLast { head.headerFields[.connection] = "close" }
        switch response.content {
        case .whole(let bytes):
            try await writer.write(
                response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        case .parts(let next):
            var body = try await writer.writeHead(head)
            while let bytes = try await next() {
                // Nothing was written to somebody who has gone, so nothing has failed.
                guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
                if !bytes.isEmpty { try await body.write(ByteBuffer(bytes: bytes)) }
            }
            try await body.finish(nil)
        }
        if isLast { channel.close(promise: nil) }
    }

    private static func hasLargeBody(_ request: Request) -> Bool {
        if request.headers[.transferEncoding] != nil { return true }
        let length = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        return length > 65_536
    }
}

/// Connections that are closed so that the client can read its answer, also if it still sends.
private struct LingeringChannel<Base: ServerChildChannel>: ServerChildChannel {
    let base: Base

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(LingeringClose(limits: RPCLimits()))
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Base.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}

/// Reads the body of one request, at most once.
private final class BodyReader: Sendable {
    private let source: RequestBody
    let timeout: Scheduled<Void>
    private let end = Mutex(false)

    init(_ source: RequestBody, timeout: Scheduled<Void>) {
        self.source = source
        self.timeout = timeout
    }

    /// Whether the body was read to its end.
    var isRead: Bool { end.withLock { $0 } }

    func read(_ limit: Int) async throws -> Bytes? {
        var bytes: Bytes = []
        for try await part in source {
            guard bytes.count + part.readableBytes <= limit else { return nil }
            bytes += part.readableBytesView
        }
        timeout.cancel()
        end.withLock { $0 = true }
        return bytes
    }
}

/// Answers what is no HTTP with a problem, and ends the connection.
///
/// NIO's decoder has read as much as made sense; whatever comes after it cannot be told apart. If a
/// request before it is still being answered, the connection just ends.
final class ProblemHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var requests = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head = unwrapInboundIn(data) { requests += 1 }
        context.fireChannelRead(data)
    }

    func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        if case .end = unwrapOutboundIn(data) { requests -= 1 }
        context.write(data, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard requests == 0, context.channel.isActive, context.channel.isWritable else {
            return context.close(promise: nil)
        }
        let isLarge = (error as? HTTPParserError) == .headerOverflow
        let problem =
            isLarge
            ? Problem(431, "Headers too large", "The headers of the request are too large.")
            : Problem(400, "Bad request", "The request is not HTTP/1.1.")
        let bytes = problem.encoded(requestId: "none")
        var head = HTTPResponse(status: HTTPResponse.Status(code: problem.status))
        head.headerFields[.contentType] = Problem.mediaType
        head.headerFields[.contentLength] = String(bytes.count)
        head.headerFields[.connection] = "close"
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: bytes))), promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            bound.value.close(promise: nil)
        }
    }
}
