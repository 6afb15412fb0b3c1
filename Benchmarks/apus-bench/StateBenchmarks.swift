import EthereumTypes
import Primitives
import SpecRunner

/// Storage instructions, by code that repeats them. The times include pushing and popping operands.
func stateBenchmarks(_ report: inout Report) {
    let count = 2000
    func push(_ value: Int) -> Bytes { [0x61, UInt8(value >> 8), UInt8(value & 0xff)] }
    /// The code of `one` for each number below `count`.
    func each(_ one: (Int) -> Bytes) -> Bytes { Bytes((0..<count).map(one).joined()) }

    // SLOAD, POP.
    let warmLoads = each { _ in push(1) + [0x54, 0x50] }
    let coldLoads = each { push($0) + [0x54, 0x50] }
    // PUSH value, PUSH slot, SSTORE.
    let warmStores = each { push($0 + 1) + push(1) + [0x55] }
    let coldStores = each { push(7) + push($0) + [0x55] }
    // PUSH value, PUSH slot, TSTORE; PUSH slot, TLOAD, POP.
    let transient = each { push(7) + push($0) + [0x5d] + push($0) + [0x5c, 0x50] }
    var slots: [UInt256: UInt256] = [:]
    for slot in 0..<UInt64(count) { slots[UInt256(slot)] = .one }

    report.measure("SLOAD warm", code: warmLoads, storage: slots, operations: count)
    report.measure("SLOAD cold", code: coldLoads, storage: slots, operations: count)
    report.measure("SSTORE warm", code: warmStores, storage: slots, operations: count)
    report.measure("SSTORE cold, changed", code: coldStores, storage: slots, operations: count)
    report.measure("SSTORE cold, new", code: coldStores, storage: [:], operations: count)
    report.measure("TSTORE and TLOAD", code: transient, storage: [:], operations: count)
}

extension Report {
    /// Measures code that does something `operations` times; the least of many runs, each on a fresh
    /// state.
    mutating func measure(
        _ name: String, code: Bytes, storage: [UInt256: UInt256] = [:], operations: Int,
        accounts: [Address: GenesisAccount] = [:]
    ) {
        guard isWanted(name) else { return }
        var run = CodeRun(fork: .osaka)
        run.accounts = accounts
        run.accounts[run.receiver] = GenesisAccount(balance: .one, code: code, storage: storage)
        run.accounts[run.sender] = GenesisAccount(balance: .one)
        let result = run.execute()
        precondition(result.halt == nil, "\(name): the code of the benchmark fails.")
        let times = run.measure(runs: 101).sorted()
        let attoseconds = times[times.count / 2].components.attoseconds
        add(name, nanoseconds: Double(attoseconds) / 1e9 / Double(operations))
    }
}
