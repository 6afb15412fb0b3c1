import PluginAPI
import Primitives

/// What an address had to do with flagged ones, and what of that counts if only some of the flags are
/// known: the report knows all, the evaluation hides half of them.
struct RiskEvidence {
    /// The most points.
    static let most = 100.0
    /// An address with at least so many peers is a hub. Without this cut-off, sharing a peer tells
    /// nothing: nearly everyone shares an exchange.
    static let hubPeers = 200
    /// Peers that are looked at.
    static let peerLimit = 10_000
    /// Peers whose peers are looked at.
    static let secondLimit = 50

    enum Rule: String {
        case flagged
        case directContact = "direct_contact"
        case directContactWithHub = "direct_contact_with_hub"
        case contactOfContact = "contact_of_contact"
    }

    /// A reason with the transactions that it rests on.
    struct Finding {
        let rule: Rule
        let points: Double
        let flagged: Address
        /// What the address had to do with the flagged one, or with the peer in between; `nil` if it
        /// is flagged itself.
        let contact: (peer: Address, totals: PeerTotals)?
        let places: [Place]
    }

    private struct Contact {
        let peer: Address
        let totals: PeerTotals
        /// Of the value that the address moved.
        let share: Double
        let isFlagged: Bool
        let isHub: Bool
        /// Of a peer that is no hub: the flagged ones among its own peers, by address.
        let flaggedPeers: [(address: Address, totals: PeerTotals)]
    }

    let address: Address
    /// Whether all peers were looked at.
    let isComplete: Bool
    private let isFlagged: Bool
    /// The flagged peers, and of the others those with the most interactions, these first.
    private let contacts: [Contact]

    /// - Parameters:
    ///   - flags: the flagged addresses.
    ///   - checkTime: called for each peer; throws when there is no more time.
    init(
        _ view: PluginView, _ address: Address, _ flags: [Address: String],
        _ checkTime: () throws -> Void
    ) throws {
        self.address = address
        isFlagged = flags[address] != nil
        let peers = try view.peers(of: address, limit: Self.peerLimit)
        isComplete = peers.count < Self.peerLimit
        let volume = peers.reduce(0.0) { $0 + $1.value.volume }
        let ordered = peers.sorted {
            ($1.value.interactions, $0.key) < ($0.value.interactions, $1.key)
        }
        // Whatever flags are hidden, the peers whose peers count are among the first of these.
        var left = Self.secondLimit
        var contacts: [Contact] = []
        for (peer, totals) in ordered {
            let isFlagged = flags[peer] != nil
            guard isFlagged || left > 0 else { continue }
            try checkTime()
            if !isFlagged { left -= 1 }
            let isHub = try view.record(of: peer)?.peerCount ?? 0 >= UInt64(Self.hubPeers)
            let others =
                isHub ? [:] : try view.peers(of: peer, limit: Self.hubPeers)
            contacts.append(
                Contact(
                    peer: peer, totals: totals, share: volume > 0 ? totals.volume / volume : 0,
                    isFlagged: isFlagged, isHub: isHub,
                    flaggedPeers: others.filter { $0.key != address && flags[$0.key] != nil }
                        .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }))
        }
        self.contacts = contacts
    }

    /// The reasons, the weightiest first.
    ///
    /// - Parameter isKnown: whether the flag of an address counts.
    func findings(_ isKnown: (Address) -> Bool) -> [Finding] {
        var findings: [Finding] = []
        if isFlagged, isKnown(address) {
            findings.append(
                Finding(
                    rule: .flagged, points: Self.most, flagged: address, contact: nil, places: []))
        }
        var left = Self.secondLimit
        for contact in contacts {
            if contact.isFlagged, isKnown(contact.peer) {
                findings.append(
                    Finding(
                        rule: contact.isHub ? .directContactWithHub : .directContact,
                        points: (20 + 40 * contact.share) * (contact.isHub ? 0.5 : 1),
                        flagged: contact.peer, contact: (contact.peer, contact.totals),
                        places: contact.totals.places))
                continue
            }
            guard left > 0 else { continue }
            left -= 1
            guard contact.share > 0,
                let flagged = contact.flaggedPeers.first(where: { isKnown($0.address) })
            else { continue }
            findings.append(
                Finding(
                    rule: .contactOfContact, points: 15 * contact.share,
                    flagged: flagged.address, contact: (contact.peer, contact.totals),
                    places: contact.totals.places + flagged.totals.places))
        }
        return findings.sorted { ($1.points, $0.flagged) < ($0.points, $1.flagged) }
    }

    func points(_ isKnown: (Address) -> Bool) -> Double {
        min(Self.most, findings(isKnown).reduce(0) { $0 + $1.points })
    }
}

extension PeerTotals {
    /// Wei that went either way.
    fileprivate var volume: Double { valueIn.doubleValue + valueOut.doubleValue }

    /// The first and the last transaction.
    fileprivate var places: [Place] { first == last ? [first] : [first, last] }
}
