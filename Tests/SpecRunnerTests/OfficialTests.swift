// The official tests of Ethereum. State tests are run all; of the blockchain tests, each of which makes
// a database, and of the state tests in one interpreter alone, every n-th file. APUS_FIXTURE_STRIDE
// sets n for all of them; 1, as in `make conformance`, runs everything. APUS_FIXTURE_OFFSET says which
// of each n; CI takes it from the commit, so that all get their turn. A run of all must pass as many
// cases as the index of the archives says, any other at least one of each file.

import EVM
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
        if run.stride == 1, let all = try Fixtures.caseCount(of: archive) {
            #expect(summary.passed == all)
        } else {
            #expect(summary.passed >= max(files.load(ordering: .relaxed), 1))
        }
    }
}

/// Lines that several threads add.
private final class Failures: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) { lines.withLock { $0.append(line) } }

    func first(_ count: Int) -> [String] { lines.withLock { Array($0.prefix(count)) } }
}
