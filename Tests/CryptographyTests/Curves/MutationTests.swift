import Cryptography
import Primitives
import TestSupport
import Testing

/// Bad input is an answer, not an event: valid inputs, damaged at random, end in a result of the
/// right length or in a failure.
@Suite struct MutationTests {
    typealias Precompile = @Sendable (ArraySlice<UInt8>) throws(PrecompileDefect) -> Bytes

    private func mutated(_ input: Bytes, _ random: inout SeededRandom) -> Bytes {
        var input = input
        for _ in 0...random.index(below: 3) {
            switch random.index(below: 6) {
            case 0: input.removeLast(random.index(below: input.count + 1))
            case 1: input += random.bytes(random.index(below: 200))
            case 2 where !input.isEmpty:
                let start = random.index(below: input.count)
                for index in start..<min(start + 32, input.count) { input[index] = 0xff }
            case 3 where !input.isEmpty:
                let start = random.index(below: input.count)
                for index in start..<min(start + 64, input.count) { input[index] = 0 }
            default:
                if !input.isEmpty {
                    input[random.index(below: input.count)] ^= UInt8(1 + random.index(below: 255))
                }
            }
        }
        return input
    }

    @Test(
        .enabled(if: Fixtures.areAvailable, Fixtures.hint),
        arguments: [
            ("bn256Add", BN254.add, 64), ("bn256ScalarMul", BN254.multiply, 64),
            ("bn256Pairing", BN254.pairing, 32), ("blsG1Add", BLS12381.g1Add, 128),
            ("blsG1Mul", BLS12381.g1MSM, 128), ("blsG2Add", BLS12381.g2Add, 256),
            ("blsG2Mul", BLS12381.g2MSM, 256), ("blsPairing", BLS12381.pairing, 32),
            ("blsMapG1", BLS12381.mapToG1, 128), ("blsMapG2", BLS12381.mapToG2, 256),
            ("pointEvaluation", KZG.pointEvaluation, 64),
        ] as [(String, Precompile, Int)])
    func `damaged input gives a result or a failure`(
        name: String, precompile: Precompile, count: Int
    ) throws {
        var random = SeededRandom(seed: 60)
        let vectors = try PrecompileVector.all("precompile-vectors-geth", name + ".json")
        for _ in 0..<150 {
            let vector = vectors[random.index(below: vectors.count)]
            let input = mutated(Bytes(vector.input.prefix(1000)), &random)
            if let output = try? precompile(input[...]) {
                #expect(output.count == count, "seed \(random.seed)")
            }
        }
    }

    @Test func `random bytes are no blob, cell or proof`() {
        var random = SeededRandom(seed: 61)
        for length in [0, 1, 31, 32, 47, 48, 49, 96, 2048, KZG.bytesPerBlob] {
            let bytes = random.bytes(length)
            let some = random.bytes(48)
            #expect(
                KZG.verifyProof(commitment: bytes, z: bytes, y: bytes, proof: bytes) == nil)
            #expect(KZG.verifyBlobProof(blob: bytes, commitment: some, proof: some) == nil)
            #expect(
                KZG.verifyCellProofs(
                    commitments: [some], cellIndices: [1], cells: [bytes], proofs: [bytes]) == nil)
            #expect(
                KZG.verifyCellProofs(
                    blobs: [bytes], commitments: [some],
                    proofs: Array(repeating: some, count: KZG.cellsPerExtendedBlob)) == nil)
            #expect(KZG.versionedHash(bytes).bytes.first == 1)
        }
    }
}
