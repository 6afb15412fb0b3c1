/// Messages that people sign, made unlike any transaction (EIP-191, version 0x45): `personal_sign`,
/// `eth_sign`.

public import Primitives

/// The hash that a signature of `message` signs: that of "\u{19}Ethereum Signed Message:\n", the
/// message's length in decimal digits, and the message.
public func personalMessageHash(_ message: Bytes) -> Hash256 {
    keccak256(Bytes("\u{19}Ethereum Signed Message:\n\(message.count)".utf8) + message)
}
