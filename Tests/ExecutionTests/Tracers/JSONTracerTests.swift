import EVM
import EthereumTypes
import Execution
import Primitives
import State
import Testing

@Suite struct JSONTracerTests {
    @Test func `each instruction and the end of the call are a line`() throws {
        // PUSH1 0x40, and the STOP behind the end of the code.
        let lines = try trace([0x60, 0x40], gas: 100)
        #expect(
            lines == [
                #"{"pc":0,"op":96,"gas":"0x64","gasCost":"0x3","memSize":0,"stack":[],"depth":1,"#
                    + #""refund":0,"opName":"PUSH1"}"#,
                #"{"pc":2,"op":0,"gas":"0x61","gasCost":"0x0","memSize":0,"stack":["0x40"],"#
                    + #""depth":1,"refund":0,"opName":"STOP"}"#,
                #"{"output":"","gasUsed":"0x3"}"#,
            ])
    }

    @Test func `memory is that before the instruction`() throws {
        // MSTORE8(0, 0xff), STOP.
        let lines = try trace(
            [0x60, 0xff, 0x5f, 0x53, 0x00], options: TraceOptions(includesMemory: true))
        #expect(lines[2].contains(#""memSize":0,"#) && !lines[2].contains("memory"))
        #expect(lines[3].contains(#""memory":"0xff"# + String(repeating: "0", count: 62) + "\""))
    }

    @Test func `too little gas is one line with the error`() throws {
        let lines = try trace([0x60, 0x40], gas: 2)
        #expect(lines.count == 2)
        #expect(lines[0].hasSuffix(#""opName":"PUSH1","error":"out of gas"}"#))
        #expect(lines[1] == #"{"output":"","gasUsed":"0x2","error":"out of gas"}"#)
    }

    @Test(
        arguments: [
            ([0x60, 0x07, 0x56], "JUMP", "invalid jump destination"),
            ([0xfe], "INVALID", "invalid opcode: INVALID"),
            ([0x0c], "opcode 0xc not defined", "invalid opcode: opcode 0xc not defined"),
            ([0x5f, 0x5f, 0xfd], "REVERT", "execution reverted"),
        ] as [(Bytes, String, String)])
    func `a failure of the instruction itself is a second line`(
        code: Bytes, name: String, error: String
    ) throws {
        let lines = try trace(code).suffix(3).map { String($0) }
        #expect(lines[0].hasSuffix(#""opName":"\#(name)"}"#))
        #expect(lines[1].hasSuffix(#""opName":"\#(name)","error":"\#(error)"}"#))
        #expect(lines[2].hasSuffix(#""error":"\#(error)"}"#))
    }

    @Test func `the second line of a failure is without the operands`() throws {
        let lines = try trace([0x60, 0x07, 0x5f, 0x5f, 0xfd])
        #expect(lines[3].contains(#""stack":["0x7","0x0","0x0"]"#))
        #expect(lines[4].contains(#""stack":["0x7"]"#))
    }

    @Test func `a call without a frame ends after the line of its instruction`() throws {
        // STATICCALL(gas, identity, 0, 0, 0, 0)
        let lines = try trace([0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0x04, 0x5a, 0xfa, 0x00])
        let call = try #require(lines.firstIndex { $0.contains("STATICCALL") })
        #expect(lines[call + 1] == #"{"output":"","gasUsed":"0xf"}"#)
        #expect(lines[call + 2].contains("STOP"))
    }

    @Test func `a storage write shows the refund that it brings`() throws {
        var scenario = Scenario(.prague, code: [0x5f, 0x5f, 0x55, 0x00])
        scenario.accounts[Scenario.contract]?.storage = [0: 1]
        let lines = try trace(scenario)
        #expect(lines[2].contains(#""refund":4800,"opName":"SSTORE""#))
    }

    @Test func `calls may have a line at their beginning as well`() throws {
        let lines = try trace([0x00], callLines: .beginningsAndEnds)
        #expect(lines.first?.hasSuffix(#""value":"0x0","type":"CALL"}"#) == true)
        #expect(lines.count == 3)
    }

    @Test func `a transfer has no instructions`() throws {
        #expect(try trace(Scenario(.prague)) == [#"{"output":"","gasUsed":"0x0"}"#])
    }

    @Test func `instructions beyond the limit are left out`() throws {
        let lines = try trace(
            Bytes(repeating: 0x5f, count: 50), options: TraceOptions(byteLimit: 300))
        #expect(lines.count == 4)
        #expect(lines.last?.hasPrefix(#"{"output""#) == true)
    }

    private func trace(
        _ code: Bytes, gas: Gas = 50_000, options: TraceOptions = TraceOptions(),
        callLines: JSONTracer.CallLines = .ends
    ) throws -> [String] {
        try trace(
            Scenario(.prague, code: code), gas: gas, options: options, callLines: callLines)
    }

    /// The lines of a transaction that has this much gas after its intrinsic cost.
    private func trace(
        _ scenario: Scenario, gas: Gas = 50_000, options: TraceOptions = TraceOptions(),
        callLines: JSONTracer.CallLines = .ends
    ) throws -> [String] {
        var text: Bytes = []
        let tracer = JSONTracer(options: options, callLines: callLines) { text += $0 }
        _ = try scenario.run(
            scenario.transaction(gasLimit: 21_000 + gas), tracer: tracer)
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map { String($0) }
    }
}
