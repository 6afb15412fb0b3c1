import Cryptography
import Foundation
import Gateway
import Primitives
import RPC

/// Files that hold secrets: made readable by their owner alone, and not trusted where others can
/// get at them.
enum SecretFile {
    /// The key that the node and its consensus client share; made if the file is not there.
    ///
    /// The consensus client often runs as another user: the file may be readable by its group, but
    /// not by everyone, and nobody else may change it.
    static func consensusKey(at path: String) throws(StartupError) -> TokenKey {
        guard let text = try read(path, forbidden: 0o027, allowed: "0600 or 0640") else {
            let key = TokenKey.random()
            try write(key.hex + "\n", to: path)
            return key
        }
        guard let key = TokenKey(hex: text) else {
            throw StartupError(
                .data, "\(path) does not hold a secret: 64 hexadecimal digits are wanted")
        }
        return key
    }

    /// The key with which blocks are sealed; made if the file is not there.
    static func sealerKey(at path: String) throws(StartupError) -> PrivateKey {
        guard let text = try read(path, forbidden: 0o077, allowed: "0600") else {
            let key = PrivateKey.random()
            try write(String(Hex.encode(key.bytes).dropFirst(2)) + "\n", to: path)
            return key
        }
        let digits = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let bytes = Hex.decode(digits.hasPrefix("0x") ? digits : "0x" + digits)
        guard let bytes, let key = PrivateKey(bytes) else {
            throw StartupError(
                .data, "\(path) does not hold a private key: 64 hexadecimal digits are wanted")
        }
        return key
    }

    /// The path of the key with which tokens for a devnet are signed; made if it is not there.
    static func gatewayKey(in folder: String) throws(StartupError) -> String {
        let path = folder + "/gateway.key"
        if try read(path, forbidden: 0o077, allowed: "0600") == nil {
            let text: String
            do throws(GatewayError) {
                text = try TokenSigningKey.generate(.hs256)
            } catch {
                throw StartupError(.software, error.description)
            }
            try write(text + "\n", to: path)
        }
        return path
    }

    /// The text of a file that others cannot get at; `nil` if there is no file.
    ///
    /// - Parameters:
    ///   - forbidden: the bits that the file's mode must not have.
    ///   - allowed: what it may have, for the person who has to change it.
    private static func read(
        _ path: String, forbidden: Int, allowed: String
    ) throws(StartupError) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let facts = try? FileManager.default.attributesOfItem(atPath: path)
        guard let mode = (facts?[.posixPermissions] as? NSNumber)?.intValue else {
            throw StartupError(.noInput, "cannot look at \(path)")
        }
        guard mode & forbidden == 0 else {
            throw StartupError(
                .configuration,
                "\(path) holds a secret, but has mode 0\(String(mode, radix: 8)), so others can get "
                    + "at it; chmod it to \(allowed), and make a new secret if someone has")
        }
        guard let data = FileManager.default.contents(atPath: path), data.count <= 4_096 else {
            throw StartupError(.noInput, "cannot read \(path)")
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// Makes a file that only its owner can read, from its first moment on.
    private static func write(_ text: String, to path: String) throws(StartupError) {
        let mask = umask(0o077)
        defer { umask(mask) }
        let isWritten = FileManager.default.createFile(
            atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        guard isWritten else { throw StartupError(.io, "cannot write \(path)") }
    }
}
