/// CALL, CALLCODE, DELEGATECALL and STATICCALL.
///
/// A call either ends at once (nothing to run, a precompile, no money, too deep) with its result on the
/// stack, or leaves a frame in `frames[depth + 1]` and sets `hasNewFrame`. The stack's slot for the
/// result is the same in both cases; `EVM.leave` writes it later in the second.

import EthereumTypes
import Glibc
import Primitives
import State

/// CALL, CALLCODE, DELEGATECALL and STATICCALL: EELS `generic_call` and its callers.
@inline(never)
func call(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int, _ kind: CallKind
) -> Int {
    // Gas, address, value for two of the four, then the ranges of input and output.
    let hasValue = kind == .call || kind == .callCode
    let schedule = m.pointee.schedule
    let requested = sp[0]
    let target = Address(lowBytesOf: sp[-1])
    let value = hasValue ? sp[-2] : .zero
    let ranges = hasValue ? sp - 3 : sp - 2
    let inputSize = ranges[-1]
    let outputSize = ranges[-3]
    let result = ranges - 3
    let transfersValue = hasValue && !value.isZero
    m.pointee.hasNewFrame = false

    if f.pointee.isStatic, kind == .call, transfersValue {
        m.pointee.halt = .writeProtection
        return -1
    }
    let gasAtStart = gas
    var gas = touchMemory(m, f, ranges[0], inputSize, gas)
    if gas < 0 { return gas }
    gas = touchMemory(m, f, ranges[-2], outputSize, gas)
    if gas < 0 { return gas }

    return m.pointee.state._withUnsafeGuaranteedRef { state in
        // What the call itself costs; the warm price is in the table.
        let account = state.index(of: target)
        let precompile = precompile(target, schedule)
        if schedule.pointee.hasAccessLists, state.warm(account), !isPrecompile(target, schedule) {
            gas &-= schedule.pointee.coldAccountSurcharge
        }
        if m.pointee.tracer != nil {
            m.pointee.tracedTarget = target
            tracer(m)?.accountAccess(target)
        }
        if transfersValue { gas &-= schedule.pointee.callValue }
        if kind == .call, isMissing(account, value, schedule, state) {
            gas &-= schedule.pointee.newAccount
        }
        if gas < 0 { return -1 }
        var target = (account: account, address: target)
        if schedule.pointee.hasDelegations, precompile == nil, state.hasCode(account) {
            gas = follow(&target, m, state, gas)
            if gas < 0 { return -1 }
        }

        // The gas of the callee.
        var calleeGas: Int
        if schedule.pointee.keepsOne64th {
            let most = allButOne64th(gas)
            calleeGas =
                requested.fitsUInt64 && requested.l0 < UInt64(truncatingIfNeeded: most)
                ? Int(truncatingIfNeeded: requested.l0) : most
        } else {
            guard requested.fitsUInt64, requested.l0 <= UInt64(truncatingIfNeeded: gas) else {
                return -1
            }
            calleeGas = Int(truncatingIfNeeded: requested.l0)
        }
        gas &-= calleeGas
        m.pointee.tracedCost =
            gasAtStart &- gas &+ Int(m.pointee.instructions[Int(kind.opcode.rawValue)].gas)
        if transfersValue { calleeGas &+= schedule.pointee.callStipend }
        m.pointee.returnDataSize = 0

        let size = Int(truncatingIfNeeded: inputSize.l0)
        let outSize = Int(truncatingIfNeeded: outputSize.l0)
        let isOther = kind == .call || kind == .staticCall
        let call = Call(
            kind: kind,
            caller: kind == .delegateCall ? f.pointee.callerWord : f.pointee.addressWord,
            recipient: isOther ? account : f.pointee.account,
            recipientWord: isOther ? sp[-1].address : f.pointee.addressWord,
            codeAccount: target.account, codeAddress: target.address,
            value: kind == .delegateCall ? f.pointee.value : value, gas: calleeGas,
            input: UnsafeRawPointer(f.pointee.memory + start(ranges[0], size)), inputSize: size,
            outputOffset: start(ranges[-2], outSize), outputSize: outSize,
            isStatic: f.pointee.isStatic || kind == .staticCall)

        if transfersValue, state.balance(f.pointee.account) < value {
            result.pointee = .zero
            refuse(m, call, .insufficientBalance)
            return gas &+ calleeGas
        }
        if m.pointee.depth >= Machine.depthLimit {
            result.pointee = .zero
            refuse(m, call, .callDepthExceeded)
            return gas &+ calleeGas
        }
        let checkpoint = state.checkpoint()
        if isOther {
            move(transfersValue ? value : .zero, from: f.pointee.account, to: account, m, state)
        }
        if let precompile {
            let (gasLeft, halt) = runPrecompile(m, precompile, call)
            if halt != nil { state.revert(to: checkpoint) }
            copyOutput(m, f, call.outputOffset, call.outputSize)
            result.pointee = flag(halt == nil)
            return gas &+ gasLeft
        }
        let code = code(of: target.account, state)
        if code._withUnsafeGuaranteedRef({ $0.size }) == 0 {
            passEmptyCall(m, call)
            result.pointee = .one
            return gas &+ calleeGas
        }
        enter(m, call, code, checkpoint, stack: result + 1)
        return gas
    }
}

/// A call about to be made.
struct Call: BitwiseCopyable {
    var kind: CallKind
    var caller: UInt256
    var recipient: AccountIndex
    var recipientWord: UInt256
    var codeAccount: AccountIndex
    var codeAddress: Address
    var value: UInt256
    var gas: Int
    var input: UnsafeRawPointer
    var inputSize: Int
    var outputOffset: Int
    var outputSize: Int
    var isStatic: Bool
}

extension CallKind {
    var opcode: Opcode {
        switch self {
        case .call: .call
        case .callCode: .callcode
        case .delegateCall: .delegatecall
        case .staticCall: .staticcall
        case .create: .create
        case .create2: .create2
        case .selfDestruct: .selfdestruct
        }
    }
}

extension UInt256 {
    /// The low 20 bytes.
    @inline(always)
    var address: UInt256 { UInt256(l0: l0, l1: l1, l2: l2 & 0xffff_ffff, l3: 0) }
}

/// Whether sending a value to an account costs extra because the account is not there.
@inline(always)
func isMissing(
    _ account: AccountIndex, _ value: UInt256, _ schedule: UnsafePointer<GasSchedule>,
    _ state: JournaledState
) -> Bool {
    switch schedule.pointee.newAccountRule {
    case .missing: !state.exists(account)
    case .emptyWithValue: !value.isZero && state.isEmpty(account)
    }
}

/// If the target's code is a delegation, goes on with the delegate and charges for it (EIP-7702).
@inline(never)
private func follow(
    _ target: inout (account: AccountIndex, address: Address), _ m: MachinePointer,
    _ state: JournaledState, _ gas: Int
) -> Int {
    let code = code(of: target.account, state)
    guard let delegate = code._withUnsafeGuaranteedRef({ $0.delegate }) else { return gas }
    let schedule = m.pointee.schedule
    target = (state.index(of: delegate), delegate)
    let isCold = state.warm(target.account) && !isPrecompile(delegate, schedule)
    return gas &- (isCold ? schedule.pointee.coldAccountAccess : schedule.pointee.warmAccess)
}

/// Moves value and touches the recipient. The sender has been checked to have it.
func move(
    _ value: UInt256, from sender: AccountIndex, to recipient: AccountIndex, _ m: MachinePointer,
    _ state: JournaledState
) {
    if !m.pointee.schedule.pointee.deletesEmptyAccounts { state.ensureExists(recipient) }
    if value.isZero {
        state.touch(recipient)
    } else if state.subtractBalance(sender, value) {
        state.addBalance(recipient, value)
    }
}

/// Copies the return data to where the caller wants it, as much as fits.
@inline(always)
func copyOutput(_ m: MachinePointer, _ f: FramePointer, _ offset: Int, _ size: Int) {
    let count = min(size, m.pointee.returnDataSize)
    if count > 0 { memcpy(f.pointee.memory + offset, m.pointee.returnData, count) }
}

/// Runs a precompile; its output becomes the return data.
func runPrecompile(
    _ m: MachinePointer, _ precompile: Precompile, _ call: Call
) -> (gasLeft: Int, halt: Halt?) {
    recordEntry(m, call)
    if m.pointee.tracer != nil { traceEntry(m, call) }
    let input = UnsafeRawBufferPointer(start: call.input, count: call.inputSize)
    let cost = precompile.cost(input, m.pointee.schedule)
    var halt: Halt?
    m.pointee.returnDataSize = 0
    if cost > call.gas {
        halt = .outOfGas
    } else if cost > Cancellation.longPrecompile, m.pointee.cancelIfBrief() {
        halt = .cancelled
    } else if precompile == .identity {
        m.pointee.setReturnData(call.input, call.inputSize)
    } else if let output = try? precompile.run(Bytes(input)) {
        output.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { m.pointee.setReturnData(base, bytes.count) }
        }
    } else {
        halt = .precompileFailed
    }
    let gasLeft = halt == nil ? call.gas - cost : 0
    recordExit(m, failed: halt != nil)
    if m.pointee.tracer != nil { traceExit(m, gasUsed: call.gas - gasLeft, halt) }
    return (gasLeft, halt)
}
