import Gateway
import Primitives
import Storage
import TestSupport
import Testing

@Suite struct FleetTests {
    let start = ContinuousClock.now
    var deadline: ContinuousClock.Instant { start + .seconds(30) }

    /// Three nodes that are ready, their heads as given.
    func fleet(heads: [UInt64] = [10, 10, 10], limits: Fleet.Limits = .init()) -> Fleet {
        var fleet = Fleet(heads.indices.map { "http://node\($0)" }, limits: limits)
        for (index, head) in heads.enumerated() {
            fleet.isReady(index, head: Self.block(head), at: start)
        }
        return fleet
    }

    static func block(_ number: UInt64) -> BlockReference {
        BlockReference(number: number, hash: .zero)
    }

    static func tag(_ counter: UInt64, instance: UInt64 = 0xaa) -> StateTag {
        StateTag(instance: instance, counter: counter, block: block(10 + counter))
    }

    @Test func `a node nobody has heard of is not asked`() {
        var fleet = Fleet(["http://a", "http://b"])
        #expect(fleet.begin(at: start, deadline: deadline) == nil)
        fleet.isReady(1, head: Self.block(0), at: start)
        #expect(fleet.begin(at: start, deadline: deadline) == 1)
    }

    @Test func `equals take turns`() {
        var fleet = fleet()
        var chosen: [Int] = []
        for _ in 0..<6 {
            guard let index = fleet.begin(at: start, deadline: deadline) else { break }
            fleet.end(index, .answered, at: start)
            chosen.append(index)
        }
        #expect(chosen == [0, 1, 2, 0, 1, 2])
    }

    @Test func `the least busy is asked`() {
        var fleet = fleet()
        for _ in 0..<3 { _ = fleet.begin(at: start, deadline: deadline) }
        fleet.end(1, .answered, at: start)
        #expect(fleet.begin(at: start, deadline: deadline) == 1)
        #expect(fleet.members.map(\.outstanding) == [1, 1, 1])
    }

    @Test func `a node may be two blocks behind, not three`() {
        #expect(fleet(heads: [10, 8, 7]).eligible(at: start) == [0, 1])
    }

    @Test func `the last number that there is counts like any other`() {
        let last = UInt64.max
        #expect(fleet(heads: [last, last - 2, last - 3]).eligible(at: start) == [0, 1])
    }

    @Test func `a node that is not ready sets no mark for others`() {
        var fleet = fleet(heads: [100, 10, 9])
        #expect(fleet.eligible(at: start) == [0])
        fleet.isNotReady(0, "disk")
        #expect(fleet.eligible(at: start) == [1, 2])
    }

    @Test func `a broken node sets no mark for others`() {
        var fleet = fleet(heads: [100, 10])
        #expect(fleet.eligible(at: start) == [0])
        for _ in 0..<3 {
            #expect(fleet.begin(at: start, deadline: deadline) == 0)
            fleet.end(0, .failed, at: start)
        }
        #expect(fleet.eligible(at: start) == [1])
    }

    @Test func `a node that has been silent for too long is not ready`() {
        let fleet = fleet()
        #expect(fleet.eligible(at: start + .seconds(15)).count == 3)
        #expect(fleet.eligible(at: start + .seconds(16)).isEmpty)
    }

    @Test func `a node that has failed a request is not asked for it again`() {
        var fleet = fleet()
        #expect(fleet.begin(without: [0, 2], at: start, deadline: deadline) == 1)
        #expect(fleet.begin(without: [0, 1, 2], at: start, deadline: deadline) == nil)
    }

    @Test func `a node that fails again and again is left alone, tried, and taken back`() {
        var fleet = fleet(heads: [10, 10])
        for _ in 0..<3 {
            let index = fleet.begin(without: [1], at: start, deadline: deadline)
            #expect(index == 0)
            fleet.end(0, .failed, at: start)
        }
        #expect(fleet.eligible(at: start) == [1])
        let later = start + .milliseconds(250)
        #expect(fleet.eligible(at: later) == [0, 1])
        #expect(fleet.begin(without: [1], at: later, deadline: deadline) == 0)
        #expect(fleet.eligible(at: later) == [1], "one trial at a time")
        fleet.end(0, .answered, at: later)
        #expect(fleet.eligible(at: later) == [0, 1])
    }

    @Test func `a node that has as much as it may is not asked`() {
        var limits = Fleet.Limits()
        limits.outstanding = 2
        var fleet = fleet(heads: [10], limits: limits)
        #expect(fleet.begin(at: start, deadline: deadline) == 0)
        #expect(fleet.begin(at: start, deadline: deadline) == 0)
        #expect(fleet.begin(at: start, deadline: deadline) == nil)
        fleet.end(0, .abandoned, at: start)
        #expect(fleet.begin(at: start, deadline: deadline) == 0)
    }

    @Test func `an answer that was overtaken sets no node back`() {
        var fleet = fleet(heads: [10])
        fleet.hears(Self.tag(5), from: 0)
        fleet.hears(Self.tag(4), from: 0)
        #expect(fleet.members[0].tag == Self.tag(5))
        #expect(fleet.members[0].head == 15)
    }

    @Test func `a process that began anew has a tag of its own`() {
        var fleet = fleet(heads: [10])
        fleet.hears(Self.tag(5), from: 0)
        let new = Self.tag(1, instance: 0xbb)
        fleet.hears(new, from: 0)
        #expect(fleet.members[0].tag == new)
    }

    @Test func `answers are kept only while the node says when they change`() {
        var fleet = fleet(heads: [10])
        fleet.hears(Self.tag(1), from: 0)
        #expect(fleet.cacheTag(0, at: start) == nil)
        fleet.streamIsAlive(0, at: start)
        #expect(fleet.cacheTag(0, at: start) == Self.tag(1))
        #expect(fleet.cacheTag(0, at: start + .seconds(16)) == nil)
        fleet.streamIsGone(0)
        #expect(fleet.cacheTag(0, at: start) == nil)
    }

    @Test func `whoever finds nobody is told when to come again`() {
        var fleet = fleet(heads: [10])
        for _ in 0..<3 {
            _ = fleet.begin(at: start, deadline: deadline)
            fleet.end(0, .failed, at: start)
        }
        #expect(fleet.nextChance(at: start) == .milliseconds(250))
        #expect(Fleet(["http://a"]).nextChance(at: start) == .seconds(1))
    }

    /// Whatever happens, requests are counted right and go only where they may.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `random events break no rule`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var fleet = Fleet((0..<4).map { "http://node\($0)" })
        var running: [(index: Int, tried: Set<Int>)] = []
        var now = start
        for _ in 0..<5000 {
            now += .milliseconds(Int.random(in: 0...50, using: &random))
            let node = Int.random(in: 0..<4, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                let head = Self.block(UInt64.random(in: 0...20, using: &random))
                fleet.isReady(node, head: head, at: now)
            case 1: fleet.isNotReady(node, "reason")
            case 2, 3, 4:
                let tried = Set([node])
                let eligible = fleet.eligible(at: now)
                let index = fleet.begin(without: tried, at: now, deadline: now + .seconds(1))
                #expect((index == nil) == eligible.allSatisfy { tried.contains($0) })
                guard let index else { continue }
                #expect(eligible.contains(index) && !tried.contains(index))
                running.append((index, tried))
            default:
                guard let position = running.indices.randomElement(using: &random) else { continue }
                let ended = running.remove(at: position)
                let outcomes: [Fleet.Outcome] = [.answered, .failed, .abandoned]
                fleet.end(ended.index, outcomes.randomElement(using: &random) ?? .failed, at: now)
            }
            for index in 0..<4 {
                #expect(
                    fleet.members[index].outstanding == running.filter { $0.index == index }.count)
            }
        }
    }
}
