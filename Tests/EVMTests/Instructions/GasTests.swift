import EVM
import EthereumTypes
import Primitives
import State
import TestSupport
import Testing

/// Exact gas, at the forks where it changed.
struct GasTests {
    /// A code and what it costs from which fork on.
    struct Price: Sendable, CustomTestStringConvertible {
        let code: String
        let costs: [(Fork, Gas)]

        var testDescription: String { code }
    }

    /// 0xbeef does not exist; 0xca11ee does and has code that stops.
    static let prices: [Price] = [
        Price(code: "1 2 ADD", costs: [(.frontier, 9)]),
        Price(code: "1 2 MUL", costs: [(.frontier, 11)]),
        Price(code: "1 2 3 MULMOD", costs: [(.frontier, 17)]),
        Price(
            code: "0 SLOAD",
            costs: [
                (.frontier, 53), (.tangerineWhistle, 203), (.istanbul, 803), (.berlin, 2103),
            ]),
        Price(code: "0 SLOAD 0 SLOAD", costs: [(.istanbul, 1606), (.berlin, 2206)]),
        Price(
            code: "0xbeef BALANCE",
            costs: [
                (.frontier, 23), (.tangerineWhistle, 403), (.istanbul, 703), (.berlin, 2603),
            ]),
        Price(code: "0xbeef BALANCE 0xbeef BALANCE", costs: [(.berlin, 2706)]),
        Price(code: "1 BALANCE", costs: [(.berlin, 103)]),  // Precompiles are warm.
        Price(
            code: "0xbeef EXTCODESIZE",
            costs: [
                (.frontier, 23), (.tangerineWhistle, 703), (.berlin, 2603),
            ]),
        Price(
            code: "0xbeef EXTCODEHASH",
            costs: [
                (.constantinople, 403), (.istanbul, 703), (.berlin, 2603),
            ]),
        Price(
            code: "33 0 0 0xbeef EXTCODECOPY",
            costs: [
                (.frontier, 12 + 20 + 6 + 6), (.tangerineWhistle, 12 + 700 + 6 + 6),
                (.berlin, 12 + 2600 + 6 + 6),
            ]),
        Price(code: "0 5 EXP", costs: [(.frontier, 16)]),
        Price(code: "0x100 5 EXP", costs: [(.frontier, 36), (.spuriousDragon, 116)]),
        Price(code: "33 0 KECCAK256", costs: [(.frontier, 6 + 30 + 12 + 6)]),
        Price(code: "0 MLOAD", costs: [(.frontier, 9)]),
        Price(code: "1 MLOAD", costs: [(.frontier, 12)]),
        Price(code: "0x8000 MLOAD", costs: [(.frontier, 6 + 3 * 1025 + 1025 * 1025 / 512)]),
        Price(code: "7 0x3ff MSTORE8", costs: [(.frontier, 9 + 98)]),
        Price(code: "64 0 1 MCOPY", costs: [(.cancun, 9 + 3 + 6 + 9)]),
        Price(code: "40 0 LOG0", costs: [(.frontier, 6 + 375 + 320 + 6)]),
        Price(code: "1 2 3 4 0 0 LOG4", costs: [(.frontier, 18 + 375 * 5)]),
        Price(code: "1 TLOAD", costs: [(.cancun, 103)]),
        Price(code: "1 1 TSTORE", costs: [(.cancun, 106)]),
        Price(code: "1 CLZ", costs: [(.osaka, 8)]),
        Price(code: "PUSH0", costs: [(.shanghai, 2)]),
        Price(code: "0 BLOBHASH", costs: [(.cancun, 6)]),
        Price(code: "SELFBALANCE", costs: [(.istanbul, 5)]),
        Price(code: "5 JUMP INVALID INVALID JUMPDEST", costs: [(.frontier, 12)]),
        // Calls without gas for the callee.
        Price(
            code: "0 0 0 0 0 0xca11ee 0 CALL",
            costs: [
                (.frontier, 21 + 40), (.tangerineWhistle, 21 + 700), (.berlin, 21 + 2600),
            ]),
        Price(
            code: "0 0 0 0 0 0xbeef 0 CALL",
            costs: [
                (.frontier, 21 + 40 + 25000), (.tangerineWhistle, 21 + 700 + 25000),
                (.spuriousDragon, 21 + 700), (.berlin, 21 + 2600),
            ]),
        Price(
            code: "0 0 0 0 1 0xbeef 0 CALL",
            costs: [
                // What is not spent of the stipend comes back.
                (.frontier, 21 + 40 + 25000 + 9000 - 2300),
                (.tangerineWhistle, 21 + 700 + 25000 + 9000 - 2300),
                (.berlin, 21 + 2600 + 25000 + 9000 - 2300),
            ]),
        Price(
            code: "0 0 0 0 1 0xbeef 0 CALLCODE",
            costs: [
                (.frontier, 21 + 40 + 9000 - 2300), (.tangerineWhistle, 21 + 700 + 9000 - 2300),
                (.berlin, 21 + 2600 + 9000 - 2300),
            ]),
        Price(
            code: "0 0 0 0 0xbeef 0 DELEGATECALL",
            costs: [
                (.homestead, 18 + 40), (.tangerineWhistle, 18 + 700), (.berlin, 18 + 2600),
            ]),
        Price(
            code: "0 0 0 0 0xbeef 0 STATICCALL",
            costs: [
                (.byzantium, 18 + 700), (.berlin, 18 + 2600),
            ]),
        // Creation from empty code, which leaves an empty account or contract.
        Price(code: "0 0 0 CREATE", costs: [(.frontier, 9 + 32000)]),
        Price(
            code: "33 0 0 CREATE",
            costs: [
                (.frontier, 9 + 32000 + 6), (.shanghai, 9 + 32000 + 6 + 4),
            ]),
        Price(
            code: "0 33 0 0 CREATE2",
            costs: [
                (.constantinople, 12 + 32000 + 6 + 12), (.shanghai, 12 + 32000 + 6 + 12 + 4),
            ]),
        Price(
            code: "0xbeef SELFDESTRUCT",
            costs: [
                (.frontier, 3), (.tangerineWhistle, 3 + 30000), (.berlin, 3 + 30000 + 2600),
            ]),
        Price(
            code: "0xca11ee SELFDESTRUCT",
            costs: [
                (.frontier, 3), (.tangerineWhistle, 3 + 5000), (.berlin, 3 + 5000 + 2600),
            ]),
    ]

    @Test(arguments: prices)
    func `an instruction costs what its fork says, and one gas less fails`(_ price: Price) {
        let code = assemble(price.code)
        for (place, (first, cost)) in price.costs.enumerated() {
            let end = place + 1 < price.costs.count ? price.costs[place + 1].0 : nil
            for fork in Fork.allCases where fork >= first && (end.map { fork < $0 } ?? true) {
                for decoding in [Decoding.never, .always] {
                    #expect(used(code, fork, 100_000, decoding) == cost, "\(fork) \(decoding)")
                    let all = price.code.contains("CALL") || price.code.contains("CREATE")
                    if !all { #expect(used(code, fork, cost - 1, decoding) == nil, "\(fork)") }
                }
            }
        }
    }

    /// The gas that a code uses, or nil if it does not suffice.
    private func used(_ code: Bytes, _ fork: Fork, _ gas: Gas, _ decoding: Decoding) -> Gas? {
        let machine = TestMachine(
            fork,
            [
                TestMachine.contract: .init(nonce: 1, balance: 1000, code: code),
                TestMachine.callee: .init(nonce: 1, code: [0]),
            ])
        machine.evm.decoding = decoding
        let result = machine.call(gas: gas)
        return result.halt == nil ? gas - result.gasLeft : nil
    }

    @Test func `memory that cannot be paid is out of gas and never touched`() {
        for offset in ["0xffffffff", "0x100000000", "0xffffffffffffffff", "0x1ffffffffffffffff"] {
            for code in [
                "\(offset) MLOAD", "0 \(offset) MSTORE", "0 \(offset) MSTORE8",
                "1 \(offset) KECCAK256", "1 0 \(offset) CALLDATACOPY", "1 0 \(offset) MCOPY",
                "1 \(offset) 0 MCOPY", "1 \(offset) RETURN", "1 \(offset) LOG0",
                "1 \(offset) 0 0 0 1 0 CALL", "0 0 1 \(offset) 0 1 0 CALL", "1 \(offset) 0 CREATE",
                "\(offset) 0 KECCAK256", "\(offset) 0 0 CODECOPY",
            ] {
                for decoding in [Decoding.never, .always] {
                    let machine = TestMachine(.osaka, code: assemble(code))
                    machine.evm.decoding = decoding
                    let result = machine.call(gas: 10_000_000)
                    #expect(result.halt == .outOfGas, "\(code)")
                }
            }
        }
    }

    @Test func `a range of no bytes may lie anywhere`() {
        let far = "0xffffffffffffffffffffffffffffffff"
        for code in [
            "0 \(far) KECCAK256", "0 \(far) \(far) CALLDATACOPY", "0 \(far) \(far) MCOPY",
            "0 \(far) LOG0", "0 \(far) 0 CREATE", "0 \(far) 0 \(far) 0 1 0 CALL",
            "0 \(far) RETURN",
        ] {
            let machine = TestMachine(.osaka, code: assemble(code + " MSIZE"))
            #expect(machine.call().halt == nil, "\(code)")
        }
    }
}

/// SSTORE: the tables of EIP-1283 and EIP-2200, and the prices of EIP-2929 and EIP-3529.
struct StorageGasTests {
    struct Case: Sendable {
        let values: [UInt64]
        let original: UInt64
        /// Gas and refund by EIP-1283, EIP-2200, EIP-3529 (with a cold slot).
        let constantinople: (Gas, Int)
        let istanbul: (Gas, Int)
        let london: (Gas, Int)
    }

    static let cases: [Case] = [
        Case(
            values: [0, 0], original: 0, constantinople: (412, 0), istanbul: (1612, 0),
            london: (2312, 0)),
        Case(
            values: [0, 1], original: 0, constantinople: (20212, 0), istanbul: (20812, 0),
            london: (22212, 0)),
        Case(
            values: [1, 0], original: 0, constantinople: (20212, 19800), istanbul: (20812, 19200),
            london: (22212, 19900)),
        Case(
            values: [1, 2], original: 0, constantinople: (20212, 0), istanbul: (20812, 0),
            london: (22212, 0)),
        Case(
            values: [1, 1], original: 0, constantinople: (20212, 0), istanbul: (20812, 0),
            london: (22212, 0)),
        Case(
            values: [0, 0], original: 1, constantinople: (5212, 15000), istanbul: (5812, 15000),
            london: (5112, 4800)),
        Case(
            values: [0, 1], original: 1, constantinople: (5212, 4800), istanbul: (5812, 4200),
            london: (5112, 2800)),
        Case(
            values: [0, 2], original: 1, constantinople: (5212, 0), istanbul: (5812, 0),
            london: (5112, 0)),
        Case(
            values: [2, 0], original: 1, constantinople: (5212, 15000), istanbul: (5812, 15000),
            london: (5112, 4800)),
        Case(
            values: [2, 3], original: 1, constantinople: (5212, 0), istanbul: (5812, 0),
            london: (5112, 0)),
        Case(
            values: [2, 1], original: 1, constantinople: (5212, 4800), istanbul: (5812, 4200),
            london: (5112, 2800)),
        Case(
            values: [2, 2], original: 1, constantinople: (5212, 0), istanbul: (5812, 0),
            london: (5112, 0)),
        Case(
            values: [1, 0], original: 1, constantinople: (5212, 15000), istanbul: (5812, 15000),
            london: (5112, 4800)),
        Case(
            values: [1, 2], original: 1, constantinople: (5212, 0), istanbul: (5812, 0),
            london: (5112, 0)),
        Case(
            values: [1, 1], original: 1, constantinople: (412, 0), istanbul: (1612, 0),
            london: (2312, 0)),
        Case(
            values: [1, 0, 1], original: 0, constantinople: (40218, 19800),
            istanbul: (40818, 19200), london: (42218, 19900)),
        Case(
            values: [0, 1, 0], original: 1, constantinople: (10218, 19800),
            istanbul: (10818, 19200), london: (8018, 7600)),
    ]

    @Test(arguments: cases)
    func `storage costs by original, current and new value`(_ test: Case) {
        let code = assemble(test.values.map { "\($0) 0 SSTORE" }.joined(separator: " "))
        for (fork, expected) in [
            (Fork.constantinople, test.constantinople), (.istanbul, test.istanbul),
            (.london, test.london), (.osaka, test.london),
        ] {
            for decoding in [Decoding.never, .always] {
                let machine = TestMachine(
                    fork, code: code, storage: [0: UInt256(test.original)])
                machine.evm.decoding = decoding
                let result = machine.call(gas: 100_000)
                #expect(100_000 - result.gasLeft == expected.0, "\(fork)")
                #expect(machine.state.refund == expected.1, "\(fork)")
            }
        }
    }

    @Test func `before and after EIP-1283 only the current value counts`() {
        for fork in [Fork.frontier, .byzantium, .petersburg] {
            let machine = TestMachine(fork, code: assemble("1 0 SSTORE 2 0 SSTORE 0 0 SSTORE"))
            let result = machine.call(gas: 100_000)
            #expect(100_000 - result.gasLeft == 18 + 20000 + 5000 + 5000)
            #expect(machine.state.refund == 15000)
        }
    }

    @Test func `storage cannot be written with the stipend alone`() {
        for decoding in [Decoding.never, .always] {
            for (gas, halt) in [(2306 as Gas, Halt.reentrancySentry as Halt?), (2307, nil)] {
                let machine = TestMachine(.istanbul, code: assemble("0 0 SSTORE"))
                machine.evm.decoding = decoding
                #expect(machine.call(gas: gas).halt == halt)
            }
        }
    }
}
