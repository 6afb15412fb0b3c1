import EVM
import EthereumTypes
import Foundation
import Primitives
import State
import TestSupport
import Testing

/// Code that would run for years ends when it is cancelled, whichever interpreter runs it.
@Suite(.timeLimit(.minutes(10))) struct CancellationTests {
    /// Jumps back for ever.
    private static let loop = assemble("0 0 SSTORE JUMPDEST 1 POP 5 JUMP")
    /// Calls itself with all gas, and again when that has failed.
    private static let recursion = assemble(
        "JUMPDEST 0 0 0 0 0 0xc0de GAS CALL POP 0 JUMP")
    /// A jump to a destination that is known only at run time.
    private static let indirect = assemble("JUMPDEST MSIZE JUMP")

    @Test(
        arguments: [loop, recursion, indirect], [Decoding.never, .whenHot, .always])
    func `a run ends when it is cancelled`(code: Bytes, decoding: Decoding) {
        let cancellation = Cancellation()
        let evm = machine(code, cancellation: cancellation)
        evm.decoding = decoding
        Self.cancel(cancellation)
        #expect(run(evm).halt == .cancelled)
        #expect(cancellation.isCancelled)
    }

    @Test func `a traced run ends as well`() {
        let cancellation = Cancellation()
        let evm = machine(Self.loop, cancellation: cancellation, tracer: SilentTracer())
        Self.cancel(cancellation)
        #expect(run(evm).halt == .cancelled)
    }

    @Test func `what was cancelled before does not begin and changes nothing`() {
        let cancellation = Cancellation()
        cancellation.cancel()
        let evm = machine(assemble("1 1 SSTORE"), cancellation: cancellation)
        #expect(run(evm) == MessageResult(halt: .cancelled, gasLeft: 0, output: []))
    }

    @Test(arguments: [Decoding.never, .always])
    func `only a brief run is cancelled before a long precompile`(decoding: Decoding) {
        // A pairing of nothing costs 45,000 gas.
        let pairing = assemble("32 0 0 0 0 8 GAS CALL POP 32 0 RETURN")
        let identity = assemble("32 0 0 0 0 4 GAS CALL POP 32 0 RETURN")
        for (code, isLong) in [(pairing, true), (identity, false)] {
            for isBrief in [true, false] {
                let cancellation = Cancellation(isBrief: isBrief)
                let evm = machine(code, cancellation: cancellation)
                evm.decoding = decoding
                let halt = run(evm).halt
                // Straight byte code comes to its end all the same; its result is nobody's.
                #expect(cancellation.isCancelled == (isBrief && isLong))
                if !cancellation.isCancelled { #expect(halt == nil) }
            }
        }
    }

    @Test func `a long traced loop reports each step once`() {
        // A step before the loop, 7 a round, and STOP; 1000 rounds are several pauses.
        let code = assemble("1000 JUMPDEST 1 SWAP1 SUB DUP1 3 JUMPI")
        let counter = StepCounter()
        let result = run(machine(code, cancellation: Cancellation(), tracer: counter))
        #expect(result.halt == nil)
        #expect(counter.steps == 1 + 1000 * 7 + 1)
        #expect(counter.ends == counter.steps)
    }

    /// Cancels a little later, from a thread that no busy test can keep from running.
    private static func cancel(_ cancellation: Cancellation) {
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: 0.02)
            cancellation.cancel()
        }
    }

    private func machine(
        _ code: Bytes, cancellation: Cancellation, tracer: (any Tracer)? = nil
    ) -> EVM {
        let state = JournaledState(
            reader: FixedState([TestMachine.contract: .init(nonce: 1, code: code)]))
        state.beginTransaction()
        return EVM(
            fork: .osaka, block: TestMachine.block, state: state, tracer: tracer,
            cancellation: cancellation)
    }

    private func run(_ evm: EVM) -> MessageResult {
        evm.processMessageCall(
            .call(
                from: TestMachine.sender, to: TestMachine.contract, value: .zero, data: [],
                gas: 1 << 60),
            in: TestMachine.environment)
    }
}

private final class SilentTracer: Tracer {}

private final class StepCounter: Tracer {
    var steps = 0
    var ends = 0

    func step(_ step: borrowing Step) { steps += 1 }

    func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) { ends += 1 }
}
