import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// An HTTP server that answers each request with its own body and does nothing else: what the machine
/// and SwiftNIO allow, beside which the daemon's JSON-RPC is measured. It has as many threads as the
/// daemon's network has.
func echoServer() async throws {
    let server = try await ServerBootstrap(
        group: MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
    )
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
            try channel.pipeline.syncOperations.configureHTTPServerPipeline()
            try channel.pipeline.syncOperations.addHandler(EchoHandler())
        }
    }
    .bind(host: "127.0.0.1", port: 0).get()
    FileHandle.standardOutput.write(Data("echo on \(server.localAddress?.port ?? 0)\n".utf8))
    try await server.closeFuture.get()
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private var body = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: body.clear()
        case .body(var part): body.writeBuffer(&part)
        case .end:
            let headers: HTTPHeaders = [
                "Content-Type": "application/json", "Content-Length": "\(body.readableBytes)",
            ]
            let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
