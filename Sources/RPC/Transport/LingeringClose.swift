import NIOCore

/// Closes a connection so that the client can read what it was told last.
///
/// A socket that is closed with unread bytes, or that gets some later, resets its connection: the
/// client fails to send, and what it has not read yet, such as the status of a refused request or the
/// code of a WebSocket's close, is lost. Thus a connection is closed for writing first. What the
/// client still sends is read and dropped until it closes in turn, but not for ever (RFC 9112,
/// section 9.6; RFC 6455, section 7.1.1).
///
/// Stands next to the socket, or to TLS, and makes such a close of each that the handlers after it
/// ask for. They are told by `ConnectionEnds`, and hear nothing more. When the server stops, what was
/// written still goes out, and the client is not waited for.
package final class LingeringClose: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer

    /// Closes the connection at once.
    struct Cut {}

    private enum State {
        case open
        /// Nothing more is written; so many bytes are dropped before the connection is cut.
        case lingering(bytesLeft: Int, end: Scheduled<Void>)
        case closed
    }

    private let limits: RPCLimits
    private var state = State.open
    private var isStopping = false

    /// - Parameter limits: how long the client is waited for, and how much of it is dropped.
    package init(limits: RPCLimits) {
        self.limits = limits
    }

    package func close(
        context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?
    ) {
        guard case .all = mode, context.channel.isActive else {
            return context.close(mode: mode, promise: promise)
        }
        context.channel.closeFuture.cascade(to: promise)
        guard case .open = state else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let end = context.eventLoop.scheduleTask(in: .seconds(limits.lingerSeconds)) {
            bound.value.1.close(promise: nil)
        }
        state = .lingering(bytesLeft: limits.lingerBytes, end: end)
        context.fireUserInboundEventTriggered(ConnectionEnds())
        context.flush()
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { result in
            let (handler, context) = bound.value
            switch result {
            case .success where !handler.isStopping: break
            // There is nobody to wait for, or no way to let him know.
            case .success, .failure: context.close(promise: nil)
            }
        }
        context.close(mode: .output, promise: written)
        context.read()
    }

    package func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        guard case .open = state else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        context.write(data, promise: promise)
    }

    package func triggerUserOutboundEvent(
        context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
    ) {
        guard event is Cut else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        context.close(promise: promise)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .open: context.fireChannelRead(data)
        case .lingering(let bytesLeft, let end):
            let left = bytesLeft - unwrapInboundIn(data).readableBytes
            state = .lingering(bytesLeft: left, end: end)
            if left < 0 { context.close(promise: nil) }
        case .closed: break
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        switch state {
        case .open: context.fireChannelReadComplete()
        // A handler may have turned off that the channel reads by itself.
        case .lingering: context.read()
        case .closed: break
        }
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            isStopping = true
            if case .lingering = state { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch state {
        case .open: context.fireErrorCaught(error)
        case .lingering, .closed: context.close(promise: nil)
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    private func end() {
        if case .lingering(_, let end) = state { end.cancel() }
        state = .closed
    }
}

/// The connection is being closed: nothing more comes from it, and nothing more goes out.
struct ConnectionEnds {}
