/// From byte code to decoded code.
///
/// One pass over the code, block by block. A block is a run of instructions that is entered only at its
/// beginning; it ends at a jump, before a JUMPDEST, and after each instruction that can observe gas
/// (GAS, SSTORE, calls, creations), so that the counter is exact there. For each block:
///
/// 1. `scan` sums up gas and stack heights of the instructions as they are, and computes what is
///    constant (masks such as `1 << 160 - 1`);
/// 2. `emit` picks the longest known pattern at each place;
///
/// and in the end `link` copies everything to its final place and fills in the addresses. The result
/// is bound to a gas schedule.
///
/// It works in one piece of memory that is large enough for any code with so many instructions:
///
///     [ items | records | constants | fixups | blocks ]

import Primitives

/// SAFETY: `memory` holds the five arrays with the room that `init` gives them; the counts never pass it,
/// because each instruction makes at most one item and one constant, and at most two records, fixups
/// and blocks. `code` keeps its bytes and jump destinations alive.
struct Decoder: ~Copyable {
    /// Longer code stays byte code.
    static let maxSize = 1 << 17

    let code: Code
    let bytes: UnsafePointer<UInt8>
    let forms: UnsafePointer<Forms>
    private let schedule: UnsafePointer<GasSchedule>
    private let instructions: UnsafePointer<InstructionInfo>
    private let stackChanges: UnsafePointer<Int8>

    /// The instructions of the block in work, with three INVALIDs behind them.
    let items: UnsafeMutablePointer<Item>
    var itemCount = 0

    let records: UnsafeMutablePointer<Record>
    var recordCount = 0
    let constants: UnsafeMutablePointer<UInt256>
    var constantCount = 0
    let fixups: UnsafeMutablePointer<Fixup>
    var fixupCount = 0
    private let blocks: UnsafeMutablePointer<DecodedBlock>
    private var blockCount = 0

    /// How far the code is scanned.
    private var offset = 0

    private let memory: UnsafeMutableRawPointer

    /// What an argument will be once the addresses are known.
    struct Fixup: BitwiseCopyable {
        enum Kind: UInt8, BitwiseCopyable {
            /// It is an index of a constant.
            case constant
            /// It is the byte offset of a destination.
            case target
            /// It is an index of a constant, and `distance` is the byte offset of a destination.
            case constantAndDistance
        }

        var record: UInt32
        var kind: Kind
    }

    /// An instruction of a block; all pushes are `push32` with their value.
    struct Item {
        var value: UInt256
        var offset: UInt32
        var opcode: Opcode

        @inline(always)
        var isPush: Bool { opcode == .push32 }
    }

    static func decode(_ code: Code, _ schedule: UnsafePointer<GasSchedule>) -> DecodedCode {
        var decoder = Decoder(code, schedule)
        decoder.run()
        return decoder.link()
    }

    private init(_ code: Code, _ schedule: UnsafePointer<GasSchedule>) {
        self.code = code
        self.schedule = schedule
        instructions = GasSchedule.instructions(of: schedule)
        stackChanges = GasSchedule.stackChanges(of: schedule)
        bytes = code.code
        forms = Forms.table
        let count = code.instructionCount + 8
        var size = 0
        func place<Element>(_ count: Int, of type: Element.Type) -> Int {
            defer { size += count * MemoryLayout<Element>.stride }
            return size
        }
        let itemPlace = place(count, of: Item.self)
        let recordPlace = place(2 * count, of: Record.self)
        let constantPlace = place(count, of: UInt256.self)
        let fixupPlace = place(2 * count, of: Fixup.self)
        let blockPlace = place(2 * count, of: DecodedBlock.self)
        memory = .allocate(byteCount: size, alignment: 16)
        items = (memory + itemPlace).bindMemory(to: Item.self, capacity: count)
        records = (memory + recordPlace).bindMemory(to: Record.self, capacity: 2 * count)
        constants = (memory + constantPlace).bindMemory(to: UInt256.self, capacity: count)
        fixups = (memory + fixupPlace).bindMemory(to: Fixup.self, capacity: 2 * count)
        blocks = (memory + blockPlace).bindMemory(to: DecodedBlock.self, capacity: 2 * count)
    }

    deinit { memory.deallocate() }

    private mutating func run() {
        // Index 0 of a block means that there is none.
        add(.leave, at: 0)
        while true {
            let isOpen = decodeBlock()
            if offset >= code.size {
                if isOpen { closingBlock() }
                return
            }
            if !isOpen {
                skipDeadCode()
                if offset >= code.size { return }
            }
        }
    }

    /// What stands behind the end of the code: STOP.
    private mutating func closingBlock() {
        headers(
            1, at: code.size, gas: 0, minHeight: 0, maxHeight: Machine.stackLimit &<< 5)
        add(.stop, at: UInt32(truncatingIfNeeded: code.size))
    }

    /// Goes on to the next JUMPDEST. A byte of that value where an instruction begins is one.
    private mutating func skipDeadCode() {
        while offset < code.size, bytes[offset] != Opcode.jumpdest.rawValue {
            offset &+= 1 &+ Opcode.immediateSize(of: bytes[offset])
        }
    }

    // MARK: Blocks

    /// Decodes the block at `offset`.
    ///
    /// - Returns: whether the next one can be reached from it by going on.
    private mutating func decodeBlock() -> Bool {
        let start = offset
        // A run of JUMPDESTs is one block with several entries. Behind the code there are zeros.
        while bytes[offset] == Opcode.jumpdest.rawValue { offset &+= 1 }
        let destinations = offset &- start
        let sums = scan()
        headers(
            max(destinations, 1), at: start, gas: sums.gas &+ (destinations > 0 ? 1 : 0),
            minHeight: sums.minHeight, maxHeight: sums.maxHeight)
        emit()
        switch sums.end {
        case .continues: return true
        case .terminal: return false
        case .fallsThrough:
            let isInside = offset < code.size
            add(isInside ? .next : .stop, at: UInt32(truncatingIfNeeded: offset))
            return isInside
        }
    }

    /// What the header of a block says; heights are in bytes.
    private struct Sums {
        var gas = 0
        var minHeight = 0
        var maxHeight = Machine.stackLimit &<< 5
        var end = End.fallsThrough
    }

    private enum End {
        /// Into the JUMPDEST that follows, or the end of the code.
        case fallsThrough

        /// The last instruction enters the next block.
        case continues
        case terminal
    }

    /// Reads the instructions of a block into `items`.
    ///
    /// Branches that depend on the instruction are few here: they are what costs time.
    private mutating func scan() -> Sums {
        itemCount = 0
        var sums = Sums()
        var height = 0
        // Pushes in a row before this place, or a few less.
        var pushes = 0
        let size = code.size
        while offset < size {
            let byte = bytes[offset]
            if byte == Opcode.jumpdest.rawValue { break }
            let info = instructions[Int(byte)]
            guard info.isDefined else {
                append(.invalid)
                offset &+= 1
                sums.end = .terminal
                break
            }
            sums.minHeight = max(sums.minHeight, Int(info.minHeight) &- height)
            sums.maxHeight = min(sums.maxHeight, Int(info.maxHeight) &- height)
            height &+= Int(stackChanges[Int(byte)]) &<< 5
            sums.gas &+= Int(info.gas)
            let form = forms[Int(byte)]
            let count = Opcode.immediateSize(of: byte)
            if count > 7 || form.traits.contains(.isConstant) {
                append(.push32, constant(byte, count))
                pushes = min(pushes &+ 1, Self.countedPushes)
            } else if pushes >= Int(form.foldedPushes) {
                fold(unsafeBitCast(byte, to: Opcode.self), &pushes)
            } else {
                // A push of up to seven bytes, or none: then all bits are shifted out.
                let isPush = byte &- Opcode.push0.rawValue <= 32
                let word = UnsafeRawPointer(bytes + offset + 1).loadUnaligned(as: UInt64.self)
                let value =
                    (word.byteSwapped &>> 1) &>> UInt64(truncatingIfNeeded: 63 &- 8 &* count)
                append(
                    unsafeBitCast(isPush ? Opcode.push32.rawValue : byte, to: Opcode.self),
                    UInt256(l0: value, l1: 0, l2: 0, l3: 0))
                pushes = isPush ? min(pushes &+ 1, Self.countedPushes) : 0
            }
            offset &+= 1 &+ count
            if form.traits.contains(.endsBlock) {
                sums.end = form.traits.contains(.isTerminal) ? .terminal : .continues
                break
            }
        }
        return sums
    }

    /// Fewer than what `foldedPushes` means never.
    private static let countedPushes = 16

    /// What an instruction at `offset` pushes, if that is known: a long push, PC or CODESIZE.
    private func constant(_ byte: UInt8, _ count: Int) -> UInt256 {
        if count > 0 { return immediate(bytes + offset, size: count) }
        return word(byte == Opcode.pc.rawValue ? offset : code.size)
    }

    @inline(always)
    private mutating func append(_ opcode: Opcode, _ value: UInt256 = .zero) {
        items[itemCount] = Item(
            value: value, offset: UInt32(truncatingIfNeeded: offset), opcode: opcode)
        itemCount &+= 1
    }

    /// Appends the headers of a block, one for each entry; each JUMPDEST costs 1.
    private mutating func headers(
        _ entries: Int, at start: Int, gas: Int, minHeight: Int, maxHeight: Int
    ) {
        let first = recordCount &+ entries
        let isPossible = maxHeight >= 0 && minHeight <= Machine.stackLimit &<< 5
        for place in 0..<entries {
            let header = BlockHeader(
                gas: UInt32(truncatingIfNeeded: gas &+ entries &- 1 &- place),
                minHeight: isPossible ? UInt16(truncatingIfNeeded: minHeight) : .max,
                maxHeight: isPossible ? UInt16(truncatingIfNeeded: maxHeight) : 0,
                first: UInt64(truncatingIfNeeded: first))
            blocks[blockCount] = DecodedBlock(
                header: UInt32(truncatingIfNeeded: recordCount),
                offset: UInt32(truncatingIfNeeded: start &+ place))
            blockCount &+= 1
            records[recordCount] = unsafeBitCast(header, to: Record.self)
            recordCount &+= 1
        }
    }

    // MARK: Constants

    /// Replaces an instruction, and the pushes of its operands, by a push of its result. The stack is
    /// then still, before each item, as it is before the item's first byte.
    @inline(never)
    private mutating func fold(_ opcode: Opcode, _ pushes: inout Int) {
        let top = items + (itemCount &- 1)
        if opcode == .dup1 {
            append(.push32, top.pointee.value)
            pushes = min(pushes &+ 1, Self.countedPushes)
        } else if let value = Self.unary(opcode, top.pointee.value) {
            top.pointee.value = value
        } else if let value = Self.binary(opcode, top.pointee.value, top[-1].value) {
            top[-1].value = value
            itemCount &-= 1
            pushes &-= 1
        } else {
            append(opcode)
            pushes = 0
        }
    }

    private static func unary(_ opcode: Opcode, _ top: UInt256) -> UInt256? {
        switch opcode {
        case .not: ~top
        case .iszero: flag(top.isZero)
        default: nil
        }
    }

    private static func binary(_ opcode: Opcode, _ top: UInt256, _ second: UInt256) -> UInt256? {
        switch opcode {
        case .add: top &+ second
        case .sub: top &- second
        case .mul: top &* second
        case .div: top.divided(by: second)
        case .and: top & second
        case .or: top | second
        case .xor: top ^ second
        case .eq: flag(top == second)
        case .lt: flag(top < second)
        case .gt: flag(second < top)
        case .shl: second << top.clampedToUInt64
        case .shr: second >> top.clampedToUInt64
        default: nil
        }
    }

    // MARK: Records

    /// - Parameter offset: of the first instruction that the record stands for.
    @inline(always)
    mutating func add(
        _ operation: Operation, at offset: UInt32, a: Int16 = 0, b: Int16 = 0,
        argument: UInt64 = 0
    ) {
        records[recordCount] = Record(
            operation: operation, at: offset, a: a, b: b, argument: argument)
        recordCount &+= 1
    }

    mutating func add(
        _ operation: Operation, at offset: UInt32, a: Int16 = 0, constant: UInt256
    ) {
        fix(.constant)
        add(operation, at: offset, a: a, argument: UInt64(truncatingIfNeeded: constantCount))
        constants[constantCount] = constant
        constantCount &+= 1
    }

    mutating func addJump(
        _ operation: Operation, at offset: UInt32, to target: Int, a: Int16 = 0, b: Int16 = 0
    ) {
        fix(.target)
        add(operation, at: offset, a: a, b: b, argument: UInt64(truncatingIfNeeded: target))
    }

    /// A jump that depends on a constant.
    mutating func addJump(
        _ operation: Operation, to target: Int, a: Int16, constant: UInt256
    ) {
        fix(.constantAndDistance)
        add(operation, at: 0, a: a, argument: UInt64(truncatingIfNeeded: constantCount))
        records[recordCount &- 1].distance = Int32(truncatingIfNeeded: target)
        constants[constantCount] = constant
        constantCount &+= 1
    }

    /// Notes that the next record's argument is to be completed.
    @inline(always)
    private mutating func fix(_ kind: Fixup.Kind) {
        fixups[fixupCount] = Fixup(record: UInt32(truncatingIfNeeded: recordCount), kind: kind)
        fixupCount &+= 1
    }

    // MARK: The end

    /// Copies everything to its final place and fills in the addresses.
    private func link() -> DecodedCode {
        let result = DecodedCode(
            schedule, codeSize: code.size,
            records: UnsafeBufferPointer(start: records, count: recordCount),
            constants: UnsafeBufferPointer(start: constants, count: constantCount),
            blocks: UnsafeBufferPointer(start: blocks, count: blockCount))
        let records = result.records
        let constants = result.constants
        let blockIndices = result.blockIndices
        func address(_ pointer: UnsafeRawPointer) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }
        for index in 0..<blockCount {
            let block = blocks[index]
            let header = records + Int(block.header)
            header.pointee.argument = address(
                records + Int(truncatingIfNeeded: header.pointee.argument))
            if bytes[Int(block.offset)] == Opcode.jumpdest.rawValue {
                blockIndices[Int(block.offset)] = block.header
            }
        }
        for index in 0..<fixupCount {
            let fixup = fixups[index]
            let record = records + Int(fixup.record)
            let argument = Int(truncatingIfNeeded: record.pointee.argument)
            switch fixup.kind {
            case .constant: record.pointee.argument = address(constants + argument)
            case .target:
                record.pointee.argument = address(records + Int(blockIndices[argument]))
            case .constantAndDistance:
                record.pointee.argument = address(constants + argument)
                let header = Int(blockIndices[Int(record.pointee.distance)])
                record.pointee.distance = Int32(truncatingIfNeeded: header &- Int(fixup.record))
            }
        }
        return result
    }
}
