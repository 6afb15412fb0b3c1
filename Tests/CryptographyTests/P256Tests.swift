import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct P256Tests {
    // RFC 6979, A.2.5: the message "sample" with SHA-256.
    let hash: Hash256
    let r: UInt256
    let s: UInt256
    let x: UInt256
    let y: UInt256
    let order: UInt256

    init() throws {
        hash = try #require(Hash256(sha256(Bytes("sample".utf8))))
        func value(_ hex: String) throws -> UInt256 { try #require(UInt256(hex: hex)) }
        r = try value("0xefd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716")
        s = try value("0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")
        x = try value("0x60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6")
        y = try value("0x7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
        order = try value("0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
    }

    @Test func `a signature is accepted in both its forms`() {
        #expect(verifyP256(hash: hash, r: r, s: s, x: x, y: y))
        #expect(verifyP256(hash: hash, r: r, s: order - s, x: x, y: y))
    }

    @Test func `a change in any of its parts is refused`() {
        #expect(!verifyP256(hash: .zero, r: r, s: s, x: x, y: y))
        #expect(!verifyP256(hash: hash, r: r + .one, s: s, x: x, y: y))
        #expect(!verifyP256(hash: hash, r: r, s: s + .one, x: x, y: y))
        #expect(!verifyP256(hash: hash, r: r, s: s, x: x + .one, y: y))
        #expect(!verifyP256(hash: hash, r: r, s: s, x: x, y: y + .one))
    }

    @Test func `values out of range are refused`() throws {
        let prime = try #require(
            UInt256(hex: "0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff"))
        for value in [UInt256.zero, order, order + .one, .max] {
            #expect(!verifyP256(hash: hash, r: value, s: s, x: x, y: y))
            #expect(!verifyP256(hash: hash, r: r, s: value, x: x, y: y))
        }
        for value in [prime, prime + .one, .max] {
            #expect(!verifyP256(hash: hash, r: r, s: s, x: value, y: y))
            #expect(!verifyP256(hash: hash, r: r, s: s, x: x, y: value))
        }
        #expect(!verifyP256(hash: hash, r: r, s: s, x: .zero, y: .zero))
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the vectors of P256VERIFY hold`() throws {
        let files = try [
            [Fixtures.file("precompile-vectors-geth", "p256Verify.json")],
            Fixtures.files("precompile-vectors-eips", under: "eip-7951"),
            Fixtures.files(
                "precompile-vectors-specs", under: "osaka/eip7951_p256verify_precompiles"),
        ].flatMap(\.self)
        #expect(files.count > 2)
        for vector in try files.flatMap({ try PrecompileVector.all($0) }) {
            var result = Bytes()
            if vector.input.count == 160 {
                let words = try (0..<5).map { index in
                    try #require(
                        UInt256(bigEndian: vector.input[(32 * index)..<(32 * index + 32)]))
                }
                let isValid = verifyP256(
                    hash: Hash256(words[0]), r: words[1], s: words[2], x: words[3], y: words[4])
                if isValid { result = UInt256.one.bigEndianBytes }
            }
            #expect(result == vector.expected, "\(vector.name)")
        }
    }
}
