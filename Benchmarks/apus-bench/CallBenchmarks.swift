import EthereumTypes
import Primitives

/// Calls and creations, by code that repeats them.
func callBenchmarks(_ report: inout Report) {
    let count = 1000
    let callee = Address(lowBytesOf: 0xca11)
    let empty = Address(lowBytesOf: 0xe0)
    // PUSH0, PUSH0, RETURN.
    let accounts = [
        callee: GenesisAccount(balance: .one, code: [0x5f, 0x5f, 0xf3]),
        empty: GenesisAccount(balance: .one),
    ]
    let identity = Address(lowBytesOf: 4)

    // No output, no input (and for CALL no value); the callee; all gas; the instruction; POP.
    func call(_ address: Address, _ opcode: UInt8, _ zeros: Int) -> Bytes {
        let once =
            Bytes(repeating: 0x5f, count: zeros) + [0x73] + address.bytes + [0x5a, opcode, 0x50]
        return (0..<count).flatMap { _ in once }
    }
    report.measure(
        "CALL of code", code: call(callee, 0xf1, 5), operations: count, accounts: accounts)
    report.measure(
        "STATICCALL of code", code: call(callee, 0xfa, 4), operations: count, accounts: accounts)
    report.measure(
        "DELEGATECALL of code", code: call(callee, 0xf4, 4), operations: count,
        accounts: accounts)
    report.measure(
        "CALL of an account without code", code: call(empty, 0xf1, 5), operations: count,
        accounts: accounts)
    report.measure(
        "CALL of the identity precompile", code: call(identity, 0xf1, 5), operations: count)

    // CREATE(0, 0, 0), POP.
    let creations = (0..<count).flatMap { _ in [0x5f, 0x5f, 0x5f, 0xf0, 0x50] as Bytes }
    report.measure("CREATE without code", code: creations, operations: count)
    // LOG1(0, 32, 7).
    let logs = (0..<count).flatMap { _ in [0x60, 0x07, 0x60, 0x20, 0x5f, 0xa1] as Bytes }
    report.measure("LOG1 of 32 B", code: logs, operations: count)
}
