import Gateway
import Primitives
import TestSupport
import Testing

@Suite struct EventStreamParserTests {
    typealias Event = EventStreamParser.Event
    typealias Item = EventStreamParser.Item

    static func parse(_ text: String) throws -> [Item] {
        var parser = EventStreamParser()
        return try parser.read(Bytes(text.utf8))
    }

    @Test func `an event has a type, data and an id`() throws {
        #expect(
            try Self.parse("id: 7\nevent: block\ndata: {\"a\":1}\n\n")
                == [.event(Event(type: "block", data: "{\"a\":1}", id: "7"))])
    }

    @Test func `lines of data are joined, and one space after the colon is none of it`() throws {
        #expect(
            try Self.parse("data:a\ndata:  b\ndata\n\n") == [.event(Event(data: "a\n b\n"))])
    }

    @Test func `an event without data is none`() throws {
        #expect(try Self.parse("event: x\n\ndata: y\n\n") == [.event(Event(data: "y"))])
    }

    @Test func `the id stays until the next`() throws {
        #expect(
            try Self.parse("id: 1\ndata: a\n\ndata: b\n\n")
                == [.event(Event(data: "a", id: "1")), .event(Event(data: "b", id: "1"))])
    }

    @Test func `a comment is a sign of life`() throws {
        #expect(try Self.parse(": hello\n\n") == [.comment])
    }

    @Test func `an event that is not complete waits`() throws {
        #expect(try Self.parse("data: a\n").isEmpty)
    }

    @Test func `a line without end is an error, not a full memory`() {
        var parser = EventStreamParser()
        #expect(throws: EventStreamParser.TooLong.self) {
            for _ in 0..<17 {
                _ = try parser.read(Bytes(repeating: 97, count: 1 << 16))
            }
        }
    }

    @Test(arguments: ["\n", "\r", "\r\n"])
    func `it matters neither how lines end nor how bytes come`(end: String) throws {
        let text = ["id: 1", "event: e", "data: ä", "data: b", "", ": c", "data: d", "", ""]
            .joined(separator: end)
        let expected: [Item] = [
            .event(Event(type: "e", data: "ä\nb", id: "1")), .comment,
            .event(Event(data: "d", id: "1")),
        ]
        var random = SeededRandom(seed: 9)
        for _ in 0..<200 {
            var parser = EventStreamParser()
            var items: [Item] = []
            var rest = ArraySlice(Bytes(text.utf8))
            while !rest.isEmpty {
                let count = Int.random(in: 1...4, using: &random)
                items += try parser.read(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            #expect(items == expected)
        }
    }
}
