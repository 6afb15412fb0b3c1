//  `apus evm t8n`: the state transition tool, with the options and files of geth's.

import ArgumentParser
import EVM
import Execution
import Foundation
import Primitives
import SpecRunner

/// `apus evm t8n`.
struct EVMTransitionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "t8n",
        abstract: "Apply transactions to accounts and print what a block would commit to.",
        discussion: """
            Reads accounts (alloc), a block (env) and transactions (txs) as JSON from files, or all \
            those that are given as `stdin` from one object on standard input. What makes the block \
            itself invalid is the result's `blockException`. Exit status: 3 the fork or env does not \
            fit; 4 BLOCKHASH of a block not named; 10 wrong JSON; 11 a file cannot be read or \
            written; 12 wrong RLP.
            """,
        aliases: ["transition"])

    @Option(
        name: .customLong("input.alloc"), help: "The accounts: a file or stdin.",
        completion: .file())
    var inputAlloc = "alloc.json"

    @Option(
        name: .customLong("input.env"), help: "The block: a file or stdin.", completion: .file())
    var inputEnv = "env.json"

    @Option(
        name: .customLong("input.txs"),
        help: "The transactions: a file (.rlp: hex of an RLP list) or stdin.", completion: .file())
    var inputTransactions = "txs.json"

    @Option(name: .customLong("output.basedir"), help: "The folder for the output files.")
    var baseFolder = ""

    @Option(name: .customLong("output.alloc"), help: "A file, stdout, stderr, or empty for none.")
    var outputAlloc = "alloc.json"

    @Option(name: .customLong("output.result"), help: "A file, stdout, stderr, or empty for none.")
    var outputResult = "result.json"

    @Option(name: .customLong("output.body"), help: "A file, stdout or stderr.")
    var outputBody = ""

    @Option(
        name: .customLong("state.fork"),
        help: ArgumentHelp(
            """
            The rules: \(Transition.forkNames.joined(separator: ", ")); or a transition between \
            two, such as ShanghaiToCancunAtTime15k.
            """))
    var fork = "GrayGlacier"

    @Option(name: .customLong("state.chainid"), help: "The chain's id.")
    var chainId: UInt64 = 1

    @Option(
        name: .customLong("state.reward"), parsing: .unconditional,
        help: "Wei for the coinbase; -1 for no reward at all.")
    var reward = "0"

    @Flag(
        name: .customLong("trace"),
        help: "Write EIP-3155 lines to trace-<index>-<hash>.jsonl for each transaction.")
    var traces = false

    @Flag(name: .customLong("trace.memory"), help: "With --trace: with the memory.")
    var tracesMemory = false

    @Flag(name: .customLong("trace.nostack"), help: "With --trace: without the stack.")
    var tracesWithoutStack = false

    @Flag(name: .customLong("trace.returndata"), help: "With --trace: with return data.")
    var tracesReturnData = false

    @Flag(name: .customLong("trace.callframes"), help: "With --trace: a line as a call begins.")
    var tracesCallFrames = false

    func run() throws {
        do {
            try transition()
        } catch let error as TransitionError {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            throw ExitCode(error.kind.rawValue)
        }
    }

    private func transition() throws {
        let config = try Transition.config(fork: fork, chainId: chainId)
        let input = try readInput()
        let transition = try Transition(
            config: config, alloc: input.alloc, environment: input.environment,
            transactions: input.transactions, reward: try parsedReward())
        if !baseFolder.isEmpty {
            do {
                try FileManager.default.createDirectory(
                    atPath: baseFolder, withIntermediateDirectories: true)
            } catch {
                throw TransitionError(.inputOutput, "failed creating output basedir: \(error)")
            }
        }
        var traceFile: BufferedOutput?
        let result = try transition.run { index, hash in
            traceFile?.flush()
            guard traces else { return nil }
            let file = try openTrace(index, hash)
            traceFile = file
            return JSONTracer(
                options: TraceOptions(
                    includesMemory: tracesMemory, includesStack: !tracesWithoutStack,
                    includesReturnData: tracesReturnData),
                callLines: tracesCallFrames ? .beginningsAndEnds : .ends
            ) { line in file.write(line) }
        }
        traceFile?.flush()
        try write(result)
    }

    private func parsedReward() throws -> Wei? {
        if reward.hasPrefix("-") { return nil }
        let isHex = reward.hasPrefix("0x")
        guard let wei = isHex ? UInt256(hex: reward) : UInt256(decimal: reward) else {
            throw TransitionError(.configuration, "--state.reward is not a number")
        }
        return wei
    }

    // MARK: Input

    private struct Input {
        let alloc: JSONValue
        let environment: TransitionEnvironment
        let transactions: [TransitionTransaction]
    }

    private func readInput() throws -> Input {
        var standardInput: JSONValue = .object([:])
        if [inputAlloc, inputEnv, inputTransactions].contains("stdin") {
            standardInput = try parse(
                FileHandle.standardInput.readDataToEndOfFile(), "standard input")
        }
        func value(_ path: String, _ key: String) throws -> JSONValue {
            path == "stdin" ? standardInput[key] ?? .null : try parse(try read(path), path)
        }
        let alloc = try value(inputAlloc, "alloc")
        return Input(
            alloc: alloc.isNull ? .object([:]) : alloc,
            environment: try TransitionEnvironment(try value(inputEnv, "env")),
            transactions: try readTransactions(standardInput))
    }

    private func readTransactions(
        _ standardInput: JSONValue
    ) throws -> [TransitionTransaction] {
        var list: JSONValue
        var encoded: String?
        if inputTransactions == "stdin" {
            list = standardInput["txs"] ?? .null
            encoded = standardInput["txsRlp"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        } else {
            list = try parse(try read(inputTransactions), inputTransactions)
            if inputTransactions.hasSuffix(".rlp") { encoded = list.stringValue ?? "-" }
        }
        if let encoded {
            guard let bytes = Hex.decode(encoded) else {
                throw TransitionError(.rlp, "the transactions are not hexadecimal")
            }
            return try TransitionTransaction.list(rlp: bytes)
        }
        return list.isNull ? [] : try TransitionTransaction.list(json: list, chainId: chainId)
    }

    private func read(_ path: String) throws -> Data {
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw TransitionError(.inputOutput, "failed reading \(path)")
        }
    }

    private func parse(_ data: Data, _ what: String) throws -> JSONValue {
        do {
            return try JSONValue(parsing: Bytes(data))
        } catch {
            throw TransitionError(.json, "failed unmarshalling \(what): \(error)")
        }
    }

    // MARK: Output

    private func write(_ result: TransitionResult) throws {
        var streams: [String: [(key: String, value: Bytes)]] = [:]
        let outputs: [(target: String, key: String, value: () -> Bytes)] = [
            (outputAlloc, "alloc", { result.allocJSON.encoded() }),
            (outputResult, "result", { result.json }),
            (outputBody, "body", { JSONValue.string(Hex.encode(result.body)).encoded() }),
        ]
        for output in outputs where !output.target.isEmpty {
            if output.target == "stdout" || output.target == "stderr" {
                streams[output.target, default: []].append((output.key, output.value()))
            } else {
                try save(output.value(), as: output.target)
            }
        }
        for (name, members) in streams {
            var writer = JSONWriter()
            writer.object { object in
                for member in members {
                    object.key(member.key)
                    object.raw(member.value)
                }
            }
            let handle: FileHandle = name == "stdout" ? .standardOutput : .standardError
            handle.write(Data(writer.bytes + [0x0a]))
        }
    }

    private func save(_ bytes: Bytes, as name: String) throws {
        do {
            try Data(bytes).write(to: file(name))
        } catch {
            throw TransitionError(.inputOutput, "failed writing output: \(error)")
        }
    }

    private func openTrace(_ index: Int, _ hash: Hash256) throws -> BufferedOutput {
        let url = file("trace-\(index)-\(hash).jsonl")
        do {
            try Data().write(to: url)
            return BufferedOutput(try FileHandle(forWritingTo: url))
        } catch {
            throw TransitionError(.inputOutput, "failed creating trace-file: \(error)")
        }
    }

    private func file(_ name: String) -> URL {
        baseFolder.isEmpty
            ? URL(fileURLWithPath: name)
            : URL(fileURLWithPath: baseFolder).appendingPathComponent(name)
    }
}
