public import PluginAPI
import Chain
import EthereumTypes
import Foundation
import Logging
import Primitives
import RPC
import Synchronization

/// Forecasts of the chain's fees, and of whatever the operator has trained a model for.
///
/// Every figure says where it comes from and what it was worth so far: the next base fee is exact;
/// later ones come from a model only where it beats the rules that need none; intervals carry their
/// measured coverage. Without a model the rules answer, and `predict` says that there is none.
public final class PredictionPlugin: NodePlugin {
    /// What the plugin is called and keeps: nothing, all of it follows from the chain.
    public static let manifest = PluginManifest(
        name: "prediction", summary: "Forecasts of fees and of trained quantities.")

    private let fees: Mutex<FeeTracker>
    private let change: ChangeModel?
    private let files: ModelFiles?
    /// Blocks after which a new fee model is trained on this chain; 0 never.
    private let trainEvery: UInt64
    private let trained = Mutex<BlockNumber?>(nil)

    /// The most blocks of the chain that a training reads.
    private static let trainingBlocks: UInt64 = 50_000

    /// Reads the settings and the models.
    public init(_ configuration: inout PluginConfiguration) throws(PluginError) {
        files = configuration.text("directory").map(ModelFiles.init)
        trainEvery = try configuration.integer("train-every", in: 0...10_000_000) ?? 0
        guard trainEvery == 0 || files != nil else {
            throw PluginError(
                "prediction.train-every needs prediction.directory to keep the model in")
        }
        guard let files else {
            fees = Mutex(FeeTracker(model: nil))
            change = nil
            return
        }
        let model = try ModelFiles.read(FeeModel.self, at: files.fees) { $0.isUsable }
        fees = Mutex(FeeTracker(model: model))
        change = try ModelFiles.read(ChangeModel.self, at: files.change) { $0.isUsable }
        // What another chain's blocks were numbered says nothing here.
        trained.withLock { $0 = model?.chain == nil ? nil : model?.trainedTo }
    }

    /// Offers the methods and routes.
    public func open(_ handle: PluginHandle) throws -> PluginOffer {
        handle.metrics.gauge(
            "apus_prediction_fee_interval_coverage_ratio",
            "Share of the last base fees that the served intervals held, horizon 2."
        ) { [weak self] in self?.track(of: 2)?.coverage ?? .nan }
        handle.metrics.gauge(
            "apus_prediction_fee_skill_ratio",
            "One minus the model's error over that of the best rule, horizon 2."
        ) { [weak self] in self?.track(of: 2)?.skill ?? .nan }
        let predict = RESTParameter<GivenFeatures>.body("features", "The features of the moment.")
        return PluginOffer(
            methods: [
                RPCMethod(
                    "prediction_fees",
                    execution: { (context: RPCContext) in
                        try self.feesAnswer(handle.view.chain)
                    }),
                RPCMethod(
                    "prediction_feeWait", ["fee", "blocks"],
                    execution: { (_: RPCContext, fee: UInt256, blocks: UInt64) in
                        try Self.forCallers {
                            try self.waitAnswer(handle.view.chain, fee: fee, blocks: blocks)
                        }
                    }),
                RPCMethod(
                    "prediction_predict", ["features"],
                    instant: { (_: RPCContext, features: GivenFeatures) in
                        try Self.forCallers { try self.changeAnswer(features) }
                    }),
            ],
            routes: [
                RESTRoute(
                    .get, "/api/ai/fees",
                    "The next base fee, exact; later ones with intervals; tips by tier.",
                    role: .reader, cost: .execution
                ) { context in try self.feesAnswer(context.view) },
                RESTRoute(
                    .get, "/api/ai/fees/wait",
                    "How often the base fee fell so far within so many blocks.", role: .reader,
                    cost: .execution,
                    RESTParameter<UInt256>.query("fee", "The base fee to wait for, in wei."),
                    RESTParameter<UInt64>.query(
                        "blocks", "How many blocks one would wait.", default: 10, in: 1...1_000)
                ) { context, fee, blocks in
                    try self.waitAnswer(context.view, fee: fee, blocks: blocks)
                },
                RESTRoute(
                    .post, "/api/ai/predict", "A forecast by the operator's own model.",
                    role: .reader, predict
                ) { _, features in try self.changeAnswer(features) },
                RESTRoute(
                    .post, "/predict", "A forecast by the operator's own model.", role: .reader,
                    predict
                ) { _, features in try self.changeAnswer(features) },
            ])
    }

    /// Follows the chain, and trains where that is wanted.
    public func run(_ handle: PluginHandle) async throws {
        try await offThePool { _ = try self.advance(to: handle.view.chain) }
        try await handle.followEvents { _, view in
            try await offThePool { _ = try self.advance(to: view) }
            try await self.trainIfDue(view, handle.logger)
        }
    }

    /// Whether there are models.
    public func health() -> PluginHealth {
        PluginHealth(
            .ok,
            [
                "fee_model": fees.withLock { $0.hasModel } ? "loaded" : "none: rules answer",
                "change_model": change == nil ? "none" : "loaded",
            ])
    }

    /// Tells a caller of JSON-RPC what a caller of the routes is told.
    private static func forCallers<Answer>(_ answer: () throws -> Answer) throws -> Answer {
        do {
            return try answer()
        } catch let error as RESTError {
            throw RPCError.server(error.detail)
        }
    }

    // MARK: - Fees

    private func track(of horizon: Int) -> (skill: Double?, coverage: Double?)? {
        fees.withLock { tracker in
            tracker.forecaster.tracksByHorizon.first { $0.horizon == horizon }
                .map { ($0.skill, $0.coverage) }
        }
    }

    /// Brings the forecasts to a head. The work is done on a copy, so that nobody waits for it.
    private func advance(to view: ChainView) throws(ChainError) -> FeeTracker {
        var tracker = fees.withLock { $0 }
        if tracker.position?.hash == view.hash { return tracker }
        let before = tracker.position
        try tracker.advance(to: view)
        fees.withLock { current in
            if current.position == before { current = tracker }
        }
        return tracker
    }

    private func feesAnswer(_ view: ChainView) throws(ChainError) -> FeesAnswer {
        let tracker = try advance(to: view)
        return FeesAnswer(
            block: view.hash, number: view.number, forecasts: tracker.forecaster.forecasts(),
            tiers: tracker.tips.tiers(), tipBlocks: tracker.tips.blocks)
    }

    private func waitAnswer(
        _ view: ChainView, fee: UInt256, blocks: UInt64
    ) throws -> FeeWaitAnswer {
        guard (1...1_000).contains(blocks) else {
            throw RESTError.badRequest("the parameter \"blocks\" is not from 1 to 1000")
        }
        let tracker = try advance(to: view)
        guard let next = FeeBlock(view.header)?.nextFee else {
            throw RESTError.conflict("the chain has no base fee yet")
        }
        if fee >= next {
            return FeeWaitAnswer(
                block: view.hash, number: view.number, fee: fee, blocks: blocks, share: 1,
                starts: nil)
        }
        let ratio = fee.doubleValue / max(next.doubleValue, 1)
        guard let found = tracker.frequency(fallingTo: ratio, within: Int(blocks)) else {
            throw RESTError.conflict("too few blocks to have seen that often enough")
        }
        return FeeWaitAnswer(
            block: view.hash, number: view.number, fee: fee, blocks: blocks, share: found.share,
            starts: found.starts)
    }

    // MARK: - Training on the node's own chain

    private func trainIfDue(_ view: ChainView, _ logger: Logger) async throws {
        guard trainEvery > 0, let files else { return }
        let last = trained.withLock { $0 } ?? 0
        guard view.number >= last, view.number - last >= trainEvery else { return }
        trained.withLock { $0 = view.number }
        let model = try await offThePool { () throws -> FeeModel? in
            var blocks: [FeeBlock] = []
            let first = view.number - min(view.number, Self.trainingBlocks)
            for number in first...view.number {
                if let header = try view.header(number), let block = FeeBlock(header) {
                    blocks.append(block)
                }
            }
            do {
                // What comes after the first seven tenths tells what the model is worth.
                return try FeeModel.train(
                    blocks[..<(blocks.count * 7 / 10)], chain: view.genesisHash.description)
            } catch {
                logger.info("no fee model was trained", metadata: ["reason": "\(error)"])
                return nil
            }
        }
        guard let model else { return }
        try ModelFiles.write(model, to: files.fees)
        let tracker = try await offThePool { () throws -> FeeTracker in
            var tracker = FeeTracker(model: model)
            try tracker.advance(to: view)
            return tracker
        }
        fees.withLock { $0 = tracker }
        logger.info(
            "a fee model was trained",
            metadata: [
                "from": "\(model.trainedFrom)", "to": "\(model.trainedTo)", "file": "\(files.fees)",
            ])
    }

    // MARK: - The operator's model

    private func changeAnswer(_ given: GivenFeatures) throws(RESTError) -> ChangeAnswer {
        guard let change else {
            throw .conflict(
                "there is no model: train one with \"apus predict train\" and set "
                    + "prediction.directory")
        }
        return ChangeAnswer(model: change, forecast: change.forecast(given.values))
    }
}

/// Runs work that takes long on a thread of its own, away from the tasks' threads.
private func offThePool<Value: Sendable>(
    _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread { continuation.resume(with: Result(catching: work)) }
        thread.name = "prediction"
        thread.qualityOfService = .background
        thread.start()
    }
}
