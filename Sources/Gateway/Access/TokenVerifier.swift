package import Primitives
import RPC
import Synchronization

/// What a token says, once it is known to be true.
public struct TokenClaims: Sendable, Hashable {
    /// The service that calls.
    public var service: String
    /// Its roles.
    public var roles: [String]
    /// The key that the token was signed with.
    public var keyId: String
    /// When it ends, in seconds since 1970.
    public var expires: Double
}

/// Why a token is worth nothing.
public enum TokenRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is none where one is needed.
    case missing
    /// It is not in the form of a token.
    case malformed
    /// Something in its header must be understood and is not.
    case critical
    /// It is of another type.
    case type
    /// It is signed in a way that the key is not for.
    case algorithm
    /// It names a key that is not there.
    case unknownKey
    /// It was not signed with the key.
    case signature
    /// A claim is missing, or is not what it should be.
    case claim(String)
    /// It has ended.
    case expired
    /// It has not begun.
    case notYet
    /// It is for somebody else.
    case audience
    /// It is valid for longer than tokens may be.
    case lifetime

    /// For logs, and for whoever sent the token.
    public var description: String {
        switch self {
        case .missing: "no token was given"
        case .malformed: "the token is malformed"
        case .critical: "the token has a critical header"
        case .type: "the token is of another type"
        case .algorithm: "the token's algorithm is not that of the key"
        case .unknownKey: "the token's key is not known"
        case .signature: "the token's signature is wrong"
        case .claim(let name): "the token's claim '\(name)' is missing or wrong"
        case .expired: "the token has expired"
        case .notYet: "the token is not valid yet"
        case .audience: "the token is for another audience"
        case .lifetime: "the token is valid for too long"
        }
    }
}

/// Tokens whose signature and claims were good, so that a service that calls often is not checked
/// from the ground up each time. What time can change is checked again: that it has not ended.
private final class KnownTokens: Sendable {
    private struct State {
        /// The claims, and the time at which they were good.
        var known: [String: (claims: TokenClaims, time: Double)] = [:]
        var generation: UInt64 = 0
    }

    /// As many services as call at the same time. When there are more, all begin anew.
    private static let limit = 1_024

    private let state = Mutex(State())

    func find(_ token: String, _ generation: UInt64, now: Double) -> TokenClaims? {
        state.withLock { state in
            guard state.generation == generation, let entry = state.known[token] else { return nil }
            // A clock that was set back has not seen this yet.
            return entry.time <= now ? entry.claims : nil
        }
    }

    func keep(_ token: String, _ claims: TokenClaims, _ generation: UInt64, now: Double) {
        state.withLock { state in
            if state.generation != generation || state.known.count >= Self.limit {
                state = State(generation: generation)
            }
            state.known[token] = (claims, now)
        }
    }
}

/// Tells which tokens are good: JSON Web Tokens (RFC 7519) signed with a key of the ring.
///
/// The key says which algorithm it is for; what the token says must be the same. Nothing else in a
/// token is looked at before its signature is right.
public struct TokenVerifier: Sendable {
    /// The keys.
    public let keys: TokenKeyRing
    /// Whom tokens must be for.
    public let audience: String
    /// Seconds by which clocks may differ.
    public let clockSkew: Double
    /// Seconds for which a token may be valid.
    public let longestLife: Double

    private let known = KnownTokens()

    /// The longest token.
    static let longestToken = 4_096
    /// The most roles of a token.
    static let mostRoles = 16

    /// A verifier.
    public init(keys: TokenKeyRing, audience: String, clockSkew: Double, longestLife: Double) {
        self.keys = keys
        self.audience = audience
        self.clockSkew = clockSkew
        self.longestLife = longestLife
    }

    /// A verifier as the settings want it.
    public init(_ keys: TokenKeyRing, _ options: GatewayOptions) {
        self.init(
            keys: keys, audience: options.audience, clockSkew: Double(options.clockSkew),
            longestLife: Double(options.longestLife))
    }

    /// The claims of the one token in the values of `Authorization`.
    ///
    /// - Parameter now: seconds since 1970.
    public func verify(
        authorization headers: [String], now: Double
    ) throws(TokenRefusal) -> TokenClaims {
        guard let header = headers.first else { throw .missing }
        guard headers.count == 1 else { throw .malformed }
        // Bytes, not characters: a token has hundreds.
        let parts = header.utf8.split(
            separator: UInt8(ascii: " "), omittingEmptySubsequences: false
        ).map(Substring.init)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw .malformed }
        return try verify(parts[1], now: now)
    }

    /// The claims of a token.
    public func verify(
        _ token: some StringProtocol, now: Double
    ) throws(TokenRefusal) -> TokenClaims {
        guard token.utf8.count <= Self.longestToken else { throw .malformed }
        // Read before the keys: a token that was good with other keys is not remembered as good.
        let generation = keys.generation
        if let claims = known.find(String(token), generation, now: now),
            claims.expires + clockSkew > now
        {
            return claims
        }
        let claims = try check(token, now: now)
        known.keep(String(token), claims, generation, now: now)
        return claims
    }

    private func check(
        _ token: some StringProtocol, now: Double
    ) throws(TokenRefusal) -> TokenClaims {
        let text = Bytes(token.utf8)
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]),
            let payload = Base64URL.decode(parts[1]), let signature = Base64URL.decode(parts[2]),
            let fields = try? JSONValue(parsing: header), fields.objectValue != nil
        else { throw .malformed }
        guard let algorithm = fields["alg"]?.stringValue.flatMap(TokenAlgorithm.init) else {
            throw .algorithm
        }
        guard fields["crit"] == nil else { throw .critical }
        if let type = fields["typ"] {
            guard type.stringValue?.lowercased() == "jwt" else { throw .type }
        }
        var id: String?
        if let named = fields["kid"] {
            guard let name = named.stringValue else { throw .unknownKey }
            id = name
        }
        guard let key = keys.key(id) else { throw .unknownKey }
        guard key.algorithm == algorithm else { throw .algorithm }
        let signed = Bytes(text.prefix(parts[0].count + 1 + parts[1].count))
        guard key.isValid(signature, of: signed) else { throw .signature }
        guard let claims = try? JSONValue(parsing: payload), claims.objectValue != nil else {
            throw .malformed
        }
        return try check(claims, keyId: key.id, now: now)
    }

    private func check(
        _ claims: JSONValue, keyId: String, now: Double
    ) throws(TokenRefusal) -> TokenClaims {
        guard let expires = try Self.date(claims, "exp") else { throw .claim("exp") }
        guard expires + clockSkew > now else { throw .expired }
        let issued = try Self.date(claims, "iat")
        for begin in [issued, try Self.date(claims, "nbf")].compactMap(\.self) {
            guard begin <= now + clockSkew else { throw .notYet }
        }
        // Without a time of issue what is left of it counts.
        guard expires - (issued ?? now) <= longestLife + clockSkew else { throw .lifetime }
        switch claims["aud"] {
        case .string(let name): guard name == audience else { throw .audience }
        case .array(let names):
            guard names.contains(.string(audience)) else { throw .audience }
        case nil, .null, .bool, .number, .object: throw .claim("aud")
        }
        guard let service = claims["service"]?.stringValue, TokenText.isName(service) else {
            throw .claim("service")
        }
        var roles: [String] = []
        switch claims["role"] {
        case .string(let name): roles = [name]
        case .array(let names):
            roles = names.compactMap(\.stringValue)
            guard roles.count == names.count else { throw .claim("role") }
        case nil, .null, .bool, .number, .object: throw .claim("role")
        }
        guard (1...Self.mostRoles).contains(roles.count), roles.allSatisfy(TokenText.isName) else {
            throw .claim("role")
        }
        return TokenClaims(service: service, roles: roles, keyId: keyId, expires: expires)
    }

    /// A claim that is a time: seconds since 1970, from then to the year 9999.
    private static func date(_ claims: JSONValue, _ name: String) throws(TokenRefusal) -> Double? {
        guard let value = claims[name] else { return nil }
        guard let seconds = value.doubleValue, (0...253_402_300_800).contains(seconds) else {
            throw .claim(name)
        }
        return seconds
    }
}

extension TokenSigningKey {
    /// A signed token.
    public func token(
        service: String, roles: [String], audience: String, issued: UInt64, expires: UInt64
    ) throws(GatewayError) -> String {
        guard TokenText.isName(service), !roles.isEmpty, roles.allSatisfy(TokenText.isName) else {
            throw GatewayError(
                "a service and a role have letters, digits, '.', '_' and '-', up to 64")
        }
        let header: JSONValue = [
            "alg": .string(algorithm.rawValue), "kid": .string(id), "typ": "JWT",
        ]
        let claims: JSONValue = [
            "service": .string(service),
            "role": roles.count == 1 ? .string(roles[0]) : .array(roles.map { .string($0) }),
            "aud": .string(audience), "iat": .number(String(issued)),
            "exp": .number(String(expires)),
        ]
        return try token(header: header, claims: claims)
    }

    /// A signed token with these fields, whatever they say.
    package func token(header: JSONValue, claims: JSONValue) throws(GatewayError) -> String {
        let signed =
            Base64URL.encode(header.encoded()) + "." + Base64URL.encode(claims.encoded())
        return signed + "." + Base64URL.encode(try sign(Bytes(signed.utf8)))
    }
}
