public import Primitives

/// One JSON value that is still text: a piece of a message whose grammar was checked already.
public struct JSONText: Sendable {
    let bytes: Bytes
    let range: Range<Int>

    package init(_ bytes: Bytes, _ range: Range<Int>) {
        self.bytes = bytes
        self.range = range
    }

    /// What kind of value it is, told by its first byte.
    var first: UInt8 { bytes[range.lowerBound] }

    var isNull: Bool { first == UInt8(ascii: "n") }
    var isString: Bool { first == UInt8(ascii: "\"") }
    var isObject: Bool { first == UInt8(ascii: "{") }
    var isArray: Bool { first == UInt8(ascii: "[") }
    var isBool: Bool { first == UInt8(ascii: "t") || first == UInt8(ascii: "f") }
    var isNumber: Bool { first == UInt8(ascii: "-") || first &- 0x30 < 10 }

    /// The text itself.
    var slice: ArraySlice<UInt8> { bytes[range] }

    /// The characters of a string, without a copy if it has no escapes; nil if it is no string.
    var characters: ArraySlice<UInt8>? {
        guard isString else { return nil }
        let inner = bytes[range.lowerBound + 1..<range.upperBound - 1]
        if !inner.contains(UInt8(ascii: "\\")) { return inner }
        var scanner = JSONScanner(position: range.lowerBound)
        guard let string = try? scanner.string(in: bytes.span) else { return nil }
        return ArraySlice(Bytes(string.string(in: bytes.span).utf8))
    }

    /// The value as a tree.
    public var value: JSONValue {
        // The text was checked when the message was read, so this cannot fail.
        (try? JSONValue(parsing: slice)) ?? .null
    }

    /// The elements of an array; nil if it is none.
    var elements: [JSONText]? {
        guard isArray else { return nil }
        var scanner = JSONScanner(position: range.lowerBound)
        var elements: [JSONText] = []
        do throws(JSONError) {
            try scanner.beginArray(in: bytes.span)
            while try scanner.nextElement(in: bytes.span) {
                elements.append(JSONText(bytes, try scanner.skipValue(in: bytes.span)))
            }
        } catch {
            return nil
        }
        return elements
    }

    /// The members of an object, of a repeated key the last; nil if it is none.
    var members: [String: JSONText]? {
        guard isObject else { return nil }
        var scanner = JSONScanner(position: range.lowerBound)
        var members: [String: JSONText] = [:]
        do throws(JSONError) {
            try scanner.beginObject(in: bytes.span)
            while let key = try scanner.nextKey(in: bytes.span) {
                members[key.string(in: bytes.span)] = JSONText(
                    bytes, try scanner.skipValue(in: bytes.span))
            }
        } catch {
            return nil
        }
        return members
    }
}

extension JSONText {
    /// A text of its own, for values that arrive as a tree.
    public init(_ value: JSONValue) {
        let bytes = value.encoded()
        self.init(bytes, bytes.indices)
    }
}
