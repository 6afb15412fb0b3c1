import Primitives
import Testing

import RPC

@Suite struct RPCParameterTests {
    private func text(_ json: String) -> JSONText {
        let bytes = Bytes(json.utf8)
        return JSONText(bytes, bytes.indices)
    }

    private func reason<Parameter: RPCParameter>(
        _ json: String, _: Parameter.Type
    ) -> String? {
        do {
            _ = try Parameter.decode(text(json))
            return nil
        } catch {
            return error.reason
        }
    }

    private let address = "0x00000000000000000000000000000000deadbeef"

    @Test func `an address is read in any case of its digits`() throws {
        let upper = address.uppercased().replacing("0X", with: "0x")
        #expect(try Address.decode(text("\"\(address)\"")).description == address)
        #expect(try Address.decode(text("\"\(upper)\"")).description == address)
    }

    @Test func `a string with escapes is read like one without`() throws {
        let escaped = address.replacing("0x", with: "\\u0030x")
        #expect(try Address.decode(text("\"\(escaped)\"")).description == address)
    }

    @Test(arguments: [
        ("1", "json: cannot unmarshal non-string into Go value of type common.Address"),
        ("null", "json: cannot unmarshal non-string into Go value of type common.Address"),
        (#""""#, "json: cannot unmarshal empty hex string into Go value of type common.Address"),
        (
            #""deadbeef""#,
            "json: cannot unmarshal hex string without 0x prefix into Go value of type common.Address"
        ),
        (
            #""0xabc""#,
            "json: cannot unmarshal hex string of odd length into Go value of type common.Address"
        ),
        (#""0xabcd""#, "hex string has length 4, want 40 for common.Address"),
        (
            #""0xzz000000000000000000000000000000deadbeef""#,
            "json: cannot unmarshal invalid hex string into Go value of type common.Address"
        ),
    ]) func `a bad address is told in geth's words`(json: String, expected: String) {
        #expect(reason(json, Address.self) == expected)
    }

    @Test(arguments: [
        (#""0x""#, "json: cannot unmarshal hex string \"0x\" into Go value of type hexutil.Uint64"),
        (
            #""0x01""#,
            "json: cannot unmarshal hex number with leading zero digits into Go value of type "
                + "hexutil.Uint64"
        ),
        (
            #""0x10000000000000000""#,
            "json: cannot unmarshal hex number > 64 bits into Go value of type hexutil.Uint64"
        ),
        ("5", "json: cannot unmarshal non-string into Go value of type hexutil.Uint64"),
    ]) func `a bad quantity is told in geth's words`(json: String, expected: String) {
        #expect(reason(json, UInt64.self) == expected)
    }

    @Test func `quantities of all sizes are read`() throws {
        #expect(try UInt64.decode(text(#""0x0""#)) == 0)
        #expect(try UInt64.decode(text(#""0xffffffffffffffff""#)) == .max)
        let all = String(repeating: "f", count: 64)
        #expect(try UInt256.decode(text("\"0x\(all)\"")) == .max)
        #expect(reason("\"0x1\(all)\"", UInt256.self)?.contains("> 256 bits") == true)
        #expect(
            try UInt256.decode(text("\"0x10000000000000001\""))
                == UInt256(l0: 1, l1: 1, l2: 0, l3: 0))
    }

    @Test(
        arguments: [
            ("16", 16), (#""16""#, 16), (#""0x10""#, 16), (#""0x0010""#, 16), (#""0x""#, 0),
            ("0", 0),
        ] as [(String, UInt64)])
    func `a lenient quantity is read in every spelling that tools use`(
        json: String, value: UInt64
    ) throws {
        #expect(try LenientQuantity.decode(text(json)).value == UInt256(value))
    }

    @Test(arguments: ["-1", "1.5", #""abc""#, "true", "null", "[]", #""""#, "1e3"])
    func `what is no natural number is refused`(json: String) {
        #expect(reason(json, LenientQuantity.self) != nil)
    }

    @Test(
        arguments: [
            (#""0x""#, 0), (#""0x0""#, 0), (#""0x1""#, 1), (#""0x01""#, 1), (#""5""#, 5),
            ("\"0x\(String(repeating: "0", count: 63))7\"", 7),
        ] as [(String, UInt64)])
    func `a storage key may have any length up to 32 bytes`(json: String, slot: UInt64) throws {
        #expect(try StorageKey.decode(text(json)).slot == UInt256(slot))
    }

    @Test func `a storage key that is too long or no hexadecimal is refused`() {
        #expect(reason("\"0x\(String(repeating: "0", count: 65))\"", StorageKey.self) != nil)
        #expect(reason(#""0xg""#, StorageKey.self) != nil)
        #expect(reason("1", StorageKey.self) != nil)
    }

    @Test func `data is read byte by byte`() throws {
        #expect(try HexData.decode(text(#""0x""#)).bytes == [])
        #expect(try HexData.decode(text(#""0x00fF""#)).bytes == [0, 255])
        #expect(reason(#""0x0""#, HexData.self)?.contains("odd length") == true)
    }
}
