import NIOCore
import NIOHTTP1
import NIOWebSocket
import Primitives

/// Turns WebSocket frames (RFC 6455) into messages and back, answers pings and closes politely.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    private var unansweredPings = 0
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        unansweredPings = 0
        if isClosing, frame.opcode != .connectionClose { return }
        switch frame.opcode {
        case .text, .binary: context.fireChannelRead(wrapInboundOut(frame.unmaskedData))
        case .ping:
            let pong = WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)
            context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
        case .pong: break
        case .connectionClose:
            if isClosing {
                context.close(promise: nil)
            } else {
                // The status code of the client is sent back (section 5.5.1).
                sendClose(
                    frame.unmaskedData.getSlice(
                        at: frame.unmaskedData.readerIndex,
                        length: min(2, frame.unmaskedData.readableBytes)) ?? ByteBuffer(), context)
                context.close(promise: nil)
            }
        default: fail(.protocolError, context)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let frame = WebSocketFrame(fin: true, opcode: .text, data: unwrapOutboundIn(data))
        context.write(wrapOutboundOut(frame), promise: promise)
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
        guard event is SubscriberTooSlow else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        if !isClosing {
            var payload = Self.code(.policyViolation)
            payload.writeString("too far behind with reading notifications")
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
        case is NIOWebSocketFrameAggregator.Error: fail(.messageTooLarge, context)
        case NIOWebSocketError.invalidFrameLength: fail(.messageTooLarge, context)
        case is NIOWebSocketError, is UnmaskedFrame: fail(.protocolError, context)
        default: context.close(promise: nil)
        }
    }

    private func fail(_ code: WebSocketErrorCode, _ context: ChannelHandlerContext) {
        if !isClosing { sendClose(Self.code(code), context) }
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

/// Refuses frames that a client must not send: unmasked ones (RFC 6455, section 5.1).
///
/// Stands before the aggregator, which drops the mask of fragments.
final class WebSocketMaskCheck: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if unwrapInboundIn(data).maskKey == nil {
            context.fireErrorCaught(UnmaskedFrame())
        } else {
            context.fireChannelRead(data)
        }
    }
}

/// A client sent a frame without a mask.
struct UnmaskedFrame: Error {}
