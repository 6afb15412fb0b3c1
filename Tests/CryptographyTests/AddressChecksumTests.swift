import Cryptography
import Primitives
import Testing

@Suite struct AddressChecksumTests {
    // The vectors of EIP-55.
    @Test(arguments: [
        "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ])
    func `the letters of an address are its checksum`(text: String) throws {
        let address = try #require(Address(checksummed: text))
        #expect(address.checksummed == text)
        #expect(Address(checksummed: text.lowercased()) == address)
        #expect(Address(checksummed: "0x" + text.dropFirst(2).uppercased()) == address)
    }

    @Test func `a letter of the wrong case is refused`() {
        #expect(Address(checksummed: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed") == nil)
        #expect(Address(checksummed: "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed") == nil)
    }

    @Test(arguments: [
        "", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", "0xé0000000000000000000000000000000000000000",
    ])
    func `what is no address is refused`(text: String) {
        #expect(Address(checksummed: text) == nil)
    }
}
