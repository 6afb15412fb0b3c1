/// The hashes of other standards that Ethereum uses: SHA-256 and RIPEMD-160 (precompiles), HMAC and
/// PBKDF2 (key derivation). All by OpenSSL.

import COpenSSL
public import Primitives

/// The SHA-256 digest (FIPS 180-4), 32 bytes.
public func sha256(_ message: Bytes) -> Bytes { sha256(message[...]) }

/// The SHA-256 digest (FIPS 180-4), 32 bytes.
public func sha256(_ message: ArraySlice<UInt8>) -> Bytes {
    digest(message, Algorithms.sha256, count: 32)
}

/// A SHA-256 digest of a message that comes in parts. Not for several threads at once.
public final class SHA256Digest {
    // SAFETY: made in `init`, freed in `deinit`, used by one thread.
    private let context: OpaquePointer

    /// The digest of nothing yet.
    public init() {
        guard let context = EVP_MD_CTX_new(),
            EVP_DigestInit_ex2(context, Algorithms.sha256, nil) == 1
        else { preconditionFailure("OpenSSL could not hash: out of memory.") }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    /// Adds a part.
    public func update(_ part: Bytes) {
        let status = part.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        precondition(status == 1, "OpenSSL could not hash: out of memory.")
    }

    /// The digest of all parts, 32 bytes. To be called once, last.
    public func finish() -> Bytes {
        Bytes(unsafeUninitializedCapacity: 32) { output, initializedCount in
            let status = EVP_DigestFinal_ex(context, output.baseAddress, nil)
            precondition(status == 1, "OpenSSL could not hash: out of memory.")
            initializedCount = 32
        }
    }
}

/// The RIPEMD-160 digest (ISO/IEC 10118-3), 20 bytes.
public func ripemd160(_ message: Bytes) -> Bytes { ripemd160(message[...]) }

/// The RIPEMD-160 digest (ISO/IEC 10118-3), 20 bytes.
public func ripemd160(_ message: ArraySlice<UInt8>) -> Bytes {
    digest(message, Algorithms.ripemd160, count: 20)
}

/// HMAC with SHA-256 (RFC 2104), 32 bytes.
public func hmacSHA256(key: Bytes, message: Bytes) -> Bytes {
    hmac(Algorithms.sha256, key, message, count: 32)
}

/// HMAC with SHA-512 (RFC 2104), 64 bytes.
public func hmacSHA512(key: Bytes, message: Bytes) -> Bytes {
    hmac(Algorithms.sha512, key, message, count: 64)
}

/// `count` bytes derived from a password by PBKDF2 with HMAC-SHA-256 (RFC 8018, section 5.2).
public func pbkdf2HMACSHA256(
    password: Bytes, salt: Bytes, iterations: Int, count: Int
) -> Bytes {
    pbkdf2(Algorithms.sha256, password, salt, iterations, count)
}

/// `count` bytes derived from a password by PBKDF2 with HMAC-SHA-512 (RFC 8018, section 5.2).
public func pbkdf2HMACSHA512(
    password: Bytes, salt: Bytes, iterations: Int, count: Int
) -> Bytes {
    pbkdf2(Algorithms.sha512, password, salt, iterations, count)
}

/// OpenSSL's algorithms, fetched once: a search for each digest would take longer than the digest.
private enum Algorithms {
    // SAFETY: fetched once (a global is initialised once, by one thread) and only read after that;
    // OpenSSL allows any number of threads to use a fetched algorithm.
    nonisolated(unsafe) static let sha256 = fetch("SHA256")
    nonisolated(unsafe) static let sha512 = fetch("SHA512")
    nonisolated(unsafe) static let ripemd160 = fetch("RIPEMD160")

    private static func fetch(_ name: String) -> OpaquePointer {
        guard let algorithm = EVP_MD_fetch(nil, name, nil) else {
            preconditionFailure("OpenSSL does not offer \(name).")
        }
        return algorithm
    }
}

private func digest(
    _ message: ArraySlice<UInt8>, _ algorithm: OpaquePointer, count: Int
) -> Bytes {
    Bytes(unsafeUninitializedCapacity: count) { output, initializedCount in
        let status = message.withUnsafeBytes {
            EVP_Digest($0.baseAddress, $0.count, output.baseAddress, nil, algorithm, nil)
        }
        precondition(status == 1, "OpenSSL could not hash: out of memory.")
        initializedCount = count
    }
}

private func hmac(
    _ algorithm: OpaquePointer, _ key: Bytes, _ message: Bytes, count: Int
) -> Bytes {
    Bytes(unsafeUninitializedCapacity: count) { output, initializedCount in
        let result = HMAC(
            algorithm, key, Int32(key.count), message, message.count, output.baseAddress, nil)
        precondition(result != nil, "OpenSSL could not compute an HMAC: out of memory.")
        initializedCount = count
    }
}

private func pbkdf2(
    _ algorithm: OpaquePointer, _ password: Bytes, _ salt: Bytes, _ iterations: Int, _ count: Int
) -> Bytes {
    precondition(iterations > 0 && count > 0, "PBKDF2 derives at least a byte in an iteration.")
    return Bytes(unsafeUninitializedCapacity: count) { output, initializedCount in
        // SAFETY: `CChar` and `UInt8` have the same layout.
        let status = password.withUnsafeBytes {
            PKCS5_PBKDF2_HMAC(
                $0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32($0.count),
                salt, Int32(salt.count), Int32(clamping: iterations), algorithm, Int32(count),
                output.baseAddress)
        }
        precondition(status == 1, "OpenSSL could not derive a key: out of memory.")
        initializedCount = count
    }
}
