/// Calls, creations, and the end of a frame.
///
/// A call or creation either ends at once (nothing to run, a precompile, no money, too deep) with its
/// result on the stack, or leaves a frame in `frames[depth + 1]` and sets `hasNewFrame`. The stack's
/// slot for the result is the same in both cases; `EVM.leave` writes it later in the second.

import Cryptography
import EthereumTypes
import Glibc
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

/// The offset of a range, or 0 if it is empty and its offset may be anything.
@inline(always)
private func start(_ offset: UInt256, _ size: Int) -> Int {
    size == 0 ? 0 : Int(truncatingIfNeeded: offset.l0)
}

/// All but one 64th (EIP-150).
@inline(always)
private func allButOne64th(_ gas: Int) -> Int { gas &- gas &>> 6 }

// MARK: Calls

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
        if schedule.pointee.hasAccessLists, state.warm(account), precompile == nil {
            gas &-= schedule.pointee.coldAccountSurcharge
        }
        if m.pointee.tracer != nil { tracer(m)?.accountAccess(target) }
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
            if m.pointee.tracer != nil { traceEmptyCall(m, call) }
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
private func isMissing(
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
    if m.pointee.tracer != nil { tracer(m)?.accountAccess(delegate) }
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
        if m.pointee.tracer != nil {
            traceEntry(m, call)
        } else if let decoded = object.enter(m.pointee.schedule, m.pointee.decoding) {
            (m.pointee.frames + m.pointee.depth + 1).pointee.use(
                decoded, at: decoded.pointee.entry)
        }
    }
}

/// What the pointers of a frame of byte code point to: nothing that is ever read.
private var noRecords: UnsafePointer<Record> {
    UnsafePointer(bitPattern: 16).unsafelyUnwrapped
}

private var noBlocks: UnsafePointer<UInt32> {
    UnsafePointer(bitPattern: 16).unsafelyUnwrapped
}

@inline(always)
private func push(_ m: MachinePointer, stack: StackPointer, _ frame: Frame) {
    (m.pointee.frames + m.pointee.depth + 1).initialize(to: frame)
    m.pointee.hasNewFrame = true
}

/// Where the memory of the next frame begins: at the end of the running one's.
@inline(always)
private func nextMemory(_ m: MachinePointer) -> UnsafeMutableRawPointer {
    if m.pointee.depth < 0 { return m.pointee.memories }
    let frame = m.pointee.frames + m.pointee.depth
    return frame.pointee.memory + frame.pointee.memorySize
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
    if m.pointee.tracer != nil { traceEntry(m, call) }
    let input = UnsafeRawBufferPointer(start: call.input, count: call.inputSize)
    let cost = precompile.cost(input, m.pointee.schedule)
    var halt: Halt?
    m.pointee.returnDataSize = 0
    if cost > call.gas {
        halt = .outOfGas
    } else if precompile == .identity {
        m.pointee.setReturnData(call.input, call.inputSize)
    } else if let output = precompile.run(Bytes(input)) {
        output.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { m.pointee.setReturnData(base, bytes.count) }
        }
    } else {
        halt = .precompileFailed
    }
    let gasLeft = halt == nil ? call.gas - cost : 0
    if m.pointee.tracer != nil { traceExit(m, gasUsed: call.gas - gasLeft, halt) }
    return (gasLeft, halt)
}

// MARK: Creations

/// CREATE and CREATE2: EELS `generic_create`.
@inline(never)
func create(
    _ m: MachinePointer, _ f: FramePointer, _ sp: StackPointer, _ gas: Int, _ kind: CallKind
) -> Int {
    let schedule = m.pointee.schedule
    let value = sp[0]
    let result = kind == .create2 ? sp - 3 : sp - 2
    m.pointee.hasNewFrame = false
    if f.pointee.isStatic {
        m.pointee.halt = .writeProtection
        return -1
    }
    let gasAtStart = gas
    var gas = touchMemory(m, f, sp[-1], sp[-2], gas)
    if gas < 0 { return gas }
    let size = Int(truncatingIfNeeded: sp[-2].l0)
    if size > schedule.pointee.maxInitCodeSize {
        m.pointee.halt = .initCodeTooLarge
        return -1
    }
    gas &-= schedule.pointee.initCodeWord &* wordCount(size)
    if kind == .create2 { gas &-= 6 &* wordCount(size) }
    if gas < 0 { return gas }
    let childGas = schedule.pointee.keepsOne64th ? allButOne64th(gas) : gas
    gas &-= childGas
    m.pointee.tracedCost =
        gasAtStart &- gas &+ Int(m.pointee.instructions[Int(kind.opcode.rawValue)].gas)
    m.pointee.returnDataSize = 0
    let initCode = UnsafeRawPointer(f.pointee.memory + start(sp[-1], size))

    return m.pointee.state._withUnsafeGuaranteedRef { state in
        let nonce = state.nonce(f.pointee.account)
        let creator = state.address(of: f.pointee.account)
        var failure: Halt?
        if state.balance(f.pointee.account) < value {
            failure = .insufficientBalance
        } else if nonce == .max {
            failure = .nonceOverflow
        } else if m.pointee.depth >= Machine.depthLimit {
            failure = .callDepthExceeded
        }
        if failure != nil {
            result.pointee = .zero
            return gas &+ childGas
        }
        state.setNonce(f.pointee.account, nonce + 1)
        let address =
            kind == .create2
            ? contractAddress(
                creator: creator, salt: Hash256(sp[-3]),
                initCodeHash: keccak256(bytes: UnsafeRawBufferPointer(start: initCode, count: size))
            )
            : contractAddress(creator: creator, nonce: nonce)
        let account = state.index(of: address)
        if schedule.pointee.hasAccessLists { state.warm(account) }
        if m.pointee.tracer != nil { tracer(m)?.accountAccess(address) }
        if isOccupied(account, state) {
            result.pointee = .zero
            return gas
        }
        enterCreation(
            m, state, account, kind: kind, creator: f.pointee.account,
            creatorWord: f.pointee.addressWord, value: value,
            initCode: UnsafeBufferPointer(
                start: initCode.assumingMemoryBound(to: UInt8.self), count: size),
            gas: childGas, stack: result + 1)
        return gas
    }
}

/// An address where no contract can be made: EIP-684 and EIP-7610.
func isOccupied(_ account: AccountIndex, _ state: JournaledState) -> Bool {
    state.nonce(account) != 0 || state.hasCode(account) || state.hasStorage(account)
}

/// Makes the new account and the frame that runs its initialisation code.
func enterCreation(
    _ m: MachinePointer, _ state: JournaledState, _ account: AccountIndex, kind: CallKind,
    creator: AccountIndex, creatorWord: UInt256, value: UInt256,
    initCode: UnsafeBufferPointer<UInt8>, gas: Int, stack: StackPointer
) {
    let checkpoint = state.checkpoint()
    state.markCreated(account)
    if m.pointee.schedule.pointee.newContractNonce != 0 {
        state.setNonce(account, m.pointee.schedule.pointee.newContractNonce)
    }
    move(value, from: creator, to: account, m, state)
    let code = Code(initCode)
    let word = state.address(of: account).uint256
    push(
        m, stack: stack,
        Frame(
            pc: code.code, sp: stack - 1, gas: gas, base: stack, memory: nextMemory(m),
            code: code.code, codeSize: code.size, jumpDestinations: code.jumpDestinations,
            codeObject: Unmanaged.passRetained(code), ip: noRecords, records: noRecords,
            blockIndices: noBlocks, ownsCode: true, isStatic: false,
            kind: .create, input: UnsafeRawPointer(code.code), inputSize: 0, account: account,
            addressWord: word, callerWord: creatorWord, value: value, checkpoint: checkpoint,
            gasLimit: gas, outputOffset: 0, outputSize: 0))
    if m.pointee.decoding == .always, m.pointee.tracer == nil,
        let decoded = code.enter(m.pointee.schedule, .always)
    {
        (m.pointee.frames + m.pointee.depth + 1).pointee.use(decoded, at: decoded.pointee.entry)
    }
    if m.pointee.tracer != nil {
        let address = state.address(of: account)
        tracer(m)?.callEnter(
            CallEntry(
                kind: kind, depth: m.pointee.depth + 1, caller: Address(lowBytesOf: creatorWord),
                recipient: address, codeAddress: address, value: value, gas: Gas(gas),
                input: Bytes(initCode)))
    }
}

/// The address of a contract made by CREATE or by a transaction (Yellow Paper 7).
public func contractAddress(creator: Address, nonce: Nonce) -> Address {
    var encoder = RLPEncoder()
    encoder.list { list in
        list.append(creator)
        list.append(nonce)
    }
    return Address(lowBytesOf: keccak256(encoder.bytes))
}

/// The address of a contract made by CREATE2 (EIP-1014).
public func contractAddress(
    creator: Address, salt: Hash256, initCodeHash: Hash256
) -> Address {
    Address(lowBytesOf: keccak256([0xff] + creator.bytes + salt.bytes + initCodeHash.bytes))
}

// MARK: SELFDESTRUCT

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
        if m.pointee.tracer != nil {
            tracer(m)?.callEnter(
                CallEntry(
                    kind: .selfDestruct, depth: m.pointee.depth + 1,
                    caller: Address(lowBytesOf: f.pointee.addressWord), recipient: address,
                    codeAddress: address, value: balance, gas: 0, input: []))
            tracer(m)?.callExit(
                CallExit(depth: m.pointee.depth + 1, gasUsed: 0, output: [], halt: nil))
        }
        m.pointee.outputSize = 0
        return gas
    }
}

// MARK: For the tracer

/// Reports a call that fails before it begins.
private func refuse(_ m: MachinePointer, _ call: Call, _ halt: Halt) {
    guard m.pointee.tracer != nil else { return }
    traceEntry(m, call)
    m.pointee.returnDataSize = 0
    traceExit(m, gasUsed: 0, halt)
}

private func traceEmptyCall(_ m: MachinePointer, _ call: Call) {
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
