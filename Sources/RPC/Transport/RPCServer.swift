import Compression
import Foundation
public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
package import NIOSSL
import NIOWebSocket
public import Primitives
import Synchronization

/// A TCP port that serves JSON-RPC over HTTP and, on the same port, WebSocket.
public struct RPCListener: Sendable {
    /// The address to bind, such as "127.0.0.1".
    public var host: String
    /// The port to bind; 0 takes a free one.
    public var port: Int
    /// What may be called over HTTP; nil turns HTTP calls off.
    public var http: RPCAccess?
    /// What may be called over WebSocket; nil turns WebSocket off.
    public var webSocket: RPCAccess?
    /// Host names, beside localhost and literal addresses, by which the node is reached; "*" for any.
    public var virtualHosts: [String] = []
    /// Origins of web pages that may call; "*" for any.
    public var allowedOrigins: [String] = []
    /// Decides what credentials are worth, within what the listener serves anyway; nil lets everyone
    /// in. It may be asked more than once about a request.
    public var authorize: (@Sendable (RPCCredentials) -> Result<RPCCaller, RPCRefusal>)?
    /// Told once of each request that was not let in.
    ///
    /// - Returns: the seconds after which to try again, if it comes from where too many do.
    public var refused: (@Sendable (RPCCredentials, RPCRefusal) -> Int?)?

    /// With what the port speaks TLS; nil: it does not.
    public var certificate: TLSCertificate?

    /// A port with the strictest of what can be set: no other hosts, no origins.
    public init(host: String, port: Int, http: RPCAccess?, webSocket: RPCAccess?) {
        self.host = host
        self.port = port
        self.http = http
        self.webSocket = webSocket
    }

    /// The port of the Engine API: for whoever signs its calls with a key, over HTTP and WebSocket.
    ///
    /// It may be called by any host name: a page that a name was bound to has no token.
    public static func engine(
        host: String, port: Int, key: TokenKey, now: @escaping @Sendable () -> Timestamp
    ) -> RPCListener {
        var listener = RPCListener(host: host, port: port, http: .engine, webSocket: .engine)
        listener.virtualHosts = ["*"]
        listener.authorize = { credentials in
            do throws(TokenError) {
                try key.checkBearer(credentials.authorization, now: now())
                return .success(RPCCaller(.engine))
            } catch {
                return .failure(RPCRefusal("\(error)"))
            }
        }
        return listener
    }
}

/// A certificate with its chain and its key, in PEM files.
public struct TLSCertificate: Hashable, Sendable {
    /// The file with the certificate, and those that vouch for it.
    public var chainFile: String
    /// The file with the private key.
    public var keyFile: String

    /// The certificate in these files.
    public init(chainFile: String, keyFile: String) {
        self.chainFile = chainFile
        self.keyFile = keyFile
    }

    /// - Throws: if a file cannot be read, or the two do not belong together.
    func context() throws -> NIOSSLContext {
        try NIOSSLContext(configuration: configuration())
    }

    /// What a server of another module needs to speak TLS.
    ///
    /// - Throws: if a file cannot be read.
    package func configuration() throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMFile(chainFile)
        let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        return .makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    }
}

/// The JSON-RPC server: HTTP and WebSocket listeners and the Unix socket, over one dispatcher.
///
/// `stop` is graceful: nothing new is accepted, calls that are being worked on are answered, and what
/// has not ended after `RPCLimits.shutdownSeconds` is cut off.
public final class RPCServer: Sendable {
    private struct State {
        var listeners: [any Channel] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isStopping = false
    }

    private let dispatcher: RPCDispatcher
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let health: @Sendable () -> JSONValue
    private let state = Mutex(State())
    /// Compression of messages by the windows that clients may ask for.
    private let compressions = Dictionary(
        uniqueKeysWithValues: (9...15).map { ($0, MessageCompression(windowBits: $0)) })

    /// - Parameters:
    ///   - eventLoops: threads for the network; calls that take time have threads of their own.
    ///   - health: what `GET /health` answers.
    public init(
        dispatcher: RPCDispatcher, eventLoops: Int, logger: Logger,
        health: @escaping @Sendable () -> JSONValue
    ) {
        self.dispatcher = dispatcher
        group = MultiThreadedEventLoopGroup(numberOfThreads: eventLoops)
        self.logger = logger
        self.health = health
    }

    /// How many clients are connected.
    public var connectionCount: Int { state.withLock { $0.connections.count } }

    /// Begins to serve a port.
    ///
    /// - Returns: the port that was bound.
    @discardableResult
    public func listen(_ listener: RPCListener) async throws -> Int {
        let security = try listener.certificate?.context()
        let channel = try await bootstrap { channel in
            if let security {
                try channel.pipeline.syncOperations.addHandler(
                    NIOSSLServerHandler(context: security))
            }
            try self.configureHTTP(channel, listener)
        }.bind(host: listener.host, port: listener.port).get()
        keep(channel)
        let port = channel.localAddress?.port ?? listener.port
        logger.notice(
            "Serving JSON-RPC.",
            metadata: [
                "rpc.host": "\(listener.host)", "rpc.port": "\(port)",
                "rpc.websocket": "\(listener.webSocket != nil)",
                "rpc.tls": "\(listener.certificate != nil)",
            ])
        return port
    }

    /// Begins to serve a Unix socket, which only the owner of the process may open.
    ///
    /// Keep it in a directory that only the owner may enter: between binding and narrowing its mode
    /// the socket has the mode of the process's umask.
    public func listen(unixSocket path: String, access: RPCAccess = .all) async throws {
        let channel = try await bootstrap { channel in
            try self.configureIPC(channel, access)
        }.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        keep(channel)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        channel.closeFuture.whenComplete { _ in
            try? FileManager.default.removeItem(atPath: path)
        }
        logger.notice("Serving JSON-RPC.", metadata: ["rpc.ipc": "\(path)"])
    }

    /// Stops serving and frees the threads. To be called once, after which the server is done.
    public func stop() async throws {
        let (listeners, connections) = state.withLock { state in
            state.isStopping = true
            return (state.listeners, Array(state.connections.values))
        }
        for listener in listeners { try? await listener.close() }
        for connection in connections {
            connection.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        let end = ContinuousClock.now + .seconds(dispatcher.limits.shutdownSeconds)
        while connectionCount > 0, .now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        for connection in state.withLock({ Array($0.connections.values) }) {
            connection.triggerUserOutboundEvent(LingeringClose.Cut(), promise: nil)
        }
        try await group.shutdownGracefully()
    }

    // MARK: Connections

    private func bootstrap(
        _ configure: @escaping @Sendable (any Channel) throws -> Void
    ) -> ServerBootstrap {
        let unreadBytes = dispatcher.limits.unreadBytes
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 16)
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: unreadBytes / 4, high: unreadBytes)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.admit(channel)
                    try configure(channel)
                }
            }
    }

    /// Counts a new connection, or throws, which closes it, when there are too many.
    private func admit(_ channel: any Channel) throws {
        let key = ObjectIdentifier(channel)
        let isAdmitted = state.withLock { state in
            guard !state.isStopping, state.connections.count < dispatcher.limits.connections else {
                return false
            }
            state.connections[key] = channel
            return true
        }
        guard isAdmitted else { throw ChannelError.ioOnClosedChannel }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { _ = $0.connections.removeValue(forKey: key) }
        }
    }

    private func keep(_ listener: any Channel) {
        state.withLock { $0.listeners.append(listener) }
    }

    // MARK: Pipelines

    private func configureHTTP(_ channel: any Channel, _ listener: RPCListener) throws {
        try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
        let limits = dispatcher.limits
        let handler = HTTPHandler(dispatcher: dispatcher, listener: listener, health: health)
        let idle = IdleStateHandler(readTimeout: .seconds(limits.idleSeconds))
        let operations = channel.pipeline.syncOperations
        try operations.addHandler(LingeringClose(limits: limits))
        if let webSocket = listener.webSocket {
            let bound = NIOLoopBound((handler, idle), eventLoop: channel.eventLoop)
            try operations.configureHTTPServerPipeline(
                withServerUpgrade: (
                    upgraders: [
                        upgrader(HTTPAccess(listener: listener, access: webSocket))
                    ],
                    completionHandler: { context in
                        let (handler, idle) = bound.value
                        context.pipeline.syncOperations.removeHandler(handler, promise: nil)
                        context.pipeline.syncOperations.removeHandler(idle, promise: nil)
                    }
                ))
        } else {
            try operations.configureHTTPServerPipeline()
        }
        try operations.addHandler(idle)
        try operations.addHandler(handler)
    }

    /// The untyped upgrader, on purpose: the typed one loses the head of every request whose upgrade
    /// is refused (swift-nio issue 2632), and the client waits for ever.
    private func upgrader(_ access: HTTPAccess) -> NIOWebSocketServerUpgrader {
        let limits = dispatcher.limits
        return NIOWebSocketServerUpgrader(
            maxFrameSize: limits.messageBytes, automaticErrorHandling: false,
            shouldUpgrade: { channel, head in
                switch access.decide(head, from: channel.remoteAddress) {
                case .granted:
                    channel.eventLoop.makeSucceededFuture(
                        HTTPHeaders(
                            Self.deflate(head).map { [(Self.extensions, $0.header)] } ?? []))
                // The request is answered as plain HTTP.
                case .refused, .unauthorized: channel.eventLoop.makeSucceededFuture(nil)
                }
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    guard
                        case .granted(let caller, _) = access.decide(
                            head, from: channel.remoteAddress)
                    else {
                        throw ChannelError.ioOnClosedChannel
                    }
                    let operations = channel.pipeline.syncOperations
                    try operations.addHandlers(
                        IdleStateHandler(readTimeout: .seconds(limits.pingSeconds)),
                        WebSocketHandler(
                            limits: limits,
                            compression: Self.deflate(head).flatMap { agreed in
                                self.compressions[agreed.windowBits]
                            }),
                        SessionHandler(dispatcher: self.dispatcher, caller: caller))
                }
            })
    }

    private static let extensions = "Sec-WebSocket-Extensions"

    /// What is agreed with a client about compression.
    private static func deflate(_ head: HTTPRequestHead) -> WebSocketDeflate? {
        .agreement(on: head.headers[extensions])
    }

    private func configureIPC(_ channel: any Channel, _ access: RPCAccess) throws {
        let splitter = JSONValueSplitter(maxBytes: dispatcher.limits.messageBytes)
        try channel.pipeline.syncOperations.addHandlers(
            LingeringClose(limits: dispatcher.limits), ByteToMessageHandler(splitter),
            LineEndingHandler(),
            SessionHandler(dispatcher: dispatcher, caller: RPCCaller(access)))
    }
}
