/// Keys on secp256k1: what signs, and what a signature is checked against.

import CSecp256k1
public import Primitives

/// A private key: an integer from 1 to n - 1.
public struct PrivateKey: Sendable, CustomStringConvertible {
    /// The key's 32 bytes, big endian. A secret.
    public let bytes: Bytes
    /// The point that belongs to the key.
    public let publicKey: PublicKey
    /// The address of the account that the key controls.
    public let address: Address

    /// A key from its 32 big-endian bytes; nil if there are more or fewer, or if the key is zero or
    /// not below n.
    public init?(_ bytes: some Collection<UInt8>) {
        let bytes = Bytes(bytes)
        var key = secp256k1_pubkey()
        guard bytes.count == 32,
            secp256k1_ec_pubkey_create(Secp256k1.context, &key, bytes) == 1
        else { return nil }
        self.bytes = bytes
        self.publicKey = PublicKey(key)
        self.address = publicKey.address
    }

    /// A key from its value; nil if that is zero or not below n.
    public init?(_ value: UInt256) { self.init(value.bigEndianBytes) }

    /// A new random key.
    public static func random() -> PrivateKey {
        while true {
            // One in 2¹²⁸ random values is out of range.
            if let key = PrivateKey(randomBytes(count: 32)) { return key }
        }
    }

    /// The signature of `hash` with the deterministic nonce of RFC 6979 and a low s (EIP-2).
    public func sign(_ hash: Hash256) -> Signature {
        let context = Secp256k1.context
        var signature = secp256k1_ecdsa_recoverable_signature()
        let isSigned = secp256k1_ecdsa_sign_recoverable(
            context, &signature, hash.bytes, bytes, nil, nil)
        precondition(isSigned == 1, "A valid key signs every hash.")
        var compact = Bytes(repeating: 0, count: 64)
        var recoveryId: Int32 = 0
        _ = secp256k1_ecdsa_recoverable_signature_serialize_compact(
            context, &compact, &recoveryId, &signature)
        // Bit 1 would say that r was reduced modulo n, which no one has ever seen happen (1 in
        // 2¹²⁷).
        return Signature(
            yParity: recoveryId & 1 == 1,
            r: UInt256(bigEndian: compact[..<32]) ?? .zero,
            s: UInt256(bigEndian: compact[32...]) ?? .zero)
    }

    /// The address only: a secret must not come into a log by accident.
    public var description: String { "PrivateKey(of: \(address))" }
}

extension PrivateKey: Equatable {
    /// Whether the keys are one; compares the public halves, so it tells nothing by its timing.
    public static func == (left: PrivateKey, right: PrivateKey) -> Bool {
        left.publicKey == right.publicKey
    }
}

/// A public key: a point of the curve other than infinity.
public struct PublicKey: Hashable, Sendable {
    /// x ‖ y, 32 big-endian bytes each.
    public let bytes: Bytes

    /// A key from 64 bytes x ‖ y, or from 33 or 65 bytes in the forms of SEC 1 (02/03 ‖ x, 04 ‖ x ‖
    /// y); nil if the bytes are not a point of the curve.
    public init?(_ bytes: some Collection<UInt8>) {
        let encoded = bytes.count == 64 ? [0x04] + Bytes(bytes) : Bytes(bytes)
        var key = secp256k1_pubkey()
        guard encoded.count == 33 || encoded.count == 65,
            secp256k1_ec_pubkey_parse(Secp256k1.context, &key, encoded, encoded.count) == 1
        else { return nil }
        self.init(key)
    }

    init(_ key: secp256k1_pubkey) {
        bytes = withUncompressed(key) { Bytes($0) }
    }

    /// The address of the account that the key controls: the last 20 bytes of the key's hash.
    public var address: Address { Address(lowBytesOf: keccak256(bytes)) }

    /// The 33 bytes 02/03 ‖ x, the compressed form of SEC 1.
    public var compressed: Bytes {
        [bytes[63] & 1 == 0 ? 0x02 : 0x03] + bytes[..<32]
    }
}

/// The address of the account that `key` controls.
func address(of key: secp256k1_pubkey) -> Address {
    Address(lowBytesOf: withUncompressed(key) { keccak256(bytes: $0) })
}

/// Calls `body` with the key's 64 bytes x ‖ y.
private func withUncompressed<Result>(
    _ key: secp256k1_pubkey, _ body: (UnsafeRawBufferPointer) -> Result
) -> Result {
    var key = key
    var count = 65
    var encoded = Bytes(repeating: 0, count: count)
    let isSerialized = secp256k1_ec_pubkey_serialize(
        Secp256k1.context, &encoded, &count, &key, UInt32(SECP256K1_EC_UNCOMPRESSED))
    precondition(isSerialized == 1 && count == 65, "A key serializes to 04 ‖ x ‖ y.")
    return encoded.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[1...])) }
}
