public import Primitives

/// A type that a method answers with. It writes itself straight into the answer.
public protocol RPCResult: Sendable {
    func write(to writer: inout JSONWriter)

    /// The JSON schema of the result, for `rpc_discover`.
    static var schema: JSONValue { get }
}

extension Optional: RPCResult where Wrapped: RPCResult {
    public func write(to writer: inout JSONWriter) {
        if let self { self.write(to: &writer) } else { writer.null() }
    }

    public static var schema: JSONValue { ["oneOf": [Wrapped.schema, ["type": "null"]]] }
}

extension Array: RPCResult where Element: RPCResult {
    public func write(to writer: inout JSONWriter) {
        writer.beginArray()
        for element in self { element.write(to: &writer) }
        writer.endArray()
    }

    public static var schema: JSONValue { ["type": "array", "items": Element.schema] }
}

extension Bool: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.bool(self) }
}

extension String: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.string(self) }
}

extension JSONValue: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.value(self) }
}

extension UInt64: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.hexQuantity(self) }
}

extension UInt256: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.hexQuantity(self) }
}

extension Hash256: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.hash(self) }
}

extension Address: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.address(self) }
}

extension HexData: RPCResult {
    public func write(to writer: inout JSONWriter) { writer.hexData(bytes) }
}

/// The result of a method that answers nothing but that it is done.
public struct NullResult: RPCResult {
    public init() {}
    public func write(to writer: inout JSONWriter) { writer.null() }
    public static let schema: JSONValue = ["type": "null"]
}

/// A JSON number, where the API has one instead of a quantity.
public struct DecimalNumber: RPCResult {
    let value: UInt64

    public init(_ value: UInt64) {
        self.value = value
    }

    public func write(to writer: inout JSONWriter) { writer.number(value) }
    public static let schema: JSONValue = ["type": "integer"]
}

/// A JSON text that was made elsewhere.
public struct EncodedJSON: RPCResult {
    let text: Bytes

    public init(_ text: Bytes) {
        self.text = text
    }

    public func write(to writer: inout JSONWriter) { writer.raw(text) }
    public static let schema: JSONValue = [:]
}
