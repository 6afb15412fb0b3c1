public import Chain
import EthereumTypes
import Logging
public import PluginAPI
import Primitives
import RPC
import Storage
import Synchronization
internal import TxPool

/// Forecasts of the chain's fees and activity, and of whatever the operator has trained a model for.
///
/// Every figure says where it comes from and what it was worth so far: the next base fee is exact;
/// later ones come from a model only where it beats the rules that need none; intervals carry their
/// measured coverage. Without a model the rules answer, and `predict` says that there is none.
///
///     chain events ─▶ ChainTracker, SlotTracker   fees and activity, scored as outcomes arrive
///     pool events  ─▶ InclusionRecord             how long transactions wait, by tip
///     train-every  ─▶ ModelTraining               new models, on a thread that takes what is spare
public final class PredictionPlugin: NodePlugin {
    /// What the plugin is called and keeps.
    public static let manifest = PluginManifest(
        name: "prediction", summary: "Forecasts of fees, activity and trained quantities.",
        tables: [SlotTable.table])

    /// What is known now; each part is brought forward in a copy, so that nobody waits for it.
    struct Knowledge: Sendable {
        /// Answers bring this part forward, too.
        var chain: ChainTracker
        /// The block that all parts were last brought forward to.
        var kept: BlockReference?
        /// The same at earlier blocks, the newest last: where to go on when blocks leave the chain.
        var earlier: [ChainTracker] = []
        var slots: SlotTracker
        var curves: InclusionCurves?
        var training = TrainingState.never
    }

    /// How the training of models on the own chain stands.
    enum TrainingState: Sendable, Hashable {
        case never
        case running(share: Double)
        case ended(at: BlockNumber, refusals: [String])
    }

    let knowledge: Mutex<Knowledge>
    let change: ChangeModel?
    /// Blocks between two earlier stories that are kept: a reorganisation of a devnet's test is short.
    private static let checkpointStep: BlockNumber = 64

    private let files: ModelFiles?
    /// Blocks after which new models are trained on this chain; 0 never.
    private let trainEvery: UInt64
    private let trainedAt: Mutex<BlockNumber?>
    private let metrics = Mutex<PredictionMetrics?>(nil)
    private let due = AsyncStream.makeStream(
        of: PluginView.self, bufferingPolicy: .bufferingNewest(1))

    /// Reads the settings and the models.
    public init(_ configuration: inout PluginConfiguration) throws(PluginError) {
        files = configuration.text("directory").map(ModelFiles.init)
        trainEvery = try configuration.integer("train-every", in: 0...10_000_000) ?? 0
        guard trainEvery == 0 || files != nil else {
            throw PluginError(
                "prediction.train-every needs prediction.directory to keep the models in")
        }
        var models = ChainModels()
        if let files {
            models.fees = try ModelFiles.read(FeeModel.self, at: files.fees) { $0.isUsable }
            models.activity = try ModelFiles.read(ActivityModel.self, at: files.activity) {
                $0.isUsable
            }
            change = try ModelFiles.read(ChangeModel.self, at: files.change) { $0.isUsable }
        } else {
            change = nil
        }
        trainedAt = Mutex(models.trainedAt)
        knowledge = Mutex(
            Knowledge(chain: ChainTracker(models: models), slots: SlotTracker(models: models)))
    }

    /// Offers the methods and routes.
    public func open(_ handle: PluginHandle) throws -> PluginOffer {
        metrics.withLock { $0 = PredictionMetrics(handle.metrics) }
        return offer(handle)
    }

    /// Counts the block's activity in.
    public func blockCommitted(_ block: CommittingBlock, _ batch: PluginBatch) throws {
        try SlotTable.add(block.stored.block, to: batch)
    }

    /// Follows the chain and the pool, and trains where that is wanted.
    public func run(_ handle: PluginHandle) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await self.followChain(handle) }
            if let pool = handle.pool {
                group.addTask { try await self.followPool(pool, handle) }
            }
            if trainEvery > 0, let files {
                group.addTask { try await self.train(into: files, handle) }
            }
        }
    }

    /// Whether there are models, and what they were worth where they were trained.
    public func health() -> PluginHealth {
        let (models, training) = knowledge.withLock { ($0.chain.models, $0.training) }
        var facts = [
            "fee_model": models.fees == nil ? "none: rules answer" : "loaded",
            "activity_model": models.activity?.verdict ?? "none: rules answer",
            "change_model": change == nil ? "none" : "loaded",
        ]
        switch training {
        case .never: facts["training"] = trainEvery == 0 ? "off" : "not yet"
        case .running(let share): facts["training"] = "\(Int(share * 100)) %"
        case .ended(let number, let refusals):
            facts["training"] = (["at block \(number)"] + refusals).joined(separator: "; ")
        }
        return PluginHealth(.ok, facts)
    }

    // MARK: - Following

    private func followChain(_ handle: PluginHandle) async throws {
        let view = handle.view
        try await bringForward(to: view)
        trainIfDue(view)
        try await handle.followEvents { _, chain in
            let view = handle.view(of: chain)
            try await self.bringForward(to: view)
            self.trainIfDue(view)
        }
    }

    private func bringForward(to view: PluginView) async throws {
        // Several events may have come with one view. An answer that was there first has brought
        // forward the chain's part alone.
        guard knowledge.withLock({ $0.kept?.hash }) != view.chain.hash else { return }
        try await onOwnThread(.usual) { _ in
            var slots = self.knowledge.withLock { $0.slots }
            var chain = try self.followed(by: view.chain)
            try chain.advance(to: view.chain)
            try slots.advance(to: view)
            self.keep(chain, slots)
        }
    }

    /// The newest story that a view goes on with; if there is none, the one of another chain.
    private func followed(by view: ChainView) throws(ChainError) -> ChainTracker {
        let (chain, earlier) = knowledge.withLock { ($0.chain, $0.earlier) }
        for tracker in [chain] + earlier.reversed() where try tracker.isFollowed(by: view) {
            return tracker
        }
        return chain
    }

    private func keep(_ chain: ChainTracker, _ slots: SlotTracker) {
        knowledge.withLock { known in
            known.chain = chain
            known.kept = chain.position
            known.slots = slots
            let number = chain.position?.number ?? 0
            known.earlier.removeAll { $0.position.map { $0.number > number } ?? true }
            let last = known.earlier.last?.position?.number
            if last.map({ number - $0 >= Self.checkpointStep }) ?? true {
                known.earlier.append(chain)
                if known.earlier.count > 2 { known.earlier.removeFirst() }
            }
        }
        metrics.withLock { $0 }?.show(chain, slots)
    }

    private func followPool(_ pool: PoolHandle, _ handle: PluginHandle) async throws {
        var record = InclusionRecord()
        var shown = 0
        while !Task.isCancelled {
            // If this fell behind, the stream ends: those that waited are no longer watched.
            record.beginAnew()
            for await event in pool.events() {
                try record.take(event) { hash in
                    try handle.view.chain.transactionLocation(hash)?.blockNumber
                }
                metrics.withLock { $0 }?.show(record)
                guard case .head = event, record.ended - shown > shown / 64 else { continue }
                shown = record.ended
                let outcomes = record.all
                let curves = try await onOwnThread(.usual) { _ in InclusionCurves(outcomes) }
                knowledge.withLock { $0.curves = curves }
            }
        }
    }

    // MARK: - Training on the node's own chain

    private func trainIfDue(_ view: PluginView) {
        let number = view.chain.number
        let last = trainedAt.withLock { $0 } ?? 0
        guard trainEvery > 0, number >= last, number - last >= trainEvery else { return }
        trainedAt.withLock { $0 = number }
        due.continuation.yield(view)
    }

    private func train(into files: ModelFiles, _ handle: PluginHandle) async throws {
        for await view in due.stream {
            let number = view.chain.number
            let training: ModelTraining
            do {
                training = try await onOwnThread(.spare) { signal in
                    try ModelTraining(view) { share in
                        self.knowledge.withLock { $0.training = .running(share: share) }
                        self.metrics.withLock { $0 }?.trainingShare.set(share)
                        return signal.isWanted
                    }
                }
            } catch LearningError.cancelled {
                return
            }
            if let fees = training.models.fees { try ModelFiles.write(fees, to: files.fees) }
            if let activity = training.models.activity {
                try ModelFiles.write(activity, to: files.activity)
            }
            try await replaceModels(with: training.models, at: handle.view)
            knowledge.withLock { $0.training = .ended(at: number, refusals: training.refusals) }
            metrics.withLock { $0 }?.countTraining(training)
            handle.logger.info(
                "models were trained",
                metadata: [
                    "block.number": "\(number)",
                    "fees": training.models.fees == nil ? "none" : "\(files.fees)",
                    "activity": training.models.activity == nil ? "none" : "\(files.activity)",
                    "refusals": "\(training.refusals)",
                ])
        }
    }

    /// Takes new models up; where none could be learned, the old one stays.
    private func replaceModels(with new: ChainModels, at view: PluginView) async throws {
        try await onOwnThread(.usual) { _ in
            var models = self.knowledge.withLock { $0.chain.models }
            models.fees = new.fees ?? models.fees
            models.activity = new.activity ?? models.activity
            var chain = ChainTracker(models: models)
            try chain.advance(to: view.chain)
            var slots = SlotTracker(models: models)
            try slots.advance(to: view)
            // Earlier stories were told with the old models.
            self.knowledge.withLock { $0.earlier = [] }
            self.keep(chain, slots)
        }
    }

    // MARK: - For answers

    /// What is known at a view, brought forward by a few blocks if need be. While the beginning of the
    /// story moves, or if the view is older than what is known, the last whole story answers.
    ///
    /// - Parameter head: the chain as it is now.
    func chain(at view: ChainView, head: ChainView) throws(ChainError) -> ChainTracker {
        var tracker = knowledge.withLock { $0.chain }
        if tracker.position?.hash == view.hash { return tracker }
        let before = tracker.position
        if before != nil, try tracker.isFollowed(by: head) {
            // A whole story, if not the newest.
            guard try tracker.goOn(to: view) else { return tracker }
        } else {
            tracker = try followed(by: view)
            try tracker.advance(to: view)
        }
        knowledge.withLock { known in
            if known.chain.position == before { known.chain = tracker }
        }
        return tracker
    }

    /// The same of the hour to come.
    func slots(at view: PluginView, head: ChainView) throws -> SlotTracker {
        var tracker = knowledge.withLock { $0.slots }
        // An older view than what is known: nothing to do.
        if try !tracker.isFollowed(by: view.chain), try tracker.isFollowed(by: head) {
            return tracker
        }
        try tracker.advance(to: view)
        return tracker
    }
}
