import EthereumTypes
import Execution
import Primitives
import TestSupport
import Testing

/// What geth says when a precompile refuses its input.
@Suite struct PrecompileTextTests {
    private func text(_ address: UInt32, _ input: Bytes) -> String {
        Scenario(.osaka).context.gethText(
            of: .precompileFailed, calling: Address(w0: 0, w1: 0, w2: address), with: input)
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: [
            ("blake2f", 0x09), ("blsG1Add", 0x0b), ("blsG1Mul", 0x0c), ("blsG1MultiExp", 0x0c),
            ("blsG2Add", 0x0d), ("blsG2Mul", 0x0e), ("blsG2MultiExp", 0x0e), ("blsPairing", 0x0f),
            ("blsMapG1", 0x10), ("blsMapG2", 0x11),
        ] as [(String, UInt32)])
    func `the texts of geth's vectors come out`(name: String, address: UInt32) throws {
        let file = try Fixtures.file("precompile-vectors-geth", "fail-" + name + ".json")
        let vectors = try #require(try Fixtures.json(file).arrayValue)
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let input = try #require(vector["Input"]?.stringValue.flatMap { Hex.decode($0) })
            #expect(text(address, input) == vector["ExpectedError"]?.stringValue)
        }
    }

    @Test func `the older curve and proofs have words of their own`() {
        let word = { (value: UInt256) in value.bigEndianBytes }
        let off = word(1) + word(1)
        #expect(text(6, off) == "point is not on curve")
        #expect(text(7, word(.max) + word(2)) == "invalid fp.Element encoding")
        #expect(text(8, [1]) == "bad elliptic curve pairing size")
        #expect(text(8, off + Bytes(repeating: 0, count: 128)) == "point is not on curve")
        #expect(text(10, [1]) == "invalid input length")
        #expect(text(10, Bytes(repeating: 0, count: 192)) == "mismatched versioned hash")
    }
}
