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

    fileprivate init(
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

struct Decoder {
    /// Longer code stays byte code.
    static let maxSize = 1 << 17

    private let code: Code
    private let schedule: UnsafePointer<GasSchedule>
    private var records: [Record] = []
    private var constants: [UInt256] = []
    private var blockIndices: [UInt32]
    private var blocks: [(index: Int, offset: Int)] = []
    private var fixups: [Fixup] = []

    /// What an argument will be once the addresses are known.
    private enum Fixup {
        case constant(record: Int, Int)
        case target(record: Int, offset: Int)
        case distance(record: Int, offset: Int)
        case first(record: Int, Int)
    }

    /// An instruction of a block; all pushes are `push32` with their value.
    private struct Item {
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

    private func isJumpDestination(_ offset: Int) -> Bool {
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

    // MARK: Patterns

    private mutating func emit(_ items: [Item]) {
        var index = 0
        while index < items.count {
            index += emitPattern(items, index)
        }
    }

    /// Emits the longest pattern that begins at an item.
    ///
    /// - Returns: how many items it is made of.
    private mutating func emitPattern(_ items: [Item], _ index: Int) -> Int {
        let count = emitBranch(items, index)
        if count > 0 { return count }
        let item = items[index]
        if item.isPush { return emitPush(items, index) }
        if let depth = item.opcode.copiedDepth { return emitCopy(items, index, depth) }
        if let depth = item.opcode.swappedDepth { return emitSwap(items, index, depth) }
        if item.opcode == .pop { return emitPop(items, index) }
        if item.opcode == .iszero, index + 1 < items.count, items[index + 1].opcode == .iszero {
            add(.isNotZero)
            return 2
        }
        emitPlain(item)
        return 1
    }

    /// A condition with the jump that depends on it, if the destination is known and valid:
    ///
    ///     [DUPn] [DUPm | PUSH] [compare] [ISZERO…] PUSH JUMPI
    private mutating func emitBranch(_ items: [Item], _ start: Int) -> Int {
        // Where the condition could end: find PUSH JUMPI within reach first.
        var index = start
        while index < items.count, index - start < 7, items[index].opcode != .jumpi { index += 1 }
        guard index < items.count, items[index].opcode == .jumpi, index > start,
            items[index - 1].isPush, let target = destination(items[index - 1].value)
        else { return 0 }
        var last = index - 2
        let length = index + 1 - start
        var isNegated = false
        while last >= start, items[last].opcode == .iszero {
            isNegated.toggle()
            last -= 1
        }
        if last < start {
            // Only ISZEROs, or nothing, before the jump.
            addJump(isNegated ? .jumpToIfZero : .jumpToIf, target)
            return length
        }
        if last == start, let depth = items[last].opcode.copiedDepth {
            addJump(isNegated ? .jumpToUnlessCopy : .jumpToIfCopy, target, a: copy(depth))
            return length
        }
        guard let comparison = Comparison(items[last].opcode) else { return 0 }
        if comparison.isInverted { isNegated.toggle() }
        switch last - start {
        case 0:
            addJump(comparison.jump(isNegated), target)
            return length
        case 2:
            guard let depth = items[start].opcode.copiedDepth else { return 0 }
            if let above = items[start + 1].opcode.copiedDepth {
                let top = above == 1 ? copy(depth) : copy(above - 1)
                let (a, b) = comparison.isReversed ? (copy(depth), top) : (top, copy(depth))
                addJump(comparison.jumpOnCopies(isNegated), target, a: a, b: b)
                return length
            }
            guard items[start + 1].isPush,
                let operation = comparison.jumpOnConstant(isNegated)
            else { return 0 }
            add(operation, a: copy(depth), constant: items[start + 1].value)
            fixups.append(.distance(record: records.count - 1, offset: target))
            return length
        default:
            return 0
        }
    }

    private mutating func emitPush(_ items: [Item], _ index: Int) -> Int {
        let value = items[index].value
        let next = index + 1 < items.count ? items[index + 1].opcode : .invalid
        let afterNext = index + 2 < items.count ? items[index + 2].opcode : .invalid
        if next == .jump, let target = destination(value) {
            addJump(.jumpTo, target)
            return 2
        }
        if let count = emitConstantOperand(value, next) { return count }
        if next == .swap1, emitConstantSecond(value, afterNext) { return 3 }
        if let depth = next.copiedDepth, depth > 1 {
            if let binary = Binary(afterNext) {
                add(binary.copyAndConstant, a: copy(depth - 1), constant: value)
                return 3
            }
            if emitCopyDivided(by: value, afterNext, depth - 1) { return 3 }
            if afterNext == .mstore {
                add(.storeConstantAtCopy, a: copy(depth - 1), constant: value)
                return 3
            }
            if !consumesCopy(afterNext) {
                add(.pushAndCopy, a: copy(depth - 1), constant: value)
                return 2
            }
        }
        if index + 1 < items.count, items[index + 1].isPush, !consumesConstant(items, index + 2) {
            add(.pushTwo, constants: value, items[index + 1].value)
            return 2
        }
        emitPlain(items[index])
        return 1
    }

    /// PUSH and the instruction of which it is the top operand.
    private mutating func emitConstantOperand(_ value: UInt256, _ next: Opcode) -> Int? {
        switch next {
        case .mload: add(.loadAtConstant, constant: value)
        case .mstore: add(.storeAtConstant, constant: value)
        case .shl: add(.shiftLeftConstant, argument: value.clampedToUInt64)
        case .shr: add(.shiftRightConstant, argument: value.clampedToUInt64)
        case .sar: add(.shiftRightSignedConstant, argument: value.clampedToUInt64)
        case .byte: add(.byteConstant, argument: value.clampedToUInt64)
        case .signextend: add(.signExtendConstant, argument: value.clampedToUInt64)
        default:
            guard let operation = Binary(next)?.constant else { return nil }
            add(operation, constant: value)
        }
        return 2
    }

    /// PUSH, SWAP1 and the instruction of which it is the second operand.
    private mutating func emitConstantSecond(_ value: UInt256, _ opcode: Opcode) -> Bool {
        let isPowerOfTwo = !value.isZero && (value & (value &- .one)).isZero
        switch opcode {
        case .sub: add(.addConstant, constant: value.negated)
        case .lt: add(.greaterConstant, constant: value)
        case .gt: add(.lessConstant, constant: value)
        case .slt: add(.signedGreaterConstant, constant: value)
        case .sgt: add(.signedLessConstant, constant: value)
        case .div where isPowerOfTwo:
            add(.shiftRightConstant, argument: UInt64(value.bitWidth - 1))
        case .div: add(.divideByConstant, constant: value)
        case .mod where isPowerOfTwo: add(.andConstant, constant: value &- .one)
        case .mod: add(.moduloConstant, constant: value)
        case .add, .mul, .and, .or, .xor, .eq:
            guard let operation = Binary(opcode)?.constant else { return false }
            add(operation, constant: value)
        default: return false
        }
        return true
    }

    /// PUSH, DUP and a division, by a power of two.
    private mutating func emitCopyDivided(
        by value: UInt256, _ opcode: Opcode, _ depth: Int
    ) -> Bool {
        guard !value.isZero, (value & (value &- .one)).isZero else { return false }
        switch opcode {
        case .div:
            add(
                .shiftRightCopyByConstant, a: copy(depth),
                argument: UInt64(value.bitWidth - 1))
        case .mod: add(.andConstantAndCopy, a: copy(depth), constant: value &- .one)
        default: return false
        }
        return true
    }

    private mutating func emitCopy(_ items: [Item], _ index: Int, _ depth: Int) -> Int {
        let hasNext = index + 1 < items.count
        let next = hasNext ? items[index + 1].opcode : .invalid
        let afterNext = index + 2 < items.count ? items[index + 2].opcode : .invalid
        if let operation = Binary(next)?.copy {
            add(operation, a: copy(depth))
            return 2
        }
        switch next {
        case .mload:
            add(.loadAtCopy, a: copy(depth))
            return 2
        case .mstore:
            add(.storeAtCopy, a: copy(depth))
            return 2
        case .iszero:
            add(.isZeroCopy, a: copy(depth))
            return 2
        default: break
        }
        if hasNext, items[index + 1].isPush {
            let value = items[index + 1].value
            if let operation = Binary(afterNext)?.constantAndCopy {
                add(operation, a: copy(depth), constant: value)
                return 3
            }
            let shift: Operation? =
                switch afterNext {
                case .shl: .shiftLeftCopyByConstant
                case .shr: .shiftRightCopyByConstant
                case .sar: .shiftRightSignedCopyByConstant
                default: nil
                }
            if let shift {
                add(shift, a: copy(depth), argument: value.clampedToUInt64)
                return 3
            }
            if !consumesConstant(items, index + 2) {
                add(.copyAndPush, a: copy(depth), constant: value)
                return 2
            }
        }
        if let above = next.copiedDepth {
            // The second copy sees the first as its top.
            let top = above == 1 ? copy(depth) : copy(above - 1)
            if let binary = Binary(afterNext) {
                let (a, b) = binary.isReversedOnCopies ? (copy(depth), top) : (top, copy(depth))
                add(binary.copies, a: a, b: b)
                return 3
            }
            if afterNext == .mstore {
                add(.storeCopyAtCopy, a: copy(depth), b: top)
                return 3
            }
            if !consumesCopy(afterNext) {
                add(.copyTwo, a: copy(depth), b: top)
                return 2
            }
        }
        if let swapped = next.swappedDepth, !consumesSwap(swapped, afterNext) {
            add(.copyAndSwap, a: copy(depth), b: Int16(-32 * swapped))
            return 2
        }
        emitPlain(items[index])
        return 1
    }

    private mutating func emitSwap(_ items: [Item], _ index: Int, _ depth: Int) -> Int {
        let next = index + 1 < items.count ? items[index + 1].opcode : .invalid
        let afterNext = index + 2 < items.count ? items[index + 2].opcode : .invalid
        let offset = Int16(-32 * depth)
        if next == .pop {
            if depth == 1 { add(.swapOneAndPop) } else { add(.swapAndPop, a: offset) }
            return 2
        }
        if depth == 1 {
            if next == .mstore {
                add(.storeSwapped)
                return 2
            }
            if let operation = Self.swapped(next) {
                add(operation)
                return 2
            }
        }
        if let other = next.swappedDepth, !consumesSwap(other, afterNext) {
            add(.swapAndSwap, a: offset, b: Int16(-32 * other))
            return 2
        }
        if let copied = next.copiedDepth, !consumesCopy(afterNext) {
            add(.swapAndCopy, a: offset, b: copy(copied))
            return 2
        }
        emitPlain(items[index])
        return 1
    }

    private mutating func emitPop(_ items: [Item], _ index: Int) -> Int {
        var count = 1
        while index + count < items.count, items[index + count].opcode == .pop { count += 1 }
        if count > 1 {
            add(.popMany, a: Int16(count))
            return count
        }
        let next = index + 1 < items.count ? items[index + 1].opcode : .invalid
        let afterNext = index + 2 < items.count ? items[index + 2].opcode : .invalid
        if let depth = next.swappedDepth, !consumesSwap(depth, afterNext) {
            add(.popAndSwap, a: Int16(-32 * depth))
            return 2
        }
        if let depth = next.copiedDepth, !consumesCopy(afterNext) {
            // The copy's source, seen from the top before the pop.
            add(.popAndCopy, a: Int16(-32 * depth))
            return 2
        }
        add(.pop)
        return 1
    }

    /// The instruction that does what SWAP1 and another do.
    private static func swapped(_ opcode: Opcode) -> Operation? {
        switch opcode {
        case .sub: .subtractSwapped
        case .lt: .greater
        case .gt: .less
        case .slt: .signedGreater
        case .sgt: .signedLess
        case .shl: .shiftLeftSwapped
        case .shr: .shiftRightSwapped
        case .sar: .shiftRightSignedSwapped
        case .add, .mul, .and, .or, .xor, .eq: Binary(opcode)?.plain
        default: nil
        }
    }

    /// Whether an instruction makes a pattern with a copy before it.
    private func consumesCopy(_ opcode: Opcode) -> Bool {
        Binary(opcode) != nil || opcode == .mload || opcode == .mstore || opcode == .iszero
    }

    /// Whether what follows makes a pattern with a constant before it.
    private func consumesConstant(_ items: [Item], _ index: Int) -> Bool {
        guard index < items.count else { return false }
        switch items[index].opcode {
        case .mload, .mstore, .shl, .shr, .sar, .byte, .signextend, .jump, .jumpi, .swap1:
            return true
        case let opcode:
            if Binary(opcode) != nil { return true }
            return opcode.copiedDepth != nil && index + 1 < items.count
                && Binary(items[index + 1].opcode) != nil
        }
    }

    private func consumesSwap(_ depth: Int, _ opcode: Opcode) -> Bool {
        opcode == .pop || (depth == 1 && (opcode == .mstore || Self.swapped(opcode) != nil))
    }

    /// The offset of what DUPn copies.
    private func copy(_ depth: Int) -> Int16 { Int16(-32 * (depth - 1)) }

    /// The offset of a jump destination, or nil if it is none.
    private func destination(_ value: UInt256) -> Int? {
        guard value < word(code.size) else { return nil }
        let offset = Int(value.l0)
        return isJumpDestination(offset) ? offset : nil
    }

    // MARK: Records

    private mutating func add(
        _ operation: Operation, a: Int16 = 0, b: Int16 = 0, argument: UInt64 = 0
    ) {
        records.append(Record(operation: operation, a: a, b: b, argument: argument))
    }

    private mutating func add(
        _ operation: Operation, a: Int16 = 0, constant: UInt256
    ) {
        fixups.append(.constant(record: records.count, constants.count))
        constants.append(constant)
        add(operation, a: a)
    }

    private mutating func add(_ operation: Operation, constants first: UInt256, _ second: UInt256) {
        add(operation, constant: first)
        constants.append(second)
    }

    private mutating func addJump(
        _ operation: Operation, _ target: Int, a: Int16 = 0, b: Int16 = 0
    ) {
        fixups.append(.target(record: records.count, offset: target))
        add(operation, a: a, b: b)
    }

    /// An instruction without a pattern.
    private mutating func emitPlain(_ item: Item) {
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

/// The forms of an instruction with two operands, by where the operands come from.
private struct Binary {
    let plain: Operation
    /// The top is a constant.
    let constant: Operation
    /// The top is a copy of a word further down.
    let copy: Operation
    /// Top and second are copies.
    let copies: Operation
    /// The top is a constant, the second a copy; and the other way round.
    let constantAndCopy: Operation
    let copyAndConstant: Operation

    /// `copies` stands for the instruction with its operands the other way round.
    var isReversedOnCopies = false

    init?(_ opcode: Opcode) {
        switch opcode {
        case .add:
            self.init(
                .add, .addConstant, .addCopy, .addCopies, .addConstantAndCopy, .addConstantAndCopy)
        case .mul:
            self.init(
                .multiply, .multiplyConstant, .multiplyCopy, .multiplyCopies,
                .multiplyConstantAndCopy, .multiplyConstantAndCopy)
        case .and:
            self.init(
                .and, .andConstant, .andCopy, .andCopies, .andConstantAndCopy, .andConstantAndCopy)
        case .or:
            self.init(.or, .orConstant, .orCopy, .orCopies, .orConstantAndCopy, .orConstantAndCopy)
        case .xor:
            self.init(
                .xor, .xorConstant, .xorCopy, .xorCopies, .xorConstantAndCopy, .xorConstantAndCopy)
        case .eq:
            self.init(
                .equal, .equalConstant, .equalCopy, .equalCopies, .equalConstantAndCopy,
                .equalConstantAndCopy)
        case .sub:
            self.init(
                .subtract, .subtractConstant, .subtractCopy, .subtractCopies,
                .subtractConstantAndCopy, .subtractCopyAndConstant)
        case .lt:
            self.init(
                .less, .lessConstant, .lessCopy, .lessCopies, .lessConstantAndCopy,
                .lessCopyAndConstant)
        case .gt:
            self.init(
                .greater, .greaterConstant, .greaterCopy, .lessCopies, .lessCopyAndConstant,
                .lessConstantAndCopy)
            isReversedOnCopies = true
        case .slt:
            self.init(
                .signedLess, .signedLessConstant, .signedLessCopy, .signedLessCopies,
                .signedLessConstantAndCopy, .signedLessCopyAndConstant)
        case .sgt:
            self.init(
                .signedGreater, .signedGreaterConstant, .signedGreaterCopy, .signedLessCopies,
                .signedLessCopyAndConstant, .signedLessConstantAndCopy)
            isReversedOnCopies = true
        default: return nil
        }
    }

    private init(
        _ plain: Operation, _ constant: Operation, _ copy: Operation, _ copies: Operation,
        _ constantAndCopy: Operation, _ copyAndConstant: Operation
    ) {
        self.plain = plain
        self.constant = constant
        self.copy = copy
        self.copies = copies
        self.constantAndCopy = constantAndCopy
        self.copyAndConstant = copyAndConstant
    }
}

/// A comparison that a jump depends on.
private struct Comparison {
    private enum Kind { case less, greater, signedLess, signedGreater, equal }

    private let kind: Kind

    /// It is true if the comparison is not: SUB and XOR as tests for inequality.
    let isInverted: Bool

    /// `jumpOnCopies` has no form of its own for it, but one with the operands the other way round.
    var isReversed: Bool { kind == .greater || kind == .signedGreater }

    init?(_ opcode: Opcode) {
        switch opcode {
        case .lt: kind = .less
        case .gt: kind = .greater
        case .slt: kind = .signedLess
        case .sgt: kind = .signedGreater
        case .eq, .sub, .xor: kind = .equal
        default: return nil
        }
        isInverted = opcode == .sub || opcode == .xor
    }

    func jump(_ isNegated: Bool) -> Operation {
        switch kind {
        case .less: isNegated ? .jumpToUnlessLess : .jumpToIfLess
        case .greater: isNegated ? .jumpToUnlessGreater : .jumpToIfGreater
        case .signedLess: isNegated ? .jumpToUnlessSignedLess : .jumpToIfSignedLess
        case .signedGreater: isNegated ? .jumpToUnlessSignedGreater : .jumpToIfSignedGreater
        case .equal: isNegated ? .jumpToUnlessEqual : .jumpToIfEqual
        }
    }

    func jumpOnCopies(_ isNegated: Bool) -> Operation {
        switch kind {
        case .less, .greater: isNegated ? .jumpToUnlessCopiesLess : .jumpToIfCopiesLess
        case .signedLess, .signedGreater:
            isNegated ? .jumpToUnlessCopiesSignedLess : .jumpToIfCopiesSignedLess
        case .equal: isNegated ? .jumpToUnlessCopiesEqual : .jumpToIfCopiesEqual
        }
    }

    /// On a copy with a constant above it: the constant is the first operand.
    func jumpOnConstant(_ isNegated: Bool) -> Operation? {
        switch kind {
        case .less:
            isNegated ? .jumpToUnlessCopyGreaterThanConstant : .jumpToIfCopyGreaterThanConstant
        case .greater:
            isNegated ? .jumpToUnlessCopyLessThanConstant : .jumpToIfCopyLessThanConstant
        case .equal: isNegated ? .jumpToUnlessCopyEqualConstant : .jumpToIfCopyEqualConstant
        case .signedLess, .signedGreater: nil
        }
    }
}

extension Opcode {
    /// n of DUPn.
    fileprivate var copiedDepth: Int? {
        rawValue >= Opcode.dup1.rawValue && rawValue <= Opcode.dup16.rawValue
            ? Int(rawValue - Opcode.dup1.rawValue) + 1 : nil
    }

    /// n of SWAPn.
    fileprivate var swappedDepth: Int? {
        rawValue >= Opcode.swap1.rawValue && rawValue <= Opcode.swap16.rawValue
            ? Int(rawValue - Opcode.swap1.rawValue) + 1 : nil
    }

    /// n of LOGn.
    fileprivate var topicCount: Int? {
        rawValue >= Opcode.log0.rawValue && rawValue <= Opcode.log4.rawValue
            ? Int(rawValue - Opcode.log0.rawValue) : nil
    }

    /// The decoded instruction that does the same, for those without operands in the code.
    fileprivate var plainOperation: Operation {
        switch self {
        case .stop: .stop
        case .add: .add
        case .mul: .multiply
        case .sub: .subtract
        case .div: .divide
        case .sdiv: .signedDivide
        case .mod: .modulo
        case .smod: .signedModulo
        case .addmod: .addModulo
        case .mulmod: .multiplyModulo
        case .exp: .exponentiate
        case .signextend: .signExtend
        case .lt: .less
        case .gt: .greater
        case .slt: .signedLess
        case .sgt: .signedGreater
        case .eq: .equal
        case .iszero: .isZero
        case .and: .and
        case .or: .or
        case .xor: .xor
        case .not: .not
        case .byte: .byte
        case .shl: .shiftLeft
        case .shr: .shiftRight
        case .sar: .shiftRightSigned
        case .clz: .countLeadingZeros
        case .keccak256: .hash
        case .address: .address
        case .balance: .balance
        case .origin: .origin
        case .caller: .caller
        case .callvalue: .callValue
        case .calldataload: .callDataLoad
        case .calldatasize: .callDataSize
        case .calldatacopy: .callDataCopy
        case .codecopy: .codeCopy
        case .gasprice: .gasPrice
        case .extcodesize: .externalCodeSize
        case .extcodecopy: .externalCodeCopy
        case .returndatasize: .returnDataSize
        case .returndatacopy: .returnDataCopy
        case .extcodehash: .externalCodeHash
        case .blockhash: .blockHash
        case .coinbase: .coinbase
        case .timestamp: .timestamp
        case .number: .number
        case .prevrandao: .difficulty
        case .gaslimit: .gasLimit
        case .chainid: .chainId
        case .selfbalance: .selfBalance
        case .basefee: .baseFee
        case .blobhash: .blobHash
        case .blobbasefee: .blobBaseFee
        case .mload: .load
        case .mstore: .store
        case .mstore8: .storeByte
        case .sload: .storageLoad
        case .sstore: .storageStore
        case .jump: .jump
        case .jumpi: .jumpIf
        case .msize: .memorySize
        case .gas: .gas
        case .tload: .transientLoad
        case .tstore: .transientStore
        case .mcopy: .memoryCopy
        case .create: .create
        case .call: .call
        case .callcode: .callCode
        case .return: .return
        case .delegatecall: .delegateCall
        case .create2: .create2
        case .staticcall: .staticCall
        case .revert: .revert
        case .selfdestruct: .selfDestruct
        default: .leave
        }
    }
}
