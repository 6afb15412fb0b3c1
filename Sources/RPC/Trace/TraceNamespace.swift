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
            RPCMethod("trace_block", ["block"], execution: block),
            RPCMethod("trace_transaction", ["hash"], execution: transaction),
            RPCMethod("trace_get", ["hash", "indices"], execution: get),
            RPCMethod("trace_filter", ["filter"], execution: filter),
            RPCMethod(
                "trace_call",
                ["transaction", "types", "block", "stateOverrides", "blockOverrides"],
                execution: call),
            RPCMethod("trace_callMany", ["calls", "block"], execution: callMany),
            RPCMethod("trace_rawTransaction", ["data", "types"], execution: rawTransaction),
            RPCMethod(
                "trace_replayTransaction", ["hash", "types"], execution: replayTransaction),
            RPCMethod(
                "trace_replayBlockTransactions", ["block", "types"],
                execution: replayBlockTransactions),
        ]
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
        return EncodedJSON(writer.bytes)
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
        return EncodedJSON(writer.bytes)
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
            let replay = try chain.replay(before: hash, deadline: context.deadline)
        else { return nil }
        let recorder = ParityRecorder(.trace, limit: context.limits.traceBytes)
        try replay.run(tracer: recorder)
        return (try ParityTrace.all(of: recorder.tree), replay.subject(location.index))
    }

    /// Calls a function with the traces of a block until it answers false.
    @discardableResult
    private func forEachTrace(
        of block: StoredBlock, _ chain: ChainAccess, _ context: RPCContext,
        _ body: (ParityTrace, TraceSubject) throws -> Bool
    ) throws -> Bool {
        guard !block.block.transactions.isEmpty else { return true }
        let replay = try BlockReplay(block, chain)
        for index in 0..<replay.count {
            guard .now < context.deadline else { throw RPCError.timedOut }
            let recorder = ParityRecorder(.trace, limit: context.limits.traceBytes)
            try replay.run(tracer: recorder)
            for trace in try ParityTrace.all(of: recorder.tree) {
                guard try body(trace, replay.subject(index)) else { return false }
            }
        }
        return true
    }

    private func rewards(of block: StoredBlock, _ chain: ChainAccess) -> [RewardTrace] {
        let context = ExecutionContext(header: block.block.header, config: chain.config)
        return blockRewards(ommers: block.block.ommers, in: context).enumerated().map {
            RewardTrace(reward: $1, isOfBlock: $0 == 0)
        }
    }

    private func within(_ limits: RPCLimits, _ writer: JSONWriter) throws -> Bool {
        guard writer.bytes.count <= limits.traceBytes else { throw RPCError.traceTooLarge }
        return true
    }

    // MARK: Search

    /// Executes the blocks of the range again, so the range is bounded.
    private func filter(context: RPCContext, _ filter: TraceFilter) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        let first = try filter.fromBlock.map { try chain.number(of: $0) } ?? 0
        let last = min(
            try filter.toBlock.map { try chain.number(of: $0) } ?? chain.head.number,
            chain.head.number)
        guard first <= last || first > chain.head.number else {
            throw RPCError.invalidParams("invalid block range params")
        }
        var writer = JSONWriter()
        writer.beginArray()
        if first <= last {
            guard last - first < context.limits.traceFilterBlocks else {
                throw RPCError.invalidParams(
                    "Block range too large; currently limited to "
                        + "\(context.limits.traceFilterBlocks) blocks")
            }
            var toSkip = filter.after
            var left = filter.count
            blocks: for number in max(first, 1)...max(last, 1) where number <= last {
                guard left > 0 else { break }
                guard let block = try chain.view.block(number) else { continue }
                let goesOn = try forEachTrace(of: block, chain, context) { trace, place in
                    guard filter.matches(from: trace.from, to: trace.to) else { return true }
                    if toSkip > 0 {
                        toSkip -= 1
                        return true
                    }
                    trace.write(at: place, to: &writer)
                    left -= 1
                    return try within(context.limits, writer) && left > 0
                }
                guard goesOn else { break blocks }
                for reward in rewards(of: block, chain)
                where filter.matches(from: nil, to: reward.reward.recipient) && left > 0 {
                    if toSkip > 0 {
                        toSkip -= 1
                        continue
                    }
                    reward.write(blockHash: block.hash, blockNumber: number, to: &writer)
                    left -= 1
                }
            }
        }
        writer.endArray()
        return EncodedJSON(writer.bytes)
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
        return EncodedJSON(writer.bytes)
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
        return EncodedJSON(writer.bytes)
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
        return EncodedJSON(writer.bytes)
    }

    // MARK: Replays

    private func replayTransaction(
        context: RPCContext, _ hash: Hash256, _ types: TraceTypes
    ) throws -> EncodedJSON {
        guard
            let replay = try ChainAccess(services).replay(
                before: hash, deadline: context.deadline)
        else { throw RPCError.server("transaction not found") }
        var writer = JSONWriter()
        _ = replay.takeDiff()
        try write(next: replay, types, hash: nil, context, to: &writer)
        return EncodedJSON(writer.bytes)
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
                guard .now < context.deadline else { throw RPCError.timedOut }
                try write(next: replay, types, hash: hash, context, to: &writer)
                _ = try within(context.limits, writer)
            }
        }
        writer.endArray()
        return EncodedJSON(writer.bytes)
    }

    private func write(
        next replay: BlockReplay, _ types: TraceTypes, hash: Hash256?, _ context: RPCContext,
        to writer: inout JSONWriter
    ) throws {
        let recorder = ParityRecorder(types, limit: context.limits.traceBytes)
        let outcome = try replay.run(tracer: recorder)
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

/// The parameter of `trace_filter`.
struct TraceFilter: RPCParameter {
    let fromBlock: BlockTag?
    let toBlock: BlockTag?
    let fromAddresses: Set<Address>
    let toAddresses: Set<Address>
    let needsBoth: Bool
    /// How many matches are passed over first.
    var after: UInt64
    /// How many are answered.
    var count: UInt64

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TraceFilter {
        let fields = try ObjectFields(text, type: "TraceFilter", name: "TraceFilter")
        let mode = try fields.read("mode", String.self) ?? "union"
        guard mode == "union" || mode == "intersection" else {
            throw RPCParameterError(
                "unknown variant `\(mode)`, expected `union` or `intersection`")
        }
        return TraceFilter(
            fromBlock: try fields.read("fromBlock"), toBlock: try fields.read("toBlock"),
            fromAddresses: Set(try fields.read("fromAddress", [Address].self) ?? []),
            toAddresses: Set(try fields.read("toAddress", [Address].self) ?? []),
            needsBoth: mode == "intersection",
            after: try fields.read("after", LenientQuantity.self)?.value.asUInt64 ?? 0,
            count: try fields.read("count", LenientQuantity.self)?.value.asUInt64 ?? .max)
    }

    /// Whether an action is wanted. No addresses at all: every action.
    func matches(from: Address?, to: Address?) -> Bool {
        let matchesFrom = from.map { fromAddresses.contains($0) } ?? false
        let matchesTo = to.map { toAddresses.contains($0) } ?? false
        if fromAddresses.isEmpty { return toAddresses.isEmpty || matchesTo }
        if toAddresses.isEmpty { return matchesFrom }
        return needsBoth ? matchesFrom && matchesTo : matchesFrom || matchesTo
    }

    static let schema: JSONValue = ["type": "object", "title": "TraceFilter"]
}
