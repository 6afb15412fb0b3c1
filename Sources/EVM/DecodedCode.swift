/// The form of decoded code: records of 16 bytes, constants, and the way from byte offsets to blocks.

import Primitives

/// One decoded instruction.
///
///     0          1     2      4      6      8                       16
///     │operation │high │ a    │ b    │ low  │ argument               │   an instruction
///     │operation │     │ a    │ distance    │ argument               │   a jump with a constant
///     │ gas                   │ min  │ max  │ first instruction      │   the header of a block
struct Record: BitwiseCopyable {
    var operation: Operation

    /// Of the offset in the byte code, the bits above the low sixteen.
    private var high: UInt8

    /// Offset of an operand from the top of the stack, in bytes; or a count.
    var a: Int16

    /// The same for a second operand.
    var b: Int16
    private var low: UInt16

    /// A small number, or the address of a constant or of the header of a block.
    var argument: UInt64

    @inline(always)
    init(operation: Operation, at offset: UInt32, a: Int16, b: Int16, argument: UInt64) {
        self.operation = operation
        high = UInt8(truncatingIfNeeded: offset &>> 16)
        self.a = a
        self.b = b
        low = UInt16(truncatingIfNeeded: offset)
        self.argument = argument
    }

    /// Where the first instruction that it stands for is in the byte code; not of a jump with a
    /// constant.
    var byteOffset: Int { Int(high) &<< 16 | Int(low) }

    @inline(always)
    var constant: UInt256 { constantPointer.pointee }

    @inline(always)
    var constantPointer: UnsafePointer<UInt256> {
        UnsafePointer(bitPattern: UInt(argument)).unsafelyUnwrapped
    }

    @inline(always)
    var target: UnsafePointer<Record> {
        UnsafePointer(bitPattern: UInt(argument)).unsafelyUnwrapped
    }

    /// How many records further the target of a jump is, if `argument` is a constant.
    @inline(always)
    var distance: Int32 {
        get {
            Int32(bitPattern: UInt32(UInt16(bitPattern: b)) | UInt32(low) &<< 16)
        }
        set {
            b = Int16(truncatingIfNeeded: newValue)
            low = UInt16(truncatingIfNeeded: newValue &>> 16)
        }
    }
}

/// The header of a block, in the place of an instruction.
struct BlockHeader: BitwiseCopyable {
    /// The sum of the static costs.
    var gas: UInt32

    /// The least and the greatest height of the stack at entry, in bytes.
    var minHeight: UInt16
    var maxHeight: UInt16
    var first: UInt64
}

/// What a frame needs of decoded code, without reference counting.
struct DecodedView: BitwiseCopyable {
    let schedule: UnsafePointer<GasSchedule>
    let records: UnsafePointer<Record>

    /// For each byte of the code the index of the header if it is a jump destination, else 0.
    let blockIndices: UnsafePointer<UInt32>

    /// The header of the block at offset 0.
    @inline(always)
    var entry: UnsafePointer<Record> { records + 1 }
}

/// Where a block is in the records, and in the byte code.
struct DecodedBlock: BitwiseCopyable {
    var header: UInt32
    var offset: UInt32
}

/// Decoded code, in one piece of memory:
///
///     [ constants | records | blocks | blockIndices | view ]
///
/// SAFETY: everything is written before another thread can see it and freed in `deinit`; pointers
/// between records stay inside.
final class DecodedCode: @unchecked Sendable {
    let view: UnsafePointer<DecodedView>
    let records: UnsafeMutablePointer<Record>
    let constants: UnsafeMutablePointer<UInt256>
    let blockIndices: UnsafeMutablePointer<UInt32>

    /// Ascending.
    private let blocks: UnsafeBufferPointer<DecodedBlock>

    /// What it takes of memory, in bytes.
    let size: Int

    private let memory: UnsafeMutableRawPointer

    /// Copies what decoding made; the caller then fills in the addresses.
    init(
        _ schedule: UnsafePointer<GasSchedule>, codeSize: Int,
        records: UnsafeBufferPointer<Record>, constants: UnsafeBufferPointer<UInt256>,
        blocks: UnsafeBufferPointer<DecodedBlock>
    ) {
        let recordPlace = constants.count * MemoryLayout<UInt256>.stride
        let blockPlace = recordPlace + records.count * MemoryLayout<Record>.stride
        let viewPlace = blockPlace + blocks.count * MemoryLayout<DecodedBlock>.stride
        let indexPlace = viewPlace + MemoryLayout<DecodedView>.stride
        size = indexPlace + (codeSize + 1) * MemoryLayout<UInt32>.stride
        memory = .allocate(byteCount: size, alignment: 16)
        self.constants = memory.bindMemory(to: UInt256.self, capacity: constants.count)
        self.records = (memory + recordPlace).bindMemory(to: Record.self, capacity: records.count)
        let blockStart = (memory + blockPlace).bindMemory(
            to: DecodedBlock.self, capacity: blocks.count)
        let view = (memory + viewPlace).bindMemory(to: DecodedView.self, capacity: 1)
        blockIndices = (memory + indexPlace).bindMemory(to: UInt32.self, capacity: codeSize + 1)
        if let base = constants.baseAddress {
            self.constants.initialize(from: base, count: constants.count)
        }
        if let base = records.baseAddress {
            self.records.initialize(from: base, count: records.count)
        }
        if let base = blocks.baseAddress { blockStart.initialize(from: base, count: blocks.count) }
        blockIndices.initialize(repeating: 0, count: codeSize + 1)
        view.initialize(
            to: DecodedView(
                schedule: schedule, records: UnsafePointer(self.records),
                blockIndices: UnsafePointer(blockIndices)))
        self.view = UnsafePointer(view)
        self.blocks = UnsafeBufferPointer(start: blockStart, count: blocks.count)
    }

    deinit { memory.deallocate() }

    /// The offset in the byte code of the block with a header.
    func byteOffset(ofHeader header: UnsafePointer<Record>) -> Int {
        let index = header - view.pointee.records
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if Int(blocks[middle].header) < index { low = middle + 1 } else { high = middle }
        }
        return low < blocks.count ? Int(blocks[low].offset) : 0
    }
}
