// The official tests of Ethereum. State tests are run all; of the blockchain tests, each of which makes
// a database, every n-th file. APUS_FIXTURE_STRIDE sets n for all of them; 1 runs everything.
// APUS_FIXTURE_OFFSET says which of each n; CI takes it from the commit, so that all get their turn.

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

    /// Each case starts a node and calls it over HTTP.
    @Test func `engine tests`() async throws {
        try await check("eest-engine-tests", as: .engineTest(FixtureDatabases()), stride: 12)
    }

    private func check(
        _ archive: String, as format: FixtureFormat, stride: Int
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        var run = FixtureRun(
            format: format, paths: [try Fixtures.folder(archive).path],
            stride: environment["APUS_FIXTURE_STRIDE"].flatMap { Int($0) } ?? stride)
        run.offset = environment["APUS_FIXTURE_OFFSET"].flatMap { Int($0) } ?? 0
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
