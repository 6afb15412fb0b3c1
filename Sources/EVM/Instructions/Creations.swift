/// CREATE and CREATE2, and the addresses of contracts. They end or leave a frame as calls do.

import Cryptography
import EthereumTypes
public import Primitives
import State

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
        let initCodeBytes = UnsafeRawBufferPointer(start: initCode, count: size)
        func newAddress() -> Address {
            kind == .create2
                ? contractAddress(
                    creator: creator, salt: Hash256(sp[-3]),
                    initCodeHash: keccak256(bytes: initCodeBytes))
                : contractAddress(creator: creator, nonce: nonce)
        }
        if let failure {
            if m.pointee.tracer != nil {
                refuseCreation(
                    m, kind, creator: creator, address: newAddress(), value: value, gas: childGas,
                    gasUsed: 0, initCode: initCodeBytes, failure)
            }
            result.pointee = .zero
            return gas &+ childGas
        }
        state.setNonce(f.pointee.account, nonce + 1)
        let address = newAddress()
        let account = state.index(of: address)
        if schedule.pointee.hasAccessLists { state.warm(account) }
        if isOccupied(account, state) {
            if m.pointee.tracer != nil {
                refuseCreation(
                    m, kind, creator: creator, address: address, value: value, gas: childGas,
                    gasUsed: childGas, initCode: initCodeBytes, .addressCollision)
            }
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
    if let recorder = m.pointee.recorder {
        let address = state.address(of: account)
        let hash = keccak256(bytes: UnsafeRawBufferPointer(initCode))
        recorder._withUnsafeGuaranteedRef {
            $0.begin(
                CallRecord(
                    transactionIndex: $0.transactionIndex, depth: m.pointee.depth + 1, kind: kind,
                    caller: Address(lowBytesOf: creatorWord), recipient: address,
                    codeAddress: address, value: value,
                    creation: CallRecord.Creation(initCodeHash: hash, codeHash: nil)))
        }
    }
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
                recipient: address, codeAddress: address, target: address, value: value,
                gas: Gas(gas), input: Bytes(initCode)))
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
