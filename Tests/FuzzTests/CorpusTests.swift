import Foundation
import FuzzTargets
import Primitives
import TestSupport
import Testing

/// Runs the targets of `make fuzz` on their corpus and on random changes of it: without libFuzzer's
/// eye for new paths, but in every test run. A target fails by a trap.
struct CorpusTests {
    @Test(
        arguments: [
            ("rlp", 40_000, fuzzRLP), ("json", 20_000, fuzzJSON),
            ("transaction", 2_000, fuzzTransaction), ("block", 10_000, fuzzBlock),
            ("precompiles", 600, fuzzPrecompiles), ("interpreters", 20_000, fuzzInterpreters),
        ] as [(String, Int, @Sendable (Bytes) -> Void)])
    func `no input breaks a target`(
        name: String, count: Int, target: @Sendable (Bytes) -> Void
    ) throws {
        let corpus = try corpus(name)
        try #require(!corpus.isEmpty)
        for input in corpus { target(input) }
        var random = SeededRandom(seed: 0xf0_22)
        for _ in 0..<count {
            var input = corpus[random.index(below: corpus.count)]
            for _ in 0...random.index(below: 4) { change(&input, corpus, &random) }
            target(input)
        }
    }

    private func corpus(_ name: String) throws -> [Bytes] {
        let folder = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fuzz/Corpus/\(name)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            Bytes(try Data(contentsOf: folder.appendingPathComponent($0)))
        }
    }

    /// One of the changes that fuzzers make.
    private func change(
        _ input: inout Bytes, _ corpus: [Bytes], _ random: inout SeededRandom
    ) {
        guard !input.isEmpty else {
            input = random.bytes(1 + random.index(below: 40))
            return
        }
        let place = random.index(below: input.count)
        let length = random.index(below: min(input.count - place, 33) + 1)
        switch random.index(below: 7) {
        case 0: input[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: input[place] ^= 1 << UInt8(random.index(below: 8))
        case 2: input.removeSubrange(place..<place + length)
        case 3: input.insert(contentsOf: random.bytes(length), at: place)
        case 4: input.insert(contentsOf: input[place..<place + length], at: place)
        case 5: input.removeLast(length)
        default:
            // The beginning of one and the end of another.
            let other = corpus[random.index(below: corpus.count)]
            input = input.prefix(place) + other.suffix(random.index(below: other.count + 1))
        }
    }
}
