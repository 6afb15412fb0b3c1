import Cryptography
import EVM
import EthereumTypes
import Primitives
import TestSupport
import Testing

@Suite struct CallRecordTests {
    private func records(
        of code: String, callee: String = "STOP", fork: Fork = .osaka, value: Wei = .zero,
        decoding: Decoding = .never, tracer: (any Tracer)? = nil
    ) -> [CallRecord] {
        let recorder = CallRecorder()
        recorder.transactionIndex = 3
        let machine = TestMachine(
            fork,
            [
                TestMachine.contract: .init(nonce: 1, balance: 1000, code: assemble(code)),
                TestMachine.callee: .init(nonce: 1, balance: 50, code: assemble(callee)),
            ], tracer: tracer, recorder: recorder)
        machine.evm.decoding = decoding
        _ = machine.call(value: value)
        return recorder.records
    }

    private func summary(_ records: [CallRecord]) -> [String] {
        records.map { "\($0.depth) \($0.kind) \($0.value) \($0.outcome) \($0.movesValue)" }
    }

    @Test(arguments: [Decoding.never, .always])
    func `each frame is kept with what it moved`(decoding: Decoding) {
        let records = records(
            of: """
                0 0 0 0 7 0xca11ee 50000 CALL
                0 0 0 0 0xca11ee 50000 DELEGATECALL
                0 0 0 0 5 0xca11ee 50000 CALLCODE
                0 0 0 0 3 4 50000 CALL
                0 0 0 0 2 0xeeee 50000 CALL
                """, value: 9, decoding: decoding)
        #expect(
            summary(records) == [
                "0 call 9 succeeded true", "1 call 7 succeeded true",
                "1 delegateCall 0 succeeded false", "1 callCode 5 succeeded false",
                "1 call 3 succeeded true", "1 call 2 succeeded true",
            ])
        #expect(records.allSatisfy { $0.transactionIndex == 3 })
        #expect(records[1].caller == TestMachine.contract)
        #expect(records[2].caller == TestMachine.contract)
        #expect(records[2].recipient == TestMachine.contract)
        #expect(records[2].codeAddress == TestMachine.callee)
    }

    @Test(arguments: [Decoding.never, .always])
    func `what a failed frame contains is undone`(decoding: Decoding) {
        let records = records(
            of: "0 0 0 0 7 0xca11ee 90000 CALL 0 0 0 0 1 0xeeee 50000 CALL",
            callee: "0 0 0 0 3 0xeeee 20000 CALL 0 0 REVERT", decoding: decoding)
        #expect(
            summary(records) == [
                "0 call 0 succeeded false", "1 call 7 failed false", "2 call 3 undone false",
                "1 call 1 succeeded true",
            ])
    }

    @Test func `a failed transaction undoes all of it`() {
        let records = records(of: "0 0 0 0 7 0xca11ee 90000 CALL INVALID")
        #expect(summary(records) == ["0 call 0 failed false", "1 call 7 undone false"])
    }

    @Test func `a refused call is kept as failed`() {
        let records = records(of: "0 0 0 0 5000 0xca11ee 90000 CALL")
        #expect(summary(records) == ["0 call 0 succeeded false", "1 call 5000 failed false"])
    }

    @Test(arguments: [Decoding.never, .always])
    func `a creation is kept with both its hashes`(decoding: Decoding) throws {
        // The initialisation code 60015ff3 returns one zero byte.
        let records = records(
            of: "0x60015ff3 0 MSTORE 4 28 6 CREATE 9 4 28 0 CREATE2", decoding: decoding)
        #expect(
            summary(records) == [
                "0 call 0 succeeded false", "1 create 6 succeeded true",
                "1 create2 0 succeeded false",
            ])
        let creation = try #require(records.last?.creation)
        #expect(creation.initCodeHash == keccak256([0x60, 0x01, 0x5f, 0xf3]))
        #expect(creation.codeHash == keccak256([0]))
        #expect(records.first?.creation == nil)
        #expect(
            records[1].recipient
                == contractAddress(creator: TestMachine.contract, nonce: 1))
    }

    @Test func `a failed creation has no code`() throws {
        // The initialisation code is INVALID.
        let records = records(of: "0xfe 0 MSTORE8 1 0 6 CREATE")
        #expect(summary(records) == ["0 call 0 succeeded false", "1 create 6 failed false"])
        #expect(records.last?.creation?.codeHash == nil)
    }

    @Test func `a self-destruct is kept with the balance`() {
        let records = records(of: "0xbeef SELFDESTRUCT", value: 5)
        #expect(summary(records).last == "1 selfDestruct 1005 succeeded true")
        #expect(records.last?.caller == TestMachine.contract)
        #expect(records.last?.recipient == Address(lowBytesOf: UInt256(0xbeef as UInt64)))
    }

    @Test func `random programs leave the same records at both speeds and under a tracer`() {
        final class Silent: Tracer {}
        var random = SeededRandom(seed: 4711)
        for _ in 0..<100 {
            let program = RandomProgram(&random, .osaka).bytes
            func run(_ decoding: Decoding, _ tracer: (any Tracer)? = nil) -> [CallRecord] {
                let recorder = CallRecorder()
                let machine = TestMachine(
                    .osaka,
                    [
                        TestMachine.contract: .init(nonce: 1, balance: 50, code: program),
                        TestMachine.callee: .init(nonce: 1, code: program),
                    ], tracer: tracer, recorder: recorder)
                machine.evm.decoding = decoding
                _ = machine.call(gas: 200_000)
                return recorder.records
            }
            let plain = run(.never)
            #expect(!plain.isEmpty)
            #expect(run(.always) == plain, "seed \(random.seed)")
            #expect(run(.never, Silent()) == plain, "seed \(random.seed)")
        }
    }
}
