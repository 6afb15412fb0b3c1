// Bytes as hexadecimal text.

/// Hexadecimal text as JSON-RPC writes it.
public enum Hex {
    /// "0x" and two lower-case digits a byte.
    @inlinable
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text = Bytes()
        text.reserveCapacity(2 &+ 2 &* bytes.underestimatedCount)
        text.append(UInt8(ascii: "0"))
        text.append(UInt8(ascii: "x"))
        for byte in bytes {
            text.append(digit(byte &>> 4))
            text.append(digit(byte & 15))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of an even number of digits of any case, with or without "0x"; nil for other text.
    @inlinable
    public static func decode(_ text: some StringProtocol) -> Bytes? {
        var digits = text.utf8[...]
        if digits.starts(with: [UInt8(ascii: "0"), UInt8(ascii: "x")]) {
            digits = digits.dropFirst(2)
        }
        var bytes = Bytes()
        bytes.reserveCapacity(digits.count / 2)
        var high: UInt8?
        for digit in digits {
            guard let low = nibble(digit) else { return nil }
            if let first = high {
                bytes.append(first &<< 4 | low)
                high = nil
            } else {
                high = low
            }
        }
        return high == nil ? bytes : nil
    }

    /// The lower-case digit of a nibble below 16.
    @inlinable @inline(always)
    public static func digit(_ nibble: UInt8) -> UInt8 {
        nibble &+ (nibble < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") &- 10)
    }

    /// The nibble of a digit of any case, or nil.
    @inlinable @inline(always)
    public static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }
}
