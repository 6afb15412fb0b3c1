import Analytics
import Primitives
import TestSupport
import Testing

/// Small graphs, computed by hand.
@Suite struct TaintTests {
    /// Flagged.
    private static let thief = Address(w0: 0xbad, w1: 0, w2: 0)
    private static let target = Address(w0: 1, w1: 0, w2: 0)
    private static let first = Address(w0: 2, w1: 0, w2: 0)
    private static let second = Address(w0: 3, w1: 0, w2: 0)
    private static let third = Address(w0: 4, w1: 0, w2: 0)
    /// Of whom nothing is known.
    private static let stranger = Address(w0: 5, w1: 0, w2: 0)

    /// Payments one after the other, each in a block of its own from block 1 on.
    private func taint(
        opening: [Address: UInt64] = [:], ends: [Address: BlockNumber] = [:],
        following accounts: Set<Address> = [first, second, third],
        _ payments: [(from: Address?, to: Address?, value: UInt64)]
    ) -> Taint {
        let movements = payments.enumerated().map { index, payment in
            ValueMovement(
                place: Place(block: UInt64(index + 1), transaction: 0), ordinal: 1,
                from: payment.from, to: payment.to, value: UInt256(payment.value))
        }
        var known: [Address: Taint.Account] = [:]
        for account in accounts.union([Self.target]) {
            known[account] = Taint.Account(
                opening: UInt256(opening[account] ?? 0),
                end: ends[account].map { Place(block: $0, transaction: 0) })
        }
        return Taint(to: Self.target, accounts: known, sources: [Self.thief], movements)
    }

    /// Haircut, poison and FIFO, each by one, two and three hops.
    private func received(_ taint: Taint) -> [[UInt64]] {
        [taint.haircut, taint.poison, taint.fifo].map { $0.received.all.map(\.l0) }
    }

    private func balance(_ taint: Taint) -> [[UInt64]] {
        [taint.haircut, taint.poison, taint.fifo].map { $0.balance.all.map(\.l0) }
    }

    @Test func `one hop: the models agree on what came, and not on what is left`() {
        let taint = taint(
            opening: [Self.target: 30],
            [(Self.thief, Self.target, 10), (Self.target, Self.stranger, 32)])
        #expect(received(taint) == [[10, 0, 0], [10, 0, 0], [10, 0, 0]])
        // A quarter of 40 was tainted, and so is a quarter of the 8 that are left. First the 30 left
        // that were there first, then two of the ten.
        #expect(balance(taint) == [[2, 0, 0], [8, 0, 0], [8, 0, 0]])
        let later = self.taint(
            [
                (Self.thief, Self.target, 10), (Self.stranger, Self.target, 30),
                (Self.target, Self.stranger, 10),
            ])
        #expect(balance(later) == [[8, 0, 0], [30, 0, 0], [0, 0, 0]])
    }

    @Test func `two hops: a payment has its part of the balance, all of it, or what came first`() {
        let taint = taint(
            opening: [Self.first: 4],
            [(Self.thief, Self.first, 6), (Self.first, Self.target, 5)])
        #expect(received(taint) == [[0, 3, 0], [0, 5, 0], [0, 1, 0]])
        #expect(balance(taint) == received(taint))
        // The rest is no more and no less tainted.
        let rest = self.taint(
            opening: [Self.first: 4],
            [
                (Self.thief, Self.first, 6), (Self.first, Self.stranger, 5),
                (Self.first, Self.target, 5),
            ])
        #expect(received(rest) == [[0, 3, 0], [0, 5, 0], [0, 5, 0]])
    }

    @Test func `three hops count, and four do not`() {
        let three: [(from: Address?, to: Address?, value: UInt64)] = [
            (Self.thief, Self.second, 8), (Self.second, Self.first, 8),
            (Self.first, Self.target, 8),
        ]
        #expect(received(taint(three)) == [[0, 0, 8], [0, 0, 8], [0, 0, 8]])
        let diluted = taint(
            opening: [Self.second: 8, Self.first: 4],
            [
                (Self.thief, Self.second, 8), (Self.second, Self.first, 12),
                (Self.first, Self.target, 8),
            ])
        // Half of 12 are 6 of 16, of which 8 are 3; the first has 4 clean ones, then 8, then 4
        // tainted ones.
        #expect(received(diluted) == [[0, 0, 3], [0, 0, 8], [0, 0, 0]])
        let four = taint([
            (Self.thief, Self.third, 8), (Self.third, Self.second, 8),
            (Self.second, Self.first, 8), (Self.first, Self.target, 8),
        ])
        #expect(received(four) == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
        #expect(balance(four) == received(four))
    }

    @Test func `the same account by different ways has wei of different hops`() {
        let taint = taint([
            (Self.thief, Self.target, 1), (Self.thief, Self.first, 6),
            (Self.first, Self.second, 2), (Self.second, Self.first, 2),
            (Self.first, Self.target, 6),
        ])
        // The first has 4 of one hop and 2 of three, which are one too many for the target.
        #expect(received(taint) == [[1, 4, 0], [1, 6, 0], [1, 4, 0]])
    }

    @Test func `what was paid before the flagged address paid is clean`() {
        let taint = taint(
            opening: [Self.first: 5],
            [(Self.first, Self.target, 5), (Self.thief, Self.first, 9)])
        #expect(received(taint) == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
        #expect(taint.indirectArrivals.isEmpty)
    }

    @Test func `in a transaction the order of its movements counts`() {
        func paid(_ order: [UInt32]) -> [[UInt64]] {
            let place = Place(block: 1, transaction: 3)
            let movements = [
                ValueMovement(
                    place: place, ordinal: order[0], from: Self.thief, to: Self.first, value: 4),
                ValueMovement(
                    place: place, ordinal: order[1], from: Self.first, to: Self.target, value: 4),
            ]
            return received(
                Taint(
                    to: Self.target,
                    accounts: [
                        Self.target: Taint.Account(opening: 0),
                        Self.first: Taint.Account(opening: 4),
                    ], sources: [Self.thief], movements.sorted()))
        }
        #expect(paid([1, 2]) == [[0, 2, 0], [0, 4, 0], [0, 0, 0]])
        #expect(paid([2, 1]) == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
    }

    @Test func `a payment to oneself moves nothing`() {
        let taint = taint(
            opening: [Self.first: 5],
            [
                (Self.thief, Self.first, 5), (Self.first, Self.first, 9),
                (Self.first, Self.target, 5), (Self.target, Self.target, 5),
            ])
        #expect(received(taint) == [[0, 2, 0], [0, 5, 0], [0, 0, 0]])
        #expect(balance(taint) == received(taint))
    }

    @Test func `what comes back comes with two hops more`() {
        let taint = taint([
            (Self.thief, Self.target, 8), (Self.target, Self.first, 8),
            (Self.first, Self.target, 8), (Self.target, Self.first, 8),
            (Self.first, Self.target, 8),
        ])
        #expect(received(taint) == [[8, 0, 8], [8, 0, 8], [8, 0, 8]])
        #expect(balance(taint) == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
    }

    @Test func `fees and withdrawals take and bring their part`() {
        let taint = taint([
            (Self.thief, Self.first, 10), (nil, Self.first, 10), (Self.first, nil, 4),
            (Self.first, Self.target, 8),
        ])
        #expect(received(taint) == [[0, 4, 0], [0, 8, 0], [0, 6, 0]])
    }

    @Test func `an account that is not followed passes nothing on, be it a hub`() {
        let taint = taint(
            following: [Self.first],
            [
                (Self.thief, Self.second, 8), (Self.second, Self.target, 4),
                (Self.second, Self.first, 4), (Self.first, Self.target, 4),
            ])
        #expect(received(taint) == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
    }

    @Test func `of an account that was read to a place later payments are clean`() {
        let payments: [(from: Address?, to: Address?, value: UInt64)] = [
            (Self.thief, Self.first, 8), (Self.first, Self.target, 2),
            (Self.first, Self.target, 3),
        ]
        #expect(received(taint(ends: [Self.first: 2], payments))[0] == [0, 2, 0])
        #expect(received(taint(payments))[0] == [0, 5, 0])
    }

    @Test func `a balance that is spent is no longer poisoned`() {
        let taint = taint([
            (Self.thief, Self.first, 1), (Self.first, Self.stranger, 1),
            (Self.stranger, Self.first, 9), (Self.first, Self.target, 9),
        ])
        #expect(received(taint) == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
    }

    @Test func `what is paid beyond the balance is clean`() {
        let taint = taint([(Self.thief, Self.first, 3), (Self.first, Self.target, 5)])
        #expect(received(taint) == [[0, 3, 0], [0, 5, 0], [0, 3, 0]])
        #expect(balance(taint) == received(taint))
    }

    @Test func `amounts of more than 128 bits are divided too`() {
        let large = UInt256(3) << 250
        let taint = Taint(
            to: Self.target,
            accounts: [
                Self.target: Taint.Account(opening: 0), Self.first: Taint.Account(opening: large),
            ], sources: [Self.thief],
            [
                ValueMovement(
                    place: Place(block: 1, transaction: 0), ordinal: 1, from: Self.thief,
                    to: Self.first, value: UInt256(1) << 250),
                ValueMovement(
                    place: Place(block: 2, transaction: 0), ordinal: 1, from: Self.first,
                    to: Self.target, value: UInt256(1) << 251),
            ])
        #expect(taint.haircut.received[2] == UInt256(1) << 249)
        #expect(taint.poison.received[2] == UInt256(1) << 251)
        #expect(taint.fifo.received.total == 0)
    }

    @Test func `the way from the flagged address is the largest one`() throws {
        let taint = taint([
            (Self.thief, Self.first, 4), (Self.thief, Self.second, 8),
            (Self.second, Self.first, 8), (Self.stranger, Self.first, 12),
            (Self.first, Self.target, 12), (Self.first, Self.target, 6),
        ])
        let arrivals = try #require(taint.indirectArrivals[Self.first])
        #expect(arrivals.map { $0.amounts.indirectTotal } == [6, 3])
        #expect(taint.path(to: arrivals).map(\.place.block) == [2, 3, 5])
        #expect(taint.path(to: arrivals).map(\.from) == [Self.thief, Self.second, Self.first])
    }

    /// Payments among the accounts at random.
    private func random(
        _ count: Int, _ random: inout SeededRandom
    ) -> [(from: Address?, to: Address?, value: UInt64)] {
        let all = [
            Self.thief, Self.target, Self.first, Self.second, Self.third, Self.stranger,
        ]
        return (0..<count).map { _ in
            (
                all.randomElement(using: &random), all.randomElement(using: &random),
                UInt64.random(in: 1...1_000_000, using: &random)
            )
        }
    }

    @Test func `no model says more than poison, and none more than came or is there`() {
        var random = SeededRandom(seed: 41)
        for _ in 0..<200 {
            let payments = self.random(30, &random)
            let opening: [Address: UInt64] = [
                Self.first: 5_000_000, Self.second: 3_000_000, Self.target: 40_000_000,
            ]
            let taint = taint(opening: opening, payments)
            let came = payments.filter { $0.to == Self.target && $0.from != Self.target }
                .reduce(0) { $0 + $1.value }
            let gone = payments.filter { $0.from == Self.target && $0.to != Self.target }
                .reduce(0) { $0 + $1.value }
            let poison = taint.poison
            #expect(poison.received.total <= UInt256(came), "seed \(random.seed)")
            #expect(
                poison.balance.total <= UInt256(40_000_000 + came - gone), "seed \(random.seed)")
            for figures in [taint.haircut, taint.fifo] {
                #expect(figures.received.total <= poison.received.total, "seed \(random.seed)")
                #expect(figures.balance.total <= poison.balance.total, "seed \(random.seed)")
            }
        }
    }

    @Test func `where a stranger turns out to be flagged there is never less`() {
        var random = SeededRandom(seed: 43)
        for _ in 0..<200 {
            let payments = self.random(30, &random)
            let changed = payments.firstIndex {
                $0.from == Self.stranger && $0.to != Self.stranger && $0.to != Self.thief
            }
            guard let changed else { continue }
            var dirtier = payments
            dirtier[changed].from = Self.thief
            let (before, after) = (taint(payments), taint(dirtier))
            // Each payment rounds by less than a wei a hop.
            #expect(
                after.haircut.received.total &+ 90 >= before.haircut.received.total,
                "seed \(random.seed)")
            #expect(
                after.poison.received.total >= before.poison.received.total,
                "seed \(random.seed)")
            #expect(
                after.fifo.received.total >= before.fifo.received.total, "seed \(random.seed)")
        }
    }
}
