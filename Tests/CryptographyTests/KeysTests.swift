import Cryptography
import Primitives
import Testing
import TestSupport

@Suite struct KeysTests {
    // Published vectors of RFC 6979 on secp256k1 with SHA-256.
    @Test(arguments: [
        (
            UInt256.one, "Satoshi Nakamoto", true,
            "0x934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
            "0x2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
        ),
        (
            UInt256.one,
            "All those moments will be lost in time, like tears in rain. Time to die...",
            false, "0x8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b",
            "0x547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"
        ),
        (
            groupOrder - .one, "Satoshi Nakamoto", false,
            "0xfd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0",
            "0x6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5"
        ),
    ])
    func `the nonce is that of RFC 6979 and s is low`(
        key: UInt256, message: String, yParity: Bool, r: String, s: String
    ) throws {
        let hash = try #require(Hash256(sha256(Bytes(message.utf8))))
        let signature = try #require(PrivateKey(key)).sign(hash)
        #expect(signature.yParity == yParity)
        #expect(signature.r == UInt256(hex: r))
        #expect(signature.s == UInt256(hex: s))
        #expect(signature.hasLowS)
    }

    @Test func `the key of one is the generator`() throws {
        let key = try #require(PrivateKey(UInt256.one))
        #expect(
            Hex.encode(key.publicKey.compressed)
                == "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
        #expect(key.address == Address(hex: "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"))
    }

    @Test func `only values from one to the order less one are keys`() {
        #expect(PrivateKey(UInt256.zero) == nil)
        #expect(PrivateKey(UInt256.one) != nil)
        #expect(PrivateKey(groupOrder - .one) != nil)
        #expect(PrivateKey(groupOrder) == nil)
        #expect(PrivateKey(UInt256.max) == nil)
        #expect(PrivateKey(Bytes(repeating: 1, count: 31)) == nil)
        #expect(PrivateKey(Bytes(repeating: 1, count: 33)) == nil)
        #expect(PrivateKey(Bytes()) == nil)
    }

    @Test func `random keys differ`() {
        #expect(PrivateKey.random() != PrivateKey.random())
    }

    @Test func `a private key does not print itself`() throws {
        let key = try #require(PrivateKey(keccak256(utf8: "secret").bytes))
        #expect(!"\(key)".contains(String(Hex.encode(key.bytes).dropFirst(2))))
        #expect("\(key)".contains(key.address.description))
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7])
    func `a public key is read in all its forms`(value: UInt64) throws {
        let key = try #require(PrivateKey(UInt256(value))).publicKey
        #expect(PublicKey(key.bytes) == key)
        #expect(PublicKey([4] + key.bytes) == key)
        #expect(PublicKey(key.compressed) == key)
    }

    @Test func `what is no point of the curve is no public key`() throws {
        var bytes = try #require(PrivateKey(UInt256.one)).publicKey.bytes
        bytes[63] ^= 1
        #expect(PublicKey(bytes) == nil)
        #expect(PublicKey(Bytes(repeating: 0, count: 64)) == nil)
        #expect(PublicKey(Bytes(repeating: 0xff, count: 64)) == nil)
        #expect(PublicKey([5] + bytes) == nil)
        #expect(PublicKey(Bytes(repeating: 2, count: 32)) == nil)
        #expect(PublicKey(Bytes()) == nil)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the key and the address of a known seed`() throws {
        let file = try Fixtures.file("basic-tests", "BasicTests/keyaddrtest.json")
        let vectors = try #require(try Fixtures.json(file).arrayValue)
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let seed = try #require(vector["seed"]?.stringValue)
            let key = try #require(PrivateKey(keccak256(utf8: seed).bytes))
            #expect(key.bytes == vector["key"]?.stringValue.flatMap { Hex.decode($0) })
            #expect(key.address.bytes == vector["addr"]?.stringValue.flatMap { Hex.decode($0) })
        }
    }
}
