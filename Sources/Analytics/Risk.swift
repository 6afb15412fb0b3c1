import Cryptography
import Foundation
import PluginAPI
import Primitives
import RPC
import Storage

/// Addresses that an operator has flagged, with what for.
///
/// A text file: a line each, `address` or `address,label`; lines that begin with `#` and empty ones
/// do not count, nor does a first line that is no address (a header).
struct LabelList: Sendable {
    /// The most that is read.
    static let limit = 1_000_000

    let name: String
    let hash: Hash256
    let labels: [Address: String]

    /// - Throws: `PluginError` if the file cannot be read or a line is no address.
    init(file path: String) throws(PluginError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw PluginError("analytics.labels: cannot read \(path)")
        }
        try self.init(name: URL(filePath: path).lastPathComponent, text: Bytes(data))
    }

    init(name: String, text: Bytes) throws(PluginError) {
        self.name = name
        hash = keccak256(text)
        var labels: [Address: String] = [:]
        let lines = String(decoding: text, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() {
            let fields = line.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces.union(["\""])) }
            guard let first = fields.first, !first.isEmpty, !first.hasPrefix("#") else { continue }
            guard let address = Address(hex: first) else {
                if number == 0 { continue }
                throw PluginError(
                    "analytics.labels: line \(number + 1) of \(name) does not begin with an address"
                )
            }
            labels[address] = fields.count > 1 && !fields[1].isEmpty ? fields[1] : "flagged"
            guard labels.count <= Self.limit else {
                throw PluginError("analytics.labels: \(name) has more than \(Self.limit) addresses")
            }
        }
        self.labels = labels
    }
}

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
    /// An address with at least so many peers is a hub. Without this cut-off, sharing a peer tells
    /// nothing: nearly everyone shares an exchange.
    static let hubPeers = 200
    /// Peers that are looked at.
    static let peerLimit = 10_000
    /// Peers whose peers are looked at.
    static let secondLimit = 50

    struct Reason: Sendable {
        let rule: String
        let points: Double
        let address: Address
        let label: String
        let transactions: [Hash256]
    }

    let list: LabelList
    let reasons: [Reason]
    /// Whether all peers were looked at.
    let isComplete: Bool

    var points: Double { min(100, reasons.reduce(0) { $0 + $1.points }) }

    init(_ view: PluginView, _ address: Address, _ list: LabelList) throws {
        self.list = list
        var reasons: [Reason] = []
        if let label = list.labels[address] {
            reasons.append(
                Reason(
                    rule: "flagged", points: 100, address: address, label: label, transactions: []))
        }
        let peers = try view.peers(of: address, limit: Self.peerLimit)
        isComplete = peers.count < Self.peerLimit
        let volume = peers.reduce(0.0) { $0 + $1.value.valueIn.double + $1.value.valueOut.double }
        func share(_ totals: PeerTotals) -> Double {
            volume > 0 ? (totals.valueIn.double + totals.valueOut.double) / volume : 0
        }
        func evidence(_ totals: PeerTotals) throws -> [Hash256] {
            try Array(Set([totals.first, totals.last])).sorted().compactMap { place in
                try view.chain.block(place.block)?.transactionHashes[
                    checked: Int(place.transaction)]
            }
        }
        var shown = 0
        for (peer, totals) in peers {
            guard let label = list.labels[peer] else { continue }
            shown += 1
            let isHub = try Self.isHub(peer, view)
            let points = (20 + 40 * share(totals)) * (isHub ? 0.5 : 1)
            reasons.append(
                Reason(
                    rule: isHub ? "direct_contact_with_hub" : "direct_contact", points: points,
                    address: peer, label: label,
                    transactions: shown <= Self.secondLimit ? try evidence(totals) : []))
        }
        let second = peers.filter { list.labels[$0.key] == nil }
            .sorted { ($1.value.interactions, $0.key) < ($0.value.interactions, $1.key) }
        for (peer, totals) in second.prefix(Self.secondLimit) {
            guard try !Self.isHub(peer, view) else { continue }
            let others = try view.peers(of: peer, limit: Self.hubPeers)
            guard let flagged = others.keys.filter({ $0 != address && list.labels[$0] != nil }).min(),
                let label = list.labels[flagged], let contact = others[flagged], share(totals) > 0
            else { continue }
            reasons.append(
                Reason(
                    rule: "contact_of_contact", points: 15 * share(totals), address: flagged,
                    label: label, transactions: try evidence(totals) + evidence(contact)))
        }
        self.reasons = reasons.sorted { ($1.points, $0.address) < ($0.points, $1.address) }
    }

    private static func isHub(_ address: Address, _ view: PluginView) throws -> Bool {
        try view.record(of: address)?.peerCount ?? 0 >= UInt64(hubPeers)
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
            writer.object { writer in
                writer.key("name")
                writer.string(list.name)
                writer.key("keccak256")
                writer.hash(list.hash)
                writer.count("addresses", UInt64(list.labels.count))
            }
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
                        writer.key("transactions")
                        writer.array { writer in
                            for hash in reason.transactions { writer.hash(hash) }
                        }
                    }
                }
            }
        }
    }
}

extension Array {
    subscript(checked index: Int) -> Element? {
        indices.contains(index) ? self[index] : nil
    }
}
