import EthereumTypes
import Primitives
import State
import TestSupport
import Testing

@testable import EVM

/// The two interpreters are one machine at two speeds: on random programs they must agree on
/// everything that can be seen.
@Suite
struct DifferentialTests {
    @Test(arguments: [Fork.frontier, .byzantium, .istanbul, .london, .osaka])
    func `decoded code does what byte code does`(_ fork: Fork) {
        var random = SeededRandom(seed: 0xa9_05 &+ UInt64(fork.rawValue))
        for round in 0..<400 {
            let program = RandomProgram(&random, fork).bytes
            let callee = RandomProgram(&random, fork).bytes
            let gas = Gas([300, 5000, 60000, 400_000][random.index(below: 4)])
            let expected = run(program, callee, fork, gas, .never)
            for decoding in [Decoding.always, .whenHot] {
                let actual = run(program, callee, fork, gas, decoding)
                guard actual == expected else {
                    Issue.record(
                        """
                        round \(round) of seed \(random.seed), \(fork), \(gas) gas, \(decoding):
                        \(Hex.encode(program)) calling \(Hex.encode(callee))
                        \(expected)
                        \(actual)
                        """)
                    return
                }
            }
        }
    }

    @Test func `decoding takes any bytes`() {
        var random = SeededRandom(seed: 0xb17e5)
        var codes = (0..<300).map { _ in random.bytes(1 + random.index(below: 400)) }
        // Long runs of one instruction, and a push that is cut off.
        for opcode in Opcode.allCases {
            codes.append(Bytes(repeating: opcode.rawValue, count: 40_000))
            codes.append([opcode.rawValue])
        }
        for code in codes {
            for fork in [Fork.frontier, .osaka] {
                let expected = run(code, code, fork, 30_000, .never)
                let actual = run(code, code, fork, 30_000, .always)
                #expect(actual == expected, "\(fork): \(Hex.encode(code.prefix(400)))")
            }
        }
    }

    private struct Outcome: Equatable {
        let result: MessageResult
        let logs: [Log]
        let refund: Int
        let diff: StateDiff
    }

    private func run(
        _ program: Bytes, _ callee: Bytes, _ fork: Fork, _ gas: Gas, _ decoding: Decoding
    ) -> Outcome {
        let machine = TestMachine(
            fork,
            [
                TestMachine.contract: .init(
                    nonce: 1, balance: 1000, code: program, storage: [1: 1, 2: 2]),
                TestMachine.callee: .init(nonce: 1, balance: 10, code: callee, storage: [1: 5]),
            ])
        machine.evm.decoding = decoding
        let result = machine.call(gas: gas, data: Bytes(0..<100))
        let logs = machine.state.logs
        let refund = machine.state.refund
        machine.state.finishTransaction(emptyAccounts: .deleteTouched)
        // The label of a failure may differ where two reasons meet in one block.
        var comparable = result
        if let halt = result.halt, halt != .reverted { comparable.halt = .outOfGas }
        return Outcome(
            result: comparable, logs: logs, refund: refund, diff: machine.state.takeDiff())
    }
}

/// A program that mostly keeps the stack in order, jumps to places that exist, and uses every
/// instruction of the fork, often in the combinations that decoding knows.
struct RandomProgram {
    private(set) var bytes: Bytes = []

    init(_ random: inout SeededRandom, _ fork: Fork) {
        let schedule = GasSchedule.of(fork)
        let defined = (0...255).map { UInt8($0) }.filter {
            schedule.pointee.instructions[Int($0)].isDefined
        }
        var height = 0
        let blocks = 3 + random.index(below: 6)
        for block in 0..<blocks {
            if block > 0 { bytes.append(Opcode.jumpdest.rawValue) }
            for _ in 0..<(4 + random.index(below: 14)) {
                let choice = random.index(below: 20)
                if choice < 6 || height < 3 {
                    push(&random)
                    height += 1
                } else if choice < 9 {
                    let depth = 1 + random.index(below: min(16, height))
                    bytes.append(Opcode.dup1.rawValue + UInt8(depth - 1))
                    height += 1
                } else if choice < 11 {
                    let depth = 1 + random.index(below: min(16, height - 1))
                    bytes.append(Opcode.swap1.rawValue + UInt8(depth - 1))
                } else if choice < 15 {
                    let arithmetic: [Opcode] = [
                        .add, .sub, .mul, .lt, .gt, .slt, .sgt, .eq, .and, .or, .xor, .div, .mod,
                        .shl, .shr, .sar, .byte, .iszero, .not, .pop, .mload, .mstore, .signextend,
                    ]
                    append(arithmetic[random.index(below: arithmetic.count)], &height, schedule)
                } else if choice < 17 {
                    append(
                        Opcode(rawValue: defined[random.index(below: defined.count)]) ?? .stop,
                        &height, schedule)
                } else if choice < 18 {
                    // A call of the other contract, or of itself.
                    let target =
                        random.index(below: 3) == 0 ? TestMachine.contract : TestMachine.callee
                    for _ in 0..<5 {
                        bytes += [Opcode.push1.rawValue, UInt8(random.index(below: 40))]
                    }
                    bytes += [Opcode.push1.rawValue + 19] + target.bytes
                    bytes += [Opcode.push1.rawValue + 1, 0x20, 0x00, Opcode.call.rawValue]
                    height += 1
                } else {
                    branch(&random, &height)
                }
            }
        }
        // Fill in the destinations.
        let destinations = Self.destinations(bytes)
        var offset = 0
        while offset < bytes.count {
            if bytes[offset] == Opcode.push1.rawValue + 1, offset + 3 < bytes.count,
                bytes[offset + 1] == 0xfe,
                bytes[offset + 3] == Opcode.jump.rawValue
                    || bytes[offset + 3] == Opcode.jumpi.rawValue, !destinations.isEmpty
            {
                let target = destinations[Int(bytes[offset + 2]) % destinations.count]
                bytes[offset + 1] = UInt8(target >> 8)
                bytes[offset + 2] = UInt8(target & 255)
            }
            offset += 1 + (Opcode(rawValue: bytes[offset])?.immediateSize ?? 0)
        }
    }

    private static func destinations(_ bytes: Bytes) -> [Int] {
        var result: [Int] = []
        var offset = 0
        while offset < bytes.count {
            if bytes[offset] == Opcode.jumpdest.rawValue { result.append(offset) }
            offset += 1 + (Opcode(rawValue: bytes[offset])?.immediateSize ?? 0)
        }
        return result
    }

    private mutating func append(
        _ opcode: Opcode, _ height: inout Int, _ schedule: UnsafePointer<GasSchedule>
    ) {
        bytes.append(opcode.rawValue)
        bytes += Bytes(repeating: 3, count: opcode.immediateSize)
        height = max(0, height + Int(schedule.pointee.stackChanges[Int(opcode.rawValue)]))
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
    }

    private mutating func branch(_ random: inout SeededRandom, _ height: inout Int) {
        let comparisons: [Opcode] = [.lt, .gt, .slt, .sgt, .eq, .sub, .xor, .iszero]
        if height >= 2, random.index(below: 4) > 0 {
            if random.index(below: 2) == 0 {
                bytes.append(Opcode.dup1.rawValue + UInt8(random.index(below: min(3, height))))
                height += 1
                if random.index(below: 2) == 0 {
                    push(&random)
                } else {
                    bytes.append(Opcode.dup1.rawValue + UInt8(random.index(below: min(3, height))))
                }
                height += 1
            }
            let comparison = comparisons[random.index(below: comparisons.count)]
            bytes.append(comparison.rawValue)
            if comparison != .iszero { height -= 1 }
            if random.index(below: 2) == 0 { bytes.append(Opcode.iszero.rawValue) }
        }
        let jump = random.index(below: 5) == 0 ? Opcode.jump : .jumpi
        bytes += [Opcode.push1.rawValue + 1, 0xfe, UInt8(random.index(below: 256)), jump.rawValue]
        height = max(0, height - (jump == .jumpi ? 1 : 0))
    }
}
