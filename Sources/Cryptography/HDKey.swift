/// Keys that grow from one seed (BIP-32), private derivation only: what a wallet does with a
/// mnemonic's seed.

import CSecp256k1
public import Primitives

/// Why no key lies at a path.
public enum HDKeyError: Error, Hashable {
    /// The path is not m, followed by up to 255 times / and an index below 2³¹, with ' or h after
    /// it if hardened.
    case malformedPath(String)
    /// The key of this index is no valid one, and the next index is to be used (BIP-32; 1 in 2¹²⁷).
    case unusableIndex(UInt32)
}

/// An extended private key: a key, and the chain code with which its children are made.
public struct HDKey: Sendable {
    /// The key itself.
    public let privateKey: PrivateKey
    /// 32 bytes; a secret.
    public let chainCode: Bytes

    /// The index from which children are hardened: made from the private key, not the public one.
    public static let firstHardenedIndex: UInt32 = 1 << 31

    /// The master key of a seed; nil if the seed is not of 16 to 64 bytes, or of no use (1 in
    /// 2¹²⁷).
    public init?(seed: Bytes) {
        guard (16...64).contains(seed.count) else { return nil }
        let digest = hmacSHA512(key: Bytes("Bitcoin seed".utf8), message: seed)
        guard let key = PrivateKey(digest[..<32]) else { return nil }
        self.init(privateKey: key, chainCode: Bytes(digest[32...]))
    }

    private init(privateKey: PrivateKey, chainCode: Bytes) {
        self.privateKey = privateKey
        self.chainCode = chainCode
    }

    /// The child of an index, hardened from `firstHardenedIndex` on: CKDpriv of BIP-32; nil if
    /// there is none (1 in 2¹²⁷).
    public func child(_ index: UInt32) -> HDKey? {
        let isHardened = index >= Self.firstHardenedIndex
        let parent = isHardened ? [0] + privateKey.bytes : privateKey.publicKey.compressed
        let suffix = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: index >> $0) }
        let digest = hmacSHA512(key: chainCode, message: parent + suffix)
        // The left half plus the parent's key modulo n; the library refuses what is out of range or
        // zero.
        var bytes = privateKey.bytes
        guard
            secp256k1_ec_seckey_tweak_add(Secp256k1.context, &bytes, Bytes(digest[..<32])) == 1,
            let key = PrivateKey(bytes)
        else { return nil }
        return HDKey(privateKey: key, chainCode: Bytes(digest[32...]))
    }

    /// The key at a path such as `m/44'/60'/0'/0/0`, that of the first account of most Ethereum
    /// wallets (BIP-44).
    public func derive(path: String) throws(HDKeyError) -> PrivateKey {
        let steps = path.split(separator: "/", omittingEmptySubsequences: false)
        guard steps.first == "m", steps.count <= 256 else { throw .malformedPath(path) }
        var key = self
        for step in steps.dropFirst() {
            let isHardened = step.hasSuffix("'") || step.hasSuffix("h")
            let digits = isHardened ? step.dropLast() : step
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt32(digits), number < Self.firstHardenedIndex
            else { throw .malformedPath(path) }
            let index = isHardened ? number + Self.firstHardenedIndex : number
            guard let child = key.child(index) else { throw .unusableIndex(index) }
            key = child
        }
        return key.privateKey
    }
}
