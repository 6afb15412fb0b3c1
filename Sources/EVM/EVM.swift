/// The virtual machine: message calls in, results out.
///
///     processMessageCall ─▶ frame 0 ─▶ run ─┬─ wants a frame ─▶ enter ─▶ run …
///                                           └─ has ended ─▶ leave ─▶ its caller runs on, or the result
///
/// Frames are records in an array, not functions on the native stack: 1024 nested calls need no more of
/// it than one.

import Cryptography
public import EthereumTypes
import Glibc
import Primitives
public import State

/// Runs messages of one block on one state. Not thread-safe; its machine returns to a pool when it
/// goes.
///
/// The caller opens and ends the transaction on the state, counts nonces, buys gas, and makes warm what
/// the transaction names (EIP-2929, EIP-2930, EIP-3651). Precompiles are warm by themselves.
public final class EVM {
    /// Whose rules hold.
    public let fork: Fork

    private let state: JournaledState
    private let tracer: TracerReference?
    private let recorder: CallRecorder?
    private let cancellation: Cancellation
    private let movedPrecompiles: MovedPrecompiles?

    // SAFETY: taken from the pool in `init`, given back in `deinit`, used by nobody else between.
    private let machine: MachinePointer

    /// A machine for a block on a state.
    ///
    /// - Parameter movedPrecompiles: made for the same fork. Code is not decoded then.
    public init(
        fork: Fork, block: BlockEnvironment, state: JournaledState, tracer: (any Tracer)? = nil,
        recorder: CallRecorder? = nil, movedPrecompiles: MovedPrecompiles? = nil,
        cancellation: Cancellation? = nil
    ) {
        self.fork = fork
        self.state = state
        self.tracer = tracer.map(TracerReference.init)
        self.recorder = recorder
        self.cancellation = cancellation ?? .never
        self.movedPrecompiles = movedPrecompiles
        let schedule = movedPrecompiles?.schedule ?? GasSchedule.of(fork)
        machine = MachinePool.take(schedule: schedule, state: state)
        machine.pointee.tracer = self.tracer.map(Unmanaged.passUnretained)
        machine.pointee.recorder = recorder.map(Unmanaged.passUnretained)
        machine.pointee.cancellation = self.cancellation.word
        machine.pointee.coinbase = block.coinbase.uint256
        machine.pointee.timestamp = UInt256(block.timestamp)
        machine.pointee.number = UInt256(block.number)
        machine.pointee.difficulty =
            schedule.pointee.hasPrevRandao ? block.prevRandao.uint256 : block.difficulty
        machine.pointee.gasLimit = UInt256(block.gasLimit)
        machine.pointee.chainId = block.chainId
        machine.pointee.baseFee = block.baseFeePerGas
        machine.pointee.blobBaseFee = block.blobBaseFee
        // Decoded code is kept by schedule, and this one does not stay.
        if movedPrecompiles != nil { machine.pointee.decoding = .never }
    }

    deinit {
        MachinePool.give(machine)
    }

    /// When code is decoded. It changes speed and nothing else; tests compare the extremes.
    package var decoding: Decoding {
        get { machine.pointee.decoding }
        set { machine.pointee.decoding = newValue }
    }

    /// Told how each frame ends, whichever interpreter ran it: tests compare them by this.
    package var frameEnded: ((FrameEnd) -> Void)?

    /// Runs a message: EELS `process_message_call`.
    ///
    /// All changes of a failed message are taken back. Logs, the refund and a failed state read are in
    /// the state.
    public func processMessageCall(
        _ message: Message, in transaction: TransactionEnvironment
    ) -> MessageResult {
        // More gas than a signed number holds cannot be spent. Room is left for what is added to it,
        // stipends and gas that comes back; official tests have limits of 0x7fe0000000000001.
        let gas = Int(min(message.gas, Gas(Int.max) - (1 << 52)))
        let unusable = message.gas - Gas(gas)
        machine.pointee.origin = transaction.origin.uint256
        machine.pointee.gasPrice = transaction.gasPrice
        machine.pointee.returnDataSize = 0
        machine.pointee.depth = -1
        machine.pointee.hasNewFrame = false
        var result = transaction.blobVersionedHashes.withUnsafeBufferPointer { hashes in
            if let base = hashes.baseAddress { machine.pointee.blobHashes = base }
            machine.pointee.blobHashCount = hashes.count
            return message.data.withUnsafeBufferPointer { data in
                switch message.kind {
                case .call: call(message, data, gas)
                case .create: create(message, data, gas)
                }
            }
        }
        result.gasLeft += unusable
        return result
    }

    private func call(
        _ message: Message, _ data: UnsafeBufferPointer<UInt8>, _ gas: Int
    ) -> MessageResult {
        let caller = state.index(of: message.caller)
        let recipient = state.index(of: message.recipient)
        var codeAccount = state.index(of: message.codeAddress)
        let schedule = machine.pointee.schedule
        let input = data.baseAddress.map { UnsafeRawPointer($0) }
        var call = Call(
            kind: message.isStatic ? .staticCall : .call, caller: message.caller.uint256,
            recipient: recipient, recipientWord: message.recipient.uint256,
            codeAccount: codeAccount, codeAddress: message.codeAddress, value: message.value,
            gas: gas, input: input ?? UnsafeRawPointer(machine.pointee.returnData),
            inputSize: data.count, outputOffset: 0, outputSize: 0, isStatic: message.isStatic)
        guard message.value.isZero || state.balance(caller) >= message.value else {
            return MessageResult(halt: .insufficientBalance, gasLeft: Gas(gas), output: [])
        }
        machine.pointee.tracedTarget = message.codeAddress
        let checkpoint = state.checkpoint()
        move(message.value, from: caller, to: recipient, machine, state)
        if let precompile = precompile(message.codeAddress, schedule) {
            let (gasLeft, halt) = runPrecompile(machine, precompile, call)
            if halt != nil { state.revert(to: checkpoint) }
            return MessageResult(halt: halt, gasLeft: Gas(gasLeft), output: returnData())
        }
        var code = code(of: codeAccount, state)
        if schedule.pointee.hasDelegations,
            let delegate = code._withUnsafeGuaranteedRef({ $0.delegate })
        {
            codeAccount = state.index(of: delegate)
            state.warm(codeAccount)
            call.codeAccount = codeAccount
            call.codeAddress = delegate
            code = readyCode(codeAccount)
        }
        enter(machine, call, code, checkpoint, stack: machine.pointee.stacks + 1)
        return runFrames()
    }

    private func readyCode(_ account: AccountIndex) -> Unmanaged<Code> {
        code(of: account, state)
    }

    private func create(
        _ message: Message, _ data: UnsafeBufferPointer<UInt8>, _ gas: Int
    ) -> MessageResult {
        let caller = state.index(of: message.caller)
        let account = state.index(of: message.recipient)
        guard message.value.isZero || state.balance(caller) >= message.value else {
            return MessageResult(halt: .insufficientBalance, gasLeft: Gas(gas), output: [])
        }
        if machine.pointee.schedule.pointee.hasAccessLists { state.warm(account) }
        if isOccupied(account, state) {
            if tracer != nil {
                refuseCreation(
                    machine, .create, creator: message.caller, address: message.recipient,
                    value: message.value, gas: gas, gasUsed: gas,
                    initCode: UnsafeRawBufferPointer(data), .addressCollision)
            }
            return MessageResult(halt: .addressCollision, gasLeft: 0, output: [])
        }
        enterCreation(
            machine, state, account, kind: .create, creator: caller,
            creatorWord: message.caller.uint256, value: message.value, initCode: data, gas: gas,
            stack: machine.pointee.stacks + 1)
        return runFrames()
    }

    private func returnData() -> Bytes {
        Bytes(
            UnsafeRawBufferPointer(
                start: machine.pointee.returnData, count: machine.pointee.returnDataSize))
    }

    // MARK: Frames

    /// Runs the frame that was made until it and all that it calls have ended.
    private func runFrames() -> MessageResult {
        let machine = machine
        machine.pointee.depth = 0
        while true {
            let frame = machine.pointee.frames + machine.pointee.depth
            if machine.pointee.isCancelled {
                cancel(machine, frame)
            } else if frame.pointee.isDecoded {
                runDecoded(machine, frame)
            } else if tracer == nil || frame.pointee.codeSize == 0 {
                // Empty code has no instructions to report.
                runBytes(machine, frame)
            } else {
                runTraced(machine, frame)
            }
            if machine.pointee.hasNewFrame {
                machine.pointee.hasNewFrame = false
                machine.pointee.depth += 1
                continue
            }
            if machine.pointee.hasPaused {
                machine.pointee.hasPaused = false
                if tracer == nil, machine.pointee.decoding != .never { decode(frame) }
                continue
            }
            settle(frame)
            if machine.pointee.depth == 0 {
                return MessageResult(
                    halt: machine.pointee.halt, gasLeft: Gas(frame.pointee.gas),
                    output: Bytes(
                        UnsafeRawBufferPointer(
                            start: machine.pointee.output, count: machine.pointee.outputSize)))
            }
            machine.pointee.depth -= 1
            leave(frame, to: frame - 1)
        }
    }

    /// Goes on with decoded code from the jump destination where a loop of byte code has stopped.
    private func decode(_ frame: FramePointer) {
        frame.pointee.codeObject._withUnsafeGuaranteedRef { code in
            guard let view = code.decode(machine.pointee.schedule)?.view else { return }
            let index = view.pointee.blockIndices[frame.pointee.pc - frame.pointee.code]
            frame.pointee.use(view, at: view.pointee.records + Int(index))
        }
    }

    /// Finishes a frame that has ended: stores the code of a creation, takes back what failed.
    @inline(always)
    private func settle(_ frame: FramePointer) {
        let outputSize = machine.pointee.outputSize
        if frame.pointee.kind == .create, machine.pointee.halt == nil { depositCode(frame) }
        if let halt = machine.pointee.halt {
            state.revert(to: frame.pointee.checkpoint)
            if halt != .reverted {
                frame.pointee.gas = 0
                machine.pointee.outputSize = 0
            }
        }
        if frame.pointee.ownsCode { frame.pointee.codeObject.release() }
        if let recorder { record(frame, in: recorder) }
        if let frameEnded { frameEnded(end(of: frame)) }
        if let tracer {
            // Frontier keeps an account whose code it could not pay for; the output is seen then too.
            let traced = machine.pointee.halt == nil ? outputSize : machine.pointee.outputSize
            tracer.tracer.callExit(
                CallExit(
                    depth: machine.pointee.depth,
                    gasUsed: Gas(max(0, frame.pointee.gasLimit - frame.pointee.gas)),
                    output: Bytes(
                        UnsafeRawBufferPointer(start: machine.pointee.output, count: traced)),
                    halt: machine.pointee.halt))
        }
    }

    private func end(of frame: FramePointer) -> FrameEnd {
        FrameEnd(
            depth: machine.pointee.depth, halt: machine.pointee.halt, gasLeft: frame.pointee.gas,
            output: Bytes(
                UnsafeRawBufferPointer(
                    start: machine.pointee.output, count: machine.pointee.outputSize)),
            state: state.checkpoint())
    }

    /// Keeps the end of a frame.
    private func record(_ frame: FramePointer, in recorder: CallRecorder) {
        let hasFailed = machine.pointee.halt != nil
        guard frame.pointee.kind == .create, !hasFailed else {
            return recorder.end(failed: hasFailed)
        }
        let code = UnsafeRawBufferPointer(
            start: machine.pointee.output, count: machine.pointee.outputSize)
        recorder.end(failed: false, codeHash: keccak256(bytes: code))
    }

    /// Makes the output of initialisation code the code of the account: EELS `process_create_message`.
    private func depositCode(_ frame: FramePointer) {
        let schedule = machine.pointee.schedule
        let size = machine.pointee.outputSize
        let output = UnsafeRawBufferPointer(start: machine.pointee.output, count: size)
        if schedule.pointee.reservesCodePrefix, output.first == 0xef {
            machine.pointee.halt = .invalidCodePrefix
            return
        }
        if size > schedule.pointee.maxCodeSize {
            machine.pointee.halt = .codeTooLarge
            return
        }
        let cost = schedule.pointee.codeDepositByte * size
        if cost > frame.pointee.gas {
            if schedule.pointee.failsWithoutDepositGas {
                machine.pointee.halt = .codeStoreOutOfGas
            } else {
                machine.pointee.outputSize = 0
            }
            return
        }
        frame.pointee.gas -= cost
        if size > 0 { state.setCode(frame.pointee.account, Bytes(output)) }
    }

    /// Gives gas, output and result of an ended frame to its caller.
    @inline(always)
    private func leave(_ frame: FramePointer, to caller: FramePointer) {
        caller.pointee.gas &+= frame.pointee.gas
        let hasSucceeded = machine.pointee.halt == nil
        switch frame.pointee.kind {
        case .call:
            machine.pointee.setReturnData(machine.pointee.output, machine.pointee.outputSize)
            copyOutput(machine, caller, frame.pointee.outputOffset, frame.pointee.outputSize)
            caller.pointee.sp.pointee = flag(hasSucceeded)
        case .create:
            if hasSucceeded {
                machine.pointee.returnDataSize = 0
            } else {
                machine.pointee.setReturnData(machine.pointee.output, machine.pointee.outputSize)
            }
            caller.pointee.sp.pointee = hasSucceeded ? frame.pointee.addressWord : .zero
        }
    }
}
