import EVM
import Primitives
import TestSupport
import Testing

struct ModulusTests {
    @Test func `a prepared modulus multiplies as the plain one`() {
        var random = SeededRandom(seed: 0x30d)
        func word() -> UInt256 {
            let word = UInt256(bigEndian: random.bytes(32)) ?? .zero
            switch random.index(below: 6) {
            case 0: return .max
            case 1: return word >> UInt64(random.index(below: 256))
            case 2: return UInt256.max << UInt64(random.index(below: 256))
            case 3: return .max &- UInt256(UInt64(random.index(below: 3)))
            default: return word
            }
        }
        for _ in 0..<400 {
            let modulus = word()
            var prepared = PreparedModulus()
            for _ in 0..<24 {
                let (x, y) = (word(), word())
                #expect(
                    prepared.multiply(x, y, modulus) == x.mulMod(y, modulus),
                    "\(x) · \(y) mod \(modulus), seed \(random.seed)")
            }
            let near = modulus &- .one
            #expect(prepared.multiply(near, near, modulus) == near.mulMod(near, modulus))
        }
    }
}
