public import Primitives
import Synchronization

/// Messages that are compressed each for itself, as permessage-deflate without context takeover does
/// (RFC 7692, section 7.2).
///
/// zlib's working memory, some 300 KiB, is needed only while a message is worked on: it is lent from
/// here and given back, so connections that are silent have none.
public final class MessageCompression: Sendable {
    /// zlib's states, one to a thread at a time.
    private struct Idle {
        var inflaters: [Inflater] = []
        var deflaters: [Deflater] = []
    }

    /// States that are kept for the next message.
    private static let kept = 16
    /// What ends every message and is left out (RFC 7692, section 7.2.1).
    static let tail: Bytes = [0x00, 0x00, 0xff, 0xff]

    /// Blocks of a message that may say that they are the last.
    private static let largestLastBlocks = 4

    private let windowBits: Int
    private let idle = Mutex(Idle())

    /// - Parameter windowBits: the logarithm of how far back a message may refer, 9 to 15.
    public init(windowBits: Int) {
        precondition(9...15 ~= windowBits, "DEFLATE has windows of 512 bytes to 32 KiB.")
        self.windowBits = windowBits
    }

    /// A message in compressed form; nil if that fails.
    public func compress(_ message: Bytes) -> Bytes? {
        begin()?.last(message)
    }

    /// A message whose parts are compressed one after another; nil if there is no memory for it.
    public func begin() -> MessageDeflation? {
        let kept = idle.withLock { $0.deflaters.popLast() }
        guard let deflater = kept ?? Deflater(windowBits: Int32(-windowBits), level: 1),
            deflater.reset()
        else { return nil }
        return MessageDeflation(deflater, of: self)
    }

    func giveBack(_ deflater: Deflater) {
        idle.withLock { if $0.deflaters.count < Self.kept { $0.deflaters.append(deflater) } }
    }

    /// A message that came in compressed form.
    ///
    /// - Parameter limit: bytes that it may have.
    public func decompress(_ packed: Bytes, limit: Int) throws(InflationError) -> Bytes {
        let kept = idle.withLock { $0.inflaters.popLast() }
        guard let inflater = kept ?? Inflater(.none) else { throw .tooLarge }
        defer {
            idle.withLock { if $0.inflaters.count < Self.kept { $0.inflaters.append(inflater) } }
        }
        var message: Bytes = []
        var rest = packed + Self.tail
        // A message may have last blocks within (section 7.2.3.4), though nobody sends many.
        for _ in 0..<Self.largestLastBlocks {
            let (part, consumed) = try inflater.inflate(
                rest, mayStayOpen: true, limit: limit - message.count)
            message += part
            rest.removeFirst(consumed)
            // The tail that was added need not be used up.
            if rest.count <= Self.tail.count { return message }
        }
        throw .damaged
    }
}
