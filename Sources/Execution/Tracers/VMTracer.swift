//  Parity's `vmTrace`: the instructions of each frame, with what they pushed, wrote and left.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Writes the instructions of a transaction while they run, those of a call inside of the instruction
/// that made it.
///
/// What an instruction did is only known when the next one of its frame begins, so its members come
/// in the order in which they become known: cost, place and name, then the frame that it made, then
/// what it did.
public final class VMTracer: Tracer {
    /// An instruction whose effect is not known yet.
    private struct Pending {
        let opcode: Opcode
        let gas: Gas
        var cost: Gas = 0
        var hasSub = false
        /// Where in memory it writes.
        let memory: (offset: UInt256, count: UInt256)?
        let store: (key: UInt256, value: UInt256)?
    }

    private struct Frame {
        let code: Bytes
        /// False: a precompile or a self-destruction, which has no instructions.
        let isShown: Bool
        var isOpen = false
        var pending: Pending?
    }

    private let limit: Int
    private var writer = JSONWriter()
    private var frames: [Frame] = []
    private var state: JournaledState?
    private var fork = Fork.frontier
    /// The code of a frame that was over before its instruction was.
    private var finishedSub: Bytes?
    /// Where the present instruction stands.
    private var pc = 0

    /// Whether more was written than may be kept.
    private var isTooLarge: Bool { writer.bytes.count > limit }

    /// A tracer that keeps no more than so many bytes.
    public init(limit: Int) {
        self.limit = limit
    }

    /// Remembers where code is found.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        self.state = state
        self.fork = fork
    }

    /// Lets go of the state.
    public func transactionEnds(gasUsed: Gas) { state = nil }

    /// The trace; null if nothing ran.
    public func result() throws(TraceTooLarge) -> Bytes {
        writer.bytes.isEmpty ? Bytes("null".utf8) : try writer.bytes.within(limit)
    }

    /// Begins a frame. The outermost one is written at once, others after their instruction's head.
    public func callEnter(_ entry: CallEntry) {
        let isCreation = entry.kind == .create || entry.kind == .create2
        let isShown =
            entry.kind != .selfDestruct
            && (isCreation || !Precompiles.contains(entry.codeAddress, at: fork))
        let code =
            isCreation ? entry.input : isShown ? state?.code(entry.codeAddress) ?? [] : []
        frames.append(Frame(code: code, isShown: isShown))
        if frames.count == 1 { open() }
    }

    /// Ends a frame with the instruction that ended it.
    public func callExit(_ exit: CallExit) {
        guard let frame = frames.last else { return }
        if let pending = frame.pending { complete(pending, after: nil) }
        frames.removeLast()
        guard !isTooLarge, frame.isShown else { return }
        if frame.isOpen {
            writer.endArray()
            writer.endObject()
        } else {
            finishedSub = frame.code
        }
    }

    /// Writes what the instruction before did.
    public func step(_ step: borrowing Step) {
        guard !isTooLarge, let frame = frames.last else { return }
        if let pending = frame.pending { complete(pending, after: Effect(pending, step)) }
        frames[frames.count - 1].pending = Pending(
            opcode: step.opcode, gas: step.gas, memory: step.writtenMemory,
            store: step.opcode == .sstore ? step.store : nil)
        pc = step.pc
    }

    /// Writes what is known of the instruction, and the frame that it made.
    public func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        guard !isTooLarge else { return }
        // The frame that the instruction made may be the last already.
        guard let index = frames.lastIndex(where: { $0.pending != nil }),
            var pending = frames[index].pending
        else { return }
        pending.cost = gasCost
        writer.beginObject()
        writer.key("cost")
        writer.number(gasCost)
        writer.key("pc")
        writer.number(pc)
        writer.key("op")
        writer.string(pending.opcode.tracedName)
        if halt != nil {
            writer.key("sub")
            writer.null()
            writer.key("ex")
            writer.null()
            writer.endObject()
            frames[index].pending = nil
            return
        }
        if index + 1 < frames.count, frames[index + 1].isShown {
            writer.key("sub")
            open()
            pending.hasSub = true
        } else if let code = finishedSub {
            writer.key("sub")
            writer.object { writer in
                writer.key("code")
                writer.hexData(code)
                writer.key("ops")
                writer.array { _ in }
            }
            pending.hasSub = true
        }
        finishedSub = nil
        frames[index].pending = pending
    }

    /// Begins the object of the last frame.
    private func open() {
        writer.beginObject()
        writer.key("code")
        writer.hexData(frames[frames.count - 1].code)
        writer.key("ops")
        writer.beginArray()
        frames[frames.count - 1].isOpen = true
    }

    /// What an instruction did.
    private struct Effect {
        let push: [UInt256]
        let memory: (offset: UInt256, data: Bytes)?
        let gasLeft: Gas

        init(_ pending: Pending, _ next: borrowing Step) {
            var push: [UInt256] = []
            for index in (0..<pending.opcode.pushedCount).reversed() {
                if let word = next.stack(fromTop: index) { push.append(word) }
            }
            self.push = push
            if let written = pending.memory,
                let data = next.memory(at: written.offset, count: written.count)
            {
                memory = (written.offset, data)
            } else {
                memory = nil
            }
            gasLeft = next.gas
        }
    }

    private func complete(_ pending: Pending, after effect: Effect?) {
        frames[frames.count - 1].pending = nil
        guard !isTooLarge else { return }
        if !pending.hasSub {
            writer.key("sub")
            writer.null()
        }
        writer.key("ex")
        writer.object { writer in
            writer.key("mem")
            if let memory = effect?.memory {
                writer.object { writer in
                    writer.key("data")
                    writer.hexData(memory.data)
                    writer.key("off")
                    writer.number(memory.offset.asUInt64 ?? 0)
                }
            } else {
                writer.null()
            }
            writer.key("push")
            writer.array { writer in
                for word in effect?.push ?? [] { writer.hexQuantity(word) }
            }
            writer.key("store")
            if let store = pending.store {
                writer.object { writer in
                    writer.key("key")
                    writer.hexQuantity(store.key)
                    writer.key("val")
                    writer.hexQuantity(store.value)
                }
            } else {
                writer.null()
            }
            writer.key("used")
            writer.number(effect?.gasLeft ?? pending.gas - min(pending.cost, pending.gas))
        }
        writer.endObject()
    }
}

extension Step {
    /// The slot and the value of an SSTORE.
    fileprivate var store: (key: UInt256, value: UInt256)? {
        guard let key = stack(fromTop: 0), let value = stack(fromTop: 1) else { return nil }
        return (key, value)
    }

    /// Where the instruction writes to memory, or reads it with MLOAD, as Parity shows it.
    fileprivate var writtenMemory: (offset: UInt256, count: UInt256)? {
        let range: (offset: UInt256?, count: UInt256?) =
            switch opcode {
            case .mload, .mstore: (stack(fromTop: 0), 32)
            case .mstore8: (stack(fromTop: 0), 1)
            case .calldatacopy, .codecopy, .returndatacopy, .mcopy:
                (stack(fromTop: 0), stack(fromTop: 2))
            case .extcodecopy: (stack(fromTop: 1), stack(fromTop: 3))
            case .call, .callcode: (stack(fromTop: 5), stack(fromTop: 6))
            case .delegatecall, .staticcall: (stack(fromTop: 4), stack(fromTop: 5))
            default: (nil, nil)
            }
        guard let offset = range.offset, let count = range.count, !count.isZero else { return nil }
        return (offset, count)
    }
}

extension Opcode {
    /// How many words Parity shows as pushed: those that DUP and SWAP pass over as well.
    fileprivate var pushedCount: Int {
        if rawValue >= Opcode.dup1.rawValue, rawValue <= Opcode.swap16.rawValue {
            return Int((rawValue - Opcode.dup1.rawValue) % 16) + 2
        }
        switch self {
        case .stop, .calldatacopy, .codecopy, .extcodecopy, .returndatacopy, .pop, .mstore,
            .mstore8, .sstore, .jump, .jumpi, .jumpdest, .tstore, .mcopy, .log0, .log1, .log2,
            .log3, .log4, .return, .revert, .invalid, .selfdestruct:
            return 0
        default: return name == nil ? 0 : 1
        }
    }
}
