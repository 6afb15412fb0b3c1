public import PluginAPI
public import RPC

/// What a gateway can be told.
public struct GatewayOptions: Sendable {
    /// The address to bind.
    public var host: String
    /// The port to bind; 0 takes a free one.
    public var port: Int
    /// With what the port speaks TLS; nil: it does not.
    public var certificate: TLSCertificate?
    /// Host names, beside localhost and literal addresses, by which the gateway is reached.
    public var virtualHosts: [String] = []
    /// Origins of web pages that may call.
    public var allowedOrigins: [String] = []

    /// Files and folders with the keys of tokens.
    public var keys: [String] = []
    /// Whom tokens must be for.
    public var audience = "apus"
    /// Seconds by which clocks may differ.
    public var clockSkew: UInt64 = 30
    /// Seconds for which a token may be valid.
    public var longestLife: UInt64 = 30 * 86_400
    /// What roles of tokens are given, where it is not the standard.
    public var roles: [String: RolePolicy.Grant] = [:]
    /// The roles of routes that anybody may call without a token.
    public var anonymous: Set<RESTRole> = [.probe]
    /// Those that callers on this machine may.
    public var anonymousLocal: Set<RESTRole> = []
    /// Where calls with tokens and refused calls are written down.
    public var audit = AuditLog.Destination.log
    /// Addresses and networks of proxies that may say for whom they call.
    public var trustedProxies: [String] = []

    /// Units of cost a second for each service; 0 for no limit.
    public var serviceRate: UInt64 = 2_000
    /// Units of cost a second for each address that calls without a token; 0 for no limit.
    public var addressRate: UInt64 = 500
    /// Memory for copies of answers, in bytes.
    public var cacheBytes = 32 << 20
    /// Where copies are that several gateways share; nil: nowhere.
    public var shared: SharedCacheOptions?
    /// The limits of the server.
    public var limits = GatewayLimits()

    /// A gateway at an address, with the defaults of a node.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads the section `gateway` of the settings over what is there.
    ///
    /// - Throws: `PluginError` for a value that does not parse.
    public mutating func read(_ section: inout PluginConfiguration) throws(PluginError) {
        if let list = section.list("keys") { keys = list }
        if let text = section.text("audience") { audience = text }
        clockSkew = try section.integer("clock-skew", in: 0...600) ?? clockSkew
        longestLife =
            try section.integer("max-token-lifetime", in: 1...10 * 366 * 86_400) ?? longestLife
        if let list = section.list("anonymous") {
            anonymous = try Self.roles(list, "anonymous")
        }
        if let list = section.list("anonymous-local") {
            anonymousLocal = try Self.roles(list, "anonymous-local")
        }
        if let text = section.text("audit") {
            audit =
                switch text {
                case "off": .off
                case "log": .log
                default: .file(text)
                }
        }
        if let list = section.list("trusted-proxies") {
            for text in list where Network(text) == nil {
                throw PluginError(
                    "gateway.trusted-proxies: '\(text)' is neither an address nor a network")
            }
            trustedProxies = list
        }
        serviceRate = try section.integer("rate-service", in: 0...1_000_000_000) ?? serviceRate
        addressRate = try section.integer("rate-address", in: 0...1_000_000_000) ?? addressRate
        if let value = try section.integer("cache", in: 0...65_536) {
            cacheBytes = Int(value) << 20
        }
        shared = try SharedCacheOptions(&section) ?? shared
        try limits.read(&section)
        for name in section.names(beginningWith: "role-") {
            let role = String(name.dropFirst("role-".count))
            guard TokenText.isName(role), let list = section.list(name) else { continue }
            var grant = RolePolicy.Grant(routes: [])
            for entry in list {
                if entry.hasPrefix("rpc:") {
                    grant.methods.insert(String(entry.dropFirst("rpc:".count)))
                } else {
                    grant.routes.formUnion(try Self.roles([entry], name))
                }
            }
            roles[role] = grant
        }
    }

    private static func roles(
        _ names: [String], _ setting: String
    ) throws(PluginError) -> Set<RESTRole> {
        var roles: Set<RESTRole> = []
        for name in names {
            guard TokenText.isName(name) else {
                throw PluginError("gateway.\(setting): '\(name)' is not the name of a role")
            }
            roles.insert(RESTRole(name))
        }
        return roles
    }
}

/// Every limit of the gateway's server, with its reason.
public struct GatewayLimits: Sendable, Hashable {
    /// Bytes of a body. A transaction with six blobs and their proofs is 1.7 MB of digits.
    public var bodyBytes = 2 << 20
    /// Seconds for a request to come in, and again for its answer to be found.
    public var requestSeconds: UInt64 = 30
    /// Open connections. Each costs a descriptor and some kilobytes.
    public var connections = 4_096
    /// Requests that are worked on at the same time; further ones are told that it is busy.
    public var requests = 2_048
    /// Streams of events. Each is a connection for hours.
    public var streams = 256
    /// Streams of one service, or of one address that calls without a token, so that nobody takes
    /// all of them. A gateway before this one needs one, and one for each of its callers.
    public var streamsPerCaller = 32
    /// Seconds until a silent connection is closed.
    public var idleSeconds: UInt64 = 120
    /// Bytes of all headers together, and of one.
    public var headerBytes = 16 << 10
    /// Headers of a request.
    public var headers = 64
    /// Seconds that open requests get when the gateway stops.
    public var shutdownSeconds: UInt64 = 5
    /// Seconds between the looks at the files of keys.
    public var keySeconds: UInt64 = 5

    /// The defaults.
    public init() {}

    mutating func read(_ section: inout PluginConfiguration) throws(PluginError) {
        if let value = try section.integer("body-limit", in: 1_024...1 << 30) {
            bodyBytes = Int(value)
        }
        requestSeconds = try section.integer("timeout", in: 1...3_600) ?? requestSeconds
        if let value = try section.integer("max-connections", in: 1...1_000_000) {
            connections = Int(value)
        }
        if let value = try section.integer("max-requests", in: 1...1_000_000) {
            requests = Int(value)
        }
        if let value = try section.integer("max-streams", in: 0...100_000) {
            streams = Int(value)
        }
        if let value = try section.integer("max-streams-per-caller", in: 0...100_000) {
            streamsPerCaller = Int(value)
        }
    }
}
