import Chain
import EthereumTypes
import PluginAPI
import Primitives
import RPC
import Storage
import Synchronization

extension PredictionPlugin {
    /// The least and the most blocks that a caller may want to wait for inclusion.
    private static let waits: ClosedRange<UInt64> = 1...UInt64(InclusionRecord.longestWait)
    /// Blocks within which tiers get a transaction in, unless others are wanted.
    private static let usualWait: UInt64 = 3

    /// The methods and routes: the same functions.
    func offer(_ handle: PluginHandle) -> PluginOffer {
        PluginOffer(methods: methods(handle), routes: routes(handle))
    }

    private func methods(_ handle: PluginHandle) -> [RPCMethod] {
        [
            RPCMethod(
                "prediction_fees", ["within"],
                execution: { (_: RPCContext, within: UInt64?) in
                    try Self.forCallers {
                        try self.fees(handle.view.chain, handle, within: within ?? Self.usualWait)
                    }
                }),
            RPCMethod(
                "prediction_feeWait", ["fee", "blocks"],
                execution: { (_: RPCContext, fee: UInt256, blocks: UInt64) in
                    try Self.forCallers {
                        try self.feeWait(handle.view.chain, handle, fee: fee, blocks: blocks)
                    }
                }),
            RPCMethod(
                "prediction_inclusion", ["tip"],
                execution: { (_: RPCContext, tip: UInt256) in
                    try Self.forCallers { try self.inclusion(handle.view.chain, tip: tip) }
                }),
            RPCMethod(
                "prediction_activity",
                execution: { (_: RPCContext) in
                    try Self.forCallers { try self.activity(handle.view, handle) }
                }),
            RPCMethod(
                "prediction_predict", ["features"],
                instant: { (_: RPCContext, features: GivenFeatures) in
                    try Self.forCallers { try self.predict(features) }
                }),
        ]
    }

    private func routes(_ handle: PluginHandle) -> [RESTRoute] {
        let features = RESTParameter<GivenFeatures>.body("features", "The features of the moment.")
        return [
            RESTRoute(
                .get, "/api/ai/fees",
                "The next base fee, exact; later ones with intervals; tips by tier.",
                role: .reader, cost: .execution,
                RESTParameter<UInt64>.query(
                    "within", "Blocks within which the tiers get a transaction in.",
                    default: Self.usualWait, in: Self.waits)
            ) { context, within in try self.fees(context.view, handle, within: within) },
            RESTRoute(
                .get, "/api/ai/fees/wait",
                "How likely the base fee falls so far within so many blocks.", role: .reader,
                cost: .execution,
                RESTParameter<UInt256>.query("fee", "The base fee to wait for, in wei."),
                RESTParameter<UInt64>.query(
                    "blocks", "How many blocks one would wait.", default: 10, in: 1...1_000)
            ) { context, fee, blocks in
                try self.feeWait(context.view, handle, fee: fee, blocks: blocks)
            },
            RESTRoute(
                .get, "/api/ai/fees/inclusion",
                "How often a transaction with such a tip was in a block within so many.",
                role: .reader, cost: .execution,
                RESTParameter<UInt256>.query("tip", "Wei a gas above the base fee.")
            ) { context, tip in try self.inclusion(context.view, tip: tip) },
            RESTRoute(
                .get, "/api/ai/activity",
                "Transactions and gas of the next hour and of the next blocks, with intervals.",
                role: .reader, cost: .execution
            ) { context in try self.activity(handle.view(of: context.view), handle) },
            RESTRoute(
                .post, "/api/ai/predict", "A forecast by the operator's own model.",
                role: .reader, features
            ) { _, features in try self.predict(features) },
            RESTRoute(
                .post, "/predict", "A forecast by the operator's own model.", role: .reader,
                features
            ) { _, features in try self.predict(features) },
        ]
    }

    /// Tells a caller of JSON-RPC what a caller of the routes is told.
    private static func forCallers<Answer>(_ answer: () throws -> Answer) throws -> Answer {
        do {
            return try answer()
        } catch let error as RESTError {
            throw RPCError.server(error.detail)
        }
    }

    private func fees(
        _ view: ChainView, _ handle: PluginHandle, within: UInt64
    ) throws -> FeesAnswer {
        guard Self.waits.contains(within) else {
            throw RESTError.badRequest(
                "the parameter \"within\" is not from 1 to \(InclusionRecord.longestWait)")
        }
        let tracker = try chain(at: view, head: handle.view.chain)
        let tips: FeesAnswer.Tips
        if let curves = knowledge.withLock({ $0.curves }) {
            tips = .pool(
                tiers: curves.tiers(within: Int(within)), within: within,
                outcomes: curves.count, blocks: curves.blocks)
        } else {
            tips = .blocks(tiers: tracker.tiers, blocks: tracker.tipBlocks)
        }
        return FeesAnswer(
            block: tracker.position ?? view.reference, forecasts: tracker.forecaster.forecasts(),
            tips: tips)
    }

    private func feeWait(
        _ view: ChainView, _ handle: PluginHandle, fee: UInt256, blocks: UInt64
    ) throws -> FeeWaitAnswer {
        guard (1...1_000).contains(blocks) else {
            throw RESTError.badRequest("the parameter \"blocks\" is not from 1 to 1000")
        }
        let tracker = try chain(at: view, head: handle.view.chain)
        guard let last = tracker.forecaster.last else {
            throw RESTError.conflict("the chain has no base fee yet")
        }
        let next = last.nextFee
        let lowest = FeeBounds.after(Int(blocks) - 1, from: next, gasLimit: last.gasLimit).low
        let certain: Double? = fee >= next ? 1 : fee < lowest ? 0 : nil
        var answer = FeeWaitAnswer(
            block: tracker.position ?? view.reference, fee: fee, blocks: blocks, certain: certain,
            outlook: nil, records: tracker.falls.records)
        if certain == nil {
            let share = fee.doubleValue / max(next.doubleValue, 1)
            answer.outlook = tracker.falls.outlook(
                of: FallHistory.Fall(share: share, blocks: Int(blocks)))
            guard answer.outlook != nil else {
                throw RESTError.conflict("too few blocks to have seen that often enough")
            }
        }
        return answer
    }

    private func inclusion(_ view: ChainView, tip: UInt256) throws -> InclusionAnswer {
        guard let curves = knowledge.withLock({ $0.curves }) else {
            throw RESTError.conflict(
                "the pool has not seen \(InclusionCurves.leastOutcomes) transactions wait over "
                    + "\(InclusionCurves.leastBlocks) blocks since the node started")
        }
        return InclusionAnswer(
            block: view.reference, tip: tip, shares: curves.shares(tip: tip.doubleValue),
            outcomes: curves.count)
    }

    private func activity(_ view: PluginView, _ handle: PluginHandle) throws -> ActivityAnswer {
        let tracker = try chain(at: view.chain, head: handle.view.chain)
        let slots = try slots(at: view, head: handle.view.chain)
        return ActivityAnswer(
            block: tracker.position ?? view.chain.reference, chain: tracker, slots: slots)
    }

    private func predict(_ given: GivenFeatures) throws(RESTError) -> ChangeAnswer {
        guard let change else {
            throw .conflict(
                "there is no model: train one with \"apus predict train\" and set "
                    + "prediction.directory")
        }
        return ChangeAnswer(model: change, forecast: change.forecast(given.values))
    }
}

extension ChainView {
    fileprivate var reference: BlockReference { BlockReference(number: number, hash: hash) }
}
