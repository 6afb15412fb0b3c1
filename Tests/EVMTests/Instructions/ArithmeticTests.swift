import EVM
import EthereumTypes
import Primitives
import Testing

struct ArithmeticTests {
    static let minimum = "0x8000000000000000000000000000000000000000000000000000000000000000"
    static let minusOne = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    static let minusTwo = "0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"

    /// Operands are pushed bottom first: the last number is the top of the stack.
    @Test(arguments: [
        ("\(minusOne) 2 ADD", "1"), ("1 0 SUB", minusOne), ("\(minusOne) 2 MUL", minusTwo),
        ("0 5 DIV", "0"), ("2 7 DIV", "3"), ("0 5 MOD", "0"),
        ("\(minusOne) \(minimum) SDIV", minimum),
        ("2 \(minusTwo) SDIV", minusOne), ("0 \(minusTwo) SDIV", "0"),
        ("3 \(minusTwo) SMOD", minusTwo), ("\(minusTwo) 3 SMOD", "1"),
        ("0 1 2 ADDMOD", "0"), ("2 \(minusOne) \(minusOne) ADDMOD", "0"),
        ("12 \(minusOne) \(minusOne) MULMOD", "9"), ("0 \(minusOne) 2 MULMOD", "0"),
        ("0 0 EXP", "1"), ("256 2 EXP", "0"), ("255 2 EXP", minimum),
        ("0xff 0 SIGNEXTEND", minusOne), ("0x7f 0 SIGNEXTEND", "0x7f"),
        ("0x1ff 0 SIGNEXTEND", minusOne), ("0x80 31 SIGNEXTEND", "0x80"),
        ("0x80 \(minusOne) SIGNEXTEND", "0x80"),
        ("1 \(minusOne) LT", "0"), ("1 \(minusOne) SLT", "1"), ("1 \(minusOne) GT", "1"),
        ("1 \(minusOne) SGT", "0"), ("5 5 EQ", "1"), ("0 ISZERO", "1"), ("\(minimum) ISZERO", "0"),
        ("0x0102 31 BYTE", "2"), ("0x0102 30 BYTE", "1"), ("0x0102 32 BYTE", "0"),
        ("1 255 SHL", minimum), ("1 256 SHL", "0"), ("1 \(minusOne) SHL", "0"),
        ("\(minimum) 255 SHR", "1"), ("\(minusOne) 256 SHR", "0"),
        ("\(minimum) 255 SAR", minusOne), ("\(minusOne) 256 SAR", minusOne), ("5 300 SAR", "0"),
        ("0 NOT", minusOne), ("0 CLZ", "256"), ("1 CLZ", "255"), ("\(minimum) CLZ", "0"),
        ("0x0f 0x3c AND", "0x0c"), ("0x0f 0x3c OR", "0x3f"), ("0x0f 0x3c XOR", "0x33"),
    ])
    func `arithmetic is that of the Yellow Paper`(_ code: String, _ expected: String) {
        // Once with constants, and once with operands that are not known in advance.
        let parts = code.split(separator: " ")
        let opaque =
            parts.dropLast().map { "\($0) MSIZE ADD" }.joined(separator: " ") + " "
            + parts[parts.count - 1]
        let value = expected.hasPrefix("0x") ? UInt256(hex: expected) : UInt256(decimal: expected)
        for text in [code, opaque] {
            for decoding in [Decoding.never, .always] {
                let machine = TestMachine(.osaka, code: returning(text))
                machine.evm.decoding = decoding
                let output = machine.call().output
                #expect(UInt256(bigEndian: output) == value, "\(text)")
            }
        }
    }
}
