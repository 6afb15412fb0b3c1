/// Random bytes that nobody can guess: keys, mnemonics, salts.

import COpenSSL
public import Primitives

/// `count` random bytes, from OpenSSL's generator, which is seeded by the kernel's.
///
/// Stops the program when there is no randomness to be had: no key may be made without it.
public func randomBytes(count: Int) -> Bytes {
    Bytes(unsafeUninitializedCapacity: count) { buffer, initializedCount in
        let status = RAND_bytes(buffer.baseAddress, Int32(count))
        precondition(status == 1, "The random number generator failed.")
        initializedCount = count
    }
}
