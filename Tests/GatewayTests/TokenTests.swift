import Gateway
import Primitives
import Testing

@Suite struct TokenTests {
    static let now = 1_800_000_000.0
    static let secret = String(repeating: "5a", count: 32)

    static func key(_ id: String = "k", _ text: String = secret) async throws -> TokenSigningKey {
        try await TokenSigningKey(id: id, text: text)
    }

    static func verifier(_ keys: TokenSigningKey...) -> TokenVerifier {
        TokenVerifier(
            keys: TokenKeyRing(keys), audience: "apus", clockSkew: 30, longestLife: 86_400)
    }

    static let header: JSONObject = ["alg": "HS256", "typ": "JWT", "kid": "k"]
    static let claims: JSONObject = [
        "service": "s", "role": "reader", "aud": "apus", "iat": 1_800_000_000,
        "exp": 1_800_003_600,
    ]

    @Test func `a good token says who calls`() async throws {
        let key = try await Self.key()
        let token = try key.token(
            header: .object(Self.header), claims: .object(Self.claims))
        let claims = try Self.verifier(key).verify(
            authorization: ["Bearer \(token)"], now: Self.now)
        #expect(claims.service == "s")
        #expect(claims.roles == ["reader"])
        #expect(claims.keyId == "k")
        #expect(claims.expires == 1_800_003_600)
    }

    @Test(arguments: TokenAlgorithm.allCases)
    func `every algorithm signs, and its public half verifies`(
        algorithm: TokenAlgorithm
    ) async throws {
        let text = try TokenSigningKey.generate(algorithm)
        let key = try await Self.key("a", text)
        #expect(key.algorithm == algorithm)
        #expect(key.canSign)
        let token = try key.token(
            service: "s", roles: ["a", "b"], audience: "apus", issued: UInt64(Self.now),
            expires: UInt64(Self.now) + 60)
        #expect(try Self.verifier(key).verify(token, now: Self.now).roles == ["a", "b"])
        let other = try await Self.key("a", try TokenSigningKey.generate(algorithm))
        #expect(throws: TokenRefusal.signature) {
            try Self.verifier(other).verify(token, now: Self.now)
        }
    }

    /// What OpenSSL writes: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`,
    /// `openssl genpkey -algorithm ed25519`, and `openssl pkey -pubout` of each.
    static let pem: [(TokenAlgorithm, Bool, String)] = [
        (
            .es256, true,
            """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWuSbPLkB3Bd7s6wm
            Tj8iLAX4hDSLyoECPQ5Nq5FmVmWhRANCAASJbpAWedtxmIiexa0m6gK0FbEVyoyw
            siPyI0EmRFWr38cANrv1BpE52BHjQ2I1Rckm7YLlLxsj/wjyN/9KXXRE
            -----END PRIVATE KEY-----
            """
        ),
        (
            .es256, false,
            """
            -----BEGIN PUBLIC KEY-----
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEiW6QFnnbcZiInsWtJuoCtBWxFcqM
            sLIj8iNBJkRVq9/HADa79QaROdgR40NiNUXJJu2C5S8bI/8I8jf/Sl10RA==
            -----END PUBLIC KEY-----
            """
        ),
        (
            .edDSA, true,
            """
            -----BEGIN PRIVATE KEY-----
            MC4CAQAwBQYDK2VwBCIEIHVjTLX96eFX9+9e3FeBJeUF0HM91OFE7+P9PMTDsvJ+
            -----END PRIVATE KEY-----
            """
        ),
        (
            .edDSA, false,
            """
            -----BEGIN PUBLIC KEY-----
            MCowBQYDK2VwAyEA4c4dhHDwmDs+pIid6x5ha6Rz5Mx+SfEPPD58DHgprNY=
            -----END PUBLIC KEY-----
            """
        ),
    ]

    @Test(arguments: 0..<4)
    func `a key in PEM is known by what it holds`(index: Int) async throws {
        let (algorithm, canSign, text) = Self.pem[index]
        let key = try await Self.key("k", text)
        #expect(key.algorithm == algorithm)
        #expect(key.canSign == canSign)
        if !canSign {
            #expect(throws: GatewayError.self) { try key.sign([1]) }
        }
    }

    @Test(arguments: [
        "", "5a", String(repeating: "5a", count: 31), String(repeating: "zz", count: 32),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ])
    func `what is no key is refused`(text: String) async throws {
        await #expect(throws: GatewayError.self) { try await Self.key("k", text) }
    }

    @Test(arguments: ["", "a b", "../k", String(repeating: "k", count: 65), "k\u{0}"])
    func `a key has a name that can stand in a header`(id: String) async throws {
        await #expect(throws: GatewayError.self) { try await Self.key(id) }
    }

    @Test func `the key id chooses the key, and without one there must be but one`() async throws {
        let old = try await Self.key("old")
        let new = try await Self.key("new", String(repeating: "6b", count: 32))
        let both = Self.verifier(old, new)
        for key in [old, new] {
            let token = try key.token(
                service: "s", roles: ["reader"], audience: "apus", issued: UInt64(Self.now),
                expires: UInt64(Self.now) + 60)
            #expect(try both.verify(token, now: Self.now).keyId == key.id)
        }
        var header = Self.header
        header["kid"] = nil
        let token = try old.token(header: .object(header), claims: .object(Self.claims))
        #expect(throws: TokenRefusal.unknownKey) { try both.verify(token, now: Self.now) }
        #expect(try Self.verifier(old).verify(token, now: Self.now).keyId == "old")
    }

    /// A token that must be refused: what is changed in the good one, and why it is refused.
    struct Bad: Sendable, CustomTestStringConvertible {
        let name: String
        let refusal: TokenRefusal
        var header: JSONObject = TokenTests.header
        var claims: JSONObject = TokenTests.claims
        /// Changes the text.
        var change: @Sendable (String) -> String = { $0 }

        var testDescription: String { name }

        static func header(_ name: String, _ value: JSONValue?, _ refusal: TokenRefusal) -> Bad {
            var bad = Bad(name: "header \(name) = \(value?.description ?? "-")", refusal: refusal)
            bad.header[name] = value
            return bad
        }

        static func claim(_ name: String, _ value: JSONValue?, _ refusal: TokenRefusal) -> Bad {
            var bad = Bad(name: "claim \(name) = \(value?.description ?? "-")", refusal: refusal)
            bad.claims[name] = value
            return bad
        }

        static func text(
            _ name: String, _ refusal: TokenRefusal,
            _ change: @escaping @Sendable (String) -> String
        ) -> Bad {
            Bad(name: name, refusal: refusal, change: change)
        }
    }

    static let bad: [Bad] = [
        .header("alg", "none", .algorithm), .header("alg", "None", .algorithm),
        .header("alg", "NONE", .algorithm), .header("alg", "nOnE", .algorithm),
        .header("alg", "", .algorithm), .header("alg", nil, .algorithm),
        .header("alg", .null, .algorithm), .header("alg", 256, .algorithm),
        .header("alg", ["HS256"], .algorithm), .header("alg", "hs256", .algorithm),
        .header("alg", "HS384", .algorithm), .header("alg", "HS512", .algorithm),
        .header("alg", "RS256", .algorithm), .header("alg", "PS256", .algorithm),
        .header("alg", "ES256", .algorithm), .header("alg", "ES256K", .algorithm),
        .header("alg", "EdDSA", .algorithm), .header("alg", "dir", .algorithm),
        .header("crit", ["exp"], .critical), .header("crit", [], .critical),
        .header("typ", "JWE", .type), .header("typ", "at+jwt", .type), .header("typ", 1, .type),
        .header("typ", .null, .type), .header("kid", "other", .unknownKey),
        .header("kid", "", .unknownKey), .header("kid", 1, .unknownKey),
        .header("kid", .null, .unknownKey), .header("kid", "../k", .unknownKey),
        .claim("exp", nil, .claim("exp")), .claim("exp", .null, .claim("exp")),
        .claim("exp", "1800003600", .claim("exp")), .claim("exp", -1, .claim("exp")),
        .claim("exp", .number("1e300"), .claim("exp")),
        .claim("exp", .number("1e999"), .claim("exp")), .claim("exp", true, .claim("exp")),
        .claim("exp", 1_799_999_970, .expired), .claim("exp", 0, .expired),
        .claim("exp", 1_800_086_431, .lifetime), .claim("exp", 253_402_300_799, .lifetime),
        .claim("iat", "now", .claim("iat")), .claim("iat", 1_800_000_031, .notYet),
        .claim("iat", 1_799_913_000, .lifetime),
        .claim("nbf", 1_800_000_031, .notYet), .claim("nbf", [], .claim("nbf")),
        .claim("aud", nil, .claim("aud")), .claim("aud", .null, .claim("aud")),
        .claim("aud", "engine", .audience), .claim("aud", "APUS", .audience),
        .claim("aud", "", .audience), .claim("aud", [], .audience),
        .claim("aud", ["a", "b"], .audience), .claim("aud", ["apus": true], .claim("aud")),
        .claim("service", nil, .claim("service")), .claim("service", "", .claim("service")),
        .claim("service", 7, .claim("service")), .claim("service", "a b", .claim("service")),
        .claim("service", "a\nb", .claim("service")),
        .claim("service", .string(String(repeating: "s", count: 65)), .claim("service")),
        .claim("role", nil, .claim("role")), .claim("role", .null, .claim("role")),
        .claim("role", [], .claim("role")), .claim("role", "", .claim("role")),
        .claim("role", ["reader", 1], .claim("role")), .claim("role", "a,b", .claim("role")),
        .claim("role", ["reader": true], .claim("role")),
        .claim("role", .array(Array(repeating: "reader", count: 17)), .claim("role")),
        .text("nothing", .malformed) { _ in "" },
        .text("one part", .malformed) { String($0.prefix { $0 != "." }) },
        .text("two parts", .malformed) {
            $0.split(separator: ".").prefix(2).joined(separator: ".")
        },
        .text("four parts", .malformed) { $0 + ".x" },
        .text("five parts", .malformed) { _ in "a.b.c.d.e" },
        .text("no signature", .signature) {
            $0.split(separator: ".").prefix(2).joined(separator: ".") + "."
        },
        .text("a cut signature", .signature) { String($0.dropLast(3)) },
        .text("a changed signature", .signature) { token in
            String(token.dropLast(5)) + (token.hasSuffix("A") ? "BBBB" : "AAAA")
                + token.suffix(1)
        },
        .text("padding", .malformed) { $0 + "=" },
        .text("white space", .malformed) { $0.replacing(".", with: " .") },
        .text("the alphabet that is not for URLs", .malformed) { token in
            token.split(separator: ".").prefix(2).joined(separator: ".") + ".++//"
        },
        .text("a header that is no JSON", .malformed) { "eA" + $0.drop { $0 != "." } },
        .text("a header that is no object", .malformed) { "MQ" + $0.drop { $0 != "." } },
        .text("other claims under the signature", .signature) { token in
            let parts = token.split(separator: ".")
            return parts[0] + ".eyJyb2xlIjoiYWRtaW4ifQ." + parts[2]
        },
        .text("too much", .malformed) { $0 + String(repeating: "A", count: 4_096) },
    ]

    @Test func `there are more than sixty bad tokens`() {
        #expect(Self.bad.count > 60)
    }

    @Test(arguments: bad)
    func `a bad token is refused for what is wrong with it`(bad: Bad) async throws {
        let key = try await Self.key()
        let token = bad.change(
            try key.token(header: .object(bad.header), claims: .object(bad.claims)))
        #expect(throws: bad.refusal) { try Self.verifier(key).verify(token, now: Self.now) }
    }

    @Test(arguments: [
        ["Basic dXNlcjpwYXNz"], ["Bearer"], ["Bearer "], ["Bearer  x.y.z"], ["x.y.z"],
        ["Bearer x.y.z", "Bearer x.y.z"], ["Token x.y.z"], ["Bearer x.y.z, Bearer x.y.z"],
    ])
    func `a header that is no bearer's is refused`(headers: [String]) async throws {
        let verifier = Self.verifier(try await Self.key())
        #expect(throws: TokenRefusal.malformed) {
            try verifier.verify(authorization: headers, now: Self.now)
        }
    }

    @Test func `a secret shared as a public key's text opens nothing`() async throws {
        // Who has the public key must not be able to sign with it as if it were a secret.
        let publicKey = try await Self.key("k", Self.pem[1].2)
        let secret = Hex.encode(Bytes(Self.pem[1].2.utf8))
        let forger = try await Self.key("k", String(secret.dropFirst(2)))
        let token = try forger.token(header: .object(Self.header), claims: .object(Self.claims))
        #expect(throws: TokenRefusal.algorithm) {
            try Self.verifier(publicKey).verify(token, now: Self.now)
        }
    }

    @Test func `the clock may be wrong by the skew and no more`() async throws {
        let key = try await Self.key()
        let token = try key.token(header: .object(Self.header), claims: .object(Self.claims))
        let verifier = Self.verifier(key)
        #expect(try verifier.verify(token, now: 1_799_999_970).service == "s")
        #expect(throws: TokenRefusal.notYet) { try verifier.verify(token, now: 1_799_999_969) }
        #expect(try verifier.verify(token, now: 1_800_003_629).service == "s")
        #expect(throws: TokenRefusal.expired) { try verifier.verify(token, now: 1_800_003_630) }
    }
}
