import EthereumTypes
import Primitives
import TestSupport
import Testing

import Execution

@Suite struct DifficultyTests {
    @Test func `the difficulty never falls below its minimum`() {
        for fork in Fork.allCases where fork < .paris {
            let difficulty = calculateBlockDifficulty(
                number: 1, timestamp: .max, parentTimestamp: 0, parentDifficulty: 131_072,
                parentHasOmmers: false, at: fork)
            #expect(difficulty == 131_072)
        }
    }

    @Test func `the bomb doubles every hundred thousand blocks`() {
        func difficulty(_ number: BlockNumber) -> UInt256 {
            calculateBlockDifficulty(
                number: number, timestamp: 13, parentTimestamp: 0, parentDifficulty: 2_048_000,
                parentHasOmmers: false, at: .homestead)
        }
        #expect(difficulty(199_999) == 2_048_000)
        #expect(difficulty(200_000) == 2_048_001)
        #expect(difficulty(300_000) == 2_048_002)
        #expect(difficulty(1_000_000) == 2_048_256)
    }

    @Test(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
    func `the official vectors hold`() throws {
        for file in try Fixtures.files("difficulty-tests") {
            for (_, test) in try Fixtures.cases(file) { try check(test) }
        }
    }

    private func check(_ test: JSONValue) throws {
        for (name, vectors) in test.objectValue ?? [:] where name != "_info" {
            let fork = try #require(Fork(name: name == "EIP2384" ? "MuirGlacier" : name))
            for (key, vector) in vectors.objectValue ?? [:] {
                func word(_ key: String) -> UInt256 {
                    let text = vector[key]?.stringValue ?? ""
                    return
                        (text.hasPrefix("0x")
                        ? UInt256(hex: text) : UInt256(decimal: text)) ?? .zero
                }
                let difficulty = calculateBlockDifficulty(
                    number: word("currentBlockNumber").clampedToUInt64,
                    timestamp: word("currentTimestamp").clampedToUInt64,
                    parentTimestamp: word("parentTimestamp").clampedToUInt64,
                    parentDifficulty: word("parentDifficulty"),
                    parentHasOmmers: word("parentUncles") != .zero, at: fork)
                #expect(difficulty == word("currentDifficulty"), "\(key)")
            }
        }
    }
}
