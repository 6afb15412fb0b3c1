import NIOCore

/// An address of the internet protocol, of version 4 or 6, as sixteen bytes: one of version 4 is
/// written as RFC 4291 maps it.
public struct NetworkAddress: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    private static let mapped: UInt64 = 0xffff

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    private init(version4 value: UInt32) {
        high = 0
        low = Self.mapped << 32 | UInt64(value)
    }

    /// Whether the address is one of version 4.
    package var isVersion4: Bool { high == 0 && low >> 32 == Self.mapped }

    /// Whether only this machine has it.
    package var isLoopback: Bool {
        isVersion4 ? low >> 24 & 0xff == 127 : high == 0 && low == 1
    }

    /// What one customer of a provider has: an address of version 4, a network of 64 bits of
    /// version 6.
    package var customer: NetworkAddress { isVersion4 ? self : NetworkAddress(high: high, low: 0) }

    /// The address of a socket; `nil` if it has none.
    init?(_ address: SocketAddress) {
        switch address {
        case .v4(let address):
            self.init(version4: UInt32(bigEndian: address.address.sin_addr.s_addr))
        case .v6, .unixDomainSocket:
            guard let text = address.ipAddress else { return nil }
            self.init(text)
        }
    }

    /// Reads an address, strictly: dotted decimal, or groups of hexadecimal digits.
    public init?(_ text: some StringProtocol) {
        // A zone says by which link an address is reached, not what it is.
        let text = text.prefix { $0 != "%" }
        guard text.utf8.count <= 45 else { return nil }
        if !text.contains(":") {
            guard let value = Self.version4(text[...]) else { return nil }
            self.init(version4: value)
            return
        }
        var groups: [UInt64] = []
        var gap: Int?
        var rest = text[...]
        if rest.hasPrefix("::") {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let group = rest.prefix { $0 != ":" }
            if group.contains(".") {
                guard rest.count == group.count, let value = Self.version4(group[...]) else {
                    return nil
                }
                groups += [UInt64(value >> 16), UInt64(value & 0xffff)]
                rest = rest.dropFirst(group.count)
                break
            }
            guard (1...4).contains(group.utf8.count),
                group.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let value = UInt64(group, radix: 16)
            else { return nil }
            groups.append(value)
            rest = rest.dropFirst(group.count)
            if rest.isEmpty { break }
            rest = rest.dropFirst()
            if rest.first == ":" {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        self.init(
            high: groups[..<4].reduce(0) { $0 << 16 | $1 },
            low: groups[4...].reduce(0) { $0 << 16 | $1 })
    }

    private static func version4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.utf8.count <= 3, part == "0" || part.utf8.first != UInt8(ascii: "0"),
                let byte = UInt8(decimalDigits: part)
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        return value
    }
}

/// Addresses with the same beginning.
package struct Network: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64
    private let highMask: UInt64
    private let lowMask: UInt64

    /// Reads an address, or an address and the length of the beginning: `10.0.0.0/8`.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = NetworkAddress(parts[0]) else { return nil }
        var length = 128
        if parts.count == 2 {
            let longest = address.isVersion4 ? 32 : 128
            guard let given = UInt64(decimalDigits: parts[1]), given <= UInt64(longest) else {
                return nil
            }
            length = Int(given) + 128 - longest
        }
        highMask = length >= 64 ? .max : length == 0 ? 0 : UInt64.max << UInt64(64 - length)
        lowMask = length == 128 ? .max : length <= 64 ? 0 : UInt64.max << UInt64(128 - length)
        high = address.high & highMask
        low = address.low & lowMask
    }

    /// Whether an address is in it.
    package func contains(_ address: NetworkAddress) -> Bool {
        address.high & highMask == high && address.low & lowMask == low
    }
}

/// Who a request comes from, through proxies that are trusted to say so.
package struct ClientAddress: Sendable {
    let proxies: [Network]

    /// Proxies that are trusted.
    package init(proxies: [Network]) {
        self.proxies = proxies
    }

    /// Whether a peer may speak for others.
    func isTrusted(_ peer: NetworkAddress?) -> Bool {
        guard let peer else { return false }
        return proxies.contains { $0.contains(peer) }
    }

    /// The client: the peer, or, if it is a trusted proxy, the last address before the trusted ones
    /// that they name in `X-Forwarded-For`.
    package func client(peer: NetworkAddress?, forwardedFor headers: [String]) -> NetworkAddress? {
        guard isTrusted(peer) else { return peer }
        var client = peer
        for entry in headers.joined(separator: ",").split(separator: ",").reversed() {
            let text = String(entry).filter { $0 != " " && $0 != "\t" }
            // What cannot be read was not written by one that is trusted.
            guard let address = NetworkAddress(text) else { return client }
            client = address
            guard isTrusted(address) else { return client }
        }
        return client
    }
}

extension NetworkAddress: CustomStringConvertible {
    /// As it is usually written, but without leaving zeros out.
    public var description: String {
        if isVersion4 {
            let value = UInt32(truncatingIfNeeded: low)
            return [24, 16, 8, 0].map { String(value >> UInt32($0) & 0xff) }.joined(separator: ".")
        }
        return [high, low].flatMap { half in
            [48, 32, 16, 0].map { String(half >> UInt64($0) & 0xffff, radix: 16) }
        }.joined(separator: ":")
    }
}
