import Glibc
import Primitives

/// Keys and values in one block of memory of fixed size, the oldest overwritten by the newest.
///
/// ```
///          tail ▼                              ▼ head
///     ┌─────────┬────────┬────────────┬────────┬──────────┐
///     │         │ record │   record   │ record │          │      index: hash ─▶ record
///     └─────────┴────────┴────────────┴────────┴──────────┘
/// ```
/// A value that changes stays in its record as long as it fits. A record that is found in the older
/// quarter goes to the head again, so that what is used stays. Nothing is allocated after the
/// beginning but the index, which doubles as records come and is a small part of the block.
///
/// Positions count the bytes written so far; the place in the block is the position modulo its
/// size. Records do not cross the end: a filler takes what is left there.
struct ValueRing: ~Copyable {
    // SAFETY: `block` has `capacity` bytes and is freed in `deinit`. Between `tail` and `head` it
    // holds whole records, each with an initialised header; `index` only names such records.
    private let block: UnsafeMutableRawPointer
    private let capacity: Int
    private var head = 0
    private var tail = 0
    private var index = RecordIndex()

    /// Before the key and the value of a record.
    private struct Header {
        var hash: UInt64
        /// The moment since which the value holds.
        var since: UInt64
        /// Bytes of the record: header, key, value and what may be added to it.
        var size: UInt32
        /// Bytes of the value; `absent` if there is none.
        var valueCount: UInt32
        var keyCount: UInt16
        var family: UInt8
        /// Whether the index names it. Fillers and records that were replaced are not.
        var isIndexed: Bool
    }

    /// Sizes and positions are multiples of this, which is the size of a header.
    private static let unit = 32
    private static let absent = UInt32.max

    init(byteCount: Int) {
        // A sixteenth is for the index.
        capacity = max(byteCount / 16 * 15, 4096) / Self.unit * Self.unit
        block = .allocate(byteCount: capacity, alignment: Self.unit)
    }

    deinit {
        block.deallocate()
        index.deallocate()
    }

    /// Bytes between the oldest and the newest record.
    var usedBytes: Int { head - tail }

    /// The value at a moment: `nil` if it is not known, an inner `nil` if there was none.
    mutating func value(
        _ family: Family, _ key: Bytes, _ hash: UInt64, at moment: UInt64
    ) -> Bytes?? {
        guard let place = find(family, key, hash) else { return nil }
        let header = header(place).pointee
        guard header.since <= moment else { return nil }
        let value: Bytes?
        if header.valueCount == Self.absent {
            value = nil
        } else {
            value = Bytes(
                UnsafeRawBufferPointer(
                    start: block + place + Self.unit + Int(header.keyCount),
                    count: Int(header.valueCount)))
        }
        if age(of: place) > capacity / 4 * 3 {
            set(family, key, hash, to: value, since: header.since, mayReuse: false)
        }
        return .some(value)
    }

    /// Keeps a value, or that there is none.
    mutating func set(
        _ family: Family, _ key: Bytes, _ hash: UInt64, to value: Bytes?, since moment: UInt64
    ) {
        set(family, key, hash, to: value, since: moment, mayReuse: true)
    }

    /// Forgets everything.
    mutating func removeAll() {
        index.deallocate()
        index = RecordIndex()
        tail = head
    }

    // MARK: - Records

    private mutating func set(
        _ family: Family, _ key: Bytes, _ hash: UInt64, to value: Bytes?, since moment: UInt64,
        mayReuse: Bool
    ) {
        let wanted = Self.unit + key.count + (value?.count ?? 0)
        if let place = find(family, key, hash) {
            if mayReuse, wanted <= Int(header(place).pointee.size) {
                header(place).pointee.since = moment
                return write(value, at: place)
            }
            index.remove(hash, slot: place / Self.unit)
            header(place).pointee.isIndexed = false
        }
        let size = (wanted + Self.unit - 1) / Self.unit * Self.unit
        guard size <= capacity / 4, key.count <= UInt16.max else { return }
        let place = makeRoom(size)
        header(place).initialize(
            to: Header(
                hash: hash, since: moment, size: UInt32(truncatingIfNeeded: size),
                valueCount: Self.absent, keyCount: UInt16(truncatingIfNeeded: key.count),
                family: UInt8(truncatingIfNeeded: family.rawValue), isIndexed: true))
        key.withUnsafeBytes { copy($0, to: place + Self.unit) }
        write(value, at: place)
        index.insert(hash, slot: place / Self.unit)
        head += size
    }

    private func write(_ value: Bytes?, at place: Int) {
        guard let value else {
            header(place).pointee.valueCount = Self.absent
            return
        }
        header(place).pointee.valueCount = UInt32(truncatingIfNeeded: value.count)
        let start = place + Self.unit + Int(header(place).pointee.keyCount)
        value.withUnsafeBytes { copy($0, to: start) }
    }

    /// Overwrites the oldest records until so many bytes are free at the head.
    ///
    /// - Returns: the place of the head.
    private mutating func makeRoom(_ size: Int) -> Int {
        let rest = capacity - head % capacity
        if rest < size {
            evict(until: head + rest - capacity)
            header(head % capacity).initialize(
                to: Header(
                    hash: 0, since: 0, size: UInt32(truncatingIfNeeded: rest), valueCount: 0,
                    keyCount: 0, family: 0, isIndexed: false))
            head += rest
        }
        evict(until: head + size - capacity)
        return head % capacity
    }

    private mutating func evict(until position: Int) {
        while tail < position {
            let place = tail % capacity
            let record = header(place).pointee
            if record.isIndexed { index.remove(record.hash, slot: place / Self.unit) }
            tail += Int(record.size)
        }
    }

    private func find(_ family: Family, _ key: Bytes, _ hash: UInt64) -> Int? {
        let slot = index.find(hash) { slot in
            let place = slot * Self.unit
            let header = header(place)
            return header.pointee.hash == hash
                && header.pointee.family == UInt8(truncatingIfNeeded: family.rawValue)
                && Int(header.pointee.keyCount) == key.count
                && key.withUnsafeBytes { key in
                    guard let start = key.baseAddress else { return true }
                    return memcmp(start, block + place + Self.unit, key.count) == 0
                }
        }
        return slot.map { $0 * Self.unit }
    }

    /// How many bytes were written since the record at a place.
    private func age(of place: Int) -> Int {
        let distance = head % capacity - place
        return distance > 0 ? distance : distance + capacity
    }

    private func header(_ place: Int) -> UnsafeMutablePointer<Header> {
        (block + place).assumingMemoryBound(to: Header.self)
    }

    private func copy(_ bytes: UnsafeRawBufferPointer, to place: Int) {
        guard let start = bytes.baseAddress else { return }
        (block + place).copyMemory(from: start, byteCount: bytes.count)
    }
}

/// Hash table from the hash of a key to the slot of its record. Linear probing, at most 3/4 full.
///
/// An entry is `tag << 32 | slot + 1`, the tag being the upper half of the hash, which also says
/// where the search begins.
private struct RecordIndex {
    // SAFETY: `entries` has `mask + 1` initialised words, and at least one of them is zero, so a
    // search ends. The owner calls `deallocate` once.
    private var entries: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private var count = 0

    init() {
        mask = 63
        entries = .allocate(capacity: 64)
        entries.initialize(repeating: 0, count: 64)
    }

    func deallocate() { entries.deallocate() }

    func find(_ hash: UInt64, _ matches: (Int) -> Bool) -> Int? {
        let tag = hash >> 32
        var position = Int(truncatingIfNeeded: tag) & mask
        while entries[position] != 0 {
            if entries[position] >> 32 == tag {
                let slot = Int(truncatingIfNeeded: entries[position] & 0xffff_ffff) - 1
                if matches(slot) { return slot }
            }
            position = (position + 1) & mask
        }
        return nil
    }

    mutating func insert(_ hash: UInt64, slot: Int) {
        if (count + 1) * 4 > (mask + 1) * 3 { grow() }
        place((hash >> 32) << 32 | UInt64(truncatingIfNeeded: slot + 1))
        count += 1
    }

    /// Takes a record out and closes the gap: every entry stays reachable from where its search
    /// begins.
    mutating func remove(_ hash: UInt64, slot: Int) {
        let entry = (hash >> 32) << 32 | UInt64(truncatingIfNeeded: slot + 1)
        var gap = Int(truncatingIfNeeded: hash >> 32) & mask
        while entries[gap] != entry {
            precondition(entries[gap] != 0, "A record that is indexed is in the index.")
            gap = (gap + 1) & mask
        }
        var next = (gap + 1) & mask
        while entries[next] != 0 {
            let begin = Int(truncatingIfNeeded: entries[next] >> 32) & mask
            // The entry may move back if its search begins at the gap or before it.
            if (next - begin) & mask >= (next - gap) & mask {
                entries[gap] = entries[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        entries[gap] = 0
        count -= 1
    }

    private func place(_ entry: UInt64) {
        var position = Int(truncatingIfNeeded: entry >> 32) & mask
        while entries[position] != 0 { position = (position + 1) & mask }
        entries[position] = entry
    }

    private mutating func grow() {
        let old = entries
        let oldCount = mask + 1
        mask = oldCount * 2 - 1
        entries = .allocate(capacity: oldCount * 2)
        entries.initialize(repeating: 0, count: oldCount * 2)
        for position in 0..<oldCount where old[position] != 0 { place(old[position]) }
        old.deallocate()
    }
}
