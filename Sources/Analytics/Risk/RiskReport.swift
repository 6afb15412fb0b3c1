import PluginAPI
import Primitives
import RPC
import Storage

/// Evidence that an address had to do with flagged ones: points that are added up, each with what
/// it rests on.
///
/// - The address is flagged itself: 100.
/// - Direct contact with a flagged address: 20, and up to 40 more by the value that moved between the
///   two. The points count half if the flagged address is a hub and no mixer: what many have to do
///   with says little about each.
/// - What came from a flagged address through one or two others, in proportion to what these had: up
///   to 30. See ``Taint``.
/// - A peer that is no hub had direct contact: up to 15, by the value that moved between the two and is
///   not tainted. Only the peers with the most interactions are looked at.
///
/// Nothing is added for behaviour: no figure of it has held up in a test.
struct RiskReport: Sendable {
    static let meaning = "evidence points, not a probability"
    /// Reasons whose transactions are shown.
    private static let shownReasons = 50
    /// Transactions of a reason that are shown.
    private static let shownTransactions = 100

    struct Reason: Sendable {
        let rule: String
        let points: Double
        let address: Address
        let label: String
        /// See ``RiskEvidence/Finding/contact``.
        let contact: (peer: Address, totals: PeerTotals)?
        /// See ``RiskEvidence/Finding/taint``.
        let taint: (value: Wei, hops: Int)?
        let transactions: [Hash256]
        /// Whether these are all that it rests on.
        let isCited: Bool
    }

    let list: LabelList
    let points: Double
    let reasons: [Reason]
    let taint: TaintReport
    /// Whether no limit was met.
    let isComplete: Bool

    /// - Throws: `RESTError` with 504 if there is not enough time.
    init(
        _ view: PluginView, _ address: Address, _ list: LabelList,
        deadline: ContinuousClock.Instant
    ) throws {
        self.list = list
        let reader = RiskReader(view) {
            guard .now < deadline else {
                throw RESTError(
                    status: 504, title: "Timed out",
                    detail: "the evidence of risk takes too long")
            }
        }
        let evidence = try RiskEvidence(reader, address, list.labels, .whole)
        isComplete = evidence.isComplete
        let taint = evidence.taint.taint { _ in true }
        self.taint = TaintReport(evidence, taint)
        let findings = evidence.findings({ _ in true }, taint)
        points = findings.points
        var cited: [(places: [Place], isWhole: Bool)] = []
        for finding in findings.prefix(Self.shownReasons) {
            cited.append(try Self.cited(finding, of: address, reader))
        }
        let hashes = try Self.hashes(cited.flatMap(\.places), reader)
        reasons = findings.enumerated().map { index, finding in
            let cited = cited[checked: index]
            return Reason(
                rule: finding.rule.rawValue, points: finding.points, address: finding.flagged,
                label: list.labels[finding.flagged] ?? "", contact: finding.contact,
                taint: finding.taint,
                transactions: cited?.places.compactMap { hashes[$0] } ?? [],
                isCited: cited?.isWhole ?? false)
        }
    }

    /// The transactions that a finding rests on, the earliest first: of a contact all that are known.
    private static func cited(
        _ finding: RiskEvidence.Finding, of address: Address, _ reader: RiskReader
    ) throws -> (places: [Place], isWhole: Bool) {
        var places = Set(finding.places)
        var isWhole = true
        if let (peer, totals) = finding.contact, finding.rule != .indirectTaint {
            let history = try reader.history(of: address)
            places.formUnion(history.meetings[peer] ?? [])
            isWhole = history.covers(totals.last)
        }
        let shown = places.sorted().prefix(shownTransactions)
        return (Array(shown), isWhole && shown.count == places.count)
    }

    private static func hashes(
        _ places: [Place], _ reader: RiskReader
    ) throws -> [Place: Hash256] {
        var hashes: [Place: Hash256] = [:]
        for (block, places) in Dictionary(grouping: places, by: \.block) {
            try reader.checkTime()
            let found = try reader.view.chain.transactionHashes(
                block, at: Set(places.map { Int($0.transaction) }))
            for place in places { hashes[place] = found?[Int(place.transaction)] }
        }
        return hashes
    }

    var level: String {
        switch points {
        case 0: "none"
        case ..<20: "low"
        case ..<60: "medium"
        default: "high"
        }
    }

    // MARK: - JSON

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("points")
            writer.number(points)
            writer.key("level")
            writer.string(level)
            writer.key("meaning")
            writer.string(Self.meaning)
            writer.key("list")
            list.write(to: &writer)
            writer.key("complete")
            writer.bool(isComplete)
            writer.key("reasons")
            writer.array { writer in
                for reason in reasons { Self.write(reason, to: &writer) }
            }
            writer.key("taint")
            taint.write(to: &writer)
        }
    }

    private static func write(_ reason: Reason, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("rule")
            writer.string(reason.rule)
            writer.key("points")
            writer.number(reason.points)
            writer.key("address")
            writer.string(reason.address.checksummed)
            writer.key("label")
            writer.string(reason.label)
            write(reason.contact, to: &writer)
            if let (value, hops) = reason.taint {
                writer.amount("tainted", value)
                writer.count("hops", UInt64(hops))
            }
            writer.key("transactions")
            writer.array { writer in for hash in reason.transactions { writer.hash(hash) } }
            writer.key("transactions_complete")
            writer.bool(reason.isCited)
        }
    }

    /// With whom, which way, and when.
    private static func write(
        _ contact: (peer: Address, totals: PeerTotals)?, to writer: inout JSONWriter
    ) {
        writer.key("contact")
        guard let (peer, totals) = contact else { return writer.null() }
        writer.object { writer in
            writer.key("address")
            writer.string(peer.checksummed)
            writer.amount("value_out", totals.valueOut)
            writer.amount("value_in", totals.valueIn)
            writer.count("first_block", totals.first.block)
            writer.count("last_block", totals.last.block)
        }
    }

    /// Of what ``write(to:)`` writes, and of what stands there without a list.
    static let schema: JSONValue = [
        "type": "object", "title": "RiskReport", "required": ["points", "meaning"],
        "properties": [
            "points": ["type": ["number", "null"], "minimum": 0, "maximum": 100],
            "not_evaluated": ["type": "string"],
            "level": ["enum": ["none", "low", "medium", "high"]],
            "meaning": ["const": .string(meaning)],
            "list": LabelList.schema,
            "complete": ["type": "boolean"],
            "reasons": ["type": "array", "items": reasonSchema],
            "taint": TaintReport.schema,
        ],
    ]

    private static let reasonSchema: JSONValue = [
        "type": "object",
        "required": [
            "rule", "points", "address", "label", "contact", "transactions",
            "transactions_complete",
        ],
        "properties": [
            "rule": ["enum": .array(RiskEvidence.Rule.allCases.map { .string($0.rawValue) })],
            "points": ["type": "number", "minimum": 0, "maximum": 100],
            "address": Address.schema,
            "label": ["type": "string"],
            "contact": ["type": ["object", "null"]],
            "tainted": ["type": "string", "pattern": "^[0-9]+$"],
            "hops": ["type": "integer", "minimum": 2],
            "transactions": ["type": "array", "items": Hash256.schema],
            "transactions_complete": ["type": "boolean"],
        ],
    ]
}

extension Array {
    subscript(checked index: Int) -> Element? {
        indices.contains(index) ? self[index] : nil
    }
}
