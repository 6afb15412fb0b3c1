// The official tests of Ethereum. State tests are run all; of the blockchain tests, each of which makes
// a database, every n-th file. APUS_FIXTURE_STRIDE sets n for all of them; 1 runs everything.

import Foundation
import SpecRunner
import Synchronization
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct OfficialTests {
    @Test(arguments: [
        ("eest-state-tests", 1), ("legacy-state-tests-frontier-constantinople", 1),
        ("legacy-state-tests-istanbul-cancun", 1), ("evm-benchmarks", 1),
    ])
    func `state tests`(archive: String, stride: Int) async throws {
        try await check(archive, as: .stateTest, stride: stride)
    }

    @Test(arguments: [
        ("eest-blockchain-tests", 4), ("legacy-blockchain-tests-frontier-constantinople", 1),
        ("legacy-blockchain-tests-istanbul-cancun", 1),
        ("legacy-blockchain-state-frontier-constantinople", 40),
        ("legacy-blockchain-state-istanbul-cancun", 40),
    ])
    func `blockchain tests`(archive: String, stride: Int) async throws {
        try await check(archive, as: .blockTest(FixtureDatabases()), stride: stride)
    }

    private func check(
        _ archive: String, as format: FixtureFormat, stride: Int
    ) async throws {
        let wanted = ProcessInfo.processInfo.environment["APUS_FIXTURE_STRIDE"]
        let run = FixtureRun(
            format: format, paths: [try Fixtures.folder(archive).path],
            stride: wanted.flatMap { Int($0) } ?? stride)
        let failures = Failures()
        let summary = try await run.execute { event in
            switch event {
            case .result(let result):
                if !result.passed { failures.add(result.line) }
            case .file(let path, let error):
                if let error { failures.add("\(path): \(error)") }
            }
        }
        for line in failures.first(20) { Issue.record("\(line)") }
        #expect(summary.passed > 0)
        #expect(summary.failed == 0)
        #expect(summary.skipped == 0)
    }
}

/// Lines that several threads add.
private final class Failures: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    func first(_ count: Int) -> [String] { lines.withLock { Array($0.prefix(count)) } }
}
