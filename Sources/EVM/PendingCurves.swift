import Primitives

// Stand-ins until the curves are in Cryptography: every input is refused.
enum BN254 {
    static func add(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func multiply(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func pairing(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
}
enum BLS12381 {
    static func g1Add(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func g1MSM(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func g2Add(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func g2MSM(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func pairing(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func mapToG1(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
    static func mapToG2(_ input: ArraySlice<UInt8>) -> Bytes? { nil }
}
enum KZG {
    static func versionedHash(_ commitment: Bytes) -> Hash256 { .zero }
    static func verifyProof(commitment: Bytes, z: Bytes, y: Bytes, proof: Bytes) -> Bool? { nil }
}
