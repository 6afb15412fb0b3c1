/// The memory of the virtual machine.
///
///     frames   [ 0 | 1 | 2 | … 1024 ]           what is running, the message from outside first
///     stacks   [ frame 0 … top | frame 1 … ]    one reserved region, each begins above its caller's top
///     memories [ frame 0 | frame 1 | … ]        another, each begins at the end of its caller's
///
/// Both regions are address space that the kernel backs as it is touched, so that a call allocates
/// nothing. A machine is used by one thread at a time and goes back to a pool.

import Cryptography
import Glibc
import Primitives
import State
import Synchronization

typealias MachinePointer = UnsafeMutablePointer<Machine>
typealias FramePointer = UnsafeMutablePointer<Frame>
typealias StackPointer = UnsafeMutablePointer<UInt256>

/// When code is decoded.
package enum Decoding: BitwiseCopyable, Sendable {
    case never

    /// The second time it is entered, or after many jumps.
    case whenHot
    case always
}

/// What a frame was entered for.
enum FrameKind: BitwiseCopyable {
    case call, create
}

/// One running code.
///
/// SAFETY: all pointers are into the machine's regions, into code kept alive by the state or by this
/// frame (`ownsCode`), or, for the input of frame 0, into the message, which outlives the run.
struct Frame: BitwiseCopyable {
    // What the interpreter keeps in registers while it runs.
    var pc: UnsafePointer<UInt8>
    var sp: StackPointer
    var gas: Int

    /// The first word of the stack; an empty stack has `sp == base - 1`.
    var base: StackPointer
    var memory: UnsafeMutableRawPointer

    /// In bytes, a multiple of 32.
    var memorySize = 0

    var code: UnsafePointer<UInt8>
    var codeSize: Int
    var jumpDestinations: UnsafePointer<UInt8>
    var codeObject: Unmanaged<Code>

    /// The frame runs decoded code; then these are its place in it, all of it, and its blocks.
    var isDecoded = false
    var ip: UnsafePointer<Record>
    var records: UnsafePointer<Record>
    var blockIndices: UnsafePointer<UInt32>

    /// The frame holds a reference to its code: initialisation code is in no cache.
    var ownsCode: Bool
    var isStatic: Bool
    var kind: FrameKind

    var input: UnsafeRawPointer
    var inputSize: Int

    var account: AccountIndex
    var addressWord: UInt256
    var callerWord: UInt256
    var value: UInt256

    /// The state when the frame was entered.
    var checkpoint: Checkpoint

    /// The gas it was entered with.
    var gasLimit: Int

    /// Where in the caller's memory the output goes.
    var outputOffset: Int
    var outputSize: Int
}

/// Everything that frames share.
struct Machine {
    static let stackLimit = 1024
    static let depthLimit = 1024

    var frames: FramePointer
    var depth = 0

    /// `frames[depth + 1]` is ready to run.
    var hasNewFrame = false

    var decoding = Decoding.whenHot

    /// The byte-code interpreter stopped at a jump destination after many jumps: the code may be worth
    /// decoding.
    var hasPaused = false

    /// Negative once the run is to end.
    var cancellation: UnsafeMutablePointer<Atomic<Int>>

    var stacks: StackPointer
    var memories: UnsafeMutableRawPointer
    var memoriesEnd: UnsafeMutableRawPointer

    /// Everything from here on was never written, so it is zero.
    var memoriesTouched: UnsafeMutableRawPointer

    // How the frame that just ended ended.
    var halt: Halt?
    var output: UnsafeRawPointer
    var outputSize = 0

    /// What the last call from the running frame returned.
    var returnData: UnsafeMutableRawPointer
    var returnDataSize = 0
    var returnDataCapacity: Int

    /// Hashes of 64-byte inputs: the slots of mappings.
    let pairHashes: UnsafeMutablePointer<HashedPair>

    /// Moduli of MULMOD.
    let moduli: UnsafeMutablePointer<PreparedModulus>

    // What the run is about; set by `EVM`.
    var schedule: UnsafePointer<GasSchedule>
    var instructions: UnsafePointer<InstructionInfo>
    var state: Unmanaged<JournaledState>
    var tracer: Unmanaged<TracerReference>?
    var recorder: Unmanaged<CallRecorder>?
    var blobHashes: UnsafePointer<Hash256>
    var blobHashCount = 0
    var origin = UInt256.zero
    var gasPrice = UInt256.zero
    var coinbase = UInt256.zero
    var timestamp = UInt256.zero
    var number = UInt256.zero
    var difficulty = UInt256.zero
    var gasLimit = UInt256.zero
    var chainId = UInt256.zero
    var baseFee = UInt256.zero
    var blobBaseFee = UInt256.zero

    /// The whole cost of the call or creation just made, for the tracer.
    var tracedCost = 0

    /// The account that the call just made names, for the tracer: the code that runs may be that of
    /// its delegate.
    var tracedTarget = Address.zero
}

/// A tracer as a thing that can be pointed to.
final class TracerReference {
    let tracer: any Tracer

    init(_ tracer: any Tracer) { self.tracer = tracer }
}

/// One line of the cache of hashes of 64-byte inputs.
struct HashedPair: BitwiseCopyable {
    var k0, k1, k2, k3, k4, k5, k6, k7: UInt64
    var hash: UInt256
}

/// Machines that wait for the next run.
enum MachinePool {
    /// More than that are freed.
    private static let limit = 16

    private static let pool = Mutex<[UInt]>([])

    static func take(schedule: UnsafePointer<GasSchedule>, state: JournaledState) -> MachinePointer
    {
        let address = pool.withLock { $0.popLast() }
        let machine =
            address.flatMap { MachinePointer(bitPattern: $0) }
            ?? make(schedule: schedule, state: state)
        machine.pointee.schedule = schedule
        machine.pointee.instructions = GasSchedule.instructions(of: schedule)
        machine.pointee.state = Unmanaged.passUnretained(state)
        machine.pointee.tracer = nil
        machine.pointee.recorder = nil
        machine.pointee.decoding = .whenHot
        return machine
    }

    static func give(_ machine: MachinePointer) {
        trim(machine)
        let isKept = pool.withLock { pool in
            guard pool.count < limit else { return false }
            pool.append(UInt(bitPattern: machine))
            return true
        }
        if !isKept { free(machine) }
    }

    private static let stackRegion = (Machine.depthLimit + 2) * (Machine.stackLimit + 1) * 32

    /// Address space for memories. What does not fit is out of gas: 8 GiB cost 10¹⁴ gas.
    private static let memoryRegion = 8 << 30

    /// What a machine may keep of its memory while it waits.
    private static let keptMemory = 32 << 20

    private static let pairHashCount = 1024

    private static func make(
        schedule: UnsafePointer<GasSchedule>, state: JournaledState
    ) -> MachinePointer {
        let stacks = reserve(stackRegion)
        let memories = reserve(memoryRegion)
        let pairs = UnsafeMutablePointer<HashedPair>.allocate(capacity: pairHashCount)
        // Every line begins with the hash of 64 zero bytes, so that there is no empty line.
        pairs.initialize(
            repeating: HashedPair(
                k0: 0, k1: 0, k2: 0, k3: 0, k4: 0, k5: 0, k6: 0, k7: 0,
                hash: keccak256(Bytes(repeating: 0, count: 64)).uint256),
            count: pairHashCount)
        let moduli = UnsafeMutablePointer<PreparedModulus>.allocate(capacity: PreparedModulus.count)
        moduli.initialize(repeating: PreparedModulus(), count: PreparedModulus.count)
        let returnData = UnsafeMutableRawPointer.allocate(byteCount: 1024, alignment: 32)
        let machine = MachinePointer.allocate(capacity: 1)
        machine.initialize(
            to: Machine(
                frames: .allocate(capacity: Machine.depthLimit + 2),
                cancellation: Cancellation.never.word,
                stacks: stacks.start.bindMemory(to: UInt256.self, capacity: stackRegion / 32),
                memories: memories.start, memoriesEnd: memories.start + memories.size,
                memoriesTouched: memories.start, halt: nil, output: UnsafeRawPointer(returnData),
                returnData: returnData, returnDataCapacity: 1024, pairHashes: pairs,
                moduli: moduli, schedule: schedule,
                instructions: GasSchedule.instructions(of: schedule),
                state: Unmanaged.passUnretained(state), tracer: nil,
                blobHashes: UnsafeRawPointer(returnData).assumingMemoryBound(to: Hash256.self)))
        return machine
    }

    /// Address space, less than asked for if the system is so set up that it has not that much.
    private static func reserve(_ size: Int) -> (start: UnsafeMutableRawPointer, size: Int) {
        var size = size
        while true {
            let start = mmap(
                nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0)
            if let start, start != MAP_FAILED { return (start, size) }
            size /= 2
            precondition(size >= stackRegion, "No address space for the virtual machine.")
        }
    }

    /// Gives memory back to the system after a run that used much of it.
    private static func trim(_ machine: MachinePointer) {
        let used = machine.pointee.memoriesTouched - machine.pointee.memories
        if used > keptMemory {
            madvise(machine.pointee.memories, used, MADV_DONTNEED)
            machine.pointee.memoriesTouched = machine.pointee.memories
        }
        if machine.pointee.returnDataCapacity > keptMemory {
            machine.pointee.returnData.deallocate()
            machine.pointee.returnData = .allocate(byteCount: 1024, alignment: 32)
            machine.pointee.returnDataCapacity = 1024
            machine.pointee.returnDataSize = 0
        }
    }

    private static func free(_ machine: MachinePointer) {
        munmap(machine.pointee.stacks, stackRegion)
        munmap(
            machine.pointee.memories, machine.pointee.memoriesEnd - machine.pointee.memories)
        machine.pointee.pairHashes.deallocate()
        machine.pointee.moduli.deallocate()
        machine.pointee.returnData.deallocate()
        machine.pointee.frames.deallocate()
        machine.deinitialize(count: 1)
        machine.deallocate()
    }
}

extension Machine {
    /// Makes a copy of bytes the return data.
    mutating func setReturnData(_ bytes: UnsafeRawPointer, _ size: Int) {
        if size > returnDataCapacity {
            returnData.deallocate()
            returnDataCapacity = max(size, returnDataCapacity * 2)
            returnData = .allocate(byteCount: returnDataCapacity, alignment: 32)
        }
        if size > 0 { returnData.copyMemory(from: bytes, byteCount: size) }
        returnDataSize = size
    }
}

extension Frame {
    /// Goes on with decoded code.
    @inline(always)
    mutating func use(_ decoded: UnsafePointer<DecodedView>, at ip: UnsafePointer<Record>) {
        isDecoded = true
        self.ip = ip
        records = decoded.pointee.records
        blockIndices = decoded.pointee.blockIndices
    }
}
