//  The struct logger: all instructions of a transaction in one JSON object, as geth's
//  `debug_traceTransaction` answers unless it is given a tracer.

public import EVM
import EthereumTypes
public import Primitives

/// Collects the instructions of one transaction.
public final class StructLogger: TraceRecorder {
    private let options: TraceOptions
    private let limit: Int
    private var isTooLarge = false
    private var pending: TracedStep?
    private var pendingStorage: [UInt256: UInt256]?
    /// What SLOAD and SSTORE have shown, by account.
    private var storage: [Address: [UInt256: UInt256]] = [:]
    /// The elements of `structLogs` with the commas between them.
    private var entries = JSONWriter()

    /// An empty log that keeps no more than so many bytes.
    public init(options: TraceOptions = TraceOptions(), limit: Int = .max) {
        self.options = options
        self.limit = limit
        entries.beginArray()
    }

    /// Keeps the instruction until its price is known.
    public func step(_ step: borrowing Step) {
        pending = TracedStep(step, options)
        pendingStorage = options.includesStorage ? shownStorage(step) : nil
    }

    /// Appends the instruction.
    public func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        guard let step = pending else { return }
        pending = nil
        if let limit = options.byteLimit, entries.bytes.count > limit { return }
        isTooLarge = isTooLarge || entries.bytes.count > limit
        guard !isTooLarge else { return }
        // A failure after the gas was paid is not the instruction's: geth leaves it out here.
        let failure = halt.flatMap { $0.precedesInstruction(step.opcode) ? $0 : nil }
        append(step, gasCost: gasCost, refund: refund, failure: failure)
    }

    /// The result, unless it lacks what the options did not leave out.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        guard !isTooLarge else { throw TraceTooLarge() }
        return try result(of: outcome).within(limit)
    }

    /// The result object: gas, success, return value and the instructions.
    public func result(of outcome: TransactionOutcome) -> Bytes {
        entries.endArray()
        var writer = JSONWriter(capacity: entries.bytes.count + 256)
        writer.object { writer in
            writer.key("gas")
            writer.number(outcome.gasUsed)
            writer.key("failed")
            writer.bool(!outcome.succeeded)
            writer.key("returnValue")
            writer.hexData(outcome.output)
            writer.key("structLogs")
            writer.raw(entries.bytes)
        }
        return writer.bytes
    }

    /// The account's storage as the trace has shown it, if this instruction adds to that.
    private func shownStorage(_ step: borrowing Step) -> [UInt256: UInt256]? {
        guard let slot = step.stack(fromTop: 0) else { return nil }
        if step.opcode == .sload {
            storage[step.address, default: [:]][slot] = step.storage(slot)
        } else if step.opcode == .sstore, let value = step.stack(fromTop: 1) {
            storage[step.address, default: [:]][slot] = value
        } else {
            return nil
        }
        return storage[step.address]
    }

    private func append(_ step: TracedStep, gasCost: Gas, refund: Int, failure: Halt?) {
        entries.object { entry in
            entry.key("pc")
            entry.number(step.pc)
            entry.key("op")
            entry.string(step.opcode.tracedName)
            entry.key("gas")
            entry.number(step.gas)
            entry.key("gasCost")
            entry.number(gasCost)
            entry.key("depth")
            entry.number(step.depth + 1)
            if let failure {
                entry.key("error")
                entry.string(failure.gethText)
            }
            if let stack = step.stack {
                entry.key("stack")
                entry.array { entry in
                    for word in stack { entry.hexQuantity(word) }
                }
            }
            if let returnData = step.returnData {
                entry.key("returnData")
                entry.hexData(returnData)
            }
            if let memory = step.memory {
                entry.key("memory")
                entry.array { entry in
                    // The size of a memory is a multiple of 32.
                    for start in stride(from: 0, to: memory.count, by: 32) {
                        entry.hexData(memory[start..<start + 32])
                    }
                }
            }
            if let storage = pendingStorage {
                entry.key("storage")
                entry.object { entry in
                    for (slot, value) in storage.sorted(by: { $0.key < $1.key }) {
                        entry.key(Hash256(slot).description)
                        entry.hexWord(value)
                    }
                }
            }
            if refund > 0 {
                entry.key("refund")
                entry.number(refund)
            }
        }
    }
}
