import EVM
import EthereumTypes
import Execution
import Primitives
import Testing

@Suite struct StructLoggerTests {
    @Test func `the result has gas, success, return value and the instructions`() throws {
        // RETURN(0, 1)
        let result = try log([0x60, 0x01, 0x5f, 0xf3])
        #expect(result["gas"]?.intValue == 21_005 + 3)
        #expect(result["failed"]?.boolValue == false)
        #expect(result["returnValue"]?.stringValue == "0x00")
        #expect(
            result["structLogs"]?[2]?.description
                == #"{"pc":3,"op":"RETURN","gas":49995,"gasCost":3,"depth":1,"#
                + #""stack":["0x1","0x0"]}"#)
    }

    @Test func `storage is what the account's reads and writes have shown`() throws {
        // SLOAD(1), SSTORE(2, 7)
        var scenario = Scenario(
            .prague, code: [0x60, 0x01, 0x54, 0x60, 0x07, 0x60, 0x02, 0x55, 0x00])
        scenario.accounts[Scenario.contract]?.storage = [1: 5]
        let logs = try #require(try log(scenario)["structLogs"]?.arrayValue)
        #expect(logs[0]["storage"] == nil)
        #expect(logs[1]["storage"]?.objectValue?.count == 1)
        #expect(logs[1]["storage"]?[slot(1)]?.stringValue == slot(5))
        #expect(logs[4]["storage"]?[slot(1)]?.stringValue == slot(5))
        #expect(logs[4]["storage"]?[slot(2)]?.stringValue == slot(7))
        #expect(logs[5]["storage"] == nil)
    }

    @Test func `memory comes in words`() throws {
        // MSTORE8(32, 0xff), STOP
        let logs = try log(
            [0x60, 0xff, 0x60, 0x20, 0x53, 0x00], options: TraceOptions(includesMemory: true))
        let memory = logs["structLogs"]?[3]?["memory"]?.arrayValue
        #expect(memory?.count == 2)
        #expect(memory?[1].stringValue == "0xff" + String(repeating: "0", count: 62))
    }

    @Test func `what is left out is absent`() throws {
        let options = TraceOptions(includesStack: false, includesStorage: false)
        let entry = try log([0x5f, 0x54], options: options)["structLogs"]?[1]?.objectValue
        #expect(entry?.keys.sorted() == ["depth", "gas", "gasCost", "op", "pc"])
    }

    @Test func `too little gas is noted at the instruction, a revert is not`() throws {
        let failed = try log([0x5f, 0x5f, 0xfd])
        #expect(failed["failed"]?.boolValue == true)
        #expect(failed["structLogs"]?[2]?["error"] == nil)
        let empty = try log([0x5b, 0x5b], gas: 1)
        #expect(empty["structLogs"]?[1]?["error"]?.stringValue == "out of gas")
    }

    private func slot(_ value: UInt256) -> String { Hash256(value).description }

    private func log(
        _ code: Bytes, gas: Gas = 50_000, options: TraceOptions = TraceOptions()
    ) throws -> JSONValue {
        try log(Scenario(.prague, code: code), gas: gas, options: options)
    }

    private func log(
        _ scenario: Scenario, gas: Gas = 50_000, options: TraceOptions = TraceOptions()
    ) throws -> JSONValue {
        let logger = StructLogger(options: options)
        let (outcome, _) = try scenario.run(
            scenario.transaction(gasLimit: 21_000 + gas), tracer: logger)
        return try JSONValue(parsing: logger.result(of: outcome))
    }
}
