//  Why a contract reverted, in words.

public import Primitives

/// What Solidity's `revert`, `require` and `assert` put into the return data.
public struct RevertReason {
    /// The reason in words; nil if the data is not in one of the two standard forms.
    public let text: String?

    /// Looks for a reason in what was returned.
    public init(_ output: Bytes) {
        let selector = output.prefix(4)
        let arguments = output.dropFirst(4)
        if selector == [0x08, 0xc3, 0x79, 0xa0] {
            text = Self.string(in: arguments)
        } else if selector == [0x4e, 0x48, 0x7b, 0x71] {
            text = Self.word(at: 0, in: arguments).map(Self.panic)
        } else {
            text = nil
        }
    }

    /// The only argument of `Error(string)`.
    private static func string(in arguments: ArraySlice<UInt8>) -> String? {
        guard let offset = word(at: 0, in: arguments)?.asUInt64.flatMap({ Int(exactly: $0) }),
            let length = word(at: offset, in: arguments)?.asUInt64.flatMap({ Int(exactly: $0) }),
            length <= arguments.count - offset - 32
        else { return nil }
        return String(decoding: arguments.dropFirst(offset + 32).prefix(length), as: UTF8.self)
    }

    private static func word(at offset: Int, in arguments: ArraySlice<UInt8>) -> UInt256? {
        guard arguments.count >= 32, offset <= arguments.count - 32 else { return nil }
        return UInt256(bigEndian: arguments.dropFirst(offset).prefix(32))
    }

    /// The texts of geth's `accounts/abi` for the codes of Solidity.
    private static func panic(_ code: UInt256) -> String {
        switch code.asUInt64 {
        case 0x00: "generic panic"
        case 0x01: "assert(false)"
        case 0x11: "arithmetic underflow or overflow"
        case 0x12: "division or modulo by zero"
        case 0x21: "enum overflow"
        case 0x22: "invalid encoded storage byte array accessed"
        case 0x31: "out-of-bounds array access; popping on an empty array"
        case 0x32: "out-of-bounds access of an array or bytesN"
        case 0x41: "out of memory"
        case 0x51: "uninitialized function"
        default: "unknown panic code: \(code.hexQuantity)"
        }
    }
}
