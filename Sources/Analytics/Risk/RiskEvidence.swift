import PluginAPI
import Primitives

/// What an address had to do with flagged ones, and what of that counts if only some of the flags are
/// known: the report knows all, the evaluation hides half of them.
///
/// Each wei counts under one rule only: as moved between the address and a flagged one; or as come
/// from one through others; or else as *clean*. A rule weighs its wei against the clean ones, so that
/// more tainted wei of any kind never mean fewer points.
struct RiskEvidence {
    /// The most points.
    static let most = 100.0
    /// Peers that are looked at.
    static let peerLimit = 10_000
    /// Peers whose peers are looked at for direct contact.
    static let secondLimit = 50

    enum Rule: String, CaseIterable {
        case flagged
        case directContact = "direct_contact"
        case directContactWithHub = "direct_contact_with_hub"
        case directContactWithMixer = "direct_contact_with_mixer"
        case contactOfContact = "contact_of_contact"
        case indirectTaint = "indirect_taint"
    }

    /// A reason with the transactions that it rests on.
    struct Finding {
        let rule: Rule
        let points: Double
        let flagged: Address
        /// What the address had to do with the flagged one, or with the peer in between; `nil` if it
        /// is flagged itself.
        var contact: (peer: Address, totals: PeerTotals)?
        /// Of ``Rule/indirectTaint``: tainted wei that came, and over how many hops most of them.
        var taint: (value: Wei, hops: Int)?
        /// Of a contact the first and the last transaction, and those of the peer with the flagged
        /// address; of taint all that brought some, and those of the way from the flagged address.
        let places: [Place]
    }

    private struct Contact {
        let peer: Address
        let totals: PeerTotals
        let isFlagged: Bool
        let isHub: Bool
        /// Of a peer that is no hub: the flagged ones among its own peers, by address.
        let flaggedPeers: [(address: Address, totals: PeerTotals)]
    }

    let address: Address
    let taint: TaintEvidence
    /// What the address has, and all that ever came to it.
    let funds: Funds
    /// Whether no limit was met.
    let isComplete: Bool
    private let flags: [Address: String]
    private let peers: [Address: PeerTotals]
    /// The flagged peers, and of the others those with the most interactions, these first.
    private let contacts: [Contact]

    /// - Parameter flags: the flagged addresses and their labels.
    init(
        _ reader: RiskReader, _ address: Address, _ flags: [Address: String],
        _ knowledge: TaintSearch.Knowledge
    ) throws {
        self.address = address
        self.flags = flags
        peers = try reader.view.peers(of: address, limit: Self.peerLimit)
        contacts = try Self.contacts(reader, address, peers, flags)
        taint = try TaintEvidence(
            reader, address,
            payers: RiskReader.Neighbours(isHub: false, peers: peers).payers, flags, knowledge)
        isComplete = peers.count < Self.peerLimit && taint.isComplete
        var funds = try reader.funds(of: address)
        if peers.count < Self.peerLimit {
            // What it sent itself came from nowhere.
            let others = peers.reduce(Wei.zero) { $0 &+ $1.value.valueIn }
            funds.received = funds.received &- (funds.valueIn &- others)
        }
        self.funds = funds
    }

    private static func contacts(
        _ reader: RiskReader, _ address: Address, _ peers: [Address: PeerTotals],
        _ flags: [Address: String]
    ) throws -> [Contact] {
        let ordered = peers.sorted {
            ($1.value.interactions, $0.key) < ($0.value.interactions, $1.key)
        }
        // Whatever flags are hidden, the peers whose peers count are among the first of these.
        var left = secondLimit
        var contacts: [Contact] = []
        for (peer, totals) in ordered {
            let isFlagged = flags[peer] != nil
            guard isFlagged || left > 0 else { continue }
            if !isFlagged { left -= 1 }
            let neighbours = try reader.neighbours(of: peer)
            contacts.append(
                Contact(
                    peer: peer, totals: totals, isFlagged: isFlagged, isHub: neighbours.isHub,
                    flaggedPeers: neighbours.peers
                        .filter { $0.key != address && flags[$0.key] != nil }
                        .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }))
        }
        return contacts
    }

    /// The reasons, the weightiest first.
    ///
    /// - Parameter isKnown: whether the flag of an address counts.
    func findings(_ isKnown: (Address) -> Bool) -> [Finding] {
        findings(isKnown, taint.taint(isKnown))
    }

    /// The same where what is tainted is known already.
    func findings(_ isKnown: (Address) -> Bool, _ taint: Taint?) -> [Finding] {
        var findings: [Finding] = []
        if flags[address] != nil, isKnown(address) {
            findings.append(
                Finding(rule: .flagged, points: Self.most, flagged: address, places: []))
        }
        let arrivals = taint?.indirectArrivals ?? [:]
        let tainted = arrivals.mapValues {
            $0.reduce(Wei.zero) { $0 &+ $1.amounts.indirectTotal }
        }
        // What moved between the address and all that are not flagged, less what of it is tainted.
        var clean = Wei.zero
        for (peer, totals) in peers where flags[peer] == nil || !isKnown(peer) {
            clean = clean &+ (totals.volume &- (tainted[peer] ?? .zero))
        }
        var left = Self.secondLimit
        for contact in contacts {
            if contact.isFlagged, isKnown(contact.peer) {
                findings.append(direct(contact, clean: clean.doubleValue))
                continue
            }
            guard left > 0 else { continue }
            left -= 1
            let volume = contact.totals.volume &- (tainted[contact.peer] ?? .zero)
            guard !volume.isZero,
                let flagged = contact.flaggedPeers.first(where: { isKnown($0.address) })
            else { continue }
            findings.append(
                Finding(
                    rule: .contactOfContact,
                    points: 15 * volume.doubleValue / clean.doubleValue,
                    flagged: flagged.address, contact: (contact.peer, contact.totals),
                    places: contact.totals.places + flagged.totals.places))
        }
        if let taint { findings += indirect(arrivals, tainted, taint) }
        return findings.sorted {
            ($1.points, $0.flagged, $0.order) < ($0.points, $1.flagged, $1.order)
        }
    }

    private func direct(_ contact: Contact, clean: Double) -> Finding {
        let volume = contact.totals.volume.doubleValue
        let points = 20 + (volume > 0 ? 40 * volume / (volume + clean) : 0)
        let rule: Rule =
            LabelList.isMixer(flags[contact.peer] ?? "")
            ? .directContactWithMixer
            : contact.isHub ? .directContactWithHub : .directContact
        return Finding(
            rule: rule, points: rule == .directContactWithHub ? points / 2 : points,
            flagged: contact.peer, contact: (contact.peer, contact.totals),
            places: contact.totals.places)
    }

    /// A reason for each peer that paid tainted wei of others.
    private func indirect(
        _ arrivals: [Address: [Taint.Arrival]], _ tainted: [Address: Wei], _ taint: Taint
    ) -> [Finding] {
        let all = tainted.values.reduce(.zero, &+)
        let dirty = taint.haircut.received.total
        let clean = funds.received > dirty ? funds.received &- dirty : .zero
        let whole = (all &+ clean).doubleValue
        return arrivals.compactMap { peer, arrivals in
            let path = taint.path(to: arrivals)
            guard let flagged = path.first?.from, let value = tainted[peer] else { return nil }
            return Finding(
                rule: .indirectTaint, points: 30 * value.doubleValue / whole, flagged: flagged,
                contact: peers[peer].map { (peer: peer, totals: $0) }, taint: (value, path.count),
                places: arrivals.map(\.movement.place) + path.map(\.place))
        }
    }
}

extension RiskEvidence.Finding {
    /// Sets those apart that have as many points for the same flagged address.
    fileprivate var order: Address { contact?.peer ?? flagged }
}

extension [RiskEvidence.Finding] {
    /// All points together, as many as there may be.
    var points: Double { Swift.min(RiskEvidence.most, reduce(0) { $0 + $1.points }) }
}

extension PeerTotals {
    /// Wei that went either way.
    fileprivate var volume: Wei { valueIn &+ valueOut }

    /// The first and the last transaction.
    fileprivate var places: [Place] { first == last ? [first] : [first, last] }
}
