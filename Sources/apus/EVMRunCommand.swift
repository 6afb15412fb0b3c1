//  `apus evm run`: a piece of code, run outside of any chain.

import ArgumentParser
import EVM
import EthereumTypes
import Execution
import Foundation
import Primitives
import SpecRunner

/// `apus evm run`.
struct EVMRunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run code: once, traced, or many times for its speed.",
        discussion: """
            Prints the output as hex. With --json it prints EIP-3155 trace lines instead, of which \
            the last has the output and the gas; with --bench the time of a run.

              apus evm run --code 6002600301600052602060006000f3
              apus evm run --codefile token.hex --input 0x70a08231… --json
              apus evm run --prestate genesis.json --receiver 0x… --input 0x… --bench 50
            """)

    @Argument(help: "The code, as with --code.")
    var positionalCode: String?

    @Option(help: "The code in hex; it is put at the receiver's address.")
    var code: String?

    @Option(help: "A file with the code in hex, or - for standard input.", completion: .file())
    var codefile: String?

    @Option(help: "Call data in hex; with --create it follows the initialisation code.")
    var input: String?

    @Option(help: "A file with the call data in hex.", completion: .file())
    var inputfile: String?

    @Option(help: "Gas for the code.")
    var gas: UInt64 = 10_000_000_000

    @Option(help: "Wei that the call carries; the sender must have them.")
    var value: String = "0"

    @Option(help: "The gas price that the code sees.")
    var price: String = "0"

    @Option(help: "The rules to run by, for example Cancun (default: Osaka, or the prestate's).")
    var fork: String?

    @Option(
        help: "A genesis file, or only the accounts of one (address to balance, code, storage).",
        completion: .file())
    var prestate: String?

    @Option(help: "The address that calls.")
    var sender: String?

    @Option(help: "The address that is called.")
    var receiver: String?

    @Flag(help: "Run the code as initialisation code of a new contract.")
    var create = false

    @Flag(help: "Print a line of JSON for each instruction and call (EIP-3155).")
    var json = false

    @Flag(name: .customLong("memory"), help: "With --json: with the memory.")
    var includesMemory = false

    @Flag(help: "Print the accounts afterwards.")
    var dump = false

    @Option(help: "Run this often, each time on the same state, and print the time of a run.")
    var bench: Int?

    func validate() throws {
        if let bench, bench < 1 { throw ValidationError("--bench must be at least 1.") }
        if [positionalCode, code, codefile].compactMap({ $0 }).count > 1 {
            throw ValidationError("Give the code once: as an argument, --code or --codefile.")
        }
        if input != nil, inputfile != nil {
            throw ValidationError("Give the call data once: --input or --inputfile.")
        }
    }

    func run() throws {
        let run = try makeRun()
        if let bench {
            measure(run, runs: bench)
            return
        }
        let output = BufferedOutput()
        var tracer: JSONTracer?
        if json {
            tracer = JSONTracer(options: TraceOptions(includesMemory: includesMemory)) { line in
                output.write(line)
            }
        }
        let result = run.execute(tracer: tracer)
        if dump { output.write(result.dump + [0x0a]) }
        if !json {
            output.write(Bytes("\(Hex.encode(result.output))\n".utf8))
            if let halt = result.halt { output.write(Bytes(" error: \(halt.gethText)\n".utf8)) }
        }
        output.flush()
    }

    private func measure(_ run: CodeRun, runs: Int) {
        // Also warms up what is prepared once for a code.
        let result = run.execute()
        let times = run.measure(runs: runs).map(\.nanoseconds).sorted()
        let median = times[times.count / 2]
        if json {
            var writer = JSONWriter()
            writer.object { object in
                object.key("runs")
                object.number(runs)
                object.key("gasUsed")
                object.number(result.gasUsed)
                object.key("medianNanoseconds")
                object.number(median)
                object.key("leastNanoseconds")
                object.number(times[0])
                object.key("output")
                object.hexData(result.output)
                if let halt = result.halt {
                    object.key("error")
                    object.string(halt.gethText)
                }
            }
            print(String(decoding: writer.bytes, as: UTF8.self))
            return
        }
        let rate = median > 0 ? Double(result.gasUsed) * 1000 / Double(median) : 0
        print("gas used:      \(result.gasUsed)")
        print("time per run:  \(Self.microseconds(median)) µs (median of \(runs))")
        print("fastest run:   \(Self.microseconds(times[0])) µs")
        print("speed:         \(String(format: "%.1f", rate)) Mgas/s")
        if let halt = result.halt { print("error:         \(halt.gethText)") }
    }

    private static func microseconds(_ nanoseconds: Int) -> String {
        String(format: "%.3f", Double(nanoseconds) / 1000)
    }

    // MARK: The run that the options describe

    private func makeRun() throws -> CodeRun {
        var run = CodeRun(fork: .osaka)
        run.gas = gas
        run.block.gasLimit = gas
        if let prestate {
            let file = try JSONValue(parsing: Bytes(try contents(of: prestate)))
            try run.setPrestate(file)
        }
        if let fork {
            guard let named = Fork(name: fork) else {
                throw ValidationError("Unknown fork: \(fork)")
            }
            run.fork = named
        }
        run.action = create ? .create : .call
        run.code = try codeText().map { try bytes($0, "code") }
        if let input { run.input = try bytes(input, "input") }
        if let inputfile {
            let text = String(decoding: try contents(of: inputfile), as: UTF8.self)
            run.input = try bytes(text, "input")
        }
        run.value = try word(value, "--value")
        run.gasPrice = try word(price, "--price")
        if let sender { run.sender = try address(sender, "--sender") }
        if let receiver { run.receiver = try address(receiver, "--receiver") }
        return run
    }

    private func codeText() throws -> String? {
        guard let codefile else { return code ?? positionalCode }
        let data =
            codefile == "-"
            ? FileHandle.standardInput.readDataToEndOfFile() : try contents(of: codefile)
        return String(decoding: data, as: UTF8.self)
    }

    private func contents(of path: String) throws -> Data {
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ValidationError("\(path) cannot be read.")
        }
    }

    private func bytes(_ text: String, _ what: String) throws -> Bytes {
        guard let bytes = Hex.decode(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw ValidationError("The \(what) is not hexadecimal.")
        }
        return bytes
    }

    private func word(_ text: String, _ option: String) throws -> UInt256 {
        let isHex = text.hasPrefix("0x")
        guard let word = isHex ? UInt256(hex: text) : UInt256(decimal: text) else {
            throw ValidationError("\(option) is not a number of 256 bits.")
        }
        return word
    }

    private func address(_ text: String, _ option: String) throws -> Address {
        guard let address = Address(hex: text.hasPrefix("0x") ? text : "0x" + text) else {
            throw ValidationError("\(option) is not an address.")
        }
        return address
    }
}

extension Duration {
    fileprivate var nanoseconds: Int {
        Int(components.seconds) * 1_000_000_000 + Int(components.attoseconds / 1_000_000_000)
    }
}

/// Standard output or a file, written in large pieces.
final class BufferedOutput {
    private let handle: FileHandle
    private var buffer: Bytes = []

    init(_ handle: FileHandle = .standardOutput) { self.handle = handle }

    func write(_ bytes: Bytes) {
        buffer += bytes
        if buffer.count > 1 << 16 { flush() }
    }

    func flush() {
        handle.write(Data(buffer))
        buffer.removeAll(keepingCapacity: true)
    }
}
