/// A cursor over JSON text that checks the grammar of RFC 8259 and builds nothing.
///
/// It answers with ranges of the text, so that a caller who knows what it expects can read typed
/// values straight from the bytes. What a range covers has been checked: the text of a string is
/// valid UTF-8 with valid escapes, a number follows the grammar, nesting is within `maxDepth`.
///
/// The text is an argument of every call rather than a property, because a `Span` cannot be stored
/// in an escapable type; pass the same text each time.
public struct JSONScanner: Sendable {
    /// Offset of the next byte to read.
    public private(set) var position: Int

    /// How deep arrays and objects may be nested; it also bounds the native recursion.
    public let maxDepth: Int

    private var depth = 0

    /// Whether a container was just opened and nothing of it read.
    private var isAtFirstItem = false

    /// The nesting that is allowed where the caller does not say otherwise.
    public static let defaultMaxDepth = 64

    /// A cursor before the byte at `position`.
    public init(position: Int = 0, maxDepth: Int = JSONScanner.defaultMaxDepth) {
        self.position = position
        self.maxDepth = maxDepth
    }

    /// The next byte that is not white space, or nil at the end of the text. Does not consume it.
    public mutating func peek(in text: Span<UInt8>) -> UInt8? {
        while position < text.count {
            let byte = text[position]
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return byte }
            position &+= 1
        }
        return nil
    }

    /// Throws unless only white space is left.
    public mutating func finish(in text: Span<UInt8>) throws(JSONError) {
        if peek(in: text) != nil { throw .trailingBytes(offset: position) }
    }

    /// Reads one value of any kind and answers the range of its text.
    public mutating func skipValue(in text: Span<UInt8>) throws(JSONError) -> Range<Int> {
        guard let first = peek(in: text) else { throw .unexpectedEnd }
        let start = position
        switch first {
        case 0x22: _ = try string(in: text)
        case 0x7b:
            try beginContainer(0x7b, in: text)
            while let _ = try nextKey(in: text) { _ = try skipValue(in: text) }
        case 0x5b:
            try beginContainer(0x5b, in: text)
            while try nextElement(in: text) { _ = try skipValue(in: text) }
        case 0x74: try literal("true", in: text)
        case 0x66: try literal("false", in: text)
        case 0x6e: try literal("null", in: text)
        default: _ = try number(in: text)
        }
        return start..<position
    }

    /// Consumes `{`; read the members with `nextKey`.
    public mutating func beginObject(in text: Span<UInt8>) throws(JSONError) {
        try beginContainer(0x7b, in: text)
    }

    /// Consumes `[`; read the elements with `nextElement`.
    public mutating func beginArray(in text: Span<UInt8>) throws(JSONError) {
        try beginContainer(0x5b, in: text)
    }

    /// The next key of the current object, up to and with its colon, or nil once `}` was consumed.
    ///
    /// - Returns: the range between the quotes and whether it holds escapes.
    public mutating func nextKey(in text: Span<UInt8>) throws(JSONError) -> JSONStringRange? {
        guard try advance(to: 0x7d, in: text) else { return nil }
        let key = try string(in: text)
        guard let colon = peek(in: text) else { throw .unexpectedEnd }
        guard colon == 0x3a else { throw .unexpectedByte(colon, offset: position) }
        position &+= 1
        return key
    }

    /// Whether another element follows in the current array; false once `]` was consumed.
    public mutating func nextElement(in text: Span<UInt8>) throws(JSONError) -> Bool {
        try advance(to: 0x5d, in: text)
    }

    /// Reads a string and answers the range between its quotes.
    public mutating func string(in text: Span<UInt8>) throws(JSONError) -> JSONStringRange {
        guard let quote = peek(in: text) else { throw .unexpectedEnd }
        guard quote == 0x22 else { throw .unexpectedByte(quote, offset: position) }
        position &+= 1
        let start = position
        var hasEscapes = false
        while position < text.count {
            let byte = text[position]
            if byte == 0x22 {
                let range = start..<position
                position &+= 1
                return JSONStringRange(range: range, hasEscapes: hasEscapes)
            } else if byte == 0x5c {
                hasEscapes = true
                try escape(in: text)
            } else if byte < 0x20 {
                throw .invalidString(offset: position)
            } else if byte < 0x80 {
                position &+= 1
            } else {
                try multibyteScalar(in: text)
            }
        }
        throw .unexpectedEnd
    }

    /// Reads a number and answers the range of its text.
    public mutating func number(in text: Span<UInt8>) throws(JSONError) -> Range<Int> {
        guard let first = peek(in: text) else { throw .unexpectedEnd }
        let start = position
        if first == 0x2d { position &+= 1 }
        guard position < text.count else { throw .unexpectedEnd }
        if text[position] == 0x30 {
            position &+= 1
        } else {
            guard text[position] != 0x2d, digits(in: text) else {
                if first == 0x2d { throw .invalidNumber(offset: position) }
                throw .unexpectedByte(first, offset: start)
            }
        }
        if position < text.count, text[position] == 0x2e {
            position &+= 1
            guard digits(in: text) else { throw .invalidNumber(offset: position) }
        }
        if position < text.count, text[position] | 0x20 == 0x65 {
            position &+= 1
            if position < text.count, text[position] == 0x2b || text[position] == 0x2d {
                position &+= 1
            }
            guard digits(in: text) else { throw .invalidNumber(offset: position) }
        }
        if position < text.count {
            let next = text[position]
            if next &- 0x30 < 10 || next == 0x2e { throw .invalidNumber(offset: position) }
        }
        return start..<position
    }

    /// Reads `true`, `false` or `null`.
    mutating func literal(_ word: StaticString, in text: Span<UInt8>) throws(JSONError) {
        let start = position
        for expected in String(describing: word).utf8 {
            guard position < text.count else { throw .unexpectedEnd }
            guard text[position] == expected else {
                throw .unexpectedByte(text[position], offset: position)
            }
            position &+= 1
        }
        assert(position > start)
    }

    private mutating func beginContainer(
        _ opening: UInt8, in text: Span<UInt8>
    ) throws(JSONError) {
        guard let byte = peek(in: text) else { throw .unexpectedEnd }
        guard byte == opening else { throw .unexpectedByte(byte, offset: position) }
        guard depth < maxDepth else { throw .tooDeep(limit: maxDepth) }
        depth &+= 1
        position &+= 1
        isAtFirstItem = true
    }

    /// Moves to the next item of a container, over a comma unless it is the first one.
    private mutating func advance(
        to closing: UInt8, in text: Span<UInt8>
    ) throws(JSONError) -> Bool {
        let isFirst = isAtFirstItem
        isAtFirstItem = false
        guard let byte = peek(in: text) else { throw .unexpectedEnd }
        if byte == closing {
            position &+= 1
            depth &-= 1
            return false
        }
        if isFirst { return true }
        guard byte == 0x2c else { throw .unexpectedByte(byte, offset: position) }
        position &+= 1
        guard let next = peek(in: text) else { throw .unexpectedEnd }
        guard next != closing else { throw .unexpectedByte(next, offset: position) }
        return true
    }

    private mutating func digits(in text: Span<UInt8>) -> Bool {
        let start = position
        while position < text.count, text[position] &- 0x30 < 10 { position &+= 1 }
        return position > start
    }

    /// Checks one escape, or a pair of `\u` escapes that make one scalar beyond U+FFFF.
    private mutating func escape(in text: Span<UInt8>) throws(JSONError) {
        let start = position
        guard position &+ 1 < text.count else { throw .unexpectedEnd }
        switch text[position &+ 1] {
        case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74: position &+= 2
        case 0x75:
            let unit = try hexUnit(at: position &+ 2, in: text)
            position &+= 6
            if unit & 0xf800 == 0xd800 {
                guard unit < 0xdc00, position &+ 1 < text.count, text[position] == 0x5c,
                    text[position &+ 1] == 0x75,
                    try hexUnit(at: position &+ 2, in: text) & 0xfc00 == 0xdc00
                else { throw .invalidString(offset: start) }
                position &+= 6
            }
        default: throw .invalidString(offset: start)
        }
    }

    /// Checks one scalar of two to four bytes (Unicode 3.9, table 3-7).
    private mutating func multibyteScalar(in text: Span<UInt8>) throws(JSONError) {
        let lead = text[position]
        var lower: UInt8 = 0x80
        var upper: UInt8 = 0xbf
        let count: Int
        switch lead {
        case 0xc2...0xdf: count = 2
        case 0xe0...0xef:
            count = 3
            if lead == 0xe0 { lower = 0xa0 }
            if lead == 0xed { upper = 0x9f }
        case 0xf0...0xf4:
            count = 4
            if lead == 0xf0 { lower = 0x90 }
            if lead == 0xf4 { upper = 0x8f }
        default: throw .invalidString(offset: position)
        }
        guard text.count &- position >= count else { throw .invalidString(offset: position) }
        for offset in 1..<count {
            let byte = text[position &+ offset]
            guard byte >= lower, byte <= upper else { throw .invalidString(offset: position) }
            lower = 0x80
            upper = 0xbf
        }
        position &+= count
    }
}

/// Where the text of a string stands, between its quotes.
public struct JSONStringRange: Hashable, Sendable {
    /// The range between the quotes.
    public let range: Range<Int>
    /// Whether the text must be unescaped to be read.
    public let hasEscapes: Bool

    /// Whether the text is exactly this word; an escaped spelling of it counts too.
    public func equals(_ word: String, in text: Span<UInt8>) -> Bool {
        if hasEscapes { return string(in: text) == word }
        guard range.count == word.utf8.count else { return false }
        var offset = range.lowerBound
        for byte in word.utf8 {
            if text[offset] != byte { return false }
            offset &+= 1
        }
        return true
    }

    /// The string that the text stands for.
    public func string(in text: Span<UInt8>) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let byte = text[offset]
            if byte == 0x5c {
                offset = Self.appendEscape(at: offset, in: text, to: &bytes)
            } else {
                bytes.append(byte)
                offset &+= 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends what the escape at `offset` stands for and answers the offset behind it.
    private static func appendEscape(
        at offset: Int, in text: Span<UInt8>, to bytes: inout [UInt8]
    ) -> Int {
        switch text[offset &+ 1] {
        case 0x62: bytes.append(0x08)
        case 0x66: bytes.append(0x0c)
        case 0x6e: bytes.append(0x0a)
        case 0x72: bytes.append(0x0d)
        case 0x74: bytes.append(0x09)
        case 0x75:
            var end = offset &+ 6
            var scalar = UInt32((try? hexUnit(at: offset &+ 2, in: text)) ?? 0xfffd)
            if scalar & 0xfc00 == 0xd800 {
                let low = UInt32((try? hexUnit(at: offset &+ 8, in: text)) ?? 0xdc00)
                scalar = 0x10000 &+ ((scalar & 0x3ff) << 10 | low & 0x3ff)
                end = offset &+ 12
            }
            let character = Unicode.Scalar(scalar) ?? "\u{fffd}"
            bytes.append(contentsOf: Character(character).utf8)
            return end
        default: bytes.append(text[offset &+ 1])
        }
        return offset &+ 2
    }
}

/// The UTF-16 unit spelled by four hexadecimal digits.
private func hexUnit(at offset: Int, in text: Span<UInt8>) throws(JSONError) -> UInt16 {
    guard offset &+ 4 <= text.count else { throw .unexpectedEnd }
    var unit: UInt16 = 0
    for index in offset..<offset &+ 4 {
        let byte = text[index]
        let digit: UInt8
        switch byte {
        case 0x30...0x39: digit = byte &- 0x30
        case 0x61...0x66: digit = byte &- 0x57
        case 0x41...0x46: digit = byte &- 0x37
        default: throw .invalidString(offset: offset &- 2)
        }
        unit = unit << 4 | UInt16(digit)
    }
    return unit
}
