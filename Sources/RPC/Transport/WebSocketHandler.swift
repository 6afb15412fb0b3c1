import Compression
import NIOCore
import NIOHTTP1
import NIOWebSocket
import Primitives

/// Turns WebSocket frames (RFC 6455) into messages and back, answers pings and closes politely.
///
/// A message that comes in pieces goes out as a frame for each; pongs may go between them.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = MessagePiece
    typealias OutboundOut = WebSocketFrame

    private let limits: RPCLimits
    /// Nil: messages are not compressed.
    private let compression: MessageCompression?
    private var assembly: WebSocketAssembly
    /// Of the message whose pieces are being written, if it is compressed.
    private var deflation: MessageDeflation?
    private var unansweredPings = 0
    private var isClosing = false

    init(limits: RPCLimits, compression: MessageCompression?) {
        self.limits = limits
        self.compression = compression
        assembly = WebSocketAssembly(limits: limits, allowsCompression: compression != nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        unansweredPings = 0
        // What came together with the frame that was the last does not need to be heard.
        if isClosing { return }
        do throws(WebSocketFault) {
            switch try assembly.take(frame) {
            case nil, .pong: break
            case .message(let bytes, let isText, let isCompressed):
                let message = isCompressed ? try unpacked(bytes) : bytes
                guard !isText || message.isUTF8 else { throw .invalidData }
                context.fireChannelRead(wrapInboundOut(message))
            case .ping(let data):
                let pong = WebSocketFrame(fin: true, opcode: .pong, data: data)
                context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
            case .close(let code):
                sendClose(code, context)
                context.close(promise: nil)
            }
        } catch {
            fail(error, context)
        }
    }

    private func unpacked(_ packed: ByteBuffer) throws(WebSocketFault) -> ByteBuffer {
        guard let compression else { throw .protocolError }
        do throws(InflationError) {
            return ByteBuffer(
                bytes: try compression.decompress(
                    Bytes(packed.readableBytesView),
                    limit: min(limits.inflatedBytes, limits.messageBytes)))
        } catch {
            throw error == .tooLarge ? .tooLarge : .invalidData
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let piece = unwrapOutboundIn(data)
        guard let frame = piece.isWhole ? frame(of: piece.bytes) : fragment(piece) else {
            promise?.fail(ChannelError.outputClosed)
            sendClose(Self.code(.unexpectedServerError), context)
            return context.close(promise: nil)
        }
        context.write(wrapOutboundOut(frame), promise: promise)
    }

    private func frame(of message: ByteBuffer) -> WebSocketFrame {
        if let packed = packed(message) {
            WebSocketFrame(fin: true, rsv1: true, opcode: .text, data: packed)
        } else {
            WebSocketFrame(fin: true, opcode: .text, data: message)
        }
    }

    /// The frame of a piece. All pieces of a message are compressed as one, as its first frame says
    /// (RFC 7692, section 6.1).
    ///
    /// - Returns: nil if zlib fails, which leaves no way to end the message.
    private func fragment(_ piece: MessagePiece) -> WebSocketFrame? {
        if piece.isFirst { deflation = compression?.begin() }
        defer { if piece.isLast { deflation = nil } }
        var data = piece.bytes
        if let deflation {
            let part = Bytes(data.readableBytesView)
            guard let packed = piece.isLast ? deflation.last(part) : deflation.next(part) else {
                return nil
            }
            data = ByteBuffer(bytes: packed)
        }
        return WebSocketFrame(
            fin: piece.isLast, rsv1: piece.isFirst && deflation != nil,
            opcode: piece.isFirst ? .text : .continuation, data: data)
    }

    /// A message in compressed form, if it is to have one and that is shorter.
    private func packed(_ message: ByteBuffer) -> ByteBuffer? {
        guard let compression, message.readableBytes >= limits.compressedBytes,
            let packed = compression.compress(Bytes(message.readableBytesView)),
            packed.count < message.readableBytes
        else { return nil }
        return ByteBuffer(bytes: packed)
    }

    /// A close that this side begins says why: 1001, going away.
    func close(
        context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?
    ) {
        if !isClosing { sendClose(Self.code(.goingAway), context) }
        context.close(mode: mode, promise: promise)
    }

    func triggerUserOutboundEvent(
        context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
    ) {
        guard let reason = event as? CutReason else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        if !isClosing {
            var payload: ByteBuffer
            switch reason {
            case .tooSlow:
                payload = Self.code(.policyViolation)
                payload.writeString("too far behind with reading notifications")
            case .stalled:
                payload = Self.code(.policyViolation)
                payload.writeString("a message was not read for too long")
            case .eventsMissed:
                payload = Self.code(.unexpectedServerError)
                payload.writeString("events were missed: subscribe again")
            case .credentialsEnded:
                payload = Self.code(.policyViolation)
                payload.writeString("the token has ended")
            }
            sendClose(payload, context)
        }
        promise?.succeed()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        unansweredPings += 1
        if unansweredPings > 2 {
            context.close(promise: nil)
        } else {
            let ping = WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer())
            context.writeAndFlush(wrapOutboundOut(ping), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength: fail(.tooLarge, context)
        case is NIOWebSocketError: fail(.protocolError, context)
        // The decoder takes nothing more after an error; the client is still told of the first.
        default: if !isClosing { context.close(promise: nil) }
        }
    }

    /// Closes with a code.
    private func fail(_ fault: WebSocketFault, _ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        sendClose(Self.code(fault.code), context)
        context.close(promise: nil)
    }

    private func sendClose(_ payload: ByteBuffer, _ context: ChannelHandlerContext) {
        isClosing = true
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: payload)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    private static func code(_ code: WebSocketErrorCode) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.write(webSocketErrorCode: code)
        return buffer
    }
}
