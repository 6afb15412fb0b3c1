import Primitives
import RPC
import Storage

/// How far a consumer of the events is: the number of the last event that it has dealt with, and the
/// head which that left.
///
/// The number alone would fit another history just as well: that of a node which was restored from a
/// backup and has gone on differently since. `0x0` is the cursor of who has seen nothing.
struct FeedCursor: Hashable, Sendable, CustomStringConvertible {
    let sequence: UInt64
    /// Nil for a cursor that is a number alone.
    let headHash: Hash256?

    init(sequence: UInt64, headHash: Hash256?) {
        self.sequence = sequence
        self.headHash = sequence == 0 ? nil : headHash
    }

    var description: String {
        let number = UInt256(sequence).hexQuantity
        return headHash.map { "\(number).\($0)" } ?? number
    }
}

extension FeedCursor: RPCParameter {
    static func decode(_ text: JSONText) throws(RPCParameterError) -> FeedCursor {
        if let number = try? LenientQuantity.decode(text).uint64() {
            return FeedCursor(sequence: number, headHash: nil)
        }
        let parts = try String.decode(text).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].hasPrefix("0x"), parts[0].utf8.count > 2,
            parts[0].dropFirst(2).allSatisfy(\.isHexDigit),
            let sequence = UInt64(parts[0].dropFirst(2), radix: 16), parts[1].utf8.count == 66,
            let hash = Hash256(hex: String(parts[1]))
        else { throw RPCParameterError("is no cursor of an event") }
        return FeedCursor(sequence: sequence, headHash: hash)
    }

    static let schema: JSONValue = [
        "type": "string", "pattern": "^0x[0-9a-f]+(\\.0x[0-9a-f]{64})?$", "title": "Cursor",
    ]
}

extension FeedEvent {
    /// The cursor of who has dealt with the event.
    var cursor: FeedCursor { FeedCursor(sequence: sequence, headHash: headAfter.hash) }
}

extension EventFeed {
    /// Whether what a consumer has seen is of this history, as far as events are kept that tell.
    func isKnown(_ cursor: FeedCursor, in snapshot: Snapshot) throws -> Bool {
        guard cursor.sequence > 0 else { return true }
        guard let hash = cursor.headHash, cursor.sequence <= (try last(in: snapshot)) else {
            return false
        }
        do {
            let seen = try events(after: cursor.sequence - 1, limit: 1, in: snapshot)
            return seen.first?.headAfter.hash == hash
        } catch is EventsForgotten {}
        do {
            let next = try events(after: cursor.sequence, limit: 1, in: snapshot).first
            return next?.headBefore.map { $0 == hash } ?? false
        } catch is EventsForgotten {
            // Whoever asks for what came after it is told so.
            return true
        }
    }
}

extension FeedEvent {
    /// The hash of the head that the event has found; nil if it does not say.
    fileprivate var headBefore: Hash256? {
        switch kind {
        case .committed: parentHash
        case .reverted: block.hash
        case .reset: nil
        }
    }
}
