import Cryptography
import Primitives
import Testing

@Suite struct HDKeyTests {
    // The seeds of BIP-32's test vectors 1 to 4, of which the latter two are about leading zeros.
    static let seeds = [
        "0x000102030405060708090a0b0c0d0e0f",
        "0xfffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2"
            + "9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
        "0x4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4ac"
            + "ba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
        "0x3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
    ]

    @Test(arguments: [
        (
            0, "m/0'/1/2h/2/1000000000",
            "0x471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8"
        ),
        (
            1, "m/0/2147483647'/1/2147483646'/2",
            "0xbb7d39bdb83ecf58f2fd82b6d918341cbef428661ef01ab97c28a4842125ac23"
        ),
        (2, "m", "0x00ddb80b067e0d4993197fe10f2657a844a384589847602d56f0c629c81aae32"),
        (2, "m/0'", "0x491f7a2eebc7b57028e0d3faa0acda02e75c33b03c48fb288c41e2ea44e1daef"),
        (3, "m", "0x12c0d59c7aa3a10973dbd3f478b65f2516627e3fe61e00c345be9a477ad2e215"),
        (3, "m/0'", "0x00d948e9261e41362a688b916f297121ba6bfb2274a3575ac0e456551dfd7f7e"),
        (3, "m/0'/1'", "0x3a2086edd7d9df86c3487a5905a1712a9aa664bce8cc268141e07549eaa8661d"),
    ])
    func `the keys are those of BIP-32`(seed: Int, path: String, key: String) throws {
        let bytes = try #require(Hex.decode(Self.seeds[seed]))
        let master = try #require(HDKey(seed: bytes))
        #expect(Hex.encode(try master.derive(path: path).bytes) == key)
    }

    @Test func `the chain codes are those of BIP-32`() throws {
        let bytes = try #require(Hex.decode(Self.seeds[3]))
        let master = try #require(HDKey(seed: bytes))
        #expect(
            Hex.encode(master.chainCode)
                == "0xd0c8a1f6edf2500798c3e0b54f1b56e45f6d03e6076abd36e5e2f54101e44ce6")
        let child = try #require(master.child(HDKey.firstHardenedIndex))
        #expect(
            Hex.encode(child.chainCode)
                == "0xcdc0f06456a14876c898790e0b3b1a41c531170aec69da44ff7b7265bfe7743b")
    }

    @Test func `the mnemonic of every devnet gives the accounts of every devnet`() throws {
        let seed = try Mnemonic.seed("test test test test test test test test test test test junk")
        let master = try #require(HDKey(seed: seed))
        let addresses = [
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
            "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
            "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        ]
        for (index, address) in addresses.enumerated() {
            let key = try master.derive(path: "m/44'/60'/0'/0/\(index)")
            #expect(key.address.checksummed == address)
        }
    }

    @Test(arguments: [
        "", "/", "m/", "m//0", "0/1", "M/0", "m/0/", "m/-1", "m/+1", "m/x", "m/'", "m/0''", "m/ 0",
        "m/2147483648", "m/2147483648'", "m/99999999999999999999", "m/٣",
        "m" + String(repeating: "/0", count: 256),
    ])
    func `a malformed path is refused`(path: String) throws {
        let master = try #require(HDKey(seed: Bytes(repeating: 7, count: 16)))
        #expect(throws: HDKeyError.malformedPath(path)) { try master.derive(path: path) }
    }

    @Test func `a seed has 16 to 64 bytes`() {
        #expect(HDKey(seed: Bytes(repeating: 1, count: 15)) == nil)
        #expect(HDKey(seed: Bytes(repeating: 1, count: 16)) != nil)
        #expect(HDKey(seed: Bytes(repeating: 1, count: 64)) != nil)
        #expect(HDKey(seed: Bytes(repeating: 1, count: 65)) == nil)
    }
}
