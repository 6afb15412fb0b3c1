import Chain
import EVM
import EthereumTypes
import Execution
import Primitives
import State

/// Calls that change nothing.
extension EthNamespace {
    var executionMethods: [RPCMethod] {
        [
            RPCMethod(
                "eth_call", ["transaction", "block", "stateOverrides", "blockOverrides"],
                execution: call
            ).tried(),
            RPCMethod(
                "eth_estimateGas", ["transaction", "block", "stateOverrides", "blockOverrides"],
                execution: estimateGas),
            RPCMethod("eth_simulateV1", ["simulation", "block"], execution: simulate),
            RPCMethod(
                "eth_createAccessList", ["transaction", "block", "stateOverrides"],
                execution: createAccessList),
        ]
    }

    private func call(
        context: RPCContext, _ request: TransactionRequest, _ block: BlockReference?,
        _ overrides: StateOverridesParameter?, _ blockOverrides: BlockOverridesParameter?
    ) throws -> HexData {
        var scene = try CallScene(chain(), block, overrides, blockOverrides)
        let call = try scene.call(request)
        let outcome = try context.limited { cancellation in
            scene.context.cancellation = cancellation
            return try scene.run(call, gasCap: context.limits.callGas)
        }
        if let halt = outcome.halt {
            throw RPCError(
                halt, text: scene.context.gethText(of: halt, calling: call.to, with: call.data),
                output: outcome.output)
        }
        return HexData(outcome.output)
    }

    private func estimateGas(
        context: RPCContext, _ request: TransactionRequest, _ block: BlockReference?,
        _ overrides: StateOverridesParameter?, _ blockOverrides: BlockOverridesParameter?
    ) throws -> UInt64 {
        var scene = try CallScene(chain(), block, overrides, blockOverrides)
        return try context.limited { cancellation in
            scene.context.cancellation = cancellation
            return try estimateGas(for: request, in: scene, gasCap: context.limits.callGas)
        }
    }

    /// The gas that a transaction needs, for those that come without.
    func estimateGas(
        for request: TransactionRequest, in scene: CallScene, gasCap: Gas
    ) throws -> Gas {
        try Execution.estimateGas(
            for: try scene.call(request), in: scene.context, reader: scene.state, gasCap: gasCap)
    }

    /// Makes blocks that might be, on top of one that is (execution-apis, `eth_simulateV1`).
    private func simulate(
        context: RPCContext, _ request: SimulationRequest, _ block: BlockReference?
    ) throws -> [SimulatedBlock] {
        var simulation = try Simulation(request, on: block, chain(), limits: context.limits)
        return try context.limited(to: .seconds(context.limits.messageSeconds), else: .timedOut) {
            try simulation.run(context, cancellation: $0)
        }
    }
}

/// The block and the state that a call runs in.
struct CallScene {
    var context: ExecutionContext
    let state: any StateReader

    init(
        _ chain: ChainAccess, _ block: BlockReference?, _ overrides: StateOverridesParameter? = nil,
        _ blockOverrides: BlockOverridesParameter? = nil
    ) throws {
        let (context, state) = try chain.callContext(at: block)
        try self.init(context, state, overrides, blockOverrides)
    }

    /// A scene that is not the state after a block.
    init(
        _ context: ExecutionContext, _ state: any StateReader,
        _ overrides: StateOverridesParameter?, _ blockOverrides: BlockOverridesParameter?
    ) throws {
        var scene = try blockOverrides?.applied(to: context) ?? context
        scene.movedPrecompiles = try overrides?.movedPrecompiles(at: scene.fork)
        self.context = scene
        if let overrides {
            self.state = StateOverlay(base: state, diff: try overrides.changes(of: state))
        } else {
            self.state = state
        }
    }

    /// The call that a client describes.
    func call(_ request: TransactionRequest) throws -> CallRequest {
        try request.checkFeeKind()
        try request.check(chainId: context.config.chainId)
        let fees: CallRequest.Fees =
            if let price = request.gasPrice {
                .gasPrice(price)
            } else if request.maxFeePerGas != nil || request.maxPriorityFeePerGas != nil {
                .dynamic(
                    maxFeePerGas: request.maxFeePerGas ?? .zero,
                    maxPriorityFeePerGas: request.maxPriorityFeePerGas ?? .zero)
            } else {
                .none
            }
        return CallRequest(
            from: request.from ?? .zero, to: request.to, gas: request.gas, fees: fees,
            value: request.value ?? .zero, data: request.data ?? [],
            accessList: request.accessList ?? [], maxFeePerBlobGas: request.maxFeePerBlobGas,
            blobVersionedHashes: request.blobVersionedHashes,
            authorizationList: request.authorizationList)
    }

    /// Executes a call on a scratch copy of the state.
    func execute(
        _ call: CallRequest, gasCap: Gas, tracer: (any Tracer)?
    ) throws(TransactionError) -> TransactionOutcome {
        try simulateCall(
            call, in: context, state: JournaledState(reader: state), gasCap: gasCap, tracer: tracer)
    }

    /// Executes a call, with the words of `eth_call` for one that cannot be.
    func run(
        _ call: CallRequest, gasCap: Gas, tracer: (any Tracer)? = nil
    ) throws -> TransactionOutcome {
        do throws(TransactionError) {
            return try execute(call, gasCap: gasCap, tracer: tracer)
        } catch {
            switch error {
            case .invalid(let reason):
                let gas = min(call.gas ?? gasCap, gasCap)
                throw RPCError.server(
                    "err: \(reason.gethText(sender: call.from, nonce: 0)) (supplied gas \(gas))")
            case .stateRead: throw error
            }
        }
    }
}
