import Cryptography
public import Primitives

/// Structured data that a person signs: EIP-712, with the rules of `eth_signTypedData_v4` for
/// arrays and nested structs.
///
/// The value is checked and hashed when it is made, so whoever holds one can sign it:
/// ```
/// hash            = keccak256(0x1901 ‖ hashStruct(domain) ‖ hashStruct(message))
/// hashStruct(s)   = keccak256(typeHash ‖ encodeData(s))
/// typeHash        = keccak256("Mail(Person from,…)Person(…)")   // the types it uses, sorted
/// ```
/// A struct that is null or absent counts as the zero word; any other absent value is an error.
/// Members that the types do not name are not part of the hash, as in every wallet.
public struct TypedData: Hashable, Sendable {
    /// The type of the message.
    public let primaryType: String
    /// What ``primaryType`` and all types it uses look like, as one text.
    public let encodedType: String
    /// The hash of the domain.
    public let domainSeparator: Hash256
    /// The hash of the message; `nil` if the primary type is `EIP712Domain` itself.
    public let messageHash: Hash256?

    /// What is signed.
    public var signingHash: Hash256 {
        keccak256([0x19, 0x01] + domainSeparator.bytes + (messageHash?.bytes ?? []))
    }

    /// - Parameter json: an object with `types`, `primaryType`, `domain` and `message`, or a string
    ///   that contains one, as some wallets send it.
    public init(json: JSONValue) throws(TypedDataError) {
        var json = json
        if case .string(let text) = json {
            do throws(JSONError) { json = try JSONValue(parsing: Bytes(text.utf8)) } catch {
                throw .json(error)
            }
        }
        guard let object = json.objectValue else { throw .missing(path: "types") }
        let domain = object["domain"] ?? .object([:])
        guard domain.objectValue != nil else {
            throw .invalid(path: "domain", type: Self.domainType, found: domain.brief)
        }
        guard let primaryType = object["primaryType"]?.stringValue else {
            throw .missing(path: "primaryType")
        }
        guard let types = object["types"] else { throw .missing(path: "types") }
        let schema = try Schema(json: types, domain: domain)
        self.primaryType = primaryType
        guard schema.structs[primaryType] != nil else { throw .unknownType(primaryType) }
        encodedType = try schema.encodeType(primaryType)
        domainSeparator = try schema.hashStruct(Self.domainType, domain, path: "domain")
        if primaryType == Self.domainType {
            messageHash = nil
        } else {
            guard let message = object["message"] else { throw .missing(path: "message") }
            messageHash = try schema.hashStruct(primaryType, message, path: "message")
        }
    }

    fileprivate static let domainType = "EIP712Domain"
}

/// Why typed data cannot be hashed. Paths are written `message.to[0].wallet`.
public enum TypedDataError: Error, Equatable, CustomStringConvertible {
    case json(JSONError)
    case missing(path: String)
    /// A type that is neither elementary nor among `types`.
    case unknownType(String)
    /// A value that its type cannot have.
    case invalid(path: String, type: String, found: String)
    /// An array of another length than its type says.
    case wrongLength(path: String, expected: Int, found: Int)
    /// More types than ``TypedDataLimits/structs`` or more members than ``TypedDataLimits/members``.
    case tooManyTypes(limit: Int)

    /// One line for the caller.
    public var description: String {
        switch self {
        case .json(let error): "typed data is not JSON: \(error)"
        case .missing(let path): "typed data: \(path) is missing"
        case .unknownType(let type): "typed data: type \(type) is not defined"
        case .invalid(let path, let type, let found):
            "typed data: \(path) must be a \(type), found \(found)"
        case .wrongLength(let path, let expected, let found):
            "typed data: \(path) must have \(expected) elements, found \(found)"
        case .tooManyTypes(let limit): "typed data: more than \(limit) types or members"
        }
    }
}

/// Limits on the type definitions. The values are bounded by the size and depth of the JSON text.
public enum TypedDataLimits {
    /// Struct types: far more than any message has; the closure of a type visits each once.
    public static let structs = 256
    /// Members of a struct type.
    public static let members = 256
}

/// The types of a message.
private struct Schema {
    struct Member {
        let name: String
        let type: String
    }

    private(set) var structs: [String: [Member]] = [:]
    private var typeHashes: [String: Hash256] = [:]

    init(json: JSONValue, domain: JSONValue) throws(TypedDataError) {
        guard let object = json.objectValue else {
            throw .invalid(path: "types", type: "object", found: json.brief)
        }
        guard object.count <= TypedDataLimits.structs else {
            throw .tooManyTypes(limit: TypedDataLimits.structs)
        }
        for (name, list) in object { structs[name] = try Self.members(list, path: "types.\(name)") }
        if structs[TypedData.domainType] == nil {
            structs[TypedData.domainType] = Self.domainMembers.filter { domain[$0.name] != nil }
        }
        for name in structs.keys { typeHashes[name] = keccak256(utf8: try encodeType(name)) }
    }

    /// The members of the domain in the order of EIP-712, for a message that does not list them.
    private static let domainMembers = [
        Member(name: "name", type: "string"), Member(name: "version", type: "string"),
        Member(name: "chainId", type: "uint256"),
        Member(name: "verifyingContract", type: "address"), Member(name: "salt", type: "bytes32"),
    ]

    private static func members(
        _ json: JSONValue, path: String
    ) throws(TypedDataError) -> [Member] {
        guard let list = json.arrayValue else {
            throw .invalid(path: path, type: "list of members", found: json.brief)
        }
        guard list.count <= TypedDataLimits.members else {
            throw .tooManyTypes(limit: TypedDataLimits.members)
        }
        var members: [Member] = []
        for (index, entry) in list.enumerated() {
            guard let name = entry["name"]?.stringValue else {
                throw .missing(path: "\(path)[\(index)].name")
            }
            guard let type = entry["type"]?.stringValue else {
                throw .missing(path: "\(path)[\(index)].type")
            }
            members.append(Member(name: name, type: type))
        }
        return members
    }

    /// `encodeType` of EIP-712: the type, then those it uses in the order of their names.
    func encodeType(_ name: String) throws(TypedDataError) -> String {
        var found: Set<String> = [name]
        var pending = [name]
        while let next = pending.popLast() {
            for member in structs[next] ?? [] {
                let base = String(member.type.prefix { $0 != "[" })
                if structs[base] != nil {
                    if found.insert(base).inserted { pending.append(base) }
                } else if ElementaryType(base) == nil {
                    throw .unknownType(base)
                }
            }
        }
        found.remove(name)
        return ([name] + found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
            .map { type in
                let members = (structs[type] ?? []).map { "\($0.type) \($0.name)" }
                return "\(type)(\(members.joined(separator: ",")))"
            }
            .joined()
    }

    /// `hashStruct` of EIP-712. Recursion is as deep as the JSON value, which its parser bounds.
    func hashStruct(
        _ name: String, _ value: JSONValue, path: String
    ) throws(TypedDataError) -> Hash256 {
        guard let members = structs[name], let typeHash = typeHashes[name] else {
            throw .unknownType(name)
        }
        guard let object = value.objectValue else {
            throw .invalid(path: path, type: name, found: value.brief)
        }
        var encoded = typeHash.bytes
        for member in members {
            let path = "\(path).\(member.name)"
            encoded += try encode(object[member.name], as: member.type, path: path).bytes
        }
        return keccak256(encoded)
    }

    /// `encodeData` of EIP-712 for one value: always one word.
    private func encode(
        _ value: JSONValue?, as type: String, path: String
    ) throws(TypedDataError) -> Hash256 {
        if type.hasSuffix("]") {
            guard let value else { throw .missing(path: path) }
            return try encodeArray(value, as: type, path: path)
        }
        if structs[type] != nil {
            guard let value, !value.isNull else { return .zero }
            return try hashStruct(type, value, path: path)
        }
        guard let elementary = ElementaryType(type) else { throw .unknownType(type) }
        guard let value else { throw .missing(path: path) }
        guard let word = elementary.encode(value) else {
            throw .invalid(path: path, type: type, found: value.brief)
        }
        return word
    }

    /// An array is the hash of its encoded elements.
    private func encodeArray(
        _ value: JSONValue, as type: String, path: String
    ) throws(TypedDataError) -> Hash256 {
        guard let bracket = type.lastIndex(of: "[") else { throw .unknownType(type) }
        let elementType = String(type[..<bracket])
        let lengthText = type[type.index(after: bracket)...].dropLast()
        guard let elements = value.arrayValue else {
            throw .invalid(path: path, type: type, found: value.brief)
        }
        if !lengthText.isEmpty {
            guard let length = Int(lengthText), length >= 0 else { throw .unknownType(type) }
            guard elements.count == length else {
                throw .wrongLength(path: path, expected: length, found: elements.count)
            }
        }
        var encoded: Bytes = []
        for (index, element) in elements.enumerated() {
            encoded += try encode(element, as: elementType, path: "\(path)[\(index)]").bytes
        }
        return keccak256(encoded)
    }
}

/// The types of EIP-712 that are neither struct nor array.
private enum ElementaryType {
    case address, bool, string, bytes
    case fixedBytes(Int)
    case uint(bits: Int)
    case int(bits: Int)

    init?(_ name: String) {
        switch name {
        case "address": self = .address
        case "bool": self = .bool
        case "string": self = .string
        case "bytes": self = .bytes
        case "uint": self = .uint(bits: 256)
        case "int": self = .int(bits: 256)
        default:
            if name.hasPrefix("bytes"), let count = Self.size(name.dropFirst(5)),
                (1...32).contains(count)
            {
                self = .fixedBytes(count)
            } else if name.hasPrefix("uint"), let bits = Self.size(name.dropFirst(4)),
                (8...256).contains(bits), bits % 8 == 0
            {
                self = .uint(bits: bits)
            } else if name.hasPrefix("int"), let bits = Self.size(name.dropFirst(3)),
                (8...256).contains(bits), bits % 8 == 0
            {
                self = .int(bits: bits)
            } else {
                return nil
            }
        }
    }

    private static func size(_ text: Substring) -> Int? {
        guard let first = text.utf8.first, (0x31...0x39).contains(first) else { return nil }
        return Int(text)
    }

    /// The word that stands for a value; `nil` if the type does not have it.
    func encode(_ value: JSONValue) -> Hash256? {
        switch self {
        case .address:
            guard let bytes = Self.hexBytes(value), let address = Address(bytes) else {
                return nil
            }
            return Hash256(address.uint256)
        case .bool:
            guard let flag = value.boolValue else { return nil }
            return Hash256(flag ? UInt256.one : .zero)
        case .string:
            guard let text = value.stringValue else { return nil }
            return keccak256(utf8: text)
        case .bytes:
            guard let bytes = Self.hexBytes(value) else { return nil }
            return keccak256(bytes)
        case .fixedBytes(let count):
            guard let bytes = Self.hexBytes(value), bytes.count == count else { return nil }
            return Hash256(bytes + Bytes(repeating: 0, count: 32 - count))
        case .uint(let bits):
            guard let number = Self.number(value), !number.isNegative,
                number.magnitude.bitWidth <= bits
            else { return nil }
            return Hash256(number.magnitude)
        case .int(let bits):
            guard let number = Self.number(value) else { return nil }
            // -2^(bits-1) … 2^(bits-1) - 1
            let limit = UInt256.one << UInt64(bits - 1)
            let fits = number.isNegative ? number.magnitude <= limit : number.magnitude < limit
            guard fits else { return nil }
            return Hash256(number.isNegative ? number.magnitude.negated : number.magnitude)
        }
    }

    private static func hexBytes(_ value: JSONValue) -> Bytes? {
        guard let text = value.stringValue, text.hasPrefix("0x") else { return nil }
        return Hex.decode(text)
    }

    /// A JSON number, or a string with a decimal or `0x` number; either may have a minus sign.
    private static func number(
        _ value: JSONValue
    ) -> (magnitude: UInt256, isNegative: Bool)? {
        guard let text = value.numberText ?? value.stringValue else { return nil }
        let isNegative = text.hasPrefix("-")
        let digits = isNegative ? text.dropFirst() : text[...]
        let magnitude =
            digits.hasPrefix("0x") ? UInt256(hex: digits) : UInt256(decimal: digits)
        guard let magnitude else { return nil }
        return (magnitude, isNegative && !magnitude.isZero)
    }
}

extension JSONValue {
    /// The value for an error message: cut where it would bury the message.
    fileprivate var brief: String {
        let text = description
        return text.count > 80 ? text.prefix(77) + "..." : text
    }
}
