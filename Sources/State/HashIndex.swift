/// The tables under the journal: open addressing over arenas.
///
/// A `Dictionary` costs 25 to 600 ns a look-up here, mostly in its hash function and in copying
/// values. A `HashIndex` holds only `tag << 32 | index + 1` in one word an entry; the records lie in an
/// `Arena` and are compared only if the tag agrees. The hash is seeded at random for each process,
/// because the keys are chosen by attackers.

import Primitives

/// A growing block of trivial records that are never moved out or destroyed one by one.
///
/// SAFETY: `base` has room for `capacity` records, the first `count` are initialised. The owner calls
/// `deallocate` once. Pointers into it are invalid after `append`.
struct Arena<Record: BitwiseCopyable> {
    private(set) var base: UnsafeMutablePointer<Record>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    @inline(always)
    subscript(index: Int) -> UnsafeMutablePointer<Record> { base + index }

    @inline(always)
    mutating func append(_ record: Record) {
        if count == capacity { grow() }
        (base + count).initialize(to: record)
        count &+= 1
    }

    @inline(always)
    mutating func truncate(to length: Int) {
        count = length
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<Record>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: base, count: count)
        base.deallocate()
        base = larger
        capacity *= 2
    }

    func deallocate() { base.deallocate() }
}

/// Hash table from a key that lies in an arena to its index there. Linear probing, at most 3/4 full.
///
/// SAFETY: `entries` has `mask + 1` initialised words, and at least one of them is zero, so a probe ends.
struct HashIndex {
    private var entries: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private var count = 0

    /// - Parameter capacity: a power of two.
    init(capacity: Int) {
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: 0, count: capacity)
        mask = capacity - 1
    }

    /// The index whose key `matches`, or -1.
    @inline(always)
    func find(_ hash: UInt64, _ matches: (Int) -> Bool) -> Int {
        let tag = hash >> 32
        var position = Int(truncatingIfNeeded: tag) & mask
        while true {
            let entry = entries[position]
            if entry == 0 { return -1 }
            if entry >> 32 == tag {
                let index = Int(truncatingIfNeeded: entry & 0xffff_ffff) &- 1
                if matches(index) { return index }
            }
            position = (position &+ 1) & mask
        }
    }

    /// Adds an index that is not there yet.
    mutating func insert(_ hash: UInt64, index: Int) {
        if (count + 1) * 4 > (mask + 1) * 3 { grow() }
        place((hash & 0xffff_ffff_0000_0000) | UInt64(truncatingIfNeeded: index &+ 1))
        count += 1
    }

    /// Forgets everything. O(capacity), which is O(what was inserted since the last time).
    mutating func removeAll() {
        guard count > 0 else { return }
        if mask >= 1024, count * 16 < mask {
            entries.deallocate()
            self = HashIndex(capacity: 64)
        } else {
            entries.update(repeating: 0, count: mask + 1)
            count = 0
        }
    }

    @inline(always)
    private func place(_ entry: UInt64) {
        var position = Int(truncatingIfNeeded: entry >> 32) & mask
        while entries[position] != 0 { position = (position &+ 1) & mask }
        entries[position] = entry
    }

    private mutating func grow() {
        let old = entries
        let oldCapacity = mask + 1
        entries = .allocate(capacity: oldCapacity * 2)
        entries.initialize(repeating: 0, count: oldCapacity * 2)
        mask = oldCapacity * 2 - 1
        for position in 0..<oldCapacity where old[position] != 0 { place(old[position]) }
        old.deallocate()
    }

    func deallocate() { entries.deallocate() }
}

/// The secret of this process's hashes.
struct HashSeed {
    let s0, s1, s2, s3: UInt64

    static let process = HashSeed()

    private init() {
        var random = SystemRandomNumberGenerator()
        s0 = random.next() | 1
        s1 = random.next() | 1
        s2 = random.next() | 1
        s3 = random.next() | 1
    }

    @inline(always)
    func hash(_ address: Address) -> UInt64 {
        mix(mix(address.w0 ^ s0, address.w1 ^ s1) ^ UInt64(address.w2) ^ s2, s3)
    }

    @inline(always)
    func hash(account: Int, slot: UInt256) -> UInt64 {
        mix(
            mix(slot.l0 ^ s0 ^ UInt64(truncatingIfNeeded: account), slot.l1 ^ s1)
                ^ mix(slot.l2 ^ s2, slot.l3 ^ s3), s1)
    }

    @inline(always)
    private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
