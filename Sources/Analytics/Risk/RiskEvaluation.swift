import Chain
import Foundation
import PluginAPI
import Primitives
import RPC
import Storage

/// What the evidence points are worth on this chain, with this list: half of the flags are hidden, and
/// the points that the hidden addresses get from the other half are compared with those of addresses
/// that nobody has flagged, twenty times over.
///
/// The controls are *matched by era*: one for each flagged address, first seen in the same tenth of the
/// flagged ones' time. Labels and time go together on most lists, and whatever tells old addresses
/// from new ones would look like a detector of fraud.
struct RiskEvaluation: RPCResult {
    /// Times that half of the flags are hidden.
    static let rounds = 20
    /// Parts of the time by which controls are matched.
    static let eras = 10
    /// How often the bounds of a figure are to hold what it would be for all addresses.
    static let confidence = 0.95
    /// Flagged addresses that take part, chosen at random if there are more.
    static let most = 2_000
    /// Fewer tell nothing.
    static let least = 10
    /// Addresses that are looked at to find a control for each flagged one.
    static let candidatesEach = 20
    /// Points from which an address counts as found: any, medium, high.
    static let thresholds: [Double] = [0, 20, 60]
    /// Shares of flagged addresses in a population.
    static let prevalences: [(name: String, share: Double)] = [
        ("0.001", 0.001), ("0.01", 0.01), ("0.1", 0.1),
    ]

    /// Rules that are measured each by itself: an address counts as found if it has points by it.
    static let rules = RiskEvidence.Rule.allCases.filter { $0 != .flagged }

    /// How often an address was found of the times that it could be.
    struct Outcome: Equatable {
        var times = 0
        /// By each threshold, and then by each rule.
        var found = Array(repeating: 0, count: thresholds.count + rules.count)

        mutating func add(_ findings: [RiskEvidence.Finding]) {
            times += 1
            let points = findings.points
            for (index, threshold) in RiskEvaluation.thresholds.enumerated()
            where threshold == 0 ? points > 0 : points >= threshold {
                found[index] += 1
            }
            for (index, rule) in rules.enumerated()
            where findings.contains(where: { $0.rule == rule && $0.points > 0 }) {
                found[thresholds.count + index] += 1
            }
        }
    }

    /// A figure between its bounds.
    struct Figure: Equatable {
        let value: Double
        let low: Double
        let high: Double

        /// The mean share of times that an address was found; `nil` if there is no address.
        ///
        /// The addresses are the cases: the times of one are no independent ones.
        init?(_ outcomes: [Outcome], _ criterion: Int, confidence: Double) {
            let times = outcomes.reduce(0) { $0 + $1.times }
            guard times > 0 else { return nil }
            value = Double(outcomes.reduce(0) { $0 + $1.found[criterion] }) / Double(times)
            let cases = Double(outcomes.count { $0.times > 0 })
            let bounds = BinomialBounds(
                hits: value * cases, cases: cases, confidence: confidence)
            (low, high) = (bounds.low, bounds.high)
        }

        /// The share of flagged ones among those found, where so many of all are flagged; `nil` if
        /// none is found. It lies between what the worst and the best bounds of both rates make of it.
        init?(recall: Figure, falsePositives: Figure, prevalence: Double) {
            func precision(_ recall: Double, _ falsePositives: Double) -> Double? {
                let (hits, misses) = (recall * prevalence, falsePositives * (1 - prevalence))
                return hits + misses > 0 ? hits / (hits + misses) : nil
            }
            guard let value = precision(recall.value, falsePositives.value) else { return nil }
            self.value = value
            low = precision(recall.low, falsePositives.high) ?? 0
            high = precision(recall.high, falsePositives.low) ?? 1
        }

        private init(value: Double, low: Double, high: Double) {
            (self.value, self.low, self.high) = (value, low, high)
        }

        static func / (figure: Figure, divisor: Double) -> Figure {
            Figure(
                value: figure.value / divisor, low: figure.low / divisor,
                high: figure.high / divisor)
        }
    }

    /// The figures of a threshold or a rule; those that need controls are `nil` without any.
    struct Rates {
        let recall: Figure?
        let falsePositives: Figure?
        /// Both with bounds that are left half as often, so that what is made of both keeps its own.
        private let joint: (recall: Figure, falsePositives: Figure)?

        init(_ flagged: [Outcome], _ controls: [Outcome], _ criterion: Int) {
            recall = Figure(flagged, criterion, confidence: confidence)
            falsePositives = Figure(controls, criterion, confidence: confidence)
            let each = 1 - (1 - confidence) / 2
            joint =
                if let recall = Figure(flagged, criterion, confidence: each),
                    let falsePositives = Figure(controls, criterion, confidence: each)
                {
                    (recall, falsePositives)
                } else {
                    nil
                }
        }

        /// The share of flagged ones among those found, where so many of all are flagged; `nil` if
        /// none is found.
        func precision(at prevalence: Double) -> Figure? {
            joint.flatMap {
                Figure(
                    recall: $0.recall, falsePositives: $0.falsePositives, prevalence: prevalence)
            }
        }
    }

    let scope: ReportScope
    let list: LabelList
    let seed: UInt64
    /// Of the addresses that take part, in their order.
    let flagged: [Outcome]
    let controls: [Outcome]
    /// Addresses of which a limit left something unread.
    let incomplete: Int

    /// - Throws: `RESTError` with 409 if too few flagged addresses are in the index, with 504 if there
    ///   is not enough time.
    init(
        _ view: PluginView, _ list: LabelList, seed: UInt64, deadline: ContinuousClock.Instant
    ) throws {
        scope = try ReportScope(view, days: 1)
        self.list = list
        self.seed = seed
        var random = SplitMix(seed: seed)
        func checkTime() throws {
            guard .now < deadline else {
                throw RESTError(
                    status: 504, title: "Timed out", detail: "the evaluation takes too long")
            }
        }
        var all: [(address: Address, firstBlock: BlockNumber)] = []
        for address in list.labels.keys.sorted() {
            try checkTime()
            guard let totals = try view.record(of: address)?.totals,
                totals.activity.transactions > 0
            else { continue }
            all.append((address, totals.firstBlock))
        }
        all.shuffle(using: &random)
        all = Array(all.prefix(Self.most))
        guard all.count >= Self.least else {
            throw RESTError.conflict(
                "of the flagged addresses \(all.count) are in the index; "
                    + "an evaluation needs \(Self.least)")
        }
        let matched = try Self.controls(for: all, view, list, &random, checkTime)
        let hidden = (0..<Self.rounds).map { _ in
            let order = Array(all.indices).shuffled(using: &random)
            return Set(order.prefix(all.count / 2).map { all[$0].address })
        }
        let reader = RiskReader(view, checkTime: checkTime)
        var incomplete = 0
        // One address after the other: what is known of one may be much.
        func outcome(_ address: Address) throws -> Outcome {
            try checkTime()
            let evidence = try RiskEvidence(reader, address, list.labels, .part)
            if !evidence.isComplete { incomplete += 1 }
            var outcome = Outcome()
            for hidden in hidden where list.labels[address] == nil || hidden.contains(address) {
                outcome.add(evidence.findings { !hidden.contains($0) })
            }
            return outcome
        }
        flagged = try all.map { try outcome($0.address) }
        controls = try matched.map(outcome)
        self.incomplete = incomplete
    }

    /// An address without a flag for each flagged one, of the same era, as far as there are any.
    private static func controls(
        for flagged: [(address: Address, firstBlock: BlockNumber)], _ view: PluginView,
        _ list: LabelList, _ random: inout SplitMix, _ checkTime: () throws -> Void
    ) throws -> [Address] {
        let blocks = flagged.map(\.firstBlock).sorted()
        // How many flagged ones were there before, by tenths.
        func era(_ block: BlockNumber) -> Int {
            var (low, high) = (0, blocks.count)
            while low < high {
                let middle = (low + high) / 2
                if blocks[middle] < block { low = middle + 1 } else { high = middle }
            }
            return min(eras - 1, low * eras / blocks.count)
        }
        var candidates: [[Address]] = Array(repeating: [], count: eras)
        var seen: Set<Address> = []
        let cursor = try view.cursor(Table.addresses)
        for count in 0..<(candidatesEach * flagged.count) {
            if count % 256 == 0 { try checkTime() }
            // Addresses are spread evenly: what comes after a random one is a random one.
            try cursor.seek(
                KeyBuilder.address(
                    Address(
                        w0: random.next(), w1: random.next(),
                        w2: UInt32(truncatingIfNeeded: random.next()))))
            guard cursor.isValid, let address = Address(cursor.key),
                list.labels[address] == nil, seen.insert(address).inserted
            else { continue }
            let totals = try AddressRecord(decoding: cursor.value).totals
            guard totals.activity.transactions > 0 else { continue }
            candidates[era(totals.firstBlock)].append(address)
        }
        return flagged.compactMap { candidates[era($0.firstBlock)].popLast() }
    }

    // MARK: - Figures

    private func rates(_ criterion: Int) -> Rates { Rates(flagged, controls, criterion) }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            scope.writeBlock(to: &writer)
            writer.key("meaning")
            writer.string(RiskReport.meaning)
            writer.key("list")
            list.write(to: &writer)
            writer.key("protocol")
            writer.object { writer in
                writer.count("hold_outs", UInt64(Self.rounds))
                writer.key("hidden_share")
                writer.number(0.5)
                writer.count("eras", UInt64(Self.eras))
                writer.key("confidence")
                writer.number(Self.confidence)
                writer.count("seed", seed)
            }
            writer.count("flagged_in_index", UInt64(flagged.count))
            writer.count("controls", UInt64(controls.count))
            writer.count("incomplete", UInt64(incomplete))
            writer.key("thresholds")
            writer.array { writer in
                for (index, threshold) in Self.thresholds.enumerated() {
                    writer.object { writer in
                        writer.key(threshold == 0 ? "points_above" : "points_from")
                        writer.number(threshold)
                        Self.write(rates(index), to: &writer)
                    }
                }
            }
            writer.key("rules")
            writer.array { writer in
                for (index, rule) in Self.rules.enumerated() {
                    writer.object { writer in
                        writer.key("rule")
                        writer.string(rule.rawValue)
                        Self.write(rates(Self.thresholds.count + index), to: &writer)
                    }
                }
            }
        }
    }

    private static func write(_ rates: Rates, to writer: inout JSONWriter) {
        write("recall", rates.recall, to: &writer)
        write("false_positive_rate", rates.falsePositives, to: &writer)
        // One control for each flagged address: half of them are flagged.
        let precision = rates.precision(at: 0.5)
        write("precision", precision, to: &writer)
        write("lift", precision.map { $0 / 0.5 }, to: &writer)
        writer.key("precision_by_prevalence")
        writer.object { writer in
            for prevalence in prevalences {
                write(prevalence.name, rates.precision(at: prevalence.share), to: &writer)
            }
        }
    }

    private static func write(_ name: String, _ figure: Figure?, to writer: inout JSONWriter) {
        writer.key(name)
        guard let figure else { return writer.null() }
        writer.object { writer in
            writer.key("value")
            writer.number(figure.value)
            writer.key("low")
            writer.number(figure.low)
            writer.key("high")
            writer.number(figure.high)
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "RiskEvaluation"]
}
