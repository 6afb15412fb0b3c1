/// Arithmetic with a division in it, and powers: out of line.

import Primitives

@inline(never)
func divide(_ sp: StackPointer) { sp[-1] = sp[0].divided(by: sp[-1]) }

@inline(never)
func signedDivide(_ sp: StackPointer) { sp[-1] = sp[0].signedDivided(by: sp[-1]) }

@inline(never)
func modulo(_ sp: StackPointer) { sp[-1] = sp[0].remainder(dividingBy: sp[-1]) }

@inline(never)
func signedModulo(_ sp: StackPointer) { sp[-1] = sp[0].signedRemainder(dividingBy: sp[-1]) }

@inline(never)
func divideBy(_ divisor: UnsafePointer<UInt256>, _ sp: StackPointer) {
    sp[0] = sp[0].divided(by: divisor.pointee)
}

@inline(never)
func moduloBy(_ divisor: UnsafePointer<UInt256>, _ sp: StackPointer) {
    sp[0] = sp[0].remainder(dividingBy: divisor.pointee)
}

@inline(never)
func addModulo(_ sp: StackPointer) { sp[-2] = sp[0].addMod(sp[-1], sp[-2]) }

@inline(never)
func multiplyModulo(_ m: MachinePointer, _ sp: StackPointer) {
    let modulus = sp[-2]
    sp[-2] = m.pointee.moduli[PreparedModulus.line(modulus)].multiply(sp[0], sp[-1], modulus)
}

/// EXP: costs by the bytes of the exponent.
@inline(never)
func exponentiate(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let exponent = sp[-1]
    let gas = gas &- m.pointee.schedule.pointee.expByte &* exponent.byteWidth
    if gas < 0 { return gas }
    sp[-1] = sp[0].power(exponent)
    return gas
}
