import Primitives
import Testing

@Suite struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test func `commas stand between members and elements only`() {
        let result = text { writer in
            writer.object { writer in
                writer.key("a")
                writer.array { writer in
                    writer.number(1)
                    writer.null()
                    writer.object { _ in }
                    writer.array { _ in }
                    writer.string("x")
                }
                writer.key("b")
                writer.bool(true)
                writer.key("c")
                writer.raw([0x31])
                writer.key("d")
                writer.number(2.5)
            }
        }
        #expect(result == #"{"a":[1,null,{},[],"x"],"b":true,"c":1,"d":2.5}"#)
    }

    @Test(
        arguments: [
            (0, "0x0"), (1, "0x1"), (15, "0xf"), (16, "0x10"), (0x1f, "0x1f"), (0x100, "0x100"),
            (UInt64.max, "0xffffffffffffffff"), (1 << 60, "0x1000000000000000"),
        ] as [(UInt64, String)]) func `a quantity has no leading zeros`(value: UInt64, hex: String)
    {
        #expect(text { $0.hexQuantity(value) } == "\"\(hex)\"")
    }

    @Test func `data has two digits a byte`() {
        #expect(text { $0.hexData([]) } == #""0x""#)
        #expect(text { $0.hexData([0, 0x0a, 0xff]) } == #""0x000aff""#)
    }

    @Test func `words of 256 bits are quantities, full words, hashes and addresses`() {
        let value = UInt256(l0: 1, l1: 0, l2: 0xab, l3: 0)
        let zeros = String(repeating: "0", count: 16)
        #expect(text { $0.hexQuantity(UInt256.zero) } == #""0x0""#)
        #expect(text { $0.hexQuantity(value) } == "\"0xab\(zeros)\(zeros.dropLast())1\"")
        #expect(text { $0.hexWord(value) } == "\"\(Hash256(value))\"")
        #expect(text { $0.hash(Hash256(value)) } == "\"\(Hash256(value))\"")
        let address = Address(Bytes(1...20))
        let digits = (1...20).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(address.map { address in text { $0.address(address) } } == "\"0x\(digits)\"")
    }

    @Test func `going back to a mark forgets what came after it`() {
        let result = text { writer in
            writer.object { writer in
                writer.key("a")
                writer.null()
                let mark = writer.mark()
                writer.key("b")
                writer.beginArray()
                writer.rewind(to: mark)
                writer.key("c")
                writer.null()
            }
        }
        #expect(result == #"{"a":null,"c":null}"#)
    }

    @Test func `a double that is an integer is written as one`() {
        #expect(text { $0.number(1.0) } == "1")
        #expect(text { $0.number(0.5) } == "0.5")
        #expect(text { $0.number(Double.nan) } == "null")
    }
}
