import NIOCore
import Primitives

/// JSON-RPC over a connection that stays: messages in, answers and notifications out.
///
/// Shared by WebSocket and IPC, whose own handlers turn their framing into one buffer a message, and
/// the pieces of messages into their framing. Messages are worked on side by side, up to a limit, and
/// as long as the client reads what it is told; beyond it nothing more is read, so that a client that
/// sends faster than it is answered waits in its own socket.
final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = MessagePiece

    private let dispatcher: RPCDispatcher
    private let caller: RPCCaller
    private let limits: RPCLimits
    private var session: RPCSession?
    /// Asks whether the caller's credentials still hold.
    private var check: RepeatedTask?
    private var waiting = CircularBuffer<ByteBuffer>()
    private var workingCount = 0
    private var outbox: Outbox
    private var backlogBytes = 0
    private var isFlushScheduled = false
    private var isQuiescing = false
    private var isEnded = false

    /// Messages that are worked on and whose answers tell the ids of subscriptions.
    private var subscribingCount = 0
    /// The notifications that such answers must go before.
    private var held: [Notification] = []
    private var heldBytes = 0

    private struct Notification {
        let message: Bytes
        /// Called when the message has left or never will, if its sender waits for that.
        let sent: (@Sendable () -> Void)?
    }

    init(dispatcher: RPCDispatcher, caller: RPCCaller) {
        self.dispatcher = dispatcher
        self.caller = caller
        limits = dispatcher.limits
        outbox = Outbox(pieceBytes: limits.answerPieceBytes)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { open(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        open(context)
        context.fireChannelActive()
    }

    private func open(_ context: ChannelHandlerContext) {
        guard session == nil else { return }
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        session = RPCSession(
            deliver: { message, sent in
                loop.execute {
                    let (handler, context) = bound.value
                    handler.take(Notification(message: message, sent: sent), context)
                }
            },
            hangUp: {
                loop.execute {
                    let (handler, context) = bound.value
                    handler.cut(.eventsMissed, context)
                }
            })
        guard let isAdmitted = caller.isAdmitted else { return }
        let pause = TimeAmount.seconds(limits.credentialSeconds)
        check = loop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
            let (handler, context) = bound.value
            if !isAdmitted() { handler.cut(.credentialsEnded, context) }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isEnded { return }
        let message = unwrapInboundIn(data)
        if canWork(context), waiting.isEmpty, !isQuiescing {
            work(on: message, context)
        } else {
            waiting.append(message)
        }
        updateReading(context)
    }

    /// Whether there is room for one more message, and for its answer.
    private func canWork(_ context: ChannelHandlerContext) -> Bool {
        workingCount < limits.concurrentMessages && outbox.waitingBytes < limits.unreadBytes
            && context.channel.isWritable
    }

    private func work(on message: ByteBuffer, _ context: ChannelHandlerContext) {
        let reply = dispatcher.reply(
            to: Bytes(message.readableBytesView), session: session, caller: caller,
            on: context.eventLoop)
        switch reply {
        case .now(let answer): send(answer, context)
        case .later(let future): send(future, context) { _, _ in }
        case .subscribing(let future):
            subscribingCount += 1
            send(future, context) { handler, context in
                handler.subscribingCount -= 1
                handler.release(context)
            }
        }
    }

    /// Sends an answer when it is there.
    ///
    /// - Parameter afterwards: what is done once it is written.
    private func send(
        _ future: EventLoopFuture<RPCAnswer?>, _ context: ChannelHandlerContext,
        _ afterwards: @escaping (SessionHandler, ChannelHandlerContext) -> Void
    ) {
        workingCount += 1
        let bound = NIOLoopBound((self, context, afterwards), eventLoop: context.eventLoop)
        future.whenComplete { result in
            let (handler, context, afterwards) = bound.value
            handler.workingCount -= 1
            handler.send((try? result.get()) ?? nil, context)
            afterwards(handler, context)
            handler.workOnWaiting(context)
        }
    }

    private func workOnWaiting(_ context: ChannelHandlerContext) {
        if isQuiescing { return closeIfDone(context) }
        while canWork(context), let message = waiting.popFirst() { work(on: message, context) }
        updateReading(context)
    }

    /// Ends the connection when the server stops, once all answers are on their way.
    private func closeIfDone(_ context: ChannelHandlerContext) {
        guard workingCount == 0, outbox.isEmpty else { return }
        context.flush()
        context.close(promise: nil)
    }

    private func updateReading(_ context: ChannelHandlerContext) {
        if isEnded { return }
        let wantsMore = waiting.isEmpty && context.channel.isWritable
        if let options = context.channel.syncOptions {
            if (try? options.getOption(.autoRead)) != wantsMore {
                try? options.setOption(.autoRead, value: wantsMore)
            }
        }
    }

    private func send(_ answer: RPCAnswer?, _ context: ChannelHandlerContext) {
        guard let answer, !isEnded else { return }
        write(OutgoingText(answer.text, room: answer.room), sent: nil, context)
    }

    /// Writes a notification, but not before an answer that tells its subscriber what it is about.
    private func take(_ notification: Notification, _ context: ChannelHandlerContext) {
        guard !isEnded else {
            notification.sent?()
            return
        }
        if subscribingCount > 0 {
            held.append(notification)
            // Who waits for a notification to be taken sends no other.
            if notification.sent == nil { heldBytes += notification.message.count }
            if backlogBytes + heldBytes > limits.subscriberBacklogBytes {
                cut(.tooSlow, context)
            }
        } else if let sent = notification.sent {
            transmit(notification.message, context, sent)
        } else {
            notify(notification.message, context)
        }
    }

    private func release(_ context: ChannelHandlerContext) {
        guard subscribingCount == 0 else { return }
        let notifications = held
        held = []
        heldBytes = 0
        for notification in notifications { take(notification, context) }
    }

    /// Writes a notification, unless the client is too far behind with reading the ones before.
    private func notify(_ message: Bytes, _ context: ChannelHandlerContext) {
        guard backlogBytes + message.count <= limits.subscriberBacklogBytes else {
            return cut(.tooSlow, context)
        }
        backlogBytes += message.count
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in bound.value.backlogBytes -= message.count }
        write(OutgoingText(message), sent: promise, context)
    }

    /// Writes a notification whose sender waits for it, and cuts the client off that takes too long.
    private func transmit(
        _ message: Bytes, _ context: ChannelHandlerContext, _ sent: @escaping @Sendable () -> Void
    ) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let end = context.eventLoop.scheduleTask(in: .seconds(limits.subscriberSeconds)) {
            let (handler, context) = bound.value
            handler.cut(.tooSlow, context)
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { _ in
            end.cancel()
            sent()
        }
        write(OutgoingText(message), sent: promise, context)
    }

    /// Cuts off a client, and tells it why.
    private func cut(_ reason: CutReason, _ context: ChannelHandlerContext) {
        guard !isEnded else { return }
        context.triggerUserOutboundEvent(reason, promise: nil)
        context.close(promise: nil)
    }

    /// Writes a message after those before it.
    ///
    /// - Parameter sent: completed when the socket has taken it, or never will.
    private func write(
        _ message: OutgoingText, sent: EventLoopPromise<Void>?, _ context: ChannelHandlerContext
    ) {
        outbox.append(message, sent: sent)
        writeOn(context)
    }

    /// Writes what may be written now.
    private func writeOn(_ context: ChannelHandlerContext) {
        while let step = outbox.next() {
            switch step {
            case .message(let piece, let sent):
                context.write(wrapOutboundOut(piece), promise: sent)
            case .piece(let piece):
                context.write(wrapOutboundOut(piece), promise: promiseOfPiece(context))
            }
            scheduleFlush(context)
        }
    }

    /// What is completed when the socket has taken a piece of a message: then the next one goes out. A
    /// client that takes none for too long is cut off.
    private func promiseOfPiece(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let end = context.eventLoop.scheduleTask(in: .seconds(limits.idleSeconds)) {
            let (handler, context) = bound.value
            handler.cut(.stalled, context)
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { result in
            end.cancel()
            // Otherwise the connection is at its end.
            guard case .success = result else { return }
            let (handler, context) = bound.value
            handler.outbox.pieceTaken()?.succeed()
            handler.writeOn(context)
            handler.workOnWaiting(context)
        }
        return promise
    }

    /// Flushes once all that this turn of the loop has to say is written.
    private func scheduleFlush(_ context: ChannelHandlerContext) {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (handler, context) = bound.value
            handler.isFlushScheduled = false
            context.flush()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isQuiescing { updateReading(context) } else { workOnWaiting(context) }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ConnectionEnds: end()
        case is ChannelShouldQuiesceEvent:
            isQuiescing = true
            closeIfDone(context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    private func end() {
        isEnded = true
        check?.cancel()
        session?.close()
        waiting.removeAll()
        for sent in outbox.removeAll() { sent.fail(ChannelError.ioOnClosedChannel) }
        let notifications = held
        held = []
        for notification in notifications { notification.sent?() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Why a client is cut off, which a WebSocket's client is told.
enum CutReason {
    /// It lags too far behind with reading notifications.
    case tooSlow
    /// It takes nothing of a large message for too long.
    case stalled
    /// The node itself was too slow, and has lost events that the client counts on.
    case eventsMissed
    /// What let it in does so no longer.
    case credentialsEnded
}
