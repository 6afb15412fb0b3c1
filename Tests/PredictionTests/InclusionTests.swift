import EthereumTypes
import Foundation
import Prediction
import Primitives
import Testing
import TxPool

/// A chain whose blocks have room for a number of transactions, and whose pool is in the order of tips.
private struct SimulatedChain {
    /// A transaction that waits, or a probe that takes no room.
    private struct Entry {
        let hash: Hash256
        let tip: Double
        let arrival: UInt64
    }

    private static let room = 20

    private(set) var record = InclusionRecord()
    private(set) var head: UInt64 = 0
    private var noise: Noise
    private var pool: [Entry] = []
    private var load = 0.0
    private var count: UInt64 = 0
    /// The tips of the last blocks above which everybody was in; 0 where there was room.
    private(set) var needed: [Double] = []

    init(seed: UInt64) {
        noise = Noise(seed: seed)
        record.take(.head(0, nextBaseFee: 10))
    }

    /// Transactions arrive, some are withdrawn, and a block takes the best.
    mutating func step() {
        load = 0.3 * load + 0.35 * noise.normal()
        for _ in 0..<Int(Double(Self.room) * 2 * exp(load)) { arrive() }
        for index in pool.indices.reversed() where noise.uniform() < 0.3 {
            record.take(.removed(pool.remove(at: index).hash)) { _ in nil }
        }
        pool.sort { $0.tip > $1.tip }
        head += 1
        let included = pool.prefix(Self.room)
        needed.append(included.count < Self.room ? 0 : included.last?.tip ?? 0)
        for entry in included { record.take(.removed(entry.hash)) { _ in head } }
        pool.removeFirst(included.count)
        record.take(.head(head, nextBaseFee: 10)) { _ in nil }
    }

    private mutating func arrive() {
        let tip = (1e9 * exp(0.8 * noise.normal())).rounded()
        count += 1
        let transaction = Transaction(
            type: .dynamicFee, chainId: 1, nonce: 0, maxPriorityFeePerGas: UInt256(UInt64(tip)),
            maxFeePerGas: UInt256(UInt64(tip) + 1_000), gasLimit: 21_000, to: .zero, value: 0)
        let hash = Hash256(UInt256(count))
        pool.append(Entry(hash: hash, tip: tip, arrival: head))
        record.take(
            .pending(
                RecoveredTransaction(transaction, hash: hash, sender: .zero), isNext: true))
    }

    /// After how many blocks a tip would have been in, sent at a head of the past.
    func wait(_ tip: Double, from head: Int) -> Int {
        (head..<needed.count).first { tip > needed[$0] }.map { $0 - head + 1 } ?? .max
    }
}

extension InclusionRecord {
    fileprivate mutating func take(_ event: PoolEvent) {
        take(event) { _ in nil }
    }
}

@Suite struct InclusionTests {
    private func transfer(_ number: UInt64, tip: UInt256, cap: UInt256) -> RecoveredTransaction {
        RecoveredTransaction(
            Transaction(
                type: .dynamicFee, chainId: 1, nonce: 0, maxPriorityFeePerGas: tip,
                maxFeePerGas: cap, gasLimit: 21_000, to: .zero, value: 0),
            hash: Hash256(UInt256(number)), sender: .zero)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `tiers get in as often as they say, within three points`(seed: UInt64) throws {
        var chain = SimulatedChain(seed: seed)
        for _ in 0..<4_096 { chain.step() }
        let within = 3
        var chosen: [(head: Int, tips: [Double])] = []
        var choices: [InclusionCurves.Choice] = []
        for block in 0..<12_000 {
            if block % 128 == 0 {
                let curves = try #require(InclusionCurves(chain.record.all))
                choices = [0.5, 0.8, 0.95].map { curves.choice(of: $0, within: within) }
                for (choice, target) in zip(choices, [0.5, 0.8, 0.95]) {
                    #expect(abs(choice.share - target) < 1e-6)
                }
            }
            chosen.append((Int(chain.head), choices.map { Double($0.tip.description) ?? 0 }))
            chain.step()
        }
        for _ in 0..<within { chain.step() }
        for (index, target) in [0.5, 0.8, 0.95].enumerated() {
            let hits = chosen.count { chain.wait($0.tips[index], from: $0.head) <= within }
            let share = Double(hits) / Double(chosen.count)
            #expect(abs(share - target) <= 0.03, "\(target): \(share)")
        }
    }

    @Test func `the forecast distribution of waits is uniform in what came`() throws {
        var chain = SimulatedChain(seed: 7)
        for _ in 0..<4_096 { chain.step() }
        let curves = try #require(InclusionCurves(chain.record.all))
        var noise = Noise(seed: 70)
        var probes: [(tip: Double, head: Int)] = []
        for _ in 0..<600 {
            probes.append(((1e9 * exp(0.8 * noise.normal())).rounded(), Int(chain.head)))
            for _ in 0..<5 { chain.step() }
        }
        for _ in 0..<64 { chain.step() }
        // Where in its forecast distribution each outcome lies, at random within its step.
        var places: [Double] = []
        for probe in probes {
            let shares = curves.shares(tip: probe.tip)
            let wait = chain.wait(probe.tip, from: probe.head)
            let low = wait == 1 ? 0 : wait > 64 ? shares[63] : shares[wait - 2]
            let high = wait > 64 ? 1 : shares[wait - 1]
            places.append(low + noise.uniform() * (high - low))
        }
        places.sort()
        let count = Double(places.count)
        let distance =
            places.enumerated().map { index, place in
                max(Double(index + 1) / count - place, place - Double(index) / count)
            }.max() ?? 1
        // Kolmogorov and Smirnov's bound at p = 0.01.
        #expect(distance < 1.63 / count.squareRoot())
    }

    @Test func `a wait that nobody saw to its end counts for as long as it lasted`() {
        var record = InclusionRecord()
        record.take(.head(10, nextBaseFee: 100))
        record.take(.pending(transfer(1, tip: 5, cap: 200), isNext: true))
        record.take(.pending(transfer(2, tip: 5, cap: 106), isNext: true))
        record.take(.pending(transfer(3, tip: 5, cap: 200), isNext: true))
        record.take(.pending(transfer(4, tip: 5, cap: 200), isNext: false))
        record.take(.pending(transfer(5, tip: 5, cap: 99), isNext: true))
        #expect(record.watched == 3)
        record.take(.head(11, nextBaseFee: 101))
        // Its cap pays no more than a tip of 4 now.
        record.take(.head(12, nextBaseFee: 102))
        record.take(.removed(Hash256(UInt256(1)))) { _ in 13 }
        record.take(.head(13, nextBaseFee: 100))
        record.take(.removed(Hash256(UInt256(3)))) { _ in nil }
        let outcomes = record.all.sorted {
            ($0.wait, $0.isIncluded ? 1 : 0) < ($1.wait, $1.isIncluded ? 1 : 0)
        }
        #expect(outcomes.map(\.wait) == [2, 3, 3])
        #expect(outcomes.map(\.isIncluded) == [false, false, true])
        #expect(outcomes.allSatisfy { $0.tip == 5 && $0.arrival == 10 })
        #expect(record.watched == 0)
    }

    @Test func `what waited when blocks left the chain is forgotten`() {
        var record = InclusionRecord()
        record.take(.head(10, nextBaseFee: 100))
        record.take(.pending(transfer(1, tip: 5, cap: 200), isNext: true))
        record.take(.head(8, nextBaseFee: 100))
        record.take(.removed(Hash256(UInt256(1)))) { _ in 9 }
        #expect(record.watched == 0)
        #expect(record.all.isEmpty)
    }

    @Test func `a record stays within its bounds however long it goes on`() {
        var record = InclusionRecord()
        var number: UInt64 = 0
        for block in 0..<9_000 as Range<UInt64> {
            record.take(.head(block, nextBaseFee: 100))
            for _ in 0..<20 {
                number += 1
                record.take(.pending(transfer(number, tip: 5, cap: 200), isNext: true))
            }
            for taken in number - 19...number - 10 {
                record.take(.removed(Hash256(UInt256(taken)))) { _ in block + 1 }
            }
        }
        #expect(record.count <= InclusionRecord.retained)
        #expect(record.watched <= 16 * (InclusionRecord.longestWait + 1))
    }

    @Test func `nothing is said on too little`() throws {
        func outcomes(_ count: Int, blocks: Int) -> [InclusionRecord.Outcome] {
            var record = InclusionRecord()
            for index in 0..<count {
                let head = UInt64(index * blocks / count)
                let hash = Hash256(UInt256(UInt64(index + 1)))
                record.take(.head(head, nextBaseFee: 100))
                record.take(.pending(transfer(UInt64(index + 1), tip: 5, cap: 200), isNext: true))
                record.take(.removed(hash)) { _ in head + 1 }
            }
            return record.all
        }
        #expect(InclusionCurves(outcomes(150, blocks: 150)) == nil)
        #expect(InclusionCurves(outcomes(400, blocks: 30)) == nil)
        // All were in the next block, and all paid the same: no tip is said to be enough but that.
        let curves = try #require(InclusionCurves(outcomes(400, blocks: 100)))
        let choice = curves.choice(of: 0.95, within: 3)
        #expect(choice.tip == 5)
        #expect(choice.share == 1)
    }
}
