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

    let knowledge: Mutex<Knowledge>
    let change: ChangeModel?
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
        if trainEvery > 0 { try files?.checkWritable() }
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
        knowledge = Mutex(Knowledge(models: models))
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

    /// Whether there are models, and what they were worth where they were trained. Degraded while new
    /// ones are in memory alone: the next start would not find them.
    public func health() -> PluginHealth {
        let (models, training) = knowledge.withLock { ($0.chain.models, $0.training) }
        var facts = [
            "fee_model": models.fees == nil ? "none: rules answer" : "loaded",
            "activity_model": models.activity?.verdict ?? "none: rules answer",
            "change_model": change == nil ? "none" : "loaded",
        ]
        var status = PluginHealth.Status.ok
        switch training {
        case .never: facts["training"] = trainEvery == 0 ? "off" : "not yet"
        case .running(let share): facts["training"] = "\(Int(share * 100)) %"
        case .ended(let number, let refusals, let unwritten):
            facts["training"] = (["at block \(number)"] + refusals + unwritten)
                .joined(separator: "; ")
            if !unwritten.isEmpty { status = .degraded }
        }
        return PluginHealth(status, facts)
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
            var isKept = false
            // Once more if new models came meanwhile.
            while !isKept {
                let known = self.knowledge.withLock { $0 }
                var chain = try known.story(followedBy: view.chain)
                try chain.advance(to: view.chain)
                var slots = known.slots
                try slots.advance(to: view)
                isKept = self.knowledge.withLock {
                    $0.keep(chain, slots, of: known.generation)
                }
                if isKept { self.metrics.withLock { $0 }?.show(chain, slots) }
            }
        }
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
            let unwritten = write(training.models, to: files, handle.logger)
            try await replaceModels(with: training.models, at: handle.view)
            knowledge.withLock {
                $0.training = .ended(
                    at: number, refusals: training.refusals, unwritten: unwritten)
            }
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

    /// Keeps models in their files. One that cannot be written is still heard, until the next start.
    ///
    /// - Returns: why some could not be written.
    private func write(
        _ models: ChainModels, to files: ModelFiles, _ logger: Logger
    ) -> [String] {
        var unwritten: [String] = []
        func write(_ model: (some Encodable)?, to path: String, _ name: String) {
            guard let model else { return }
            do {
                try ModelFiles.write(model, to: path)
            } catch {
                unwritten.append("\(path) cannot be written")
                metrics.withLock { $0 }?.unwritten.add(1, name)
                logger.error(
                    "a model cannot be written and is kept in memory alone",
                    metadata: ["file": "\(path)", "error": "\(error)"])
            }
        }
        write(models.fees, to: files.fees, "fees")
        write(models.activity, to: files.activity, "activity")
        return unwritten
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
            self.knowledge.withLock { $0.replace(chain, slots) }
            self.metrics.withLock { $0 }?.show(chain, slots)
        }
    }

    // MARK: - For answers

    /// What is known at a view, brought forward by a few blocks if need be. While the beginning of the
    /// story moves, or if the view is older than what is known, the last whole story answers.
    ///
    /// - Parameter head: the chain as it is now.
    func chain(at view: ChainView, head: ChainView) throws(ChainError) -> ChainTracker {
        let known = knowledge.withLock { $0 }
        var tracker = known.chain
        if tracker.position?.hash == view.hash { return tracker }
        let before = tracker.position
        if before != nil, try tracker.isFollowed(by: head) {
            // A whole story, if not the newest.
            guard try tracker.goOn(to: view) else { return tracker }
        } else {
            tracker = try known.story(followedBy: view)
            try tracker.advance(to: view)
        }
        knowledge.withLock { $0.keep(tracker, insteadOf: before, of: known.generation) }
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
