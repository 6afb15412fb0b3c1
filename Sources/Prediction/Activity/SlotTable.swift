import Chain
import EthereumTypes
import PluginAPI
import Primitives
import Storage

/// The plugin's one table: what happened in each ten minutes, kept in the commit of each block.
///
///     slots   timestamp / 600 [8]  →  transactions[8] ‖ gas used[8]
///
/// Slots without a block have no entry. It grows by thirty bytes in ten minutes.
enum SlotTable {
    static let table = PluginTable(0, "slots", .ordered)
    /// Seconds of a slot.
    static let seconds: Timestamp = 600
    /// Slots that a training looks back: ten weeks.
    static let remembered: UInt64 = 10_080

    /// Counts a block in.
    static func add(_ block: Block, to batch: PluginBatch) throws {
        let key = Bytes(bigEndian: block.header.timestamp / seconds)
        let before = try batch.value(table, key).flatMap(decode)
        let transactions = (before?.transactions ?? 0) &+ UInt64(block.transactions.count)
        let gasUsed = (before?.gasUsed ?? 0) &+ block.header.gasUsed
        try batch.put(table, key, Bytes(bigEndian: transactions) + Bytes(bigEndian: gasUsed))
    }

    /// The slots of a view that have an entry, from one on, ascending, up to another.
    static func entries(
        _ slots: Range<UInt64>, in view: PluginView
    ) throws -> [(slot: UInt64, transactions: UInt64, gasUsed: Gas)] {
        var entries: [(slot: UInt64, transactions: UInt64, gasUsed: Gas)] = []
        try view.forEach(table, prefix: [], from: Bytes(bigEndian: slots.lowerBound)) {
            key, value in
            guard let slot = UInt64(bigEndian: key), let entry = decode(value) else {
                throw StorageError.corrupted("an entry of the table slots")
            }
            guard slot < slots.upperBound else { return false }
            entries.append((slot, entry.transactions, entry.gasUsed))
            return true
        }
        return entries
    }

    /// A slot as a step.
    static func step(_ slot: UInt64, _ transactions: UInt64, _ gasUsed: Gas) -> ActivityStep {
        ActivityStep(
            end: (slot &+ 1) &* seconds, transactions: Double(transactions),
            gasUsed: Double(gasUsed))
    }

    private static func decode(_ value: Bytes) -> (transactions: UInt64, gasUsed: Gas)? {
        guard let transactions = UInt64(bigEndian: value.prefix(8)),
            let gasUsed = UInt64(bigEndian: value.dropFirst(8))
        else { return nil }
        return (transactions, gasUsed)
    }
}

/// The forecasts of the hour to come, at a view.
///
/// Like ``ChainTracker`` a function of the chain and the model: it begins at a week that follows from the
/// head's time, and begins anew where a block of a whole slot has left the chain.
package struct SlotTracker: Sendable {
    private static let week: UInt64 = 1_008
    /// Whole weeks before the present one that forecasts look back.
    private static let weeks: UInt64 = 5

    /// The head when the last whole slot was taken in: all blocks of whole slots lie before it.
    private var anchor: BlockReference?
    /// The forecasts after the last whole slot.
    private(set) var forecaster = ActivityForecaster(scale: .tenMinutes)
    /// The slot of the head, which is not whole yet; the hour to come begins with it.
    private(set) var current: UInt64?
    package let models: ChainModels

    private var start: UInt64?

    package init(models: ChainModels) {
        self.models = models
    }

    /// Takes in what has happened up to a view.
    mutating func advance(to view: PluginView) throws {
        guard let block = try view.asOf, let header = try view.chain.header(block.number) else {
            return
        }
        let present = header.timestamp / Self.seconds
        let begin = max(present / Self.week, Self.weeks) * Self.week - Self.weeks * Self.week
        if try start != begin || !isFollowed(by: view.chain) {
            self = SlotTracker(models: models)
            start = begin
        }
        // The chain's first slot is where the story begins; after that, no entry is no activity.
        let from = current ?? begin
        guard current != present, from <= present else { return }
        anchor = block
        let entries = try SlotTable.entries(from..<present, in: view)
        var next = current ?? entries.first?.slot ?? present
        for entry in entries {
            while next < entry.slot { takeIn(&next, 0, 0, view.chain) }
            takeIn(&next, entry.transactions, entry.gasUsed, view.chain)
        }
        while next < present { takeIn(&next, 0, 0, view.chain) }
        current = next
    }

    /// The hour that is forecast, in seconds since 1970.
    var hour: Range<Timestamp>? {
        current.map { slot in
            let from = slot * Self.seconds
            return from..<max(from, from &+ 3_600)
        }
    }

    private static var seconds: Timestamp { SlotTable.seconds }

    private mutating func takeIn(
        _ slot: inout UInt64, _ transactions: UInt64, _ gasUsed: Gas, _ view: ChainView
    ) {
        let step = SlotTable.step(slot, transactions, gasUsed)
        forecaster.advance(
            step, isServed: forecaster.series.count >= 288,
            trees: models.activityTrees(.tenMinutes, after: step.end, of: view))
        slot += 1
    }

    /// Whether a view has the blocks that this speaks of.
    func isFollowed(by view: ChainView) throws -> Bool {
        guard let anchor else { return true }
        guard anchor.number <= view.number else { return false }
        return try view.canonicalHash(anchor.number) == anchor.hash
    }
}
