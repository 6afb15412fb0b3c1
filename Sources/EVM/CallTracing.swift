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

func traceEntry(_ m: MachinePointer, _ call: Call) {
    tracer(m)?.callEnter(
        CallEntry(
            kind: call.kind, depth: m.pointee.depth + 1, caller: Address(lowBytesOf: call.caller),
            recipient: Address(lowBytesOf: call.recipientWord), codeAddress: call.codeAddress,
            value: call.value, gas: Gas(max(0, call.gas)),
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
