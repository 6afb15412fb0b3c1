import Dispatch
import EthereumTypes
import Primitives
import State
import Synchronization
import TestSupport
import Testing

import EVM

struct CodeTests {
    private func code(_ bytes: Bytes) -> Code { bytes.withUnsafeBufferPointer { Code($0) } }

    private func destinations(_ bytes: Bytes) -> [Int] {
        let code = code(bytes)
        return (0..<bytes.count).filter { code.jumpDestinations[$0 >> 3] >> UInt8($0 & 7) & 1 != 0 }
    }

    @Test func `a jump destination is a JUMPDEST that is not part of a push`() {
        #expect(destinations([0x5b, 0x5b, 0x00]) == [0, 1])
        #expect(destinations([0x60, 0x5b, 0x5b]) == [2])
        #expect(destinations([0x7f] + Bytes(repeating: 0x5b, count: 40)) == Array(33...40))
        #expect(destinations([0x5f, 0x5b]) == [1])
        #expect(destinations([0x61, 0x5b]) == [])
    }

    @Test func `only twenty-three bytes with the right prefix are a delegation`() {
        let address = TestMachine.callee
        #expect(code([0xef, 0x01, 0x00] + address.bytes).delegate == address)
        #expect(code([0xef, 0x01, 0x01] + address.bytes).delegate == nil)
        #expect(code([0xef, 0x01, 0x00] + address.bytes + [0]).delegate == nil)
        #expect(code([]).delegate == nil)
    }

    @Test func `a push cut off by the end of the code is padded with zeros`() {
        // PUSH2 0x01 and the end: the word is 0x0100, then STOP.
        for decoding in [Decoding.never, .always] {
            let machine = TestMachine(.osaka, code: [0x61, 0x01])
            machine.evm.decoding = decoding
            #expect(machine.call(gas: 3) == MessageResult(halt: nil, gasLeft: 0, output: []))
        }
    }

    @Test func `a long loop changes over to decoded code in its middle`() {
        // Counts down from 5000; each round costs 26 gas.
        let loop = assemble("5000 JUMPDEST 1 SWAP1 SUB DUP1 3 JUMPI 0 MSTORE MSIZE 0 RETURN")
        let outcomes = [Decoding.never, .whenHot, .always].map { decoding in
            let machine = TestMachine(.osaka, code: loop)
            machine.evm.decoding = decoding
            return machine.call()
        }
        #expect(outcomes[0].halt == nil)
        #expect(outcomes[0].gasLeft == 1_000_000 - 3 - 5000 * 26 - 14)
        #expect(outcomes[1] == outcomes[0])
        #expect(outcomes[2] == outcomes[0])
    }

    @Test func `threads share code and agree`() {
        // New code for each run of the test, so that all threads race to prepare it.
        var random = SeededRandom(seed: 0x7_4ead)
        for _ in 0..<20 {
            let program = RandomProgram(&random, .osaka).bytes + random.bytes(16)
            let results = Mutex<Set<MessageResult>>([])
            DispatchQueue.concurrentPerform(iterations: 16) { _ in
                let result = TestMachine(.osaka, code: program).call(gas: 60_000)
                results.withLock { _ = $0.insert(result) }
            }
            #expect(results.withLock { $0.count } == 1, "seed \(random.seed)")
        }
    }
}
