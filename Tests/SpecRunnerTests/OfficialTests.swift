// The official tests of Ethereum, all of them unless a stride is given in APUS_FIXTURE_STRIDE.

import Foundation
import SpecRunner
import Synchronization
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct OfficialTests {
    @Test(arguments: [
        "eest-state-tests", "legacy-state-tests-frontier-constantinople",
        "legacy-state-tests-istanbul-cancun", "evm-benchmarks",
    ])
    func `state tests`(archive: String) throws {
        try check(archive, as: .stateTest)
    }

    @Test(arguments: [
        "eest-blockchain-tests", "legacy-blockchain-tests-frontier-constantinople",
        "legacy-blockchain-tests-istanbul-cancun",
        "legacy-blockchain-state-frontier-constantinople",
        "legacy-blockchain-state-istanbul-cancun",
    ])
    func `blockchain tests`(archive: String) throws {
        try check(archive, as: .blockTest)
    }

    private func check(_ archive: String, as format: FixtureFormat) throws {
        let stride = ProcessInfo.processInfo.environment["APUS_FIXTURE_STRIDE"].flatMap { Int($0) }
        let run = FixtureRun(
            format: format, paths: [try Fixtures.folder(archive).path], stride: stride ?? 1)
        let failures = Mutex<[String]>([])
        let summary = try run.execute { event in
            switch event {
            case .result(let result):
                if !result.passed { failures.withLock { $0.append(result.line) } }
            case .file(let path, let error):
                if let error { failures.withLock { $0.append("\(path): \(error)") } }
            }
        }
        for failure in failures.withLock({ $0.prefix(20) }) { Issue.record("\(failure)") }
        #expect(summary.passed > 0)
        #expect(summary.failed == 0)
        #expect(summary.skipped == 0)
    }
}
