/// The ways in which a frame ends itself: RETURN, REVERT and SELFDESTRUCT.

import EthereumTypes
import Primitives
import State

/// RETURN and REVERT.
@inline(never)
func setOutput(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let gas = touchMemory(m, f, sp[0], sp[-1], gas)
    if gas < 0 { return gas }
    m.pointee.outputSize = Int(truncatingIfNeeded: sp[-1].l0)
    m.pointee.output = UnsafeRawPointer(f.pointee.memory)
    if m.pointee.outputSize > 0 { m.pointee.output += Int(truncatingIfNeeded: sp[0].l0) }
    return gas
}

@inline(never)
func selfDestruct(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let schedule = m.pointee.schedule
    if f.pointee.isStatic {
        m.pointee.halt = .writeProtection
        return -1
    }
    return m.pointee.state._withUnsafeGuaranteedRef { state in
        var gas = gas
        let address = Address(lowBytesOf: sp[0])
        let beneficiary = state.index(of: address)
        let account = f.pointee.account
        if schedule.pointee.hasAccessLists, state.warm(beneficiary),
            !isPrecompile(address, schedule)
        {
            gas &-= schedule.pointee.coldAccountAccess
        }
        if m.pointee.tracer != nil { tracer(m)?.accountAccess(address) }
        let balance = state.balance(account)
        if schedule.pointee.selfDestructChargesNewAccount,
            isMissing(beneficiary, balance, schedule, state)
        {
            gas &-= schedule.pointee.newAccount
        }
        if gas < 0 { return gas }
        let isDeleted = !schedule.pointee.selfDestructOnlyNew || state.wasCreated(account)
        if beneficiary != account {
            move(balance, from: account, to: beneficiary, m, state)
        } else if isDeleted {
            state.setBalance(account, .zero)
        }
        if isDeleted, state.selfDestruct(account) {
            state.addRefund(schedule.pointee.selfDestructRefund)
        }
        if let recorder = m.pointee.recorder {
            recorder._withUnsafeGuaranteedRef {
                $0.selfDestruct(
                    of: Address(lowBytesOf: f.pointee.addressWord), to: address, balance,
                    depth: m.pointee.depth + 1)
            }
        }
        if m.pointee.tracer != nil {
            tracer(m)?.callEnter(
                CallEntry(
                    kind: .selfDestruct, depth: m.pointee.depth + 1,
                    caller: Address(lowBytesOf: f.pointee.addressWord), recipient: address,
                    codeAddress: address, target: address, value: balance, gas: 0, input: []))
            tracer(m)?.callExit(
                CallExit(depth: m.pointee.depth + 1, gasUsed: 0, output: [], halt: nil))
        }
        m.pointee.outputSize = 0
        return gas
    }
}
