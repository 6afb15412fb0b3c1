/// A JSON value (RFC 8259) as a tree.
///
/// A number keeps its text, so that no integer of any size loses a digit on its way through. For
/// hot paths read with `JSONScanner` and write with `JSONWriter` instead, which build no tree.
public indirect enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The text of the number, in the grammar of RFC 8259.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// Whether this is null.
    public var isNull: Bool { self == .null }

    /// The truth value; nil if this is none.
    public var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The string; nil if this is none.
    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The text of a number.
    public var numberText: String? {
        if case .number(let text) = self { text } else { nil }
    }

    /// The number, if it is written as an integer that fits.
    public var intValue: Int? { numberText.flatMap { Int($0) } }

    /// The number, if it is written as an integer that fits.
    public var uint64Value: UInt64? { numberText.flatMap { UInt64($0) } }

    /// The number as the nearest double.
    public var doubleValue: Double? { numberText.flatMap { Double($0) } }

    /// The elements; nil if this is no array.
    public var arrayValue: [JSONValue]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The members; nil if this is no object.
    public var objectValue: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// A member of an object; nil if there is none or this is no object.
    public subscript(key: String) -> JSONValue? { objectValue?[key] }

    /// An element of an array; nil if there is none or this is no array.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}

// MARK: - Text

extension JSONValue {
    /// Reads a whole JSON text, strictly: nothing but white space may stand around the one value.
    ///
    /// Of a repeated key the last value counts, as in every common parser.
    public init(
        parsing text: Span<UInt8>, maxDepth: Int = JSONScanner.defaultMaxDepth
    ) throws(JSONError) {
        var scanner = JSONScanner(maxDepth: maxDepth)
        self = try Self.read(&scanner, in: text)
        try scanner.finish(in: text)
    }

    /// Reads a whole JSON text.
    public init(
        parsing text: [UInt8], maxDepth: Int = JSONScanner.defaultMaxDepth
    ) throws(JSONError) {
        try self.init(parsing: text.span, maxDepth: maxDepth)
    }

    /// Reads a whole JSON text.
    public init(
        parsing text: ArraySlice<UInt8>, maxDepth: Int = JSONScanner.defaultMaxDepth
    ) throws(JSONError) {
        try self.init(parsing: text.span, maxDepth: maxDepth)
    }

    /// Reads a whole JSON text.
    public init(
        parsing text: String, maxDepth: Int = JSONScanner.defaultMaxDepth
    ) throws(JSONError) {
        try self.init(parsing: [UInt8](text.utf8).span, maxDepth: maxDepth)
    }

    private static func read(
        _ scanner: inout JSONScanner, in text: Span<UInt8>
    ) throws(JSONError) -> JSONValue {
        guard let first = scanner.peek(in: text) else { throw .unexpectedEnd }
        switch first {
        case 0x22: return .string(try scanner.string(in: text).string(in: text))
        case 0x7b:
            var object = JSONObject()
            try scanner.beginObject(in: text)
            while let key = try scanner.nextKey(in: text) {
                object[key.string(in: text)] = try read(&scanner, in: text)
            }
            return .object(object)
        case 0x5b:
            var elements: [JSONValue] = []
            try scanner.beginArray(in: text)
            while try scanner.nextElement(in: text) {
                elements.append(try read(&scanner, in: text))
            }
            return .array(elements)
        case 0x74:
            try scanner.literal("true", in: text)
            return .bool(true)
        case 0x66:
            try scanner.literal("false", in: text)
            return .bool(false)
        case 0x6e:
            try scanner.literal("null", in: text)
            return .null
        default:
            let range = try scanner.number(in: text)
            var digits: [UInt8] = []
            digits.reserveCapacity(range.count)
            for offset in range { digits.append(text[offset]) }
            return .number(String(decoding: digits, as: UTF8.self))
        }
    }

    /// The shortest JSON text of the value, as UTF-8.
    public func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }
}

extension JSONValue: CustomStringConvertible {
    /// The shortest JSON text of the value.
    public var description: String { String(decoding: encoded(), as: UTF8.self) }
}

// MARK: - Literals

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// The value of a literal.
    public init(nilLiteral: ()) { self = .null }
    /// The value of a literal.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// The value of a literal.
    public init(integerLiteral value: Int) { self = .number(String(value)) }
    /// The value of a literal.
    public init(stringLiteral value: String) { self = .string(value) }
    /// The value of a literal.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// The value of a literal.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(elements.lazy.map { (key: $0.0, value: $0.1) }))
    }
}
