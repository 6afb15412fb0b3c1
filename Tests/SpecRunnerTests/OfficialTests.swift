// The official tests of Ethereum. State tests are run all; of the blockchain tests, each of which makes
// a database, and of the state tests in one interpreter alone, every n-th file. APUS_FIXTURE_STRIDE
// sets n for all of them; 1, as in `make conformance`, runs everything. APUS_FIXTURE_OFFSET says which
// of each n; CI takes it from the commit, so that all get their turn. Each archive has as many cases as
// its index says: a run of all must pass so many, a run of each n-th file about as many for its share.

import EVM
import Foundation
import SpecRunner
import Synchronization
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct OfficialTests {
    /// Cases of each archive.
    private static let cases = [
        "eest-state-tests": 12_158, "legacy-state-tests-frontier-constantinople": 18_225,
        "legacy-state-tests-istanbul-cancun": 75_343, "evm-benchmarks": 27,
        "eest-blockchain-tests": 10_015, "eest-engine-tests": 10_054,
        "legacy-blockchain-tests-frontier-constantinople": 1_461,
        "legacy-blockchain-tests-istanbul-cancun": 1_914,
        "legacy-blockchain-state-frontier-constantinople": 17_800,
        "legacy-blockchain-state-istanbul-cancun": 41_274,
    ]

    @Test(arguments: [
        ("eest-state-tests", 1), ("legacy-state-tests-frontier-constantinople", 1),
        ("legacy-state-tests-istanbul-cancun", 1), ("evm-benchmarks", 1),
    ])
    func `state tests`(archive: String, stride: Int) async throws {
        try await check(archive, as: .stateTest, stride: stride)
    }

    @Test(arguments: [Decoding.never, .always])
    func `state tests in one interpreter alone`(decoding: Decoding) async throws {
        for (archive, stride) in [
            ("eest-state-tests", 7), ("legacy-state-tests-frontier-constantinople", 12),
            ("legacy-state-tests-istanbul-cancun", 12),
        ] {
            try await check(archive, as: .stateTest, stride: stride, decoding)
        }
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
        _ archive: String, as format: FixtureFormat, stride: Int, _ decoding: Decoding = .whenHot
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        var run = FixtureRun(
            format: format, paths: [try Fixtures.folder(archive).path],
            stride: environment["APUS_FIXTURE_STRIDE"].flatMap { Int($0) } ?? stride)
        run.offset = environment["APUS_FIXTURE_OFFSET"].flatMap { Int($0) } ?? 0
        run.decoding = decoding
        let failures = Failures()
        let files = Atomic(0)
        let what = "\(archive)\(decoding == .whenHot ? "" : ", decoding \(decoding)")"
        let summary = try await run.execute { event in
            switch event {
            case .result(let result):
                if !result.passed { failures.add(result.line) }
            case .file(let path, let error):
                if let error { failures.add("\(path): \(error)") }
                let count = files.add(1, ordering: .relaxed).newValue
                if count.isMultiple(of: 500) { print("\(what): \(count) files") }
            }
        }
        print("\(what): \(summary.line)")
        for line in failures.first(20) { Issue.record("\(line)") }
        #expect(summary.failed == 0)
        let all = try #require(Self.cases[archive])
        if run.stride == 1 {
            #expect(summary.passed == all)
        } else {
            // Files differ in how many cases they hold, the large ones being spread over all runs.
            #expect(summary.passed * run.stride * 2 > all)
        }
    }
}

/// Lines that several threads add.
private final class Failures: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    func first(_ count: Int) -> [String] { lines.withLock { Array($0.prefix(count)) } }
}
