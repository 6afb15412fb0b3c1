import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct Blake2Tests {
    @Test func `twelve rounds make BLAKE2b of abc`() {
        // RFC 7693, appendix A.
        var h: [UInt64] = [
            0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b,
            0xa54f_f53a_5f1d_36f1, 0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f,
            0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
        ]
        h[0] ^= 0x0101_0040
        let m: [UInt64] = [0x636261] + [UInt64](repeating: 0, count: 15)
        let result = blake2F(rounds: 12, h: h, m: m, t: (3, 0), final: true)
        let digest = result.flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
        #expect(
            Hex.encode(digest)
                == "0xba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923")
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the vectors of BLAKE2F hold`() throws {
        let vectors = try PrecompileVector.all("precompile-vectors-geth", "blake2F.json")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let input = vector.input
            func word(_ start: Int) -> UInt64 {
                (0..<8).reduce(0) { $0 | UInt64(input[start + $1]) << UInt64(8 * $1) }
            }
            let rounds = input[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let result = blake2F(
                rounds: rounds, h: (0..<8).map { word(4 + 8 * $0) },
                m: (0..<16).map { word(68 + 8 * $0) }, t: (word(196), word(204)),
                final: input[212] == 1)
            let bytes = result.flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
            }
            #expect(bytes == vector.expected, "\(vector.name)")
        }
    }
}
