public import Primitives

/// A type that a method answers with. It writes itself straight into the answer.
public protocol RPCResult: Sendable {
    func write(to writer: inout JSONWriter)

    /// The JSON schema of the result, for `rpc_discover`.
    static var schema: JSONValue { get }
}

extension Optional: RPCResult where Wrapped: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) {
        if let self { self.write(to: &writer) } else { writer.null() }
    }

    /// The JSON schema, for `rpc_discover`.
    public static var schema: JSONValue {
        // What may be anything may be null.
        Wrapped.schema == [:] ? [:] : ["oneOf": [Wrapped.schema, ["type": "null"]]]
    }
}

extension Array: RPCResult where Element: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) {
        writer.beginArray()
        for element in self { element.write(to: &writer) }
        writer.endArray()
    }

    /// The JSON schema, for `rpc_discover`.
    public static var schema: JSONValue { ["type": "array", "items": Element.schema] }
}

extension Bool: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.bool(self) }
}

extension String: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.string(self) }
}

extension JSONValue: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.value(self) }
}

extension UInt64: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.hexQuantity(self) }
}

extension UInt256: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.hexQuantity(self) }
}

extension Hash256: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.hash(self) }
}

extension Address: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.address(self) }
}

extension HexData: RPCResult {
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.hexData(bytes) }
}

/// The result of a method that answers nothing but that it is done.
public struct NullResult: RPCResult {
    /// A result that is null.
    public init() {}
    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.null() }
    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "null"]
}

/// A JSON number, where the API has one instead of a quantity.
public struct DecimalNumber: RPCResult {
    let value: UInt64

    /// This number.
    public init(_ value: UInt64) {
        self.value = value
    }

    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.number(value) }
    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = ["type": "integer"]
}

/// A JSON text that was made elsewhere.
public struct EncodedJSON: RPCResult {
    let text: Bytes

    /// This text, which the caller vouches for.
    public init(_ text: Bytes) {
        self.text = text
    }

    /// Writes the JSON text of the value.
    public func write(to writer: inout JSONWriter) { writer.raw(text) }
    /// The JSON schema, for `rpc_discover`.
    public static let schema: JSONValue = [:]
}
