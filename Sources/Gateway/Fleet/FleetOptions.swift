import PluginAPI

/// What a gateway before several nodes can be told beside what every gateway can.
public struct FleetOptions: Sendable {
    /// The gateways of the nodes: scheme, host and port.
    public var upstreams: [String]
    /// Blocks that a node may be behind the first of them.
    public var lag: UInt64 = 2
    /// Requests that one node is given at once.
    public var outstanding = 1024
    /// A file with a token that opens the nodes' event streams; nil: none is sent, or one made with
    /// a key of the gateway's own.
    public var tokenFile: String?
    /// What one request may take.
    package var limits = FleetClient.Limits()

    /// A gateway before these nodes.
    ///
    /// - Throws: `PluginError` for what is no address of a gateway.
    public init(upstreams: [String]) throws(PluginError) {
        guard !upstreams.isEmpty else {
            throw PluginError("a gateway before nodes needs at least one: --upstream URL")
        }
        guard upstreams.count <= Self.most else {
            throw PluginError("more than \(Self.most) upstreams")
        }
        var origins: [String] = []
        for url in upstreams {
            let origin = try Self.origin(url)
            guard !origins.contains(origin) else {
                throw PluginError("the upstream \(origin) is given twice")
            }
            origins.append(origin)
        }
        self.upstreams = origins
    }

    /// Each has its own figures.
    static let most = 64

    /// Reads the section `gateway` of the settings over what is there.
    ///
    /// - Throws: `PluginError` for a value that does not parse.
    public mutating func read(_ section: inout PluginConfiguration) throws(PluginError) {
        lag = try section.integer("max-lag", in: 0...1_000_000) ?? lag
        if let value = try section.integer("max-outstanding", in: 1...1_000_000) {
            outstanding = Int(value)
        }
        if let path = section.text("upstream-token") { tokenFile = path }
    }

    /// The scheme, host and port of a URL that has nothing else.
    private static func origin(_ url: String) throws(PluginError) -> String {
        let text = url.hasSuffix("/") ? String(url.dropLast()) : url
        for scheme in ["http://", "https://"] where text.lowercased().hasPrefix(scheme) {
            let authority = text.dropFirst(scheme.count)
            let isPlain = authority.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "/")
                    && byte != UInt8(ascii: "?") && byte != UInt8(ascii: "#")
                    && byte != UInt8(ascii: "@")
            }
            guard !authority.isEmpty, isPlain, isAuthority(authority) else { break }
            return scheme + authority.lowercased()
        }
        throw PluginError(
            "an upstream is http://HOST[:PORT] or https://HOST[:PORT], without path or password")
    }

    private static func isAuthority(_ text: Substring) -> Bool {
        var rest = text
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return false }
            rest = text[text.index(after: end)...]
            return rest.isEmpty || rest.hasPrefix(":") && isPort(rest.dropFirst())
        }
        guard let colon = rest.firstIndex(of: ":") else { return true }
        return colon > rest.startIndex && isPort(rest[rest.index(after: colon)...])
    }

    private static func isPort(_ text: Substring) -> Bool {
        UInt16(decimalDigits: text).map { $0 > 0 } ?? false
    }
}
