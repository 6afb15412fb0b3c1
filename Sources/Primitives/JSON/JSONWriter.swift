/// Writes JSON text straight into bytes, without a tree in between.
///
/// Commas are put by the writer. The caller keeps the order of calls that the grammar demands: a key
/// before each value of an object, as many ends as begins.
///
/// ```swift
/// var writer = JSONWriter()
/// writer.object { writer in
///     writer.key("number"); writer.hexQuantity(1)
/// }
/// ```
public struct JSONWriter: Sendable {
    /// The text so far.
    public private(set) var bytes: [UInt8] = []

    private var needsComma = false

    /// A writer of an empty text.
    public init() {}

    /// A writer with room for this many bytes before it allocates again.
    public init(capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    // MARK: Structure

    /// Begins an object.
    public mutating func beginObject() { open(0x7b) }
    /// Ends an object.
    public mutating func endObject() { close(0x7d) }
    /// Begins an array.
    public mutating func beginArray() { open(0x5b) }
    /// Ends an array.
    public mutating func endArray() { close(0x5d) }

    /// Writes an object whose members the closure writes.
    public mutating func object<Failure: Error>(
        _ members: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        beginObject()
        try members(&self)
        endObject()
    }

    /// Writes an array whose elements the closure writes.
    public mutating func array<Failure: Error>(
        _ elements: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        beginArray()
        try elements(&self)
        endArray()
    }

    /// Writes a key; a value must follow.
    public mutating func key(_ key: String) {
        string(key)
        bytes.append(0x3a)
        needsComma = false
    }

    // MARK: Values

    /// Writes null.
    public mutating func null() { word("null") }

    /// Writes a truth value.
    public mutating func bool(_ value: Bool) { word(value ? "true" : "false") }

    /// Writes a string with the escapes that RFC 8259 demands and no others.
    public mutating func string(_ text: String) {
        separate()
        bytes.append(0x22)
        for byte in text.utf8 {
            if byte >= 0x20, byte != 0x22, byte != 0x5c {
                bytes.append(byte)
            } else {
                appendEscaped(byte)
            }
        }
        bytes.append(0x22)
    }

    /// Writes a decimal integer.
    public mutating func number(_ value: Int) { word(String(value)) }

    /// Writes a decimal integer.
    public mutating func number(_ value: UInt64) { word(String(value)) }

    /// Writes the shortest decimal text that reads back as the same double; null if not finite.
    public mutating func number(_ value: Double) {
        if !value.isFinite {
            null()
        } else if let integer = Int64(exactly: value), abs(value) < 1e15 {
            word(String(integer))
        } else {
            word("\(value)")
        }
    }

    /// Writes a number whose text the caller vouches for.
    public mutating func rawNumber(_ text: String) { word(text) }

    /// Writes a quantity as the JSON-RPC of Ethereum spells it: `"0x0"`, `"0x1f"`.
    public mutating func hexQuantity(_ value: UInt64) {
        beginHex()
        appendHexQuantity(value)
        bytes.append(0x22)
    }

    /// Writes bytes as `"0x…"` with two digits each.
    public mutating func hexData(_ data: [UInt8]) { hexData(data.span) }

    /// Writes bytes as `"0x…"` with two digits each.
    public mutating func hexData(_ data: ArraySlice<UInt8>) { hexData(data.span) }

    /// Writes bytes as `"0x…"` with two digits each.
    public mutating func hexData(_ data: Span<UInt8>) {
        beginHex()
        bytes.reserveCapacity(bytes.count + 2 * data.count + 1)
        for index in data.indices { appendHexByte(data[index]) }
        bytes.append(0x22)
    }

    /// Writes a tree.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let text): word(text)
        case .string(let text): string(text)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let object):
            beginObject()
            for (key, member) in object {
                self.key(key)
                self.value(member)
            }
            endObject()
        }
    }

    /// Writes one value whose text the caller vouches for.
    public mutating func raw(_ text: [UInt8]) {
        separate()
        bytes.append(contentsOf: text)
        needsComma = true
    }

    /// Writes one value whose text the caller vouches for.
    public mutating func raw(_ text: ArraySlice<UInt8>) {
        separate()
        bytes.append(contentsOf: text)
        needsComma = true
    }

    // MARK: Going back

    /// A place in the text to go back to.
    public struct Mark: Sendable {
        let count: Int
        let needsComma: Bool
    }

    /// The place that was reached.
    public func mark() -> Mark { Mark(count: bytes.count, needsComma: needsComma) }

    /// Forgets what was written since the mark was taken.
    public mutating func rewind(to mark: Mark) {
        bytes.removeLast(bytes.count - mark.count)
        needsComma = mark.needsComma
    }

    // MARK: Pieces

    /// Starts a hexadecimal string: quote and `0x`.
    mutating func beginHex() {
        separate()
        bytes.append(0x22)
        bytes.append(0x30)
        bytes.append(0x78)
        needsComma = true
    }

    mutating func endHex() { bytes.append(0x22) }

    mutating func appendHexByte(_ byte: UInt8) {
        bytes.append(Self.digit(byte >> 4))
        bytes.append(Self.digit(byte & 15))
    }

    /// Appends all sixteen digits of a word.
    mutating func appendHexWord(_ word: UInt64) {
        for shift in stride(from: 56 as UInt64, through: 0, by: -8) {
            appendHexByte(UInt8(truncatingIfNeeded: word &>> shift))
        }
    }

    /// Appends the digits of a word without leading zeros, at least one.
    mutating func appendHexQuantity(_ value: UInt64) {
        var shift = max(0, (63 - value.leadingZeroBitCount) & ~3)
        while shift >= 0 {
            bytes.append(Self.digit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15))
            shift -= 4
        }
    }

    private static func digit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
    }

    private mutating func separate() {
        if needsComma { bytes.append(0x2c) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func word(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        bytes.append(0x5c)
        switch byte {
        case 0x22, 0x5c: bytes.append(byte)
        case 0x08: bytes.append(0x62)
        case 0x09: bytes.append(0x74)
        case 0x0a: bytes.append(0x6e)
        case 0x0c: bytes.append(0x66)
        case 0x0d: bytes.append(0x72)
        default:
            bytes.append(contentsOf: "u00".utf8)
            appendHexByte(byte)
        }
    }
}
