import Compression
import Primitives
import TestSupport
import Testing

@Suite struct MessageCompressionTests {
    private let codec = MessageCompression(windowBits: 15)

    @Test func `the examples of the specification are read`() throws {
        // RFC 7692, sections 7.2.3.1 (one block), 7.2.3.3 (not compressed), 7.2.3.4 (a last block) and
        // 7.2.3.5 (two blocks).
        for example in [
            "f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000",
            "f24805000000ffffcac9c90700",
        ] {
            let packed = try #require(Hex.decode(example))
            #expect(try codec.decompress(packed, limit: 5) == Bytes("Hello".utf8), "\(example)")
        }
    }

    @Test(arguments: 9...15)
    func `a message comes back as it was`(windowBits: Int) throws {
        let codec = MessageCompression(windowBits: windowBits)
        for count in [0, 1, 2, 100, 5_000, 70_000, 300_000] {
            let message = Bytes((0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 / 7) })
            let packed = try #require(codec.compress(message))
            #expect(try codec.decompress(packed, limit: count) == message)
        }
    }

    @Test(arguments: [9, 15])
    func `a message may be compressed part by part, and refers to the parts before`(
        windowBits: Int
    ) throws {
        let codec = MessageCompression(windowBits: windowBits)
        let message = Bytes((0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* $0 / 7) })
        for size in [1, 400, 100_000, 299_999] {
            let deflation = try #require(codec.begin())
            var packed: Bytes = []
            for start in stride(from: 0, to: message.count - size, by: size) {
                packed += try #require(deflation.next(Bytes(message[start..<start + size])))
            }
            let rest = message.count - (message.count - 1) / size * size
            packed += try #require(deflation.last(Bytes(message.suffix(rest))))
            let isSame = try codec.decompress(packed, limit: message.count) == message
            #expect(isSame, "\(size)")
        }
        let sentence = Bytes("a sentence of some length, which is found in the window".utf8)
        let deflation = try #require(codec.begin())
        let first = try #require(deflation.next(sentence))
        #expect(try #require(deflation.last(sentence)).count < first.count / 2)
    }

    @Test func `a message that is left before its end leaves nothing to the next`() throws {
        let message = Bytes("a message of some length, that would be found in the window".utf8)
        let alone = try #require(codec.compress(message))
        for _ in 0..<3 { _ = try #require(codec.begin()?.next(message)) }
        #expect(codec.compress(message) == alone)
    }

    @Test func `a message refers to none before it`() throws {
        let message = Bytes("a message of some length, that would be found in the window".utf8)
        let first = try #require(codec.compress(message))
        #expect(codec.compress(message) == first)
    }

    @Test func `what is larger than allowed is refused, however small it was packed`() throws {
        for count in [1_000, 1_001, 10_000_000] {
            let packed = try #require(codec.compress(Bytes(repeating: 0x20, count: count)))
            if count == 1_000 {
                #expect(try codec.decompress(packed, limit: 1_000).count == count)
            } else {
                #expect(throws: InflationError.tooLarge) {
                    try codec.decompress(packed, limit: 1_000)
                }
            }
        }
    }

    @Test func `nonsense is refused or read, and the next message too`() throws {
        var random = SeededRandom(seed: 1)
        let message = Bytes("the next message".utf8)
        let packed = try #require(codec.compress(message))
        for _ in 0..<2_000 {
            let nonsense = Bytes(
                (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                })
            let read = try? codec.decompress(nonsense, limit: 10_000)
            #expect(read.map { $0.count <= 10_000 } ?? true)
            #expect(try codec.decompress(packed, limit: 100) == message)
        }
    }

    @Test func `damaged blocks are refused`() {
        // A stored block whose length and its complement differ; a reserved kind of block.
        for example: Bytes in [[0x00, 5, 0, 0, 0, 1, 2, 3, 4, 5], [0x06, 0x00]] {
            #expect(throws: InflationError.damaged) {
                try codec.decompress(example, limit: 1_000)
            }
        }
        // A message of nothing but last blocks.
        let many = Bytes([[UInt8]](repeating: [0x03, 0x00], count: 100).joined())
        #expect(throws: InflationError.damaged) { try codec.decompress(many, limit: 1_000) }
    }
}
