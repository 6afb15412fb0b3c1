package import Primitives

/// The balance of an account, and what of it came from flagged addresses. Three models say so, which
/// disagree as soon as an account has other wei as well:
///
/// - *haircut*: each payment takes tainted and clean wei in proportion to the balance;
/// - *poison*: a balance with one tainted wei in it is tainted, and so is all that leaves it;
/// - *FIFO*: what came first leaves first.
///
/// All count by *hops*, the payments since the flagged address: of what has gone more than
/// ``Taint/hops`` nothing is known any more, it is clean.
struct TaintPool {
    /// Wei that came together, by hops; 0 for clean ones.
    struct Lot: Hashable {
        var value: Wei
        let hops: Int
    }

    private(set) var balance: Wei
    /// Of the balance, by hops.
    private(set) var haircut = HopAmounts()
    /// The fewest hops by which a tainted wei of the balance came.
    private(set) var poisonHops: Int?
    /// The balance in the order in which it came.
    private var lots: ArraySlice<Lot>

    /// - Parameter opening: clean.
    init(opening: Wei) {
        balance = opening
        lots = opening.isZero ? [] : [Lot(value: opening, hops: 0)]
    }

    /// Of the balance, by hops.
    var fifo: HopAmounts { HopAmounts(lots) }

    mutating func add(_ payment: Payment) {
        guard !payment.value.isZero else { return }
        balance = balance &+ payment.value
        haircut.add(payment.haircut)
        poisonHops = [poisonHops, payment.poisonHops].compactMap(\.self).min()
        for lot in payment.lots { Self.append(lot, to: &lots) }
    }

    /// Takes wei for a payment. What is more than the balance is clean.
    mutating func take(_ value: Wei) -> Payment {
        let known = min(value, balance)
        var payment = Payment(value: value, haircut: HopAmounts(), poisonHops: poisonHops)
        payment.haircut = haircut.part(known, of: balance)
        haircut.subtract(payment.haircut)
        balance = balance &- known
        var left = known
        while !left.isZero, let lot = lots.first {
            let part = min(left, lot.value)
            Self.append(Lot(value: part, hops: lot.hops), to: &payment.lots)
            left = left &- part
            lots[lots.startIndex].value = lot.value &- part
            if part == lot.value { lots = lots.dropFirst() }
        }
        if known < value {
            Self.append(Lot(value: value &- known, hops: 0), to: &payment.lots)
        }
        if balance.isZero { poisonHops = nil }
        return payment
    }

    private static func append(_ lot: Lot, to lots: inout ArraySlice<Lot>) {
        guard let last = lots.last, last.hops == lot.hops else { return lots.append(lot) }
        lots[lots.endIndex - 1].value = last.value &+ lot.value
    }

    /// Wei on their way, with the hops up to whoever paid them.
    struct Payment {
        let value: Wei
        fileprivate(set) var haircut: HopAmounts
        fileprivate(set) var poisonHops: Int?
        fileprivate(set) var lots: ArraySlice<Lot> = []

        fileprivate init(value: Wei, haircut: HopAmounts, poisonHops: Int?) {
            self.value = value
            self.haircut = haircut
            self.poisonHops = poisonHops
        }

        /// Nothing in it comes from a flagged address, as far as is known.
        static func clean(_ value: Wei) -> Payment {
            var payment = Payment(value: value, haircut: HopAmounts(), poisonHops: nil)
            payment.lots = [Lot(value: value, hops: 0)]
            return payment
        }

        /// What a flagged address pays, as it arrives: with one hop.
        static func fromFlagged(_ value: Wei) -> Payment {
            var payment = Payment(value: value, haircut: HopAmounts(), poisonHops: 1)
            payment.haircut[1] = value
            payment.lots = [Lot(value: value, hops: 1)]
            return payment
        }

        /// What another account pays, as it arrives: with a hop more.
        var arrived: Payment {
            var payment = Payment(
                value: value, haircut: haircut.shifted, poisonHops: poisonHops.flatMap(Self.next))
            for lot in lots {
                let hops = lot.hops == 0 ? 0 : Self.next(lot.hops) ?? 0
                TaintPool.append(Lot(value: lot.value, hops: hops), to: &payment.lots)
            }
            return payment
        }

        private static func next(_ hops: Int) -> Int? { hops < Taint.hops ? hops + 1 : nil }

        /// By hops: all, if it is tainted at all.
        var poison: HopAmounts {
            var amounts = HopAmounts()
            if let poisonHops { amounts[poisonHops] = value }
            return amounts
        }

        /// By hops.
        var fifo: HopAmounts { HopAmounts(lots) }
    }
}

/// Tainted wei by hops, from one to ``Taint/hops``.
package struct HopAmounts: Hashable, Sendable {
    private var amounts = Array(repeating: Wei.zero, count: Taint.hops)

    /// None.
    package init() {}

    init(_ lots: ArraySlice<TaintPool.Lot>) {
        for lot in lots where lot.hops > 0 { self[lot.hops] = self[lot.hops] &+ lot.value }
    }

    package subscript(hops: Int) -> Wei {
        get { amounts[hops - 1] }
        set { amounts[hops - 1] = newValue }
    }

    /// From one hop on.
    package var all: [Wei] { amounts }
    /// All together.
    package var total: Wei { amounts.reduce(.zero, &+) }
    /// Without what came straight from a flagged address.
    package var indirectTotal: Wei { amounts.dropFirst().reduce(.zero, &+) }

    mutating func add(_ other: HopAmounts) {
        for index in amounts.indices { amounts[index] = amounts[index] &+ other.amounts[index] }
    }

    mutating func subtract(_ part: HopAmounts) {
        for index in amounts.indices { amounts[index] = amounts[index] &- part.amounts[index] }
    }

    /// With a hop more; what had the most is no longer there.
    var shifted: HopAmounts {
        var shifted = HopAmounts()
        shifted.amounts = [.zero] + amounts.dropLast()
        return shifted
    }

    /// What part of a balance has of them, rounded down.
    func part(_ value: Wei, of balance: Wei) -> HopAmounts {
        guard value < balance else { return self }
        var part = HopAmounts()
        for (index, amount) in amounts.enumerated() where !amount.isZero {
            part.amounts[index] = Self.part(value, of: balance, amount)
        }
        return part
    }

    /// `amount` times `value` by `balance`, which is the largest of the three. Only on a devnet that
    /// gives out more than 2^128 wei the product may not fit; there the lower halves do not count.
    private static func part(_ value: Wei, of balance: Wei, _ amount: Wei) -> Wei {
        let (product, overflow) = amount.multipliedReportingOverflow(by: value)
        guard overflow else { return product / balance }
        return ((amount >> 128) &* (value >> 128) / (balance >> 128)) << 128
    }
}
