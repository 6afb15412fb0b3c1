import EthereumTypes
import Execution
import Primitives
import Testing

@Suite struct UserOperationTracerTests {
    private func trace(
        _ code: Bytes, gasLimit: Gas = 200_000, _ accounts: [Address: Bytes] = [:]
    ) throws -> JSONValue {
        var scenario = Scenario(.osaka, code: code)
        for (address, code) in accounts {
            scenario.accounts[address] = GenesisAccount(balance: .zero, code: code)
        }
        let tracer = UserOperationTracer()
        let (outcome, _) = try scenario.run(
            scenario.transaction(gasLimit: gasLimit), tracer: tracer)
        return try JSONValue(parsing: tracer.result(of: outcome, limit: .max))
    }

    private static let other = Address(lowBytesOf: 0xbb)
    private static let callee = Address(lowBytesOf: 0xaa)

    @Test func `instructions are counted, but for those that do no harm`() throws {
        // GAS POP, then CALL(GAS, callee): the gas is looked at once.
        let code: Bytes = [
            0x5a, 0x50, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0xaa, 0x5a, 0xf1, 0x43, 0x00,
        ]
        let result = try trace(code)
        #expect(result["usedOpcodes"] == ["0x0": 1, "0x43": 1, "0x5a": 1, "0xf1": 1])
        #expect(result["contractSize"] == ["\(Self.callee)": ["contractSize": 0, "opcode": 0xf1]])
    }

    @Test func `code that is looked at is told, unless it is only asked whether there is some`()
        throws
    {
        // EXTCODESIZE ISZERO, then EXTCODEHASH.
        let code: Bytes = [0x60, 0xbb, 0x3b, 0x15, 0x60, 0xbb, 0x3f, 0x50, 0x00]
        let result = try trace(code, [Self.other: [0x00, 0x00]])
        #expect(result["extCodeAccessInfo"] == [.string("\(Self.other)")])
        #expect(result["contractSize"] == ["\(Self.other)": ["contractSize": 2, "opcode": 0x3b]])
    }

    @Test func `of a slot the value before it is written is told`() throws {
        let code: Bytes = [
            0x60, 0x01, 0x54, 0x60, 0x05, 0x60, 0x01, 0x55, 0x60, 0x01, 0x54,  // Slot 1, and again.
            0x60, 0x05, 0x60, 0x02, 0x55, 0x60, 0x02, 0x54,  // Slot 2 is written first.
            0x60, 0x07, 0x60, 0x03, 0x5d, 0x60, 0x03, 0x5c, 0x00,  // Transient slot 3.
        ]
        let slots = try trace(code)["accessedSlots"]
        func slot(_ number: UInt64) -> String { "\(Hash256(UInt256(number)))" }
        #expect(slots?["reads"] == [slot(1): [.string(slot(0))]])
        #expect(slots?["writes"] == [slot(1): 1, slot(2): 1])
        #expect(slots?["transientReads"] == [slot(3): 1])
        #expect(slots?["transientWrites"] == [slot(3): 1])
    }

    @Test func `preimages of all frames stand in the outermost, which alone is not out of gas`()
        throws
    {
        // Hashes no bytes and calls with 5000 gas one that hashes a zero byte and loops.
        let code: Bytes = [
            0x5f, 0x5f, 0x20, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0xaa, 0x61, 0x13, 0x88, 0xf1,
            0x00,
        ]
        let result = try trace(
            code, [Self.callee: [0x60, 0x01, 0x5f, 0x20, 0x5b, 0x60, 0x04, 0x56]])
        #expect(result["keccak"] == ["0x", "0x00"])
        #expect(result["outOfGas"] == false)
        #expect(result["calls"]?[0]?["outOfGas"] == true)
        #expect(result["calls"]?[0]?["error"] == "out of gas")
        #expect(result["calls"]?[0]?["keccak"] == nil)
    }

    @Test func `a trace that is too large is none`() throws {
        let scenario = Scenario(.osaka, code: [0x60, 0x01, 0x54, 0x00])
        let tracer = UserOperationTracer(limit: 100)
        let (outcome, _) = try scenario.run(scenario.transaction(), tracer: tracer)
        #expect(throws: TraceTooLarge.self) { try tracer.result(of: outcome, limit: .max) }
    }
}
