import Cryptography
import Primitives
import Testing

@Suite struct MnemonicTests {
    // Entropy, phrase, and seed with the passphrase "TREZOR", of every length.
    static let vectors: [(entropy: String, phrase: String, seed: String)] = [
        (
            "00000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abando"
                + "n abandon about",
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d1"
                + "8264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04"
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
            "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe12961065"
                + "59a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607"
        ),
        (
            "ffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
            "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e"
                + "5a589620c6f15b11c61dee327651a14c34e18231052e48c069"
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrist",
            "bfee6f9d2bcfa1331bd6482a24abca521e5f7e769498b9a0146672194c7356e4e409be22bc379c"
                + "8b64fee2aa24b54d3ec20d10a083eaa5d1d6b4b365941ad37c"
        ),
        (
            "808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absu"
                + "rd amount doctor acoustic avoid letter always",
            "107d7c02a5aa6f38c58083ff74f04c607c2d2c0ecc55501dadd72d025b751bc27fe913ffb796f8"
                + "41c49b1d33b610cf0e91d3aa239027f5e99fe4ce9e5088cd65"
        ),
        (
            "00112233445566778899aabbccddeeff0123456789abcdef01234567",
            "abandon math mimic master filter design carbon crystal rookie group knife wrap"
                + " banana pencil owner cube social job emotion member lend",
            "ea747b5196adbbd3b899c3fdf82b37ba99e1e94d0b51ef0a7ccd262118185587849373eda19a4d"
                + "9ab0e5b66f2c479013ac98fabee7e2e5f61416d6e76fe705df"
        ),
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abando"
                + "n abandon abandon abandon abandon abandon abandon abandon abandon abandon aban"
                + "don abandon abandon abandon art",
            "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245c"
                + "afa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8"
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zo"
                + "o zoo zoo zoo vote",
            "dd48c104698c30cfe2b6142103248622fb7bb0ff692eebb00089b32d22484e1613912f0a5b6944"
                + "07be899ffd31ed3992c456cdf60f5d4564b8ba3f05a69890ad"
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush o"
                + "pen amazing screen patrol group space point ten exist slush involve unfold",
            "01f5bced59dec48e362f2c45b5de68b9fd6c92c6634f44d6d40aab69056506f0e35524a518034d"
                + "dc1192e1dacd32c1ed3eaa3c3b131c88ed8e7e54c49a5d0998"
        ),
    ]

    @Test(arguments: vectors)
    func `phrases and seeds are those of BIP-39`(
        entropy: String, phrase: String, seed: String
    ) throws {
        let bytes = try #require(Hex.decode(entropy))
        #expect(Mnemonic.phrase(of: bytes) == phrase)
        #expect(try Mnemonic.entropy(of: phrase) == bytes)
        #expect(try Mnemonic.seed(phrase, passphrase: "TREZOR") == Hex.decode(seed))
    }

    @Test(arguments: Mnemonic.wordCounts.sorted())
    func `a new phrase is valid and unlike the one before`(wordCount: Int) throws {
        let phrase = Mnemonic.generate(wordCount: wordCount)
        #expect(phrase.split(separator: " ").count == wordCount)
        try Mnemonic.validate(phrase)
        #expect(Mnemonic.generate(wordCount: wordCount) != phrase)
    }

    @Test func `white space between words does not matter`() throws {
        let phrase = "test test test test test test test test test test test junk"
        let spread = "  " + phrase.replacing(" ", with: " \n\t") + "\n"
        #expect(try Mnemonic.seed(spread) == Mnemonic.seed(phrase))
    }

    @Test(arguments: [0, 1, 11, 13, 25])
    func `a wrong number of words is refused`(count: Int) {
        let phrase = [String](repeating: "zoo", count: count).joined(separator: " ")
        #expect(throws: MnemonicError.wordCount(count)) { try Mnemonic.validate(phrase) }
    }

    @Test func `an unknown word is named with its place`() {
        #expect(throws: MnemonicError.unknownWord("tset", position: 3)) {
            try Mnemonic.validate("test test tset test test test test test test test test junk")
        }
        #expect(throws: MnemonicError.unknownWord("Test", position: 1)) {
            try Mnemonic.validate("Test test test test test test test test test test test junk")
        }
    }

    @Test(arguments: vectors.map(\.phrase))
    func `a phrase whose last word is another is refused`(phrase: String) {
        let words = phrase.split(separator: " ")
        let changed = words.dropLast().joined(separator: " ") + " actor"
        #expect(throws: MnemonicError.checksumMismatch) { try Mnemonic.validate(changed) }
    }

    @Test func `a passphrase outside ASCII is refused`() {
        #expect(throws: MnemonicError.passphraseNotASCII) {
            try Mnemonic.seed(Mnemonic.generate(), passphrase: "é")
        }
    }
}
