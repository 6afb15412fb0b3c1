import Primitives

/// A JSON value together with where it stands: for errors that say what was wrong, and where.
struct JSONField {
    let path: String
    let value: JSONValue

    /// A member of the object; `nil` if it is absent or null.
    func optional(_ key: String) throws(GenesisError) -> JSONField? {
        guard let object = value.objectValue else { throw invalid("an object") }
        guard let member = object[key], !member.isNull else { return nil }
        return JSONField(path: path.isEmpty ? key : "\(path).\(key)", value: member)
    }

    func required(_ key: String) throws(GenesisError) -> JSONField {
        guard let field = try optional(key) else {
            throw .missing(path: path.isEmpty ? key : "\(path).\(key)")
        }
        return field
    }

    /// The members of the object in their order, without those that are null.
    func members() throws(GenesisError) -> [(key: String, field: JSONField)] {
        guard let object = value.objectValue else { throw invalid("an object") }
        return object.compactMap { key, value in
            guard !value.isNull else { return nil }
            return (key, JSONField(path: path.isEmpty ? key : "\(path).\(key)", value: value))
        }
    }

    /// A number, or a string with a decimal or a `0x` number; an empty string is zero.
    func uint256() throws(GenesisError) -> UInt256 {
        switch value {
        case .number(let text):
            if let number = UInt256(decimal: text) { return number }
        case .string(let text):
            if text.isEmpty || text == "0x" { return .zero }
            let isHex = text.hasPrefix("0x") || text.hasPrefix("0X")
            if let number = isHex ? UInt256(hex: text) : UInt256(decimal: text) { return number }
        case .null, .bool, .array, .object: break
        }
        throw invalid("an unsigned number of up to 256 bits")
    }

    func uint64() throws(GenesisError) -> UInt64 {
        guard let number = try? uint256(), let value = number.asUInt64 else {
            throw invalid("an unsigned number of up to 64 bits")
        }
        return value
    }

    /// A word of storage: up to 64 hexadecimal digits, with or without `0x`.
    func word() throws(GenesisError) -> UInt256 {
        guard let text = value.stringValue, let word = Self.word(text) else {
            throw invalid("a string of up to 32 hexadecimal bytes")
        }
        return word
    }

    static func word(_ text: String) -> UInt256? {
        UInt256(hex: text.hasPrefix("0x") ? text : "0x" + text)
    }

    func bool() throws(GenesisError) -> Bool {
        guard let flag = value.boolValue else { throw invalid("true or false") }
        return flag
    }

    func bytes() throws(GenesisError) -> Bytes {
        guard let text = value.stringValue, let bytes = Hex.decode(text) else {
            throw invalid("a string of hexadecimal bytes")
        }
        return bytes
    }

    func hash() throws(GenesisError) -> Hash256 {
        guard let text = value.stringValue, let bytes = Hex.decode(text), let hash = Hash256(bytes)
        else { throw invalid("a string of 32 hexadecimal bytes") }
        return hash
    }

    func address() throws(GenesisError) -> Address {
        guard let text = value.stringValue, let bytes = Hex.decode(text),
            let address = Address(bytes)
        else { throw invalid("a string of 20 hexadecimal bytes") }
        return address
    }

    func invalid(_ expected: String) -> GenesisError {
        let text = value.description
        // A long value would bury the message.
        let found = text.count > 80 ? text.prefix(77) + "..." : text[...]
        return .invalid(path: path, expected: expected, found: String(found))
    }
}

/// Why a genesis file cannot be used. Paths are written `config.londonBlock`.
public enum GenesisError: Error, Equatable, CustomStringConvertible {
    case json(JSONError)
    case missing(path: String)
    case invalid(path: String, expected: String, found: String)
    /// The file asks for something that this node does not do.
    case unsupported(path: String, reason: String)

    /// One line for the operator.
    public var description: String {
        switch self {
        case .json(let error): "not JSON: \(error)"
        case .missing(let path): "\(path) is missing"
        case .invalid(let path, let expected, let found):
            "\(path) must be \(expected), found \(found)"
        case .unsupported(let path, let reason): "\(path): \(reason)"
        }
    }
}
