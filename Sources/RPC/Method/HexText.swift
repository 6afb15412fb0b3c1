import Primitives

/// Reads hexadecimal strings with the rules and the error texts of geth's `hexutil`.
enum HexText {
    /// The digits behind `0x`.
    static func digits(
        _ text: JSONText, type: String
    ) throws(RPCParameterError) -> ArraySlice<UInt8> {
        guard let characters = text.characters else { throw mismatch("non-string", type) }
        guard !characters.isEmpty else { throw mismatch("empty hex string", type) }
        guard characters.starts(with: "0x".utf8) || characters.starts(with: "0X".utf8) else {
            throw mismatch("hex string without 0x prefix", type)
        }
        return characters.dropFirst(2)
    }

    /// The digits of a value of fixed size.
    static func fixed(
        _ text: JSONText, digits count: Int, type: String
    ) throws(RPCParameterError) -> ArraySlice<UInt8> {
        let digits = try digits(text, type: type)
        guard digits.count.isMultiple(of: 2) else {
            throw mismatch("hex string of odd length", type)
        }
        guard digits.count == count else {
            throw RPCParameterError(
                "hex string has length \(digits.count), want \(count) for \(type)")
        }
        return digits
    }

    /// The bytes that pairs of digits spell.
    static func bytes(
        _ digits: ArraySlice<UInt8>, type: String
    ) throws(RPCParameterError) -> Bytes {
        guard digits.count.isMultiple(of: 2) else {
            throw mismatch("hex string of odd length", type)
        }
        var bytes: Bytes = []
        bytes.reserveCapacity(digits.count / 2)
        var index = digits.startIndex
        while index < digits.endIndex {
            guard let high = nibble(digits[index]), let low = nibble(digits[index + 1]) else {
                throw mismatch("invalid hex string", type)
            }
            bytes.append(high << 4 | low)
            index += 2
        }
        return bytes
    }

    /// A quantity: at least one digit, no leading zero.
    static func quantity(_ text: JSONText, type: String) throws(RPCParameterError) -> UInt256 {
        let digits = try digits(text, type: type)
        guard let first = digits.first else { throw mismatch("hex string \"0x\"", type) }
        guard first != UInt8(ascii: "0") || digits.count == 1 else {
            throw mismatch("hex number with leading zero digits", type)
        }
        guard digits.count <= 64 else { throw mismatch("hex number > 256 bits", type) }
        var limbs: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for digit in digits {
            guard let nibble = nibble(digit) else { throw mismatch("invalid hex string", type) }
            limbs.3 = limbs.3 << 4 | limbs.2 >> 60
            limbs.2 = limbs.2 << 4 | limbs.1 >> 60
            limbs.1 = limbs.1 << 4 | limbs.0 >> 60
            limbs.0 = limbs.0 << 4 | UInt64(nibble)
        }
        return UInt256(l0: limbs.0, l1: limbs.1, l2: limbs.2, l3: limbs.3)
    }

    static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit &- 0x30
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit &- 0x57
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit &- 0x37
        default: nil
        }
    }

    private static func mismatch(_ what: String, _ type: String) -> RPCParameterError {
        RPCParameterError("json: cannot unmarshal \(what) into Go value of type \(type)")
    }
}

extension JSONText {
    /// What Go's decoder calls this kind of value.
    var goKind: String {
        if isString {
            "string"
        } else if isObject {
            "object"
        } else if isArray {
            "array"
        } else if isBool {
            "bool"
        } else if isNumber {
            "number"
        } else {
            "null"
        }
    }
}
