import Primitives

/// One call of a message with the method that will answer it.
struct PendingCall: Sendable {
    enum Target: Sendable {
        case method(RPCMethod)
        case refused(RPCError)
    }

    /// Where a call may run, cheapest first.
    enum Rank: Int, Comparable {
        case inline
        /// Tried on the event loop if it comes alone, else as `pooled`.
        case tried
        case pooled
        case awaited

        static func < (left: Rank, right: Rank) -> Bool { left.rawValue < right.rawValue }
    }

    let request: RPCRequest
    let target: Target
    /// Where the call may run.
    let rank: Rank
    /// The name under which the method is declared that was called; nil if there is none.
    let declaredName: String?

    /// The name that was called.
    var name: String { request.method ?? "" }

    /// What the method costs; nil if it is not run.
    var cost: RPCMethod.Cost? {
        if case .method(let method) = target { method.cost } else { nil }
    }

    /// Whether the answer is the id of a subscription, which is told by the name as in geth.
    var subscribes: Bool {
        if case .method(let method) = target { method.name.hasSuffix("_subscribe") } else { false }
    }

    init(_ request: RPCRequest, in text: Bytes, _ table: MethodTable, _ access: RPCAccess) {
        self.request = request
        guard let name = request.method else {
            target = .refused(.invalidRequest)
            rank = .inline
            declaredName = nil
            return
        }
        let declared = table[name]
        declaredName = declared?.name
        guard let method = declared, access.permits(name) else {
            target = .refused(.methodNotFound(name))
            rank = .inline
            return
        }
        target = .method(method)
        switch method.cost {
        case .instant:
            let mentionsPending = request.params.map { Self.mentionsPending(text, $0) }
            rank = mentionsPending ?? false ? .pooled : .inline
        case .execution:
            rank = method.isTried && Self.mayBeTried(text, request.params) ? .tried : .pooled
        case .command: rank = .awaited
        }
    }

    private static func mayBeTried(_ text: Bytes, _ params: Range<Int>?) -> Bool {
        guard let params else { return true }
        return params.count <= CallTrials.bytes && !mentionsPending(text, params)
    }

    private static let pending = Bytes("\"pending\"".utf8)

    /// The pending block is made by executing what waits in the pool, which keeps no event loop
    /// waiting: whoever asks for it is answered on an execution thread.
    private static func mentionsPending(_ text: Bytes, _ params: Range<Int>) -> Bool {
        // Called for each call of an instant method: the library's search in collections takes as
        // long as the rest of such a call.
        let text = text.span
        let count = pending.count
        guard params.count >= count else { return false }
        for start in params.lowerBound...params.upperBound - count
        where text[start] == UInt8(ascii: "\"") && text[start + 1] == UInt8(ascii: "p") {
            if (2..<count).allSatisfy({ text[start + $0] == pending[$0] }) { return true }
        }
        return false
    }
}

/// The work on one message: which call is next, and the answer as far as it is written.
///
/// A value, so that it can move between the event loop, a thread of the pool and a task.
struct MessageRun: Sendable {
    let text: Bytes
    let calls: [PendingCall]
    let isBatch: Bool
    var context: RPCContext
    private let observe: (@Sendable (_ method: String?, _ error: RPCError?) -> Void)?
    private var index = 0
    private var writer: JSONWriter
    private var hasAnswers = false

    /// - Parameter observe: told of each call that was answered.
    init(
        text: Bytes, calls: [PendingCall], isBatch: Bool, context: RPCContext,
        observe: (@Sendable (_ method: String?, _ error: RPCError?) -> Void)? = nil
    ) {
        self.text = text
        self.calls = calls
        self.isBatch = isBatch
        self.context = context
        self.observe = observe
        writer = JSONWriter(capacity: 256)
        if isBatch { writer.beginArray() }
    }

    /// Whether the answer tells ids of subscriptions.
    var subscribes: Bool { calls.contains(where: \.subscribes) }

    var next: PendingCall? { index < calls.count ? calls[index] : nil }

    func params(of call: PendingCall) -> JSONText? {
        call.request.params.map { JSONText(text, $0) }
    }

    /// Why a call is not even begun: not a call, out of time, or no room for its answer.
    func refusal(of call: PendingCall) -> RPCError? {
        if case .refused(let error) = call.target { return error }
        if isBatch, writer.bytes.count > context.limits.batchResponseBytes {
            return .responseTooLarge
        }
        return .now < context.deadline ? nil : .timedOut
    }

    /// Answers the next call, which is this one, and moves on.
    mutating func answer(_ call: PendingCall, _ result: Result<any RPCResult, RPCError>) {
        let failure = write(call) { writer, _, _ throws(RPCError) in
            switch result {
            case .success(let value): value.write(to: &writer)
            case .failure(let error): throw error
            }
        }
        tell(call, failure)
    }

    /// Tells whoever observes that a call was answered, and with what error.
    func tell(_ call: PendingCall, _ failure: RPCError?) {
        observe?(call.declaredName, failure)
    }

    /// Answers the next call, which is this one, with what the closure writes, and moves on. Nobody
    /// is told of it yet.
    ///
    /// - Returns: what the closure threw.
    mutating func write(
        _ call: PendingCall,
        _ body: (inout JSONWriter, RPCContext, () throws(RPCError) -> RPCArguments)
            throws(RPCError) -> Void
    ) -> RPCError? {
        index += 1
        let params = params(of: call)
        let context = context
        let arguments = { () throws(RPCError) -> RPCArguments in try RPCArguments(params) }
        if call.request.isNotification {
            var discarded = JSONWriter()
            do throws(RPCError) {
                try body(&discarded, context, arguments)
                return nil
            } catch {
                return error
            }
        }
        hasAnswers = true
        var failure: RPCError?
        Self.writeAnswer(id: call.request.id.map { text[$0] }, to: &writer) { writer in
            let mark = writer.mark()
            writer.key("result")
            do throws(RPCError) {
                try body(&writer, context, arguments)
            } catch {
                writer.rewind(to: mark)
                writer.key("error")
                error.write(to: &writer)
                failure = error
            }
        }
        return failure
    }

    /// The text of the answer; nil if nothing is to be answered.
    mutating func finish() -> Bytes? {
        guard hasAnswers else { return nil }
        if isBatch { writer.endArray() }
        return writer.bytes
    }

    /// The text of an answer in which every call has failed.
    func refusal(_ error: RPCError) -> Bytes {
        var writer = JSONWriter(capacity: 256)
        if isBatch { writer.beginArray() }
        for call in calls where !call.request.isNotification {
            Self.writeAnswer(id: call.request.id.map { text[$0] }, to: &writer) { writer in
                writer.key("error")
                error.write(to: &writer)
            }
        }
        if isBatch { writer.endArray() }
        return writer.bytes
    }

    static func writeAnswer(
        id: ArraySlice<UInt8>?, to writer: inout JSONWriter, _ outcome: (inout JSONWriter) -> Void
    ) {
        writer.object { writer in
            writer.key("jsonrpc")
            writer.string("2.0")
            writer.key("id")
            if let id { writer.raw(id) } else { writer.null() }
            outcome(&writer)
        }
    }
}
