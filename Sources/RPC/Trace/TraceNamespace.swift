import Chain
import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// The `trace` namespace: Parity's traces, as OpenEthereum and reth serve them.
///
/// Like those of `debug` they are made by executing blocks again.
struct TraceNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod(
                "trace_block", ["block"], result: Schema.nullable(Schema.list(Schema.parityTrace)),
                execution: block),
            RPCMethod(
                "trace_transaction", ["hash"],
                result: Schema.nullable(Schema.list(Schema.parityTrace)), execution: transaction),
            RPCMethod(
                "trace_get", ["hash", "indices"], result: Schema.nullable(Schema.parityTrace),
                execution: get),
            RPCMethod(
                "trace_call",
                ["transaction", "types", "block", "stateOverrides", "blockOverrides"],
                result: Schema.parityReplay, execution: call),
            RPCMethod(
                "trace_callMany", ["calls", "block"], result: Schema.list(Schema.parityReplay),
                execution: callMany),
            RPCMethod(
                "trace_rawTransaction", ["data", "types"], result: Schema.parityReplay,
                execution: rawTransaction),
            RPCMethod(
                "trace_replayTransaction", ["hash", "types"], result: Schema.parityReplay,
                execution: replayTransaction),
            RPCMethod(
                "trace_replayBlockTransactions", ["block", "types"],
                result: Schema.nullable(Schema.list(Schema.parityReplay)),
                execution: replayBlockTransactions),
        ] + searchMethods + opcodeMethods
    }

    // MARK: Traces of the chain

    private func block(context: RPCContext, _ reference: BlockReference) throws -> EncodedJSON? {
        let chain = ChainAccess(services)
        guard let block = try chain.block(reference) else { return nil }
        var writer = JSONWriter()
        writer.beginArray()
        if block.number > 0 {
            try forEachTrace(of: block, chain, context) { trace, place in
                trace.write(at: place, to: &writer)
                return try within(context.limits, writer)
            }
            for reward in rewards(of: block, chain) {
                reward.write(blockHash: block.hash, blockNumber: block.number, to: &writer)
            }
        }
        writer.endArray()
        return try answer(writer, context.limits)
    }

    private func transaction(context: RPCContext, _ hash: Hash256) throws -> EncodedJSON? {
        guard let (traces, place) = try traces(of: hash, context) else { return nil }
        var writer = JSONWriter()
        writer.beginArray()
        for trace in traces {
            trace.write(at: place, to: &writer)
            _ = try within(context.limits, writer)
        }
        writer.endArray()
        return try answer(writer, context.limits)
    }

    private func get(
        context: RPCContext, _ hash: Hash256, _ indices: [LenientQuantity]
    ) throws -> EncodedJSON? {
        guard let (traces, place) = try traces(of: hash, context) else { return nil }
        let address = indices.map { $0.value.asUInt64.flatMap { Int(exactly: $0) } ?? -1 }
        guard let trace = traces.first(where: { $0.address == address }) else { return nil }
        var writer = JSONWriter()
        trace.write(at: place, to: &writer)
        return EncodedJSON(writer.bytes)
    }

    private func traces(
        of hash: Hash256, _ context: RPCContext
    ) throws -> (traces: [ParityTrace], place: TraceSubject)? {
        let chain = ChainAccess(services)
        guard let location = try chain.view.transactionLocation(hash),
            let replay = try chain.replay(before: hash, in: context)
        else { return nil }
        let recorder = ParityRecorder(.trace, limit: context.limits.traceBytes)
        try replay.run(tracer: recorder, in: context)
        return (try ParityTrace.all(of: recorder.tree), replay.subject(location.index))
    }

    /// Calls a function with the traces of a block until it answers false.
    ///
    /// - Parameter indices: the transactions that are looked at, in order; nil for all.
    @discardableResult
    func forEachTrace(
        of block: StoredBlock, only indices: [Int]? = nil, _ chain: ChainAccess,
        _ context: RPCContext, _ body: (ParityTrace, TraceSubject) throws -> Bool
    ) throws -> Bool {
        let indices = indices ?? Array(block.block.transactions.indices)
        guard !indices.isEmpty else { return true }
        let replay = try BlockReplay(block, chain)
        for index in indices {
            try replay.skip(to: index, in: context)
            let recorder = ParityRecorder(.trace, limit: context.limits.traceBytes)
            try replay.run(tracer: recorder, in: context)
            for trace in try ParityTrace.all(of: recorder.tree) {
                guard try body(trace, replay.subject(index)) else { return false }
            }
        }
        return true
    }

    func rewards(of block: StoredBlock, _ chain: ChainAccess) -> [RewardTrace] {
        let context = ExecutionContext(header: block.block.header, config: chain.config)
        return blockRewards(ommers: block.block.ommers, in: context).enumerated().map {
            RewardTrace(reward: $1, isOfBlock: $0 == 0)
        }
    }

    func answer(_ writer: JSONWriter, _ limits: RPCLimits) throws -> EncodedJSON {
        _ = try within(limits, writer)
        return EncodedJSON(writer.bytes)
    }

    func within(_ limits: RPCLimits, _ writer: JSONWriter) throws -> Bool {
        guard writer.bytes.count <= limits.traceBytes else { throw RPCError.traceTooLarge }
        return true
    }

    // MARK: Calls

    private func call(
        context: RPCContext, _ request: TransactionRequest, _ types: TraceTypes,
        _ block: BlockReference?, _ overrides: StateOverridesParameter?,
        _ blockOverrides: BlockOverridesParameter?
    ) throws -> EncodedJSON {
        let scene = try CallScene(ChainAccess(services), block, overrides, blockOverrides)
        var writer = JSONWriter()
        try run(
            request, types, scene, JournaledState(reader: scene.state), context, to: &writer)
        return try answer(writer, context.limits)
    }

    private func callMany(
        context: RPCContext, _ calls: [TracedCall], _ block: BlockReference?
    ) throws -> EncodedJSON {
        let scene = try CallScene(ChainAccess(services), block)
        // Each call finds what those before it did.
        let state = JournaledState(reader: scene.state)
        var writer = JSONWriter()
        writer.beginArray()
        for call in calls {
            guard .now < context.deadline else { throw RPCError.timedOut }
            try run(call.request, call.types, scene, state, context, to: &writer)
            _ = try within(context.limits, writer)
        }
        writer.endArray()
        return try answer(writer, context.limits)
    }

    private func run(
        _ request: TransactionRequest, _ types: TraceTypes, _ scene: CallScene,
        _ state: JournaledState, _ context: RPCContext, to writer: inout JSONWriter
    ) throws {
        let recorder = ParityRecorder(types, limit: context.limits.traceBytes)
        let call = try scene.call(request)
        var scene = scene
        let outcome = try context.limited { cancellation throws -> TransactionOutcome in
            scene.context.cancellation = cancellation
            do throws(TransactionError) {
                return try simulateCall(
                    call, in: scene.context, state: state, gasCap: context.limits.callGas,
                    tracer: recorder)
            } catch {
                guard case .invalid(let reason) = error else { throw error }
                throw RPCError.server(reason.gethText(sender: call.from, nonce: 0))
            }
        }
        try write(
            outcome, recorder, types, state.takeDiff(), scene.state, hash: nil, to: &writer)
    }

    private func rawTransaction(
        context: RPCContext, _ data: HexData, _ types: TraceTypes
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        guard
            let transaction = RecoveredTransaction(
                recovering: try Transaction(encoded: data.bytes))
        else { throw RPCError.server("invalid transaction v, r, s values") }
        var scene = try CallScene(chain, .tag(.latest))
        let state = JournaledState(reader: scene.state)
        let recorder = ParityRecorder(types, limit: context.limits.traceBytes)
        let outcome = try context.limited { cancellation in
            scene.context.cancellation = cancellation
            return try processTransaction(
                transaction, in: scene.context, state: state,
                gasAvailable: scene.context.block.gasLimit,
                blobGasAvailable: scene.context.maxBlobGas, tracer: recorder)
        }
        var writer = JSONWriter()
        try write(
            outcome, recorder, types, state.takeDiff(), scene.state, hash: nil, to: &writer)
        return try answer(writer, context.limits)
    }

    // MARK: Replays

    private func replayTransaction(
        context: RPCContext, _ hash: Hash256, _ types: TraceTypes
    ) throws -> EncodedJSON {
        guard
            let replay = try ChainAccess(services).replay(before: hash, in: context)
        else { throw RPCError.server("transaction not found") }
        var writer = JSONWriter()
        _ = replay.takeDiff()
        try write(next: replay, types, hash: nil, context, to: &writer)
        return try answer(writer, context.limits)
    }

    private func replayBlockTransactions(
        context: RPCContext, _ reference: BlockReference, _ types: TraceTypes
    ) throws -> EncodedJSON? {
        let chain = ChainAccess(services)
        guard let block = try chain.block(reference) else { return nil }
        var writer = JSONWriter()
        writer.beginArray()
        if block.number > 0 {
            let replay = try BlockReplay(block, chain)
            // What the system calls changed belongs to no transaction.
            _ = replay.takeDiff()
            for hash in block.transactionHashes {
                try write(next: replay, types, hash: hash, context, to: &writer)
                _ = try within(context.limits, writer)
            }
        }
        writer.endArray()
        return try answer(writer, context.limits)
    }

    private func write(
        next replay: BlockReplay, _ types: TraceTypes, hash: Hash256?, _ context: RPCContext,
        to writer: inout JSONWriter
    ) throws {
        let recorder = ParityRecorder(
            types, limit: max(0, context.limits.traceBytes - writer.bytes.count))
        let outcome = try replay.run(tracer: recorder, in: context)
        try write(
            outcome, recorder, types, replay.takeDiff(), replay.codeReader, hash: hash,
            to: &writer)
    }

    /// Writes the wanted parts of one transaction.
    private func write(
        _ outcome: TransactionOutcome, _ recorder: ParityRecorder, _ types: TraceTypes,
        _ diff: StateDiff, _ reader: any StateReader, hash: Hash256?, to writer: inout JSONWriter
    ) throws {
        writer.beginObject()
        writer.key("output")
        writer.hexData(outcome.output)
        writer.key("stateDiff")
        if types.contains(.stateDiff) {
            try ParityStateDiff(diff: diff, reader: reader).write(to: &writer)
        } else {
            writer.null()
        }
        writer.key("trace")
        writer.beginArray()
        if types.contains(.trace) {
            for trace in try ParityTrace.all(of: recorder.tree) {
                trace.write(at: nil, to: &writer)
            }
        }
        writer.endArray()
        if let hash {
            writer.key("transactionHash")
            writer.hash(hash)
        }
        writer.key("vmTrace")
        if let vm = recorder.vm {
            do throws(TraceTooLarge) {
                writer.raw(try vm.result())
            } catch {
                throw RPCError.traceTooLarge
            }
        } else {
            writer.null()
        }
        writer.endObject()
    }
}

/// One call of `trace_callMany`: the call and what is wanted of it.
private struct TracedCall: RPCParameter {
    let request: TransactionRequest
    let types: TraceTypes

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TracedCall {
        guard let parts = text.elements, parts.count == 2 else {
            throw RPCParameterError("a call must be an array of a transaction and of types")
        }
        return TracedCall(
            request: try TransactionRequest.decode(parts[0]),
            types: try TraceTypes.decode(parts[1]))
    }

    static let schema: JSONValue = ["type": "array", "minItems": 2, "maxItems": 2]
}
