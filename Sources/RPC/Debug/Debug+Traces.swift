import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// Traces in geth's formats.
extension DebugNamespace {
    var traceMethods: [RPCMethod] {
        [
            RPCMethod(
                "debug_traceTransaction", ["hash", "options"], result: Schema.trace,
                execution: traceTransaction),
            RPCMethod(
                "debug_traceBlockByNumber", ["block", "options"], result: Schema.blockTraces,
                execution: traceBlockByNumber),
            RPCMethod(
                "debug_traceBlockByHash", ["hash", "options"], result: Schema.blockTraces,
                execution: traceBlockByHash),
            RPCMethod(
                "debug_traceBlock", ["block", "options"], result: Schema.blockTraces,
                execution: traceBlock),
            RPCMethod(
                "debug_traceCall", ["transaction", "block", "options"], result: Schema.trace,
                execution: traceCall),
        ]
    }

    private func traceTransaction(
        context: RPCContext, _ hash: Hash256, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        guard let location = try chain.view.transactionLocation(hash),
            let replay = try chain.replay(before: hash, in: context)
        else { throw RPCError.server("transaction not found") }
        let trace = try TransactionTrace(
            options, of: replay.subject(location.index), limit: context.limits.traceBytes, context)
        return EncodedJSON(
            try trace.run { tracer, cancellation in
                try replay.run(tracer: tracer, cancellation: cancellation)
            })
    }

    private func traceBlockByNumber(
        context: RPCContext, _ tag: BlockTag, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        return try trace(try chain.requireBlock(.tag(tag)), options, chain, context)
    }

    private func traceBlockByHash(
        context: RPCContext, _ hash: Hash256, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        let block = try chain.requireBlock(.hash(hash, requireCanonical: false))
        return try trace(block, options, chain, context)
    }

    private func traceBlock(
        context: RPCContext, _ encoding: HexData, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        return try trace(try chain.decodeBlock(encoding.bytes), options, chain, context)
    }

    private func trace(
        _ block: StoredBlock, _ options: TraceParameter?, _ chain: ChainAccess,
        _ context: RPCContext
    ) throws -> EncodedJSON {
        var writer = JSONWriter()
        try Self.writeTraces(of: BlockReplay(block, chain), options, context, to: &writer)
        return EncodedJSON(writer.bytes)
    }

    /// Writes the traces of all transactions of a block, each with its hash.
    static func writeTraces(
        of replay: BlockReplay, _ options: TraceParameter?, _ context: RPCContext,
        to writer: inout JSONWriter
    ) throws {
        writer.beginArray()
        for (index, hash) in replay.block.transactionHashes.enumerated() {
            let left = context.limits.traceBytes - writer.bytes.count
            let result = try trace(index, of: replay, options, limit: left, context)
            writer.object { writer in
                writer.key("txHash")
                writer.hash(hash)
                writer.key("result")
                writer.raw(result)
            }
        }
        writer.endArray()
        guard writer.bytes.count <= context.limits.traceBytes else { throw RPCError.traceTooLarge }
    }

    /// The trace of the next transaction of a block, which has this index.
    static func trace(
        _ index: Int, of replay: BlockReplay, _ options: TraceParameter?, limit: Int,
        _ context: RPCContext
    ) throws -> Bytes {
        guard .now < context.deadline else { throw RPCError.timedOut }
        let trace = try TransactionTrace(
            options, of: replay.subject(index), limit: limit, context)
        return try trace.run { tracer, cancellation in
            try replay.run(tracer: tracer, cancellation: cancellation)
        }
    }

    private func traceCall(
        context: RPCContext, _ request: TransactionRequest, _ reference: BlockReference?,
        _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        if case .tag(.pending) = reference {
            throw RPCError.server("tracing on top of pending is not supported")
        }
        var scene: CallScene
        if let index = options?.transactionIndex {
            let block = try chain.requireBlock(reference ?? .tag(.latest))
            guard block.number > 0 else { throw RPCError.server("no transaction in genesis") }
            guard index < UInt64(block.block.transactions.count) || index == 0 else {
                throw RPCError.server(
                    "transaction index \(index) out of range for block \(block.hash)")
            }
            let replay = try BlockReplay(block, chain)
            try replay.skip(to: Int(index), in: context)
            scene = try CallScene(
                replay.executor.context, replay.state(), options?.stateOverrides,
                options?.blockOverrides)
        } else {
            if let reference { _ = try chain.requireBlock(reference) }
            scene = try CallScene(
                chain, reference, options?.stateOverrides, options?.blockOverrides)
        }
        let trace = try TransactionTrace(
            options, of: TraceSubject(), limit: context.limits.traceBytes, context)
        let call = try scene.call(request)
        return EncodedJSON(
            try trace.run { tracer, cancellation in
                scene.context.cancellation = cancellation
                do throws(TransactionError) {
                    return try scene.execute(
                        call, gasCap: context.limits.callGas, tracer: tracer)
                } catch {
                    guard case .invalid(let reason) = error else { throw error }
                    throw RPCError.server(
                        "tracing failed: \(reason.gethText(sender: call.from, nonce: 0))")
                }
            })
    }
}

/// One trace while it is made.
struct TransactionTrace {
    private let recorder: any TraceRecorder
    private let limit: Int
    private let time: Duration
    private let context: RPCContext

    /// - Parameter limit: bytes that the trace may have.
    init(
        _ options: TraceParameter?, of subject: TraceSubject, limit: Int, _ context: RPCContext
    ) throws(RPCError) {
        self.limit = limit
        self.context = context
        time = try options?.timeout(context.limits) ?? context.limits.traceTime
        let kind = try options?.kind.get() ?? .structLogger(TraceOptions())
        recorder = kind.recorder(of: subject, limit: limit)
    }

    /// Runs a transaction and answers with its trace.
    ///
    /// - Throws: rather than to answer with a part of the trace that nobody asked for.
    func run(
        _ body: (any Tracer, Cancellation) throws -> TransactionOutcome
    ) throws -> Bytes {
        let outcome = try context.limited(to: time, else: .traceTimedOut) { cancellation in
            try body(recorder, cancellation)
        }
        do throws(TraceTooLarge) {
            return try recorder.result(of: outcome, limit: limit)
        } catch {
            throw RPCError.traceTooLarge
        }
    }
}

extension RPCError {
    /// A trace has more bytes than the node allows.
    static let traceTooLarge = RPCError(
        code: RPCErrorCode.responseTooLarge,
        message: "the trace is larger than the node's limit: leave out the stack and the storage, "
            + "set a limit, or use the callTracer")
}
