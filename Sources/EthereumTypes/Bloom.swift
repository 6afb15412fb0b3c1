import Cryptography
public import Primitives

/// A set of addresses and topics in 2,048 bits, which may say yes wrongly but never no:
/// `logsBloom`, Yellow Paper 4.4.3.
public struct Bloom: Hashable, Sendable {
    /// Always 256 bytes; bit 0 is the lowest bit of the last one.
    public private(set) var bytes: Bytes

    /// The size of the filter.
    public static let byteCount = 256

    /// The set of nothing.
    public static let empty = Bloom()

    /// An empty set.
    public init() { bytes = Bytes(repeating: 0, count: Self.byteCount) }

    /// - Returns: `nil` unless there are 256 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = Bytes(bytes)
    }

    /// The addresses and topics of logs.
    public init(_ logs: [Log]) {
        guard !logs.isEmpty else {
            self = .empty
            return
        }
        self.init()
        for log in logs {
            add(log.address)
            for topic in log.topics { add(topic) }
        }
    }

    /// Whether nothing was added.
    public var isEmpty: Bool { self == .empty }

    /// Adds the address of a log.
    public mutating func add(_ address: Address) { add(bitsOf: keccak256(address)) }
    /// Adds a topic of a log.
    public mutating func add(_ topic: Hash256) { add(bitsOf: keccak256(topic)) }

    /// Whether the set may hold the address.
    public func contains(_ address: Address) -> Bool { contains(bitsOf: keccak256(address)) }
    /// Whether the set may hold the topic.
    public func contains(_ topic: Hash256) -> Bool { contains(bitsOf: keccak256(topic)) }

    /// Adds all that another set holds.
    public mutating func formUnion(_ other: Bloom) {
        for index in bytes.indices { bytes[index] |= other.bytes[index] }
    }

    /// What either set holds.
    public func union(_ other: Bloom) -> Bloom {
        var result = self
        result.formUnion(other)
        return result
    }

    private mutating func add(bitsOf hash: Hash256) {
        for index in 0..<3 {
            let bit = Self.bit(index, of: hash)
            bytes[Self.byteCount - 1 - bit >> 3] |= 1 << UInt8(bit & 7)
        }
    }

    private func contains(bitsOf hash: Hash256) -> Bool {
        (0..<3).allSatisfy { index in
            let bit = Self.bit(index, of: hash)
            return bytes[Self.byteCount - 1 - bit >> 3] & 1 << UInt8(bit & 7) != 0
        }
    }

    /// The lowest eleven bits of the hash's pair of bytes at an index below three.
    private static func bit(_ index: Int, of hash: Hash256) -> Int {
        Int(hash.w0 >> UInt64(48 - 16 * index) & 2047)
    }
}

extension RLPDecoder {
    mutating func bloom() throws(RLPError) -> Bloom {
        let bytes = try bytes()
        guard let bloom = Bloom(bytes) else {
            throw .wrongLength(expected: Bloom.byteCount, actual: bytes.count)
        }
        return bloom
    }
}
