/// What code sees of its surroundings: accounts, blocks, call data, code, hashes of memory.

import Cryptography
import EthereumTypes
import Glibc
import Primitives
import State

// MARK: Other accounts

/// Finds an account that an instruction names, and charges for it if it is cold (EIP-2929); it becomes
/// warm only if the gas suffices. The warm price is in the table.
@inline(always)
private func access(
    _ m: MachinePointer, _ state: JournaledState, _ address: UInt256, _ gas: inout Int
) -> AccountIndex {
    let address = Address(lowBytesOf: address)
    let account = state.index(of: address)
    let schedule = m.pointee.schedule
    if m.pointee.tracer != nil { tracer(m)?.accountAccess(address) }
    if schedule.pointee.hasAccessLists, !state.isWarm(account) {
        if !isPrecompile(address, schedule) { gas &-= schedule.pointee.coldAccountSurcharge }
        if gas >= 0 { state.warm(account) }
    }
    return account
}

@inline(never)
func balance(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        var gas = gas
        let account = access(m, state, sp[0], &gas)
        if gas < 0 { return gas }
        sp[0] = state.balance(account)
        return gas
    }
}

@inline(never)
func externalCodeSize(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int
) -> Int {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        var gas = gas
        let account = access(m, state, sp[0], &gas)
        if gas < 0 { return gas }
        sp[0] = word(code(of: account, state)._withUnsafeGuaranteedRef { $0.size })
        return gas
    }
}

/// EXTCODEHASH: zero for what is not there (EIP-1052).
@inline(never)
func externalCodeHash(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int
) -> Int {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        var gas = gas
        let account = access(m, state, sp[0], &gas)
        if gas < 0 { return gas }
        sp[0] = state.isEmpty(account) ? .zero : state.codeHash(account).uint256
        return gas
    }
}

@inline(never)
func externalCodeCopy(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int
) -> Int {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        let memorySize = f.pointee.memorySize
        var gas = touchMemory(m, f, sp[-1], sp[-3], gas, perWord: copyWord)
        if gas < 0 { return gas }
        let account = access(m, state, sp[0], &gas)
        if gas < 0 {
            f.pointee.memorySize = memorySize
            return gas
        }
        if sp[-3].isZero { return gas }
        code(of: account, state)._withUnsafeGuaranteedRef { code in
            copyPadded(
                f.pointee.memory + Int(truncatingIfNeeded: sp[-1].l0),
                Int(truncatingIfNeeded: sp[-3].l0), from: code.code, code.size, at: sp[-2])
        }
        return gas
    }
}

@inline(never)
func selfBalance(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer) {
    m.pointee.state._withUnsafeGuaranteedRef { state in
        sp[0] = state.balance(f.pointee.account)
    }
}

/// The code of an account, ready to run. The state keeps it alive.
func code(of account: AccountIndex, _ state: JournaledState) -> Unmanaged<Code> {
    if let attachment = state.attachment(account) {
        return Unmanaged<Code>.fromOpaque(attachment)
    }
    let code: Code
    if state.hasCode(account) {
        code = Code.cached(state.codeHash(account)) { state.code(account) }
    } else {
        code = Code.empty
    }
    state.attach(code, to: account)
    return Unmanaged.passUnretained(code)
}

// MARK: The block

/// BLOCKHASH: of the 256 blocks before this one.
@inline(never)
func blockHash(_ m: MachinePointer, _ sp: StackPointer) {
    let number = sp[0]
    let current = m.pointee.number.l0
    sp[0] = .zero
    guard number.fitsUInt64, number.l0 < current, current - number.l0 <= 256 else { return }
    m.pointee.state._withUnsafeGuaranteedRef { state in
        sp[0] = (state.blockHash(number.l0) ?? .zero).uint256
    }
}

/// BLOBHASH (EIP-4844).
@inline(never)
func blobHash(_ m: MachinePointer, _ sp: StackPointer) {
    let index = sp[0]
    let isThere = index.fitsUInt64 && index.l0 < UInt64(m.pointee.blobHashCount)
    sp[0] = isThere ? m.pointee.blobHashes[Int(index.l0)].uint256 : .zero
}

// MARK: Bytes

/// What copying costs, for each word.
private let copyWord = 3

@inline(never)
func callDataLoad(_ f: FramePointer, _ sp: StackPointer) {
    let offset = sp[0]
    let size = UInt64(truncatingIfNeeded: f.pointee.inputSize)
    if offset.fitsUInt64, size >= 32, offset.l0 <= size - 32 {
        sp[0] = loadWord(f.pointee.input + Int(truncatingIfNeeded: offset.l0))
        return
    }
    var word = InlineArray<32, UInt8>(repeating: 0)
    withUnsafeMutableBytes(of: &word) { bytes in
        guard let base = bytes.baseAddress else { return }
        copyPadded(base, 32, from: f.pointee.input, f.pointee.inputSize, at: offset)
        sp[0] = loadWord(base)
    }
}

@inline(never)
func callDataCopy(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let gas = touchMemory(m, f, sp[0], sp[-2], gas, perWord: copyWord)
    if gas < 0 || sp[-2].isZero { return gas }
    copyPadded(
        f.pointee.memory + Int(truncatingIfNeeded: sp[0].l0), Int(truncatingIfNeeded: sp[-2].l0),
        from: f.pointee.input, f.pointee.inputSize, at: sp[-1])
    return gas
}

@inline(never)
func codeCopy(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let gas = touchMemory(m, f, sp[0], sp[-2], gas, perWord: copyWord)
    if gas < 0 || sp[-2].isZero { return gas }
    copyPadded(
        f.pointee.memory + Int(truncatingIfNeeded: sp[0].l0), Int(truncatingIfNeeded: sp[-2].l0),
        from: f.pointee.code, f.pointee.codeSize, at: sp[-1])
    return gas
}

/// RETURNDATACOPY fails if it would read beyond the end (EIP-211).
@inline(never)
func returnDataCopy(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int
) -> Int {
    let (end, overflow) = sp[-1].addingReportingOverflow(sp[-2])
    if overflow || end > word(m.pointee.returnDataSize) {
        m.pointee.halt = .returnDataOutOfBounds
        return -1
    }
    let gas = touchMemory(m, f, sp[0], sp[-2], gas, perWord: copyWord)
    if gas < 0 || sp[-2].isZero { return gas }
    memcpy(
        f.pointee.memory + Int(truncatingIfNeeded: sp[0].l0),
        m.pointee.returnData + Int(truncatingIfNeeded: sp[-1].l0),
        Int(truncatingIfNeeded: sp[-2].l0))
    return gas
}

/// MCOPY (EIP-5656).
@inline(never)
func memoryCopy(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let size = sp[-2]
    let end = sp[0] < sp[-1] ? sp[-1] : sp[0]
    let gas = touchMemory(m, f, end, size, gas, perWord: copyWord)
    if gas < 0 || size.isZero { return gas }
    memmove(
        f.pointee.memory + Int(truncatingIfNeeded: sp[0].l0),
        f.pointee.memory + Int(truncatingIfNeeded: sp[-1].l0), Int(truncatingIfNeeded: size.l0))
    return gas
}

// MARK: Hashing

/// KECCAK256. The hashes of 64 bytes are cached: they are the slots of mappings.
@inline(never)
func hashMemory(_ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int) -> Int {
    let size = sp[-1]
    let gas = touchMemory(m, f, sp[0], size, gas, perWord: 6)
    if gas < 0 { return gas }
    let count = Int(truncatingIfNeeded: size.l0)
    let start = f.pointee.memory + (count == 0 ? 0 : Int(truncatingIfNeeded: sp[0].l0))
    sp[-1] =
        count == 64
        ? hashPair(m, start)
        : keccak256(bytes: UnsafeRawBufferPointer(start: start, count: count)).uint256
    return gas
}

@inline(always)
private func hashPair(_ m: MachinePointer, _ start: UnsafeMutableRawPointer) -> UInt256 {
    let k0 = start.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
    let k1 = start.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let k2 = start.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    let k3 = start.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    let k4 = start.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
    let k5 = start.loadUnaligned(fromByteOffset: 40, as: UInt64.self)
    let k6 = start.loadUnaligned(fromByteOffset: 48, as: UInt64.self)
    let k7 = start.loadUnaligned(fromByteOffset: 56, as: UInt64.self)
    let mixed =
        (k3 ^ k2 &* 0x9e37_79b9_7f4a_7c15 ^ k7 &* 0xc2b2_ae3d_27d4_eb4f) &* 0xff51_afd7_ed55_8ccd
    let line = m.pointee.pairHashes + Int(truncatingIfNeeded: mixed &>> 54)
    if line.pointee.k3 == k3, line.pointee.k7 == k7, line.pointee.k2 == k2, line.pointee.k1 == k1,
        line.pointee.k0 == k0, line.pointee.k4 == k4, line.pointee.k5 == k5, line.pointee.k6 == k6
    {
        return line.pointee.hash
    }
    let hash = keccak256(bytes: UnsafeRawBufferPointer(start: start, count: 64)).uint256
    line.pointee = HashedPair(
        k0: k0, k1: k1, k2: k2, k3: k3, k4: k4, k5: k5, k6: k6, k7: k7, hash: hash)
    return hash
}
