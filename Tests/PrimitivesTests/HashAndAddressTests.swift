import Primitives
import TestSupport
import Testing

@Suite struct HashAndAddressTests {
    @Test func `a hash keeps its bytes in order`() {
        let bytes = (1...32).map { UInt8($0) }
        let hash = Hash256(bytes)
        #expect(hash?.bytes == bytes)
        #expect(hash?.w0 == 0x0102_0304_0506_0708)
        #expect(hash?.w3 == 0x191a_1b1c_1d1e_1f20)
        #expect(
            hash?.description
                == "0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20")
        #expect(Hash256(hex: hash?.description ?? "") == hash)
        for index in 0..<64 {
            let byte = bytes[index / 2]
            #expect(hash?.nibble(at: index) == (index % 2 == 0 ? byte >> 4 : byte & 15))
        }
    }

    @Test func `a hash is read from memory as from a list`() {
        let bytes = (1...33).map { UInt8($0) }
        let span = bytes.span
        #expect(Hash256(span.extracting(1..<33))?.bytes == Array(bytes[1..<33]))
        #expect(Hash256(span.extracting(0..<31)) == nil)
        #expect(Hash256(span) == nil)
    }

    @Test func `a hash has exactly 32 bytes`() {
        #expect(Hash256(Bytes(repeating: 1, count: 31)) == nil)
        #expect(Hash256(Bytes(repeating: 1, count: 33)) == nil)
        #expect(Hash256(hex: "0x01") == nil)
        #expect(Hash256(hex: String(repeating: "0", count: 66)) == nil)
    }

    @Test func `an address keeps its bytes in order`() {
        let bytes = (1...20).map { UInt8($0) }
        let address = Address(bytes)
        #expect(address?.bytes == bytes)
        #expect(address?.w2 == 0x1112_1314)
        #expect(address?.description == "0x0102030405060708090a0b0c0d0e0f1011121314")
        #expect(Address(hex: address?.description ?? "") == address)
        #expect(address?.uint256 == UInt256(bigEndian: bytes))
        #expect(address.map { Address(lowBytesOf: $0.uint256) } == address)
    }

    @Test func `an address is the low 20 bytes of a word`() {
        let word = UInt256(bigEndian: (1...32).map { UInt8($0) }) ?? .zero
        #expect(Address(lowBytesOf: word).bytes == (13...32).map { UInt8($0) })
        #expect(Address(lowBytesOf: Hash256(word)) == Address(lowBytesOf: word))
    }

    @Test func `an address has exactly 20 bytes`() {
        #expect(Address(Bytes(repeating: 1, count: 19)) == nil)
        #expect(Address(Bytes(repeating: 1, count: 21)) == nil)
        #expect(Address(hex: "0x" + String(repeating: "0", count: 64)) == nil)
        #expect(Address(hex: "0x" + String(repeating: "F", count: 40))?.bytes.first == 0xff)
    }

    @Test func `the order is that of the bytes`() {
        var random = SeededRandom(seed: 5)
        for _ in 0..<500 {
            let (x, y) = (random.hash(), random.hash())
            #expect((x < y) == x.bytes.lexicographicallyPrecedes(y.bytes))
            let (a, b) = (Address(lowBytesOf: x), Address(lowBytesOf: y))
            #expect((a < b) == a.bytes.lexicographicallyPrecedes(b.bytes))
        }
    }

    @Test func `hexadecimal text reads back with and without prefix`() {
        #expect(Hex.encode([]) == "0x")
        #expect(Hex.encode([0, 0x1f, 0xff]) == "0x001fff")
        #expect(Hex.decode("0x001FfF") == [0, 0x1f, 0xff])
        #expect(Hex.decode("001fff") == [0, 0x1f, 0xff])
        #expect(Hex.decode("") == [])
        #expect(Hex.decode("0x") == [])
    }

    @Test(arguments: ["0x0", "0", "0xgg", "0x0 ", "0X00", "0x0x00"])
    func `odd or foreign digits are refused`(text: String) {
        #expect(Hex.decode(text) == nil)
    }
}
