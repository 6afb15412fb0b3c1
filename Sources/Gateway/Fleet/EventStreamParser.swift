import Primitives

/// Reads server-sent events (HTML standard, section 9.2) from bytes that come in any pieces.
package struct EventStreamParser: Sendable {
    /// One event.
    package struct Event: Hashable, Sendable {
        /// Its type; `message` if the stream names none.
        package var type = "message"
        /// Its data, lines joined.
        package var data = ""
        /// The identity that a client resumes from: that of the last event that had one.
        package var id = ""

        package init(type: String = "message", data: String = "", id: String = "") {
            self.type = type
            self.data = data
            self.id = id
        }
    }

    /// What the stream brings.
    package enum Item: Hashable, Sendable {
        case event(Event)
        /// A comment: a sign of life.
        case comment
    }

    /// The stream is longer than any of ours without a line's or an event's end.
    package struct TooLong: Error {}

    /// Bytes of a line and of an event at most.
    package static let limit = 1 << 20

    private var line: Bytes = []
    private var event = Event()
    private var hasData = false
    private var wasReturn = false

    package init() {}

    /// The items that are complete with these bytes.
    package mutating func read(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [Item] {
        var items: [Item] = []
        for byte in bytes {
            defer { wasReturn = byte == UInt8(ascii: "\r") }
            switch byte {
            case UInt8(ascii: "\n") where wasReturn: continue
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let item = end() { items.append(item) }
                line.removeAll(keepingCapacity: true)
            default:
                guard line.count + event.data.utf8.count < Self.limit else { throw TooLong() }
                line.append(byte)
            }
        }
        return items
    }

    /// The end of a line.
    private mutating func end() -> Item? {
        if line.isEmpty {
            defer {
                event.type = "message"
                event.data = ""
                hasData = false
            }
            return hasData ? .event(event) : nil
        }
        if line.first == UInt8(ascii: ":") { return .comment }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": event.type = text
        case "data":
            event.data += hasData ? "\n" + text : text
            hasData = true
        case "id": if !value.contains(0) { event.id = text }
        default: break
        }
        return nil
    }
}
