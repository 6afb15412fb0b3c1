/// Persistent and transient storage, and logs.

import EthereumTypes
import Primitives
import State

@inline(never)
func storageLoad(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        var gas = gas
        let slot = state.slot(f.pointee.account, sp[0])
        let schedule = m.pointee.schedule
        if m.pointee.tracer != nil { traceStorage(m, f, sp[0]) }
        if schedule.pointee.hasAccessLists, !state.isWarm(slot) {
            gas &-= schedule.pointee.coldSlotSurcharge
            if gas < 0 { return gas }
            state.warm(slot)
        }
        sp[0] = state.value(slot)
        return gas
    }
}

/// SSTORE: by EIP-2200 with the prices of EIP-2929 and EIP-3529, by EIP-1283, or by the rule before.
@inline(never)
func storageStore(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let schedule = m.pointee.schedule
    let rule = schedule.pointee.storageRule
    if f.pointee.isStatic {
        m.pointee.halt = .writeProtection
        return -1
    }
    if rule == .netWithSentry, gas <= schedule.pointee.callStipend {
        m.pointee.halt = .reentrancySentry
        return -1
    }
    return m.pointee.state._withUnsafeGuaranteedRef { state in
        var gas = gas
        let slot = state.slot(f.pointee.account, sp[0])
        if m.pointee.tracer != nil { traceStorage(m, f, sp[0]) }
        if schedule.pointee.hasAccessLists, state.warm(slot) {
            gas &-= schedule.pointee.coldSlotSurcharge &+ schedule.pointee.warmAccess
        }
        let current = state.value(slot)
        let new = sp[-1]
        if rule == .simple {
            gas &-=
                current.isZero && !new.isZero
                ? schedule.pointee.storageSet : schedule.pointee.storageReset
            if gas < 0 { return gas }
            if !current.isZero, new.isZero { state.addRefund(schedule.pointee.storageClearRefund) }
        } else {
            gas = netStorageCost(schedule, state, slot, current, new, gas)
            if gas < 0 { return gas }
        }
        if current != new { state.setValue(slot, new) }
        return gas
    }
}

/// Net gas metering (EIP-1283, EIP-2200): what a change costs depends on whether the slot already
/// differs from its value at the start of the transaction.
@inline(always)
private func netStorageCost(
    _ schedule: UnsafePointer<GasSchedule>, _ state: JournaledState, _ slot: SlotIndex,
    _ current: UInt256, _ new: UInt256, _ gas: Int
) -> Int {
    let dirty = schedule.pointee.storageDirty
    if current == new { return gas &- dirty }
    let original = state.originalValue(slot)
    let clear = schedule.pointee.storageClearRefund
    if original == current {
        let rest =
            gas &- (original.isZero ? schedule.pointee.storageSet : schedule.pointee.storageReset)
        if rest >= 0, !original.isZero, new.isZero { state.addRefund(clear) }
        return rest
    }
    let rest = gas &- dirty
    if rest < 0 { return rest }
    if !original.isZero {
        if current.isZero {
            state.addRefund(-clear)
        } else if new.isZero {
            state.addRefund(clear)
        }
    }
    if original == new {
        state.addRefund(
            (original.isZero ? schedule.pointee.storageSet : schedule.pointee.storageReset) - dirty)
    }
    return rest
}

@inline(never)
func transientLoad(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer) {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        sp[0] = state.transientValue(f.pointee.account, sp[0])
    }
}

@inline(never)
func transientStore(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    if f.pointee.isStatic {
        m.pointee.halt = .writeProtection
        return -1
    }
    m.pointee.state._withUnsafeGuaranteedRef { state in
        state.setTransientValue(f.pointee.account, sp[0], sp[-1])
    }
    return gas
}

@inline(never)
func log(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int, topics count: Int
) -> Int {
    if f.pointee.isStatic {
        m.pointee.halt = .writeProtection
        return -1
    }
    guard sp[-1].fitsUInt64, sp[-1].l0 < memoryLimit else { return -1 }
    let size = Int(truncatingIfNeeded: sp[-1].l0)
    var gas = gas &- 8 &* size
    if gas < 0 { return gas }
    gas = touchMemory(m, f, sp[0], sp[-1], gas)
    if gas < 0 { return gas }
    let start = f.pointee.memory + (size == 0 ? 0 : Int(truncatingIfNeeded: sp[0].l0))
    let log = Log(
        address: Address(lowBytesOf: f.pointee.addressWord),
        topics: (0..<count).map { Hash256(sp[-2 - $0]) },
        data: Bytes(UnsafeRawBufferPointer(start: start, count: size)))
    m.pointee.state._withUnsafeGuaranteedRef { $0.append(log) }
    if m.pointee.tracer != nil { tracer(m)?.log(log) }
    return gas
}

private func traceStorage(_ m: MachinePointer, _ f: FramePointer, _ slot: UInt256) {
    tracer(m)?.storageAccess(Address(lowBytesOf: f.pointee.addressWord), slot: slot)
}
