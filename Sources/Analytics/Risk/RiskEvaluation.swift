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
    /// Flagged addresses that are looked at, chosen at random if there are more.
    static let most = 2_000
    /// Fewer tell nothing.
    static let least = 10
    /// Addresses that are looked at to find a control for each flagged one.
    static let candidatesEach = 20
    /// Points from which an address counts as found: any, medium, high.
    static let thresholds: [Double] = [0, 20, 60]

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

    let scope: ReportScope
    let list: LabelList
    let seed: UInt64
    /// How many flagged addresses there are, half of which are hidden in each round.
    let flaggedInIndex: Int
    /// How many of them, and how many others, were looked at.
    let flagged: Int
    let controls: Int
    /// By each threshold, and then by each rule.
    let rates: [RiskRates]
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
        guard all.count >= Self.least else {
            throw RESTError.conflict(
                "of the flagged addresses \(all.count) are in the index; "
                    + "an evaluation needs \(Self.least)")
        }
        let measured = Array(all.prefix(Self.most))
        let matched = try Self.controls(for: measured, view, list, &random, checkTime)
        // Of all flags, not only of those that are measured: a bit for each round.
        var hidden: [Address: UInt32] = [:]
        hidden.reserveCapacity(all.count)
        for round in 0..<Self.rounds {
            try checkTime()
            all.shuffle(using: &random)
            for flag in all.prefix(all.count / 2) {
                hidden[flag.address, default: 0] |= 1 << UInt32(round)
            }
        }
        func isHidden(_ address: Address, in round: Int) -> Bool {
            hidden[address].map { $0 >> UInt32(round) & 1 == 1 } ?? false
        }
        let reader = RiskReader(view, checkTime: checkTime)
        var incomplete = 0
        // One address after the other: what is known of one may be much.
        func outcome(_ address: Address) throws -> Outcome {
            try checkTime()
            let evidence = try RiskEvidence(reader, address, list.labels, .part)
            if !evidence.isComplete { incomplete += 1 }
            var outcome = Outcome()
            for round in 0..<Self.rounds
            where list.labels[address] == nil || isHidden(address, in: round) {
                outcome.add(evidence.findings { !isHidden($0, in: round) })
            }
            return outcome
        }
        let flagged = try measured.map { try outcome($0.address) }
        let controls = try matched.map(outcome)
        rates = (0..<(Self.thresholds.count + Self.rules.count)).map {
            RiskRates(flagged, controls, $0, seed: seed)
        }
        flaggedInIndex = all.count
        (self.flagged, self.controls) = (flagged.count, controls.count)
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
                writer.number(RiskRates.confidence)
                writer.count("resamples", UInt64(ResampledShares.samples))
                writer.count("seed", seed)
            }
            writer.count("flagged_in_index", UInt64(flaggedInIndex))
            writer.count("flagged", UInt64(flagged))
            writer.count("controls", UInt64(controls))
            writer.count("incomplete", UInt64(incomplete))
            writer.key("thresholds")
            writer.array { writer in
                for (index, threshold) in Self.thresholds.enumerated() {
                    writer.object { writer in
                        writer.key(threshold == 0 ? "points_above" : "points_from")
                        writer.number(threshold)
                        rates[index].write(to: &writer)
                    }
                }
            }
            writer.key("rules")
            writer.array { writer in
                for (index, rule) in Self.rules.enumerated() {
                    writer.object { writer in
                        writer.key("rule")
                        writer.string(rule.rawValue)
                        rates[Self.thresholds.count + index].write(to: &writer)
                    }
                }
            }
        }
    }

    static let schema: JSONValue = ["type": "object", "title": "RiskEvaluation"]
}
