/// The interpreter of decoded code: the same machine as the byte-code interpreter, about twice as fast.
///
/// Gas and height of the stack are checked once a block, at its entry (`enter`), for all instructions
/// in it. That changes nothing that can be seen: what follows in a block is executed unless something
/// in it fails, a failure takes all gas and takes back all changes whenever it is found, and a block
/// ends where gas can be observed. If the check fails, the byte-code interpreter goes on from the
/// beginning of the block and finds the instruction and the reason; and if an instruction inside finds
/// too little gas, which in byte code may still suffice for it, from there (`failInBlock`). So an
/// instruction in the middle of a block must change nothing before it knows that it has the gas.

import Primitives
import Synchronization

/// Enters the block whose header is at `ip`: pays for it, checks the stack, goes to its first
/// instruction.
///
/// - Returns: false, and nothing is changed, if gas or stack do not suffice or the run is cancelled.
@inline(always)
private func enter(
    _ m: MachinePointer, _ ip: inout UnsafePointer<Record>, _ sp: StackPointer,
    _ base: StackPointer, _ gas: inout Int
) -> Bool {
    let header = UnsafeRawPointer(ip).assumingMemoryBound(to: BlockHeader.self)
    let rest = gas &- Int(header.pointee.gas)
    let height = UnsafeRawPointer(sp) - UnsafeRawPointer(base) &+ 32
    // Both are negative where they end the frame.
    let cancelled = m.pointee.cancellation.pointee.load(ordering: .relaxed)
    if rest | cancelled < 0 || height < Int(header.pointee.minHeight)
        || height > Int(header.pointee.maxHeight)
    {
        return false
    }
    gas = rest
    ip = UnsafePointer(bitPattern: UInt(header.pointee.first)).unsafelyUnwrapped
    return true
}

/// The word of the stack at an offset in bytes from the top.
@inline(always)
private func at(_ sp: StackPointer, _ offset: Int16) -> UInt256 {
    (UnsafeRawPointer(sp) + Int(offset)).assumingMemoryBound(to: UInt256.self).pointee
}

@inline(always)
private func put(_ sp: StackPointer, _ offset: Int16, _ word: UInt256) {
    (UnsafeMutableRawPointer(sp) + Int(offset)).assumingMemoryBound(to: UInt256.self).pointee = word
}

@inline(always)
private func swap(_ sp: StackPointer, _ offset: Int16) {
    let word = at(sp, offset)
    put(sp, offset, sp[0])
    sp[0] = word
}

/// Whether `size` bytes at an offset are in the memory already.
@inline(always)
private func isInMemory(_ f: FramePointer, _ offset: UInt256, _ size: UInt64) -> Bool {
    offset.fitsUInt64 && offset.l0 < memoryLimit
        && offset.l0 &+ size <= UInt64(truncatingIfNeeded: f.pointee.memorySize)
}

/// Whether a word at an offset is in the call data.
@inline(always)
private func isInCallData(_ f: FramePointer, _ offset: UInt256) -> Bool {
    offset.fitsUInt64 && offset.l0 < memoryLimit
        && offset.l0 &+ 32 <= UInt64(truncatingIfNeeded: f.pointee.inputSize)
}

/// The header of the block at a destination known only now, or nil if it is none.
@inline(always)
private func targets(_ f: FramePointer, _ destination: UInt256) -> UnsafePointer<Record>? {
    guard destination.fitsUInt64,
        destination.l0 < UInt64(truncatingIfNeeded: f.pointee.codeSize)
    else { return nil }
    let index = f.pointee.blockIndices[Int(truncatingIfNeeded: destination.l0)]
    return index == 0 ? nil : f.pointee.records + Int(index)
}

@inline(always)
private func save(
    _ f: FramePointer, _ ip: UnsafePointer<Record>, _ sp: StackPointer, _ gas: Int
) {
    f.pointee.ip = ip
    f.pointee.sp = sp
    f.pointee.gas = gas
}

/// Runs a frame by its decoded code until it has ended or wants another frame, as `runBytes`.
@inline(never)
func runDecoded(_ m: MachinePointer, _ f: FramePointer) {
    let base = f.pointee.base
    let memory = f.pointee.memory
    var ip = f.pointee.ip
    var sp = f.pointee.sp
    var gas = f.pointee.gas
    m.pointee.hasNewFrame = false
    m.pointee.halt = nil
    if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }

    loop: while true {
        switch ip.pointee.operation {
        case .next:
            ip += 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .stop:
            m.pointee.outputSize = 0
            m.pointee.halt = nil
            save(f, ip, sp, gas)
            return
        case .leave:
            return leaveDecoded(m, f, ip, sp, gas)
        case .jump:
            let destination = sp[0]
            sp -= 1
            guard let target = targets(f, destination) else { return failJump(m, f) }
            ip = target
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpIf:
            let destination = sp[0]
            let isTaken = !sp[-1].isZero
            sp -= 2
            ip += 1
            if isTaken {
                guard let target = targets(f, destination) else { return failJump(m, f) }
                ip = target
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpTo:
            ip = ip.pointee.target
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIf:
            let isTaken = !sp[0].isZero
            sp -= 1
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfZero:
            let isTaken = sp[0].isZero
            sp -= 1
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfLess:
            let isTaken = sp[0] < sp[-1]
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessLess:
            let isTaken = !(sp[0] < sp[-1])
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfGreater:
            let isTaken = sp[-1] < sp[0]
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessGreater:
            let isTaken = !(sp[-1] < sp[0])
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfSignedLess:
            let isTaken = sp[0].isLessSigned(than: sp[-1])
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessSignedLess:
            let isTaken = !(sp[0].isLessSigned(than: sp[-1]))
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfSignedGreater:
            let isTaken = sp[-1].isLessSigned(than: sp[0])
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessSignedGreater:
            let isTaken = !(sp[-1].isLessSigned(than: sp[0]))
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfEqual:
            let isTaken = sp[0] == sp[-1]
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessEqual:
            let isTaken = !(sp[0] == sp[-1])
            sp -= 2
            ip = isTaken ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopiesLess:
            ip = at(sp, ip.pointee.a) < at(sp, ip.pointee.b) ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopiesLess:
            ip = !(at(sp, ip.pointee.a) < at(sp, ip.pointee.b)) ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopiesSignedLess:
            ip =
                at(sp, ip.pointee.a).isLessSigned(than: at(sp, ip.pointee.b))
                ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopiesSignedLess:
            ip =
                !(at(sp, ip.pointee.a).isLessSigned(than: at(sp, ip.pointee.b)))
                ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopiesEqual:
            ip = at(sp, ip.pointee.a) == at(sp, ip.pointee.b) ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopiesEqual:
            ip = !(at(sp, ip.pointee.a) == at(sp, ip.pointee.b)) ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopyLessThanConstant:
            ip = at(sp, ip.pointee.a) < ip.pointee.constant ? ip + Int(ip.pointee.distance) : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopyLessThanConstant:
            ip =
                !(at(sp, ip.pointee.a) < ip.pointee.constant)
                ? ip + Int(ip.pointee.distance) : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopyGreaterThanConstant:
            ip = ip.pointee.constant < at(sp, ip.pointee.a) ? ip + Int(ip.pointee.distance) : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopyGreaterThanConstant:
            ip =
                !(ip.pointee.constant < at(sp, ip.pointee.a))
                ? ip + Int(ip.pointee.distance) : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopyEqualConstant:
            ip =
                at(sp, ip.pointee.a) == ip.pointee.constant ? ip + Int(ip.pointee.distance) : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopyEqualConstant:
            ip =
                !(at(sp, ip.pointee.a) == ip.pointee.constant)
                ? ip + Int(ip.pointee.distance) : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToIfCopy:
            ip = !at(sp, ip.pointee.a).isZero ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .jumpToUnlessCopy:
            ip = at(sp, ip.pointee.a).isZero ? ip.pointee.target : ip + 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .return:
            let left = setOutput(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            m.pointee.halt = nil
            save(f, ip, sp, gas)
            return
        case .revert:
            let left = setOutput(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            m.pointee.halt = .reverted
            save(f, ip, sp, gas)
            return
        case .selfDestruct:
            let left = selfDestruct(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            m.pointee.halt = nil
            save(f, ip, sp, gas)
            return
        case .add:
            sp[-1] = sp[0] &+ sp[-1]
            sp -= 1
            ip += 1
        case .addConstant:
            sp[0] = ip.pointee.constant &+ sp[0]
            ip += 1
        case .addCopy:
            sp[0] = at(sp, ip.pointee.a) &+ sp[0]
            ip += 1
        case .addCopies:
            sp[1] = at(sp, ip.pointee.a) &+ at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .addConstantAndCopy:
            sp[1] = ip.pointee.constant &+ at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .multiply:
            sp[-1] = sp[0] &* sp[-1]
            sp -= 1
            ip += 1
        case .multiplyConstant:
            sp[0] = ip.pointee.constant &* sp[0]
            ip += 1
        case .multiplyCopy:
            sp[0] = at(sp, ip.pointee.a) &* sp[0]
            ip += 1
        case .multiplyCopies:
            sp[1] = at(sp, ip.pointee.a) &* at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .multiplyConstantAndCopy:
            sp[1] = ip.pointee.constant &* at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .and:
            sp[-1] = sp[0] & sp[-1]
            sp -= 1
            ip += 1
        case .andConstant:
            sp[0] = ip.pointee.constant & sp[0]
            ip += 1
        case .andCopy:
            sp[0] = at(sp, ip.pointee.a) & sp[0]
            ip += 1
        case .andCopies:
            sp[1] = at(sp, ip.pointee.a) & at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .andConstantAndCopy:
            sp[1] = ip.pointee.constant & at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .or:
            sp[-1] = sp[0] | sp[-1]
            sp -= 1
            ip += 1
        case .orConstant:
            sp[0] = ip.pointee.constant | sp[0]
            ip += 1
        case .orCopy:
            sp[0] = at(sp, ip.pointee.a) | sp[0]
            ip += 1
        case .orCopies:
            sp[1] = at(sp, ip.pointee.a) | at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .orConstantAndCopy:
            sp[1] = ip.pointee.constant | at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .xor:
            sp[-1] = sp[0] ^ sp[-1]
            sp -= 1
            ip += 1
        case .xorConstant:
            sp[0] = ip.pointee.constant ^ sp[0]
            ip += 1
        case .xorCopy:
            sp[0] = at(sp, ip.pointee.a) ^ sp[0]
            ip += 1
        case .xorCopies:
            sp[1] = at(sp, ip.pointee.a) ^ at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .xorConstantAndCopy:
            sp[1] = ip.pointee.constant ^ at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .equal:
            sp[-1] = flag(sp[0] == sp[-1])
            sp -= 1
            ip += 1
        case .equalConstant:
            sp[0] = flag(ip.pointee.constant == sp[0])
            ip += 1
        case .equalCopy:
            sp[0] = flag(at(sp, ip.pointee.a) == sp[0])
            ip += 1
        case .equalCopies:
            sp[1] = flag(at(sp, ip.pointee.a) == at(sp, ip.pointee.b))
            sp += 1
            ip += 1
        case .equalConstantAndCopy:
            sp[1] = flag(ip.pointee.constant == at(sp, ip.pointee.a))
            sp += 1
            ip += 1
        case .subtract:
            sp[-1] = sp[0] &- sp[-1]
            sp -= 1
            ip += 1
        case .subtractConstant:
            sp[0] = ip.pointee.constant &- sp[0]
            ip += 1
        case .subtractCopy:
            sp[0] = at(sp, ip.pointee.a) &- sp[0]
            ip += 1
        case .subtractCopies:
            sp[1] = at(sp, ip.pointee.a) &- at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .subtractConstantAndCopy:
            sp[1] = ip.pointee.constant &- at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .subtractCopyAndConstant:
            sp[1] = at(sp, ip.pointee.a) &- ip.pointee.constant
            sp += 1
            ip += 1
        case .subtractSwapped:
            sp[-1] = sp[-1] &- sp[0]
            sp -= 1
            ip += 1
        case .less:
            sp[-1] = flag(sp[0] < sp[-1])
            sp -= 1
            ip += 1
        case .lessConstant:
            sp[0] = flag(ip.pointee.constant < sp[0])
            ip += 1
        case .lessCopy:
            sp[0] = flag(at(sp, ip.pointee.a) < sp[0])
            ip += 1
        case .lessCopies:
            sp[1] = flag(at(sp, ip.pointee.a) < at(sp, ip.pointee.b))
            sp += 1
            ip += 1
        case .lessConstantAndCopy:
            sp[1] = flag(ip.pointee.constant < at(sp, ip.pointee.a))
            sp += 1
            ip += 1
        case .lessCopyAndConstant:
            sp[1] = flag(at(sp, ip.pointee.a) < ip.pointee.constant)
            sp += 1
            ip += 1
        case .greater:
            sp[-1] = flag(sp[-1] < sp[0])
            sp -= 1
            ip += 1
        case .greaterConstant:
            sp[0] = flag(sp[0] < ip.pointee.constant)
            ip += 1
        case .greaterCopy:
            sp[0] = flag(sp[0] < at(sp, ip.pointee.a))
            ip += 1
        case .signedLess:
            sp[-1] = flag(sp[0].isLessSigned(than: sp[-1]))
            sp -= 1
            ip += 1
        case .signedLessConstant:
            sp[0] = flag(ip.pointee.constant.isLessSigned(than: sp[0]))
            ip += 1
        case .signedLessCopy:
            sp[0] = flag(at(sp, ip.pointee.a).isLessSigned(than: sp[0]))
            ip += 1
        case .signedLessCopies:
            sp[1] = flag(at(sp, ip.pointee.a).isLessSigned(than: at(sp, ip.pointee.b)))
            sp += 1
            ip += 1
        case .signedLessConstantAndCopy:
            sp[1] = flag(ip.pointee.constant.isLessSigned(than: at(sp, ip.pointee.a)))
            sp += 1
            ip += 1
        case .signedLessCopyAndConstant:
            sp[1] = flag(at(sp, ip.pointee.a).isLessSigned(than: ip.pointee.constant))
            sp += 1
            ip += 1
        case .signedGreater:
            sp[-1] = flag(sp[-1].isLessSigned(than: sp[0]))
            sp -= 1
            ip += 1
        case .signedGreaterConstant:
            sp[0] = flag(sp[0].isLessSigned(than: ip.pointee.constant))
            ip += 1
        case .signedGreaterCopy:
            sp[0] = flag(sp[0].isLessSigned(than: at(sp, ip.pointee.a)))
            ip += 1
        case .shiftLeft:
            sp[-1] = sp[-1] << sp[0].clampedToUInt64
            sp -= 1
            ip += 1
        case .shiftLeftConstant:
            sp[0] = sp[0] << ip.pointee.argument
            ip += 1
        case .shiftLeftCopyByConstant:
            sp[1] = at(sp, ip.pointee.a) << ip.pointee.argument
            sp += 1
            ip += 1
        case .shiftLeftSwapped:
            sp[-1] = sp[0] << sp[-1].clampedToUInt64
            sp -= 1
            ip += 1
        case .shiftRight:
            sp[-1] = sp[-1] >> sp[0].clampedToUInt64
            sp -= 1
            ip += 1
        case .shiftRightConstant:
            sp[0] = sp[0] >> ip.pointee.argument
            ip += 1
        case .shiftRightCopyByConstant:
            sp[1] = at(sp, ip.pointee.a) >> ip.pointee.argument
            sp += 1
            ip += 1
        case .shiftRightSwapped:
            sp[-1] = sp[0] >> sp[-1].clampedToUInt64
            sp -= 1
            ip += 1
        case .shiftRightSigned:
            sp[-1] = sp[-1].arithmeticShiftedRight(by: sp[0].clampedToUInt64)
            sp -= 1
            ip += 1
        case .shiftRightSignedConstant:
            sp[0] = sp[0].arithmeticShiftedRight(by: ip.pointee.argument)
            ip += 1
        case .shiftRightSignedCopyByConstant:
            sp[1] = at(sp, ip.pointee.a).arithmeticShiftedRight(by: ip.pointee.argument)
            sp += 1
            ip += 1
        case .shiftRightSignedSwapped:
            sp[-1] = sp[0].arithmeticShiftedRight(by: sp[-1].clampedToUInt64)
            sp -= 1
            ip += 1
        case .byte:
            sp[-1] = word(Int(sp[-1].byte(at: sp[0].clampedToUInt64)))
            sp -= 1
            ip += 1
        case .byteConstant:
            sp[0] = word(Int(sp[0].byte(at: ip.pointee.argument)))
            ip += 1
        case .signExtend:
            sp[-1] = sp[-1].signExtended(fromByte: sp[0].clampedToUInt64)
            sp -= 1
            ip += 1
        case .signExtendConstant:
            sp[0] = sp[0].signExtended(fromByte: ip.pointee.argument)
            ip += 1
        case .isZero:
            sp[0] = flag(sp[0].isZero)
            ip += 1
        case .isNotZero:
            sp[0] = flag(!sp[0].isZero)
            ip += 1
        case .isZeroCopy:
            sp[1] = flag(at(sp, ip.pointee.a).isZero)
            sp += 1
            ip += 1
        case .not:
            sp[0] = ~sp[0]
            ip += 1
        case .countLeadingZeros:
            sp[0] = word(sp[0].leadingZeroBitCount)
            ip += 1
        case .divide:
            divide(sp)
            sp -= 1
            ip += 1
        case .signedDivide:
            signedDivide(sp)
            sp -= 1
            ip += 1
        case .modulo:
            modulo(sp)
            sp -= 1
            ip += 1
        case .signedModulo:
            signedModulo(sp)
            sp -= 1
            ip += 1
        case .addModulo:
            addModulo(sp)
            sp -= 2
            ip += 1
        case .multiplyModulo:
            multiplyModulo(m, sp)
            sp -= 2
            ip += 1
        case .divideByConstant:
            divideBy(ip.pointee.constantPointer, sp)
            ip += 1
        case .moduloConstant:
            moduloBy(ip.pointee.constantPointer, sp)
            ip += 1
        case .exponentiate:
            let left = exponentiate(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 1
            ip += 1
        case .hash:
            let left = hashMemory(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 1
            ip += 1
        case .pushSmall:
            sp += 1
            sp.pointee = UInt256(l0: ip.pointee.argument, l1: 0, l2: 0, l3: 0)
            ip += 1
        case .push:
            sp += 1
            sp.pointee = ip.pointee.constant
            ip += 1
        case .pushTwo:
            sp[1] = ip.pointee.constantPointer[0]
            sp[2] = ip.pointee.constantPointer[1]
            sp += 2
            ip += 1
        case .pushAndCopy:
            sp[1] = ip.pointee.constant
            sp[2] = at(sp, ip.pointee.a)
            sp += 2
            ip += 1
        case .copyAndPush:
            sp[1] = at(sp, ip.pointee.a)
            sp[2] = ip.pointee.constant
            sp += 2
            ip += 1
        case .pop:
            sp -= 1
            ip += 1
        case .popMany:
            sp -= Int(ip.pointee.a)
            ip += 1
        case .copy:
            sp[1] = at(sp, ip.pointee.a)
            sp += 1
            ip += 1
        case .copyTop:
            sp[1] = sp[0]
            sp += 1
            ip += 1
        case .copySecond:
            sp[1] = sp[-1]
            sp += 1
            ip += 1
        case .copyThird:
            sp[1] = sp[-2]
            sp += 1
            ip += 1
        case .copyTwo:
            sp[1] = at(sp, ip.pointee.a)
            sp[2] = at(sp, ip.pointee.b)
            sp += 2
            ip += 1
        case .swap:
            swap(sp, ip.pointee.a)
            ip += 1
        case .swapOne:
            swap(sp, -32)
            ip += 1
        case .swapTwo:
            swap(sp, -64)
            ip += 1
        case .swapAndSwap:
            swap(sp, ip.pointee.a)
            swap(sp, ip.pointee.b)
            ip += 1
        case .swapAndPop:
            put(sp, ip.pointee.a, sp[0])
            sp -= 1
            ip += 1
        case .swapOneAndPop:
            sp[-1] = sp[0]
            sp -= 1
            ip += 1
        case .swapAndCopy:
            swap(sp, ip.pointee.a)
            sp[1] = at(sp, ip.pointee.b)
            sp += 1
            ip += 1
        case .copyAndSwap:
            sp[1] = at(sp, ip.pointee.a)
            sp += 1
            swap(sp, ip.pointee.b)
            ip += 1
        case .popAndSwap:
            sp -= 1
            swap(sp, ip.pointee.a)
            ip += 1
        case .popAndCopy:
            sp[0] = at(sp, ip.pointee.a)
            ip += 1
        case .load:
            let offset = sp[0]
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            sp[0] = loadWord(memory + Int(truncatingIfNeeded: offset.l0))
            ip += 1
        case .loadAtConstant:
            let offset = ip.pointee.constant
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            sp += 1
            sp[0] = loadWord(memory + Int(truncatingIfNeeded: offset.l0))
            ip += 1
        case .loadAtCopy:
            let offset = at(sp, ip.pointee.a)
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            sp += 1
            sp[0] = loadWord(memory + Int(truncatingIfNeeded: offset.l0))
            ip += 1
        case .store:
            let offset = sp[0]
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            storeWord(memory + Int(truncatingIfNeeded: offset.l0), sp[-1])
            sp -= 2
            ip += 1
        case .storeAtConstant:
            let offset = ip.pointee.constant
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            storeWord(memory + Int(truncatingIfNeeded: offset.l0), sp[0])
            sp -= 1
            ip += 1
        case .storeAtCopy:
            let offset = at(sp, ip.pointee.a)
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            storeWord(memory + Int(truncatingIfNeeded: offset.l0), sp[0])
            sp -= 1
            ip += 1
        case .storeCopyAtCopy:
            let offset = at(sp, ip.pointee.b)
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            storeWord(memory + Int(truncatingIfNeeded: offset.l0), at(sp, ip.pointee.a))
            ip += 1
        case .storeConstantAtCopy:
            let offset = at(sp, ip.pointee.a)
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            storeWord(memory + Int(truncatingIfNeeded: offset.l0), ip.pointee.constant)
            ip += 1
        case .storeSwapped:
            let offset = sp[-1]
            if !isInMemory(f, offset, 32) {
                let left = growForWord(m, f, offset, size: 32, gas)
                if left < 0 { break loop }
                gas = left
            }
            storeWord(memory + Int(truncatingIfNeeded: offset.l0), sp[0])
            sp -= 2
            ip += 1
        case .storeByte:
            let offset = sp[0]
            if !isInMemory(f, offset, 1) {
                let left = growForWord(m, f, offset, size: 1, gas)
                if left < 0 { break loop }
                gas = left
            }
            (memory + Int(truncatingIfNeeded: offset.l0)).storeBytes(
                of: UInt8(truncatingIfNeeded: sp[-1].l0), as: UInt8.self)
            sp -= 2
            ip += 1
        case .memorySize:
            sp += 1
            sp.pointee = word(f.pointee.memorySize)
            ip += 1
        case .address:
            sp += 1
            sp.pointee = f.pointee.addressWord
            ip += 1
        case .caller:
            sp += 1
            sp.pointee = f.pointee.callerWord
            ip += 1
        case .callValue:
            sp += 1
            sp.pointee = f.pointee.value
            ip += 1
        case .callDataSize:
            sp += 1
            sp.pointee = word(f.pointee.inputSize)
            ip += 1
        case .returnDataSize:
            sp += 1
            sp.pointee = word(m.pointee.returnDataSize)
            ip += 1
        case .origin:
            sp += 1
            sp.pointee = m.pointee.origin
            ip += 1
        case .gasPrice:
            sp += 1
            sp.pointee = m.pointee.gasPrice
            ip += 1
        case .coinbase:
            sp += 1
            sp.pointee = m.pointee.coinbase
            ip += 1
        case .timestamp:
            sp += 1
            sp.pointee = m.pointee.timestamp
            ip += 1
        case .number:
            sp += 1
            sp.pointee = m.pointee.number
            ip += 1
        case .difficulty:
            sp += 1
            sp.pointee = m.pointee.difficulty
            ip += 1
        case .gasLimit:
            sp += 1
            sp.pointee = m.pointee.gasLimit
            ip += 1
        case .chainId:
            sp += 1
            sp.pointee = m.pointee.chainId
            ip += 1
        case .baseFee:
            sp += 1
            sp.pointee = m.pointee.baseFee
            ip += 1
        case .blobBaseFee:
            sp += 1
            sp.pointee = m.pointee.blobBaseFee
            ip += 1
        case .selfBalance:
            sp += 1
            selfBalance(m, f, sp)
            ip += 1
        case .callDataLoad:
            if isInCallData(f, sp[0]) {
                sp[0] = loadWord(f.pointee.input + Int(truncatingIfNeeded: sp[0].l0))
            } else {
                callDataLoad(f, sp)
            }
            ip += 1
        case .callDataCopy:
            let left = callDataCopy(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 3
            ip += 1
        case .codeCopy:
            let left = codeCopy(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 3
            ip += 1
        case .returnDataCopy:
            let left = returnDataCopy(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 3
            ip += 1
        case .memoryCopy:
            let left = memoryCopy(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 3
            ip += 1
        case .balance:
            let left = balance(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            ip += 1
        case .externalCodeSize:
            let left = externalCodeSize(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            ip += 1
        case .externalCodeCopy:
            let left = externalCodeCopy(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 4
            ip += 1
        case .externalCodeHash:
            let left = externalCodeHash(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            ip += 1
        case .blockHash:
            blockHash(m, sp)
            ip += 1
        case .blobHash:
            blobHash(m, sp)
            ip += 1
        case .storageLoad:
            let left = storageLoad(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            ip += 1
        case .storageStore:
            let left = storageStore(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 2
            ip += 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .transientLoad:
            transientLoad(m, f, sp)
            ip += 1
        case .transientStore:
            let left = transientStore(m, f, sp, gas)
            if left < 0 { break loop }
            gas = left
            sp -= 2
            ip += 1
        case .log:
            let left = log(m, f, sp, gas, topics: Int(ip.pointee.a))
            if left < 0 { break loop }
            gas = left
            sp -= Int(ip.pointee.a) &+ 2
            ip += 1
        case .gas:
            sp += 1
            sp.pointee = word(gas)
            ip += 1
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .create:
            let left = create(m, f, sp, gas, .create)
            if left < 0 { break loop }
            gas = left
            sp -= 2
            ip += 1
            if m.pointee.hasNewFrame {
                save(f, ip, sp, gas)
                return
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .create2:
            let left = create(m, f, sp, gas, .create2)
            if left < 0 { break loop }
            gas = left
            sp -= 3
            ip += 1
            if m.pointee.hasNewFrame {
                save(f, ip, sp, gas)
                return
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .call:
            let left = call(m, f, sp, gas, .call)
            if left < 0 { break loop }
            gas = left
            sp -= 6
            ip += 1
            if m.pointee.hasNewFrame {
                save(f, ip, sp, gas)
                return
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .callCode:
            let left = call(m, f, sp, gas, .callCode)
            if left < 0 { break loop }
            gas = left
            sp -= 6
            ip += 1
            if m.pointee.hasNewFrame {
                save(f, ip, sp, gas)
                return
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .delegateCall:
            let left = call(m, f, sp, gas, .delegateCall)
            if left < 0 { break loop }
            gas = left
            sp -= 5
            ip += 1
            if m.pointee.hasNewFrame {
                save(f, ip, sp, gas)
                return
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .staticCall:
            let left = call(m, f, sp, gas, .staticCall)
            if left < 0 { break loop }
            gas = left
            sp -= 5
            ip += 1
            if m.pointee.hasNewFrame {
                save(f, ip, sp, gas)
                return
            }
            if !enter(m, &ip, sp, base, &gas) { return resumeBytes(m, f, ip, sp, gas) }
        case .unused193, .unused194, .unused195, .unused196, .unused197, .unused198, .unused199,
            .unused200, .unused201, .unused202, .unused203, .unused204, .unused205, .unused206,
            .unused207, .unused208, .unused209, .unused210, .unused211, .unused212, .unused213,
            .unused214, .unused215, .unused216, .unused217, .unused218, .unused219, .unused220,
            .unused221, .unused222, .unused223, .unused224, .unused225, .unused226, .unused227,
            .unused228, .unused229, .unused230, .unused231, .unused232, .unused233, .unused234,
            .unused235, .unused236, .unused237, .unused238, .unused239, .unused240, .unused241,
            .unused242, .unused243, .unused244, .unused245, .unused246, .unused247, .unused248,
            .unused249, .unused250, .unused251, .unused252, .unused253, .unused254, .unused255:
            break loop
        }
    }

    failInBlock(m, f, ip, sp, gas)
}

/// Ends a frame by the instruction at `ip`, which has failed and changed nothing, with the gas there
/// was before it.
///
/// The gas of the block is paid up to its end. If it is gas that did not suffice, and more of the block
/// follows, then byte code goes on from this instruction with the gas that it would have, to where it
/// fails. The last of a block may have changed something, and finds just the gas that there is.
@inline(never)
private func failInBlock(
    _ m: MachinePointer, _ f: FramePointer, _ ip: UnsafePointer<Record>, _ sp: StackPointer,
    _ gas: Int
) {
    let offset = ip.pointee.byteOffset
    let isLast = Forms.table[Int(f.pointee.code[offset])].traits.contains(.endsBlock)
    if m.pointee.halt == nil, !isLast {
        return continueBytes(m, f, at: offset, sp, gas &+ staticGas(m, f, from: offset))
    }
    if m.pointee.halt == nil { m.pointee.halt = .outOfGas }
    m.pointee.outputSize = 0
    f.pointee.gas = 0
}

/// What the instructions from an offset to the end of its block cost without their operands.
private func staticGas(_ m: MachinePointer, _ f: FramePointer, from offset: Int) -> Int {
    let forms = Forms.table
    var offset = offset
    var gas = 0
    while offset < f.pointee.codeSize {
        let byte = f.pointee.code[offset]
        let info = m.pointee.instructions[Int(byte)]
        if byte == Opcode.jumpdest.rawValue || !info.isDefined { break }
        gas &+= Int(info.gas)
        if forms[Int(byte)].traits.contains(.endsBlock) { break }
        offset &+= 1 &+ Opcode.immediateSize(of: byte)
    }
    return gas
}

/// Goes on with byte code from the block whose header is at `ip`.
@inline(never)
private func resumeBytes(
    _ m: MachinePointer, _ f: FramePointer, _ ip: UnsafePointer<Record>, _ sp: StackPointer,
    _ gas: Int
) {
    if m.pointee.isCancelled { return cancel(m, f) }
    let offset = f.pointee.codeObject._withUnsafeGuaranteedRef { code in
        code.decode(m.pointee.schedule)?.byteOffset(ofHeader: ip) ?? 0
    }
    continueBytes(m, f, at: offset, sp, gas)
}

/// Goes on with byte code at an instruction: for what is not worth decoding.
@inline(never)
private func leaveDecoded(
    _ m: MachinePointer, _ f: FramePointer, _ ip: UnsafePointer<Record>, _ sp: StackPointer,
    _ gas: Int
) {
    continueBytes(m, f, at: ip.pointee.byteOffset, sp, gas)
}

private func continueBytes(
    _ m: MachinePointer, _ f: FramePointer, at offset: Int, _ sp: StackPointer, _ gas: Int
) {
    f.pointee.pc = f.pointee.code + offset
    f.pointee.sp = sp
    f.pointee.gas = gas
    f.pointee.isDecoded = false
    runBytes(m, f)
}

@inline(never)
private func failJump(_ m: MachinePointer, _ f: FramePointer) {
    m.pointee.halt = .invalidJump
    m.pointee.outputSize = 0
    f.pointee.gas = 0
}
