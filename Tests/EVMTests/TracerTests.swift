import EVM
import EthereumTypes
import Primitives
import TestSupport
import Testing

private final class Recorder: Tracer {
    var events: [String] = []

    func step(_ step: borrowing Step) {
        events.append(
            "\(step.depth) \(step.pc) \(step.opcode.name ?? "?") \(step.gas) \(step.stack.map(\.l0))"
        )
    }

    func stepEnd(gasCost: Gas, refund: Int, halt: Halt?) {
        events.append("cost \(gasCost)" + (halt.map { " \($0)" } ?? ""))
    }

    func callEnter(_ entry: CallEntry) {
        events.append("enter \(entry.kind) \(entry.depth) \(entry.gas)")
    }

    func callExit(_ exit: CallExit) {
        events.append(
            "exit \(exit.depth) \(exit.gasUsed) \(exit.output.count)"
                + (exit.halt.map { " \($0)" } ?? ""))
    }

    func log(_ log: Log) { events.append("log \(log.topics.count)") }
}

struct TracerTests {
    @Test func `a tracer sees every step, frame and log in order`() {
        let recorder = Recorder()
        let machine = TestMachine(
            .london,
            [
                TestMachine.contract: .init(
                    nonce: 1, code: assemble("0 0 0 0 0xca11ee 1000 STATICCALL 9 0 0 LOG1")),
                TestMachine.callee: .init(nonce: 1, code: assemble("ADD")),
            ], tracer: recorder)
        let result = machine.call(gas: 10_000)
        #expect(result.halt == nil)
        #expect(
            recorder.events == [
                "enter call 0 10000",
                "0 0 PUSH1 10000 []", "cost 3", "0 2 PUSH1 9997 [0]", "cost 3",
                "0 4 PUSH1 9994 [0, 0]", "cost 3", "0 6 PUSH1 9991 [0, 0, 0]", "cost 3",
                "0 8 PUSH3 9988 [0, 0, 0, 0]", "cost 3",
                "0 12 PUSH2 9985 [0, 0, 0, 0, 13242862]", "cost 3",
                "0 15 STATICCALL 9982 [0, 0, 0, 0, 13242862, 1000]",
                "enter staticCall 1 1000", "cost 3600",
                "1 0 ADD 1000 []", "cost 3 stackUnderflow(have: 0, needed: 2)",
                "exit 1 1000 0 stackUnderflow(have: 0, needed: 2)",
                "0 16 PUSH1 6382 [0]", "cost 3", "0 18 PUSH1 6379 [0, 9]", "cost 3",
                "0 20 PUSH1 6376 [0, 9, 0]", "cost 3", "0 22 LOG1 6373 [0, 9, 0, 0]", "log 1",
                "cost 750", "0 23 STOP 5623 [0]", "cost 0", "exit 0 4377 0",
            ])
    }

    @Test func `a traced run ends as an untraced one`() {
        var random = SeededRandom(seed: 77)
        for _ in 0..<100 {
            let program = RandomProgram(&random, .osaka).bytes
            func run(_ tracer: (any Tracer)?) -> MessageResult {
                TestMachine(
                    .osaka,
                    [
                        TestMachine.contract: .init(nonce: 1, balance: 50, code: program),
                        TestMachine.callee: .init(nonce: 1, code: program),
                    ], tracer: tracer
                ).call(gas: 50_000)
            }
            #expect(run(Recorder()) == run(nil), "seed \(random.seed)")
        }
    }
}
