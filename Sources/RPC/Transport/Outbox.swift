import NIOCore
import Primitives

/// A message to a client, or a part of it.
struct MessagePiece {
    let bytes: ByteBuffer
    /// Whether the message begins here.
    let isFirst: Bool
    /// Whether the message ends here.
    let isLast: Bool

    var isWhole: Bool { isFirst && isLast }
}

/// The text of a message as far as it was not given to the socket yet.
///
/// It is given out in pieces, the next one when the socket has taken the one before: of what a slow
/// client does not read there is no second copy.
struct OutgoingText {
    /// How many bytes the message has.
    var count: Int { text.count }
    /// Whether all pieces were given out.
    var isGivenOut: Bool { position == text.count }

    private let text: Bytes
    /// Held for as long as the text.
    private let room: AnswerRoom?
    private var position = 0

    init(_ text: Bytes, room: AnswerRoom? = nil) {
        self.text = text
        self.room = room
    }

    /// Gives out the next piece, of so many bytes if that many are left.
    mutating func next(atMost count: Int) -> MessagePiece {
        let start = position
        position = min(start + count, text.count)
        return MessagePiece(
            bytes: ByteBuffer(bytes: text[start..<position]), isFirst: start == 0,
            isLast: isGivenOut)
    }
}

/// What a connection that stays still has to send: messages in their order.
///
/// A message of one piece is written at once. Of a larger one a piece is written when the socket has
/// taken the one before, and the messages after it wait for its end:
///
///     messages   | large, its third piece is out | small | large | …
///                                                  \_ waitingBytes _/
struct Outbox {
    /// What is to be written next.
    enum Step {
        /// All of a message, and what is completed when the socket has taken it.
        case message(MessagePiece, sent: EventLoopPromise<Void>?)
        /// A piece of a larger message. When the socket has taken it, `pieceTaken` is to be called.
        case piece(MessagePiece)
    }

    private struct Message {
        var text: OutgoingText
        let sent: EventLoopPromise<Void>?
    }

    private let pieceBytes: Int
    private var messages = CircularBuffer<Message>()
    private var isPieceOut = false

    /// Bytes of the messages that wait for the end of another.
    private(set) var waitingBytes = 0

    /// - Parameter pieceBytes: bytes that are written at a time.
    init(pieceBytes: Int) {
        self.pieceBytes = pieceBytes
    }

    /// Whether all was written, and the socket has taken the last piece of what had several.
    var isEmpty: Bool { messages.isEmpty }

    /// Adds a message.
    ///
    /// - Parameter sent: completed when the socket has taken it, or never will.
    mutating func append(_ text: OutgoingText, sent: EventLoopPromise<Void>?) {
        if !messages.isEmpty { waitingBytes += text.count }
        messages.append(Message(text: text, sent: sent))
    }

    /// What is to be written now; nil if there is nothing, or the socket has to take a piece first.
    mutating func next() -> Step? {
        guard !isPieceOut, !messages.isEmpty else { return nil }
        let piece = messages[messages.startIndex].text.next(atMost: pieceBytes)
        if piece.isWhole { return .message(piece, sent: removeFirst()) }
        isPieceOut = true
        return .piece(piece)
    }

    /// Notes that the socket has taken the piece that was out.
    ///
    /// - Returns: what is to be completed if it was the last of its message.
    mutating func pieceTaken() -> EventLoopPromise<Void>? {
        isPieceOut = false
        guard messages.first?.text.isGivenOut == true else { return nil }
        return removeFirst()
    }

    /// Forgets all messages.
    ///
    /// - Returns: what is to be completed, since they will not be sent.
    mutating func removeAll() -> [EventLoopPromise<Void>] {
        defer {
            messages.removeAll()
            waitingBytes = 0
        }
        return messages.compactMap(\.sent)
    }

    private mutating func removeFirst() -> EventLoopPromise<Void>? {
        let sent = messages.removeFirst().sent
        if let next = messages.first { waitingBytes -= next.text.count }
        return sent
    }
}
