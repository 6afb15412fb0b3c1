import Primitives

/// The accounts between flagged addresses and one that is asked about, found backwards by the sums of
/// pairs: nothing but what these accounts paid can bring it tainted wei over ``Taint/hops`` payments.
///
///     flagged ─▶ second ─▶ first ─▶ target
///
/// A hub is none of them: what many are paid by says little about each. Pairs also tell when: who was
/// first paid after the last payment passed nothing on.
struct TaintSearch {
    /// Accounts whose peers are looked at: first those that paid the target, then those that paid
    /// these, of each the ones that paid most first. Flagged ones are not counted.
    static let accountLimit = 500

    /// Which flags count.
    enum Knowledge {
        /// All do.
        case whole
        /// Some will be hidden, and then the address is one like others.
        case part
    }

    /// An account that passed something on, up to the last payment that matters.
    struct Account {
        let address: Address
        let until: Place
    }

    /// Those in between, the nearer ones first. One may be both.
    private(set) var between: [Account] = []
    /// Flagged addresses that paid the target or one in between, in time.
    private(set) var sources: Set<Address> = []
    /// Whether no account was left out.
    private(set) var isComplete = true

    private let target: Address
    private let flags: [Address: String]
    private let knowledge: Knowledge
    /// Accounts that are looked at.
    private var seen: Set<Address> = []

    private typealias Payers = [(address: Address, totals: PeerTotals)]

    /// - Parameter payers: those that paid the target.
    init(
        _ reader: RiskReader, of target: Address,
        payers: [(address: Address, totals: PeerTotals)], _ flags: [Address: String],
        _ knowledge: Knowledge
    ) throws {
        self.target = target
        self.flags = flags
        self.knowledge = knowledge
        let end = Place(block: .max, transaction: .max)
        takeSources(among: payers, until: end)
        var seconds: [Account] = []
        for first in others(among: payers, until: end) {
            let before = try reader.neighbours(of: first.address).payers
            var passesOn = takeSources(among: before, until: first.until)
            // The target's own tainted wei may come back.
            if before.contains(where: { $0.address == target }),
                takeSources(among: payers, until: first.until)
            {
                passesOn = true
            }
            for second in others(among: before, until: first.until) {
                let payers = try reader.neighbours(of: second.address).payers
                guard takeSources(among: payers, until: second.until) else { continue }
                seconds.append(second)
                passesOn = true
            }
            if passesOn { between.append(first) }
        }
        between += seconds
    }

    /// - Returns: whether there is a flagged address among those that paid until a place.
    @discardableResult
    private mutating func takeSources(among payers: Payers, until end: Place) -> Bool {
        let found = payers.filter { flags[$0.address] != nil && isEarlier($0, end) }
        sources.formUnion(found.map(\.address))
        return !found.isEmpty
    }

    /// The accounts among the payers that are followed further, as many as may be.
    private mutating func others(among payers: Payers, until end: Place) -> [Account] {
        var others: [Account] = []
        for payer in payers where isEarlier(payer, end) {
            if flags[payer.address] != nil {
                guard knowledge == .part else { continue }
            } else if !seen.contains(payer.address) {
                guard seen.count < Self.accountLimit else {
                    isComplete = false
                    continue
                }
                seen.insert(payer.address)
            }
            others.append(
                Account(address: payer.address, until: min(end, payer.totals.last)))
        }
        return others
    }

    private func isEarlier(
        _ payer: (address: Address, totals: PeerTotals), _ end: Place
    ) -> Bool {
        payer.address != target && payer.totals.first <= end
    }
}
