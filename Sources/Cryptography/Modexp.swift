/// Modular exponentiation of big integers: the arithmetic of precompile MODEXP (EIP-198), by GMP.

import CGMP
public import Primitives

/// base ^ exponent mod modulus, big-endian numbers of any length; the result has the length of the
/// modulus.
///
/// As EIP-198 defines it: 0 ^ 0 is 1, everything modulo 0 is 0. The caller charges for the work,
/// and thereby limits it.
public func modexp(
    base: ArraySlice<UInt8>, exponent: ArraySlice<UInt8>, modulus: ArraySlice<UInt8>
) -> Bytes {
    guard !modulus.isEmpty else { return [] }
    return Bytes(unsafeUninitializedCapacity: modulus.count) { result, initializedCount in
        base.withUnsafeBufferPointer { base in
            exponent.withUnsafeBufferPointer { exponent in
                modulus.withUnsafeBufferPointer { modulus in
                    gmp_modexp(
                        base.baseAddress, base.count, exponent.baseAddress, exponent.count,
                        modulus.baseAddress, modulus.count, result.baseAddress)
                }
            }
        }
        initializedCount = modulus.count
    }
}
