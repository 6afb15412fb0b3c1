import Foundation
import Primitives
import RPC
import Testing

@Suite struct TokenKeyTests {
    let key = TokenKey(Bytes(repeating: 7, count: 32)) ?? .random()
    let now: Timestamp = 1_700_000_000

    func failure(_ authorization: String?) -> TokenError? {
        do throws(TokenError) {
            try key.checkBearer(authorization, now: now)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        arguments: [
            (0, nil), (-60, nil), (60, nil), (-61, .stale), (61, .future), (-1_000_000, .stale),
        ] as [(Int64, TokenError?)])
    func `a token is good for a minute before and after its issue`(
        offset: Int64, expected: TokenError?
    ) {
        let issuedAt = Timestamp(Int64(now) + offset)
        #expect(failure(key.bearer(issuedAt: issuedAt)) == expected)
    }

    /// The example of RFC 7515, appendix A.1, whose payload has line breaks.
    @Test func `the token of the standard is understood`() throws {
        let secret = try #require(
            Base64URLText.decode(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
                    + "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"))
        let key = try #require(TokenKey(secret))
        let token =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            + ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
            + "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
            + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        #expect(try key.claims(of: token)["iss"]?.stringValue == "joe")
    }

    @Test func `a token of another key is refused`() {
        #expect(failure(TokenKey.random().bearer(issuedAt: now)) == .signature)
        // One changed character of the signature, and one of the claims.
        var token = Array(key.bearer(issuedAt: now))
        token[token.count - 2] = token[token.count - 2] == "A" ? "B" : "A"
        #expect(failure(String(token)) == .signature)
    }

    @Test(arguments: [
        #"{"alg":"none","typ":"JWT"}"#, #"{"alg":"None"}"#, #"{"alg":"HS512"}"#, #"{"typ":"JWT"}"#,
        #"{"alg":"RS256"}"#,
    ])
    func `another algorithm is refused, whatever the signature`(header: String) {
        let claims = Base64URLText.encode(#"{"iat":1700000000}"#)
        let start = "Bearer " + Base64URLText.encode(header) + "." + claims
        #expect(failure(start + ".") == .algorithm)
        #expect(failure(start + ".AAAA") == .algorithm)
    }

    @Test func `what is no token is refused`() {
        #expect(failure(nil) == .missing)
        #expect(failure("") == .missing)
        #expect(failure("Basic abc") == .missing)
        for text in [
            "", ".", "..", "a.b", "a.b.c.d", "!.!.!", String(repeating: "a", count: 9_000),
        ] {
            #expect(failure("Bearer " + text) == .malformed, "\(text.prefix(9))")
        }
    }

    @Test func `a token must say when it was issued, and may say when it ends`() {
        #expect(failure("Bearer " + key.token([:])) == .missingIssuedAt)
        #expect(failure("Bearer " + key.token(["iat": "1700000000"])) == .missingIssuedAt)
        #expect(
            failure("Bearer " + key.token(["iat": 1_700_000_000, "exp": 1_700_000_001])) == nil)
        #expect(
            failure("Bearer " + key.token(["iat": 1_700_000_000, "exp": 1_700_000_000])) == .expired
        )
        #expect(
            failure("Bearer " + key.token(["iat": 1_700_000_000, "id": "x", "clv": "y"])) == nil)
    }

    @Test func `secrets of files are 32 bytes in hexadecimal`() {
        let digits = String(repeating: "0a", count: 32)
        #expect(TokenKey(hex: digits)?.hex == digits)
        #expect(TokenKey(hex: "0x" + digits + "\n")?.hex == digits)
        #expect(TokenKey(hex: " \(digits)\r\n")?.hex == digits)
        for text in [
            "", "0x", String(digits.dropLast()), digits + "00", "zz" + digits.dropFirst(2),
        ] {
            #expect(TokenKey(hex: text) == nil)
        }
        #expect(TokenKey(Bytes(repeating: 1, count: 31)) == nil)
        #expect(TokenKey.random().hex != TokenKey.random().hex)
    }
}

/// Base 64 for URLs by Foundation, to compare with.
enum Base64URLText {
    static func encode(_ text: String) -> String {
        Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }

    static func decode(_ text: String) -> Bytes? {
        var padded = text.replacing("-", with: "+").replacing("_", with: "/")
        while padded.utf8.count % 4 != 0 { padded += "=" }
        return Data(base64Encoded: padded).map { Bytes($0) }
    }
}
