import PluginAPI
import Primitives
import RPC
import Storage

/// Evidence that an address had to do with flagged ones: points that are added up, each with what
/// it rests on.
///
/// - The address is flagged itself: 100.
/// - Direct contact with a flagged address: 20, and up to 40 more by its share of all value that the
///   address moved. The points count half if the flagged address is a hub: what many have to do with
///   says little about each.
/// - A peer that is no hub had direct contact: up to 15, by the share of value with that peer. Only
///   the peers with the most interactions are looked at.
///
/// Nothing is added for behaviour: no figure of it has held up in a test.
struct RiskReport: Sendable {
    static let meaning = "evidence points, not a probability"
    /// Contacts whose transactions are shown.
    private static let shownContacts = 50

    struct Reason: Sendable {
        let rule: String
        let points: Double
        let address: Address
        let label: String
        /// See ``RiskEvidence/Finding/contact``.
        let contact: (peer: Address, totals: PeerTotals)?
        let transactions: [Hash256]
    }

    let list: LabelList
    let reasons: [Reason]
    /// Whether all peers were looked at.
    let isComplete: Bool

    var points: Double { min(RiskEvidence.most, reasons.reduce(0) { $0 + $1.points }) }

    /// - Throws: `RESTError` with 504 if there is not enough time.
    init(
        _ view: PluginView, _ address: Address, _ list: LabelList,
        deadline: ContinuousClock.Instant
    ) throws {
        self.list = list
        let evidence = try RiskEvidence(view, address, list.labels) {
            guard .now < deadline else {
                throw RESTError(
                    status: 504, title: "Timed out",
                    detail: "the evidence of risk takes too long")
            }
        }
        isComplete = evidence.isComplete
        var shown = 0
        reasons = try evidence.findings { _ in true }.map { finding in
            shown += finding.rule == .contactOfContact ? 0 : 1
            let places = shown <= Self.shownContacts ? finding.places : []
            return Reason(
                rule: finding.rule.rawValue, points: finding.points, address: finding.flagged,
                label: list.labels[finding.flagged] ?? "", contact: finding.contact,
                transactions: try places.compactMap { place in
                    try view.chain.block(place.block)?.transactionHashes[
                        checked: Int(place.transaction)]
                })
        }
    }

    var level: String {
        switch points {
        case 0: "none"
        case ..<20: "low"
        case ..<60: "medium"
        default: "high"
        }
    }

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
                for reason in reasons {
                    writer.object { writer in
                        writer.key("rule")
                        writer.string(reason.rule)
                        writer.key("points")
                        writer.number(reason.points)
                        writer.key("address")
                        writer.string(reason.address.checksummed)
                        writer.key("label")
                        writer.string(reason.label)
                        Self.write(reason.contact, to: &writer)
                        writer.key("transactions")
                        writer.array { writer in
                            for hash in reason.transactions { writer.hash(hash) }
                        }
                    }
                }
            }
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
}

extension Array {
    subscript(checked index: Int) -> Element? {
        indices.contains(index) ? self[index] : nil
    }
}
