public import Primitives

/// One message that is compressed part by part: what is found in a part refers to those before it.
///
/// The compressed parts one after another are what ``MessageCompression/compress(_:)`` would make of the
/// whole, but for a few bytes between them. Not for several threads at once.
public final class MessageDeflation {
    private let deflater: Deflater
    private let lender: MessageCompression

    init(_ deflater: Deflater, of lender: MessageCompression) {
        self.deflater = deflater
        self.lender = lender
    }

    deinit {
        lender.giveBack(deflater)
    }

    /// The next part, which is not the last and not empty, in compressed form; nil if that fails, and
    /// the message then cannot be ended.
    public func next(_ part: Bytes) -> Bytes? {
        deflater.deflate(part, .flushed)
    }

    /// The last part, which is not empty unless it is the only one, in compressed form; nil if that
    /// fails.
    public func last(_ part: Bytes) -> Bytes? {
        guard var packed = deflater.deflate(part, .flushed),
            packed.suffix(4).elementsEqual(MessageCompression.tail)
        else { return nil }
        packed.removeLast(4)
        return packed
    }
}
