/// Why a precompiled contract refuses its input.
public enum PrecompileDefect: Error, Hashable {
    /// The input, or a part of it, is not as long as it must be.
    case length
    /// The bytes before a field element are not all zero (EIP-2537).
    case padding
    /// A field element is not below the modulus.
    case fieldElement
    /// A point is not on the curve.
    case notOnCurve
    /// A point of the curve of G1 is not in the subgroup.
    case notInG1
    /// A point of the curve of G2 is not in the subgroup.
    case notInG2
    /// A flag is neither 0 nor 1 (EIP-152).
    case flag
    /// The commitment does not belong to the versioned hash (EIP-4844).
    case versionedHash
    /// A point or a field element of a proof cannot be read (EIP-4844).
    case proofEncoding
    /// A proof does not hold (EIP-4844).
    case proof
}
