import Cryptography
import EVM
import EthereumTypes
import Foundation
import Primitives
import State
import Synchronization
import TestSupport
import Testing

/// The two interpreters are one machine at two speeds: on random programs they must agree on
/// everything that can be seen, at the end of every frame.
///
/// `make conformance` sets APUS_DIFFERENTIAL_PROGRAMS to run millions of them.
@Suite
struct DifferentialTests {
    private static let forks: [Fork] = [
        .frontier, .homestead, .tangerineWhistle, .spuriousDragon, .byzantium, .constantinople,
        .petersburg, .istanbul, .berlin, .london, .paris, .shanghai, .cancun, .prague, .osaka,
    ]

    @Test(arguments: forks)
    func `decoded code does what byte code does`(_ fork: Fork) {
        let wanted = ProcessInfo.processInfo.environment["APUS_DIFFERENTIAL_PROGRAMS"]
        let total = wanted.flatMap { Int($0) } ?? 60_000
        let rounds = total / Self.forks.count
        var random = SeededRandom(seed: 0xa9_05 &+ UInt64(fork.rawValue))
        var successes = 0
        for round in 0..<rounds {
            let world = ProgramWorld(
                program: RandomProgram(&random, fork).bytes,
                callee: RandomProgram(&random, fork).bytes)
            var gas = [300, 20_000, 400_000, 400_000][random.index(below: 4)] as Gas
            gas += Gas(random.index(below: 300))
            let first = compare(world, fork, gas, [.always, .whenHot], "round \(round)", random)
            guard let first else { return }
            if first.hasEnded { successes += 1 }
            // Somewhere in the middle the gas runs out.
            let used = Int(gas - first.result.gasLeft)
            if used > 1 {
                let less = Gas(random.index(below: used))
                guard compare(world, fork, less, [.always], "round \(round)", random) != nil
                else { return }
            }
            if wanted != nil, (round + 1).isMultiple(of: 20_000) {
                print("\(fork.name): \(round + 1) of \(rounds) programs agree")
            }
        }
        #expect(successes > rounds / 8, "Most programs fail: they test too little.")
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
            let world = ProgramWorld(program: code, callee: code)
            for fork in [Fork.frontier, .osaka] {
                _ = compare(world, fork, 30_000, [.always], "", random)
            }
        }
    }

    @Test(arguments: ["PUSH0", "7", "0x0102030405060708", "0x010203040506070809", "PC", "DUP1"])
    func `stacks of any height are filled and emptied`(push: String) {
        let random = SeededRandom(seed: 0)
        for count in [1, 14, 15, 16, 17, 18, 31, 254, 255, 256, 257, 258, 511, 1020, 1021, 1023] {
            for end in ["ADD SWAP1 NOT", "SUB SUB DIV ISZERO", "DUP1 SHL", "SWAP16 POP MSIZE"] {
                let pushes = Array(repeating: push, count: count).joined(separator: " ")
                let program = "2 \(pushes) \(end) 0 MSTORE 1 SSTORE 32 0 RETURN"
                let world = ProgramWorld(program: assemble(program), callee: [])
                for gas in [100_000, 3_000 as Gas] {
                    _ = compare(world, .osaka, gas, [.always], "\(count) \(push) \(end)", random)
                }
            }
        }
    }

    @Test(arguments: [
        // What fails first in byte code is the second: the first still has its gas.
        ("1 40 MSTORE INVALID", Halt.invalidOpcode(0xfe)),
        ("1 400 MSTORE 0 0 0 0 0 0 3 3 3 3 3 JUMP", .invalidJump),
        ("0 7 SLOAD 1 2 3 4 5 6 7 SLOAD 0 0 INVALID", .invalidOpcode(0xfe)),
        ("7 BALANCE 5 BALANCE INVALID", .invalidOpcode(0xfe)),
        ("64 0 KECCAK256 32 64 KECCAK256 1 1 1 RETURNDATACOPY", .returnDataOutOfBounds),
        ("32 0 64 CALLDATACOPY 32 96 0 77 EXTCODECOPY 0 0 INVALID", .invalidOpcode(0xfe)),
    ])
    func `both name the same fault, with any gas`(program: String, last: Halt) {
        let world = ProgramWorld(program: assemble(program), callee: [])
        let random = SeededRandom(seed: 0)
        var halts: Set<Halt> = []
        for gas in 0..<(8_000 as Gas) {
            guard let outcome = compare(world, .osaka, gas, [.always], program, random) else {
                return
            }
            if let halt = outcome.result.halt { halts.insert(halt) }
        }
        #expect(halts == [.outOfGas, last])
    }

    // MARK: Runs

    /// All that can be seen of a run.
    private struct Outcome: Equatable {
        var result: MessageResult
        var frames: [FrameEnd] = []
        var logs: [Log] = []
        var refund = 0
        var diff = StateDiff()

        /// It ended as it meant to.
        var hasEnded: Bool { result.halt == nil || result.halt == .reverted }
    }

    /// Runs a program by its byte code and in other ways.
    ///
    /// - Returns: the outcome; nil, with an issue, if one differs.
    private func compare(
        _ world: ProgramWorld, _ fork: Fork, _ gas: Gas, _ ways: [Decoding], _ what: String,
        _ random: SeededRandom
    ) -> Outcome? {
        let expected = run(world, fork, gas, .never)
        for decoding in ways {
            let actual = run(world, fork, gas, decoding)
            guard actual == expected else {
                Issue.record(
                    """
                    \(what) of seed \(random.seed), \(fork), \(gas) gas, \(decoding):
                    \(Hex.encode(world.program)) calling \(Hex.encode(world.callee))
                    \(expected)
                    \(actual)
                    """)
                return nil
            }
        }
        return expected
    }

    private func run(
        _ world: ProgramWorld, _ fork: Fork, _ gas: Gas, _ decoding: Decoding
    ) -> Outcome {
        let state = JournaledState(reader: world)
        state.beginTransaction()
        state.warm(TestMachine.sender)
        state.warm(TestMachine.contract)
        let evm = EVM(fork: fork, block: TestMachine.block, state: state)
        evm.decoding = decoding
        var frames: [FrameEnd] = []
        evm.frameEnded = { frames.append($0) }
        let result = evm.processMessageCall(
            .call(
                from: TestMachine.sender, to: TestMachine.contract, value: .zero,
                data: Self.callData, gas: gas),
            in: TestMachine.environment)
        var outcome = Outcome(result: result, frames: frames)
        outcome.logs = state.logs
        outcome.refund = state.refund
        state.finishTransaction(emptyAccounts: .deleteTouched)
        outcome.diff = state.takeDiff()
        return outcome
    }

    private static let callData = Bytes(0..<100)
}

/// A caller and two contracts with some storage.
private struct ProgramWorld: StateReader {
    let program: Bytes
    let callee: Bytes
    private let programHash: Hash256
    private let calleeHash: Hash256

    init(program: Bytes, callee: Bytes) {
        self.program = program
        self.callee = callee
        programHash = keccak256(program)
        calleeHash = keccak256(callee)
    }

    func account(_ address: Address) throws(StateReadError) -> Account? {
        // Any root but the empty one says that there is storage.
        switch address {
        case TestMachine.sender:
            Account(
                nonce: 1, balance: 1_000_000, storageRoot: .emptyTrieRoot, codeHash: .keccakEmpty)
        case TestMachine.contract:
            Account(nonce: 1, balance: 1_000, storageRoot: .zero, codeHash: programHash)
        case TestMachine.callee:
            Account(nonce: 1, balance: 10, storageRoot: .zero, codeHash: calleeHash)
        default: nil
        }
    }

    func storage(_ address: Address, _ slot: UInt256) throws(StateReadError) -> UInt256 {
        slot < 3 && (address == TestMachine.contract || address == TestMachine.callee)
            ? slot : .zero
    }

    func code(_ hash: Hash256) throws(StateReadError) -> Bytes {
        hash == programHash ? program : hash == calleeHash ? callee : []
    }

    func blockHash(_ number: BlockNumber) throws(StateReadError) -> Hash256? {
        Hash256(UInt256(number))
    }
}
