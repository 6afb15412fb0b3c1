public import Primitives

/// A type that a route takes as a parameter, from a path, a query or a body.
public protocol RESTValue: Sendable {
    /// Reads the text.
    ///
    /// - Throws: `RESTValueError`, whose reason follows the name of the parameter: "is not an
    ///   address".
    static func parse(_ text: String) throws(RESTValueError) -> Self

    /// What the route gets if the parameter is not given; `nil` if it must be.
    static var whenMissing: Self? { get }

    /// The JSON schema of the text.
    static var textSchema: JSONValue { get }
}

extension RESTValue {
    /// The parameter must be given.
    public static var whenMissing: Self? { nil }
}

/// Why a text is no value of a type.
public struct RESTValueError: Error, Sendable {
    /// What follows the name of the parameter.
    public let reason: String

    /// An error with its reason.
    public init(_ reason: String) {
        self.reason = reason
    }
}

/// A parameter of a route.
public struct RESTParameter<Value: RESTValue>: Sendable {
    let name: String
    let summary: String
    let place: RESTParameterDescription.Place
    let fallback: Value?
    let range: ClosedRange<UInt64>?
    let units: Double

    private init(
        _ name: String, _ summary: String, _ place: RESTParameterDescription.Place,
        fallback: Value?, range: ClosedRange<UInt64>?, units: Double
    ) {
        self.name = name
        self.summary = summary
        self.place = place
        self.fallback = fallback
        self.range = range
        self.units = units
    }

    /// A segment of the path.
    public static func path(_ name: String, _ summary: String) -> RESTParameter {
        RESTParameter(name, summary, .path, fallback: nil, range: nil, units: 0)
    }

    /// A parameter of the query.
    ///
    /// - Parameters:
    ///   - fallback: the value if it is not given; without one it must be, or the type knows.
    ///   - range: what a number must lie in.
    ///   - units: what the value adds to the cost of a request, for the rate of its caller: so much for
    ///     each one of a number, or once if it is `true`.
    public static func query(
        _ name: String, _ summary: String, default fallback: Value? = nil,
        in range: ClosedRange<UInt64>? = nil, units: Double = 0
    ) -> RESTParameter {
        RESTParameter(name, summary, .query, fallback: fallback, range: range, units: units)
    }

    /// The body, a JSON text.
    public static func body(_ name: String, _ summary: String) -> RESTParameter {
        RESTParameter(name, summary, .body, fallback: nil, range: nil, units: 0)
    }

    var description: RESTParameterDescription {
        var schema = Value.textSchema
        if let range, case .object(var object) = schema {
            object["minimum"] = .number(String(range.lowerBound))
            object["maximum"] = .number(String(range.upperBound))
            schema = .object(object)
        }
        return RESTParameterDescription(
            name: name, summary: summary, place: place,
            isRequired: fallback == nil && Value.whenMissing == nil, schema: schema,
            units: units)
    }
}

/// A parameter, as the OpenAPI document shows it.
public struct RESTParameterDescription: Sendable {
    /// Where it stands.
    public enum Place: String, Sendable {
        case path, query, body
    }

    /// Its name.
    public let name: String
    /// One sentence.
    public let summary: String
    /// Where it stands.
    public let place: Place
    /// Whether it must be given.
    public let isRequired: Bool
    /// The JSON schema of its values.
    public let schema: JSONValue
    /// What a value adds to the cost of a request.
    public let units: Double

    /// A description.
    public init(
        name: String, summary: String, place: Place, isRequired: Bool, schema: JSONValue,
        units: Double = 0
    ) {
        self.name = name
        self.summary = summary
        self.place = place
        self.isRequired = isRequired
        self.schema = schema
        self.units = units
    }
}

extension Optional: RESTValue where Wrapped: RESTValue {
    /// Reads the text.
    public static func parse(_ text: String) throws(RESTValueError) -> Wrapped? {
        try Wrapped.parse(text)
    }

    /// Nothing.
    public static var whenMissing: Wrapped?? { .some(nil) }
    /// The schema of the value.
    public static var textSchema: JSONValue { Wrapped.textSchema }
}

extension String: RESTValue {
    /// The longest text that a route takes.
    static let longest = 4096

    /// Any text without control characters, up to 4096 bytes.
    public static func parse(_ text: String) throws(RESTValueError) -> String {
        guard text.utf8.count <= longest else { throw RESTValueError("is too long") }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw RESTValueError("holds control characters")
        }
        return text
    }

    /// The JSON schema.
    public static var textSchema: JSONValue { ["type": "string", "maxLength": 4096] }
}

extension Bool: RESTValue {
    /// `true` or `false`.
    public static func parse(_ text: String) throws(RESTValueError) -> Bool {
        guard let value = Bool(text) else { throw RESTValueError("is not true or false") }
        return value
    }

    /// The JSON schema.
    public static var textSchema: JSONValue { ["type": "boolean"] }
}

extension UInt64: RESTValue {
    /// A decimal number.
    public static func parse(_ text: String) throws(RESTValueError) -> UInt64 {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard text.utf8.allSatisfy({ digits.contains($0) }), let value = UInt64(text) else {
            throw RESTValueError("is not a whole number")
        }
        return value
    }

    /// The JSON schema.
    public static var textSchema: JSONValue { ["type": "integer", "minimum": 0] }
}

extension UInt256: RESTValue {
    /// A decimal number, as amounts are written.
    public static func parse(_ text: String) throws(RESTValueError) -> UInt256 {
        guard text.utf8.count <= 78, let value = UInt256(decimal: text) else {
            throw RESTValueError("is not a whole number below 2^256")
        }
        return value
    }

    /// The JSON schema.
    public static var textSchema: JSONValue { ["type": "string", "pattern": "^[0-9]{1,78}$"] }
}

extension Address: RESTValue {
    /// `0x` and forty digits; of mixed case only with the right checksum (EIP-55).
    public static func parse(_ text: String) throws(RESTValueError) -> Address {
        guard let address = Address(hex: text) else { throw RESTValueError("is not an address") }
        // Without a capital there is no checksum.
        let capitals = UInt8(ascii: "A")...UInt8(ascii: "F")
        guard
            !text.utf8.contains(where: { capitals.contains($0) })
                || Address(checksummed: text) != nil
        else { throw RESTValueError("has a wrong checksum (EIP-55)") }
        return address
    }

    /// The JSON schema.
    public static var textSchema: JSONValue {
        ["type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"]
    }
}

extension Hash256: RESTValue {
    /// `0x` and sixty-four digits.
    public static func parse(_ text: String) throws(RESTValueError) -> Hash256 {
        guard text.utf8.count == 66, text.hasPrefix("0x"), let hash = Hash256(hex: text) else {
            throw RESTValueError("is not a hash")
        }
        return hash
    }

    /// The JSON schema.
    public static var textSchema: JSONValue {
        ["type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"]
    }
}
