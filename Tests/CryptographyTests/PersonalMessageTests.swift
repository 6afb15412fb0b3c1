import Cryptography
import Primitives
import Testing

@Suite struct PersonalMessageTests {
    @Test func `the hash counts bytes, not letters`() {
        #expect(
            personalMessageHash(Bytes("Hello, world! é".utf8)).description
                == "0x04927c17005bec812258870039edc9195c2ee458f34308719a0697883774016e")
    }

    @Test func `a signed message is that of other wallets`() throws {
        let bytes = try #require(
            Hex.decode("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
        let key = try #require(PrivateKey(bytes))
        let signature = key.sign(personalMessageHash(Bytes("Hello, world! é".utf8)))
        #expect(
            Hex.encode(signature.bytes)
                == "0xcca1f0546a1ebebd6986ea06b6680dd1bb2362c12d0c1e092719f55afee3235b"
                + "409ea5cf3137bac4cd9de0f6f0784c9201fc6ebf934ddfd7b5302cc97c6f1da61c")
    }

    @Test func `an empty message has a hash`() {
        #expect(
            personalMessageHash([])
                == keccak256(Bytes("\u{19}Ethereum Signed Message:\n0".utf8)))
    }
}
