import Primitives
import Storage

/// All that the index keeps of an address in one value: its sums, the last entries of its lists, and
/// its peers and holdings while they are few.
///
/// It depends on the chain only, never on how blocks were put into batches: a fresh index has the same
/// bytes.
///
/// An object, because a block changes many at a time in many ways, each in its place.
final class AddressRecord: TableValue {
    /// Peers, and holdings, that stand in the record; one more, and all go into their table.
    static let fewLimit = 4

    /// A peer with what the two had to do with each other.
    struct Peer {
        let address: Address
        var totals: PeerTotals
    }

    /// A holding of a token.
    struct TokenHolding {
        let key: HoldingKey
        var holding: Holding
    }

    var totals = AddressTotals()
    /// The last hour in which it did something, since 1970.
    private(set) var hour: UInt64 = 0
    /// What it did in that hour.
    private(set) var hourActivity = ActivityTotals()
    /// The hours before, with the pages that are full: if there are none, its hour is all there is.
    private(set) var hours = OpenPage()
    private(set) var hasEarlierHours = false
    var appearances = OpenPage()
    var payments = OpenPage()
    var transfers = OpenPage()
    /// How many peers it has.
    var peerCount: UInt64 = 0
    /// All of them, if they are few.
    var peers: [Peer] = []
    /// How many holdings it has, also of what it held once.
    var holdingCount: UInt64 = 0
    /// All of them, if they are few.
    var holdings: [TokenHolding] = []

    init() {}

    /// Whether the peers are in their table.
    var hasManyPeers: Bool { peerCount > UInt64(Self.fewLimit) }

    /// Whether the holdings are in their table.
    var hasManyHoldings: Bool { holdingCount > UInt64(Self.fewLimit) }

    /// The cell of the hour at hand, if the address ever did something.
    var lastHour: HourActivity? {
        guard totals.activity != ActivityTotals() else { return nil }
        return HourActivity(hour: hour, activity: hourActivity)
    }

    /// Adds what it did in an hour, not before the last one.
    ///
    /// - Returns: a page of hours that is full, to be written.
    func add(_ activity: ActivityTotals, in hour: UInt64) -> FullPage? {
        var full: FullPage?
        if let lastHour, lastHour.hour != hour {
            full = hours.append(lastHour)
            hasEarlierHours = true
            hourActivity = ActivityTotals()
        }
        self.hour = hour
        hourActivity.add(activity)
        totals.activity.add(activity)
        return full
    }

    // MARK: - Bytes

    /// What stands in the record at all.
    private struct Parts: OptionSet {
        let rawValue: UInt64
        static let hour = Parts(rawValue: 1 << 0)
        static let hours = Parts(rawValue: 1 << 1)
        static let appearances = Parts(rawValue: 1 << 2)
        static let payments = Parts(rawValue: 1 << 3)
        static let transfers = Parts(rawValue: 1 << 4)
        static let peers = Parts(rawValue: 1 << 5)
        static let holdings = Parts(rawValue: 1 << 6)
    }

    private var parts: Parts {
        var parts: Parts = []
        if totals.activity != ActivityTotals() { parts.insert(.hour) }
        if hasEarlierHours { parts.insert(.hours) }
        if appearances.count > 0 { parts.insert(.appearances) }
        if payments.count > 0 { parts.insert(.payments) }
        if transfers.count > 0 { parts.insert(.transfers) }
        if peerCount > 0 { parts.insert(.peers) }
        if holdingCount > 0 { parts.insert(.holdings) }
        return parts
    }

    init(_ record: inout Record) throws(StorageError) {
        let parts = Parts(rawValue: try record.number())
        totals = try AddressTotals(&record)
        if parts.contains(.hour) { hour = try record.number() }
        if parts.contains(.hours) {
            hasEarlierHours = true
            hours = try OpenPage(&record)
            hourActivity = try ActivityTotals(&record)
        } else {
            hourActivity = totals.activity
        }
        if parts.contains(.appearances) { appearances = try OpenPage(&record) }
        if parts.contains(.payments) { payments = try OpenPage(&record) }
        if parts.contains(.transfers) { transfers = try OpenPage(&record) }
        if parts.contains(.peers) {
            peerCount = try record.number()
            if !hasManyPeers {
                peers.reserveCapacity(Int(peerCount))
                for _ in 0..<peerCount {
                    peers.append(
                        Peer(address: try record.address(), totals: try PeerTotals(&record)))
                }
            }
        }
        if parts.contains(.holdings) {
            holdingCount = try record.number()
            if !hasManyHoldings {
                holdings.reserveCapacity(Int(holdingCount))
                for _ in 0..<holdingCount {
                    holdings.append(
                        TokenHolding(
                            key: try HoldingKey(&record), holding: try Holding(&record)))
                }
            }
        }
    }

    func write(to record: inout Record) {
        let parts = parts
        record.write(parts.rawValue)
        totals.write(to: &record)
        if parts.contains(.hour) { record.write(hour) }
        if parts.contains(.hours) {
            hours.write(to: &record)
            hourActivity.write(to: &record)
        }
        if parts.contains(.appearances) { appearances.write(to: &record) }
        if parts.contains(.payments) { payments.write(to: &record) }
        if parts.contains(.transfers) { transfers.write(to: &record) }
        if parts.contains(.peers) {
            record.write(peerCount)
            for peer in peers {
                record.write(peer.address)
                peer.totals.write(to: &record)
            }
        }
        if parts.contains(.holdings) {
            record.write(holdingCount)
            for entry in holdings {
                entry.key.write(to: &record)
                entry.holding.write(to: &record)
            }
        }
    }
}

/// What a holding is of: a token, and of ERC-1155 an id.
struct HoldingKey: Hashable, Comparable, TableValue {
    let token: Address
    let id: UInt256?

    init(token: Address, id: UInt256?) {
        self.token = token
        self.id = id
    }

    init(_ record: inout Record) throws(StorageError) {
        token = try record.address()
        id = try record.number() == 0 ? nil : try record.amount()
    }

    func write(to record: inout Record) {
        record.write(token)
        record.write(id == nil ? 0 : 1 as UInt64)
        if let id { record.write(id) }
    }

    static func < (left: HoldingKey, right: HoldingKey) -> Bool {
        guard left.token == right.token else { return left.token < right.token }
        guard let id = right.id else { return false }
        return left.id.map { $0 < id } ?? true
    }
}
