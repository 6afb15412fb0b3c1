/// The form of decoded code: records of 16 bytes, constants, and the way from byte offsets to blocks.

import Primitives

/// One decoded instruction.
///
///     0          1  2      4      6      8                       16
///     │operation │  │ a    │ b    │      │ argument               │   an instruction
///     │operation │  │ a    │ distance    │ argument               │   a jump with a constant
///     │ gas              │ min  │ max   │ first instruction      │   the header of a block
struct Record: BitwiseCopyable {
    var operation: Operation
    var spare: UInt8 = 0

    /// Offset of an operand from the top of the stack, in bytes; or a count.
    var a: Int16 = 0

    /// The same for a second operand.
    var b: Int16 = 0
    var c: Int16 = 0

    /// A small number, or the address of a constant or of the header of a block.
    var argument: UInt64 = 0

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
            Int32(
                bitPattern: UInt32(UInt16(bitPattern: b)) | UInt32(UInt16(bitPattern: c)) &<< 16)
        }
        set {
            b = Int16(truncatingIfNeeded: newValue)
            c = Int16(truncatingIfNeeded: newValue &>> 16)
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

/// Decoded code.
///
/// SAFETY: the buffers are written before `init` and freed in `deinit`; pointers between records stay
/// inside them.
final class DecodedCode: @unchecked Sendable {
    let view: UnsafePointer<DecodedView>

    private let constants: UnsafePointer<UInt256>

    /// Where each block is in the records and in the bytes, ascending.
    private let blocks: [(index: Int, offset: Int)]

    init(
        _ view: DecodedView, constants: UnsafePointer<UInt256>,
        blocks: [(index: Int, offset: Int)]
    ) {
        let pointer = UnsafeMutablePointer<DecodedView>.allocate(capacity: 1)
        pointer.initialize(to: view)
        self.view = UnsafePointer(pointer)
        self.constants = constants
        self.blocks = blocks
    }

    deinit {
        view.pointee.records.deallocate()
        view.pointee.blockIndices.deallocate()
        constants.deallocate()
        view.deallocate()
    }

    /// The offset in the byte code of the block with a header.
    func byteOffset(ofHeader header: UnsafePointer<Record>) -> Int {
        let index = header - view.pointee.records
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].index < index { low = middle + 1 } else { high = middle }
        }
        return low < blocks.count ? blocks[low].offset : 0
    }
}
