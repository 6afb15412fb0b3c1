import NIOCore
import Primitives

/// Cuts a stream of bytes into JSON values, the framing of geth's IPC: requests follow one another
/// without a separator, each an object or an array.
///
/// Only brackets and strings are told apart here; whether a piece is JSON the dispatcher finds out.
/// Bytes that can begin no request are handed on as a piece of their own up to the next line, which
/// gives a parse error as its answer.
struct JSONValueSplitter: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    private let maxBytes: Int
    private var scanned = 0
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    mutating func decode(
        context: ChannelHandlerContext, buffer: inout ByteBuffer
    ) throws -> DecodingState {
        if scanned == 0 { skipWhiteSpace(&buffer) }
        guard let end = scan(buffer.readableBytesView) else {
            guard buffer.readableBytes <= maxBytes else { throw TooLong() }
            return .needMoreData
        }
        guard end <= maxBytes, let piece = buffer.readSlice(length: end) else { throw TooLong() }
        scanned = 0
        depth = 0
        isInString = false
        isEscaped = false
        context.fireChannelRead(wrapInboundOut(piece))
        return .continue
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        while try decode(context: context, buffer: &buffer) == .continue {}
        buffer.clear()
        return .needMoreData
    }

    private func skipWhiteSpace(_ buffer: inout ByteBuffer) {
        let count = buffer.readableBytesView.prefix {
            $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09
        }.count
        buffer.moveReaderIndex(forwardBy: count)
    }

    /// The length of the first value, or nil as long as its end is not there.
    private mutating func scan(_ view: ByteBufferView) -> Int? {
        var index = scanned
        let count = view.count
        let start = view.startIndex
        while index < count {
            let byte = view[start &+ index]
            index &+= 1
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth &+= 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth &-= 1
                if depth <= 0 { return index }
            case UInt8(ascii: "\"") where depth > 0: isInString = true
            case UInt8(ascii: "\n") where depth == 0: return index
            default: break
            }
        }
        scanned = index
        return nil
    }

    /// A value is longer than a message may be.
    struct TooLong: Error {}
}

/// Ends every message to an IPC client with a line feed, as geth does.
final class LineEndingHandler: ChannelOutboundHandler {
    typealias OutboundIn = MessagePiece
    typealias OutboundOut = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let piece = unwrapOutboundIn(data)
        var bytes = piece.bytes
        if piece.isLast { bytes.writeInteger(UInt8(ascii: "\n")) }
        context.write(wrapOutboundOut(bytes), promise: promise)
    }
}
