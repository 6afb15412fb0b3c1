/// Mnemonic phrases (BIP-39): entropy as 12 to 24 English words with a checksum, and the seed of
/// keys made from them.

public import Primitives

/// What is wrong with a mnemonic phrase or its passphrase.
public enum MnemonicError: Error, Hashable {
    /// The number of words is not 12, 15, 18, 21 or 24.
    case wordCount(Int)
    /// A word, counted from one, is not in the list.
    case unknownWord(String, position: Int)
    /// The words do not belong together: most likely one is wrong or two have changed places.
    case checksumMismatch
    /// The passphrase has characters outside ASCII, for which BIP-39 asks a normalisation (NFKD)
    /// that is not offered here.
    case passphraseNotASCII
}

/// BIP-39 with the English words.
public enum Mnemonic {
    /// The numbers of words that a phrase can have: 4 to 8 times 32 bits of entropy, with a
    /// checksum bit for each 32.
    public static let wordCounts: Set<Int> = [12, 15, 18, 21, 24]

    /// A new random phrase.
    ///
    /// - Precondition: `wordCounts` contains `wordCount`.
    public static func generate(wordCount: Int = 12) -> String {
        precondition(wordCounts.contains(wordCount), "A mnemonic has 12, 15, 18, 21 or 24 words.")
        return phrase(of: randomBytes(count: wordCount / 3 * 4))
    }

    /// The phrase of the entropy.
    ///
    /// - Precondition: `entropy` is 16, 20, 24, 28 or 32 bytes.
    public static func phrase(of entropy: Bytes) -> String {
        precondition(
            entropy.count % 4 == 0 && wordCounts.contains(entropy.count / 4 * 3),
            "A mnemonic has 16, 20, 24, 28 or 32 bytes of entropy.")
        // The bits of the entropy and its checksum, eleven for each word.
        let bytes = entropy + [sha256(entropy)[0]]
        var chosen: [String] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            if bitCount >= 11 {
                bitCount -= 11
                chosen.append(words[Int(bits >> UInt32(bitCount) & 0x7ff)])
                bits &= 1 << UInt32(bitCount) - 1
            }
        }
        return chosen.prefix(entropy.count / 4 * 3).joined(separator: " ")
    }

    /// The entropy of a phrase, whose words stand between any white space.
    public static func entropy(of phrase: String) throws(MnemonicError) -> Bytes {
        let given = split(phrase)
        guard wordCounts.contains(given.count) else { throw .wordCount(given.count) }
        var bytes = Bytes()
        var bits: UInt32 = 0
        var bitCount = 0
        for (index, word) in given.enumerated() {
            guard let value = values[word] else {
                throw .unknownWord(word, position: index + 1)
            }
            bits = bits << 11 | value
            bitCount += 11
            while bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
                bits &= 1 << UInt32(bitCount) - 1
            }
        }
        // What follows the entropy is its checksum: 4 to 7 bits that are left, or, of 24 words, a
        // whole byte.
        let entropy = Bytes(bytes.prefix(given.count / 3 * 4))
        let checksumBits = UInt32(given.count / 3)
        let checksum = bytes.count > entropy.count ? UInt32(bytes[entropy.count]) : bits
        guard checksum == UInt32(sha256(entropy)[0]) >> (8 - checksumBits) else {
            throw .checksumMismatch
        }
        return entropy
    }

    /// Throws unless the words are in the list and fit their checksum.
    public static func validate(_ phrase: String) throws(MnemonicError) {
        _ = try entropy(of: phrase)
    }

    /// The 64 bytes from which `HDKey` makes keys: PBKDF2 of the phrase, salted with the
    /// passphrase.
    public static func seed(
        _ phrase: String, passphrase: String = ""
    ) throws(MnemonicError) -> Bytes {
        try validate(phrase)
        guard passphrase.utf8.allSatisfy({ $0 < 0x80 }) else { throw .passphraseNotASCII }
        return pbkdf2HMACSHA512(
            password: Bytes(split(phrase).joined(separator: " ").utf8),
            salt: Bytes("mnemonic".utf8) + Bytes(passphrase.utf8), iterations: 2048, count: 64)
    }

    private static func split(_ phrase: String) -> [String] {
        phrase.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// The place of each word in the list.
    private static let values: [String: UInt32] = Dictionary(
        uniqueKeysWithValues: zip(words, 0...))
}
