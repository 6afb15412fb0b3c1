/// Private keys in files, locked with a password: Web3 Secret Storage version 3, as geth, ethers
/// and Besu write and read them.
///
///     {"version": 3, "id": UUID, "address": 40 hex digits (optional), "crypto": {
///         "cipher": "aes-128-ctr", "cipherparams": {"iv": …}, "ciphertext": …,
///         "kdf": "scrypt" | "pbkdf2", "kdfparams": {"dklen": …, "salt": …, …},
///         "mac": keccak256(derived key [16..<32] ‖ ciphertext)}}

import COpenSSL
public import Primitives

/// Why a key file cannot be read or unlocked.
public enum KeyFileError: Error, Hashable {
    /// A field is missing or of the wrong form.
    case malformed(field: String)
    case unsupportedVersion(String)
    case unsupportedCipher(String)
    case unsupportedKeyDerivation(String)
    /// To derive the key would take more memory or time than any wallet asks for; see
    /// `KeyFile.Limits`.
    case keyDerivationTooCostly
    case wrongPassword
    /// What the file holds is not a key, or not that of the address that the file names.
    case wrongKey
}

/// A key file, locked.
public struct KeyFile: Hashable, Sendable {
    /// A UUID.
    public let id: String
    /// The address of the key's account, where the file tells it.
    public let address: Address?
    private let derivation: KeyDerivation
    private let iv: Bytes
    private let ciphertext: Bytes
    private let mac: Hash256

    /// How much work a wrong guess of the password costs.
    public enum Strength: Sendable {
        /// 256 MiB of memory and about a second, geth's default.
        case standard
        /// 4 MiB and some 50 ms, geth's `--lightkdf`.
        case light
    }

    /// Bounds on the work that a file may ask for.
    enum Limits {
        /// Bytes of memory for scrypt: twice what the standard strength takes, with room for its
        /// small blocks.
        static let memory: UInt64 = 513 << 20
        /// Blocks that scrypt mixes, n · r · p: sixteen times those of the standard strength.
        static let scryptBlocks: UInt64 = 1 << 25
        /// Iterations of PBKDF2: about forty times those of common files.
        static let iterations: UInt64 = 10_000_000
        /// Bytes of the derived key, of which 32 are used.
        static let derivedCount: ClosedRange<UInt64> = 32...1024
    }

    /// Reads a key file. Accepts `Crypto` for `crypto`, as early files have it.
    public init(json: JSONValue) throws(KeyFileError) {
        guard let version = json["version"] else { throw .malformed(field: "version") }
        guard version == 3 || version == "3" else {
            throw .unsupportedVersion(version.stringValue ?? version.description)
        }
        guard let crypto = json["crypto"] ?? json["Crypto"] else {
            throw .malformed(field: "crypto")
        }
        let cipher = try Self.string("cipher", in: crypto)
        guard cipher == "aes-128-ctr" else { throw .unsupportedCipher(cipher) }
        guard let parameters = crypto["cipherparams"] else {
            throw .malformed(field: "cipherparams")
        }
        iv = try Self.hex("iv", in: parameters)
        guard iv.count == 16 else { throw .malformed(field: "iv") }
        ciphertext = try Self.hex("ciphertext", in: crypto)
        guard ciphertext.count == 32 else { throw .malformed(field: "ciphertext") }
        guard let mac = Hash256(try Self.hex("mac", in: crypto)) else {
            throw .malformed(field: "mac")
        }
        self.mac = mac
        derivation = try KeyDerivation(json: crypto)
        id = json["id"]?.stringValue ?? ""
        switch json["address"] {
        case nil, .null?, "": address = nil
        case let value?:
            guard let bytes = value.stringValue.flatMap({ Hex.decode($0) }),
                let address = Address(bytes)
            else { throw .malformed(field: "address") }
            self.address = address
        }
    }

    /// Locks a key with a password. Takes as long as the strength says.
    public static func encrypt(
        _ key: PrivateKey, password: String, strength: Strength = .standard
    ) -> KeyFile {
        let salt = randomBytes(count: 32)
        let derivation: KeyDerivation =
            switch strength {
            case .standard: .scrypt(n: 1 << 18, r: 8, p: 1, salt: salt, count: 32)
            case .light: .scrypt(n: 1 << 12, r: 8, p: 6, salt: salt, count: 32)
            }
        return KeyFile(
            locking: key, password: password, derivation: derivation,
            iv: randomBytes(count: 16), id: randomUUID())
    }

    private init(
        locking key: PrivateKey, password: String, derivation: KeyDerivation, iv: Bytes, id: String
    ) {
        let derived = derivation.derive(password: password)
        self.id = id
        self.address = key.address
        self.derivation = derivation
        self.iv = iv
        ciphertext = aes128CTR(key.bytes, key: Bytes(derived[..<16]), iv: iv)
        mac = keccak256(derived[16..<32] + ciphertext)
    }

    /// Unlocks the key. Takes as long as the file's key derivation asks for, up to several seconds.
    public func decrypt(password: String) throws(KeyFileError) -> PrivateKey {
        let derived = derivation.derive(password: password)
        guard keccak256(derived[16..<32] + ciphertext) == mac else { throw .wrongPassword }
        let decrypted = aes128CTR(ciphertext, key: Bytes(derived[..<16]), iv: iv)
        guard let key = PrivateKey(decrypted), address == nil || address == key.address else {
            throw .wrongKey
        }
        return key
    }

    /// The file's content.
    public var json: JSONValue {
        var file: JSONObject = ["version": 3, "id": .string(id)]
        if let address { file["address"] = .string(digits(of: address.bytes)) }
        var crypto: JSONObject = [
            "cipher": "aes-128-ctr",
            "cipherparams": ["iv": .string(digits(of: iv))],
            "ciphertext": .string(digits(of: ciphertext)),
        ]
        (crypto["kdf"], crypto["kdfparams"]) = derivation.json
        crypto["mac"] = .string(digits(of: mac.bytes))
        file["crypto"] = .object(crypto)
        return .object(file)
    }

    fileprivate static func string(
        _ field: String, in object: JSONValue
    ) throws(KeyFileError) -> String {
        guard let text = object[field]?.stringValue else { throw .malformed(field: field) }
        return text
    }

    fileprivate static func hex(
        _ field: String, in object: JSONValue
    ) throws(KeyFileError) -> Bytes {
        guard let bytes = Hex.decode(try string(field, in: object)) else {
            throw .malformed(field: field)
        }
        return bytes
    }

    fileprivate static func number(
        _ field: String, in object: JSONValue
    ) throws(KeyFileError) -> UInt64 {
        guard let number = object[field]?.uint64Value else { throw .malformed(field: field) }
        return number
    }
}

/// The function that makes an AES key of a password.
private enum KeyDerivation: Hashable, Sendable {
    /// RFC 7914: cost n, block size r, parallelism p.
    case scrypt(n: UInt64, r: UInt64, p: UInt64, salt: Bytes, count: UInt64)
    /// RFC 8018 with HMAC-SHA-256.
    case pbkdf2(iterations: UInt64, salt: Bytes, count: UInt64)

    init(json crypto: JSONValue) throws(KeyFileError) {
        let name = try KeyFile.string("kdf", in: crypto)
        guard let parameters = crypto["kdfparams"] else { throw .malformed(field: "kdfparams") }
        let count = try KeyFile.number("dklen", in: parameters)
        guard KeyFile.Limits.derivedCount.contains(count) else { throw .malformed(field: "dklen") }
        let salt = try KeyFile.hex("salt", in: parameters)
        switch name {
        case "scrypt":
            let n = try KeyFile.number("n", in: parameters)
            let r = try KeyFile.number("r", in: parameters)
            let p = try KeyFile.number("p", in: parameters)
            guard n > 1, n & (n - 1) == 0 else { throw .malformed(field: "n") }
            guard r > 0 else { throw .malformed(field: "r") }
            guard p > 0 else { throw .malformed(field: "p") }
            let (nr, isHuge) = n.multipliedReportingOverflow(by: r)
            let (blocks, isHuger) = nr.multipliedReportingOverflow(by: p)
            guard !isHuge, !isHuger, blocks <= KeyFile.Limits.scryptBlocks,
                (nr + p * r) * 128 <= KeyFile.Limits.memory
            else { throw .keyDerivationTooCostly }
            self = .scrypt(n: n, r: r, p: p, salt: salt, count: count)
        case "pbkdf2":
            let function = try KeyFile.string("prf", in: parameters)
            guard function == "hmac-sha256" else { throw .unsupportedKeyDerivation(function) }
            let iterations = try KeyFile.number("c", in: parameters)
            guard iterations > 0 else { throw .malformed(field: "c") }
            guard iterations <= KeyFile.Limits.iterations else { throw .keyDerivationTooCostly }
            self = .pbkdf2(iterations: iterations, salt: salt, count: count)
        default:
            throw .unsupportedKeyDerivation(name)
        }
    }

    /// The name and the parameters.
    var json: (kdf: JSONValue, kdfparams: JSONValue) {
        func number(_ value: UInt64) -> JSONValue { .number(String(value)) }
        switch self {
        case .scrypt(let n, let r, let p, let salt, let count):
            return (
                "scrypt",
                [
                    "dklen": number(count), "n": number(n), "p": number(p), "r": number(r),
                    "salt": .string(digits(of: salt)),
                ]
            )
        case .pbkdf2(let iterations, let salt, let count):
            return (
                "pbkdf2",
                [
                    "c": number(iterations), "dklen": number(count), "prf": "hmac-sha256",
                    "salt": .string(digits(of: salt)),
                ]
            )
        }
    }

    /// The derived key, of which the first 16 bytes encrypt and the next 16 authenticate.
    func derive(password: String) -> Bytes {
        let password = Bytes(password.utf8)
        switch self {
        case .pbkdf2(let iterations, let salt, let count):
            return pbkdf2HMACSHA256(
                password: password, salt: salt, iterations: Int(iterations), count: Int(count))
        case .scrypt(let n, let r, let p, let salt, let count):
            return deriveByScrypt(
                password: password, salt: salt, n: Int(n), r: Int(r), p: Int(p), count: Int(count))
        }
    }
}

/// AES-128 in counter mode, which encrypts and decrypts alike.
private func aes128CTR(_ input: Bytes, key: Bytes, iv: Bytes) -> Bytes {
    guard let context = EVP_CIPHER_CTX_new() else {
        preconditionFailure("OpenSSL could not make a cipher: out of memory.")
    }
    defer { EVP_CIPHER_CTX_free(context) }
    var output = Bytes(repeating: 0, count: input.count)
    var count: Int32 = 0
    let isDone =
        EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), nil, key, iv) == 1
        && EVP_EncryptUpdate(context, &output, &count, input, Int32(input.count)) == 1
    precondition(isDone && count == input.count, "AES-128-CTR encrypts everything.")
    return output
}

/// Hex digits without 0x, as key files have them.
private func digits(of bytes: Bytes) -> String { String(Hex.encode(bytes).dropFirst(2)) }

/// A random UUID (RFC 9562, version 4).
private func randomUUID() -> String {
    var bytes = randomBytes(count: 16)
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    let digits = digits(of: bytes)
    var text = ""
    for (index, digit) in digits.enumerated() {
        if [8, 12, 16, 20].contains(index) { text.append("-") }
        text.append(digit)
    }
    return text
}
