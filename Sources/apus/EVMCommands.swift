//  `apus evm`: the node's execution without a node, and the official tests on it.

import ArgumentParser
import EVM
import EthereumTypes
import Foundation
import Node
import SpecRunner
import Synchronization

/// Runs the official tests of Ethereum.
struct EVMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evm",
        abstract: "Run code, state transitions and official tests, without a node.",
        version: versionLine,
        subcommands: [
            EVMRunCommand.self, EVMTransitionCommand.self, StateTestCommand.self,
            BlockTestCommand.self, EngineTestCommand.self,
        ])

    // The official test generator knows geth's tool by these words, and asks for them with `-v`.
    private static let versionLine = "evm version apus/\(apusVersion)"

    @Flag(name: .customShort("v"), help: "Show the version.")
    var showsVersion = false

    func run() async throws {
        guard showsVersion else { throw CleanExit.helpRequest(self) }
        print(Self.versionLine)
    }
}

/// `apus evm statetest`.
struct StateTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statetest",
        abstract: "Run state tests: single transactions on given states.")

    @OptionGroup var options: FixtureOptions

    @Option(help: "What runs the code: auto, bytecode or decoded. The results are the same.")
    var engine = Engine.auto

    enum Engine: String, ExpressibleByArgument, CaseIterable {
        case auto, bytecode, decoded
    }

    func run() async throws {
        let decoding: Decoding =
            switch engine {
            case .auto: .whenHot
            case .bytecode: .never
            case .decoded: .always
            }
        try await options.run(.stateTest, decoding)
    }
}

/// `apus evm blocktest`.
struct BlockTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blocktest",
        abstract: "Run blockchain tests: chains of valid and invalid blocks.")

    @OptionGroup var options: FixtureOptions

    func run() async throws { try await options.run(.blockTest(FixtureDatabases())) }
}

/// `apus evm enginetest`.
struct EngineTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enginetest",
        abstract: "Run engine tests: blocks given through the Engine API's HTTP port.",
        discussion: """
            Each case gets a node of its own, whose authenticated port is called with signed tokens
            as a consensus client does.
            """)

    @OptionGroup var options: FixtureOptions

    func run() async throws { try await options.run(.engineTest(FixtureDatabases())) }
}

/// What these commands take.
struct FixtureOptions: ParsableArguments {
    @Argument(help: "Fixture files, or folders of them.", completion: .file())
    var paths: [String]

    @Option(name: .customLong("run"), help: "Only cases whose name contains this.")
    var nameFilter: String?

    @Option(help: "Only cases of this fork, for example Cancun.")
    var fork: String?

    @Option(help: "Only every n-th file.")
    var stride = 1

    @Option(name: .shortAndLong, help: "Files run at the same time (default: one a core).")
    var jobs: Int?

    @Flag(help: "Print one JSON object for each case.")
    var json = false

    @Flag(help: "Print the cases that fail and no others.")
    var failures = false

    func validate() throws {
        if let fork, Fork(name: fork) == nil { throw ValidationError("Unknown fork: \(fork)") }
        if stride < 1 || (jobs ?? 1) < 1 {
            throw ValidationError("--stride and --jobs must be at least 1.")
        }
    }

    func run(_ format: FixtureFormat, _ decoding: Decoding = .whenHot) async throws {
        var run = FixtureRun(
            format: format, paths: paths, nameFilter: nameFilter,
            fork: fork.flatMap { Fork(name: $0) }, stride: stride)
        if let jobs { run.jobs = jobs }
        run.decoding = decoding
        let progress = Progress()
        let summary = try await run.execute { event in
            switch event {
            case .result(let result):
                progress.count(result)
                guard !result.passed || !failures else { return }
                print(json ? result.json : result.line)
            case .file(let path, let error):
                progress.finish(path, error)
            }
        }
        progress.end()
        print(summary.line)
        if summary.failed > 0 { throw ExitCode.failure }
    }
}

/// A line on standard error that tells how far the run is.
private final class Progress: Sendable {
    private struct Counts {
        var files = 0
        var cases = 0
        var failed = 0
    }

    private let counts = Mutex(Counts())

    func count(_ result: CaseResult) {
        counts.withLock { counts in
            counts.cases += 1
            if !result.passed { counts.failed += 1 }
        }
    }

    func finish(_ path: String, _ error: String?) {
        let line = counts.withLock { counts -> String? in
            counts.files += 1
            guard counts.files.isMultiple(of: 50) else { return nil }
            return "\r\(counts.files) files, \(counts.cases) cases, \(counts.failed) failed"
        }
        if let error { write("\(path): \(error)\n") }
        if let line { write(line) }
    }

    func end() { write("\n") }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
