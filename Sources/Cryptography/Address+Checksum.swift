/// The form of an address in which letter case is a checksum (EIP-55).

public import Primitives

extension Address {
    /// The address in hex with the letters of EIP-55: a letter is a capital where the hash of the
    /// lower-case digits has a nibble of 8 or more.
    public var checksummed: String {
        let digits = Array(description.utf8.dropFirst(2))
        let hash = keccak256(digits)
        var text = Array("0x".utf8)
        for (index, digit) in digits.enumerated() {
            let isCapital = digit >= 0x61 && hash.nibble(at: index) >= 8
            text.append(isCapital ? digit - 0x20 : digit)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// An address from 0x and 40 hex digits. Letters of both cases must be those of EIP-55; letters
    /// all of one case carry no checksum.
    public init?(checksummed text: some StringProtocol) {
        let digits = text.utf8.dropFirst(2)
        guard text.hasPrefix("0x"), digits.count == 40, let address = Address(hex: text) else {
            return nil
        }
        let hasSmall = digits.contains { (0x61...0x66).contains($0) }
        let hasCapital = digits.contains { (0x41...0x46).contains($0) }
        if hasSmall && hasCapital && !address.checksummed.utf8.elementsEqual(text.utf8) {
            return nil
        }
        self = address
    }
}
