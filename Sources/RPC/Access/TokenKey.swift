import Cryptography
public import Primitives

/// A secret that signs JSON Web Tokens with HMAC-SHA-256 (RFC 7519, `HS256` of RFC 7518), and tells
/// whether a token was signed with it.
///
/// `HS256` is the only algorithm that is taken: `none`, and everything that a token's author could
/// choose instead, is refused before anything else in the token is looked at.
public struct TokenKey: Sendable {
    /// The shortest secret, in bytes: as long as the hash (RFC 7518, section 3.2).
    public static let minimumByteCount = 32

    private let secret: Bytes

    /// A key of these bytes; `nil` if they are fewer than ``minimumByteCount``.
    public init?(_ secret: Bytes) {
        guard secret.count >= Self.minimumByteCount else { return nil }
        self.secret = secret
    }

    /// The key in a file that nodes and consensus clients share: 64 hexadecimal digits, with or
    /// without `0x`, white space around them left out; `nil` for anything else.
    public init?(hex text: String) {
        let space: Set<Character> = [" ", "\t", "\n", "\r", "\r\n"]
        let body = text.drop { space.contains($0) }
        guard let end = body.lastIndex(where: { !space.contains($0) }) else { return nil }
        let digits = body[...end]
        let prefixed = digits.hasPrefix("0x") ? String(digits) : "0x" + digits
        guard let bytes = Hex.decode(prefixed), bytes.count == Self.minimumByteCount else {
            return nil
        }
        self.init(bytes)
    }

    /// A new key of 32 random bytes.
    public static func random() -> TokenKey {
        var generator = SystemRandomNumberGenerator()
        return TokenKey(
            secret: (0..<minimumByteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
        )
    }

    private init(secret: Bytes) { self.secret = secret }

    /// The secret as ``init(hex:)`` reads it, without `0x`.
    public var hex: String { String(Hex.encode(secret).dropFirst(2)) }

    /// A signed token with these claims.
    public func token(_ claims: JSONValue) -> String {
        let header = Base64URL.encode(Bytes(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
        let signed = header + "." + Base64URL.encode(claims.encoded())
        return signed + "." + Base64URL.encode(signature(of: Bytes(signed.utf8)))
    }

    /// The claims of a token that was signed with this key. What they say is for the caller to
    /// judge.
    public func claims(of token: some StringProtocol) throws(TokenError) -> JSONValue {
        let text = Bytes(token.utf8)
        guard text.count <= Self.maximumTokenByteCount else { throw .malformed }
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]),
            let payload = Base64URL.decode(parts[1]), let given = Base64URL.decode(parts[2]),
            let fields = (try? JSONValue(parsing: header)), fields.objectValue != nil
        else { throw .malformed }
        guard fields["alg"]?.stringValue == "HS256" else { throw .algorithm }
        // RFC 7515, section 4.1.11: what must be understood and is not makes the token invalid.
        guard fields["crit"] == nil else { throw .malformed }
        let signed = Bytes(text.prefix(parts[0].count + 1 + parts[1].count))
        guard Self.isEqual(given, signature(of: signed)) else { throw .signature }
        guard let claims = (try? JSONValue(parsing: payload)), claims.objectValue != nil else {
            throw .malformed
        }
        return claims
    }

    /// The longest token that is looked at: HTTP servers take no longer headers.
    private static let maximumTokenByteCount = 8_192

    private func signature(of bytes: Bytes) -> Bytes {
        hmacSHA256(key: secret, message: bytes)
    }

    /// Compares in a time that tells nothing about where the two differ.
    private static func isEqual(_ left: Bytes, _ right: Bytes) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}

/// Why a token is worth nothing.
public enum TokenError: Error, Hashable, Sendable {
    /// There is none, or it is not in the form of a token.
    case missing, malformed
    /// It is not signed with `HS256`.
    case algorithm
    /// It is signed with another key.
    case signature
    /// A claim that must be there is not.
    case missingIssuedAt
    /// It was issued too long ago, or is said to be issued later than now.
    case stale, future
    /// Its own end has passed.
    case expired
}

extension TokenKey {
    /// How far the time of issue may be from now (execution-apis, `engine/authentication.md`).
    public static let issuedAtToleranceSeconds: Int64 = 60

    /// Checks the `Authorization` header of a call to the Engine API: a token of this key that was
    /// issued now, give or take a minute.
    ///
    /// - Parameter now: the wall clock, in seconds since 1970.
    public func checkBearer(
        _ authorization: String?, now: Timestamp
    ) throws(TokenError) {
        guard let authorization, authorization.hasPrefix("Bearer ") else { throw .missing }
        let claims = try claims(of: authorization.dropFirst("Bearer ".count))
        guard let issuedAt = claims["iat"]?.doubleValue, issuedAt.isFinite else {
            throw .missingIssuedAt
        }
        let age = Double(now) - issuedAt
        guard age <= Double(Self.issuedAtToleranceSeconds) else { throw .stale }
        guard age >= -Double(Self.issuedAtToleranceSeconds) else { throw .future }
        if let end = claims["exp"]?.doubleValue, end <= Double(now) { throw .expired }
    }

    /// The `Authorization` header of a call that is made now.
    public func bearer(issuedAt now: Timestamp) -> String {
        "Bearer " + token(["iat": .number(String(now))])
    }
}

/// Base 64 with the alphabet for URLs and without padding (RFC 4648, section 5), as tokens have it.
package enum Base64URL {
    private static let alphabet = Bytes(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    package static func encode(_ bytes: Bytes) -> String {
        var text: Bytes = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(buffer >> UInt32(bits)) & 63])
            }
        }
        if bits > 0 { text.append(alphabet[Int(buffer << UInt32(6 - bits)) & 63]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: `nil` unless the text is the one encoding of some bytes.
    package static func decode(_ text: ArraySlice<UInt8>) -> Bytes? {
        guard text.count % 4 != 1 else { return nil }
        var bytes: Bytes = []
        bytes.reserveCapacity(text.count * 3 / 4)
        var buffer: UInt32 = 0
        var bits = 0
        for character in text {
            guard let value = value(of: character) else { return nil }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        return buffer & (1 << UInt32(bits) - 1) == 0 ? bytes : nil
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character + 4
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
