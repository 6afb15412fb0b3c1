import Primitives
import Testing

@Suite struct JSONValueTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-0", "12", "-1.5e+10", "1E5", "0.25", "[]", "{}", #""""#,
        #"["a",1,[true,null],{"b":{"c":[]}}]"#, #"{"z":1,"a":2}"#,
        "123456789012345678901234567890123456789012345678901234567890",
    ]) func `a compact text reads and writes back as itself`(text: String) throws {
        #expect(try JSONValue(parsing: text).description == text)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "tru", "True", "01", "-", "-01", "1.", ".5", "1e", "1e+", "+1",
        "0x1", "--1", "1.5.2", "NaN", "Infinity", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
        "[1,,2]", "[}", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\" 1}",
        "{1:2}", "{\"a\":1 \"b\":2}", "\"", "\"a", "'a'", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
        "\"\\\"", "\"\t\"", "\"\n\"", "\"\u{0}\"", "1 2", "{} x", "[] ]", "\u{feff}1", "\u{a0}1",
        #""\ud800""#, #""\udc00""#, #""\ud800\u0041""#, #""\ud800x""#, #"{"a":1}}"#, "//c\n1",
    ]) func `a text outside the grammar is refused`(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test func `white space may stand between all tokens`() throws {
        let value = try JSONValue(parsing: " \t\r\n{ \"a\" : [ 1 , { } , [ ] ] , \"b\" : null } \n")
        #expect(value.description == #"{"a":[1,{},[]],"b":null}"#)
    }

    @Test func `escapes stand for their characters`() throws {
        let value = try JSONValue(parsing: #""\"\\\/\b\f\n\r\tA\u00e9\u20ac\ud83d\ude00""#)
        #expect(value == .string("\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1f600}"))
    }

    @Test func `only what must be escaped is written with an escape`() {
        let value = JSONValue.string("/\"\\\n\u{1}\u{1f}é😀")
        #expect(value.description == #""/\"\\\n\u0001\u001fé😀""#)
    }

    @Test(
        arguments: [
            [0x80], [0xc0, 0xaf], [0xc2], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82],
            [0xf0, 0x80, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff],
        ] as [[UInt8]]) func `text that is not UTF-8 is refused`(bytes: [UInt8])
    {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22] + bytes + [0x22]) }
    }

    @Test func `of a repeated key the last value counts`() throws {
        let value = try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#)
        #expect(value == ["a": 3, "b": 2])
    }

    @Test func `nesting is read up to the limit and refused beyond it`() throws {
        let limit = 10
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(throws: Never.self) { try JSONValue(parsing: nested(limit), maxDepth: limit) }
        #expect(throws: JSONError.tooDeep(limit: limit)) {
            try JSONValue(parsing: nested(limit + 1), maxDepth: limit)
        }
        #expect(throws: JSONError.tooDeep(limit: 64)) {
            try JSONValue(parsing: String(repeating: "[", count: 1_000_000))
        }
        let siblings = "[" + Array(repeating: "[{}]", count: 100).joined(separator: ",") + "]"
        #expect(throws: Never.self) { try JSONValue(parsing: siblings, maxDepth: 3) }
    }

    @Test func `accessors answer nil for another kind`() throws {
        let value = try JSONValue(parsing: #"{"n":7,"s":"x","a":[1,2],"b":true,"f":1.5}"#)
        #expect(value["n"]?.intValue == 7)
        #expect(value["n"]?.uint64Value == 7)
        #expect(value["f"]?.doubleValue == 1.5)
        #expect(value["f"]?.intValue == nil)
        #expect(value["s"]?.stringValue == "x")
        #expect(value["a"]?[1]?.intValue == 2)
        #expect(value["a"]?[2] == nil)
        #expect(value["a"]?[-1] == nil)
        #expect(value["b"]?.boolValue == true)
        #expect(value["missing"] == nil)
        #expect(value["s"]?["x"] == nil)
        #expect(JSONValue.null.isNull)
    }

    @Test func `a prefix of a valid text is never accepted and never traps`() throws {
        let text = [UInt8](#"{"a":[1.5e3,"\u00e9\ud83d\ude00é",{"b":false}],"c":null}"#.utf8)
        for count in 0..<text.count {
            #expect(throws: JSONError.self) { try JSONValue(parsing: text[..<count]) }
        }
        #expect(throws: Never.self) { try JSONValue(parsing: text) }
    }

    @Test func `a changed byte is parsed or refused without a trap`() {
        let text = [UInt8](#"{"a":[1.5e3,"\u00e9\ud83d\ude00é",{"b":false}],"c":null}"#.utf8)
        for index in text.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = text
                changed[index] = byte
                guard let value = try? JSONValue(parsing: changed) else { continue }
                #expect(try! JSONValue(parsing: value.encoded()) == value)
            }
        }
    }
}
