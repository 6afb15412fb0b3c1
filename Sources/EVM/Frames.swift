/// Making the next frame.

import Primitives
import State

/// Makes the next frame of a call.
@inline(always)
func enter(
    _ m: MachinePointer, _ call: Call, _ code: Unmanaged<Code>, _ checkpoint: Checkpoint,
    stack: StackPointer
) {
    code._withUnsafeGuaranteedRef { object in
        push(
            m, stack: stack,
            Frame(
                pc: object.code, sp: stack - 1, gas: call.gas, base: stack, memory: nextMemory(m),
                code: object.code, codeSize: object.size,
                jumpDestinations: object.jumpDestinations, codeObject: code, ip: noRecords,
                records: noRecords, blockIndices: noBlocks, ownsCode: false,
                isStatic: call.isStatic, kind: .call, input: call.input,
                inputSize: call.inputSize, account: call.recipient,
                addressWord: call.recipientWord, callerWord: call.caller, value: call.value,
                checkpoint: checkpoint, gasLimit: call.gas, outputOffset: call.outputOffset,
                outputSize: call.outputSize))
        recordEntry(m, call)
        if m.pointee.tracer != nil {
            traceEntry(m, call)
        } else if let decoded = object.enter(m.pointee.schedule, m.pointee.decoding) {
            (m.pointee.frames + m.pointee.depth + 1).pointee.use(
                decoded, at: decoded.pointee.entry)
        }
    }
}

/// What the pointers of a frame of byte code point to: nothing that is ever read.
var noRecords: UnsafePointer<Record> {
    UnsafePointer(bitPattern: 16).unsafelyUnwrapped
}

var noBlocks: UnsafePointer<UInt32> {
    UnsafePointer(bitPattern: 16).unsafelyUnwrapped
}

@inline(always)
func push(_ m: MachinePointer, stack: StackPointer, _ frame: Frame) {
    (m.pointee.frames + m.pointee.depth + 1).initialize(to: frame)
    m.pointee.hasNewFrame = true
}

/// Where the memory of the next frame begins: at the end of the running one's.
@inline(always)
func nextMemory(_ m: MachinePointer) -> UnsafeMutableRawPointer {
    if m.pointee.depth < 0 { return m.pointee.memories }
    let frame = m.pointee.frames + m.pointee.depth
    return frame.pointee.memory + frame.pointee.memorySize
}

/// The offset of a range, or 0 if it is empty and its offset may be anything.
@inline(always)
func start(_ offset: UInt256, _ size: Int) -> Int {
    size == 0 ? 0 : Int(truncatingIfNeeded: offset.l0)
}

/// All but one 64th (EIP-150).
@inline(always)
func allButOne64th(_ gas: Int) -> Int { gas &- gas &>> 6 }

/// What is there when a frame has ended and its changes, if it failed, are taken back.
package struct FrameEnd: Hashable {
    package let depth: Int
    package let halt: Halt?
    package let gasLeft: Int
    package let output: Bytes

    /// How many changes and logs there are, and the refund.
    package let state: Checkpoint
}

/// Ends a frame because its run is cancelled.
func cancel(_ m: MachinePointer, _ f: FramePointer) {
    m.pointee.halt = .cancelled
    m.pointee.hasNewFrame = false
    m.pointee.outputSize = 0
    f.pointee.gas = 0
}
