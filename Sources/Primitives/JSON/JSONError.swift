/// Why a text is not JSON (RFC 8259), with the byte offset at which that became certain.
public enum JSONError: Error, Hashable, Sendable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte that cannot stand here.
    case unexpectedByte(UInt8, offset: Int)
    /// A string holds a control character, a bad escape, half a surrogate pair or bad UTF-8.
    case invalidString(offset: Int)
    /// A number outside the grammar, such as `01` or `1.`.
    case invalidNumber(offset: Int)
    /// Arrays and objects are nested deeper than the limit.
    case tooDeep(limit: Int)
    /// Something other than white space follows the value.
    case trailingBytes(offset: Int)
}

extension JSONError: CustomStringConvertible {
    /// One sentence part, such as "unexpected end of JSON input".
    public var description: String {
        switch self {
        case .unexpectedEnd: "unexpected end of JSON input"
        case .unexpectedByte(let byte, let offset):
            byte >= 0x20 && byte < 0x7f
                ? "invalid character '\(Character(Unicode.Scalar(byte)))' at offset \(offset)"
                : "invalid byte \(byte) at offset \(offset)"
        case .invalidString(let offset): "invalid string at offset \(offset)"
        case .invalidNumber(let offset): "invalid number at offset \(offset)"
        case .tooDeep(let limit): "nested deeper than \(limit)"
        case .trailingBytes(let offset): "data after the value at offset \(offset)"
        }
    }
}
