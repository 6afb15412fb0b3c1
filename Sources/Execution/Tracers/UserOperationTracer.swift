//  geth's `erc7562Tracer` (`eth/tracers/native/erc7562.go`): what bundlers of user operations must know
//  to hold the rules of ERC-7562.

public import EVM
public import EthereumTypes
public import Primitives
public import State

/// Shows the calls of a transaction as nested objects, each with the instructions, slots and contracts
/// that its code used.
public final class UserOperationTracer: TraceRecorder {
    /// What is shown.
    public struct Options: Hashable, Sendable {
        /// The logs of frames that took effect (`withLog`).
        public var includesLogs: Bool
        /// Instructions that are not counted (`ignoredOpcodes`).
        public var ignored: Set<UInt8>

        /// Options; by default no logs, and the instructions are counted that geth counts.
        public init(includesLogs: Bool = false, ignored: Set<UInt8> = Self.harmless) {
            self.includesLogs = includesLogs
            self.ignored = ignored
        }

        /// PUSH, DUP, SWAP, POP, and the plain arithmetic that geth names.
        public static let harmless: Set<UInt8> = {
            let single: [Opcode] = [
                .pop, .add, .sub, .mul, .div, .eq, .lt, .gt, .slt, .sgt, .shl, .shr, .and, .or,
                .not, .iszero,
            ]
            return Set(Opcode.push0.rawValue...Opcode.swap16.rawValue).union(single.map(\.rawValue))
        }()
    }

    /// What the code of one frame used.
    private struct Usage {
        /// Slots by the value that the first read found, if nothing was written before.
        var reads: [UInt256: UInt256] = [:]
        var writes: [UInt256: UInt64] = [:]
        var transientReads: [UInt256: UInt64] = [:]
        var transientWrites: [UInt256: UInt64] = [:]
        var codeAccesses: [Address] = []
        var opcodes: [UInt8: UInt64] = [:]
        /// Accounts that were called or looked at, with the size of their code and the first
        /// instruction that did so.
        var contracts: [Address: (size: Int, opcode: UInt8)] = [:]
    }

    private let tree: CallTree
    private let options: Options
    private let limit: Int
    /// One for each frame of the tree.
    private var usages: [Usage] = []
    /// Indices of the frames that run, outermost first.
    private var running: [Int] = []
    /// The instruction before, with the top of the stack that it found; nil at the end of a frame.
    private var last: (opcode: Opcode, top: UInt256?)?
    private var preimages: Set<Bytes> = []
    private var state: JournaledState?
    private var size = 0

    /// A tracer that keeps no more than so many bytes.
    public init(_ options: Options = Options(), limit: Int = .max) {
        self.options = options
        self.limit = limit
        tree = CallTree(limit: limit, includesLogs: options.includesLogs)
    }

    /// Remembers the state, to look at code in it.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {
        self.state = state
        tree.transactionBegins(transaction, fork: fork, block: block, state: state)
    }

    /// Lets go of the state.
    public func transactionEnds(gasUsed: Gas) {
        state = nil
        tree.transactionEnds(gasUsed: gasUsed)
    }

    /// Begins a frame.
    public func callEnter(_ entry: CallEntry) {
        tree.callEnter(entry)
        guard !isTooLarge else { return }
        running.append(usages.count)
        usages.append(Usage())
    }

    /// Ends a frame.
    public func callExit(_ exit: CallExit) {
        tree.callExit(exit)
        if !isTooLarge { running.removeLast() }
    }

    /// Passes it to the tree.
    public func log(_ log: Log) { tree.log(log) }

    /// Counts what the instruction uses.
    public func step(_ step: borrowing Step) {
        guard !isTooLarge, let index = running.last else { return }
        let opcode = step.opcode
        if opcode == .revert || opcode == .return { last = nil }
        if let last {
            noteCodeAccess(last, before: opcode, in: &usages[index])
        }
        noteContract(step, in: &usages[index])
        // Only calls may look at the gas.
        if last?.opcode == .gas, !opcode.isCall { count(.gas, in: &usages[index]) }
        if opcode != .gas, !options.ignored.contains(opcode.rawValue) {
            count(opcode, in: &usages[index])
        }
        noteStorage(step, in: &usages[index])
        notePreimage(step)
        last = (opcode, step.stack(fromTop: 0))
    }

    private var isTooLarge: Bool { tree.isTooLarge || size > limit }

    private func count(_ opcode: Opcode, in usage: inout Usage) {
        if usage.opcodes[opcode.rawValue] == nil { size += Self.entrySize }
        usage.opcodes[opcode.rawValue, default: 0] += 1
    }

    /// To ask only whether there is code is allowed.
    private func noteCodeAccess(
        _ last: (opcode: Opcode, top: UInt256?), before opcode: Opcode, in usage: inout Usage
    ) {
        guard last.opcode.readsCode, let word = last.top,
            !(last.opcode == .extcodesize && opcode == .iszero)
        else { return }
        usage.codeAccesses.append(Address(lowBytesOf: word))
        size += Self.entrySize
    }

    private func noteContract(_ step: borrowing Step, in usage: inout Usage) {
        let opcode = step.opcode
        guard opcode.readsCode || opcode.isCall,
            let word = step.stack(fromTop: opcode.readsCode ? 0 : 1)
        else { return }
        let address = Address(lowBytesOf: word)
        guard usage.contracts[address] == nil else { return }
        usage.contracts[address] = (state?.code(address).count ?? 0, opcode.rawValue)
        size += Self.entrySize
    }

    private func noteStorage(_ step: borrowing Step, in usage: inout Usage) {
        guard let slot = step.stack(fromTop: 0) else { return }
        switch step.opcode {
        case .sload:
            guard usage.reads[slot] == nil, usage.writes[slot] == nil else { return }
            usage.reads[slot] = step.storage(slot)
        case .sstore: usage.writes[slot, default: 0] += 1
        case .tload: usage.transientReads[slot, default: 0] += 1
        case .tstore: usage.transientWrites[slot, default: 0] += 1
        default: return
        }
        size += Self.entrySize
    }

    private func notePreimage(_ step: borrowing Step) {
        guard step.opcode == .keccak256, let offset = step.stack(fromTop: 0),
            let count = step.stack(fromTop: 1),
            let preimage = step.affordableMemory(at: offset, count: count)
        else { return }
        if preimages.insert(preimage).inserted { size += 2 * preimage.count + Self.entrySize }
    }

    /// What a slot, an account or a count takes in the result, roughly.
    private static let entrySize = 150

    /// The outermost call, with the preimages of all hashes, and the others in it.
    public func result(
        of outcome: TransactionOutcome, limit: Int
    ) throws(TraceTooLarge) -> Bytes {
        guard !isTooLarge else { throw TraceTooLarge() }
        return try tree.nested(limit: limit) { index, hasFailed, writer in
            tree.writeCall(index, to: &writer)
            tree.writeEffects(index, hasFailed: hasFailed, to: &writer)
            write(usages[index], to: &writer)
            // geth does not say it of the transaction's own message.
            let halt = index == 0 ? nil : tree.frames[index].halt
            writer.key("outOfGas")
            writer.bool(halt == .outOfGas || halt == .codeStoreOutOfGas)
            if index == 0, !preimages.isEmpty {
                writer.key("keccak")
                writer.array { writer in
                    for preimage in preimages.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                        writer.hexData(preimage)
                    }
                }
            }
        } end: { index, _, writer in
            tree.writeType(index, to: &writer)
        }
    }

    private func write(_ usage: Usage, to writer: inout JSONWriter) {
        writer.key("accessedSlots")
        writer.object { writer in
            writer.key("reads")
            writer.object { writer in
                for (slot, value) in usage.reads.sorted(by: { $0.key < $1.key }) {
                    writer.key(Hash256(slot).description)
                    writer.array { writer in writer.hexWord(value) }
                }
            }
            let counts = [
                ("writes", usage.writes), ("transientReads", usage.transientReads),
                ("transientWrites", usage.transientWrites),
            ]
            for (name, slots) in counts {
                writer.key(name)
                writer.object { writer in
                    for (slot, count) in slots.sorted(by: { $0.key < $1.key }) {
                        writer.key(Hash256(slot).description)
                        writer.number(count)
                    }
                }
            }
        }
        writer.key("extCodeAccessInfo")
        writer.array { writer in for address in usage.codeAccesses { writer.address(address) } }
        writer.key("usedOpcodes")
        writer.object { writer in
            let named = usage.opcodes.map { (UInt256(UInt64($0.key)).hexQuantity, $0.value) }
            for (name, count) in named.sorted(by: { $0.0 < $1.0 }) {
                writer.key(name)
                writer.number(count)
            }
        }
        writer.key("contractSize")
        writer.object { writer in
            for (address, contract) in usage.contracts.sorted(by: { $0.key < $1.key }) {
                writer.key(address.description)
                writer.object { writer in
                    writer.key("contractSize")
                    writer.number(contract.size)
                    writer.key("opcode")
                    writer.number(UInt64(contract.opcode))
                }
            }
        }
    }
}

extension Opcode {
    fileprivate var readsCode: Bool {
        self == .extcodehash || self == .extcodesize || self == .extcodecopy
    }

    fileprivate var isCall: Bool {
        self == .call || self == .callcode || self == .delegatecall || self == .staticcall
    }
}
