import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Storage

/// Calls one after another, each on the state that those before it left (anvil, reth).
extension EthNamespace {
    var bundleMethods: [RPCMethod] {
        [
            RPCMethod(
                "eth_callMany", ["bundles", "context", "stateOverrides"],
                result: Schema.bundleResults, execution: callMany)
        ]
    }

    private func callMany(
        context: RPCContext, _ bundles: [CallBundle], _ place: BundlePlace?,
        _ overrides: StateOverridesParameter?
    ) throws -> EncodedJSON {
        let run = try BundleRun(place, overrides, nil, chain(), context)
        var writer = JSONWriter()
        writer.beginArray()
        for (index, bundle) in bundles.enumerated() {
            let scene = try run.scene(ofBundle: index, bundle)
            writer.beginArray()
            for request in bundle.transactions {
                let result = try run.execute(request, in: scene, context)
                writer.object { writer in
                    switch result {
                    case .success(let outcome) where outcome.halt == nil:
                        writer.key("value")
                        writer.hexData(outcome.output)
                    case .success(let outcome):
                        writer.key("error")
                        let halt = outcome.halt ?? .reverted
                        let text = scene.context.gethText(
                            of: halt, calling: request.to, with: request.data ?? [])
                        writer.string(
                            RPCError(halt, text: text, output: outcome.output).message)
                    case .failure(let error):
                        writer.key("error")
                        writer.string(error.message)
                    }
                }
                guard writer.bytes.count <= context.limits.traceBytes else {
                    throw RPCError.responseTooLarge
                }
            }
            writer.endArray()
        }
        writer.endArray()
        return EncodedJSON(writer.bytes)
    }
}

/// The traces of such calls (reth).
extension DebugNamespace {
    var bundleMethods: [RPCMethod] {
        [
            RPCMethod(
                "debug_traceCallMany", ["bundles", "context", "options"],
                result: Schema.list(Schema.list(Schema.trace)), execution: traceCallMany)
        ]
    }

    private func traceCallMany(
        context: RPCContext, _ bundles: [CallBundle], _ place: BundlePlace?,
        _ options: TraceParameter?
    ) throws -> EncodedJSON {
        let run = try BundleRun(
            place, options?.stateOverrides, options?.blockOverrides, ChainAccess(services), context)
        var writer = JSONWriter()
        writer.beginArray()
        for (index, bundle) in bundles.enumerated() {
            let scene = try run.scene(ofBundle: index, bundle)
            writer.beginArray()
            for request in bundle.transactions {
                let left = context.limits.traceBytes - writer.bytes.count
                let trace = try TransactionTrace(
                    options, of: TraceSubject(), limit: left, context)
                writer.raw(
                    try trace.run { tracer, cancellation in
                        try run.execute(request, in: scene, context, tracer, cancellation)
                    })
            }
            writer.endArray()
        }
        writer.endArray()
        return EncodedJSON(writer.bytes)
    }
}

/// Calls that see the same block.
struct CallBundle: RPCParameter {
    let transactions: [TransactionRequest]
    let blockOverrides: BlockOverridesParameter?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> CallBundle {
        let fields = try ObjectFields(text, type: "Bundle", name: "Bundle")
        return CallBundle(
            transactions: try fields.require("transactions"),
            blockOverrides: try fields.read("blockOverride"))
    }

    static let schema: JSONValue = [
        "type": "object", "title": "CallBundle", "required": ["transactions"],
        "properties": [
            "transactions": [TransactionRequest].schema,
            "blockOverride": BlockOverridesParameter.schema,
        ],
    ]
}

/// After which block, and before which of its transactions, calls are made.
struct BundlePlace: RPCParameter {
    let block: BlockReference?
    /// Nil: after the last.
    let index: UInt64?

    static func decode(_ text: JSONText) throws(RPCParameterError) -> BundlePlace {
        let fields = try ObjectFields(text, type: "StateContext", name: "StateContext")
        // −1 is reth's name for the end of the block.
        let isWhole = fields.all["transactionIndex"].map { $0.slice.elementsEqual("-1".utf8) }
        let index =
            isWhole ?? true
            ? nil : try fields.read("transactionIndex", LenientQuantity.self)?.value
        if let index, index.asUInt64 == nil { throw RPCParameterError("number > 64 bits") }
        return BundlePlace(
            block: try fields.read("blockNumber", BlockReference.self),
            index: index?.asUInt64)
    }

    static let schema: JSONValue = [
        "type": "object", "title": "StateContext",
        "properties": [
            "blockNumber": BlockReference.schema, "transactionIndex": ["type": "integer"],
        ],
    ]
}

/// A state that one call after another changes.
private struct BundleRun {
    private let first: CallScene
    private let state: JournaledState

    init(
        _ place: BundlePlace?, _ overrides: StateOverridesParameter?,
        _ blockOverrides: BlockOverridesParameter?, _ chain: ChainAccess, _ context: RPCContext
    ) throws {
        if let index = place?.index {
            let block = try chain.requireBlock(place?.block ?? .tag(.latest))
            guard index <= UInt64(block.block.transactions.count), block.number > 0 else {
                throw RPCError.server(
                    "transaction index \(index) out of range for block \(block.hash)")
            }
            let replay = try BlockReplay(block, chain)
            try replay.skip(to: Int(index), in: context)
            first = try CallScene(
                replay.executor.context, replay.state(), overrides, blockOverrides)
        } else {
            first = try CallScene(chain, place?.block, overrides, blockOverrides)
        }
        state = JournaledState(reader: first.state)
    }

    /// What the calls of a bundle see: each bundle is a block after that of the one before, twelve
    /// seconds later, as in reth, unless it says otherwise.
    func scene(ofBundle index: Int, _ bundle: CallBundle) throws(RPCError) -> CallScene {
        var scene = first
        scene.context.block.number &+= UInt64(index)
        scene.context.block.timestamp &+= 12 &* UInt64(index)
        if let overrides = bundle.blockOverrides {
            scene.context = try overrides.applied(to: scene.context)
            scene.context.movedPrecompiles = first.context.movedPrecompiles
        }
        return scene
    }

    /// Executes the next call; one that may not be executed changes nothing.
    func execute(
        _ request: TransactionRequest, in scene: CallScene, _ context: RPCContext
    ) throws -> Result<TransactionOutcome, RPCError> {
        do {
            return .success(
                try context.limited { try execute(request, in: scene, context, nil, $0) })
        } catch let error as RPCError {
            guard .now < context.deadline else { throw error }
            return .failure(error)
        }
    }

    func execute(
        _ request: TransactionRequest, in scene: CallScene, _ context: RPCContext,
        _ tracer: (any Tracer)?, _ cancellation: Cancellation
    ) throws -> TransactionOutcome {
        var scene = scene
        scene.context.cancellation = cancellation
        let call = try scene.call(request)
        do throws(TransactionError) {
            return try simulateCall(
                call, in: scene.context, state: state, gasCap: context.limits.callGas,
                tracer: tracer)
        } catch {
            guard case .invalid(let reason) = error else { throw error }
            throw RPCError.server(reason.gethText(sender: call.from, nonce: 0))
        }
    }
}
