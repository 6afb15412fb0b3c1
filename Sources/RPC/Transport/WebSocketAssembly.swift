import NIOCore
import NIOWebSocket
import Primitives

/// What a client did that ends its connection, by the code that it is told (RFC 6455, section 7.4.1).
enum WebSocketFault: Error, Hashable {
    /// It broke the protocol: 1002.
    case protocolError
    /// Text that is no UTF-8, or compressed data that is none: 1007.
    case invalidData
    /// A message with more bytes or fragments than the server takes: 1009.
    case tooLarge

    var code: WebSocketErrorCode {
        switch self {
        case .protocolError: .protocolError
        case .invalidData: .dataInconsistentWithMessage
        case .tooLarge: .messageTooLarge
        }
    }
}

/// One thing that a client said.
enum WebSocketEvent {
    /// A whole message; of a compressed one the compressed bytes.
    case message(ByteBuffer, isText: Bool, isCompressed: Bool)
    case ping(ByteBuffer)
    case pong
    /// It closes, with these first bytes of the reason: its code, or nothing.
    case close(code: ByteBuffer)
}

/// Puts messages together from frames, and holds clients to RFC 6455: frames are masked, reserved
/// bits and opcodes unused, fragments in order and not too many, and closes are well-formed.
struct WebSocketAssembly {
    private struct Open {
        let isText: Bool
        let isCompressed: Bool
        var bytes: ByteBuffer
        var fragments = 1
    }

    private let limits: RPCLimits
    private let allowsCompression: Bool
    private var open: Open?

    init(limits: RPCLimits, allowsCompression: Bool) {
        self.limits = limits
        self.allowsCompression = allowsCompression
    }

    /// What a frame completes; nil if more is to come.
    ///
    /// Control frames that are fragmented or too long the decoder refuses.
    mutating func take(_ frame: WebSocketFrame) throws(WebSocketFault) -> WebSocketEvent? {
        // Section 5.1: a client masks every frame.
        guard frame.maskKey != nil, !frame.rsv2, !frame.rsv3 else { throw .protocolError }
        let data = frame.unmaskedData
        if frame.rsv1 {
            // RFC 7692, section 6: only the first frame of a message says that it is compressed.
            guard allowsCompression, frame.opcode == .text || frame.opcode == .binary else {
                throw .protocolError
            }
        }
        switch frame.opcode {
        case .text, .binary:
            guard open == nil else { throw .protocolError }
            guard data.readableBytes <= limits.messageBytes else { throw .tooLarge }
            open = Open(
                isText: frame.opcode == .text, isCompressed: frame.rsv1, bytes: data)
            return frame.fin ? finish() : nil
        case .continuation:
            guard var message = open else { throw .protocolError }
            open = nil
            message.fragments += 1
            guard message.fragments <= limits.messageFragments,
                message.bytes.readableBytes + data.readableBytes <= limits.messageBytes
            else { throw .tooLarge }
            message.bytes.writeImmutableBuffer(data)
            open = message
            return frame.fin ? finish() : nil
        case .ping: return .ping(data)
        case .pong: return .pong
        case .connectionClose: return .close(code: try Self.closeCode(data))
        default: throw .protocolError
        }
    }

    private mutating func finish() -> WebSocketEvent? {
        defer { open = nil }
        return open.map {
            .message($0.bytes, isText: $0.isText, isCompressed: $0.isCompressed)
        }
    }

    /// The code of a close, which is sent back (section 5.5.1).
    private static func closeCode(_ payload: ByteBuffer) throws(WebSocketFault) -> ByteBuffer {
        var payload = payload
        if payload.readableBytes == 0 { return payload }
        guard let code = payload.readInteger(as: UInt16.self) else { throw .protocolError }
        switch code {
        // Section 7.4: those of the protocol, of IANA's registry, and private ones.
        case 1000...1003, 1007...1014, 3000...4999: break
        default: throw .protocolError
        }
        guard payload.isUTF8 else { throw .invalidData }
        var answer = ByteBuffer()
        answer.writeInteger(code)
        return answer
    }
}

extension ByteBuffer {
    /// Whether what is readable is text.
    var isUTF8: Bool {
        do {
            _ = try UTF8Span(validating: readableBytesUInt8Span)
            return true
        } catch {
            return false
        }
    }
}
