import Cryptography
import Primitives
import TestSupport
import Testing

@Suite struct ModexpTests {
    @Test(
        arguments: [
            ([3], [5], [7], [5]),
            // 0 ^ 0 is 1, but 0 modulo 1.
            ([0], [0], [7], [1]), ([], [], [7], [1]), ([], [], [1], [0]), ([0], [0], [1], [0]),
            // Everything is 0 modulo 0, and nothing modulo nothing.
            ([3], [5], [0, 0], [0, 0]), ([3], [5], [], []), ([], [], [], []),
            // The result has the modulus's length, whatever zeros the operands begin with.
            ([0, 0, 3], [0, 5], [0, 0, 0, 7], [0, 0, 0, 5]),
            // An even modulus; a base above the modulus.
            ([3], [4], [0x10], [1]), ([0xff, 0xff], [2], [10], [5]),
        ] as [(Bytes, Bytes, Bytes, Bytes)])
    func `small cases and the corners`(base: Bytes, exponent: Bytes, modulus: Bytes, result: Bytes)
    {
        #expect(modexp(base: base[...], exponent: exponent[...], modulus: modulus[...]) == result)
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: [
            ("precompile-vectors-geth", "modexp.json"),
            ("precompile-vectors-geth", "modexp_eip2565.json"),
            ("precompile-vectors-geth", "modexp_eip7883.json"),
            ("precompile-vectors-specs", "osaka/eip7883_modexp_gas_increase/vector/vectors.json"),
            ("precompile-vectors-specs", "osaka/eip7883_modexp_gas_increase/vector/legacy.json"),
        ])
    func `the vectors of MODEXP hold`(archive: String, path: String) throws {
        let vectors = try PrecompileVector.all(archive, path)
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let lengths = try (0..<3).map { index in
                let start = index * 32
                let word = Bytes((start..<start + 32).map { vector.byte(at: $0) })
                return Int(try #require(UInt256(bigEndian: word)?.asUInt64))
            }
            var start = 96
            let operands = lengths.map { length in
                defer { start += length }
                return (start..<start + length).map { vector.byte(at: $0) }[...]
            }
            let result = modexp(
                base: operands[0], exponent: operands[1], modulus: operands[2])
            #expect(result == vector.expected, "\(vector.name)")
        }
    }
}

extension PrecompileVector {
    /// A byte of the input, which goes on with zeros.
    func byte(at index: Int) -> UInt8 { index < input.count ? input[index] : 0 }
}
