import Glibc
public import Primitives

/// A key of a table with its hash and its beginning, for those who look many up and put them in order.
public struct HashedKey: Hashable, Sendable {
    /// The key.
    public let bytes: Bytes
    /// The first eight bytes as a number: keys with different ones are in its order.
    public let prefix: UInt64
    private let hash: UInt64

    /// The key of these bytes.
    public init(_ bytes: Bytes) {
        self.bytes = bytes
        hash = ValueHash.process.hash(bytes)
        var prefix: UInt64 = 0
        for place in 0..<8 { prefix = prefix << 8 | UInt64(place < bytes.count ? bytes[place] : 0) }
        self.prefix = prefix
    }

    /// Whether the bytes are the same.
    public static func == (left: HashedKey, right: HashedKey) -> Bool {
        left.hash == right.hash && left.bytes == right.bytes
    }

    /// Hashes the hash.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(hash)
    }
}

/// The hash of keys, with a secret of this process: keys are chosen by attackers.
struct ValueHash {
    let s0, s1, s2: UInt64

    static let process = ValueHash()

    private init() {
        var random = SystemRandomNumberGenerator()
        s0 = random.next() | 1
        s1 = random.next() | 1
        s2 = random.next() | 1
    }

    func hash(_ family: Family, _ key: Bytes) -> UInt64 {
        hash(key, salt: family.rawValue)
    }

    /// - Parameter salt: less than 256; another one gives another hash.
    func hash(_ key: Bytes, salt: Int = 0) -> UInt64 {
        key.withUnsafeBytes { key in
            var hash = s2 ^ UInt64(truncatingIfNeeded: key.count << 8 | salt)
            var offset = 0
            while offset + 16 <= key.count {
                hash = Self.mix(
                    key.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ s0,
                    key.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self) ^ hash)
                offset += 16
            }
            var rest: (UInt64, UInt64) = (0, 0)
            withUnsafeMutableBytes(of: &rest) { rest in
                rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: key[offset...]))
            }
            return Self.mix(Self.mix(rest.0 ^ s0, rest.1 ^ hash), s1)
        }
    }

    private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
