public import Primitives

/// A type that a method takes as a parameter.
///
/// Decoding reads the text of the message directly. The texts of its errors are those of geth, which
/// come from Go's JSON decoder and geth's `hexutil`.
public protocol RPCParameter: Sendable {
    static func decode(_ text: JSONText) throws(RPCParameterError) -> Self

    /// What the method gets when the argument is missing; nil if the argument is required.
    static var absent: Self? { get }

    /// The JSON schema of the parameter, for `rpc_discover`.
    static var schema: JSONValue { get }
}

extension RPCParameter {
    /// What the method gets when the argument is missing.
    public static var absent: Self? { nil }
}

/// Why an argument cannot be read; the caller knows which argument it was.
public struct RPCParameterError: Error {
    package let reason: String

    /// Whether the reason stands alone, without the number of the argument: for what geth decodes
    /// inside its methods.
    var standsAlone = false

    /// An error with this reason.
    public init(_ reason: String) {
        self.reason = reason
    }

    init(alone reason: String) {
        self.reason = reason
        standsAlone = true
    }
}

/// Name and type of a parameter, as the OpenRPC document shows them.
struct RPCParameterDescription: Sendable {
    let name: String
    let isRequired: Bool
    let schema: JSONValue
}

extension Optional: RPCParameter where Wrapped: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> Wrapped? {
        text.isNull ? nil : try Wrapped.decode(text)
    }

    /// What the method gets when the argument is missing.
    public static var absent: Wrapped?? { .some(nil) }
    /// The JSON schema, for `rpc_discover`.
    public static var schema: JSONValue { Wrapped.schema }
}

extension Array: RPCParameter where Element: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> [Element] {
        guard let elements = text.elements else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type []")
        }
        var values: [Element] = []
        values.reserveCapacity(elements.count)
        for element in elements { values.append(try Element.decode(element)) }
        return values
    }

    /// The JSON schema, for `rpc_discover`.
    public static var schema: JSONValue { ["type": "array", "items": Element.schema] }
}

extension Bool: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> Bool {
        guard text.isBool else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type bool")
        }
        return text.first == UInt8(ascii: "t")
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "boolean"]
}

extension String: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> String {
        guard let characters = text.characters else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type string")
        }
        return String(decoding: characters, as: UTF8.self)
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "string"]
}

extension JSONValue: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) -> JSONValue { text.value }
    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = [:]
}

extension Address: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> Address {
        let digits = try HexText.fixed(text, digits: 40, type: "common.Address")
        guard let address = Address(try HexText.bytes(digits, type: "common.Address")) else {
            throw RPCParameterError("invalid address")
        }
        return address
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"]
}

extension Hash256: RPCParameter {
    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> Hash256 {
        let digits = try HexText.fixed(text, digits: 64, type: "common.Hash")
        guard let hash = Hash256(try HexText.bytes(digits, type: "common.Hash")) else {
            throw RPCParameterError("invalid hash")
        }
        return hash
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"]
}

/// Bytes of any length, in hexadecimal.
public struct HexData: RPCParameter, Hashable {
    /// The bytes.
    public let bytes: Bytes

    /// These bytes.
    public init(_ bytes: Bytes) {
        self.bytes = bytes
    }

    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> HexData {
        let digits = try HexText.digits(text, type: "hexutil.Bytes")
        return HexData(try HexText.bytes(digits, type: "hexutil.Bytes"))
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"]
}

extension UInt256: RPCParameter {
    /// A quantity without leading zeros, as geth demands it.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> UInt256 {
        try HexText.quantity(text, type: "*hexutil.Big")
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = [
        "type": "string", "pattern": "^0x(0|[1-9a-fA-F][0-9a-fA-F]*)$",
    ]
}

extension UInt64: RPCParameter {
    /// A quantity without leading zeros, as geth demands it.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> UInt64 {
        let value = try HexText.quantity(text, type: "hexutil.Uint64")
        guard let narrow = value.asUInt64 else {
            throw RPCParameterError(
                "json: cannot unmarshal hex number > 64 bits into Go value of type hexutil.Uint64")
        }
        return narrow
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = UInt256.schema
}

/// A number as devnet tools send it: a hex quantity (leading zeros allowed), a decimal string or a
/// JSON number, as anvil takes them.
public struct LenientQuantity: RPCParameter, Hashable {
    /// The number.
    public let value: UInt256

    /// This number.
    public init(_ value: UInt256) {
        self.value = value
    }

    /// The value, if it fits 64 bits.
    package func uint64() throws(RPCError) -> UInt64 {
        guard let narrow = value.asUInt64 else { throw .invalidParams("number > 64 bits") }
        return narrow
    }

    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> LenientQuantity {
        let characters = text.characters ?? (text.isNumber ? text.slice : [])
        let spelled = String(decoding: characters, as: UTF8.self)
        let value =
            text.isString && (spelled.hasPrefix("0x") || spelled.hasPrefix("0X"))
            ? UInt256(hex: "0x" + (spelled.count == 2 ? "0" : spelled.dropFirst(2)))
            : UInt256(decimal: spelled)
        guard let value else { throw RPCParameterError("invalid number \(text.value)") }
        return LenientQuantity(value)
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = [
        "oneOf": [["type": "string"], ["type": "integer", "minimum": 0]]
    ]
}

/// A storage slot: a hex string of up to 32 bytes, with or without leading zeros
/// (geth's `decodeStorageKey`).
public struct StorageKey: RPCParameter, Hashable {
    /// The slot.
    public let slot: UInt256
    /// Whether the key was spelled with all 64 digits. `eth_getProof` answers with the spelling that
    /// it was asked with.
    let isFullLength: Bool

    /// Reads the checked text.
    public static func decode(_ text: JSONText) throws(RPCParameterError) -> StorageKey {
        guard let characters = text.characters else {
            throw RPCParameterError(
                "json: cannot unmarshal \(text.goKind) into Go value of type string")
        }
        var digits = characters
        if digits.starts(with: "0x".utf8) || digits.starts(with: "0X".utf8) {
            digits = digits.dropFirst(2)
        }
        guard digits.count <= 64 else {
            throw RPCParameterError(
                alone: "storage key too long (want at most 32 bytes): \(text.value)")
        }
        let spelled = String(decoding: digits, as: UTF8.self)
        guard digits.allSatisfy({ HexText.nibble($0) != nil }),
            let slot = UInt256(hex: "0x" + (spelled.isEmpty ? "0" : spelled))
        else {
            throw RPCParameterError(alone: "unable to decode storage key: hex string invalid")
        }
        return StorageKey(slot: slot, isFullLength: digits.count == 64)
    }

    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "string", "pattern": "^0x[0-9a-fA-F]{0,64}$"]
}
