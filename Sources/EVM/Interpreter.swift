/// The byte-code interpreter: one instruction after another.
///
/// It is the reference for the machine's behaviour, the engine for tracing, and what runs code that
/// is not worth decoding. `run` runs one frame until it ends or wants another frame; `EVM` does the
/// rest.
///
/// Every instruction begins with the same check: gas, then height of the stack, both from the table
/// of the fork. `pc`, `sp` and `gas` are locals; everything else is behind two pointers. Instructions
/// with more to do than fits in a few lines are functions in `Instructions/`, out of line, so that
/// they do not take registers from the loop. They give back the gas left, negative if the frame
/// fails. Every failure leaves through the end of the loop, where the reason is worked out.

import Primitives

/// Whether the interpreter reports to a tracer; a type, so that there are two compiled copies.
protocol TracingMode {
    static var isTracing: Bool { get }
}

enum Untraced: TracingMode {
    @inline(always) static var isTracing: Bool { false }
}

enum Traced: TracingMode {
    @inline(always) static var isTracing: Bool { true }
}

/// Runs a frame by its byte code, without a tracer.
@inline(never)
func runBytes(_ m: MachinePointer, _ f: FramePointer) {
    run(m, f, Untraced.self)
}

/// Runs a frame by its byte code and reports each step.
@inline(never)
func runTraced(_ m: MachinePointer, _ f: FramePointer) {
    run(m, f, Traced.self)
}

/// Runs a frame until it ended (`halt`, `output`), paused (`hasPaused`) or `frames[depth + 1]` is to run
/// (`hasNewFrame`).
@inline(always)
private func run<Mode: TracingMode>(_ m: MachinePointer, _ f: FramePointer, _ mode: Mode.Type) {
    let instructions = m.pointee.instructions
    let base = f.pointee.base
    var pc = f.pointee.pc
    var sp = f.pointee.sp
    var gas = f.pointee.gas
    var gasBefore = gas
    var patience = jumpsBeforePause
    m.pointee.hasNewFrame = false
    m.pointee.halt = nil

    loop: while true {
        let opcode = pc.pointee
        let info = instructions[Int(opcode)]
        if Mode.isTracing {
            gasBefore = gas
            traceStep(m, f, pc, sp, gas)
        }
        gas &-= Int(info.gas)
        let height = UnsafeRawPointer(sp) - UnsafeRawPointer(base) &+ 32
        if gas < 0 || height < Int(info.minHeight) || height > Int(info.maxHeight) { break loop }

        switch unsafeBitCast(opcode, to: Opcode.self) {
        case .stop:
            m.pointee.outputSize = 0
            m.pointee.halt = nil
            if Mode.isTracing { traceEnd(m, 0) }
            save(f, pc, sp, gas)
            return
        case .add:
            sp[-1] = sp[0] &+ sp[-1]
            sp -= 1
            pc += 1
        case .mul:
            sp[-1] = sp[0] &* sp[-1]
            sp -= 1
            pc += 1
        case .sub:
            sp[-1] = sp[0] &- sp[-1]
            sp -= 1
            pc += 1
        case .div:
            divide(sp)
            sp -= 1
            pc += 1
        case .sdiv:
            signedDivide(sp)
            sp -= 1
            pc += 1
        case .mod:
            modulo(sp)
            sp -= 1
            pc += 1
        case .smod:
            signedModulo(sp)
            sp -= 1
            pc += 1
        case .addmod:
            addModulo(sp)
            sp -= 2
            pc += 1
        case .mulmod:
            multiplyModulo(m, sp)
            sp -= 2
            pc += 1
        case .exp:
            gas = exponentiate(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 1
            pc += 1
        case .signextend:
            sp[-1] = sp[-1].signExtended(fromByte: sp[0].clampedToUInt64)
            sp -= 1
            pc += 1
        case .lt:
            sp[-1] = flag(sp[0] < sp[-1])
            sp -= 1
            pc += 1
        case .gt:
            sp[-1] = flag(sp[-1] < sp[0])
            sp -= 1
            pc += 1
        case .slt:
            sp[-1] = flag(sp[0].isLessSigned(than: sp[-1]))
            sp -= 1
            pc += 1
        case .sgt:
            sp[-1] = flag(sp[-1].isLessSigned(than: sp[0]))
            sp -= 1
            pc += 1
        case .eq:
            sp[-1] = flag(sp[0] == sp[-1])
            sp -= 1
            pc += 1
        case .iszero:
            sp[0] = flag(sp[0].isZero)
            pc += 1
        case .and:
            sp[-1] = sp[0] & sp[-1]
            sp -= 1
            pc += 1
        case .or:
            sp[-1] = sp[0] | sp[-1]
            sp -= 1
            pc += 1
        case .xor:
            sp[-1] = sp[0] ^ sp[-1]
            sp -= 1
            pc += 1
        case .not:
            sp[0] = ~sp[0]
            pc += 1
        case .byte:
            sp[-1] = word(Int(sp[-1].byte(at: sp[0].clampedToUInt64)))
            sp -= 1
            pc += 1
        case .shl:
            sp[-1] = sp[-1] << sp[0].clampedToUInt64
            sp -= 1
            pc += 1
        case .shr:
            sp[-1] = sp[-1] >> sp[0].clampedToUInt64
            sp -= 1
            pc += 1
        case .sar:
            sp[-1] = sp[-1].arithmeticShiftedRight(by: sp[0].clampedToUInt64)
            sp -= 1
            pc += 1
        case .clz:
            sp[0] = word(sp[0].leadingZeroBitCount)
            pc += 1
        case .keccak256:
            gas = hashMemory(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 1
            pc += 1
        case .address:
            sp += 1
            sp.pointee = f.pointee.addressWord
            pc += 1
        case .balance:
            gas = balance(m, f, sp, gas)
            if gas < 0 { break loop }
            pc += 1
        case .origin:
            sp += 1
            sp.pointee = m.pointee.origin
            pc += 1
        case .caller:
            sp += 1
            sp.pointee = f.pointee.callerWord
            pc += 1
        case .callvalue:
            sp += 1
            sp.pointee = f.pointee.value
            pc += 1
        case .calldataload:
            callDataLoad(f, sp)
            pc += 1
        case .calldatasize:
            sp += 1
            sp.pointee = word(f.pointee.inputSize)
            pc += 1
        case .calldatacopy:
            gas = callDataCopy(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 3
            pc += 1
        case .codesize:
            sp += 1
            sp.pointee = word(f.pointee.codeSize)
            pc += 1
        case .codecopy:
            gas = codeCopy(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 3
            pc += 1
        case .gasprice:
            sp += 1
            sp.pointee = m.pointee.gasPrice
            pc += 1
        case .extcodesize:
            gas = externalCodeSize(m, f, sp, gas)
            if gas < 0 { break loop }
            pc += 1
        case .extcodecopy:
            gas = externalCodeCopy(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 4
            pc += 1
        case .returndatasize:
            sp += 1
            sp.pointee = word(m.pointee.returnDataSize)
            pc += 1
        case .returndatacopy:
            gas = returnDataCopy(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 3
            pc += 1
        case .extcodehash:
            gas = externalCodeHash(m, f, sp, gas)
            if gas < 0 { break loop }
            pc += 1
        case .blockhash:
            blockHash(m, sp)
            pc += 1
        case .coinbase:
            sp += 1
            sp.pointee = m.pointee.coinbase
            pc += 1
        case .timestamp:
            sp += 1
            sp.pointee = m.pointee.timestamp
            pc += 1
        case .number:
            sp += 1
            sp.pointee = m.pointee.number
            pc += 1
        case .prevrandao:
            sp += 1
            sp.pointee = m.pointee.difficulty
            pc += 1
        case .gaslimit:
            sp += 1
            sp.pointee = m.pointee.gasLimit
            pc += 1
        case .chainid:
            sp += 1
            sp.pointee = m.pointee.chainId
            pc += 1
        case .selfbalance:
            sp += 1
            selfBalance(m, f, sp)
            pc += 1
        case .basefee:
            sp += 1
            sp.pointee = m.pointee.baseFee
            pc += 1
        case .blobhash:
            blobHash(m, sp)
            pc += 1
        case .blobbasefee:
            sp += 1
            sp.pointee = m.pointee.blobBaseFee
            pc += 1
        case .pop:
            sp -= 1
            pc += 1
        case .mload:
            let offset = sp[0]
            if !offset.fitsUInt64
                || offset.l0 &+ 32 > UInt64(truncatingIfNeeded: f.pointee.memorySize)
                || offset.l0 >= memoryLimit
            {
                gas = growForWord(m, f, offset, size: 32, gas)
                if gas < 0 { break loop }
            }
            sp[0] = loadWord(f.pointee.memory + Int(truncatingIfNeeded: offset.l0))
            pc += 1
        case .mstore:
            let offset = sp[0]
            if !offset.fitsUInt64
                || offset.l0 &+ 32 > UInt64(truncatingIfNeeded: f.pointee.memorySize)
                || offset.l0 >= memoryLimit
            {
                gas = growForWord(m, f, offset, size: 32, gas)
                if gas < 0 { break loop }
            }
            storeWord(f.pointee.memory + Int(truncatingIfNeeded: offset.l0), sp[-1])
            sp -= 2
            pc += 1
        case .mstore8:
            let offset = sp[0]
            if !offset.fitsUInt64 || offset.l0 >= UInt64(truncatingIfNeeded: f.pointee.memorySize) {
                gas = growForWord(m, f, offset, size: 1, gas)
                if gas < 0 { break loop }
            }
            (f.pointee.memory + Int(truncatingIfNeeded: offset.l0)).storeBytes(
                of: UInt8(truncatingIfNeeded: sp[-1].l0), as: UInt8.self)
            sp -= 2
            pc += 1
        case .sload:
            gas = storageLoad(m, f, sp, gas)
            if gas < 0 { break loop }
            pc += 1
        case .sstore:
            gas = storageStore(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 2
            pc += 1
        case .jump:
            let target = sp[0]
            if !isJumpDestination(f, target) {
                m.pointee.halt = .invalidJump
                break loop
            }
            sp -= 1
            pc = f.pointee.code + Int(truncatingIfNeeded: target.l0)
            patience &-= 1
            if patience == 0 {
                if Mode.isTracing { traceEnd(m, gasBefore &- gas) }
                break loop
            }
        case .jumpi:
            let target = sp[0]
            if sp[-1].isZero {
                pc += 1
            } else {
                if !isJumpDestination(f, target) {
                    m.pointee.halt = .invalidJump
                    break loop
                }
                pc = f.pointee.code + Int(truncatingIfNeeded: target.l0)
                patience &-= 1
                if patience == 0 {
                    sp -= 2
                    if Mode.isTracing { traceEnd(m, gasBefore &- gas) }
                    break loop
                }
            }
            sp -= 2
        case .pc:
            sp += 1
            sp.pointee = word(pc - f.pointee.code)
            pc += 1
        case .msize:
            sp += 1
            sp.pointee = word(f.pointee.memorySize)
            pc += 1
        case .gas:
            sp += 1
            sp.pointee = word(gas)
            pc += 1
        case .jumpdest:
            pc += 1
        case .tload:
            transientLoad(m, f, sp)
            pc += 1
        case .tstore:
            gas = transientStore(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 2
            pc += 1
        case .mcopy:
            gas = memoryCopy(m, f, sp, gas)
            if gas < 0 { break loop }
            sp -= 3
            pc += 1
        case .push0:
            sp += 1
            sp.pointee = .zero
            pc += 1
        case .push1:
            sp += 1
            sp.pointee = immediate(pc, size: 1)
            pc += 2
        case .push2:
            sp += 1
            sp.pointee = immediate(pc, size: 2)
            pc += 3
        case .push3:
            sp += 1
            sp.pointee = immediate(pc, size: 3)
            pc += 4
        case .push4:
            sp += 1
            sp.pointee = immediate(pc, size: 4)
            pc += 5
        case .push5:
            sp += 1
            sp.pointee = immediate(pc, size: 5)
            pc += 6
        case .push6:
            sp += 1
            sp.pointee = immediate(pc, size: 6)
            pc += 7
        case .push7:
            sp += 1
            sp.pointee = immediate(pc, size: 7)
            pc += 8
        case .push8:
            sp += 1
            sp.pointee = immediate(pc, size: 8)
            pc += 9
        case .push9:
            sp += 1
            sp.pointee = immediate(pc, size: 9)
            pc += 10
        case .push10:
            sp += 1
            sp.pointee = immediate(pc, size: 10)
            pc += 11
        case .push11:
            sp += 1
            sp.pointee = immediate(pc, size: 11)
            pc += 12
        case .push12:
            sp += 1
            sp.pointee = immediate(pc, size: 12)
            pc += 13
        case .push13:
            sp += 1
            sp.pointee = immediate(pc, size: 13)
            pc += 14
        case .push14:
            sp += 1
            sp.pointee = immediate(pc, size: 14)
            pc += 15
        case .push15:
            sp += 1
            sp.pointee = immediate(pc, size: 15)
            pc += 16
        case .push16:
            sp += 1
            sp.pointee = immediate(pc, size: 16)
            pc += 17
        case .push17:
            sp += 1
            sp.pointee = immediate(pc, size: 17)
            pc += 18
        case .push18:
            sp += 1
            sp.pointee = immediate(pc, size: 18)
            pc += 19
        case .push19:
            sp += 1
            sp.pointee = immediate(pc, size: 19)
            pc += 20
        case .push20:
            sp += 1
            sp.pointee = immediate(pc, size: 20)
            pc += 21
        case .push21:
            sp += 1
            sp.pointee = immediate(pc, size: 21)
            pc += 22
        case .push22:
            sp += 1
            sp.pointee = immediate(pc, size: 22)
            pc += 23
        case .push23:
            sp += 1
            sp.pointee = immediate(pc, size: 23)
            pc += 24
        case .push24:
            sp += 1
            sp.pointee = immediate(pc, size: 24)
            pc += 25
        case .push25:
            sp += 1
            sp.pointee = immediate(pc, size: 25)
            pc += 26
        case .push26:
            sp += 1
            sp.pointee = immediate(pc, size: 26)
            pc += 27
        case .push27:
            sp += 1
            sp.pointee = immediate(pc, size: 27)
            pc += 28
        case .push28:
            sp += 1
            sp.pointee = immediate(pc, size: 28)
            pc += 29
        case .push29:
            sp += 1
            sp.pointee = immediate(pc, size: 29)
            pc += 30
        case .push30:
            sp += 1
            sp.pointee = immediate(pc, size: 30)
            pc += 31
        case .push31:
            sp += 1
            sp.pointee = immediate(pc, size: 31)
            pc += 32
        case .push32:
            sp += 1
            sp.pointee = immediate(pc, size: 32)
            pc += 33
        case .dup1:
            sp[1] = sp[0]
            sp += 1
            pc += 1
        case .dup2:
            sp[1] = sp[-1]
            sp += 1
            pc += 1
        case .dup3:
            sp[1] = sp[-2]
            sp += 1
            pc += 1
        case .dup4:
            sp[1] = sp[-3]
            sp += 1
            pc += 1
        case .dup5:
            sp[1] = sp[-4]
            sp += 1
            pc += 1
        case .dup6:
            sp[1] = sp[-5]
            sp += 1
            pc += 1
        case .dup7:
            sp[1] = sp[-6]
            sp += 1
            pc += 1
        case .dup8:
            sp[1] = sp[-7]
            sp += 1
            pc += 1
        case .dup9:
            sp[1] = sp[-8]
            sp += 1
            pc += 1
        case .dup10:
            sp[1] = sp[-9]
            sp += 1
            pc += 1
        case .dup11:
            sp[1] = sp[-10]
            sp += 1
            pc += 1
        case .dup12:
            sp[1] = sp[-11]
            sp += 1
            pc += 1
        case .dup13:
            sp[1] = sp[-12]
            sp += 1
            pc += 1
        case .dup14:
            sp[1] = sp[-13]
            sp += 1
            pc += 1
        case .dup15:
            sp[1] = sp[-14]
            sp += 1
            pc += 1
        case .dup16:
            sp[1] = sp[-15]
            sp += 1
            pc += 1
        case .swap1:
            let word = sp[0]
            sp[0] = sp[-1]
            sp[-1] = word
            pc += 1
        case .swap2:
            let word = sp[0]
            sp[0] = sp[-2]
            sp[-2] = word
            pc += 1
        case .swap3:
            let word = sp[0]
            sp[0] = sp[-3]
            sp[-3] = word
            pc += 1
        case .swap4:
            let word = sp[0]
            sp[0] = sp[-4]
            sp[-4] = word
            pc += 1
        case .swap5:
            let word = sp[0]
            sp[0] = sp[-5]
            sp[-5] = word
            pc += 1
        case .swap6:
            let word = sp[0]
            sp[0] = sp[-6]
            sp[-6] = word
            pc += 1
        case .swap7:
            let word = sp[0]
            sp[0] = sp[-7]
            sp[-7] = word
            pc += 1
        case .swap8:
            let word = sp[0]
            sp[0] = sp[-8]
            sp[-8] = word
            pc += 1
        case .swap9:
            let word = sp[0]
            sp[0] = sp[-9]
            sp[-9] = word
            pc += 1
        case .swap10:
            let word = sp[0]
            sp[0] = sp[-10]
            sp[-10] = word
            pc += 1
        case .swap11:
            let word = sp[0]
            sp[0] = sp[-11]
            sp[-11] = word
            pc += 1
        case .swap12:
            let word = sp[0]
            sp[0] = sp[-12]
            sp[-12] = word
            pc += 1
        case .swap13:
            let word = sp[0]
            sp[0] = sp[-13]
            sp[-13] = word
            pc += 1
        case .swap14:
            let word = sp[0]
            sp[0] = sp[-14]
            sp[-14] = word
            pc += 1
        case .swap15:
            let word = sp[0]
            sp[0] = sp[-15]
            sp[-15] = word
            pc += 1
        case .swap16:
            let word = sp[0]
            sp[0] = sp[-16]
            sp[-16] = word
            pc += 1
        case .log0:
            gas = log(m, f, sp, gas, topics: 0)
            if gas < 0 { break loop }
            sp -= 2
            pc += 1
        case .log1:
            gas = log(m, f, sp, gas, topics: 1)
            if gas < 0 { break loop }
            sp -= 3
            pc += 1
        case .log2:
            gas = log(m, f, sp, gas, topics: 2)
            if gas < 0 { break loop }
            sp -= 4
            pc += 1
        case .log3:
            gas = log(m, f, sp, gas, topics: 3)
            if gas < 0 { break loop }
            sp -= 5
            pc += 1
        case .log4:
            gas = log(m, f, sp, gas, topics: 4)
            if gas < 0 { break loop }
            sp -= 6
            pc += 1
        case .create:
            gas = create(m, f, sp, gas, .create)
            if gas < 0 { break loop }
            sp -= 2
            pc += 1
            if Mode.isTracing { traceEnd(m, m.pointee.tracedCost) }
            if m.pointee.hasNewFrame {
                save(f, pc, sp, gas)
                return
            }
            continue loop
        case .create2:
            gas = create(m, f, sp, gas, .create2)
            if gas < 0 { break loop }
            sp -= 3
            pc += 1
            if Mode.isTracing { traceEnd(m, m.pointee.tracedCost) }
            if m.pointee.hasNewFrame {
                save(f, pc, sp, gas)
                return
            }
            continue loop
        case .call:
            gas = call(m, f, sp, gas, .call)
            if gas < 0 { break loop }
            sp -= 6
            pc += 1
            if Mode.isTracing { traceEnd(m, m.pointee.tracedCost) }
            if m.pointee.hasNewFrame {
                save(f, pc, sp, gas)
                return
            }
            continue loop
        case .callcode:
            gas = call(m, f, sp, gas, .callCode)
            if gas < 0 { break loop }
            sp -= 6
            pc += 1
            if Mode.isTracing { traceEnd(m, m.pointee.tracedCost) }
            if m.pointee.hasNewFrame {
                save(f, pc, sp, gas)
                return
            }
            continue loop
        case .delegatecall:
            gas = call(m, f, sp, gas, .delegateCall)
            if gas < 0 { break loop }
            sp -= 5
            pc += 1
            if Mode.isTracing { traceEnd(m, m.pointee.tracedCost) }
            if m.pointee.hasNewFrame {
                save(f, pc, sp, gas)
                return
            }
            continue loop
        case .staticcall:
            gas = call(m, f, sp, gas, .staticCall)
            if gas < 0 { break loop }
            sp -= 5
            pc += 1
            if Mode.isTracing { traceEnd(m, m.pointee.tracedCost) }
            if m.pointee.hasNewFrame {
                save(f, pc, sp, gas)
                return
            }
            continue loop
        case .return:
            gas = setOutput(m, f, sp, gas)
            if gas < 0 { break loop }
            m.pointee.halt = nil
            if Mode.isTracing { traceEnd(m, gasBefore &- gas) }
            save(f, pc, sp, gas)
            return
        case .revert:
            gas = setOutput(m, f, sp, gas)
            if gas < 0 { break loop }
            m.pointee.halt = .reverted
            if Mode.isTracing { traceEnd(m, gasBefore &- gas) }
            save(f, pc, sp, gas)
            return
        case .selfdestruct:
            gas = selfDestruct(m, f, sp, gas)
            if gas < 0 { break loop }
            m.pointee.halt = nil
            if Mode.isTracing { traceEnd(m, gasBefore &- gas) }
            save(f, pc, sp, gas)
            return
        case .invalid:
            break loop
        case .undefined0C, .undefined0D, .undefined0E, .undefined0F, .undefined1F, .undefined21,
            .undefined22, .undefined23, .undefined24, .undefined25, .undefined26, .undefined27,
            .undefined28, .undefined29, .undefined2A, .undefined2B, .undefined2C, .undefined2D,
            .undefined2E, .undefined2F, .undefined4B, .undefined4C, .undefined4D, .undefined4E,
            .undefined4F, .undefinedA5, .undefinedA6, .undefinedA7, .undefinedA8, .undefinedA9,
            .undefinedAA, .undefinedAB, .undefinedAC, .undefinedAD, .undefinedAE, .undefinedAF,
            .undefinedB0, .undefinedB1, .undefinedB2, .undefinedB3, .undefinedB4, .undefinedB5,
            .undefinedB6, .undefinedB7, .undefinedB8, .undefinedB9, .undefinedBA, .undefinedBB,
            .undefinedBC, .undefinedBD, .undefinedBE, .undefinedBF, .undefinedC0, .undefinedC1,
            .undefinedC2, .undefinedC3, .undefinedC4, .undefinedC5, .undefinedC6, .undefinedC7,
            .undefinedC8, .undefinedC9, .undefinedCA, .undefinedCB, .undefinedCC, .undefinedCD,
            .undefinedCE, .undefinedCF, .undefinedD0, .undefinedD1, .undefinedD2, .undefinedD3,
            .undefinedD4, .undefinedD5, .undefinedD6, .undefinedD7, .undefinedD8, .undefinedD9,
            .undefinedDA, .undefinedDB, .undefinedDC, .undefinedDD, .undefinedDE, .undefinedDF,
            .undefinedE0, .undefinedE1, .undefinedE2, .undefinedE3, .undefinedE4, .undefinedE5,
            .undefinedE6, .undefinedE7, .undefinedE8, .undefinedE9, .undefinedEA, .undefinedEB,
            .undefinedEC, .undefinedED, .undefinedEE, .undefinedEF, .undefinedF6, .undefinedF7,
            .undefinedF8, .undefinedF9, .undefinedFB, .undefinedFC:
            break loop
        }
        if Mode.isTracing { traceEnd(m, gasBefore &- gas) }
    }

    if patience == 0 {
        save(f, pc, sp, gas)
        m.pointee.hasPaused = true
    } else {
        fail(m, f, pc, sp, gasBefore: gasBefore, Mode.isTracing)
    }
}

/// After so many jumps a frame pauses: its code is worth decoding in the middle of its run, or the run
/// may have been cancelled.
private let jumpsBeforePause = 256

@inline(always)
private func save(
    _ f: FramePointer, _ pc: UnsafePointer<UInt8>, _ sp: StackPointer, _ gas: Int
) {
    f.pointee.pc = pc
    f.pointee.sp = sp
    f.pointee.gas = gas
}

/// A count as a word; it is not negative.
@inline(always)
func word(_ value: Int) -> UInt256 {
    UInt256(l0: UInt64(truncatingIfNeeded: value), l1: 0, l2: 0, l3: 0)
}

/// 1 or 0.
@inline(always)
func flag(_ condition: Bool) -> UInt256 {
    UInt256(l0: condition ? 1 : 0, l1: 0, l2: 0, l3: 0)
}

/// The number of 1 to 32 bytes behind an opcode: unaligned loads of whole words, the first of them
/// masked. Code is padded on both sides.
@inline(always)
func immediate(_ pc: UnsafePointer<UInt8>, size: Int) -> UInt256 {
    let end = UnsafeRawPointer(pc) + size + 1
    return UInt256(
        l0: limb(end, size), l1: limb(end - 8, size - 8), l2: limb(end - 16, size - 16),
        l3: limb(end - 24, size - 24))
}

/// The last 8 bytes before an address as a number, of which only `count` belong to it.
@inline(always)
private func limb(_ end: UnsafeRawPointer, _ count: Int) -> UInt64 {
    if count <= 0 { return 0 }
    let word = (end - 8).loadUnaligned(as: UInt64.self).byteSwapped
    return count >= 8 ? word : word & ((1 &<< UInt64(count &* 8)) &- 1)
}

@inline(always)
func isJumpDestination(_ f: FramePointer, _ target: UInt256) -> Bool {
    guard target.fitsUInt64, target.l0 < UInt64(truncatingIfNeeded: f.pointee.codeSize) else {
        return false
    }
    let offset = Int(truncatingIfNeeded: target.l0)
    return f.pointee.jumpDestinations[offset &>> 3] &>> UInt8(truncatingIfNeeded: offset & 7) & 1
        != 0
}

/// Ends a frame with an exceptional halt, for the reason that an instruction left in `halt` or else for
/// the check that failed before it.
@inline(never)
private func fail(
    _ m: MachinePointer, _ f: FramePointer, _ pc: UnsafePointer<UInt8>, _ sp: StackPointer,
    gasBefore: Int, _ isTracing: Bool
) {
    let opcode = pc.pointee
    let info = m.pointee.instructions[Int(opcode)]
    let height = UnsafeRawPointer(sp) - UnsafeRawPointer(f.pointee.base) + 32
    let halt: Halt
    if let known = m.pointee.halt {
        halt = known
    } else if !info.isDefined {
        halt = .invalidOpcode(opcode)
    } else if height < Int(info.minHeight) {
        halt = .stackUnderflow(have: words(height), needed: words(Int(info.minHeight)))
    } else if height > Int(info.maxHeight) {
        halt = .stackOverflow(have: words(height), limit: words(Int(info.maxHeight)))
    } else {
        halt = .outOfGas
    }
    m.pointee.halt = halt
    m.pointee.outputSize = 0
    f.pointee.gas = 0
    if isTracing {
        tracer(m)?.stepEnd(
            gasCost: Gas(max(0, info.gas)), refund: refund(m), halt: halt)
    }
}

/// A height of the stack in words.
private func words(_ height: Int) -> UInt16 { UInt16(clamping: height / 32) }

@inline(never)
private func traceStep(
    _ m: MachinePointer, _ f: FramePointer, _ pc: UnsafePointer<UInt8>, _ sp: StackPointer,
    _ gas: Int
) {
    tracer(m)?.step(
        Step(
            machine: m, frame: f, top: sp, pc: pc - f.pointee.code,
            opcode: unsafeBitCast(pc.pointee, to: Opcode.self), gas: Gas(max(0, gas))))
}

@inline(never)
private func traceEnd(_ m: MachinePointer, _ cost: Int) {
    tracer(m)?.stepEnd(gasCost: Gas(max(0, cost)), refund: refund(m), halt: nil)
}

private func refund(_ m: MachinePointer) -> Int {
    m.pointee.state._withUnsafeGuaranteedRef { $0.refund }
}

/// The tracer, or nil.
func tracer(_ m: MachinePointer) -> (any Tracer)? {
    m.pointee.tracer?._withUnsafeGuaranteedRef { $0.tracer }
}
