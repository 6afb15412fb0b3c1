import Chain
import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// The `debug` namespace: what the chain holds byte for byte, and transactions step by step.
///
/// A trace executes a block again on the state before it, so it needs no switch at the start of the
/// node and works for every block whose parent's state is retained.
struct DebugNamespace: Sendable {
    let services: RPCServices

    var methods: [RPCMethod] {
        [
            RPCMethod("debug_getRawHeader", ["block"], execution: getRawHeader),
            RPCMethod("debug_getRawBlock", ["block"], execution: getRawBlock),
            RPCMethod("debug_getRawReceipts", ["block"], execution: getRawReceipts),
            RPCMethod("debug_getRawTransaction", ["hash"], execution: getRawTransaction),
            RPCMethod("debug_traceTransaction", ["hash", "options"], execution: traceTransaction),
            RPCMethod(
                "debug_traceBlockByNumber", ["block", "options"], execution: traceBlockByNumber),
            RPCMethod("debug_traceBlockByHash", ["hash", "options"], execution: traceBlockByHash),
            RPCMethod(
                "debug_traceCall", ["transaction", "block", "options"], execution: traceCall),
        ]
    }

    // MARK: Bytes

    private func getRawHeader(_: RPCContext, _ reference: BlockReference) throws -> HexData {
        HexData(try block(reference).block.header.encoded())
    }

    private func getRawBlock(_: RPCContext, _ reference: BlockReference) throws -> HexData {
        HexData(try block(reference).block.encoded())
    }

    private func getRawReceipts(_: RPCContext, _ reference: BlockReference) throws -> [HexData] {
        let chain = ChainAccess(services)
        let block = try self.block(reference)
        return try (chain.view.receipts(hash: block.hash) ?? []).map { HexData($0.encoded()) }
    }

    private func getRawTransaction(_: RPCContext, _ hash: Hash256) throws -> HexData? {
        let view = ChainAccess(services).view
        if let location = try view.transactionLocation(hash),
            let block = try view.block(location.blockNumber)
        {
            return HexData(block.block.transactions[location.index].encoded())
        }
        return services.pool.transaction(hash).map { HexData($0.transaction.encoded()) }
    }

    private func block(_ reference: BlockReference) throws -> StoredBlock {
        let chain = ChainAccess(services)
        if let block = try chain.block(reference) { return block }
        switch reference {
        case .tag(let tag): throw RPCError.server("block #\(try chain.number(of: tag)) not found")
        case .hash(let hash, _): throw RPCError.server("block \(hash) not found")
        }
    }

    // MARK: Traces

    private func traceTransaction(
        context: RPCContext, _ hash: Hash256, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let chain = ChainAccess(services)
        guard let location = try chain.view.transactionLocation(hash),
            let block = try chain.view.block(location.blockNumber)
        else { throw RPCError.server("transaction not found") }
        let replay = try BlockReplay(block, chain)
        for index in 0..<location.index { try replay.run(index, tracer: nil) }
        let recording = TraceRecording(options, limit: context.limits.traceBytes)
        let outcome = try replay.run(location.index, tracer: recording.tracer)
        return EncodedJSON(
            try recording.result(
                of: outcome, gasLimit: block.block.transactions[location.index].gasLimit))
    }

    private func traceBlockByNumber(
        context: RPCContext, _ tag: BlockTag, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        try trace(try block(.tag(tag)), options, context)
    }

    private func traceBlockByHash(
        context: RPCContext, _ hash: Hash256, _ options: TraceParameter?
    ) throws -> EncodedJSON {
        try trace(try block(.hash(hash, requireCanonical: true)), options, context)
    }

    private func trace(
        _ block: StoredBlock, _ options: TraceParameter?, _ context: RPCContext
    ) throws -> EncodedJSON {
        guard block.block.header.number > 0 else {
            throw RPCError.server("genesis is not traceable")
        }
        let replay = try BlockReplay(block, ChainAccess(services))
        var writer = JSONWriter()
        writer.beginArray()
        for (index, hash) in block.transactionHashes.enumerated() {
            guard .now < context.deadline else { throw RPCError.timedOut }
            let left = context.limits.traceBytes - writer.bytes.count
            let recording = TraceRecording(options, limit: left)
            let outcome = try replay.run(index, tracer: recording.tracer)
            let result = try recording.result(
                of: outcome, gasLimit: block.block.transactions[index].gasLimit)
            writer.object { writer in
                writer.key("txHash")
                writer.hash(hash)
                writer.key("result")
                writer.raw(result)
            }
        }
        writer.endArray()
        return EncodedJSON(writer.bytes)
    }

    private func traceCall(
        context: RPCContext, _ request: TransactionRequest, _ block: BlockReference?,
        _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let scene = try CallScene(
            ChainAccess(services), block, options?.stateOverrides, options?.blockOverrides)
        let recording = TraceRecording(options, limit: context.limits.traceBytes)
        let outcome = try scene.run(
            try scene.call(request), gasCap: context.limits.callGas, tracer: recording.tracer)
        return EncodedJSON(
            try recording.result(
                of: outcome,
                gasLimit: min(request.gas ?? context.limits.callGas, context.limits.callGas)))
    }
}

/// A block that is executed once more, transaction by transaction.
private struct BlockReplay {
    private let block: StoredBlock
    private let executor: BlockExecutor

    init(_ block: StoredBlock, _ chain: ChainAccess) throws {
        let header = block.block.header
        guard try chain.view.canonicalHash(header.number) == block.hash else {
            throw RPCError.server("hash is not currently canonical")
        }
        let parent = try chain.view.parentBlock(of: header.number)
        self.block = block
        executor = BlockExecutor(
            context: ExecutionContext(header: header, config: chain.config),
            state: JournaledState(reader: parent.state), stateRoot: parent.stateRoot)
        executor.beginBlock(
            parentHash: header.parentHash, parentBeaconBlockRoot: header.parentBeaconBlockRoot)
    }

    /// Executes the next transaction, which is the one with this index.
    @discardableResult
    func run(_ index: Int, tracer: (any Tracer)?) throws -> TransactionOutcome {
        try executor.process(
            RecoveredTransaction(
                block.block.transactions[index], hash: block.transactionHashes[index],
                sender: block.senders[index]), tracer: tracer)
    }
}

/// One trace while it is made.
private struct TraceRecording {
    private enum Recorder {
        case steps(StructLogger)
        case calls(CallTracer)
    }

    private let recorder: Recorder
    private let limit: Int
    private let isCut: Bool

    /// - Parameter limit: bytes that the trace may have.
    init(_ options: TraceParameter?, limit: Int) {
        self.limit = limit
        switch options?.tracer {
        case .calls(let detail):
            recorder = .calls(CallTracer(detail))
            isCut = false
        case .steps(var steps):
            isCut = steps.byteLimit.map { $0 <= limit } ?? false
            steps.byteLimit = min(steps.byteLimit ?? limit, limit)
            recorder = .steps(StructLogger(options: steps))
        case nil:
            recorder = .steps(StructLogger(options: TraceOptions(byteLimit: limit)))
            isCut = false
        }
    }

    var tracer: any Tracer {
        switch recorder {
        case .steps(let logger): logger
        case .calls(let tracer): tracer
        }
    }

    /// - Throws: rather than to answer with a part of the trace that nobody asked for.
    func result(of outcome: TransactionOutcome, gasLimit: Gas) throws(RPCError) -> Bytes {
        let result: Bytes =
            switch recorder {
            case .steps(let logger): logger.result(of: outcome)
            case .calls(let tracer): tracer.result(of: outcome, gasLimit: gasLimit)
            }
        guard isCut || result.count <= limit else {
            throw RPCError(
                code: RPCErrorCode.responseTooLarge,
                message: "the trace is larger than the node's limit: leave out the stack and the "
                    + "storage, set a limit, or use the callTracer")
        }
        return result
    }
}

/// The options of a trace (geth's `TraceConfig`).
struct TraceParameter: RPCParameter {
    enum Recorder {
        case steps(TraceOptions)
        case calls(CallTracer.Detail)
    }

    let tracer: Recorder
    let stateOverrides: StateOverridesParameter?
    let blockOverrides: BlockOverridesParameter?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> TraceParameter {
        let fields = try ObjectFields(text, type: "tracers.TraceConfig", name: "TraceConfig")
        let tracer: Recorder
        switch try fields.read("tracer", String.self) {
        case nil, "": tracer = .steps(try steps(fields))
        case "callTracer":
            tracer = .calls(
                try fields.read("tracerConfig", CallTracer.Detail.self) ?? CallTracer.Detail())
        case let name?: throw RPCParameterError(alone: "tracer \(name) is not supported")
        }
        return TraceParameter(
            tracer: tracer, stateOverrides: try fields.read("stateOverrides"),
            blockOverrides: try fields.read("blockOverrides"))
    }

    private static func steps(_ fields: ObjectFields) throws(RPCParameterError) -> TraceOptions {
        let limit = try fields.read("limit", LenientQuantity.self)?.value.asUInt64 ?? 0
        return TraceOptions(
            includesMemory: try fields.read("enableMemory", Bool.self) ?? false,
            includesStack: !(try fields.read("disableStack", Bool.self) ?? false),
            includesStorage: !(try fields.read("disableStorage", Bool.self) ?? false),
            includesReturnData: try fields.read("enableReturnData", Bool.self) ?? false,
            byteLimit: limit == 0 ? nil : Int(clamping: limit))
    }

    static let schema: JSONValue = ["type": "object", "title": "TraceConfig"]
}
