// The position of a node in a trie, or a part of a key: a sequence of at most 64 nibbles, kept in a
// word and a count so that it needs no heap and its operations are shifts and masks.

public import Primitives

/// A sequence of up to 64 nibbles.
public struct NibblePath: Hashable, Sendable {
    /// The nibbles from the highest four bits on; unused bits are zero.
    private let bits: UInt256
    /// How many nibbles there are.
    public let count: Int

    /// The most nibbles a path can have: those of a 32-byte key.
    public static let maximumCount = 64

    private init(bits: UInt256, count: Int) {
        self.bits = bits
        self.count = count
    }

    /// No nibbles: the position of the root.
    public init() {
        self.init(bits: .zero, count: 0)
    }

    /// The 64 nibbles of a hash.
    public init(_ hash: Hash256) {
        self.init(bits: hash.uint256, count: 64)
    }

    /// The nibbles of at most 32 bytes.
    public init(_ bytes: Bytes) {
        guard let number = UInt256(bigEndian: bytes) else {
            preconditionFailure("A key of a trie has at most 32 bytes.")
        }
        self.init(bits: number << (256 - bytes.count * 8), count: bytes.count * 2)
    }

    /// One nibble.
    package init(nibble: UInt8) {
        self.init(bits: UInt256(UInt64(nibble & 15)) << 252, count: 1)
    }

    /// Whether there are no nibbles.
    public var isEmpty: Bool { count == 0 }

    /// The nibble at an index.
    public subscript(index: Int) -> UInt8 {
        precondition(index < count, "A nibble's index is below the count.")
        return Hash256(bits).nibble(at: index)
    }

    /// The nibbles before an index.
    package func prefix(_ index: Int) -> NibblePath {
        NibblePath(bits: bits & ~(UInt256.max >> (index * 4)), count: index)
    }

    /// The nibbles from an index on.
    package func dropFirst(_ index: Int) -> NibblePath {
        NibblePath(bits: bits << (index * 4), count: count - index)
    }

    /// These nibbles and then those of another path; both together are at most 64.
    package func appending(_ other: NibblePath) -> NibblePath {
        let total = count + other.count
        precondition(total <= Self.maximumCount, "A path has at most 64 nibbles.")
        return NibblePath(bits: bits | other.bits >> (count * 4), count: total)
    }

    /// These nibbles and one more.
    package func appending(_ nibble: UInt8) -> NibblePath {
        appending(NibblePath(nibble: nibble))
    }

    /// How many nibbles the two paths begin with alike.
    package func commonPrefixCount(with other: NibblePath) -> Int {
        min((bits ^ other.bits).leadingZeroBitCount / 4, min(count, other.count))
    }

    /// Whether the path begins with another one.
    package func starts(with other: NibblePath) -> Bool {
        commonPrefixCount(with: other) == other.count
    }

    /// Paths are positions of hashed keys, so that two words tell nearly all of them apart; this
    /// keeps the tables of nodes fast.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(bits.l3)
        hasher.combine(bits.l2 ^ bits.l1 ^ bits.l0 ^ UInt64(count))
    }
}

extension NibblePath: Comparable {
    /// The order of a walk through the trie: by nibble, a path before those that continue it.
    public static func < (left: NibblePath, right: NibblePath) -> Bool {
        left.bits == right.bits ? left.count < right.count : left.bits < right.bits
    }
}

extension NibblePath: CustomStringConvertible {
    /// One hexadecimal digit a nibble.
    public var description: String {
        String(decoding: (0..<count).map { Hex.digit(self[$0]) }, as: UTF8.self)
    }
}

// MARK: - Encodings

extension NibblePath {
    /// The path as a key on disk: the nibbles two a byte, the last byte filled with zero, then a
    /// byte with their count. No two paths have the same key, and the nodes below a position lie
    /// close to each other.
    public var storageKey: Bytes {
        storageKey(after: [])
    }

    /// The nibbles two a byte, the last byte filled with zero: where keys that begin with them begin.
    package var packed: Bytes { Bytes(bits.bigEndianBytes.prefix((count + 1) / 2)) }

    /// The path as a key on disk, behind what all keys of the trie begin with.
    public func storageKey(after prefix: Bytes) -> Bytes {
        var key = Bytes()
        key.reserveCapacity(prefix.count + 33)
        key.append(contentsOf: prefix)
        key.append(addingCapacity: 32) { span in
            span.append(repeating: 0, count: 32)
            var item = span.mutableSpan
            bits.store(in: &item)
            span.removeLast(32 - (count + 1) / 2)
        }
        key.append(UInt8(count))
        return key
    }

    /// The path of a key on disk, or nil if it is not one.
    public init?(storageKey: some Collection<UInt8>) {
        let bytes = Bytes(storageKey)
        guard let last = bytes.last, last <= 64, bytes.count == (Int(last) + 1) / 2 + 1 else {
            return nil
        }
        let path = NibblePath(Bytes(bytes.dropLast()))
        guard path.count == last || path[path.count - 1] == 0 else { return nil }
        self = path.prefix(Int(last))
    }

    /// What a compact encoding ends in.
    package enum Ending {
        case leaf, `extension`
    }

    /// The path in the hex-prefix encoding (Yellow Paper, appendix C): a nibble of flags, a zero
    /// nibble if the count is even, the nibbles.
    package func hexPrefix(_ ending: Ending) -> Bytes {
        let flags: UInt8 = ending == .leaf ? 0x20 : 0
        guard count % 2 == 1 else {
            return [flags] + bits.bigEndianBytes.prefix(count / 2)
        }
        var bytes = Bytes((bits >> 4).bigEndianBytes.prefix(count / 2 + 1))
        bytes[0] |= flags | 0x10
        return bytes
    }

    /// The path and the ending of a hex-prefix encoding, or nil if it is not one.
    package static func decode(hexPrefix bytes: ArraySlice<UInt8>) -> (
        path: NibblePath, ending: Ending
    )? {
        guard let first = bytes.first, first < 0x40, bytes.count <= 33 else { return nil }
        let ending: Ending = first & 0x20 != 0 ? .leaf : .extension
        let isOdd = first & 0x10 != 0
        let packed = isOdd ? bytes : bytes.dropFirst()
        guard isOdd || first & 0x0f == 0, let number = UInt256(bigEndian: packed) else {
            return nil
        }
        // The shift drops the flags that an odd path shares a byte with.
        let count = packed.count * 2 - (isOdd ? 1 : 0)
        return (NibblePath(bits: number << (256 - count * 4), count: count), ending)
    }
}
