//  EIP-3155: one line of JSON for each instruction, and one at the end of each call, with the keys,
//  the order and the repetitions of geth's `evm --json`.

public import EVM
import EthereumTypes
public import Primitives

/// Writes a trace line by line while the code runs.
public final class JSONTracer: Tracer {
    /// Which calls have a line at their beginning (geth's `--trace.callframes`).
    public enum CallLines: Sendable { case ends, beginningsAndEnds }

    private let options: TraceOptions
    private let callLines: CallLines
    private let write: (Bytes) -> Void

    private var pending: TracedStep?
    /// Lines of a call that was made and is over (or about to begin) before its instruction has ended.
    private var held: [Bytes] = []
    private var written = 0

    /// - Parameter write: gets each line, with the newline at its end.
    public init(
        options: TraceOptions = TraceOptions(), callLines: CallLines = .ends,
        write: @escaping (Bytes) -> Void
    ) {
        self.options = options
        self.callLines = callLines
        self.write = write
    }

    /// Keeps the instruction until its price is known.
    public func step(_ step: borrowing Step) {
        pending = TracedStep(step, options)
    }

    /// Writes the instruction, and the calls that it has made and that are over.
    public func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        guard let step = pending else { return }
        pending = nil
        // geth reports an instruction, and once more if it fails after its gas was paid; REVERT too
        // counts as failing.
        let halt = halt ?? (step.opcode == .revert ? .reverted : nil)
        if let halt, !halt.precedesInstruction(step.opcode) {
            emit(step, gasCost: gasCost, refund: refund, halt: nil)
            // By then it has taken its operands.
            emit(
                step.withoutOperands(after: halt), gasCost: gasCost, refund: refund, halt: halt)
        } else {
            emit(step, gasCost: gasCost, refund: refund, halt: halt)
        }
        for line in held { put(line) }
        held.removeAll()
    }

    /// Writes a line if the beginnings of calls have one.
    public func callEnter(_ entry: CallEntry) {
        guard callLines == .beginningsAndEnds else { return }
        var line = JSONWriter()
        line.object { line in
            line.key("from")
            line.address(entry.caller)
            line.key("to")
            line.address(entry.kind.isDelegated ? entry.codeAddress : entry.recipient)
            if options.includesMemory, !entry.input.isEmpty {
                line.key("input")
                line.hexData(entry.input)
            }
            line.key("gas")
            line.hexQuantity(entry.gas)
            line.key("value")
            if entry.kind == .delegateCall || entry.kind == .staticCall {
                line.null()
            } else {
                line.hexQuantity(entry.value)
            }
            line.key("type")
            line.string(entry.kind.tracedName)
        }
        putInOrder(line)
    }

    /// Writes the output and the gas of a call.
    public func callExit(_ exit: CallExit) {
        var line = JSONWriter()
        line.object { line in
            line.key("output")
            line.string(String(Hex.encode(exit.output).dropFirst(2)))
            line.key("gasUsed")
            line.hexQuantity(exit.gasUsed)
            if let halt = exit.halt {
                line.key("error")
                line.string(halt.gethText)
            }
        }
        putInOrder(line)
    }

    private func emit(_ step: TracedStep, gasCost: Gas, refund: Int, halt: Halt?) {
        if let limit = options.byteLimit, written > limit { return }
        var line = JSONWriter(capacity: 256)
        line.object { line in
            line.key("pc")
            line.number(step.pc)
            line.key("op")
            line.number(Int(step.opcode.rawValue))
            line.key("gas")
            line.hexQuantity(step.gas)
            line.key("gasCost")
            line.hexQuantity(gasCost)
            if let memory = step.memory {
                line.key("memory")
                line.hexData(memory)
            }
            line.key("memSize")
            line.number(step.memorySize)
            line.key("stack")
            if let stack = step.stack {
                line.array { line in
                    for word in stack { line.hexQuantity(word) }
                }
            } else {
                line.null()
            }
            if let returnData = step.returnData {
                line.key("returnData")
                line.hexData(returnData)
            }
            line.key("depth")
            line.number(step.depth + 1)
            line.key("refund")
            line.number(max(refund, 0))
            line.key("opName")
            line.string(step.opcode.tracedName)
            if let halt {
                line.key("error")
                line.string(halt.gethText)
            }
        }
        put(line.bytes)
    }

    /// A call's line comes after that of the instruction that made it.
    private func putInOrder(_ line: JSONWriter) {
        if pending == nil { put(line.bytes) } else { held.append(line.bytes) }
    }

    private func put(_ line: Bytes) {
        written += line.count + 1
        write(line + [0x0a])
    }
}

extension Halt {
    /// Whether geth notices the failure before it reports the instruction: too few or too many words,
    /// too little gas, and what it checks while it computes the gas.
    func precedesInstruction(_ opcode: Opcode) -> Bool {
        switch self {
        case .outOfGas, .stackUnderflow, .stackOverflow, .initCodeTooLarge, .reentrancySentry: true
        case .writeProtection: opcode == .sstore || opcode == .call || opcode == .selfdestruct
        case .reverted, .invalidJump, .invalidOpcode, .returnDataOutOfBounds, .callDepthExceeded,
            .insufficientBalance, .addressCollision, .nonceOverflow, .codeTooLarge,
            .invalidCodePrefix, .codeStoreOutOfGas, .precompileFailed, .cancelled:
            false
        }
    }
}

extension CallKind {
    /// The name that geth gives this kind of frame: that of its instruction.
    public var tracedName: String {
        switch self {
        case .call: "CALL"
        case .callCode: "CALLCODE"
        case .delegateCall: "DELEGATECALL"
        case .staticCall: "STATICCALL"
        case .create: "CREATE"
        case .create2: "CREATE2"
        case .selfDestruct: "SELFDESTRUCT"
        }
    }

    /// Whether the code of one account runs on the state of another.
    var isDelegated: Bool { self == .delegateCall || self == .callCode }
}
