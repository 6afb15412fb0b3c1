//  Small benchmarks of the parts that execution is made of, one file a subject.
//
//      apus-bench [--json] [WORD…]     runs the benchmarks whose name contains one of the words
//      apus-bench devnet [BLOCKS [CHAINS]]     makes blocks in process (10,000 in each of 3 chains)
//      apus-bench chain MODE [COUNT]           see ChainBenchmark.swift
//      apus-bench prediction [BLOCKS]          how long forecasts take (1,500 blocks)
//
//      apus-bench echo                 answers HTTP requests with their bodies, for comparison
//      apus-bench hummingbird BODY     answers HTTP requests with a constant, for comparison
//      apus-bench load PORT PLAN …     asks an HTTP server and checks the answers: LoadGenerator.swift
//
//  The official data are read from the folder that APUS_FIXTURES names, where scripts/unpack-fixtures
//  has unpacked them.

import Foundation
import Primitives

@main
enum Benchmarks {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == "devnet" {
            let numbers = arguments.dropFirst().compactMap { Int($0) }
            try await devnetBenchmark(
                blocks: numbers.first ?? 10_000, chains: numbers.dropFirst().first ?? 3)
            // The process ends without static destructors: RocksDB's threads would meet them.
            _exit(0)
        }
        if arguments.first == "chain" {
            let numbers = arguments.compactMap { Int($0) }
            try await chainBenchmark(
                arguments.dropFirst().first ?? "import", count: numbers.first)
            _exit(0)
        }
        if arguments.first == "prediction" {
            try await predictionBenchmark(blocks: arguments.compactMap { Int($0) }.first ?? 1_500)
            _exit(0)
        }
        switch arguments.first {
        case "echo": return try await echoServer()
        case "hummingbird": return try await bareServer(arguments.dropFirst().first ?? "{}")
        case "load": return try await loadGenerator(Array(arguments.dropFirst()))
        default: break
        }
        let words = arguments.filter { $0 != "--json" }
        let format: Report.Format = arguments.contains("--json") ? .json : .table
        var report = Report(format: format, words: Array(words))
        keccakBenchmarks(&report)
        signatureBenchmarks(&report)
        stateBenchmarks(&report)
        callBenchmarks(&report)
        jsonBenchmarks(&report)
        codeBenchmarks(&report)
        precompileBenchmarks(&report)
        report.end()
    }
}

/// Runs benchmarks and prints their results.
struct Report {
    enum Format { case table, json }

    private let format: Format
    private let words: [String]
    private var results: [(name: String, nanoseconds: Double)] = []

    init(format: Format, words: [String]) {
        self.format = format
        self.words = words
    }

    /// Measures a function of which each call does `operations` of what the name says.
    ///
    /// The function is called often enough to fill a fifth of a millisecond; the result is the median of
    /// many such rounds.
    mutating func measure(_ name: String, operations: Int = 1, _ body: () -> Void) {
        guard isWanted(name) else { return }
        let clock = ContinuousClock()
        func time(_ calls: Int) -> Double {
            let duration = clock.measure { for _ in 0..<calls { body() } }
            return Double(duration.components.seconds) * 1e9
                + Double(duration.components.attoseconds) / 1e9
        }
        var calls = 1
        while time(calls) < 2e5, calls < 1 << 30 { calls *= 2 }
        let rounds = (0..<301).map { _ in time(calls) / Double(calls * operations) }.sorted()
        add(name, nanoseconds: rounds[rounds.count / 2])
    }

    /// Adds a time that was measured otherwise.
    mutating func add(_ name: String, nanoseconds: Double) {
        results.append((name, nanoseconds))
        guard format == .table else { return }
        let rate = nanoseconds > 0 ? 1e9 / nanoseconds : 0
        let label = name.padding(toLength: 44, withPad: " ", startingAt: 0)
        print(label + String(format: "%14.1f ns %16.0f /s", nanoseconds, rate))
    }

    func isWanted(_ name: String) -> Bool {
        words.isEmpty || words.contains { name.contains($0) }
    }

    /// Prints what is only printed as a whole.
    func end() {
        guard format == .json else { return }
        var writer = JSONWriter()
        writer.object { object in
            for result in results {
                object.key(result.name)
                object.number(result.nanoseconds)
            }
        }
        print(String(decoding: writer.bytes, as: UTF8.self))
    }
}

/// Keeps the optimiser from leaving out what makes a value.
@inline(never)
func keep<Value>(_ value: Value) {}
