/// The patterns that decoding knows: runs of two to seven instructions that one `Operation` does.
///
/// They were chosen from what compilers write: operands copied or pushed right before they are used,
/// conditions right before their jump. `Forms` says what there is for each instruction.

import Primitives

extension Decoder {
    /// Makes records of the items of a block.
    mutating func emit() {
        // So that looking ahead needs no end check: INVALID has no forms.
        for place in 0..<3 {
            items[itemCount &+ place] = Item(value: .zero, offset: 0, opcode: .invalid)
        }
        let branch = branch()
        var index = 0
        while index < itemCount {
            if let branch, index >= branch.start {
                let count = emitBranch(branch, index)
                if count > 0 {
                    index &+= count
                    continue
                }
            }
            index &+= emitPattern(items + index)
        }
    }

    /// Emits the longest pattern that begins at an item.
    ///
    /// - Returns: how many items it is made of.
    @inline(always)
    private mutating func emitPattern(_ item: UnsafeMutablePointer<Item>) -> Int {
        let opcode = item.pointee.opcode
        if item.pointee.isPush { return emitPush(item) }
        if let depth = opcode.copiedDepth { return emitCopy(item, depth) }
        if let depth = opcode.swappedDepth { return emitSwap(item, depth) }
        if opcode == .pop { return emitPop(item) }
        if opcode == .iszero, item[1].opcode == .iszero {
            add(.isNotZero, at: item.pointee.offset)
            return 2
        }
        if let topics = opcode.topicCount {
            add(.log, at: item.pointee.offset, a: Int16(truncatingIfNeeded: topics))
        } else {
            add(form(opcode).plain, at: item.pointee.offset)
        }
        return 1
    }

    @inline(always)
    private func form(_ opcode: Opcode) -> Forms { forms[Int(opcode.rawValue)] }

    // MARK: Branches

    /// The end of a block that is a jump with a condition to a known, valid destination:
    ///
    ///     [DUPn] [DUPm | PUSH] [compare] [ISZERO…] PUSH JUMPI
    private struct Branch {
        /// Where the pattern may begin.
        let start: Int
        /// The last item that is no ISZERO.
        let condition: Int
        let target: Int
    }

    private func branch() -> Branch? {
        guard itemCount > 1, items[itemCount &- 1].opcode == .jumpi,
            items[itemCount &- 2].isPush, let target = destination(items[itemCount &- 2].value)
        else { return nil }
        var condition = itemCount &- 3
        while condition >= 0, items[condition].opcode == .iszero { condition &-= 1 }
        return Branch(start: max(0, condition &- 2), condition: condition, target: target)
    }

    /// Emits the rest of a block from an item on, if the rest is as a whole a known pattern.
    ///
    /// - Returns: how many items that are; 0 if it is none.
    private mutating func emitBranch(_ branch: Branch, _ start: Int) -> Int {
        let condition = branch.condition
        let target = branch.target
        let length = itemCount &- start
        let offset = items[start].offset
        // ISZEROs from here to the push.
        let negations = itemCount &- 3 &- max(condition, start &- 1)
        var isNegated = negations & 1 != 0
        if condition < start {
            // Only ISZEROs, or nothing, before the jump.
            guard start < itemCount &- 1 else { return 0 }
            addJump(isNegated ? .jumpToIfZero : .jumpToIf, at: offset, to: target)
            return length
        }
        if condition == start, let depth = items[start].opcode.copiedDepth {
            addJump(
                isNegated ? .jumpToUnlessCopy : .jumpToIfCopy, at: offset, to: target,
                a: copy(depth))
            return length
        }
        guard let comparison = Comparison(items[condition].opcode) else { return 0 }
        if comparison.isInverted { isNegated.toggle() }
        if condition == start {
            addJump(comparison.jump(isNegated), at: offset, to: target)
            return length
        }
        guard condition &- start == 2, let depth = items[start].opcode.copiedDepth else {
            return 0
        }
        if let above = items[start &+ 1].opcode.copiedDepth {
            let top = above == 1 ? copy(depth) : copy(above &- 1)
            let (a, b) = comparison.isReversed ? (copy(depth), top) : (top, copy(depth))
            addJump(comparison.jumpOnCopies(isNegated), at: offset, to: target, a: a, b: b)
            return length
        }
        guard items[start &+ 1].isPush, let operation = comparison.jumpOnConstant(isNegated) else {
            return 0
        }
        addJump(operation, to: target, a: copy(depth), constant: items[start &+ 1].value)
        return length
    }

    /// The offset of a jump destination, or nil if it is none.
    private func destination(_ value: UInt256) -> Int? {
        guard value.fitsUInt64, value.l0 < UInt64(truncatingIfNeeded: code.size) else { return nil }
        let offset = Int(truncatingIfNeeded: value.l0)
        let bits = code.jumpDestinations[offset &>> 3]
        return bits &>> UInt8(truncatingIfNeeded: offset & 7) & 1 != 0 ? offset : nil
    }

    // MARK: Pushes

    private mutating func emitPush(_ item: UnsafeMutablePointer<Item>) -> Int {
        let offset = item.pointee.offset
        let next = item[1].opcode
        let nextForm = form(next)
        if nextForm.constant != .none {
            addConstant(nextForm, nextForm.constant, at: offset, a: 0, item.pointee.value)
            return 2
        }
        if next == .jump, let target = destination(item.pointee.value) {
            addJump(.jumpTo, at: offset, to: target)
            return 2
        }
        if next == .swap1, emitConstantSecond(item, item[2].opcode) { return 3 }
        if let depth = next.copiedDepth, depth > 1 {
            let source = copy(depth &- 1)
            let consumer = form(item[2].opcode)
            if consumer.copyAndConstant != .none {
                add(consumer.copyAndConstant, at: offset, a: source, constant: item.pointee.value)
                return 3
            }
            if emitCopyDivided(item, item[2].opcode, source) { return 3 }
            if consumer.copy == .none {
                add(.pushAndCopy, at: offset, a: source, constant: item.pointee.value)
                return 2
            }
        }
        if item[1].isPush, !consumesConstant(item + 2) {
            add(.pushTwo, at: offset, constant: item.pointee.value)
            constants[constantCount] = item[1].value
            constantCount &+= 1
            return 2
        }
        if item.pointee.value.fitsUInt64 {
            add(.pushSmall, at: offset, argument: item.pointee.value.l0)
        } else {
            add(.push, at: offset, constant: item.pointee.value)
        }
        return 1
    }

    /// An operation with a constant: in the record if its instruction needs no more than 64 bits of it.
    @inline(always)
    private mutating func addConstant(
        _ form: Forms, _ operation: Operation, at offset: UInt32, a: Int16, _ value: UInt256
    ) {
        if form.traits.contains(.takesSmallConstant) {
            add(operation, at: offset, a: a, argument: value.clampedToUInt64)
        } else {
            add(operation, at: offset, a: a, constant: value)
        }
    }

    /// PUSH, SWAP1 and the instruction of which it is the second operand.
    private mutating func emitConstantSecond(
        _ item: UnsafeMutablePointer<Item>, _ opcode: Opcode
    ) -> Bool {
        let offset = item.pointee.offset
        let value = item.pointee.value
        switch opcode {
        case .sub: add(.addConstant, at: offset, constant: value.negated)
        case .lt: add(.greaterConstant, at: offset, constant: value)
        case .gt: add(.lessConstant, at: offset, constant: value)
        case .slt: add(.signedGreaterConstant, at: offset, constant: value)
        case .sgt: add(.signedLessConstant, at: offset, constant: value)
        case .div where value.isPowerOfTwo:
            add(.shiftRightConstant, at: offset, argument: value.exponent)
        case .div: add(.divideByConstant, at: offset, constant: value)
        case .mod where value.isPowerOfTwo:
            add(.andConstant, at: offset, constant: value &- .one)
        case .mod: add(.moduloConstant, at: offset, constant: value)
        case .add, .mul, .and, .or, .xor, .eq:
            add(form(opcode).constant, at: offset, constant: value)
        default: return false
        }
        return true
    }

    /// PUSH, DUP and a division, by a power of two.
    private mutating func emitCopyDivided(
        _ item: UnsafeMutablePointer<Item>, _ opcode: Opcode, _ source: Int16
    ) -> Bool {
        guard opcode == .div || opcode == .mod, item.pointee.value.isPowerOfTwo else {
            return false
        }
        let offset = item.pointee.offset
        if opcode == .div {
            add(
                .shiftRightCopyByConstant, at: offset, a: source,
                argument: item.pointee.value.exponent)
        } else {
            add(
                .andConstantAndCopy, at: offset, a: source,
                constant: item.pointee.value &- .one)
        }
        return true
    }

    // MARK: Copies, swaps, pops

    private mutating func emitCopy(_ item: UnsafeMutablePointer<Item>, _ depth: Int) -> Int {
        let offset = item.pointee.offset
        let next = item[1].opcode
        let nextForm = form(next)
        if nextForm.copy != .none {
            add(nextForm.copy, at: offset, a: copy(depth))
            return 2
        }
        let consumer = form(item[2].opcode)
        if item[1].isPush {
            if consumer.constantAndCopy != .none {
                addConstant(
                    consumer, consumer.constantAndCopy, at: offset, a: copy(depth), item[1].value)
                return 3
            }
            if !consumesConstant(item + 2) {
                add(.copyAndPush, at: offset, a: copy(depth), constant: item[1].value)
                return 2
            }
        } else if let above = next.copiedDepth {
            // The second copy sees the first as its top.
            let top = above == 1 ? copy(depth) : copy(above &- 1)
            if consumer.copies != .none {
                let isReversed = consumer.traits.contains(.isReversedOnCopies)
                add(
                    consumer.copies, at: offset, a: isReversed ? copy(depth) : top,
                    b: isReversed ? top : copy(depth))
                return 3
            }
            if consumer.copy == .none {
                add(.copyTwo, at: offset, a: copy(depth), b: top)
                return 2
            }
        } else if let swapped = next.swappedDepth, !consumesSwap(swapped, item[2].opcode) {
            add(.copyAndSwap, at: offset, a: copy(depth), b: below(swapped))
            return 2
        }
        switch depth {
        case 1: add(.copyTop, at: offset)
        case 2: add(.copySecond, at: offset)
        case 3: add(.copyThird, at: offset)
        default: add(.copy, at: offset, a: copy(depth))
        }
        return 1
    }

    private mutating func emitSwap(_ item: UnsafeMutablePointer<Item>, _ depth: Int) -> Int {
        let offset = item.pointee.offset
        let next = item[1].opcode
        if next == .pop {
            if depth == 1 {
                add(.swapOneAndPop, at: offset)
            } else {
                add(.swapAndPop, at: offset, a: below(depth))
            }
            return 2
        }
        if depth == 1, form(next).swapped != .none {
            add(form(next).swapped, at: offset)
            return 2
        }
        if let other = next.swappedDepth, !consumesSwap(other, item[2].opcode) {
            add(.swapAndSwap, at: offset, a: below(depth), b: below(other))
            return 2
        }
        if let copied = next.copiedDepth, form(item[2].opcode).copy == .none {
            add(.swapAndCopy, at: offset, a: below(depth), b: copy(copied))
            return 2
        }
        switch depth {
        case 1: add(.swapOne, at: offset)
        case 2: add(.swapTwo, at: offset)
        default: add(.swap, at: offset, a: below(depth))
        }
        return 1
    }

    private mutating func emitPop(_ item: UnsafeMutablePointer<Item>) -> Int {
        let offset = item.pointee.offset
        var count = 1
        // No stack has more words; a longer run fails before it gets here.
        while count < Machine.stackLimit, item[count].opcode == .pop { count &+= 1 }
        if count > 1 {
            add(.popMany, at: offset, a: Int16(truncatingIfNeeded: count))
            return count
        }
        let next = item[1].opcode
        if let depth = next.swappedDepth, !consumesSwap(depth, item[2].opcode) {
            add(.popAndSwap, at: offset, a: below(depth))
            return 2
        }
        if let depth = next.copiedDepth, form(item[2].opcode).copy == .none {
            // The copy's source, seen from the top before the pop.
            add(.popAndCopy, at: offset, a: below(depth))
            return 2
        }
        add(.pop, at: offset)
        return 1
    }

    /// Whether an item makes a pattern with a constant before it.
    private func consumesConstant(_ item: UnsafeMutablePointer<Item>) -> Bool {
        let opcode = item.pointee.opcode
        if form(opcode).traits.contains(.takesConstant) { return true }
        return opcode.copiedDepth != nil && form(item[1].opcode).traits.contains(.isBinary)
    }

    private func consumesSwap(_ depth: Int, _ opcode: Opcode) -> Bool {
        opcode == .pop || (depth == 1 && form(opcode).swapped != .none)
    }

    /// The offset of what DUPn copies, from the top of the stack.
    @inline(always)
    private func copy(_ depth: Int) -> Int16 { Int16(truncatingIfNeeded: -32 &* (depth &- 1)) }

    /// The offset of what SWAPn swaps with the top.
    @inline(always)
    private func below(_ depth: Int) -> Int16 { Int16(truncatingIfNeeded: -32 &* depth) }
}

extension UInt256 {
    fileprivate var isPowerOfTwo: Bool { !isZero && (self & (self &- .one)).isZero }

    /// Of a power of two: which.
    fileprivate var exponent: UInt64 { UInt64(truncatingIfNeeded: bitWidth &- 1) }
}
