import EVM
import EthereumTypes
import Execution
import Foundation
import Primitives
import State
import Testing

/// go-ethereum's own cases for its tracers, `eth/tracers/internal/tracetest/testdata`. They are not
/// part of this repository: `make tracer-vectors` says how to get and run them.
@Suite(.enabled(if: TracerVectors.areAvailable, TracerVectors.hint))
struct TracerVectorTests {
    @Test(arguments: [
        ("call_tracer", "callTracer", 15), ("call_tracer_withLog", "callTracer", 10),
        ("call_tracer_flat", "flatCallTracer", 32), ("prestate_tracer", "prestateTracer", 11),
        ("prestate_tracer_with_diff_mode", "prestateTracer", 13),
        ("erc7562_tracer", "erc7562Tracer", 3),
    ])
    func `a tracer answers as geth's`(folder: String, tracer: String, count: Int) throws {
        let vectors = try TracerVectors.all(in: folder)
        #expect(vectors.count >= count)
        for vector in vectors {
            let have = try vector.run(tracer)
            let want = try #require(vector.expected)
            let found = differences(have, want, countsZero: tracer != "flatCallTracer")
            #expect(found == [], "\(folder)/\(vector.name)")
        }
    }
}

/// Where two values differ, and how.
///
/// - Parameter countsZero: whether zero differs from what is not there. geth reads flat traces into
///   values whose missing members are zero, and compares those.
private func differences(
    _ have: JSONValue, _ want: JSONValue, countsZero: Bool, at path: String = ""
) -> [String] {
    switch (have, want) {
    case (.null, let other) where !countsZero, (let other, .null) where !countsZero:
        return isZero(other) ? [] : ["\(path): \("\(other)".prefix(200)) on one side only"]
    case (.object(let have), .object(let want)):
        return Set(have.keys).union(want.keys).sorted().flatMap { key in
            differences(
                have[key] ?? .null, want[key] ?? .null, countsZero: countsZero,
                at: path + "." + key)
        }
    case (.array(let have), .array(let want)) where have.count == want.count:
        return zip(have, want).enumerated().flatMap { index, pair in
            differences(pair.0, pair.1, countsZero: countsZero, at: path + "[\(index)]")
        }
    default:
        return have == want
            ? [] : ["\(path): \("\(have)".prefix(200)), not \("\(want)".prefix(200))"]
    }
}

/// Whether a member with this value reads as one that is missing.
private func isZero(_ value: JSONValue) -> Bool {
    switch value {
    case .null: true
    case .string(let text): text.hasPrefix("0x") && text.dropFirst(2).allSatisfy { $0 == "0" }
    case .object(let members): members.allSatisfy { isZero($0.value) }
    case .bool, .number, .array: false
    }
}

private struct TracerVectors {
    static let hint: Comment =
        "Set APUS_TRACER_VECTORS to go-ethereum's eth/tracers/internal/tracetest/testdata."

    static var root: URL? {
        ProcessInfo.processInfo.environment["APUS_TRACER_VECTORS"].map { URL(filePath: $0) }
    }

    static var areAvailable: Bool { root != nil }

    let name: String
    let file: JSONValue

    static func all(in folder: String) throws -> [TracerVectors] {
        let folder = try #require(root).appending(path: folder)
        return try FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: nil
        ).filter { $0.pathExtension == "json" }
            .sorted { $0.path < $1.path }
            .map { file in
                TracerVectors(
                    name: file.lastPathComponent,
                    file: try JSONValue(parsing: Bytes(Data(contentsOf: file))))
            }
    }

    var expected: JSONValue? { file["result"].map(Self.comparable) }

    func run(_ tracer: String) throws -> JSONValue {
        let genesis = try genesis()
        let encoded = try #require(file["input"]?.stringValue.flatMap { Hex.decode($0) })
        let transaction = try #require(
            RecoveredTransaction(recovering: try Transaction(encoded: encoded)))
        let recorder = kind(tracer).recorder(of: TraceSubject(), limit: .max)
        let outcome = try processTransaction(
            transaction, in: try context(genesis),
            state: JournaledState(reader: InMemoryState(genesis: genesis)),
            gasAvailable: .max, blobGasAvailable: .max, tracer: recorder)
        return Self.comparable(
            try JSONValue(parsing: recorder.result(of: outcome, limit: .max)))
    }

    /// The file's genesis with a configuration that chains of today have: geth's tests know Clique,
    /// and forks that come together here apart.
    private func genesis() throws -> Genesis {
        var genesis = try #require(file["genesis"]?.objectValue)
        let given = try #require(genesis["config"]?.objectValue)
        // Go reads names in any case.
        var config = JSONObject(
            given.map { (key: $0.key.prefix(1).lowercased() + $0.key.dropFirst(), value: $0.value) }
        )
        config["clique"] = nil
        if config["eip150Block"]?.intValue == 0 { config["homesteadBlock"] = 0 }
        // The blocks of these files come after all of these forks.
        if let byzantium = config["byzantiumBlock"]?.intValue,
            let spurious = config["eip158Block"]?.intValue, spurious > byzantium
        {
            config["eip158Block"] = config["byzantiumBlock"]
        }
        if let block = config["eip158Block"] { config["eip155Block"] = block }
        genesis["config"] = .object(config)
        return try Genesis(json: .object(genesis))
    }

    private func kind(_ tracer: String) -> TraceKind {
        let config = file["tracerConfig"]
        func has(_ option: String) -> Bool { config?[option]?.boolValue ?? false }
        return switch tracer {
        case "callTracer":
            .calls(
                CallTracer.Options(
                    isTopCallOnly: has("onlyTopCall"), includesLogs: has("withLog")))
        case "flatCallTracer":
            .flatCalls(
                FlatCallTracer.Options(
                    hasParityErrors: has("convertParityErrors"),
                    includesPrecompiles: has("includePrecompiles")))
        case "erc7562Tracer":
            .userOperations(UserOperationTracer.Options(includesLogs: has("withLog")))
        default:
            .prestate(
                PrestateTracer.Options(
                    isDifference: has("diffMode"), includesCode: !has("disableCode"),
                    includesStorage: !has("disableStorage"), includesEmpty: has("includeEmpty")))
        }
    }

    /// The block as geth's tests make it: proof of stake if it is so from the start.
    private func context(_ genesis: Genesis) throws -> ExecutionContext {
        let isMerged = genesis.config.terminalTotalDifficulty?.isZero ?? false
        let number = try #require(quantity("number")?.asUInt64)
        let time = try #require(quantity("timestamp")?.asUInt64)
        let fork = genesis.config.fork(number: number, timestamp: time, isPostMerge: isMerged)
        return ExecutionContext(
            config: genesis.config, fork: fork,
            block: BlockEnvironment(
                coinbase: try #require(
                    file["context"]?["miner"]?.stringValue.flatMap { Address(hex: $0) }),
                number: number, timestamp: time,
                gasLimit: try #require(quantity("gasLimit")?.asUInt64),
                baseFeePerGas: quantity("baseFeePerGas") ?? .zero,
                difficulty: isMerged ? .zero : quantity("difficulty") ?? .zero,
                prevRandao: genesis.prevRandao, blobBaseFee: 1,
                chainId: UInt256(genesis.config.chainId)))
    }

    private func quantity(_ name: String) -> UInt256? {
        guard let value = file["context"]?[name] else { return nil }
        let text = value.stringValue ?? value.numberText ?? ""
        return text.hasPrefix("0x") ? UInt256(hex: text) : UInt256(decimal: text)
    }

    /// Without what geth's tests do not compare: where the transaction stands, members that are null,
    /// and the order of members.
    private static func comparable(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let elements): .array(elements.map(comparable))
        case .object(let object):
            .object(
                JSONObject(
                    object.filter { !ignored.contains($0.key) && !$0.value.isNull }
                        // Files from before logs had an index.
                        .filter { $0.key != "index" || $0.value != "0x0" }
                        .map { (key: $0.key, value: comparable($0.value)) }
                        .sorted { $0.key < $1.key }))
        case .null, .bool, .number, .string: value
        }
    }

    private static let ignored: Set<String> = [
        "blockHash", "blockNumber", "transactionHash", "transactionPosition", "time",
    ]
}
