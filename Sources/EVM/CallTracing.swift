/// What tracers and recorders are told of calls, where the instructions are too busy to.

import EthereumTypes
import Primitives

/// Reports a call that fails before it begins.
func refuse(_ m: MachinePointer, _ call: Call, _ halt: Halt) {
    recordEntry(m, call)
    recordExit(m, failed: true)
    guard m.pointee.tracer != nil else { return }
    traceEntry(m, call)
    m.pointee.returnDataSize = 0
    traceExit(m, gasUsed: 0, halt)
}

/// Reports a call of an account without code.
func passEmptyCall(_ m: MachinePointer, _ call: Call) {
    recordEntry(m, call)
    recordExit(m, failed: false)
    guard m.pointee.tracer != nil else { return }
    traceEntry(m, call)
    traceExit(m, gasUsed: 0, nil)
}

/// Reports a creation that fails before its frame begins. What it uses is lost.
func refuseCreation(
    _ m: MachinePointer, _ kind: CallKind, creator: Address, address: Address, value: UInt256,
    gas: Int, gasUsed: Int, initCode: UnsafeRawBufferPointer, _ halt: Halt
) {
    tracer(m)?.callEnter(
        CallEntry(
            kind: kind, depth: m.pointee.depth + 1, caller: creator, recipient: address,
            codeAddress: address, target: address, value: value, gas: Gas(max(0, gas)),
            input: Bytes(initCode)))
    traceExit(m, gasUsed: gasUsed, halt)
}

func traceEntry(_ m: MachinePointer, _ call: Call) {
    // For code, the caller of a DELEGATECALL is its own caller's caller.
    let caller = call.kind == .delegateCall ? call.recipientWord : call.caller
    tracer(m)?.callEnter(
        CallEntry(
            kind: call.kind, depth: m.pointee.depth + 1, caller: Address(lowBytesOf: caller),
            recipient: Address(lowBytesOf: call.recipientWord), codeAddress: call.codeAddress,
            target: m.pointee.tracedTarget, value: call.value, gas: Gas(max(0, call.gas)),
            input: Bytes(UnsafeRawBufferPointer(start: call.input, count: call.inputSize))))
}

/// Reports the end of a call that had no frame; its output is the return data.
func traceExit(_ m: MachinePointer, gasUsed: Int, _ halt: Halt?) {
    tracer(m)?.callExit(
        CallExit(
            depth: m.pointee.depth + 1, gasUsed: Gas(max(0, gasUsed)),
            output: Bytes(
                UnsafeRawBufferPointer(
                    start: m.pointee.returnData, count: m.pointee.returnDataSize)),
            halt: halt))
}
