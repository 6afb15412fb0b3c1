/// From byte code to decoded code.
///
/// One pass over the code, block by block. A block is a run of instructions that is entered only at its
/// beginning; it ends at a jump, before a JUMPDEST, and after each instruction that can observe gas
/// (GAS, SSTORE, calls, creations), so that the counter is exact there. For each block:
///
/// 1. `Block` sums up gas and stack heights of the instructions as they are;
/// 2. `fold` computes what is constant (masks such as `1 << 160 - 1`);
/// 3. `emit` picks the longest known pattern at each place.
///
/// The result is bound to a gas schedule.

import Primitives

struct Decoder {
    /// Longer code stays byte code.
    static let maxSize = 1 << 17

    let code: Code
    private let schedule: UnsafePointer<GasSchedule>
    var records: [Record] = []
    private var constants: [UInt256] = []
    private var blockIndices: [UInt32]
    private var blocks: [(index: Int, offset: Int)] = []
    var fixups: [Fixup] = []

    /// What an argument will be once the addresses are known.
    enum Fixup {
        case constant(record: Int, Int)
        case target(record: Int, offset: Int)
        case distance(record: Int, offset: Int)
        case first(record: Int, Int)
    }

    /// An instruction of a block; all pushes are `push32` with their value.
    struct Item {
        var opcode: Opcode
        var offset: Int
        var value = UInt256.zero

        var isPush: Bool { opcode == .push32 }
    }

    static func decode(_ code: Code, _ schedule: UnsafePointer<GasSchedule>) -> DecodedCode {
        var decoder = Decoder(code, schedule)
        return decoder.run()
    }

    private init(_ code: Code, _ schedule: UnsafePointer<GasSchedule>) {
        self.code = code
        self.schedule = schedule
        blockIndices = Array(repeating: 0, count: code.size + 1)
        records.reserveCapacity(code.size / 2 + 8)
    }

    private mutating func run() -> DecodedCode {
        // Index 0 of a block means that there is none.
        records.append(Record(operation: .leave))
        var offset = 0
        while true {
            let isOpen = decodeBlock(&offset)
            if offset >= code.size {
                if isOpen { closingBlock() }
                break
            }
            if !isOpen { skipDeadCode(&offset) }
            if offset >= code.size { break }
        }
        return link()
    }

    /// What stands behind the end of the code: STOP.
    private mutating func closingBlock() {
        header([code.size], gas: 0, minHeight: 0, maxHeight: Machine.stackLimit)
        records.append(Record(operation: .stop))
    }

    /// Goes on to the next JUMPDEST.
    private func skipDeadCode(_ offset: inout Int) {
        while offset < code.size, !isJumpDestination(offset) {
            offset += 1 + opcode(at: offset).immediateSize
        }
    }

    private func opcode(at offset: Int) -> Opcode {
        unsafeBitCast(code.code[offset], to: Opcode.self)
    }

    func isJumpDestination(_ offset: Int) -> Bool {
        offset < code.size && code.jumpDestinations[offset >> 3] >> UInt8(offset & 7) & 1 != 0
    }

    // MARK: Blocks

    /// Decodes the block at an offset.
    ///
    /// - Returns: whether the next one can be reached from it by going on.
    private mutating func decodeBlock(_ offset: inout Int) -> Bool {
        var starts = [offset]
        var gas = 0
        // A run of JUMPDESTs is one block with several entries.
        if isJumpDestination(offset) {
            while isJumpDestination(offset + 1) {
                offset += 1
                starts.append(offset)
            }
            offset += 1
            gas = 1
        }
        var items: [Item] = []
        var height = 0
        var minHeight = 0
        var maxHeight = Machine.stackLimit
        var end = End.fallsThrough
        scan: while offset < code.size, !isJumpDestination(offset) {
            let opcode = opcode(at: offset)
            let info = schedule.pointee.instructions[Int(opcode.rawValue)]
            guard info.isDefined else {
                items.append(Item(opcode: .invalid, offset: offset))
                end = .terminal
                offset += 1
                break
            }
            minHeight = max(minHeight, Int(info.minHeight) / 32 - height)
            maxHeight = min(maxHeight, Int(info.maxHeight) / 32 - height)
            height += Int(schedule.pointee.stackChanges[Int(opcode.rawValue)])
            gas += Int(info.gas)
            items.append(item(opcode, offset))
            offset += 1 + opcode.immediateSize
            switch opcode {
            case .stop, .return, .revert, .selfdestruct, .jump:
                end = .terminal
                break scan
            case .jumpi, .gas, .sstore, .call, .callcode, .delegatecall, .staticcall, .create,
                .create2:
                end = .continues
                break scan
            default: break
            }
        }
        header(starts, gas: gas, minHeight: minHeight, maxHeight: maxHeight)
        emit(fold(items))
        if end == .fallsThrough {
            records.append(Record(operation: offset < code.size ? .next : .stop))
            return offset < code.size
        }
        return end == .continues
    }

    private enum End {
        /// Into the JUMPDEST that follows, or the end of the code.
        case fallsThrough

        /// The last instruction enters the next block.
        case continues
        case terminal
    }

    private func item(_ opcode: Opcode, _ offset: Int) -> Item {
        switch opcode {
        case .push0: return Item(opcode: .push32, offset: offset)
        case .pc: return Item(opcode: .push32, offset: offset, value: word(offset))
        case .codesize: return Item(opcode: .push32, offset: offset, value: word(code.size))
        default:
            let size = opcode.immediateSize
            guard size > 0 else { return Item(opcode: opcode, offset: offset) }
            var value = UInt256.zero
            for index in 1...size {
                value = value << 8 | word(Int(code.code[offset + index]))
            }
            return Item(opcode: .push32, offset: offset, value: value)
        }
    }

    /// Appends the headers of a block, one for each entry; each JUMPDEST costs 1.
    private mutating func header(_ starts: [Int], gas: Int, minHeight: Int, maxHeight: Int) {
        let first = records.count + starts.count
        for (place, start) in starts.enumerated() {
            let isPossible = maxHeight >= 0 && minHeight <= Machine.stackLimit
            let header = BlockHeader(
                gas: UInt32(gas + starts.count - 1 - place),
                minHeight: isPossible ? UInt16(minHeight * 32) : .max,
                maxHeight: isPossible ? UInt16(maxHeight * 32) : 0, first: 0)
            let index = records.count
            records.append(unsafeBitCast(header, to: Record.self))
            blocks.append((index, start))
            fixups.append(.first(record: index, first))
            if isJumpDestination(start) { blockIndices[start] = UInt32(index) }
        }
    }

    // MARK: Constants

    /// Replaces what can be computed now by its result.
    private func fold(_ items: [Item]) -> [Item] {
        var result: [Item] = []
        result.reserveCapacity(items.count)
        for item in items {
            let count = result.count
            let top = count > 0 && result[count - 1].isPush ? result[count - 1].value : nil
            let second = count > 1 && result[count - 2].isPush ? result[count - 2].value : nil
            if let top, let value = Self.unary(item.opcode, top) {
                result[count - 1].value = value
            } else if let top, let second, let value = Self.binary(item.opcode, top, second) {
                result.removeLast()
                result[count - 2].value = value
            } else if item.opcode == .swap1, top != nil, second != nil {
                result.swapAt(count - 1, count - 2)
            } else if item.opcode == .dup1, top != nil {
                result.append(result[count - 1])
            } else if item.opcode == .pop, top != nil || result.last?.opcode.copiedDepth != nil {
                result.removeLast()
            } else {
                result.append(item)
            }
        }
        return result
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

    mutating func add(
        _ operation: Operation, a: Int16 = 0, b: Int16 = 0, argument: UInt64 = 0
    ) {
        records.append(Record(operation: operation, a: a, b: b, argument: argument))
    }

    mutating func add(
        _ operation: Operation, a: Int16 = 0, constant: UInt256
    ) {
        fixups.append(.constant(record: records.count, constants.count))
        constants.append(constant)
        add(operation, a: a)
    }

    mutating func add(_ operation: Operation, constants first: UInt256, _ second: UInt256) {
        add(operation, constant: first)
        constants.append(second)
    }

    mutating func addJump(
        _ operation: Operation, _ target: Int, a: Int16 = 0, b: Int16 = 0
    ) {
        fixups.append(.target(record: records.count, offset: target))
        add(operation, a: a, b: b)
    }

    /// An instruction without a pattern.
    mutating func emitPlain(_ item: Item) {
        if item.isPush {
            if item.value.fitsUInt64 {
                add(.pushSmall, argument: item.value.l0)
            } else {
                add(.push, constant: item.value)
            }
        } else if let depth = item.opcode.copiedDepth {
            switch depth {
            case 1: add(.copyTop)
            case 2: add(.copySecond)
            case 3: add(.copyThird)
            default: add(.copy, a: copy(depth))
            }
        } else if let depth = item.opcode.swappedDepth {
            switch depth {
            case 1: add(.swapOne)
            case 2: add(.swapTwo)
            default: add(.swap, a: Int16(-32 * depth))
            }
        } else if let topics = item.opcode.topicCount {
            add(.log, a: Int16(topics))
        } else {
            add(item.opcode.plainOperation, argument: UInt64(item.offset))
        }
    }

    /// Copies everything to its final place and fills in the addresses.
    private func link() -> DecodedCode {
        let buffer = UnsafeMutablePointer<Record>.allocate(capacity: records.count)
        buffer.initialize(from: records, count: records.count)
        let pool = UnsafeMutablePointer<UInt256>.allocate(capacity: max(1, constants.count))
        pool.initialize(from: constants, count: constants.count)
        let indices = UnsafeMutablePointer<UInt32>.allocate(capacity: blockIndices.count)
        indices.initialize(from: blockIndices, count: blockIndices.count)
        func address(_ pointer: UnsafeRawPointer) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }
        for fixup in fixups {
            switch fixup {
            case .constant(let record, let index):
                buffer[record].argument = address(pool + index)
            case .target(let record, let offset):
                buffer[record].argument = address(buffer + Int(blockIndices[offset]))
            case .distance(let record, let offset):
                buffer[record].distance = Int32(Int(blockIndices[offset]) - record)
            case .first(let record, let index):
                buffer[record].argument = address(buffer + index)
            }
        }
        return DecodedCode(
            DecodedView(
                schedule: schedule, records: UnsafePointer(buffer),
                blockIndices: UnsafePointer(indices)),
            constants: UnsafePointer(pool), blocks: blocks)
    }
}
