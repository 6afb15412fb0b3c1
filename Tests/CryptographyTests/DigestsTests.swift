import Cryptography
import Primitives
import Testing

@Suite struct DigestsTests {
    @Test(arguments: [
        ("", "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "0x248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `SHA-256 gives the vectors of FIPS 180-4`(text: String, digest: String) {
        #expect(Hex.encode(sha256(Bytes(text.utf8))) == digest)
    }

    @Test(arguments: [
        ("", "0x9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        ("abc", "0x8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        ("message digest", "0x5d0689ef49d2fae572b881b123a85ffa21595f36"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "0x12a053384a9c0c88e405a06c27dcf49ada62eb2b"
        ),
    ])
    func `RIPEMD-160 gives its authors' vectors`(text: String, digest: String) {
        #expect(Hex.encode(ripemd160(Bytes(text.utf8))) == digest)
    }

    @Test func `a slice has the digest of its bytes`() {
        let bytes = Bytes("xabc".utf8)
        #expect(sha256(bytes[1...]) == sha256(Bytes("abc".utf8)))
        #expect(ripemd160(bytes[1...]) == ripemd160(Bytes("abc".utf8)))
    }

    @Test func `HMAC gives the vectors of RFC 4231`() {
        let key = Bytes(repeating: 0x0b, count: 20)
        let message = Bytes("Hi There".utf8)
        #expect(
            Hex.encode(hmacSHA256(key: key, message: message))
                == "0xb0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            Hex.encode(hmacSHA512(key: key, message: message))
                == "0x87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                + "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854")
    }

    @Test func `HMAC takes an empty key and an empty message`() {
        #expect(
            Hex.encode(hmacSHA256(key: [], message: []))
                == "0xb613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test func `PBKDF2 gives the vector of RFC 7914`() {
        let key = pbkdf2HMACSHA256(
            password: Bytes("passwd".utf8), salt: Bytes("salt".utf8), iterations: 1, count: 64)
        #expect(
            Hex.encode(key) == "0x55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                + "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783")
    }

    @Test func `random bytes are as many as asked for, and others each time`() {
        #expect(randomBytes(count: 0).isEmpty)
        #expect(randomBytes(count: 33).count == 33)
        #expect(randomBytes(count: 32) != randomBytes(count: 32))
    }

    @Test func `a message in parts has the digest of the whole`() {
        let message = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        let digest = SHA256Digest()
        var rest = message[...]
        for count in [0, 1, 63, 64, 65, 500] {
            digest.update(Bytes(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        digest.update(Bytes(rest))
        #expect(digest.finish() == sha256(message))
        #expect(SHA256Digest().finish() == sha256([]))
    }
}
