/// The patterns that decoding knows: runs of two to seven instructions that one `Operation` does.
///
/// They were chosen from what compilers write: operands copied or pushed right before they are used,
/// conditions right before their jump.

import Primitives

extension Decoder {
    mutating func emit(_ items: [Item]) {
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
        // No stack has more words; a longer run fails before it gets here.
        while count < Machine.stackLimit, index + count < items.count,
            items[index + count].opcode == .pop
        {
            count += 1
        }
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
    func copy(_ depth: Int) -> Int16 { Int16(-32 * (depth - 1)) }

    /// The offset of a jump destination, or nil if it is none.
    private func destination(_ value: UInt256) -> Int? {
        guard value < word(code.size) else { return nil }
        let offset = Int(value.l0)
        return isJumpDestination(offset) ? offset : nil
    }
}
