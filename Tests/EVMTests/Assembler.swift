import EVM
import Primitives

/// Byte code from text: names of instructions, and numbers, which are pushed with as few bytes as
/// they need. `PUSH2 5` pushes with two.
func assemble(_ text: String) -> Bytes {
    var code: Bytes = []
    var size: Int?
    for token in text.split(whereSeparator: \.isWhitespace) {
        if let opcode = opcodesByName[String(token)] {
            code.append(opcode.rawValue)
            size = opcode.immediateSize > 0 ? opcode.immediateSize : nil
            continue
        }
        guard let value = token.hasPrefix("0x") ? UInt256(hex: token) : UInt256(decimal: token)
        else { preconditionFailure("Neither an instruction nor a number: \(token)") }
        var bytes = value.minimalBytes
        if let size {
            bytes = Bytes(repeating: 0, count: size - bytes.count) + bytes
        } else {
            if bytes.isEmpty { bytes = [0] }
            code.append(Opcode.push0.rawValue + UInt8(bytes.count))
        }
        code += bytes
        size = nil
    }
    return code
}

private let opcodesByName: [String: Opcode] = Dictionary(
    uniqueKeysWithValues: Opcode.allCases.compactMap { opcode in opcode.name.map { ($0, opcode) } })

/// Code that returns the word on the top of the stack.
func returning(_ text: String) -> Bytes {
    assemble(text + " 0 MSTORE 32 0 RETURN")
}
