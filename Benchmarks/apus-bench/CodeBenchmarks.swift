import EVM
import Foundation
import Primitives
import SpecRunner

/// What making code ready costs for each byte: finding the jump destinations, and decoding. The
/// codes are the contracts of the evm-benchmarks in the folder that APUS_FIXTURES names.
func codeBenchmarks(_ report: inout Report) {
    guard let fixtures = ProcessInfo.processInfo.environment["APUS_FIXTURES"] else { return }
    let folder = URL(fileURLWithPath: "\(fixtures)/evm-benchmarks/main")
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    var all: [Bytes] = []
    for file in files.sorted() where file.hasSuffix(".json") {
        guard let data = try? Data(contentsOf: folder.appendingPathComponent(file)),
            let tests = try? JSONValue(parsing: Bytes(data)).objectValue
        else { preconditionFailure("\(file) is no fixture.") }
        // The largest contract of the file.
        let codes = tests.values.flatMap { test in
            (test["pre"]?.objectValue ?? [:]).values.compactMap {
                $0["code"]?.stringValue.flatMap { Hex.decode($0) }
            }
        }
        guard let code = codes.max(by: { $0.count < $1.count }), !all.contains(code) else {
            continue
        }
        all.append(code)
        report.measure("code translation \(file.dropLast(5)), a byte", [code])
    }
    report.measure("code translation of all, a byte", all)
    report.measure("code translation of the largest, a byte", largest(of: all))
    report.measure("jump destinations, a byte", operations: all.reduce(0) { $0 + $1.count }) {
        for code in all { keep(Code.prepared(code)) }
    }
}

/// The first 24 KiB of the codes, one behind the other: as much as a contract may have.
private func largest(of codes: [Bytes]) -> [Bytes] {
    [Bytes(codes.sorted { $0.count > $1.count }.joined().prefix(24_576))]
}

extension Report {
    /// Measures how codes become decoded code, from their bytes on.
    fileprivate mutating func measure(_ name: String, _ codes: [Bytes]) {
        measure(name, operations: codes.reduce(0) { $0 + $1.count }) {
            for code in codes { keep(Code.prepared(code).decodedSize(at: .osaka)) }
        }
    }
}
