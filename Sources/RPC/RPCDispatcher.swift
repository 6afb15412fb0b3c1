public import Logging
import NIOCore
public import Primitives

/// From the bytes of a message to the bytes of its answer: framing, dispatch and error mapping, the
/// same for every transport.
///
/// Members of a batch are answered in order. A message with nothing but instant methods is answered
/// on the event loop. One with an execution method runs as one job on the execution pool, unless it is
/// a single short call that ends on the event loop when it is tried. One with a command runs as a task,
/// which waits for the writer without holding a thread.
public final class RPCDispatcher: Sendable {
    /// The methods.
    public let table: MethodTable
    /// The limits of the server.
    public let limits: RPCLimits
    private let pool: ExecutionPool
    private let budget: AnswerBudget
    private let trials = CallTrials()
    private let logger: Logger
    private let observe: (@Sendable (RPCObservation) -> Void)?

    /// A dispatcher of these methods.
    ///
    /// - Parameter observe: told of every call that was answered, for metrics.
    public init(
        table: MethodTable, pool: ExecutionPool, limits: RPCLimits, logger: Logger,
        observe: (@Sendable (RPCObservation) -> Void)? = nil
    ) {
        self.table = table
        self.pool = pool
        self.limits = limits
        budget = AnswerBudget(limit: limits.largeAnswersBytes)
        self.logger = logger
        self.observe = observe
    }

    /// The answer to a message: at once, or when the future completes. Nil means that none is sent,
    /// because the message held only notifications.
    package enum Reply {
        case now(RPCAnswer?)
        case later(EventLoopFuture<RPCAnswer?>)
        /// As `later`, and the answer tells the ids of subscriptions: their notifications follow it.
        case subscribing(EventLoopFuture<RPCAnswer?>)
    }

    package func reply(
        to text: Bytes, session: RPCSession?, caller: RPCCaller, on loop: any EventLoop
    ) -> Reply {
        let message: RPCMessage
        do {
            message = try RPCMessage(text, limits: limits)
        } catch {
            _ = caller.limit?([])
            return .now(RPCAnswer(text: answer(to: error, in: text), room: nil))
        }
        let context = RPCContext(
            session: session, access: caller.access,
            deadline: .now + .seconds(limits.messageSeconds), limits: limits, pool: pool)
        let calls = message.requests.map { PendingCall($0, in: text, table, caller.access) }
        var run = MessageRun(
            text: text, calls: calls, isBatch: message.isBatch, context: context,
            observe: caller.observe)
        if let seconds = caller.limit?(calls.compactMap(\.cost)) {
            while let call = run.next { run.answer(call, .failure(.tooMany(retryAfter: seconds))) }
            return .now(finish(run))
        }
        let rank = calls.lazy.map(\.rank).max()
        if rank == .tried, calls.count == 1, let answered = tried(run) {
            return .now(finish(answered))
        }
        switch rank {
        case nil, .inline:
            advance(&run, upTo: .inline, isBusy: false)
            return .now(finish(run))
        case .tried, .pooled:
            let start = run
            let job = pool.submit(on: loop) {
                var run = start
                self.advance(&run, upTo: .pooled, isBusy: false)
                return self.finish(run)
            }
            if let job { return start.subscribes ? .subscribing(job) : .later(job) }
            advance(&run, upTo: .pooled, isBusy: true)
            return .now(finish(run))
        case .awaited:
            let start = run
            let job = loop.makeFutureWithTask { self.finish(await self.complete(start)) }
            return start.subscribes ? .subscribing(job) : .later(job)
        }
    }

    /// Answers a message from start to end, from a task. Transports use `reply`.
    public func answer(to text: Bytes, access: RPCAccess = .all) async -> Bytes? {
        let message: RPCMessage
        do {
            message = try RPCMessage(text, limits: limits)
        } catch {
            return answer(to: error, in: text)
        }
        let context = RPCContext(
            session: nil, access: access,
            deadline: .now + .seconds(limits.messageSeconds), limits: limits, pool: pool)
        var run = await complete(
            MessageRun(
                text: text,
                calls: message.requests.map { PendingCall($0, in: text, table, access) },
                isBatch: message.isBatch, context: context))
        return run.finish()
    }

    /// Calls one method from within the process, as a transport would.
    ///
    /// - Throws: what a client would be told.
    public func call(
        _ name: String, _ arguments: [JSONValue], access: RPCAccess = .all
    ) async throws(RPCError) -> JSONValue {
        let request: JSONValue = [
            "jsonrpc": "2.0", "id": 1, "method": .string(name), "params": .array(arguments),
        ]
        guard let text = await answer(to: request.encoded(), access: access),
            let answer = try? JSONValue(parsing: text)
        else { throw .internalError }
        if let result = answer["result"] { return result }
        throw RPCError(
            code: answer["error"]?["code"]?.intValue ?? RPCErrorCode.internalError,
            message: answer["error"]?["message"]?.stringValue ?? "", data: answer["error"]?["data"])
    }

    /// The answer of a run; errors in its place if it is large and too many others are on their way.
    private func finish(_ run: MessageRun) -> RPCAnswer? {
        var run = run
        guard let text = run.finish() else { return nil }
        guard text.count > limits.smallAnswerBytes else { return RPCAnswer(text: text, room: nil) }
        if let room = budget.room(for: text.count) { return RPCAnswer(text: text, room: room) }
        return RPCAnswer(text: run.refusal(.tooManyLargeAnswers), room: nil)
    }

    private func complete(_ start: MessageRun) async -> MessageRun {
        var run = start
        while let call = run.next {
            switch call.rank {
            case .inline: advance(&run, upTo: .inline, isBusy: false)
            case .tried, .pooled:
                let before = run
                let after = await pool.run {
                    var run = before
                    self.advance(&run, upTo: .pooled, isBusy: false)
                    return run
                }
                if let after {
                    run = after
                } else {
                    advance(&run, upTo: .pooled, isBusy: true)
                }
            case .awaited: await answerCommand(call, &run)
            }
        }
        return run
    }

    /// Answers calls as long as they may be run on this thread.
    private func advance(_ run: inout MessageRun, upTo rank: PendingCall.Rank, isBusy: Bool) {
        while let call = run.next, call.rank <= rank {
            if isBusy, call.rank != .inline {
                run.answer(call, .failure(.busy))
                continue
            }
            answerSynchronously(call, &run)
        }
    }

    /// Answers a single call on the event loop; `nil` if that would take, or has taken, too long, and
    /// nothing has come of it.
    private func tried(_ start: MessageRun) -> MessageRun? {
        trials.attempt {
            var run = start
            run.context.trials = trials
            return answerSynchronously(run.calls[0], &run) ? run : nil
        }
    }

    /// - Returns: whether the call is answered; not if it was only tried, and took too long.
    @discardableResult
    private func answerSynchronously(_ call: PendingCall, _ run: inout MessageRun) -> Bool {
        guard run.refusal(of: call) == nil, case .method(let method) = call.target,
            case .synchronous(let body) = method.body
        else {
            run.answer(call, .failure(run.refusal(of: call) ?? .internalError))
            return true
        }
        let start = ContinuousClock.now
        var hasEnded = true
        let failure = run.write(call) { (writer, context, arguments) throws(RPCError) in
            do {
                try body(context, arguments(), &writer)
            } catch is TrialEnded {
                hasEnded = false
                throw .timedOut
            } catch {
                throw translate(error, method: call.name)
            }
        }
        guard hasEnded else { return false }
        run.tell(call, failure)
        observe?(RPCObservation(method: method.name, duration: .now - start, error: failure))
        return true
    }

    private func answerCommand(_ call: PendingCall, _ run: inout MessageRun) async {
        if let error = run.refusal(of: call) { return run.answer(call, .failure(error)) }
        guard case .method(let method) = call.target, case .asynchronous(let body) = method.body
        else { return run.answer(call, .failure(.internalError)) }
        let start = ContinuousClock.now
        do {
            let result = try await body(run.context, RPCArguments(run.params(of: call)))
            run.answer(call, .success(result))
            observe?(RPCObservation(method: method.name, duration: .now - start, error: nil))
        } catch {
            let failure = translate(error, method: call.name)
            run.answer(call, .failure(failure))
            observe?(RPCObservation(method: method.name, duration: .now - start, error: failure))
        }
    }

    /// Turns what a method threw into what the client sees; an unexpected error is logged, and the
    /// client learns no more than that.
    private func translate(_ error: any Error, method: String) -> RPCError {
        if let known = RPCError(translating: error) { return known }
        logger.error(
            "A call failed unexpectedly.",
            metadata: ["rpc.method": "\(method)", "error": "\(error)"])
        return .internalError
    }

    private func answer(to failure: RPCMessageError, in text: Bytes) -> Bytes {
        var writer = JSONWriter(capacity: 128)
        if failure.isBatch { writer.beginArray() }
        MessageRun.writeAnswer(id: failure.id.map { text[$0] }, to: &writer) { writer in
            writer.key("error")
            failure.error.write(to: &writer)
        }
        if failure.isBatch { writer.endArray() }
        return writer.bytes
    }
}

/// A call that was answered, for metrics.
public struct RPCObservation: Sendable {
    /// The name under which the method is declared.
    public let method: String
    /// The time it took, without waiting for a thread.
    public let duration: Duration
    /// What the client was told if it failed.
    public let error: RPCError?
}
