/// Watching the machine.
///
/// With a tracer the byte-code interpreter runs in a second compiled copy that reports each step;
/// without one nothing of it exists at run time.

public import EthereumTypes
public import Primitives
public import State

/// How a frame was entered.
public enum CallKind: Hashable, BitwiseCopyable, Sendable {
    case call, callCode, delegateCall, staticCall, create, create2

    /// Not a frame: SELFDESTRUCT, reported as a call of the beneficiary with the balance.
    case selfDestruct
}

/// A frame at its beginning.
public struct CallEntry: Hashable, Sendable {
    /// How it was entered.
    public let kind: CallKind

    /// 0 for the message from outside.
    public let depth: Int
    /// Whose state the code that calls works on.
    public let caller: Address

    /// The called or created account, or the beneficiary of SELFDESTRUCT.
    public let recipient: Address

    /// Whose code runs: the called account but for CALLCODE, DELEGATECALL and delegations (EIP-7702).
    public let codeAddress: Address

    /// The account that the instruction names: as `codeAddress`, but that which has the delegation
    /// and not its delegate.
    public let target: Address
    /// The value transferred, or inherited by DELEGATECALL.
    public let value: Wei

    /// With the stipend.
    public let gas: Gas

    /// Call data or initialisation code.
    public let input: Bytes
}

/// A frame at its end.
public struct CallExit: Hashable, Sendable {
    /// As in its `CallEntry`.
    public let depth: Int
    /// The gas that it took from its caller.
    public let gasUsed: Gas
    /// What it returned.
    public let output: Bytes

    /// Nil if it succeeded.
    public let halt: Halt?
}

/// The machine right before an instruction. It is only good during `Tracer.step`.
public struct Step {
    let machine: MachinePointer
    let frame: FramePointer
    let top: StackPointer

    /// The offset of the instruction in the code.
    public let pc: Int
    /// The instruction.
    public let opcode: Opcode
    /// The gas before it.
    public let gas: Gas

    /// 0 in the message from outside.
    public var depth: Int { machine.pointee.depth }

    /// The refund counter.
    public var refund: Int { machine.pointee.state._withUnsafeGuaranteedRef { $0.refund } }

    /// Whose storage it is.
    public var address: Address { Address(lowBytesOf: frame.pointee.addressWord) }

    /// How many words are on the stack.
    public var stackCount: Int { top - frame.pointee.base + 1 }

    /// A word of the stack, 0 being the top; nil below the bottom.
    public func stack(fromTop index: Int) -> UInt256? {
        index >= 0 && index < stackCount ? (top - index).pointee : nil
    }

    /// The stack, bottom first.
    public var stack: [UInt256] {
        [UInt256](UnsafeBufferPointer(start: frame.pointee.base, count: stackCount))
    }

    /// The size of the memory in bytes.
    public var memorySize: Int { frame.pointee.memorySize }

    /// All of the memory.
    public var memory: Bytes {
        Bytes(UnsafeRawBufferPointer(start: frame.pointee.memory, count: memorySize))
    }

    /// A part of the memory as an instruction would read it: zero beyond the end.
    /// Nil if it is longer than 16 MiB.
    public func memory(at offset: UInt256, count: UInt256) -> Bytes? {
        guard let count = count.asUInt64, count <= 1 << 24 else { return nil }
        var result = Bytes(repeating: 0, count: Int(count))
        guard let start = offset.asUInt64, start < UInt64(memorySize) else { return result }
        let present = min(Int(count), memorySize - Int(start))
        for index in 0..<present {
            result[index] = (frame.pointee.memory + Int(start) + index).load(as: UInt8.self)
        }
        return result
    }

    /// The value of a slot of `address`, which stays as cold or warm as it is.
    public func storage(_ slot: UInt256) -> UInt256 {
        machine.pointee.state._withUnsafeGuaranteedRef { state in
            state.value(state.slot(frame.pointee.account, slot))
        }
    }

    /// What the last call returned.
    public var returnData: Bytes {
        Bytes(
            UnsafeRawBufferPointer(
                start: machine.pointee.returnData, count: machine.pointee.returnDataSize))
    }
}

/// What happens in the machine, in order. All functions do nothing unless they are implemented.
public protocol Tracer: AnyObject {
    /// A transaction that was found valid begins: nothing is paid, no nonce has changed. System calls
    /// are no transactions.
    ///
    /// - Parameter state: may be read, also at each step, until the transaction ends.
    func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState)

    /// The transaction has ended, and its changes are in the state.
    func transactionEnds(gasUsed: Gas)

    /// Before each instruction, also one that then fails.
    func step(_ step: borrowing Step)

    /// After each instruction; for a call or creation after its `callEnter`, before the frame's steps.
    ///
    /// - Parameters:
    ///   - gasCost: all of it, with the gas handed to a callee but without its stipend.
    ///   - refund: the refund counter, with what this instruction has added or taken.
    ///   - halt: why it failed, or nil.
    func stepEnd(gasCost: Gas, refund: Int, halt: Halt?)

    /// A frame begins; also of a precompile or an account without code.
    func callEnter(_ entry: CallEntry)

    /// The frame entered last of those that did not yet end, ends.
    func callExit(_ exit: CallExit)

    /// An instruction names an account other than the one whose code it is: BALANCE, EXTCODE*,
    /// SELFDESTRUCT and the calls.
    func accountAccess(_ address: Address)

    /// SLOAD or SSTORE.
    func storageAccess(_ address: Address, slot: UInt256)

    /// LOG0 to LOG4; the frame may still be reverted.
    func log(_ log: Log)
}

extension Tracer {
    /// Does nothing.
    public func transactionBegins(
        _ transaction: RecoveredTransaction, fork: Fork, block: BlockEnvironment,
        state: JournaledState
    ) {}
    /// Does nothing.
    public func transactionEnds(gasUsed: Gas) {}
    /// Does nothing.
    public func step(_ step: borrowing Step) {}
    /// Does nothing.
    public func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {}
    /// Does nothing.
    public func callEnter(_ entry: CallEntry) {}
    /// Does nothing.
    public func callExit(_ exit: CallExit) {}
    /// Does nothing.
    public func accountAccess(_ address: Address) {}
    /// Does nothing.
    public func storageAccess(_ address: Address, slot: UInt256) {}
    /// Does nothing.
    public func log(_ log: Log) {}
}
