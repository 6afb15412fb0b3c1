import Cryptography
import Primitives
import Testing

@Suite struct ScryptTests {
    // RFC 7914, section 12.
    @Test(arguments: [
        (
            "", "", 16, 1, 1,
            "0x77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
        ),
        (
            "password", "NaCl", 1024, 8, 16,
            "0xfdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        ),
    ])
    func `the vectors of RFC 7914 hold`(
        password: String, salt: String, n: Int, r: Int, p: Int, key: String
    ) {
        let derived = deriveByScrypt(
            password: Bytes(password.utf8), salt: Bytes(salt.utf8), n: n, r: r, p: p, count: 64)
        #expect(Hex.encode(derived) == key)
    }
}
