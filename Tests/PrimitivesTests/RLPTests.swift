import Primitives
import TestSupport
import Testing

@Suite struct RLPTests {
    @Test func `numbers have no leading zeros`() {
        let cases: [(UInt256, Bytes)] = [
            (0, [0x80]), (1, [1]), (0x7f, [0x7f]), (0x80, [0x81, 0x80]), (0x100, [0x82, 1, 0]),
            (UInt256(UInt64.max), [0x88] + Bytes(repeating: 0xff, count: 8)),
            (.one << 64, [0x89, 1] + Bytes(repeating: 0, count: 8)),
            (.one << 136, [0x92, 1] + Bytes(repeating: 0, count: 17)),
            (.max, [0xa0] + Bytes(repeating: 0xff, count: 32)),
        ]
        for (number, expected) in cases {
            var encoder = RLPEncoder()
            encoder.append(number)
            #expect(encoder.bytes == expected)
            if let small = number.asUInt64 {
                var encoder = RLPEncoder()
                encoder.append(small)
                #expect(encoder.bytes == expected)
            }
        }
    }

    @Test func `every type reads back`() throws {
        var random = SeededRandom(seed: 9)
        for _ in 0..<200 {
            let (word, hash) = (random.word(), random.hash())
            let small = random.next() >> UInt64(random.index(below: 64))
            let address = Address(lowBytesOf: hash)
            let text = random.bytes(random.index(below: 300))
            let encoded = RLPEncoder.list { list in
                list.append(word)
                list.append(small)
                list.append(hash)
                list.append(address)
                list.append(nil as Address?)
                list.append(address as Address?)
                list.append(true)
                list.append(false)
                list.append(text)
                list.list { inner in
                    inner.append(text)
                    inner.list { _ in }
                }
                list.appendRaw([0xc1, 0x05])
            }
            var decoder = RLPDecoder(encoded)
            var list = try decoder.list()
            try decoder.finish()
            #expect(try list.uint256() == word)
            #expect(try list.uint64() == small)
            #expect(try list.hash() == hash)
            #expect(try list.address() == address)
            #expect(try list.optionalAddress() == nil)
            #expect(try list.optionalAddress() == address)
            #expect(try list.bool() == true)
            #expect(try list.bool() == false)
            #expect(try list.bytes() == text[...])
            #expect(list.nextIsList)
            var inner = try list.list()
            #expect(try inner.fixed(text.count) == text[...])
            #expect(try inner.rawItem() == [0xc0])
            #expect(inner.isAtEnd)
            #expect(try list.rawItem() == [0xc1, 0x05])
            try list.finish()
        }
    }

    @Test func `a decoder of a slice keeps to the slice`() throws {
        let bytes: Bytes = [9, 9, 0xc2, 1, 2, 9]
        var decoder = RLPDecoder(bytes[2..<5])
        var list = try decoder.list()
        #expect(try list.uint64() == 1)
        #expect(try list.uint64() == 2)
        #expect(list.isAtEnd)
        #expect(decoder.isAtEnd)
        #expect(throws: RLPError.endOfInput) { try list.uint64() }
    }

    @Test func `an item says where it is in a slice`() throws {
        let bytes: Bytes = [9, 9, 0xc5, 0x82, 7, 8, 0xc1, 1, 0x05]
        var decoder = RLPDecoder(bytes[2...])
        let list = try decoder.item()
        #expect(list.isList)
        #expect(list.encoding == 2..<8)
        #expect(list.payload == 3..<8)
        let single = try decoder.item()
        #expect(!single.isList)
        #expect(single.encoding == 8..<9)
        #expect(single.payload == 8..<9)
        try decoder.finish()

        var inner = RLPDecoder(bytes[list.payload])
        #expect(try inner.item().payload == 4..<6)
        #expect(try inner.item().encoding == 6..<8)
        #expect(throws: RLPError.endOfInput) { try inner.item() }
    }

    @Test func `a size that is known ahead makes the same list`() {
        for count in [0, 1, 54, 55, 56, 255, 256, 70_000] {
            let string = Bytes(repeating: 0x7f, count: count)
            var encoder = RLPEncoder()
            encoder.appendListHeader(count: RLPEncoder.count(of: string))
            encoder.append(string)
            #expect(encoder.bytes == RLPEncoder.list { $0.append(string) })
        }
    }

    @Test func `a number is as wide as its type at most`() {
        expect([0x00], .leadingZero) { try $0.uint64() }
        expect([0x82, 0x00, 0x80], .leadingZero) { try $0.uint64() }
        expect([0x89] + Bytes(repeating: 1, count: 9), .numberTooLarge(maximumBytes: 8, actual: 9))
        {
            try $0.uint64()
        }
        expect(
            [0xa1] + Bytes(repeating: 1, count: 33), .numberTooLarge(maximumBytes: 32, actual: 33)
        ) { try $0.uint256() }
        expect([0x02], .invalidFlag) { try $0.bool() }
    }

    @Test func `a fixed length is exact`() {
        expect([0x81, 0x80], .wrongLength(expected: 32, actual: 1)) { try $0.hash() }
        expect([0x80], .wrongLength(expected: 20, actual: 0)) { try $0.address() }
        expect([0x05], .wrongLength(expected: 2, actual: 1)) { try $0.fixed(2) }
    }

    @Test func `a string is not a list`() {
        expect([0xc0], .unexpectedList) { try $0.bytes() }
        expect([0x80], .unexpectedString) { try $0.list() }
        expect([], .endOfInput) { try $0.bytes() }
        expect([], .endOfInput) { try $0.list() }
    }

    @Test func `only the shortest form is accepted`() {
        expect([0x81, 0x7f], .nonCanonicalLength) { try $0.bytes() }
        expect([0xb8, 0x37] + Bytes(repeating: 1, count: 55), .nonCanonicalLength) {
            try $0.bytes()
        }
        expect([0xb9, 0x00, 0x38] + Bytes(repeating: 1, count: 56), .nonCanonicalLength) {
            try $0.bytes()
        }
        expect([0xf8, 0x01, 0x01], .nonCanonicalLength) { try $0.list() }
        expect([0xb8], .truncated(needed: 1, available: 0)) { try $0.bytes() }
        expect([0x83, 1, 2], .truncated(needed: 3, available: 2)) { try $0.bytes() }
        expect([0xbf] + Bytes(repeating: 0xff, count: 8), .truncated(needed: .max, available: 0)) {
            try $0.bytes()
        }
        expect([0xff] + Bytes(repeating: 0xff, count: 8), .truncated(needed: .max, available: 0)) {
            try $0.list()
        }
    }

    @Test func `trailing bytes are found`() throws {
        var decoder = RLPDecoder([0x01, 0x02])
        _ = try decoder.uint64()
        #expect(throws: RLPError.trailingBytes(count: 1)) { try decoder.finish() }
    }

    @Test func `random bytes never trap`() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<20_000 {
            var bytes = random.bytes(random.index(below: 24))
            if !bytes.isEmpty, random.index(below: 2) == 0 { bytes[0] |= 0xc0 }
            _ = try? RLPTree(decoding: bytes)
        }
    }

    private func expect(
        _ bytes: Bytes, _ error: RLPError, sourceLocation: SourceLocation = #_sourceLocation,
        _ read: (inout RLPDecoder) throws -> some Any
    ) {
        #expect(throws: error, sourceLocation: sourceLocation) {
            var decoder = RLPDecoder(bytes)
            _ = try read(&decoder)
        }
    }
}

@Suite(.enabled(if: Fixtures.areAvailable, Fixtures.hint))
struct RLPVectorTests {
    @Test func `the official encodings`() throws {
        let cases = try Fixtures.cases(Fixtures.file("rlp-tests", "rlptest.json"))
        #expect(!cases.isEmpty)
        for (name, value) in cases {
            let expected = try #require(value["out"]?.stringValue.flatMap(Hex.decode))
            let tree = try RLPTree(try #require(value["in"]))
            #expect(tree.encoded() == expected, "\(name)")
            #expect(try RLPTree(decoding: expected) == tree, "\(name)")
        }
    }

    @Test(arguments: ["invalidRLPTest.json", "RandomRLPTests/example.json"])
    func `invalid encodings are refused and valid ones come back`(file: String) throws {
        let cases = try Fixtures.cases(Fixtures.file("rlp-tests", file))
        #expect(!cases.isEmpty)
        for (name, value) in cases {
            let bytes = try #require(value["out"]?.stringValue.flatMap(Hex.decode))
            if value["in"]?.stringValue == "VALID" {
                #expect(try RLPTree(decoding: bytes).encoded() == bytes, "\(name)")
            } else {
                #expect(throws: RLPError.self, "\(name)") { try RLPTree(decoding: bytes) }
            }
        }
    }
}

/// A whole item, for tests.
private indirect enum RLPTree: Equatable {
    case string(Bytes)
    case list([RLPTree])

    /// The notation of the official vectors: strings, numbers, "#…" for large ones, and lists.
    init(_ json: JSONValue) throws {
        if let items = json.arrayValue {
            self = .list(try items.map(RLPTree.init))
        } else if let number = json.uint64Value {
            self = .string(UInt256(number).minimalBytes)
        } else {
            let text = try #require(json.stringValue)
            if text.hasPrefix("#") {
                self = .string(Self.minimalBytes(decimal: text.dropFirst()))
            } else {
                self = .string(Bytes(text.utf8))
            }
        }
    }

    init(decoding bytes: Bytes) throws {
        var decoder = RLPDecoder(bytes)
        try self.init(from: &decoder, depth: 0)
        try decoder.finish()
    }

    private init(from decoder: inout RLPDecoder, depth: Int) throws {
        guard decoder.nextIsList else {
            self = .string(Bytes(try decoder.bytes()))
            return
        }
        guard depth < 64 else { throw RLPError.unexpectedList }
        var list = try decoder.list()
        var items: [RLPTree] = []
        while !list.isAtEnd { items.append(try RLPTree(from: &list, depth: depth + 1)) }
        self = .list(items)
    }

    func encoded() -> Bytes {
        var encoder = RLPEncoder()
        append(to: &encoder)
        return encoder.bytes
    }

    private func append(to encoder: inout RLPEncoder) {
        switch self {
        case .string(let bytes): encoder.append(bytes)
        case .list(let items): encoder.list { list in items.forEach { $0.append(to: &list) } }
        }
    }

    /// A decimal number of any size: one of the vectors is 2²⁵⁶.
    private static func minimalBytes(decimal: Substring) -> Bytes {
        var bytes: Bytes = []
        for digit in decimal.utf8 {
            var carry = Int(digit - 48)
            for index in bytes.indices.reversed() {
                carry += Int(bytes[index]) * 10
                bytes[index] = UInt8(carry & 255)
                carry >>= 8
            }
            if carry > 0 { bytes.insert(UInt8(carry), at: 0) }
        }
        return bytes
    }
}
