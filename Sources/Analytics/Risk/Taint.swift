package import Primitives

/// Where the wei of flagged addresses went: the movements of some accounts, one after the other, so
/// that nothing is tainted by what happened later.
///
/// What a flagged address pays is tainted, whatever it has itself. What an account pays that is not
/// followed is clean.
package struct Taint {
    /// The most payments from a flagged address to the one that is asked about.
    package static let hops = 3

    /// An account whose balance is followed.
    package struct Account {
        /// What it had before the first movement; clean.
        package let opening: Wei
        /// The last place of which its movements are known; `nil` if there are none after them.
        package let end: Place?

        package init(opening: Wei, end: Place? = nil) {
            self.opening = opening
            self.end = end
        }

        fileprivate func covers(_ place: Place) -> Bool { end.map { place <= $0 } ?? true }
    }

    /// What one model says, by hops.
    package struct Figures: Hashable, Sendable {
        /// Of all that came to the address.
        package fileprivate(set) var received = HopAmounts()
        /// Of what it has at the end.
        package fileprivate(set) var balance = HopAmounts()

        package init() {}
    }

    /// A movement that brought tainted wei to an account.
    package struct Arrival {
        package let movement: ValueMovement
        /// By the model *haircut*.
        package let amounts: HopAmounts
    }

    /// The address that is asked about.
    package let target: Address
    package private(set) var haircut = Figures()
    package private(set) var poison = Figures()
    package private(set) var fifo = Figures()
    /// In order.
    private var arrivals: [Address: [Arrival]] = [:]
    private let sources: Set<Address>
    private let accounts: [Address: Account]
    private var pools: [Address: TaintPool]

    /// - Parameters:
    ///   - accounts: those that are followed, the target among them.
    ///   - sources: the flagged addresses; the target is none for itself.
    ///   - movements: those of the accounts, in order, each once.
    package init(
        to target: Address, accounts: [Address: Account], sources: Set<Address>,
        _ movements: [ValueMovement]
    ) {
        self.target = target
        self.accounts = accounts
        self.sources = sources.subtracting([target])
        pools = accounts.mapValues { TaintPool(opening: $0.opening) }
        for movement in movements where movement.from != movement.to { move(movement) }
        guard let pool = pools[target] else { return }
        haircut.balance = pool.haircut
        fifo.balance = pool.fifo
        if let hops = pool.poisonHops { poison.balance[hops] = pool.balance }
    }

    private mutating func move(_ movement: ValueMovement) {
        let payment = payment(movement)
        guard let to = movement.to, !sources.contains(to), isFollowed(to, at: movement.place)
        else { return }
        pools[to]?.add(payment)
        if !payment.haircut.total.isZero {
            arrivals[to, default: []].append(
                Arrival(movement: movement, amounts: payment.haircut))
        }
        guard to == target else { return }
        haircut.received.add(payment.haircut)
        poison.received.add(payment.poison)
        fifo.received.add(payment.fifo)
    }

    /// What arrives.
    private mutating func payment(_ movement: ValueMovement) -> TaintPool.Payment {
        guard let from = movement.from else { return .clean(movement.value) }
        if sources.contains(from) { return .fromFlagged(movement.value) }
        guard isFollowed(from, at: movement.place), let payment = pools[from]?.take(movement.value)
        else { return .clean(movement.value) }
        return payment.arrived
    }

    private func isFollowed(_ address: Address, at place: Place) -> Bool {
        accounts[address]?.covers(place) ?? false
    }

    // MARK: - Explanations

    /// What came to the target over two hops or more, by who paid it.
    package var indirectArrivals: [Address: [Arrival]] {
        var found: [Address: [Arrival]] = [:]
        for arrival in arrivals[target] ?? [] where !arrival.amounts.indirectTotal.isZero {
            guard let payer = arrival.movement.from else { continue }
            found[payer, default: []].append(arrival)
        }
        return found
    }

    /// How the largest part of some arrivals came from a flagged address: the movements from there on,
    /// of equally large ones the first.
    package func path(to arrivals: [Arrival]) -> [ValueMovement] {
        var best: (arrival: Arrival, hops: Int)?
        for hops in 2...Self.hops {
            if let arrival = Self.largest(arrivals, hops: hops),
                best.map({ arrival.amounts[hops] > $0.arrival.amounts[$0.hops] }) ?? true
            {
                best = (arrival, hops)
            }
        }
        var path: [ValueMovement] = []
        while let (arrival, hops) = best {
            path.append(arrival.movement)
            best = nil
            if hops > 1, let payer = arrival.movement.from {
                let before = (self.arrivals[payer] ?? []).filter { $0.movement < arrival.movement }
                best = Self.largest(before, hops: hops - 1).map { ($0, hops - 1) }
            }
        }
        return path.reversed()
    }

    private static func largest(_ arrivals: [Arrival], hops: Int) -> Arrival? {
        var largest: Arrival?
        for arrival in arrivals
        where arrival.amounts[hops] > largest?.amounts[hops] ?? .zero { largest = arrival }
        return largest
    }
}
