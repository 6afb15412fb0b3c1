import Primitives
public import Storage

/// What a node's answers follow from: a head that one process has made public.
///
/// The hash of the block is not enough: on a devnet the latest state changes without a block, and
/// the oldest retained state, the safe and the final block change too. The process counts the heads
/// that it makes public; a process begins the count anew under another number.
public struct StateTag: Sendable, Hashable, CustomStringConvertible {
    /// A number of the process, new at each start.
    public let instance: UInt64
    /// How many heads it has made public.
    public let counter: UInt64
    /// The block.
    public let block: BlockReference
    /// The text of the header `Apus-State`.
    public let description: String
    /// The tag as an entity tag.
    public let entityTag: String

    /// A tag.
    public init(instance: UInt64, counter: UInt64, block: BlockReference) {
        self.instance = instance
        self.counter = counter
        self.block = block
        // Many answers follow from one state: the texts are made once.
        description = instance.sixteenDigits + ".\(counter).\(block.number).\(block.hash)"
        entityTag = "\"\(description)\""
    }

    /// Reads the text.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].utf8.count == 16,
            parts[0].utf8.allSatisfy({ Self.digits.contains($0) }),
            let instance = UInt64(parts[0], radix: 16),
            let counter = UInt64(decimalDigits: parts[1]),
            let number = UInt64(decimalDigits: parts[2]), parts[3].utf8.count == 66,
            let hash = Hash256(hex: String(parts[3]))
        else { return nil }
        self.init(
            instance: instance, counter: counter,
            block: BlockReference(number: number, hash: hash))
    }

    private static let digits = Set("0123456789abcdef".utf8)
}

extension UInt64 {
    /// All of the number in hexadecimal, leading zeros too.
    var sixteenDigits: String {
        var digits = Bytes(repeating: 0, count: 16)
        for index in 0..<16 {
            let nibble = UInt8(truncatingIfNeeded: self >> UInt64(60 - 4 * index)) & 15
            digits[index] = Hex.digit(nibble)
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
