import EVM
import EthereumTypes
import Primitives
import TestSupport

/// A program that mostly keeps the stack in order, gives ranges of memory small numbers, jumps forward
/// to places that exist (and sometimes back), and uses every instruction of the fork, often in the
/// combinations that decoding knows.
struct RandomProgram {
    private(set) var bytes: Bytes = []
    private var height = 0

    /// What each fork has, without the jumps, which are made with care, and the ends.
    private static let instructions: [[Opcode]] = Fork.allCases.map { fork in
        let schedule = GasSchedule.of(fork)
        return Opcode.allCases.filter { opcode in
            schedule.pointee.instructions[Int(opcode.rawValue)].isDefined
                && ![.jump, .jumpi, .stop, .return, .revert, .selfdestruct].contains(opcode)
        }
    }

    init(_ random: inout SeededRandom, _ fork: Fork) {
        let schedule = GasSchedule.of(fork)
        let instructions = Self.instructions[Int(fork.rawValue)]
        bytes.reserveCapacity(1024)
        let blocks = 3 + random.index(below: 6)
        for block in 0..<blocks {
            if block > 0 { bytes.append(Opcode.jumpdest.rawValue) }
            // Whoever comes here, the block brings its own operands.
            height = 0
            for _ in 0..<3 { push(&random) }
            for _ in 0..<(4 + random.index(below: 14)) {
                let choice = random.index(below: 20)
                if choice < 4 || height < 3 {
                    push(&random)
                } else if choice < 7 {
                    copy(1 + random.index(below: min(16, height)))
                } else if choice < 9 {
                    let depth = 1 + random.index(below: min(16, height - 1))
                    bytes.append(Opcode.swap1.rawValue + UInt8(depth - 1))
                } else if choice < 14 {
                    let arithmetic: [Opcode] = [
                        .add, .sub, .mul, .lt, .gt, .slt, .sgt, .eq, .and, .or, .xor, .div, .mod,
                        .byte, .iszero, .not, .pop, .mload, .mstore, .signextend,
                    ]
                    append(arithmetic[random.index(below: arithmetic.count)], &random, schedule)
                } else if choice < 17 {
                    append(instructions[random.index(below: instructions.count)], &random, schedule)
                } else if choice < 18 {
                    call(.call, &random)
                } else {
                    branch(&random)
                }
            }
        }
        let ends: [Opcode] = [.stop, .return, .return, .revert, .selfdestruct]
        let end = ends[random.index(below: ends.count)]
        if schedule.pointee.instructions[Int(end.rawValue)].isDefined {
            append(end, &random, schedule)
        }
        fillInDestinations(&random)
    }

    /// Appends an instruction; one that takes a range of memory gets small numbers for it.
    private mutating func append(
        _ opcode: Opcode, _ random: inout SeededRandom, _ schedule: UnsafePointer<GasSchedule>
    ) {
        switch opcode {
        case .mload, .mstore, .mstore8:
            if random.index(below: 3) > 0 { copy(1 + random.index(below: min(3, height))) }
            number(random.index(below: 200))
        case .keccak256, .return, .revert, .log0, .log1, .log2, .log3, .log4:
            number(random.index(below: 70))
            number(random.index(below: 200))
        case .calldatacopy, .codecopy, .mcopy:
            for _ in 0..<3 { number(random.index(below: 120)) }
        case .returndatacopy:
            for _ in 0..<3 { number(0) }
        case .extcodecopy:
            for _ in 0..<3 { number(random.index(below: 120)) }
            number(0xc0de)
        case .create, .create2:
            create(opcode, &random)
            return
        case .call, .callcode, .delegatecall, .staticcall:
            call(opcode, &random)
            return
        case .exp: number(random.index(below: 5))
        default: break
        }
        bytes.append(opcode.rawValue)
        bytes += random.bytes(opcode.immediateSize)
        height = max(0, height + Int(schedule.pointee.stackChanges[Int(opcode.rawValue)]))
    }

    private mutating func number(_ value: Int) {
        bytes += [Opcode.push1.rawValue + 1, UInt8(value >> 8), UInt8(value & 255)]
        height += 1
    }

    private mutating func copy(_ depth: Int) {
        bytes.append(Opcode.dup1.rawValue + UInt8(max(1, depth) - 1))
        height += 1
    }

    private mutating func push(_ random: inout SeededRandom) {
        let interesting: [Bytes] = [
            [0], [1], [2], [31], [32], [64], [255], [0x80, 0x00],
            Bytes(repeating: 0xff, count: 32), [0x80] + Bytes(repeating: 0, count: 31),
            Bytes(repeating: 0xff, count: 20),
        ]
        let value =
            random.index(below: 3) == 0
            ? random.bytes(1 + random.index(below: 32))
            : interesting[random.index(below: interesting.count)]
        bytes += [Opcode.push0.rawValue + UInt8(value.count)] + value
        height += 1
    }

    /// A call of the other contract, of itself, or of a precompile, with a little gas.
    private mutating func call(_ opcode: Opcode, _ random: inout SeededRandom) {
        let targets = [0xca11ee, 0xca11ee, 0xc0de, 2, 4]
        let hasValue = opcode == .call || opcode == .callcode
        for _ in 0..<4 { number(random.index(below: 100)) }
        if hasValue { number(random.index(below: 3) == 0 ? 1 : 0) }
        let target = targets[random.index(below: targets.count)]
        bytes += [
            Opcode.push1.rawValue + 2, UInt8(target >> 16), UInt8(target >> 8 & 255),
            UInt8(target & 255),
        ]
        height += 1
        number(random.index(below: 3000))
        bytes.append(opcode.rawValue)
        height -= hasValue ? 6 : 5
    }

    /// A creation by initialisation code of up to 32 bytes, which is on top of the memory.
    private mutating func create(_ opcode: Opcode, _ random: inout SeededRandom) {
        let codes: [Bytes] = [
            // CODECOPY and RETURN of itself; SSTORE; a loop; a fault; REVERT with data.
            [0x60, 0x20, 0x60, 0x00, 0x60, 0x00, 0x39, 0x60, 0x20, 0x60, 0x00, 0xf3],
            [0x60, 0x07, 0x60, 0x01, 0x55, 0x5a, 0x60, 0x02, 0x55],
            [0x60, 0x30, 0x5b, 0x60, 0x01, 0x90, 0x03, 0x80, 0x60, 0x02, 0x57],
            [0x60, 0x01, 0x60, 0x02, 0xfe],
            [0x60, 0x05, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xfd],
            random.bytes(20),
        ]
        let code = codes[random.index(below: codes.count)]
        bytes.append(Opcode.push32.rawValue)
        bytes += code + Bytes(repeating: 0, count: 32 - code.count)
        height += 1
        number(0)
        bytes.append(Opcode.mstore.rawValue)
        height -= 2
        if opcode == .create2 { number(random.index(below: 3)) }
        number(random.index(below: 4) == 0 ? random.index(below: 70) : 32)
        number(0)
        number(random.index(below: 5) == 0 ? 1 : 0)
        bytes.append(opcode.rawValue)
        height -= opcode == .create2 ? 3 : 2
    }

    private mutating func branch(_ random: inout SeededRandom) {
        let comparisons: [Opcode] = [.lt, .gt, .slt, .sgt, .eq, .sub, .xor, .iszero]
        if height >= 2, random.index(below: 4) > 0 {
            if random.index(below: 2) == 0 {
                copy(1 + random.index(below: min(3, height)))
                if random.index(below: 2) == 0 {
                    push(&random)
                } else {
                    copy(1 + random.index(below: min(3, height)))
                }
            }
            let comparison = comparisons[random.index(below: comparisons.count)]
            bytes.append(comparison.rawValue)
            if comparison != .iszero { height -= 1 }
            if random.index(below: 2) == 0 { bytes.append(Opcode.iszero.rawValue) }
        }
        let jump = random.index(below: 8) == 0 ? Opcode.jump : .jumpi
        // The destination is filled in at the end.
        bytes += [Opcode.push1.rawValue + 1, 0xfe, UInt8(random.index(below: 256)), jump.rawValue]
        height = max(0, height - (jump == .jumpi ? 1 : 0))
    }

    private mutating func fillInDestinations(_ random: inout SeededRandom) {
        var destinations: [Int] = []
        forEachInstruction { offset in
            if bytes[offset] == Opcode.jumpdest.rawValue { destinations.append(offset) }
        }
        var jumps: [Int] = []
        forEachInstruction { offset in
            if bytes[offset] == Opcode.push1.rawValue + 1, offset + 3 < bytes.count,
                bytes[offset + 1] == 0xfe,
                [Opcode.jump.rawValue, Opcode.jumpi.rawValue].contains(bytes[offset + 3])
            {
                jumps.append(offset)
            }
        }
        for offset in jumps {
            let ahead = destinations.filter { $0 > offset }
            let choice = random.index(below: 12) == 0 || ahead.isEmpty ? destinations : ahead
            guard !choice.isEmpty else { continue }
            let target = choice[random.index(below: choice.count)]
            bytes[offset + 1] = UInt8(target >> 8)
            bytes[offset + 2] = UInt8(target & 255)
        }
    }

    private func forEachInstruction(_ body: (Int) -> Void) {
        var offset = 0
        while offset < bytes.count {
            body(offset)
            offset += 1 + (Opcode(rawValue: bytes[offset])?.immediateSize ?? 0)
        }
    }
}
